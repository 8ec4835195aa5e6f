import OpenAI from "openai"; import { generateText, streamText, generateObject, tool, stepCountIs } from "ai"; import { openai } from "@ai-sdk/openai"; import { createOpenAICompatible } from "@ai-sdk/openai-compatible"; import { z } from "zod";
const cases = {
 async npm_chat(){ const c=new OpenAI(); const r=await c.chat.completions.create({model:"gpt-4o",messages:[{role:"user",content:"hello there"}]}); return r.choices[0].message.content },
 async npm_stream(){ const c=new OpenAI(); const s=c.chat.completions.stream({model:"gpt-4o",messages:[{role:"user",content:"hello there"}]}); return await s.finalContent() },
 async npm_responses(){ const c=new OpenAI(); const r=await c.responses.create({model:"gpt-5",input:"hello there"}); const s=await c.responses.stream({model:"gpt-5",input:"a b"}).finalResponse(); return [r.output_text,s.output_text] },
 async ai_text(){ return (await generateText({model:openai("gpt-5"),prompt:"hello there"})).text },
 async ai_stream(){ let t=""; for await (const p of streamText({model:openai("gpt-5"),prompt:"a b c"}).textStream) t+=p; return t },
 async ai_object(){ return (await generateObject({model:openai("gpt-5"),schema:z.object({name:z.string()}),prompt:"x"})).object },
 async ai_tools(){ const r=await generateText({model:openai("gpt-5"),prompt:"hello",tools:{weather:tool({description:"w",inputSchema:z.object({city:z.string()}),execute:async()=>"7"})},stopWhen:stepCountIs(5)}); return [r.text,r.steps.length] },
 async ai_chat_tools(){ const r=await generateText({model:openai.chat("gpt-4o"),prompt:"hello",tools:{weather:tool({description:"w",inputSchema:z.object({city:z.string()}),execute:async()=>"7"})},stopWhen:stepCountIs(5)}); return [r.text,r.steps.length] },
 async compatible(){ const p=createOpenAICompatible({name:"x",baseURL:process.env.OPENAI_BASE_URL}); let t=""; for await (const q of streamText({model:p("m"),prompt:"a b c"}).textStream) t+=q; return t },
};
for (const [n,f] of Object.entries(cases)) { try { console.log(n,"ok",JSON.stringify(await f())) } catch(e) { console.log(n,"FAILED",String(e).slice(0,300)) } }

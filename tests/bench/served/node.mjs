// npm's openai, the Vercel AI SDK with both of its providers, and wait-on.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { openai } from "@ai-sdk/openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const PART = process.env.PART;
const SHOWN = { works: ["answer", "stream", "tools", "structured"], limited: ["429"], broken: ["broken"], slow: ["cancel"] };
const WORDS = { 429: "fails this attempt on purpose", broken: "the connection broke" }; // that come through
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version.split(".")[0];
const HI = "hello there";
const City = z.object({ name: z.string(), people: z.number() });

// What has to come: a text, or for "structured" an object; 429 and broken have to fail, cancel may.
async function test(client, api, name, call) {
  if (!SHOWN[PART].includes(name)) return;
  const started = Date.now();
  const fails = name === "429" || name === "broken";
  let ok, came;
  try {
    came = await call();
    ok = name === "cancel" || (!fails && (name === "structured" ? typeof came?.name === "string" : came === HI));
  } catch (error) {
    came = error instanceof Error ? String(error) : JSON.stringify(error);
    ok = (fails && came.includes(WORDS[name])) || (name === "cancel" && /abort/i.test(came));
  }
  const took = (Date.now() - started) / 1000;
  ok = ok && (name !== "429" || took >= 1) && took < 30;
  console.log(JSON.stringify({ client: `${client} ${version(client)}`, api, case: name, ok, took, came: JSON.stringify(came)?.slice(0, 200) }));
}

const client = new OpenAI();
const messages = [{ role: "user", content: HI }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const run = { type: "function", function: { name: "weather", parameters, parse: JSON.parse, function: () => "rain" } };
const chat = { model: "gpt-4o", messages }, ask = { model: "gpt-5", input: HI };
const npm = (api, name, call) => test("openai", api, name, call);
const drain = async (stream) => { for await (const _ of stream); };

await npm("chat", "answer", async () => (await client.chat.completions.create(chat)).choices[0].message.content);
await npm("chat", "stream", () => client.chat.completions.stream(chat).finalContent());
await npm("chat", "tools", () => client.chat.completions.runTools({ ...chat, tools: [run] }).finalContent());
await npm("chat", "structured", async () =>
  (await client.chat.completions.parse({ ...chat, response_format: zodResponseFormat(City, "city") })).choices[0].message.parsed);
await npm("responses", "answer", async () => (await client.responses.create(ask)).output_text);
await npm("responses", "stream", async () => (await client.responses.stream(ask).finalResponse()).output_text);
await npm("responses", "tools", async () => {
  const tools = [{ type: "function", name: "weather", parameters, strict: false }];
  const input = [{ role: "user", content: HI }];
  const [called] = (await client.responses.create({ model: "gpt-5", input, tools })).output;
  input.push(called, { type: "function_call_output", call_id: called.call_id, output: "rain" });
  return (await client.responses.create({ model: "gpt-5", input, tools })).output_text;
});
await npm("responses", "structured", async () =>
  (await client.responses.parse({ ...ask, text: { format: zodTextFormat(City, "city") } })).output_parsed);
for (const [api, where, what] of [["chat", client.chat.completions, chat], ["responses", client.responses, ask]]) {
  await npm(api, "429", () => where.create(what));
  await npm(api, "broken", async () => drain(await where.create({ ...what, stream: true })));
  await npm(api, "cancel", () => where.create(what, { signal: AbortSignal.timeout(1000) }));
}

const compatible = createOpenAICompatible({ name: "x", baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, supportsStructuredOutputs: true });
const tools = { weather: tool({ description: "w", inputSchema: z.object({ city: z.string() }), execute: async () => "rain" }) };
for (const [name, api, model] of [
  ["@ai-sdk/openai", "responses", openai("gpt-5")],
  ["@ai-sdk/openai", "chat", openai.chat("gpt-4o")],
  ["@ai-sdk/openai-compatible", "chat", compatible("m")],
]) {
  const vercel = (part, call) => test(name, api, part, call);
  const streamed = async () => {
    let text = "", failed;
    for await (const piece of streamText({ model, prompt: HI, onError: ({ error }) => { failed = error; } }).textStream) text += piece;
    if (failed) throw failed;
    return text;
  };
  await vercel("answer", async () => (await generateText({ model, prompt: HI })).text);
  await vercel("stream", streamed);
  await vercel("tools", async () => {
    const { text, steps } = await generateText({ model, prompt: HI, tools, stopWhen: stepCountIs(5) });
    return steps.length === 2 ? text : `${steps.length} steps`;
  });
  await vercel("structured", async () => (await generateObject({ model, schema: City, prompt: HI })).object);
  await vercel("429", () => generateText({ model, prompt: HI }));
  await vercel("broken", streamed);
  await vercel("cancel", () => generateText({ model, prompt: HI, abortSignal: AbortSignal.timeout(1000) }));
}

const base = process.env.OPENAI_BASE_URL;
await test("wait-on", "models", "answer", () => {
  const done = spawnSync("node_modules/.bin/wait-on", ["-t", "20000", `${base}/models`], { encoding: "utf8" });
  return done.status === 0 ? HI : done.stderr;
});

"""OpenAI's own client for Python, both APIs, sync and async."""

import asyncio

import openai
from case import HI, City, case

ASKED = [{"role": "user", "content": HI}]
CHAT = {"model": "gpt-4o", "messages": ASKED}
RESPONSES = {"model": "gpt-5", "input": HI}
TOOL = openai.pydantic_function_tool(City)
FLAT = {"type": "function", "name": "City", "strict": True, "parameters": TOOL["function"]["parameters"]}
client = openai.OpenAI()


def text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@case("openai", "chat", "answer", HI)
def _():
    return client.chat.completions.create(**CHAT).choices[0].message.content


@case("openai", "chat", "stream", HI)
def _():
    return text(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))


@case("openai", "chat", "tools", HI)
def _():
    with client.chat.completions.stream(**CHAT, tools=[TOOL]) as events:
        message = events.get_final_completion().choices[0].message
    [call] = message.tool_calls
    assert isinstance(call.function.parsed_arguments, City)
    said = [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "7"}]
    for one in said[0]["tool_calls"]:
        one["function"].pop("parsed_arguments", None)
    said[0].pop("parsed", None)
    after = client.chat.completions.create(model="gpt-4o", messages=[*ASKED, *said], tools=[TOOL])
    return after.choices[0].message.content


@case("openai", "chat", "structured", City)
def _():
    return client.chat.completions.parse(**CHAT, response_format=City).choices[0].message.parsed


@case("openai", "responses", "answer", HI)
def _():
    return client.responses.create(**RESPONSES).output_text


@case("openai", "responses", "stream", HI)
def _():
    with client.responses.stream(**RESPONSES) as events:
        return events.get_final_response().output_text


@case("openai", "responses", "tools", HI)
def _():
    asked = [{"role": "user", "content": HI}]
    [call] = client.responses.create(model="gpt-5", input=asked, tools=[FLAT]).output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    said = [*asked, call.model_dump(exclude_none=True), result]
    return client.responses.create(model="gpt-5", input=said, tools=[FLAT]).output_text


@case("openai", "responses", "structured", City)
def _():
    return client.responses.parse(**RESPONSES, text_format=City).output_parsed


@case("openai", "chat", "429")
def _():
    client.chat.completions.create(**CHAT)


@case("openai", "responses", "429")
def _():
    client.responses.create(**RESPONSES)


@case("openai", "chat", "broken")
def _():
    text(client.chat.completions.create(**CHAT, stream=True))


@case("openai", "responses", "broken")
def _():
    list(client.responses.create(**RESPONSES, stream=True))


@case("openai", "chat", "cancel")
def _():
    with client.chat.completions.create(**CHAT, stream=True) as chunks:
        next(iter(chunks))


@case("openai", "responses", "cancel")
def _():
    with client.responses.create(**RESPONSES, stream=True) as events:
        next(iter(events))


def aio(call):
    async def run():
        async with openai.AsyncOpenAI() as ours:
            return await asyncio.wait_for(call(ours), 10)

    return asyncio.run(run())


@case("openai async", "chat", "answer", HI)
def _():
    return aio(lambda c: c.chat.completions.create(**CHAT)).choices[0].message.content


@case("openai async", "chat", "stream", HI)
def _():
    async def streamed(c):
        return [chunk async for chunk in await c.chat.completions.create(**CHAT, stream=True)]

    return text(aio(streamed))


@case("openai async", "responses", "stream", "response.completed")
def _():
    async def streamed(c):
        return [event.type async for event in await c.responses.create(**RESPONSES, stream=True)][-1]

    return aio(streamed)


@case("openai async", "chat", "429")
def _():
    return aio(lambda c: c.chat.completions.create(**CHAT))


@case("openai async", "chat", "broken")
def _():
    async def streamed(c):
        return [chunk async for chunk in await c.chat.completions.create(**CHAT, stream=True)]

    return aio(streamed)


@case("openai async", "chat", "cancel")
def _():
    async def late(c):
        return await asyncio.wait_for(c.chat.completions.create(**CHAT), 1)

    return aio(late)


@case("openai async", "responses", "cancel")
def _():
    async def late(c):
        return await asyncio.wait_for(c.responses.create(**RESPONSES), 1)

    return aio(late)

"""LiteLLM, both APIs."""

import asyncio

import litellm
from case import HI, City, case

ASKED = [{"role": "user", "content": HI}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}


@case("litellm", "chat", "answer", HI)
def _():
    return litellm.completion("openai/gpt-4o", messages=ASKED).choices[0].message.content


@case("litellm", "chat", "stream", HI)
def _():
    pieces = litellm.completion("openai/gpt-4o", messages=ASKED, stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces)


@case("litellm", "chat", "tools", HI)
def _():
    message = litellm.completion("openai/gpt-4o", messages=ASKED, tools=[TOOL]).choices[0].message
    [call] = message.tool_calls
    said = [*ASKED, message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "7"}]
    return litellm.completion("openai/gpt-4o", messages=said, tools=[TOOL]).choices[0].message.content


@case("litellm", "chat", "structured", City)
def _():
    answer = litellm.completion("openai/gpt-4o", messages=ASKED, response_format=City)
    return City.model_validate_json(answer.choices[0].message.content)


@case("litellm", "responses", "answer", HI)
def _():
    return litellm.responses(model="openai/gpt-5", input=HI).output_text


@case("litellm", "responses", "stream", "response.completed")
def _():
    events = litellm.responses(model="openai/gpt-5", input=HI, stream=True)
    return [str(getattr(event.type, "value", event.type)) for event in events][-1]


@case("litellm", "chat", "429")
def _():
    return litellm.completion("openai/gpt-4o", messages=ASKED)


@case("litellm", "chat", "broken")
def _():
    return list(litellm.completion("openai/gpt-4o", messages=ASKED, stream=True))


@case("litellm", "chat", "cancel")
def _():
    return asyncio.run(asyncio.wait_for(litellm.acompletion("openai/gpt-4o", messages=ASKED), 2))

"""What OpenAI's own client for Python makes of `llmcli serve`: run behind `--`, it fails where anything is amiss."""

from __future__ import annotations

import asyncio

import openai
import pytest
from pydantic import BaseModel

HI = [{"role": "user", "content": "hello there"}]


class City(BaseModel):
    name: str
    people: int


TOOL = openai.pydantic_function_tool(City)
FLAT = {"type": "function", "name": "City", "strict": True, "parameters": TOOL["function"]["parameters"]}


def chat(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HI)
    assert (whole.choices[0].message.content, whole.model) == ("hello there", "offline/echo")
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI)
    assert raw.headers["x-request-id"] == whole.id
    pieces = client.chat.completions.create(
        model="gpt-4o", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = pieces
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello there"
    assert last.usage.completion_tokens == 2
    parsed = client.chat.completions.parse(model="gpt-4o", messages=HI, response_format=City)
    assert isinstance(parsed.choices[0].message.parsed, City)
    with client.chat.completions.stream(
        model="gpt-4o", messages=HI, tools=[TOOL], tool_choice="required"
    ) as events:
        call = events.get_final_completion().choices[0].message.tool_calls[0]
    assert isinstance(call.function.parsed_arguments, City)
    assert client.models.retrieve("offline/echo").id == "offline/echo"
    assert [model.id for model in client.models.list()] == ["offline/echo"]


def responses(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="gpt-5", input="hello there", instructions="Be brief.")
    assert (whole.output_text, whole.status, whole.usage.output_tokens) == ("hello there", "completed", 2)
    with client.responses.stream(model="gpt-5", input="hello there") as events:
        came = list(events)
        assert events.get_final_response().output_text == "hello there"
    assert [event.sequence_number for event in came] == list(range(len(came)))
    assert [event.type.removeprefix("response.") for event in came] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    assert isinstance(client.responses.parse(model="gpt-5", input="hi", text_format=City).output_parsed, City)
    asked = [{"role": "user", "content": "how many?"}]
    called = client.responses.create(model="gpt-5", input=asked, tools=[FLAT], tool_choice="required")
    call = called.output[0]
    assert (call.type, call.name) == ("function_call", "City")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    for said in (call.model_dump(exclude_none=True), {"type": "item_reference", "id": call.id}):
        after = client.responses.create(model="gpt-5", input=[*asked, said, result], tools=[FLAT])
        assert after.output_text == "how many?"
    cut = client.responses.create(model="gpt-5", input="one two three", max_output_tokens=2)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    for more in (
        {"previous_response_id": "resp_1"},
        {"tools": [{"type": "web_search"}]},
        {"background": True},
    ):
        with pytest.raises(openai.BadRequestError, match=r"no counterpart here.*client\.chat\.completions"):
            client.responses.create(model="gpt-5", input="hi", **more)


async def many() -> None:
    async with openai.AsyncOpenAI() as client:
        asked = [
            client.chat.completions.create(model="x", messages=[{"role": "user", "content": str(number)}])
            for number in range(50)
        ]
        answers = await asyncio.gather(*asked)
        assert [one.choices[0].message.content for one in answers] == [str(number) for number in range(50)]
        pieces = await client.chat.completions.create(model="x", messages=HI, stream=True)
        async for _ in pieces:
            break
        await pieces.close()
        events = await client.responses.create(model="x", input="hi", stream=True)
        assert [event.type async for event in events][-1] == "response.completed"


with openai.OpenAI() as client:
    chat(client)
    responses(client)
asyncio.run(many())
print("all is well")  # noqa: T201 - what the test looks for

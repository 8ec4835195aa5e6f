"""pydantic-ai, both APIs."""

import asyncio

from case import case
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    return f"rain in {city}"


@case("pydantic-ai text")
def _():
    return Agent("openai:gpt-5").run_sync("hello there").output


@case("pydantic-ai tool and output")
def _():
    agent = Agent("openai:gpt-5", output_type=City)
    agent.tool_plain(weather)
    return agent.run_sync("hello").output


@case("pydantic-ai chat tool and output")
def _():
    agent = Agent("openai-chat:gpt-4o", output_type=City)
    agent.tool_plain(weather)
    return agent.run_sync("hello").output


@case("pydantic-ai native output")
def _():
    return Agent("openai:gpt-5", output_type=NativeOutput(City)).run_sync("x").output


@case("pydantic-ai stream")
def _():
    async def last() -> str:
        async with Agent("openai:gpt-5").run_stream("one two three") as run:
            return [text async for text in run.stream_text()][-1]

    return asyncio.run(last())

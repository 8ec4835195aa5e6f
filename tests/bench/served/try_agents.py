"""openai-agents, which asks the Responses API."""

import asyncio

from agents import Agent, Runner, function_tool
from case import case
from pydantic import BaseModel


class City(BaseModel):
    name: str
    people: int


@function_tool
def weather(city: str) -> str:
    return f"rain in {city}"


LOOP = asyncio.Runner()  # one for all: the client is kept between runs


async def streamed() -> object:
    run = Runner.run_streamed(Agent(name="A"), "hello there")
    async for _ in run.stream_events():
        pass
    return run.final_output


@case("agents stream")
def _():
    return LOOP.run(streamed())


@case("agents tool loop")
def _():
    return LOOP.run(Runner.run(Agent(name="A", tools=[weather]), "hello there")).final_output


@case("agents output")
def _():
    return LOOP.run(Runner.run(Agent(name="A", output_type=City), "hello there")).final_output

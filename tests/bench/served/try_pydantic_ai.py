"""pydantic-ai, both APIs."""

import asyncio

from case import HI, City, case, weather
from pydantic_ai import Agent, NativeOutput

for api, model in (("chat", "openai-chat:gpt-4o"), ("responses", "openai:gpt-5")):

    async def last(model=model):
        async with Agent(model).run_stream(HI) as run:
            return [text async for text in run.stream_text()][-1]

    @case("pydantic-ai", api, "answer", HI)
    def _():
        return Agent(model).run_sync(HI).output

    @case("pydantic-ai", api, "stream", HI)
    def _():
        return asyncio.run(last())

    @case("pydantic-ai", api, "tools", City)
    def _():
        return Agent(model, output_type=City, tools=[weather]).run_sync(HI).output

    @case("pydantic-ai", api, "structured", City)
    def _():
        return Agent(model, output_type=NativeOutput(City)).run_sync(HI).output

    @case("pydantic-ai", api, "429")
    def _():
        return Agent(model).run_sync(HI).output

    @case("pydantic-ai", api, "broken")
    def _():
        return asyncio.run(last())

    @case("pydantic-ai", api, "cancel")
    def _():
        return asyncio.run(asyncio.wait_for(Agent(model).run(HI), 2))

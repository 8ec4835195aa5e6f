"""openai-agents, both APIs."""

import asyncio

from agents import Agent, Runner, function_tool, set_default_openai_api
from case import HI, City, case, weather

LOOP = asyncio.Runner()  # one for all: the client is kept between runs

for api in ("responses", "chat"):
    if api == "chat":
        set_default_openai_api("chat_completions")

    async def streamed():
        run = Runner.run_streamed(Agent(name="A"), HI)
        async for _ in run.stream_events():
            pass
        return run.final_output

    @case("openai-agents", api, "answer", HI)
    def _():
        return LOOP.run(Runner.run(Agent(name="A"), HI)).final_output

    @case("openai-agents", api, "stream", HI)
    def _():
        return LOOP.run(streamed())

    @case("openai-agents", api, "tools", HI)
    def _():
        run = LOOP.run(Runner.run(Agent(name="A", tools=[function_tool(weather)]), HI))
        assert any("rain in" in str(item) for item in run.new_items)
        return run.final_output

    @case("openai-agents", api, "structured", City)
    def _():
        return LOOP.run(Runner.run(Agent(name="A", output_type=City), HI)).final_output

    @case("openai-agents", api, "429")
    def _():
        return LOOP.run(Runner.run(Agent(name="A"), HI))

    @case("openai-agents", api, "broken")
    def _():
        return LOOP.run(streamed())

    @case("openai-agents", api, "cancel")
    def _():
        return LOOP.run(asyncio.wait_for(Runner.run(Agent(name="A"), HI), 2))

"""simonw's llm, whose models choose the API."""

import asyncio
import json

import llm
from case import HI, City, case, weather

for api, name in (("chat", "gpt-4o-mini"), ("responses", "gpt-5")):

    @case("llm", api, "answer", HI)
    def _():
        return llm.get_model(name).prompt(HI, stream=False).text()

    @case("llm", api, "stream", HI)
    def _():
        return "".join(llm.get_model(name).prompt(HI))

    @case("llm", api, "tools", HI)
    def _():
        return llm.get_model(name).chain(HI, tools=[weather]).text()

    @case("llm", api, "structured", City)
    def _():
        return City(**json.loads(llm.get_model(name).prompt(HI, schema=City).text()))

    @case("llm", api, "429")
    def _():
        return llm.get_model(name).prompt(HI).text()

    @case("llm", api, "broken")
    def _():
        return llm.get_model(name).prompt(HI).text()

    @case("llm", api, "cancel")
    def _():
        async def late():
            return await asyncio.wait_for(llm.get_async_model(name).prompt(HI).text(), 2)

        return asyncio.run(late())

"""langchain-openai, both APIs."""

import asyncio

from case import HI, City, case, weather
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

for api, model in (
    ("chat", ChatOpenAI(model="gpt-4o")),
    ("responses", ChatOpenAI(model="gpt-5", use_responses_api=True)),
):

    @case("langchain", api, "answer", HI)
    def _():
        return str(model.invoke(HI).text)

    @case("langchain", api, "stream", HI)
    def _():
        return "".join(str(piece.text) for piece in model.stream(HI))

    @case("langchain", api, "tools", HI)
    def _():
        ours = tool(weather)
        able, asked = model.bind_tools([ours]), [HumanMessage(HI)]
        called = able.invoke(asked)
        [call] = called.tool_calls
        result = ToolMessage(ours.invoke(call["args"]), tool_call_id=call["id"])
        return str(able.invoke([*asked, called, result]).text)

    @case("langchain", api, "structured", City)
    def _():
        return model.with_structured_output(City).invoke(HI)

    @case("langchain", api, "429")
    def _():
        return model.invoke(HI)

    @case("langchain", api, "broken")
    def _():
        return list(model.stream(HI))

    @case("langchain", api, "cancel")
    def _():
        return asyncio.run(asyncio.wait_for(model.ainvoke(HI), 2))

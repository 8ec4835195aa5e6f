"""simonw's llm, whose models choose the API."""

import llm
from case import case


@case("llm chat")
def _():
    return llm.get_model("gpt-4o-mini").prompt("hello there").text()


@case("llm responses")
def _():
    return llm.get_model("gpt-5").prompt("hello there").text()


@case("llm whole")
def _():
    return llm.get_model("gpt-5").prompt("hello there", stream=False).text()

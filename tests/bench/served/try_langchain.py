"""langchain-openai, both APIs."""

from case import case
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class City(BaseModel):
    name: str
    people: int


@case("langchain text")
def _():
    return ChatOpenAI(model="gpt-4o").invoke("hello there").content


@case("langchain stream")
def _():
    return "".join(piece.content for piece in ChatOpenAI(model="gpt-4o").stream("a b c"))


@case("langchain schema")
def _():
    return ChatOpenAI(model="gpt-4o").with_structured_output(City).invoke("x")


@case("langchain function")
def _():
    return ChatOpenAI(model="gpt-4o").with_structured_output(City, method="function_calling").invoke("x")


@case("langchain responses")
def _():
    return ChatOpenAI(model="gpt-5", use_responses_api=True).invoke("hello there").text

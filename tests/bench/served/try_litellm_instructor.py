"""LiteLLM and instructor."""

import instructor
import litellm
import openai
from case import case
from pydantic import BaseModel

HI = [{"role": "user", "content": "hello there"}]


class City(BaseModel):
    name: str
    people: int


@case("instructor")
def _():
    client = instructor.from_openai(openai.OpenAI())
    return client.chat.completions.create(model="gpt-4o", response_model=City, messages=HI)


@case("litellm text")
def _():
    return litellm.completion("openai/gpt-4o", messages=HI).choices[0].message.content


@case("litellm stream")
def _():
    pieces = litellm.completion("openai/gpt-4o", messages=HI, stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces)

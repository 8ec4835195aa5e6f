"""instructor, which asks for a forced tool, or a schema."""

import asyncio

import instructor
import openai
from case import HI, City, case

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": HI}], "response_model": City}


@case("instructor", "chat", "answer", City)
def _():
    return instructor.from_openai(openai.OpenAI()).chat.completions.create(**ASKED)


@case("instructor", "chat", "stream", "people")
def _():
    client = instructor.from_openai(openai.OpenAI())
    last = [*client.chat.completions.create_partial(**ASKED)][-1]
    return [name for name, value in last.model_dump().items() if value is not None][-1]


@case("instructor", "chat", "structured", City)
def _():
    client = instructor.from_openai(openai.OpenAI(), mode=instructor.Mode.JSON_SCHEMA)
    return client.chat.completions.create(**ASKED)


@case("instructor", "chat", "429")
def _():
    return instructor.from_openai(openai.OpenAI()).chat.completions.create(**ASKED, max_retries=1)


@case("instructor", "chat", "cancel")
def _():
    client = instructor.from_openai(openai.AsyncOpenAI())
    return asyncio.run(asyncio.wait_for(client.chat.completions.create(**ASKED), 2))

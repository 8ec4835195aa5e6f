"""Whole conversations over the limit, under each strategy: what is sent keeps the laws, and nothing said is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcli.chat.context import Rules
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.fitting import Fitting
from llmcli.chat.sessions.session import Conversation
from llmcli.chat.sessions.transcript import MemoryTranscript
from llmcli.chat.summary import Summarizer
from llmcli.errors import ContextOverflow
from llmcli.exchange.exchange import Exchanged
from llmcli.exchange.verdict import verdict
from llmcli.output.report import Report
from llmcli.request.messages import check_tool_calls, parse_messages
from llmcli.tokens.count import count_request
from llmcli.tokens.encodings import load
from llmcli.wire import Completion, Message, Meta, Request

FIELDS = {"model": "tiny", "temperature": 0.0}
words = st.integers(1, 60).map(lambda count: "word " * count)


def completion(message) -> Completion:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Completion({"choices": [choice]}, Meta("openai", "tiny"))


def request(messages) -> Request:
    return Request("openai", "tiny", "http://localhost", {**FIELDS, "messages": list(messages)})


def count(sent: Request) -> int:
    return count_request(sent.body(), load("o200k_base")).tokens


@dataclass
class Model:
    """Answers with what the test drew; remembers what it was sent."""

    summary: str
    sent: list[Request] = field(default_factory=list)
    wishes: list[Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    answered: Exchanged | None = None

    async def answer(self, asked: Request, _before: list[Completion]) -> Exchanged:
        self.sent.append(asked)
        assert self.answered
        return self.answered

    async def summarize(self, messages, _room) -> tuple[Request, Exchanged]:
        self.wishes.append(request(messages))
        answer = completion({"role": "assistant", "content": self.summary})
        return self.wishes[-1], exchanged(answer)

    def talk(self, journal: MemoryTranscript, rules: Rules) -> Dialogue:
        conversation = Conversation(journal, "it", "now")
        summarizer = Summarizer(self.summarize)
        said = self.said.append
        return Dialogue(
            Fitting(conversation, rules, request, summarizer, lambda _: 0.0, said, said), self.answer
        )


def exchanged(answer: Completion, said: Sequence[Message] = ()) -> Exchanged:
    wrong = verdict(answer, request([]))
    return Exchanged(answer, said, Report(answer, None), wrong)


def answer(text: str, calls: int) -> Exchanged:
    exchange = []
    for number in range(calls):
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        exchange.append({"role": "assistant", "content": None, "tool_calls": [call]})
        exchange.append({"role": "tool", "tool_call_id": call["id"], "content": text})
    return exchanged(completion({"role": "assistant", "content": text}), exchange)


turn = st.tuples(words, words, st.integers(0, 2), st.booleans())  # question, answer, calls, pinned


@pytest.mark.parametrize("strategy", ["window", "summarize", "error"])
@settings(deadline=None, max_examples=50)
@given(
    turns=st.lists(turn, min_size=1, max_size=10),
    system=st.none() | words,
    limit=st.integers(30, 800),
    keep_turns=st.none() | st.integers(1, 6),
    summary=words,
    reopened=st.booleans(),
)
def test_the_laws(strategy, turns, system, limit, keep_turns, summary, reopened):
    model, journal = Model(summary), MemoryTranscript()
    rules = Rules(strategy, limit, keep_turns)
    talk, asked = model.talk(journal, rules), []
    for number, (question, told, calls, pin) in enumerate(turns):
        if reopened:
            talk = model.talk(journal, rules)
        user = {"role": "user", "content": f"{number} {question}"}
        new = [user] if system is None else [{"role": "system", "content": system}, user]
        model.answered = answer(told, calls)
        before = len(model.sent)
        try:
            asyncio.run(talk.turn(new))
        except ContextOverflow:
            assert len(model.sent) == before
            continue
        asked.append(user["content"])
        sent = model.sent[-1].fields["messages"]
        assert count(model.sent[-1]) <= limit
        assert sent[-1] == user
        assert system is None or {"role": "system", "content": system} in sent
        check_tool_calls(sent, "what is sent")
        questions = [one["content"] for one in sent if one["role"] == "user"]
        assert keep_turns is None or len(questions) <= keep_turns or strategy != "error"
        if pin:
            talk.conversation.pin(len(talk.conversation.entries) - 1)
    # Whatever was sent, all of it is kept, and can be read as messages.
    if asked:
        kept = parse_messages(journal.read().decode(), "the session", print)
        assert [one["content"] for one in kept if one["role"] == "user"] == asked
    assert strategy == "summarize" or not model.wishes
    if strategy == "error":
        assert model.said == []


@settings(deadline=None, max_examples=50)
@given(st.lists(turn, min_size=2, max_size=10), st.integers(200, 800), words)
def test_a_prompt_for_a_summary_is_no_longer_than_any_other(turns, limit, summary):
    model = Model(summary)
    talk = model.talk(MemoryTranscript(), Rules("summarize", limit))
    for question, told, calls, _ in turns:
        model.answered = answer(told, calls)
        asyncio.run(talk.turn([{"role": "user", "content": question}]))
    assert all(count(wish) <= limit for wish in model.wishes)


@settings(deadline=None, max_examples=50)
@given(st.lists(turn, min_size=1, max_size=8), st.data())
def test_any_prefix_of_the_bytes_is_a_session_of_whole_turns(turns, data):
    model, journal = Model("summary"), MemoryTranscript()
    talk = model.talk(journal, Rules("summarize", 300))
    for number, (question, told, calls, pin) in enumerate(turns):
        model.answered = answer(told, calls)
        with suppress(ContextOverflow):  # what is pinned may fill the window
            asyncio.run(talk.turn([{"role": "user", "content": f"{number} {question}"}]))
        if pin and talk.conversation.entries:
            talk.conversation.pin(len(talk.conversation.entries) - 1)
    whole = journal.read()
    cut = data.draw(st.integers(0, len(whole)))
    left = MemoryTranscript(whole[:cut])
    again = model.talk(left, Rules())
    model.answered = answer("and on", 0)
    asyncio.run(again.turn([{"role": "user", "content": "on"}]))
    messages = parse_messages(left.read().decode(), "the session", print)
    assert messages[-1] == {"role": "assistant", "content": "and on"}
    before = parse_messages(whole.decode(), "the session", print)
    assert messages[:-2] == before[: len(messages) - 2]
    begun = whole[:cut].count(b'"role":"user"')
    assert sum(one["role"] == "user" for one in messages[:-2]) >= begun - 1

"""What is sent of a conversation: the laws of trimming, and the limit."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmcli.chat.context import Weighed, fit, limit_of, turns_of
from llmcli.errors import ContextOverflow
from llmcli.wire import Request


def system(text="be brief"):
    return {"role": "system", "content": text}


def exchange(number, calls):
    """A turn: a question, tool calls with their results, an answer."""
    yield {"role": "user", "content": f"question {number}"}
    for call in range(calls):
        identity = f"call_{number}_{call}"
        inner = {"name": "f", "arguments": "{}"}
        yield {"role": "assistant", "content": None, "tool_calls": [{"id": identity, "function": inner}]}
        yield {"role": "tool", "tool_call_id": identity, "content": "result"}
    yield {"role": "assistant", "content": f"answer {number}"}


@st.composite
def conversations(draw):
    messages = [system()] * draw(st.integers(0, 2))
    for number in range(draw(st.integers(0, 8))):
        messages += exchange(number, draw(st.integers(0, 3)))
        messages += [system("from here on, be long")] * draw(st.integers(0, 1))
    messages.append({"role": "user", "content": "and now?"})
    tokens = [draw(st.integers(1, 100)) for _ in messages]
    pinned = draw(st.sets(st.integers(0, len(messages) - 1), max_size=3))
    return messages, tokens, pinned


limits = st.none() | st.integers(1, 2_000)
kept_turns = st.none() | st.integers(1, 10)


@given(conversations(), st.integers(0, 50), limits, kept_turns)
def test_the_laws(conversation, fixed, limit, keep_turns):
    messages, tokens, pinned = conversation
    turns = turns_of(messages)
    stays = {number for number, one in enumerate(messages) if one["role"] == "system"}
    stays |= {one for turn in turns if pinned & set(turn) for one in turn} | set(turns[-1])
    must = fixed + sum(tokens[number] for number in stays)
    if limit is not None and must > limit:
        with pytest.raises(ContextOverflow):
            fit(Weighed(messages, tokens, pinned, fixed), limit, keep_turns)
        return
    found = fit(Weighed(messages, tokens, pinned, fixed), limit, keep_turns)
    kept = set(found.kept)
    assert found.tokens == fixed + sum(tokens[number] for number in kept)
    assert limit is None or found.tokens <= limit
    assert stays <= kept
    assert found.kept == sorted(kept)
    assert sorted([*found.kept, *(one for turn in found.dropped for one in turn)]) == list(
        range(len(messages))
    )
    for turn in turns:  # whole, or not at all: no call without its result
        assert set(turn) <= kept or not set(turn) & kept
    free = [set(turn) <= kept for turn in turns if not pinned & set(turn)]
    assert free == sorted(free)  # the dropped ones are the oldest
    if keep_turns is not None:
        assert sum(free) <= max(keep_turns, 1)


@given(conversations(), st.integers(0, 50), st.integers(1, 2_000))
def test_no_turn_is_dropped_that_would_fit(conversation, fixed, limit):
    messages, tokens, pinned = conversation
    try:
        found = fit(Weighed(messages, tokens, pinned, fixed), limit)
    except ContextOverflow:
        assume(False)
    if found.dropped:
        newest = found.dropped[-1]
        assert found.tokens + sum(tokens[number] for number in newest) > limit


@given(conversations(), st.integers(0, 50), kept_turns)
def test_more_room_never_drops_more(conversation, fixed, keep_turns):
    messages, tokens, pinned = conversation
    kept = []
    for limit in range(0, sum(tokens) + fixed + 10, 50):
        try:
            kept.append(len(fit(Weighed(messages, tokens, pinned, fixed), limit, keep_turns).kept))
        except ContextOverflow:
            assert kept == []
    assert kept == sorted(kept)


def test_the_numbers_of_what_cannot_fit():
    with pytest.raises(ContextOverflow) as caught:
        fit(Weighed([system(), {"role": "user", "content": "hi"}], [30, 40], fixed=3), 50)
    assert str(caught.value) == (
        "the newest turn and what must stay with it have 73 tokens, and 50 is the limit;"
        " shorten it, raise --max-context-tokens, or choose a model with a larger window"
    )


def request(model, provider="openai", **fields):
    return Request(provider, model, "http://localhost", {"model": model, "messages": [], **fields})


@pytest.mark.parametrize(
    ("asked", "max_tokens", "limit"),
    [
        (request("gpt-4o-mini"), None, 128_000 - 16_384),
        (request("gpt-4o-mini", max_tokens=1_000), None, 127_000),
        (request("gpt-4o-mini", max_completion_tokens=1_000), None, 127_000),
        (request("gpt-4o-mini"), 5_000, 5_000),
        (request("gpt-4o-mini"), 500_000, 128_000 - 16_384),
        (request("gpt-4"), None, 8_192 - 2_048),  # a quarter, where the model could say as much as it reads
        (request("tiny"), None, None),
        (request("tiny"), 300, 300),
        (request("echo", "offline"), None, 75_000_000),
    ],
    ids=lambda value: value.name if isinstance(value, Request) else str(value),
)
def test_the_limit_is_the_window_less_the_room_for_the_answer(asked, max_tokens, limit):
    assert limit_of(asked, max_tokens) == limit


def test_what_stands_before_the_first_question_is_a_turn_of_its_own():
    greeting = {"role": "assistant", "content": "How can I help?"}
    assert turns_of([system(), greeting, {"role": "user", "content": "hi"}]) == [[1], [2]]

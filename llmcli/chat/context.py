"""What of a conversation is sent: which turns fit, which are dropped. Pure: counts in, choices out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from llmcli.errors import ContextOverflow
from llmcli.lean.dataclass import dataclass
from llmcli.registry.models import find_model
from llmcli.request.messages import SYSTEM, begins_turn
from llmcli.wire import Message, Request

Strategy = Literal["window", "summarize", "error"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user said: how to make room, the most tokens of a prompt, the most turns."""

    strategy: Strategy = "window"
    max_tokens: int | None = None
    keep_turns: int | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """`kept` are the numbers of the messages to send, in order; `dropped` those of each dropped turn."""

    kept: list[int]
    dropped: list[list[int]]
    tokens: int


def limit_of(
    request: Request, max_tokens: int | None, window: int | None = None, stretch: float = 1.0
) -> int | None:
    """The most tokens that the prompt may have: the model's window less the room for the answer.

    `window` is what its server said (None: what the table knows); `stretch`: it counts so many tokens for one of
    ours. The room is what `-M` asks for, else a quarter of the window, or less where the model cannot say so much.
    None: nothing is known.
    """
    model = find_model(request.provider, request.model)
    window = window or (model.context_window if model else None)
    if window is None:
        return max_tokens
    longest = model.max_output_tokens if model else None
    room = request.max_tokens or min(window // 4, longest or window)
    most = int((window - room) / stretch)
    return most if max_tokens is None else min(max_tokens, most)


def turns_of(messages: Sequence[Message]) -> list[list[int]]:
    """The numbers of each turn's messages: a user's own and all up to the next. System messages are in none."""
    turns: list[list[int]] = []
    for number, message in enumerate(messages):
        if message["role"] in SYSTEM:
            continue
        if not turns or begins_turn(messages, number):
            turns.append([])
        turns[-1].append(number)
    return turns


@dataclass(frozen=True, slots=True)
class Weighed:
    """A conversation with the `tokens` of each message. Turns with a `pinned` message, by its number, stay.

    `fixed` tokens are in the request beside the messages.
    """

    messages: Sequence[Message]
    tokens: Sequence[int]
    pinned: Collection[int] = frozenset()
    fixed: int = 0


def fit(weighed: Weighed, limit: int | None, keep_turns: int | None = None) -> Fit:
    """Drop the oldest turns until the rest has no more than `limit` tokens and `keep_turns` turns.

    System messages, turns with a pinned message and the newest turn stay; a turn stays or goes whole.
    Raises ContextOverflow where what must stay is too much.
    """
    turns, tokens = turns_of(weighed.messages), weighed.tokens
    weights = [sum(tokens[number] for number in turn) for turn in turns]
    stays = [any(one in weighed.pinned for one in turn) for turn in turns[:-1]] + [True] * bool(turns)
    system = sum(tokens) - sum(weights)
    total = weighed.fixed + system + sum(weight for weight, stay in zip(weights, stays, strict=True) if stay)
    if limit is not None and total > limit:
        raise overflow(total, limit, "the newest turn and what must stay with it have")
    room = len(turns) if keep_turns is None else keep_turns - 1
    for number in reversed(range(len(turns))):
        if stays[number]:
            continue
        if room <= 0 or (limit is not None and total + weights[number] > limit):
            break
        stays[number] = True
        total += weights[number]
        room -= 1
    dropped = [turn for turn, stay in zip(turns, stays, strict=True) if not stay]
    gone = {number for turn in dropped for number in turn}
    return Fit([number for number in range(len(weighed.messages)) if number not in gone], dropped, total)


def overflow(tokens: int, limit: int, what: str) -> ContextOverflow:
    """The error for a prompt that has too many tokens."""
    return ContextOverflow(
        f"{what} {tokens} tokens, and {limit} is the limit",
        todo="shorten it, raise --max-context-tokens, or choose a model with a larger window",
    )

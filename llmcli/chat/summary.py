"""Summaries: old turns told in few words by a model, so that the conversation can go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from llmcli import jsonl
from llmcli.errors import Incomplete, NoTurn, TransientFailure
from llmcli.exchange.exchange import Exchanged
from llmcli.lean.dataclass import dataclass
from llmcli.output.calls import inner_of, tool_calls
from llmcli.output.sink import text_of
from llmcli.registry.models import find_model
from llmcli.tokens.count import prompt_tokens
from llmcli.tokens.cut import truncate
from llmcli.tokens.encodings import Encoder
from llmcli.wire import Completion, Json, Message, Request

_WISH = (
    "Summarize the conversation below so that it can be continued from the summary alone. Keep names, numbers, "
    "decisions, open questions and what the user wants. Write at most {words} words, and nothing but the summary."
)
_BEFORE = "Summary of what went before:\n{text}\n\n"
_SPARE = 20  # tokens that hold such a prompt together
_THOUGHTS = 4_000  # tokens that a model may reason for a summary
_TITLE = "Summary of the conversation so far:\n\n"
_ALONE = 3_000  # tokens of a transcript that any model takes, where nothing is known of this one


@dataclass
class Summarizer:
    """`ask` sends the messages of a request for a summary, of so many tokens, to the model that makes them."""

    ask: Callable[[list[Message], int], Awaitable[tuple[Request, Exchanged]]]

    def message(self, text: str) -> Message:
        """The message that a summary is sent as."""
        return {"role": "system", "content": _TITLE + text}

    def overhead(self, request: Request, encoder: Encoder) -> int:
        """Tokens of that message beside the text, and one to spare."""
        empty: Json = {"model": request.model, "messages": []}
        with_title = {**empty, "messages": [self.message("")]}
        return prompt_tokens(with_title, encoder) - prompt_tokens(empty, encoder) + 1

    async def summarize(
        self, messages: Sequence[Message], before: str | None, room: int, limit: int | None, encoder: Encoder
    ) -> tuple[str, list[Completion]]:
        """(the summary, of at most `room` tokens; the answers that it took).

        `before` is the summary of what went before. What does not fit into one prompt is told in several.
        Raises what is wrong with an answer that has no text.
        """
        completions: list[Completion] = []
        size = (
            _ALONE
            if limit is None
            else max(limit - room - encoder.count(_WISH + _BEFORE) - _SPARE, limit // 4, 1)
        )
        text = before or ""
        for part in _parts(messages, size, encoder):
            transcript = _BEFORE.format(text=text) + part if text else part
            request, exchanged = await self.ask(
                [
                    {"role": "system", "content": _WISH.format(words=max(room * 2 // 3, 1))},
                    {"role": "user", "content": transcript},
                ],
                room,
            )
            completions.append(exchanged.completion)
            text = truncate(_told(request, exchanged), room, "head", encoder)
        return text, completions


def longest_summary(provider: str, model: str, room: int, max_tokens: int | None) -> int | None:
    """The most tokens of an answer that is a summary of `room` tokens; None: whatever the model says.

    What is behind the room is cut off, but a model that reasons does so first. Whether an unknown one does, the
    user may know: `max_tokens` is the limit of all answers.
    """
    known = find_model(provider, model)
    if known is None:
        return max_tokens and max(max_tokens, room)
    longest = room + (_THOUGHTS if "reasoning" in known.caps else 0)
    return min(longest, known.max_output_tokens or longest)


def opening_of(messages: Sequence[Message]) -> int:
    """How many messages stand before the first of a turn."""
    return next(
        (number for number, message in enumerate(messages) if message["role"] not in {"system", "developer"}),
        len(messages),
    )


def _told(request: Request, exchanged: Exchanged) -> str:
    completion, error = exchanged.completion, exchanged.wrong
    message = (completion.choices[0].get("message") or {}) if completion.choices else {}
    text = text_of(message).strip()
    if not text and isinstance(error, NoTurn | None):
        raise TransientFailure(
            "the summary of the conversation is empty", request.name, "try another --summary-model"
        )
    if error is not None and not (text and type(error) is Incomplete):
        raise error
    return text


def _parts(messages: Sequence[Message], size: int, encoder: Encoder) -> Iterator[str]:
    """The transcript in pieces of at most `size` tokens; a message that is longer loses its middle."""
    part, used = "", 0
    for message in messages:
        told = truncate(_transcript(message), size, "middle", encoder)
        tokens = encoder.count(told)
        if part and used + tokens > size:
            yield part
            part, used = "", 0
        part, used = f"{part}\n\n{told}" if part else told, used + tokens
    if part:
        yield part


def _transcript(message: Message) -> str:
    lines = [text] if (text := text_of(message)) else []
    for inner in map(inner_of, tool_calls(message)):
        arguments = inner.get("arguments") or inner.get("input") or ""
        lines.append(f"(calls {inner.get('name')}: {arguments})")
    if isinstance(content := message.get("content"), list):
        others = [
            part.get("type") for part in content if isinstance(part, dict) and part.get("type") != "text"
        ]
        lines += [f"({kind})" for kind in others]
    name = {"user": "User", "assistant": "Assistant", "tool": "Tool result"}.get(
        message["role"], message["role"]
    )
    return f"{name}: " + ("\n".join(lines) or jsonl.dumps(message.get("refusal") or "").decode())

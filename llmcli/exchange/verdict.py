"""The verdict: whether an answer is complete, not refused, and what was asked for."""

from __future__ import annotations

from llmcli.errors import BrokenOff, Incomplete, Invalid, LlmcliError, NoTurn, Refused
from llmcli.exchange.judged import calls_before, is_judged, judged, miscalled
from llmcli.exchange.layers.retry import no_answer
from llmcli.finish import Finish, finish_of, given_up, is_begun, is_plain, is_stopped, says, shown, thinks
from llmcli.wire import Completion, Json, Request, usage_count

_USUAL = {"length", "content_filter"}  # words of the API that need no telling
_FORCED = frozenset({"tool_choice", "function_call"})  # what may ask for a call, where a text will not do
_ELSE = "ask for something else"
_SHORTER = "shorten the prompt, or choose a model with a larger window"


def check(completion: Completion, request: Request) -> None:
    """Raise what is wrong with an answer: Incomplete, Refused, Invalid, or TransientFailure for none at all.

    An answer is complete that ended whole, in the server's own word, with [DONE] or as a whole body, and has
    something in it. Of several choices the first bad one counts.
    """
    error = verdict(completion, request)
    if error is not None:
        raise error


def verdict(completion: Completion, request: Request) -> LlmcliError | None:
    """What is wrong with an answer, if anything is."""
    plain = completion.is_plain or (completion.meta.cut is None and is_plain(completion.choices))
    if plain and (request.kind.takes_text or (_FORCED.isdisjoint(request.fields) and not is_judged(request))):
        return None
    choices = completion.choices
    if not any(map(is_begun, choices)):
        return no_answer(completion.meta)
    errors = (_problem(choice, completion, request) for choice in choices)
    return next((error for error in errors if error is not None), None)


def _problem(choice: Json, completion: Completion, request: Request) -> LlmcliError | None:
    message = choice.get("message") or {}
    where = completion.meta.where
    if refusal := message.get("refusal"):
        return Refused(f"the model refused: {refusal}", where, _ELSE)
    if (unfinished := _unfinished(choice, completion)) is not None:
        return unfinished
    if not says(message) and not is_stopped(choice, request.fields):
        return NoTurn(
            f"the answer is empty: {_instead(message, completion)}", where, "ask again, or differently"
        )
    if wrong := miscalled(message, request, calls_before(completion)):
        return Invalid(wrong, where, "try again")
    misfitting = misfit(message, request)
    return Invalid(misfitting, where, _remedy(completion, request)) if misfitting else None


def _remedy(completion: Completion, request: Request) -> str:
    """What may help an answer that does not fit: a repair, unless none did."""
    if repairs := completion.meta.repairs:
        simpler = "fewer labels" if request.choices else "a simpler schema"
        tried = "the repair" if repairs == 1 else f"{repairs} repairs"
        return f"{tried} did not mend it: try another model, or {simpler}"
    return "try again, or let --repair N try"


def _unfinished(choice: Json, completion: Completion) -> LlmcliError | None:
    """What is wrong with the way in which a choice ended."""
    meta, finish, word = completion.meta, finish_of(choice), shown(choice.get("finish_reason"))
    if finish is Finish.BLOCKED:
        return Refused(f"a content filter stopped the answer{_in_word(word)}", meta.where, _ELSE)
    if finish is Finish.CUT:
        return _cut(choice, completion, word)
    if finish is Finish.BROKEN:
        return BrokenOff(given_up(choice.get("finish_reason")), meta.where, "try again")
    if finish is Finish.UNKNOWN:
        what = f"nobody knows whether the answer is whole: its finish_reason is {word}"
        return NoTurn(what, meta.where, "look at it; --ok incomplete lets it pass")
    if meta.cut or (finish is Finish.UNSAID and not meta.done):
        why = meta.cut or "it ended with neither a finish_reason nor [DONE]"
        return BrokenOff(f"the answer broke off: {why}", meta.where, meta.remedy)
    return None


def _in_word(word: str) -> str:
    return "" if word in _USUAL else f" (finish_reason {word})"


def _cut(choice: Json, completion: Completion, word: str) -> Incomplete:
    message = choice.get("message") or {}
    what = f"the answer was cut at the token limit{_in_word(word)}"
    if not says(message):
        what += f", and is empty: {_instead(message, completion)}"
    todo = _SHORTER if "context" in word or word == "model_length" else "raise -M/--max-tokens"
    return Incomplete(what, completion.meta.where, todo)


def _instead(message: Json, completion: Completion) -> str:
    """What an answer is that has nothing in it: `reasoning only, 19 tokens paid`."""
    usage = completion.usage or {}
    details = usage.get("completion_tokens_details")
    reasoned = usage_count(details, "reasoning_tokens") if isinstance(details, dict) else None
    what = "reasoning only" if thinks(message) or reasoned else "neither text nor a call"
    paid = usage_count(usage, "completion_tokens")
    return f"{what}, {paid} token{'' if paid == 1 else 's'} paid" if paid else what


def misfit(message: Json, request: Request) -> str | None:
    """Why a message is not what was asked for: its JSON, its schema. None where it is."""
    return judged(message, request).wrong

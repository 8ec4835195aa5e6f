"""What an object store's library says, as errors of ours: a word for what is wrong, and whether it may pass."""

from __future__ import annotations

from collections.abc import Callable

from llmcli.errors import LlmcliError, NoInput, OutputFailure, TransientFailure, UsageError
from llmcli.lean.pattern import lazy_pattern

_STATUS = lazy_pattern(r"status code: ((\d{3})[A-Za-z -]*)")
_CODE = lazy_pattern(r"<Code>(\w+)</Code>")
_CAUSE = lazy_pattern(r'message: "([^"]+)"')
_STORE = lazy_pattern(r"^Generic (\w+ error: )?")
_PASSING = {"408", "409", "425", "429"}  # and 5xx
_LASTING = ("builder error", "not recognised", "Unable to recognise", "Got invalid")
_UNKNOWN = lazy_pattern(
    "[Cc]redential|metadata|Account|Access Key|Config error"
)  # in what is said where keys lack
_LONGEST = 200  # characters of what a library says
_NO_BUCKET = {"NoSuchBucket": "bucket", "ContainerNotFound": "container"}
KEYS = "check the keys in the environment (AWS_ACCESS_KEY_ID, GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME, ...)"


class StoreFailure(Exception):
    """What went wrong. `missing`: what was asked for is not there; `denied`: nobody knows us; `passing`: try again."""

    def __init__(
        self, reason: str, *, missing: bool = False, denied: bool = False, passing: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing, self.denied, self.passing = missing, denied, passing


ToldAs = Callable[[str, StoreFailure], LlmcliError]
"""The error for what went wrong at a URL."""


def store_failure(error: BaseException) -> StoreFailure:
    """What an exception of the library means; bugs are raised as they are."""
    text, kind = str(error), type(error).__name__
    if isinstance(error, FileNotFoundError):
        bucket = _NO_BUCKET.get((_CODE.search(text) or [""] * 2)[1])
        return StoreFailure(f"there is no such {bucket}" if bucket else "it is not there", missing=True)
    if kind in {"UnauthenticatedError", "PermissionDeniedError"}:
        return StoreFailure(_reason(text), denied=True)
    if kind not in {"GenericError", "AlreadyExistsError", "PreconditionError", "NotSupportedError"}:
        raise error
    status = _STATUS.search(text)
    if status is None:
        is_denied = _UNKNOWN.search(text) is not None
        passing = not is_denied and not any(word in text for word in _LASTING)
        return StoreFailure(_reason(text), denied=is_denied, passing=passing)
    passing = status[2] in _PASSING or status[2] >= "500"
    return StoreFailure(_reason(text), missing=status[2] == "404", passing=passing)


def _reason(text: str) -> str:
    status, code, cause = _STATUS.search(text), _CODE.search(text), _CAUSE.search(text)
    if status is not None:
        return f"{status[1].strip()}{f' ({code[1]})' if code else ''}"
    first = text.partition("\n")[0].rpartition(" - ")[2]
    if "builder error" in first:
        return "its endpoint is not HTTPS (AWS_ALLOW_HTTP=true or AZURE_ALLOW_HTTP=true allows that)"
    return _STORE.sub("", first if cause is None else cause[1])[:_LONGEST]


def as_output(url: str, failure: StoreFailure) -> LlmcliError:
    """The error for what cannot be kept."""
    todo = KEYS if failure.denied else "check the URL, the endpoint and the network; then type it again"
    return OutputFailure(f"cannot keep records in {url}: {failure.reason}", todo=todo)


def as_input(url: str, failure: StoreFailure) -> LlmcliError:
    """The error for what cannot be read."""
    if failure.missing:
        return NoInput(f"there is no {url}: {failure.reason}", todo="check the URL")
    what = f"cannot read {url}: {failure.reason}"
    if failure.passing:
        return TransientFailure(what, todo="check the endpoint and the network, or type it again later")
    return UsageError(what, todo=KEYS if failure.denied else "check the URL and the endpoint")

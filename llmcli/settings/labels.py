"""Labels: the answers that --choices lets through, as a command line spells them and as a model may write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from llmcli.errors import UsageError

KEY = "label"  # the property that holds it where a schema asks for one: the root of a strict one must be an object
_LIST = """e.g. bug,other or '["yes, but", "no"]'"""


def labels_of(texts: Sequence[str], flag: str) -> tuple[str, ...]:
    """The labels that a repeatable flag names: by commas, or as JSON lists. Raises UsageError for what is none."""
    labels = [label for text in texts for label in _split(text, flag)]
    if texts and not labels:
        raise UsageError("names no label", todo=_LIST, flag=flag)
    seen: dict[str, str] = {}
    for label in labels:
        plain = _plain(label)
        if not plain:
            raise UsageError(f"names an empty label: {label!r}", todo=_LIST, flag=flag)
        if (other := seen.get(plain)) is not None:
            what = (
                "is named twice" if other == label else f"and {other!r} are one label: case does not matter"
            )
            raise UsageError(f": {label!r} {what}", todo="drop one of them", flag=flag)
        seen[plain] = label
    return tuple(labels)


def split_names(texts: Sequence[str], flag: str) -> tuple[str, ...]:
    """The names that a repeatable flag gives: by commas, or as JSON lists. Raises UsageError for an empty one."""
    names = tuple(dict.fromkeys(name for text in texts for name in _split(text, flag)))
    if texts and not all(names or [""]):
        raise UsageError("names an empty column", todo="e.g. id,city", flag=flag)
    return names


def _split(text: str, flag: str) -> Iterator[str]:
    if not text.lstrip().startswith("["):
        yield from (label.strip() for label in text.split(","))
        return
    import json  # here, since most starts need none

    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"is no JSON list: {text}", todo=_LIST, flag=flag) from None
    for item in items:
        yield _spelled(item, flag)


def _spelled(item: Any, flag: str) -> str:
    if isinstance(item, str):
        return item
    import json

    spelled = json.dumps(item, ensure_ascii=False)
    if isinstance(item, bool | int | float):
        return spelled
    raise UsageError(f": {spelled} is no label", todo=_LIST, flag=flag)


def label_in(text: str, labels: Sequence[str]) -> str | None:
    """The label that a text is, as it was spelled; case, outer white space and one final dot do not matter."""
    return _table(tuple(labels)).get(_plain(text))


def _plain(text: str) -> str:
    """A text without what does not matter."""
    return text.strip().removesuffix(".").casefold()


@lru_cache(maxsize=64)
def _table(labels: tuple[str, ...]) -> dict[str, str]:
    return {_plain(label): label for label in labels}


def chosen_of(texts: Sequence[str], labels: Sequence[str], flag: str) -> tuple[str, ...]:
    """Those of the labels that another flag names. Raises UsageError for one that is not among them."""
    if texts and not labels:
        raise UsageError("without labels", todo="name them with --choices A,B,...", flag=flag)
    return tuple(_known(label, labels, flag) for label in labels_of(texts, flag))


def _known(label: str, labels: Sequence[str], flag: str) -> str:
    known = label_in(label, labels)
    if known is None:
        todo = f"--choices has {listed(labels)}"
        raise UsageError(f": {label!r} is none of the labels", todo=todo, flag=flag)
    return known


def listed(labels: Sequence[str]) -> str:
    """Labels as a sentence has them."""
    return ", ".join(labels if all("," not in label for label in labels) else map(repr, labels))


def mentioned(text: str, labels: Sequence[str]) -> str:
    """The first of the labels that a text contains, else the first."""
    folded = text.casefold()
    return next((label for label in labels if label.casefold() in folded), labels[0])

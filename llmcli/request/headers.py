"""What was said of headers: `-H`, the config file and the environment to Headers, and whom a secret may go to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmcli.errors import UsageError
from llmcli.registry.providers import Provider
from llmcli.request.reading import argument
from llmcli.wire import Header, Headers, name_fault, value_fault

_VARIABLE = r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))"
_HIDDEN = r"(?i)authorization|cookie|key|token|secret|password"
_SCHEME = r"[A-Za-z-]+ +"  # of an Authorization: what stands before the secret


def typed_headers(lines: Iterable[str], env: Mapping[str, str]) -> Headers:
    """The headers of `-H`, each `NAME: VALUE`, or `NAME:` for one that is not to be sent. Raises UsageError."""
    return Headers.of([_typed(argument(line), env) for line in lines])


def _typed(line: str, env: Mapping[str, str]) -> Header:
    name, colon, value = line.partition(":")
    if not colon:
        raise UsageError("wants 'NAME: VALUE'", flag="--header")
    try:
        return _header(name.strip(), value.strip(), env, typed=True)
    except ValueError as error:
        raise UsageError(f": {error}", flag="--header") from None


def configured_headers(provider: str, table: Mapping[str, str], env: Mapping[str, str]) -> Headers:
    """The headers of `[providers.NAME.headers]`. Raises UsageError for a variable that is not set."""
    try:
        return Headers.of([_header(name, value.strip(), env) for name, value in table.items()])
    except ValueError as error:
        raise UsageError(str(error), f"[providers.{provider}.headers] in the config file") from None


def environment_headers(provider: Provider, env: Mapping[str, str]) -> Headers:
    """The headers that the environment has for a provider: its account's, and lines as they are. Raises UsageError."""
    variable = provider.headers_env or ""
    lines = (line.partition(":") for line in env.get(variable, "").split("\n") if ":" in line)
    said = {
        name: value for name, named in provider.account_env.items() if (value := env.get(named, "").strip())
    }
    said |= {name.strip(): value.strip() for name, _, value in lines}
    try:
        return Headers.of([_header(name, value, {}, literal=True) for name, value in said.items()])
    except ValueError as error:
        raise UsageError(str(error), variable or provider.name) from None


def shown_line(line: str) -> str:
    """A line of `-H`, fit to be shown."""
    name, colon, value = line.partition(":")
    return f"{name}: {_as_shown(name, value.strip())}" if colon else "***"


def without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command line with stars for what is secret in its headers."""
    return list(_shown_words(words))


def _shown_words(words: Sequence[str]) -> Iterator[str]:
    before = ""
    for word in words:
        if before in {"-H", "--header"}:
            yield shown_line(word)
        elif word.startswith("--header="):
            yield f"--header={shown_line(word.removeprefix('--header='))}"
        elif re.match(r"-[A-Za-z]*H.", word) and ":" in word:
            flag, mark, line = word.partition("H")
            yield flag + mark + shown_line(line)
        else:
            yield word
        before = word


def _header(
    name: str, value: str, env: Mapping[str, str], *, typed: bool = False, literal: bool = False
) -> Header:
    """The header of a name and a value as it was written. Raises ValueError, without a word of the value."""
    names = [] if literal else [match[1] or match[2] for match in re.finditer(_VARIABLE, value)]
    for variable in names:
        if not env.get(variable):
            raise ValueError(f"the variable {variable} is not set")
    sent = value if literal else re.sub(_VARIABLE, lambda match: env[match[1] or match[2]], value).strip()
    if (fault := name_fault(name) or value_fault(sent)) is not None:
        raise ValueError(fault)
    if not value:
        return Header(name, None, typed=typed)
    if not names and not re.search(_HIDDEN, name):
        return Header(name, sent, sent, typed=typed)
    shown = "***" if literal else _as_shown(name, value)
    return Header(name, sent, shown, tuple(_secrets(name, sent, [env[each] for each in names])), typed)


def _secrets(name: str, sent: str, variables: Sequence[str]) -> Iterator[str]:
    """What must not be read of a header: the variables, and all of one that is secret by its name."""
    yield from variables
    yield sent
    if re.search(_HIDDEN, name):
        yield re.sub(rf"^{_SCHEME}", "", sent)
        if name.lower() == "cookie":
            yield from (pair.partition("=")[2].strip() for pair in sent.split(";") if "=" in pair)


def _as_shown(name: str, value: str) -> str:
    """A value as it was written, with `$NAME` for variables, and stars for what else of a secret there is."""
    if not re.search(_HIDDEN, name):
        return re.sub(_VARIABLE, _plain, value)
    found, at = [], 0
    for match in re.finditer(_VARIABLE, value):
        found += [_beside(name, value[at : match.start()], first=at == 0), _plain(match)]
        at = match.end()
    return "".join([*found, _beside(name, value[at:], first=False)]) if found else "***"


def _plain(match: re.Match[str]) -> str:
    """`$NAME`, with braces where a letter follows that would be a part of the name."""
    name, after = match[1] or match[2], match.string[match.end() : match.end() + 1]
    return f"${{{name}}}" if re.match(r"\w", after, re.ASCII) else f"${name}"


def _beside(name: str, text: str, *, first: bool) -> str:
    """What may be shown of a text beside a variable in a secret: the word that says how it is one, a cookie's name."""
    if first and re.fullmatch(_SCHEME, text):
        return text
    names = name.strip().lower() == "cookie"
    return re.sub(r"[^\s;,]+", lambda word: word[0] if names and word[0].endswith("=") else "***", text)

"""The toolbox: the model's calls to what runs them, their results back to the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Protocol

from llmcli.errors import Invalid, ToolFailure
from llmcli.exchange.judged import offered, unfit_arguments
from llmcli.exchange.verdict import verdict
from llmcli.lean.dataclass import dataclass
from llmcli.mcp.results import Image, Ran
from llmcli.output.calls import name_of, tool_calls
from llmcli.registry.models import find_model
from llmcli.request.responses.thoughts import without_thoughts
from llmcli.request.tools import RunsTools
from llmcli.wire import Completion, Json, Message, Request


class Commanded(Protocol):
    """Runs commands of the user."""

    @property
    def names(self) -> set[str]:
        """The tools that it runs."""

    async def run(self, call: Json) -> str:
        """The result, in words."""


@dataclass
class Toolbox:
    """Runs what the model calls and asks on, until it answers.

    `names` of all tools that are defined; `max_turns` is the most requests that are sent. `tell` is given a line on
    a call that nothing runs.
    """

    names: set[str]
    max_turns: int
    tell: Callable[[str], None]
    commands: Commanded | None = None
    servers: RunsTools | None = None
    place_of: Callable[[Request], str] = lambda _request: ""
    _turns: int = field(default=1)

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """The request that takes the results back; None where nothing was called, or something we do not run.

        An answer that did not end whole runs nothing: its calls may lack half of their arguments.
        Raises ToolFailure where a command cannot be started, or the turns are used up.
        """
        message = completion.choices[0].get("message") or {} if completion.choices else {}
        calls = tool_calls(message) if request.fields.get("tool_choice") != "none" else []
        ours = self.names - self._run  # the user's to answer
        if not calls or any(name_of(call) in ours for call in calls):
            return None
        if not isinstance(verdict(completion, request), Invalid | None):
            return None
        if self._turns >= self.max_turns:
            raise ToolFailure(
                f"the model still calls tools after {self._turns} turns", request.name, "raise --max-turns"
            )
        self._turns += 1
        calls = [
            {**call, "id": call.get("id") or f"call_{self._turns}_{at}"} for at, call in enumerate(calls)
        ]
        tools = offered(request) or {}
        place = "" if self.servers is None else self.place_of(request)
        results = await _together([self._ran(call, tools, f"{place}:{at}") for at, call in enumerate(calls)])
        said = {key: value for key, value in message.items() if value is not None or key == "content"}
        if (completion.meta.provider, completion.meta.model) != (request.provider, request.model):
            said = without_thoughts(said)  # which are another's
        said["tool_calls"] = calls
        messages = [*request.fields["messages"], said, *result_messages(calls, results, sees=_sees(request))]
        return replace(request, fields=_unforced({**request.fields, "messages": messages}))

    async def _ran(self, call: Json, tools: Mapping[str, Json], place: str) -> Ran:
        name = name_of(call)
        commands, servers = self.commands, self.servers
        if name not in self._run:
            self.tell(f"tool {name}: there is none")
            return _words(f"error: there is no tool {name}; there are: {', '.join(sorted(self.names))}")
        runs = commands if commands is not None and name in commands.names else None
        if misfit := unfit_arguments(call, tools if runs else {}):  # a server checks its own: defaults count
            self.tell(f"tool {name}: the arguments {misfit}")
            return _words(f"error: the arguments {misfit}")
        if runs is not None:
            return _words(await runs.run(call))
        assert servers is not None  # noqa: S101 - one of them has the name
        ran: Ran = await servers.run(call, place)
        return ran

    @property
    def _run(self) -> set[str]:
        """The tools that are run here."""
        return {name for each in (self.commands, self.servers) if each is not None for name in each.names}


def _sees(request: Request) -> bool:
    """Whether a model takes images; of one that is not known it is taken for granted."""
    model = find_model(request.provider, request.model)
    return model is None or not model.caps or "vision" in model.caps


def _words(text: str) -> Ran:
    return Ran((text,))


def result_messages(calls: Sequence[Json], results: Sequence[Ran], *, sees: bool = True) -> list[Message]:
    """The tool messages of a turn, and behind all of them the images, which no tool message takes.

    `sees`: whether the model takes images; one that does not has the words alone.
    """
    messages: list[Message] = []
    images: list[Image] = []
    for call, ran in zip(calls, results, strict=True):
        lines = []
        for piece in ran.pieces:
            if isinstance(piece, Image):
                images.append(piece)
            lines.append(piece if isinstance(piece, str) else f"[image {len(images)}: {piece.words}]")
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": "\n".join(lines)})
    if images and sees:
        which = "Image 1" if len(images) == 1 else f"Images 1 to {len(images)}"
        told = {"type": "text", "text": f"{which} of the tools' results:"}
        parts = [{"type": "image_url", "image_url": {"url": image.url}} for image in images]
        messages.append({"role": "user", "content": [told, *parts]})
    return messages


async def _together(work: Sequence[Coroutine[Any, Any, Ran]]) -> list[Ran]:
    """The results, in order. Where one fails, the others are stopped before it is said."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _unforced(fields: Json) -> Json:
    """The same without a tool choice that would have the model call for ever."""
    choice = fields.get("tool_choice")
    forced = choice == "required" or (isinstance(choice, dict) and choice.get("type") != "allowed_tools")
    return {**fields, "tool_choice": "auto"} if forced else fields

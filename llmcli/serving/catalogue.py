"""The models that clients are told of."""

from __future__ import annotations

from collections.abc import Iterator

from llmcli.registry.models import search_models
from llmcli.rehearsal import ECHO, PROVIDER
from llmcli.request.builder import Builder
from llmcli.serving.replies import Problem, Response, json_response
from llmcli.wire import Json, spelled


class Catalogue:
    """`GET /models` and `GET /models/NAME`. `fixed`: there is one model, which answers to every name."""

    def __init__(self, builder: Builder, fixed: bool) -> None:
        self._builder, self._fixed = builder, fixed

    def all(self, _name: str) -> Response:
        """The list."""
        return json_response({"object": "list", "data": [_model(name) for name in self._names()]})

    def one(self, name: str) -> Response:
        """One of them."""
        if self._fixed or name in self._names():
            return json_response(_model(name))
        return Problem(404, f"the model {name} is not known", "model_not_found", "model").reply

    def _names(self) -> Iterator[str]:
        at = self._builder.endpoint
        if self._fixed:
            yield spelled(at.provider.name, at.model)
            return
        yield spelled(PROVIDER, ECHO)
        yield from (model.id for model in search_models(None))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition("/")[0]}

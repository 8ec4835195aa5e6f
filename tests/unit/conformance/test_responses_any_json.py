"""Whatever JSON comes from the Responses API is an answer or an error of ours, and never a traceback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from llmcli.transport import bodies
from llmcli.transport.failures.diagnosis import Reply
from llmcli.transport.folds.completion import Accumulator
from llmcli.transport.streams.chunks import chunks
from llmcli.wire import Completion
from tests.server import event
from tests.unit.conformance.asking import ELSEWHERE, request_to
from tests.unit.conformance.test_any_json import ANYTHING, LEAVES, judged, shown

WHOLE = Reply(request_to("http://x/v1", f"whole{ELSEWHERE}"), 200, {})
STREAM = Reply(request_to("http://x/v1", f"stream{ELSEWHERE}"), 200, {})
PART = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["output_text", "refusal", "summary_text", "reasoning_text"]) | LEAVES,
        **dict.fromkeys(("text", "refusal", "annotations", "logprobs"), ANYTHING),
    },
)
PARTS = st.lists(PART | LEAVES, max_size=3) | ANYTHING
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "x"]) | LEAVES,
        "phase": st.sampled_from(["commentary", "final_answer"]) | ANYTHING,
        **dict.fromkeys(("content", "summary"), PARTS),
        **dict.fromkeys(("id", "call_id", "name", "arguments", "input", "encrypted_content"), ANYTHING),
    },
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["completed", "incomplete", "failed", "queued", "cancelled"]) | ANYTHING,
        "output": st.lists(ITEM | LEAVES, max_size=3) | ANYTHING,
        **dict.fromkeys(("usage", "error", "incomplete_details", "created_at", "id", "metadata"), ANYTHING),
    },
)
NAMES = [
    *("created", "completed", "incomplete", "failed", "in_progress", "output_item.added", "output_item.done"),
    *("output_text.delta", "output_text.done", "refusal.delta", "content_part.done", "reasoning_text.delta"),
    *("function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta"),
]
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from([f"response.{name}" for name in NAMES] + ["error", "keepalive"]) | LEAVES},
    optional={
        "response": RESPONSE | LEAVES,
        "item": ITEM | LEAVES,
        "part": PART | LEAVES,
        **dict.fromkeys(("delta", "text", "arguments", "error", "message", "code"), ANYTHING),
        **dict.fromkeys(("item_id", "output_index", "content_index"), ANYTHING),
    },
)


@given(RESPONSE | ANYTHING)
@example({"status": "completed", "output": [{"type": "message", "content": None}], "usage": None})
@example({"status": "completed", "output": [{"type": "message", "content": [{"text": None}]}]})
def test_any_json_is_an_answer_or_an_error(body):
    judged(lambda: shown([], bodies.completion(WHOLE, json.dumps(body).encode())))


@given(st.lists(EVENT, max_size=5))
def test_any_json_in_a_stream_is_an_answer_or_an_error(said):
    async def pieces() -> Any:
        for one in said:
            yield event(json.dumps(one).encode())

    async def work() -> None:
        folded, meta, seen = Accumulator(), STREAM.meta(), []
        async for piece in chunks(STREAM, pieces(), meta, 60):
            folded.add(piece)
            seen.append(piece)
        shown(seen, Completion(meta.whole or folded.body(), meta))

    judged(lambda: asyncio.run(work()))

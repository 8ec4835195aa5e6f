"""The chunks of a stream: what each read from the network brings, in one go, fit to be shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from llmcli.errors import CallFailed, StreamCut, Told, TransientFailure
from llmcli.finish import Courses
from llmcli.transport import bodies
from llmcli.transport.failures.diagnosis import BROKEN_EVENT, Reply, odd
from llmcli.transport.folds.completion import as_chunk
from llmcli.transport.sse import Event, EventDecoder
from llmcli.transport.stars import Pieces
from llmcli.transport.streams.silence import Silence
from llmcli.wire import Chunk, Meta

if TYPE_CHECKING:
    from llmcli.transport.bodies import Reader

_END_WAIT = 5.0  # seconds that a server may be silent once every choice has its finish_reason


async def chunks(
    reply: Reply, pieces: AsyncIterator[bytes], meta: Meta, silence: float, patience: float = _END_WAIT
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a 200 reply to a streamed request, without secrets; sets `meta.done` where [DONE] comes.

    A server that answers with plain JSON has its completion given as one chunk. An end without
    a finish_reason is for the reader to see; an end inside an event is such an end. Text that is no events
    at all is an error, and so is a silence of more than `silence` seconds, in which comments count for
    nothing. Once every choice has said something and ended, a silence of `patience` seconds is an end.
    Raises StreamCut, at the end, where a choice ended in a server's word for a break. What was held back, as it might
    have become a secret, comes before an error and before the end.
    """
    courses = Courses()
    silent = Silence(reply, silence, patience, courses)
    reading = _Reading(reply, meta, courses, silent)
    try:
        async with aclosing(silent.until(pieces)) as coming:
            async for piece in coming:
                if reading.is_no_stream(piece):
                    came = reading.whole(b"".join([piece, *[rest async for rest in coming]]))
                else:
                    came = reading.take(piece)
                for chunk in came:
                    yield chunk
                if meta.done:
                    break
        for chunk in reading.end():
            yield chunk
    except CallFailed:
        for chunk in reading.shown.rest():
            yield chunk
        raise
    for chunk in reading.shown.rest():
        yield chunk


class _Reading:
    """How far the reading of a stream is. Its methods give the chunks that became whole, and raise CallFailed."""

    def __init__(self, reply: Reply, meta: Meta, courses: Courses, silent: Silence) -> None:
        self.shown = Pieces(reply.secrets)
        self._reply = reply
        self._meta = meta
        self._courses = courses
        self._silent = silent
        self._decoder = EventDecoder()
        self._translated = bodies.translation_of(reply, meta)
        self._first = b""  # that was no space

    def is_no_stream(self, piece: bytes) -> bool:
        """Whether a reply that begins so is no stream of events. It is asked before each piece is taken."""
        if self._decoder.started:
            return False
        self._first = self._first or piece.lstrip()
        return bool(self._first) and not bodies.may_be_events(self._reply, self._first)

    def whole(self, body: bytes) -> Iterable[Chunk]:
        """The chunk that a body comes to which is no stream."""
        chunk = as_chunk(bodies.completion(self._reply, body.lstrip()).body)
        self._meta.done = True
        self._silent.note(chunk)
        return self.shown.take(chunk)

    def take(self, piece: bytes) -> Iterator[Chunk]:
        """What a piece of the body completes."""
        if not self._decoder.started and not (piece := piece.lstrip()):
            return
        for event in self._decoder.feed(piece):
            yield from self._chunk(event)
            if self._meta.done:
                return
        self._silent.pending(0 if self._decoder.idle else len(piece))

    def end(self) -> Iterator[Chunk]:
        """What stands in an event that nothing ends; nothing where it was cut inside."""
        if not self._first and not bodies.says_events(self._reply):
            raise odd(self._reply, "the reply is empty")
        try:
            for event in () if self._meta.done else self._decoder.finish():
                yield from self._chunk(event)
        except TransientFailure as error:
            if error.code != BROKEN_EVENT:
                raise
        if (broken := self._courses.broken()) is not None:
            raise StreamCut(broken, self._reply.where, "try again", Told(request_id=self._reply.request_id))

    def _chunk(self, event: Event) -> Iterable[Chunk]:
        """The chunk in an event, behind what was held back; none in one that only keeps a connection alive."""
        if event.is_blank:
            return ()
        if self._translated is not None:
            return self._of_another_api(event, self._translated)
        chunk = bodies.chunk(self._reply, event)
        if chunk is None:
            self._meta.done = True
            return ()
        self._silent.note(chunk)
        return self.shown.take(chunk, event.data)

    def _of_another_api(self, event: Event, read: Reader) -> Iterator[Chunk]:
        for chunk in read(event):
            if chunk is None:
                self._meta.done = True
                return
            self._silent.note(chunk)
            yield from self.shown.take(chunk, event.data)

"""The Answer: what a transport gives, to be read as it comes or whole, and folded once for all who read it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from llmcli.errors import StreamCut
from llmcli.finish import says_something
from llmcli.transport.folds.completion import Accumulator, as_chunk
from llmcli.wire import Chunk, Completion, Json, Meta

_Each = Callable[[Chunk], None]
_Done = Callable[[Completion], Awaitable[None]]
_Close = Callable[[], Awaitable[None]]

_NOTHING = Accumulator()  # of an answer that is there: nothing is folded into it


class Answer:
    """An answer that comes, or that is there.

    Iterate it for its Chunks, or await `whole()`; after `whole()`, the chunks that nobody has taken can still be
    iterated. Each chunk is folded once, when it comes from the server. Layers do not wrap the chunks: they ask to
    be told, with `watch`, `then` and `at_close`. `meta` is complete when the answer is.
    Iteration raises StreamCut, at the end, where the stream broke off, and the other errors of a call.
    """

    __slots__ = (
        "_ahead",
        "_chunks",
        "_closing",
        "_completion",
        "_fold",
        "_then",
        "_watching",
        "_wrong",
        "meta",
    )

    def __init__(
        self,
        meta: Meta,
        chunks: AsyncGenerator[Chunk, None] | None,
        completion: Completion | None = None,
        ahead: Iterable[Chunk] | None = (),
    ) -> None:
        self.meta = meta
        self._chunks = chunks
        self._completion = completion
        self._fold = _NOTHING if chunks is None else Accumulator()
        self._ahead = (
            None if ahead is None else deque(ahead)
        )  # that nobody has taken; None: all, as one chunk
        self._wrong: BaseException | None = None  # what the chunks ended in
        self._watching: tuple[_Each, ...] = ()
        self._then: tuple[_Done, ...] = ()
        self._closing: tuple[_Close, ...] = ()

    @classmethod
    def streamed(cls, chunks: AsyncGenerator[Chunk, None], meta: Meta) -> Answer:
        """An answer that comes."""
        return cls(meta, chunks)

    @classmethod
    def of(cls, completion: Completion, chunks: Iterable[Chunk] | None = None) -> Answer:
        """An answer that is there whole; `chunks` are those that it once came in (None: it is one chunk)."""
        return cls(completion.meta, None, completion, chunks)

    # To read it

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> Chunk:
        if self._ahead is None:
            self._ahead = deque([as_chunk(self.so_far())])
        return self._ahead.popleft() if self._ahead else await self._next()

    @property
    def there(self) -> Completion | None:
        """The completion, where it is there already."""
        return self._completion

    async def whole(self) -> Completion:
        """The completion, once it is there. One that broke off says so in `meta.cut`."""
        if self._completion is None:
            try:
                await self._read_ahead(lambda _chunk: False)
            except StreamCut:
                if self._completion is None:
                    raise
        assert self._completion is not None  # noqa: S101 - the chunks have ended
        return self._completion

    async def begun(self, *, reasoning: bool = False) -> bool:
        """Read up to the first chunk that says something. Whether there was one, or the answer was there."""
        return await self._read_ahead(lambda chunk: says_something(chunk, reasoning=reasoning))

    async def _read_ahead(self, until: Callable[[Chunk], bool]) -> bool:
        if self._ahead is None:
            return True
        try:
            while True:
                chunk = await self._next()
                self._ahead.append(chunk)
                if until(chunk):
                    return True
        except StopAsyncIteration:
            return False

    def so_far(self) -> Json:
        """The body of what has come."""
        return self._completion.body if self._completion is not None else self._fold.body()

    # To be told of it

    def watch(self, each: _Each) -> None:
        """Have `each` called with every chunk that nobody has taken yet, as it comes."""
        for chunk in self._ahead or ():
            each(chunk)
        self._watching += (each,)

    async def then(self, done: _Done) -> None:
        """Have `done` awaited once the answer is whole, at once where it is; never where it fails or breaks off."""
        if self._completion is None:
            self._then += (done,)
        elif self._wrong is None:
            await done(self._completion)

    def first(self, done: _Done) -> None:
        """Have `done` awaited before all that `then` was told of, where the answer is still to come."""
        if self._completion is None:
            self._then = (done, *self._then)

    async def at_close(self, close: _Close) -> None:
        """Have `close` awaited once nothing more will come, however that came about."""
        if self._chunks is None:
            await close()
        else:
            self._closing += (close,)

    async def aclose(self) -> None:
        """Want no more of it."""
        chunks, self._chunks = self._chunks, None
        closing, self._closing = self._closing, ()
        try:
            if chunks is not None:
                await chunks.aclose()
        finally:
            for close in closing:
                await close()

    async def _next(self) -> Chunk:
        """The next chunk from the server, folded in."""
        if self._chunks is None:
            raise self._wrong or StopAsyncIteration
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            await self._ended()
            raise
        except BaseException as error:
            await self._failed(error)
            raise
        self._fold.add(chunk)
        for each in self._watching:
            each(chunk)
        return chunk

    async def _ended(self) -> None:
        self._completion = Completion(self.meta.whole or self._fold.body(), self.meta)
        try:
            for done in self._then:
                await done(self._completion)
        finally:
            await self.aclose()

    async def _failed(self, error: BaseException) -> None:
        self._wrong = error
        if isinstance(error, StreamCut):
            self.meta.cut = None if error.behind_the_end else error.what
            self.meta.remedy = error.todo
            self.meta.stalled = error.no_answer_in_time
            self._completion = Completion(self._fold.body(), self.meta)
        await self.aclose()

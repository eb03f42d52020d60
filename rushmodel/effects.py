"""`Embed` and `Rerank`: what a user's own functions are asked, outside of the store."""

from __future__ import annotations

import asyncio
import inspect
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from .embedding import Embedder, FunctionEmbedder, TextKind, is_awaitable
from .errors import EmbedderError, QueryError, RushModelError
from .flow import Effect
from .results import Hits

if TYPE_CHECKING:
    from .port import Float32


class Embed(Effect["Float32"], eq=False):
    """The vectors of texts, float32 of shape ``(n, dims)``; each different text is embedded once.

    Raises:
        EmbedderError: The embedder failed, or its answer is no array of finite numbers of that shape.
    """

    embedder: Embedder
    texts: tuple[str, ...]
    kind: TextKind
    dims: int
    field: str
    """Whose vectors they are, for messages."""

    def perform(self) -> Float32:
        """Ask in the calling thread; an async embedder on a loop of its own."""
        return self._joined([self._asked(part) for part in self._parts()])

    async def aperform(self) -> Float32:
        """Ask from an event loop; a sync embedder in a thread."""
        return self._joined([await self._awaited(part) for part in self._parts()])

    def __repr__(self) -> str:
        return f"Embed({self.embedder.name}@{self.embedder.version}, {len(self.texts)} texts, {self.kind})"

    def _parts(self) -> Iterator[list[str]]:
        texts = [*dict.fromkeys(self.texts)]
        size = getattr(self.embedder, "batch_size", None) or len(texts)
        for begin in range(0, len(texts), size):
            yield texts[begin : begin + size]

    def _asked(self, texts: list[str]) -> Float32:
        try:
            found = self.embedder.embed(texts, kind=self.kind)
            if is_awaitable(found):
                found = asyncio.run_coroutine_threadsafe(_await(found), _loop_of(os.getpid())).result()
        except RushModelError:
            raise
        except Exception as error:
            raise self._failed(len(texts), error) from error
        return self._checked(texts, found)

    async def _awaited(self, texts: list[str]) -> Float32:
        ask: Any = getattr(self.embedder, "aembed", None) or self.embedder.embed
        quick = inspect.iscoroutinefunction(ask) or (
            isinstance(self.embedder, FunctionEmbedder) and self.embedder.is_async
        )
        try:
            if quick:
                found = ask(texts, kind=self.kind)
            else:
                found = await asyncio.to_thread(ask, texts, kind=self.kind)
            if is_awaitable(found):
                found = await found
        except RushModelError:
            raise
        except Exception as error:
            raise self._failed(len(texts), error) from error
        return self._checked(texts, found)

    def _failed(self, count: int, error: Exception) -> EmbedderError:
        return EmbedderError(
            f"{self.field}: the embedder {self.embedder.name} failed on {count} texts: "
            f"{type(error).__name__}: {str(error)[:200]}"
        )

    def _checked(self, texts: Sequence[str], found: Any) -> Float32:
        import numpy as np

        expected = (len(texts), self.dims)
        try:
            array = np.asarray(found, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise EmbedderError(
                f"{self.field}: the embedder {self.embedder.name} returned {type(found).__name__}, "
                f"which is no array of numbers of shape {expected}"
            ) from error
        if array.shape != expected:
            raise EmbedderError(
                f"{self.field}: the embedder {self.embedder.name} returned an array of shape {array.shape}; "
                f"expected {expected}: {len(texts)} texts, dims={self.dims}"
            )
        if not np.isfinite(array).all():
            at = int(np.argmin(np.isfinite(array).all(axis=1)))
            raise EmbedderError(
                f"{self.field}: the embedder {self.embedder.name} returned NaN or infinity, for text {at} "
                f"of {len(texts)}"
            )
        return array

    def _joined(self, parts: list[Float32]) -> Float32:
        """The vectors of all the texts, out of those of the different ones."""
        import numpy as np

        array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        places = {text: place for place, text in enumerate(dict.fromkeys(self.texts))}
        if len(places) < len(self.texts):
            array = array[[places[text] for text in self.texts]]
        array = np.array(array, dtype=np.float32, order="C")  # the embedder may keep, and change, its own
        array.flags.writeable = False
        return array


async def _await(given: Any) -> Any:
    return await given


class Rerank(Effect["list[float]"], eq=False):
    """The scores that a function gives to hits: one for each, the best the highest.

    Raises:
        QueryError: It failed, or did not return a finite number for each hit.
    """

    function: Callable[..., Any]
    text: str | None
    hits: Hits[Any]

    def perform(self) -> list[float]:
        """Ask in the calling thread; an async function on a loop of its own."""
        try:
            found = self.function(self.text, self.hits)
            if is_awaitable(found):
                found = asyncio.run_coroutine_threadsafe(_await(found), _loop_of(os.getpid())).result()
        except RushModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return self._checked(found)

    async def aperform(self) -> list[float]:
        """Ask from an event loop; a function that is not async in a thread."""
        try:
            if inspect.iscoroutinefunction(self.function):
                found = self.function(self.text, self.hits)
            else:
                found = await asyncio.to_thread(self.function, self.text, self.hits)
            if is_awaitable(found):
                found = await found
        except RushModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return self._checked(found)

    def __repr__(self) -> str:
        return f"Rerank({len(self.hits)} hits)"

    def _failed(self, error: Exception) -> QueryError:
        return QueryError(
            f"rerank failed on {len(self.hits)} hits: {type(error).__name__}: {str(error)[:200]}"
        )

    def _checked(self, found: Any) -> list[float]:
        try:
            scores = [float(score) for score in found]
        except (TypeError, ValueError) as error:
            raise QueryError(
                f"rerank returns a score for each of the {len(self.hits)} hits, got {type(found).__name__}"
            ) from error
        if len(scores) != len(self.hits) or not all(map(math.isfinite, scores)):
            raise QueryError(
                f"rerank returns a finite score for each of the {len(self.hits)} hits, got {len(scores)}"
            )
        return scores


@cache
def _loop_of(process: int) -> asyncio.AbstractEventLoop:
    """The loop that async embedders run on where there is no other; one, so that connections live."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="rushmodel-embedders", daemon=True).start()
    return loop

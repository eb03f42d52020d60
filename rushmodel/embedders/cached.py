"""`CachedEmbedder`: an embedder that is asked only once for each text."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..embedding import (
    Embedder,
    EmbedFunction,
    FunctionEmbedder,
    TextKind,
    embedder,
    embedder_error,
    is_awaitable,
)
from ..errors import ConfigurationError, EmbedderError
from .cachefile import CacheFile

if TYPE_CHECKING:
    from ..port import Float32

LEAST_BYTES = 1 << 20


class CachedEmbedder:
    """An embedder, and a file of the vectors it made, by the content of the texts.

    ::

        minilm = CachedEmbedder(OpenAIEmbedder("text-embedding-3-small"), "vectors.cache")

    Name, version and ``dims`` are the embedder's. A text is known by a hash of itself, its kind,
    name, version, dims and, where the embedder has one, its ``cache_key``: a text of whatever else
    decides its vectors. Several threads and processes may share the file. It holds no texts. One that
    is damaged is begun anew; each vector has a checksum, and is made again where that is wrong.
    """

    def __init__(
        self,
        embedder: Embedder | EmbedFunction,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | None = 1 << 30,
    ) -> None:
        """The file is opened, or made, when the first text is embedded.

        Args:
            embedder: What makes the vectors; a plain function becomes one by `embedder()`.
            path: The file; SQLite keeps two more beside it while it is open.
            max_bytes: How large it may grow, from 1 MiB; the least recently used vectors are removed
                then. None: without bound.

        Raises:
            ConfigurationError: An argument makes no sense.
        """
        self.embedder = _as_embedder(embedder)
        if max_bytes is not None and (type(max_bytes) is not int or max_bytes < LEAST_BYTES):
            raise ConfigurationError(
                f"max_bytes= is a whole number from {LEAST_BYTES}, or None; got {max_bytes!r}"
            )
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise ConfigurationError(f"path= is that of a file, got {path!r}")
        self._file = CacheFile(path, max_bytes)

    @property
    def name(self) -> str:
        """The embedder's."""
        return self.embedder.name

    @property
    def version(self) -> str:
        """The embedder's."""
        return self.embedder.version

    @property
    def dims(self) -> int | None:
        """The embedder's, None where it does not say."""
        return getattr(self.embedder, "dims", None)

    @property
    def batch_size(self) -> int | None:
        """The embedder's, None where it does not say."""
        return getattr(self.embedder, "batch_size", None)

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> Float32 | Awaitable[Float32]:
        """A vector for each text, float32 of shape ``(n, dims)``; an awaitable where the embedder gave one.

        Raises:
            EmbedderError: The vectors that the embedder made are no such array, or of another length
                than those it made before; or the file is another program's, locked, or cannot be read
                (``path``).
        """
        keys = self._keys(texts, kind)
        known = self._file.read([*dict.fromkeys(keys)])
        missing = _missing(texts, keys, known)
        if not missing:
            return self._answer(keys, known)
        made = self.embedder.embed([*missing.values()], kind=kind)
        if is_awaitable(made):
            return self._awaited(made, keys, known, missing)
        return self._kept(made, keys, known, missing)

    async def aembed(self, texts: Sequence[str], *, kind: TextKind) -> Float32:
        """As `embed`; the file is read and written in a thread."""
        keys = self._keys(texts, kind)
        known = await asyncio.to_thread(self._file.read, [*dict.fromkeys(keys)])
        missing = _missing(texts, keys, known)
        if not missing:
            return self._answer(keys, known)
        ask: Any = getattr(self.embedder, "aembed", None) or self.embedder.embed
        quick = inspect.iscoroutinefunction(ask) or (
            isinstance(self.embedder, FunctionEmbedder) and self.embedder.is_async
        )
        asked = [*missing.values()]
        made = ask(asked, kind=kind) if quick else await asyncio.to_thread(ask, asked, kind=kind)
        if is_awaitable(made):
            made = await made
        return await asyncio.to_thread(self._kept, made, keys, known, missing)

    def close(self) -> None:
        """Close the file; the next text opens it again."""
        self._file.close()

    def __repr__(self) -> str:
        return f"<CachedEmbedder of {self.embedder!r} in {self._file.path}>"

    def _keys(self, texts: Sequence[str], kind: TextKind) -> list[bytes]:
        """SHA-256 of what decides a vector; lengths keep the parts apart."""
        start = hashlib.sha256()
        more = getattr(self.embedder, "cache_key", "")
        for part in (self.name, self.version, kind, str(self.dims), more):
            content = part.encode("utf-8", "surrogatepass")
            start.update(len(content).to_bytes(8, "big") + content)
        keys: list[bytes] = []
        for text in texts:
            each = start.copy()
            each.update(text.encode("utf-8", "surrogatepass"))
            keys.append(each.digest())
        return keys

    async def _awaited(
        self, made: Awaitable[Any], keys: list[bytes], known: dict[bytes, Float32], missing: dict[bytes, str]
    ) -> Float32:
        return await asyncio.to_thread(self._kept, await made, keys, known, missing)

    def _kept(
        self, made: Any, keys: list[bytes], known: dict[bytes, Float32], missing: dict[bytes, str]
    ) -> Float32:
        """Check what was made and keep it."""
        import numpy as np

        try:
            array = np.array(made, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise EmbedderError(
                f"the embedder {self.name} returned {type(made).__name__}, which is no array of numbers"
            ) from error
        if array.ndim != 2 or len(array) != len(missing) or not array.shape[1]:
            raise EmbedderError(
                f"the embedder {self.name} returned an array of shape {array.shape} for "
                f"{len(missing)} texts; expected ({len(missing)}, {self.dims or 'dims'})"
            )
        if not np.isfinite(array).all():
            raise EmbedderError(f"the embedder {self.name} returned NaN or infinity; nothing of it was kept")
        fresh = dict(zip(missing, array, strict=True))
        answer = self._answer(keys, known | fresh)
        self._file.write(fresh)
        return answer

    def _answer(self, keys: list[bytes], known: dict[bytes, Float32]) -> Float32:
        import numpy as np

        lengths = {len(vector) for vector in known.values()}
        if len(lengths) > 1 or (self.dims is not None and not lengths <= {self.dims}):
            raise EmbedderError(
                f"the embedder {self.name}@{self.version} makes vectors of {sorted(lengths)} numbers"
                f"{'' if self.dims is None else f', with dims={self.dims}'}: give it another version= when "
                "its vectors change"
            )
        if not keys:
            return np.empty((0, self.dims or 0), np.float32)
        return np.stack([known[key] for key in keys])


def _missing(texts: Sequence[str], keys: list[bytes], known: dict[bytes, Float32]) -> dict[bytes, str]:
    """The texts to embed, each once."""
    return {key: text for key, text in zip(keys, texts, strict=True) if key not in known}


def _as_embedder(given: object) -> Embedder:
    try:
        if not hasattr(given, "embed"):
            return embedder(cast("EmbedFunction", given))
        problem = embedder_error(cast("Embedder", given))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"CachedEmbedder: {error}") from error
    if problem:
        raise ConfigurationError(f"CachedEmbedder of {type(given).__name__}: {problem}")
    return cast("Embedder", given)

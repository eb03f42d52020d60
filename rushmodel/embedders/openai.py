"""`OpenAIEmbedder`: any server that speaks OpenAI's ``POST /embeddings``."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NoReturn

import orjson

from ..backends.rest.answers import MOST_CONNECTIONS
from ..embedding import TextKind, embedder_error
from ..errors import ConfigurationError, EmbedderError
from .endpoint import Endpoint
from .posting import Letter, Poster

if TYPE_CHECKING:
    from ..port import Float32

DEFAULT_URL: Final = "https://api.openai.com/v1"


class OpenAIEmbedder:
    """An `Embedder` that asks a server: OpenAI's, or one that speaks the same (vLLM, Ollama, TEI, LM Studio).

    ::

        small = OpenAIEmbedder("text-embedding-3-small", dims=512)
        local = OpenAIEmbedder("nomic-embed-text", base_url="http://localhost:11434/v1",
                               query_prefix="search_query: ", document_prefix="search_document: ")

    No repr, message or log shows the key. One instance may be used by many threads and event loops.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str = DEFAULT_URL,
        api_key: str | None = None,
        dims: int | None = None,
        shortens: bool = False,
        version: str = "1",
        name: str | None = None,
        query_prefix: str = "",
        document_prefix: str = "",
        batch_texts: int = 256,
        batch_letters: int = 200_000,
        concurrency: int = 4,
        timeout: float = 60.0,
        deadline: float = 180.0,
        attempts: int = 6,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is sent before the first text is embedded.

        Args:
            model: Its name at the server.
            base_url: What ``/embeddings`` is appended to.
            api_key: None: that of the environment, ``OPENAI_API_KEY``, which is sent to OpenAI only, and
                looked up when the first text is embedded. A key goes over https, or to this machine.
            dims: The length of its vectors, so that `VectorField` need not say it.
            shortens: Whether the model makes vectors of several lengths: ``dims`` is asked for then.
            version: To be changed when its vectors change: those of another version are stale.
            name: What vectors are known by; None: ``model``.
            query_prefix, document_prefix: Stand before every text of that kind.
            batch_texts, batch_letters: The most texts, and the most characters, of one request. A longer
                text is alone in its request.
            concurrency: How many requests of one call are under way at once.
            timeout: Seconds for one try of a request.
            deadline: Seconds for a request with all its tries, and the pauses between them.
            attempts: How often a request is tried where another try may help.
            headers: Sent besides.

        Raises:
            ConfigurationError: An argument makes no sense.
        """
        if not isinstance(model, str) or not model:
            raise ConfigurationError(f"model= is the name of a model, got {model!r}")
        self.name = model if name is None else name
        self.version = version
        self.dims = dims
        problem = embedder_error(self)
        if problem:
            raise ConfigurationError(f"OpenAIEmbedder: {problem}")
        for what, prefix in (("query_prefix", query_prefix), ("document_prefix", document_prefix)):
            if not isinstance(prefix, str) or not _is_text(prefix):
                raise ConfigurationError(f"{what}= is a text, got {type(prefix).__name__}")
        if shortens and dims is None:
            raise ConfigurationError("shortens=True needs dims=, the length to ask for")
        _check_whole("batch_texts", batch_texts, 2**31)
        _check_whole("batch_letters", batch_letters, 2**31)
        _check_whole("concurrency", concurrency, MOST_CONNECTIONS)
        _check_whole("attempts", attempts, 100)
        _check_seconds("timeout", timeout)
        _check_seconds("deadline", deadline)
        self._model = model
        self._prefixes: dict[str, str] = {"query": query_prefix, "document": document_prefix}
        self._shortens = shortens
        # Not `batch_size`: whoever embeds would cut what it has by that, and wait for each part.
        self._batch_texts = batch_texts
        self._batch_letters = batch_letters
        self._concurrency = concurrency
        self._endpoint = Endpoint(base_url, api_key, headers or {})
        self._poster = Poster(self._endpoint, timeout=timeout, deadline=deadline, attempts=attempts)
        self._takes_base64 = True

    @property
    def cache_key(self) -> str:
        """What decides its vectors besides name and version, for `CachedEmbedder`."""
        parts = (self._endpoint.address.url, self._model, self._shortens, *self._prefixes.values())
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> Float32:
        """A vector for each text, float32 of shape ``(n, dims)``.

        Raises:
            EmbedderError: A text is empty, the server refuses or does not answer, or its answer makes no
                sense. ``answered``: its status, if any; ``retryable``: whether a later try may succeed;
                ``retry_after``: the seconds it asked to be left alone, or None; ``server_message``;
                ``position``: of a text that is empty.
            ConfigurationError: OpenAI wants a key, and there is none.
        """
        letters = self._letters(texts, kind)
        if len(letters) < 2:
            return self._joined([self._ask(letter) for letter in letters])
        threads = ThreadPoolExecutor(min(self._concurrency, len(letters)))
        try:
            return self._joined(list(threads.map(self._ask, letters)))
        finally:  # after an error: what was not begun is not asked
            threads.shutdown(cancel_futures=True)

    async def aembed(self, texts: Sequence[str], *, kind: TextKind) -> Float32:
        """As `embed`, from an event loop."""
        turns = asyncio.Semaphore(self._concurrency)

        async def ask(letter: Letter) -> Float32:
            async with turns:
                try:
                    return await self._poster.asend(letter)
                except EmbedderError as error:
                    if not self._is_about_base64(error):
                        raise
                    return await self._poster.asend(self._plain(letter))

        tasks = [asyncio.ensure_future(ask(letter)) for letter in self._letters(texts, kind)]
        try:
            return self._joined(await asyncio.gather(*tasks))
        finally:  # after an error, or where the caller is cancelled: nothing is asked that nobody reads
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Close the connections of threads; the next text opens them again."""
        self._poster.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; its end does so, too."""
        await self._poster.aclose()

    def __repr__(self) -> str:
        return f"<OpenAIEmbedder {self.name}@{self.version} of {self._endpoint.address.url}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an OpenAIEmbedder may hold a key, and is not pickled")

    def _ask(self, letter: Letter) -> Float32:
        try:
            return self._poster.send(letter)
        except EmbedderError as error:
            if not self._is_about_base64(error):
                raise
            return self._poster.send(self._plain(letter))

    def _letters(self, texts: Sequence[str], kind: TextKind) -> list[Letter]:
        """The requests to make; all the texts are looked at before the first is sent."""
        for place, text in enumerate(texts):
            problem = _problem_of(text)
            if problem:
                raise EmbedderError(
                    f"{self._where}: text {place} is {problem}, which such servers refuse; nothing was sent",
                    retryable=False,
                    position=place,
                )
        prefix = self._prefixes[kind]
        letters: list[Letter] = []
        for begin, end in self._cuts(texts, len(prefix)):
            part = [prefix + text for text in texts[begin:end]]
            letters.append(Letter(self._where, self._body(part), end - begin, self.dims))
        return letters

    @property
    def _where(self) -> str:
        return f"{self._model} of {self._endpoint.address.url}"

    def _cuts(self, texts: Sequence[str], more: int) -> Iterator[tuple[int, int]]:
        """Where the batches begin and end; each text counts ``more`` characters besides its own."""
        begin = size = 0
        for place, text in enumerate(texts):
            size += len(text) + more
            if place > begin and (place - begin == self._batch_texts or size > self._batch_letters):
                yield begin, place
                begin, size = place, len(text) + more
        if texts:
            yield begin, len(texts)

    def _body(self, texts: list[str]) -> bytes:
        document: dict[str, object] = {"model": self._model, "input": texts}
        document["encoding_format"] = "base64" if self._takes_base64 else "float"
        if self._shortens:
            document["dimensions"] = self.dims
        return orjson.dumps(document)

    def _is_about_base64(self, error: EmbedderError) -> bool:
        """Whether a server refuses the short way to write vectors, which not all of them know."""
        details = error.__dict__
        said = str(details.get("server_message", "")).lower()
        return details.get("answered") in (400, 422) and ("encoding_format" in said or "base64" in said)

    def _plain(self, letter: Letter) -> Letter:
        """The same request for vectors as lists; so are those that come after it."""
        self._takes_base64 = False
        document = orjson.loads(letter.body) | {"encoding_format": "float"}
        return letter.replaced(body=orjson.dumps(document))

    def _joined(self, parts: list[Float32]) -> Float32:
        import numpy as np

        lengths = {part.shape[1] for part in parts}
        if len(lengths) > 1:
            raise EmbedderError(
                f"{self._where}: the server's answers have vectors of {sorted(lengths)} numbers",
                retryable=False,
            )
        if not parts:
            return np.empty((0, self.dims or 0), np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _problem_of(text: object) -> str:
    """Why a text cannot be embedded; "" where it can."""
    if not isinstance(text, str):
        return f"of type {type(text).__name__}"
    if not text.strip():
        return "empty"
    return "" if _is_text(text) else "half of a surrogate pair in part"


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8, which half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_whole(what: str, given: object, most: int) -> None:
    if type(given) is not int or not 1 <= given <= most:
        raise ConfigurationError(f"{what}= is a whole number from 1 to {most}, got {given!r}")


def _check_seconds(what: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 1e6:
        raise ConfigurationError(f"{what}= is a number of seconds above 0, got {given!r}")

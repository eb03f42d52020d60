"""From what a user names to a store: locations, tokens, and the environment."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard

from .embedding import Embedder, EmbedFunction, as_embedder
from .errors import ConfigurationError
from .port import AsyncBackend, Backend
from .value import Value

Durability: TypeAlias = Literal["full", "normal"]

MEMORY = "memory://"
CLOUD = "https://api.rushdb.com/api/v1"

TIMEOUT = 60.0
"""Seconds that a verb may take on a server."""

FOREVER = 1e9
"""Seconds; more than anything may take."""

_LIKE_A_HOST = re.compile(r"[\w.-]+:\d+(/.*)?").fullmatch


class Store(Value):
    """An open store in both colours. ``url`` tells stores apart, and holds no token."""

    url: str
    backend: Backend
    aio: AsyncBackend

    def close(self) -> None:
        """Close both, once what was begun is done; twice is harmless."""
        self.aio.close()
        self.backend.close()

    async def aclose(self) -> None:
        """As `close`, from an event loop: what is being done is waited for, elsewhere than on the loop."""
        await self.aio.aclose()
        await asyncio.to_thread(self.close)


def is_location(text: str) -> bool:
    """Whether the first argument of ``RushDB(...)`` is a location, rather than a token."""
    return "://" in text or text.endswith(".db") or "/" in text or os.sep in text


def locate(location: str | os.PathLike[str] | None, *, token: str | None = None) -> str:
    """The location that is meant, without opening it; without one, that of the environment.

    Raises:
        ConfigurationError: Nothing names a location, or it makes no sense.
    """
    if location is not None and not isinstance(location, (str, os.PathLike)):
        raise ConfigurationError(f"a location is a path or a URL in a str, got {type(location).__name__}")
    named = os.fspath(location) if location is not None else from_environment()
    if named is None:
        raise ConfigurationError(
            "connect() needs a location: a file such as 'articles.db', 'memory://', or the URL of a RushDB "
            "server; or set the environment variable RUSHMODEL_URL"
        )
    if not isinstance(named, str) or not named or "\0" in named:
        raise ConfigurationError("a location is a path or a URL in a str that is not empty")
    if named in (":memory:", "memory:", "memory"):
        raise ConfigurationError(f"{named!r} would be a file of that name; a store in memory is 'memory://'")
    if is_server(named):
        return named
    scheme, found, _ = named.partition("://")
    if _LIKE_A_HOST(named):
        raise ConfigurationError(
            f"{named!r} looks like a server: its URL begins with http:// or https://. A file of that name is "
            f"'./{named}'"
        )
    if found and named != MEMORY:
        raise ConfigurationError(
            f"{scheme}:// is no store; use a file path, 'memory://', or the http(s):// URL of a RushDB server"
        )
    if token is not None:
        raise ConfigurationError(
            "a token is for RushDB servers, whose URLs begin with http:// or https://; a file and memory:// "
            "take none"
        )
    return named


def open_store(
    location: str | os.PathLike[str] | None,
    *,
    token: str | None = None,
    durability: Durability = "full",
    timeout: float | None = TIMEOUT,
) -> Store:
    """Open the store at a location; see `locate`. Nothing is sent to a server yet.

    Raises:
        ConfigurationError: A setting that makes no sense, a server without a token (`token_for`).
        StoreError: The file cannot be opened.
    """
    named = locate(location, token=token)
    if durability not in ("full", "normal"):
        raise ConfigurationError(f"durability is 'full' or 'normal', got {durability!r}")
    if timeout is not None and not (is_number(timeout) and 0 < timeout < FOREVER):
        raise ConfigurationError(f"timeout is a number of seconds above 0, or None, got {timeout!r}")
    # A store is loaded when it is opened: nobody pays for the import of another one.
    if is_server(named):
        from .backends.rest import Address, AsyncRest, RestBackend, token_for

        address = Address.parse(named)
        # Arguments and the environment are all there is here: no file has named this URL.
        opener = token_for(address, token=token, environment=os.environ, url_from_code=True)
        return Store(
            address.url,
            RestBackend(address, opener, timeout=timeout),
            AsyncRest(address, opener, timeout=timeout),
        )
    from .backends.embedded import AsyncEmbedded, EmbeddedBackend

    backend = EmbeddedBackend(named, durability=durability)
    return Store(url_of(named), backend, AsyncEmbedded(backend))


def is_server(location: str) -> bool:
    """Whether a location is the URL of a RushDB server."""
    return location[:8].lower().startswith(("http://", "https://"))


def url_of(location: str) -> str:
    """Where a location is, the same for every way to name the place."""
    if is_server(location):
        from .backends.rest.location import Address

        return Address.parse(location).url
    return MEMORY if location == MEMORY else Path(location).resolve().as_uri()


def from_environment() -> str | None:
    """The location the environment names: ``RUSHMODEL_URL``, then ``RUSHDB_URL``."""
    return os.environ.get("RUSHMODEL_URL") or os.environ.get("RUSHDB_URL") or None


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def embedder_for(given: Embedder | EmbedFunction, location: str) -> Embedder:
    """The embedder that a store makes managed vectors with.

    Raises:
        ConfigurationError: The location is a server's, or the embedder does not tell its dims.
    """
    if is_server(location):
        raise ConfigurationError(
            "embedder= is for the embedded store: a server makes its managed vectors itself. For vectors "
            "that are made here, give the field factory="
        )
    try:
        made = as_embedder(given)
    except ValueError as error:
        raise ConfigurationError(str(error).replace("factory=", "embedder=")) from None
    if getattr(made, "dims", None) is None:
        raise ConfigurationError(
            f"the embedder {made.name} has to tell its dims, as in embedder(..., dims=384)"
        )
    return made

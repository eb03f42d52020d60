"""`RushDB`: the client of one store."""

from __future__ import annotations

import os
from types import TracebackType
from typing import cast

from typing_extensions import Self

from ..errors import ConfigurationError, StoreError
from ..flow import run
from ..opening import CLOUD, Store, from_environment, is_location, is_server, open_store
from ..operations import raw_policies
from .ai import AIAPI
from .aio import AsyncRushDB
from .catalog import LabelsAPI, PropertiesAPI
from .records import RecordsAPI
from .relationships import RelationshipsAPI
from .transactions import TransactionsAPI


class RushDB:
    """The client of a store: RushDB's own names, parameters and results, over a file or in memory.

    Args:
        api_key: A token for RushDB servers; or a location, which a text with ``://`` or a path
            separator in it or ``.db`` at its end is.
        base_url: Where the store is: "https://...", a file, "memory://". Without it and without a
            location, the environment variable ``RUSHMODEL_URL``, then ``RUSHDB_URL``; then, with a
            token, RushDB Cloud.
        url: Another name of ``base_url``.

    A store in a file or in memory needs no token: one that was given is not used, nor kept. A
    server without one gets that of the environment variable ``RUSHDB_API_KEY``.

    Raises:
        ConfigurationError: Nothing names a store, or two things name different ones; a server has no
            token.
        StoreError: The file cannot be opened.
    """

    def __init__(
        self,
        api_key: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        url: str | None = None,
    ) -> None:
        location, token = _told_apart(api_key, base_url, url)
        remote = location is not None and is_server(location)
        self._connect(open_store(location, token=token if remote else None), owned=True)

    @classmethod
    def over(cls, store: Store) -> Self:
        """The client of a store that is open already, and stays open when the client is closed."""
        client = cls.__new__(cls)
        client._connect(store, owned=False)
        return client

    def _connect(self, store: Store, *, owned: bool) -> None:
        self._store = store
        self._owned = owned
        self.records = RecordsAPI(self, store.backend)
        self.relationships = RelationshipsAPI(store.backend)
        self.tx = self.transactions = TransactionsAPI(store.backend)
        self.ai = AIAPI(self, store.backend)
        self.labels = LabelsAPI(store.backend)
        self.properties = PropertiesAPI(store.backend)
        self.aio = AsyncRushDB(self, store.aio)

    @property
    def url(self) -> str:
        """Where the store is."""
        return self._store.url

    def ping(self) -> bool:
        """Whether the store answers."""
        try:
            run(self._store.backend, raw_policies.list_policies())
        except StoreError:
            return False
        return True

    def close(self) -> None:
        """Close the store, if this client opened it; twice is harmless."""
        if self._owned:
            self._store.close()

    async def aclose(self) -> None:
        """As `close`, from an event loop."""
        if self._owned:
            await self._store.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RushDB {self.url}>"


def _told_apart(api_key: object, base_url: object, url: object) -> tuple[str | None, str | None]:
    """Location and token; neither is ever part of a message, as a URL may hold a password."""
    for name, value in (("base_url", base_url), ("url", url)):
        if value is not None and (not isinstance(value, str) or not value):
            raise ConfigurationError(f"RushDB(): {name} is a URL or a path in a text that is not empty")
    if base_url is not None and url is not None and base_url != url:
        raise ConfigurationError("RushDB(): base_url and url name different stores; give one of them")
    named = base_url if base_url is not None else url
    assert named is None or isinstance(named, str)
    is_path = isinstance(api_key, os.PathLike)
    first = os.fspath(cast("os.PathLike[str]", api_key)) if is_path else api_key
    if first is not None and (not isinstance(first, str) or not first):
        raise ConfigurationError("RushDB(): api_key is a token or a location, a text that is not empty")
    # Tokens may hold slashes: beside the URL of a server, what is no URL is one.
    beside_server = named is not None and is_server(named) and not is_path
    if first is not None and beside_server and "://" not in first:
        return named, first
    if first is None or not (is_path or is_location(first)):
        return named or from_environment() or (CLOUD if first else None), first
    if named is not None:
        raise ConfigurationError("RushDB(): the first argument is a location, and base_url or url is another")
    return first, None

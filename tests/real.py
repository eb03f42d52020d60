"""A real RushDB server, where one is at hand: ``RUSHDB_URL`` and ``RUSHDB_API_KEY`` name an empty project.

``scripts/test -m peers`` asks for it. A project that holds anything is left alone, since each test
empties it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import httpx
import pytest

SECONDS = 60.0


class Real(NamedTuple):
    """A project of a RushDB server, which belongs to the tests."""

    url: str
    token: str

    def clear(self) -> None:
        """Delete every record and policy."""
        with self._client() as client:
            while records := client.post("/records/search", json={"limit": 1000}).json()["data"]:
                where = {"$id": {"$in": [record["__id"] for record in records]}}
                client.post("/records/delete", json={"where": where}).raise_for_status()
            for policy in client.get("/ai/indexes").json()["data"]:
                client.delete(f"/ai/indexes/{policy['id']}").raise_for_status()

    def is_empty(self) -> bool:
        with self._client() as client:
            found = client.post("/records/search", json={"limit": 1})
            policies = client.get("/ai/indexes")
            for answer in (found, policies):
                answer.raise_for_status()
            return not found.json()["data"] and not policies.json()["data"]

    def _client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS)


_KEY = pytest.StashKey[Real]()


def real_server(config: pytest.Config) -> Real:
    """The server, its project empty; skips where there is none."""
    if _KEY not in config.stash:
        url, token = os.environ.get("RUSHDB_URL"), os.environ.get("RUSHDB_API_KEY")
        if not url or not token:
            pytest.skip("RUSHDB_URL and RUSHDB_API_KEY name no RushDB server")
        server = Real(url.rstrip("/") + ("" if "/api/" in url else "/api/v1"), token)
        if not server.is_empty():
            pytest.skip("the project that RUSHDB_API_KEY opens is not empty, and the tests would empty it")
        config.stash[_KEY] = server
    server = config.stash[_KEY]
    server.clear()
    return server

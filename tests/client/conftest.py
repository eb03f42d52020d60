"""Stores for the client's tests: each test runs in memory, on a file and behind `rushmodel serve`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushmodel import RushDB
from tests.real import real_server
from tests.serve.process import Process


@pytest.fixture(scope="session")
def server() -> Iterator[Process]:
    """One server for all tests; `location` empties it before each."""
    with Process("memory://", token="your-api-key") as process:  # the token that the guide gives
        yield process


STORES = ["memory", "file", "serve", pytest.param("real", marks=pytest.mark.peers)]


DIFFERENCES = {
    "test_update_keeps_vectors_and_set_writes_them[real]": "R6: an update would take the vector with it",
}
"""What ends otherwise on a RushDB server, and why."""


@pytest.fixture(params=STORES)
def location(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "memory":
        return "memory://"
    if request.param == "file":
        return str(tmp_path / "client.db")
    if request.param == "real":
        real = real_server(request.config)
        if "worked_example" in request.node.name:
            pytest.skip("the token that the guide gives opens no server of RushDB's")
        if request.node.name in DIFFERENCES:
            request.applymarker(pytest.mark.xfail(reason=DIFFERENCES[request.node.name], strict=True))
        monkeypatch.setenv("RUSHDB_API_KEY", real.token)
        return real.url
    server: Process = request.getfixturevalue("server")
    server.clear()
    monkeypatch.setenv("RUSHDB_API_KEY", server.token)
    return server.url


@pytest.fixture(params=["memory", "file"])
def embedded_location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """For what a token is not asked for."""
    return "memory://" if request.param == "memory" else str(tmp_path / "client.db")


@pytest.fixture
def db(location: str) -> Iterator[RushDB]:
    with RushDB(location) as client:
        yield client

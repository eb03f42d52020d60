from __future__ import annotations

import pytest

from rushmodel import connect
from tests.serve.process import Process


@pytest.fixture(scope="session")
def server():
    """One server for all tests; `location` empties it before each."""
    with Process("memory://") as process:
        yield process


@pytest.fixture(params=["memory", "file", "serve"])
def location(request, tmp_path, monkeypatch):
    """Where a store can be: in memory, in a file, behind `rushmodel serve`."""
    if request.param == "memory":
        return "memory://"
    if request.param == "file":
        return tmp_path / "store.db"
    server = request.getfixturevalue("server")
    clear(server)
    monkeypatch.setenv("RUSHDB_API_KEY", server.token)
    return server.url


def clear(server):
    """Delete every record and policy of a server."""
    with server.client() as client:
        while records := client.post("/records/search", json={"limit": 1000}).json()["data"]:
            ids = [record["__id"] for record in records]
            client.post("/records/delete", json={"where": {"$id": {"$in": ids}}}).raise_for_status()
        for policy in client.get("/ai/indexes").json()["data"]:
            client.delete(f"/ai/indexes/{policy['id']}").raise_for_status()


@pytest.fixture
def db(location):
    """A database, which is the default one."""
    database = connect(location, durability="normal", default=True)
    yield database
    database.close()


@pytest.fixture
def file_db(tmp_path):
    """As `db`, in a file only: for what several processes or connections do."""
    database = connect(tmp_path / "store.db", durability="normal", default=True)
    yield database
    database.close()


@pytest.fixture
def sent(db, monkeypatch):
    """The commands that `db` is sent from now on; they are carried out as always."""
    return recorded(db, monkeypatch)


def recorded(database, monkeypatch):
    commands = []
    backend = database._store.backend
    verb = backend.verb

    def recording_verb():
        execute = verb()

        def recording(command):
            commands.append(command)
            return execute(command)

        return recording

    monkeypatch.setattr(backend, "verb", recording_verb)
    return commands

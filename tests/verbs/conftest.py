from __future__ import annotations

import pytest

from rushmodel import connect
from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.backends.rest.server import Server
from rushmodel.port import ThreadedBackend
from tests.real import real_server
from tests.serve.process import Process
from tests.unkind.process import unkind

from .differences import RUSHDB

__all__ = ["unkind"]


@pytest.fixture(scope="session")
def server():
    """One server for all tests; `location` empties it before each."""
    with Process("memory://") as process:
        yield process


STORES = ["memory", "file", "serve", "rushdb", pytest.param("real", marks=pytest.mark.peers)]


@pytest.fixture(params=STORES)
def location(request, tmp_path, monkeypatch):
    """Where a store can be: in memory, a file, behind `rushmodel serve`, RushDB or what behaves like it."""
    if request.param in ("memory", "file"):
        return embedded(request.param, tmp_path)
    if request.param == "serve":
        server = request.getfixturevalue("server")
        server.clear()
    elif request.param == "real":
        server = real_server(request.config)
        expect_difference(request)
        monkeypatch.setattr(Server, "reads_vectors", blind)
    else:
        server = request.getfixturevalue("unkind")
        server.reset(rushdb=True, tells=True)
        expect_difference(request)
        monkeypatch.setattr(Server, "reads_vectors", seeing)
    monkeypatch.setenv("RUSHDB_API_KEY", server.token)
    return server.url


def expect_difference(request):
    name = request.node.name.replace("[real", "[rushdb")
    found = RUSHDB.get(name) or RUSHDB.get(name.partition("[")[0])
    if found is not None:
        mark = pytest.mark.xfail(raises=found.error, reason=found.reason, strict=True)
        request.applymarker(mark)


def blind(server):
    pytest.skip("a RushDB server gives no vectors back, and this test looks at some")
    yield


def seeing(server):
    """RushDB gives no vectors back; here it does, so that tests see what became of them."""
    yield from ()
    return True


@pytest.fixture(params=["memory", "file"])
def embedded_location(request, tmp_path):
    """Where an embedded store can be."""
    return embedded(request.param, tmp_path)


def embedded(kind, tmp_path):
    return "memory://" if kind == "memory" else tmp_path / "store.db"


@pytest.fixture
def db(location):
    """A database, which is the default one."""
    database = connect(location, durability="normal", default=True)
    yield database
    database.close()


@pytest.fixture
def embedded_db(embedded_location):
    """As `db`, for what a server does not promise: one snapshot, and a thread of the store's own."""
    database = connect(embedded_location, durability="normal", default=True)
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

    def recording(execute, command):
        commands.append(command)
        return execute(command)

    around(database, monkeypatch, recording)
    return commands


def around(database, monkeypatch, call):
    """Have ``call(execute, command)`` carry out what `database` is sent from now on, also from event loops.

    What an asynchronous ``execute`` gives is awaited by its caller: ``call`` passes it on.
    """
    for store in (database._store.backend, database._store.aio):
        if not isinstance(store, ThreadedBackend):  # such a one sends everything through the other
            wrap(store, monkeypatch, call)
        elif isinstance(database._store.backend, EmbeddedBackend):
            # What is written together would pass it by.
            monkeypatch.setattr(database._store.backend, "pending", lambda command: None)


def wrap(store, monkeypatch, call):
    verb = store.verb

    def verb_around():
        execute = verb()
        return lambda command: call(execute, command)

    monkeypatch.setattr(store, "verb", verb_around)

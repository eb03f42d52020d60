from __future__ import annotations

import pytest

from rushmodel import connect


@pytest.fixture(params=["memory", "file"])
def location(request, tmp_path):
    """Where a store can be: in memory, and in a file."""
    return "memory://" if request.param == "memory" else tmp_path / "store.db"


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
    execute = backend.execute

    def recording(command):
        commands.append(command)
        return execute(command)

    monkeypatch.setattr(backend, "execute", recording)
    return commands

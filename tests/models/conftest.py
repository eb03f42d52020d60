"""Databases and modules that tests of models need."""

from __future__ import annotations

import sqlite3
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rushmodel import Database, connect

PRELUDE = """
import datetime as dt, enum, typing, uuid
from decimal import Decimal
from typing import *
from rushmodel import *
from rushmodel import Field, field
T = TypeVar("T")
"""


@pytest.fixture
def db() -> Iterator[Database]:
    """A memory store, selected."""
    database = connect("memory://", default=False)
    with database:
        yield database
    database.close()


class Place:
    """A store, selected; `again` closes a file and opens it, so that nothing is left in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.database = self._open()

    def again(self) -> None:
        if self.path is not None:
            self.close()
            self.database = self._open()

    def close(self) -> None:
        self.database.__exit__(None, None, None)
        self.database.close()

    def _open(self) -> Database:
        location = "memory://" if self.path is None else self.path
        return connect(location, default=False, durability="normal").__enter__()


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A memory store, and a file that can be reopened."""
    made = Place(tmp_path / "models.db" if request.param == "file" else None)
    yield made
    made.close()


class File(Place):
    """A store in a file, and all that is in it as another connection sees it."""

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, the schema's included."""
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            names = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {
                name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
                for name in ["sqlite_master", *names]
            }
        finally:
            connection.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    """A store in a file, selected."""
    made = File(tmp_path / "models.db")
    yield made
    made.close()


Build = Callable[..., types.ModuleType]


@pytest.fixture
def module() -> Iterator[Build]:
    """Runs a source text as a module of its own, with everything a model may need imported."""
    made: list[str] = []

    def run(source: str, *, future: bool = False, name: str | None = None) -> types.ModuleType:
        name = name or f"made_by_a_test_{len(made)}"
        if name not in made:
            made.append(name)
        found = types.ModuleType(name)
        sys.modules[name] = found
        head = "from __future__ import annotations\n" if future else ""
        exec(compile(head + PRELUDE + source, f"<{name}>", "exec", dont_inherit=True), found.__dict__)
        return found

    yield run
    for name in made:
        sys.modules.pop(name, None)

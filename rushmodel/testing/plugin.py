"""The pytest plugin: fixtures for programs that use rushmodel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..database import Database, connect
from .recorder import Recorder


@pytest.fixture
def memory_database() -> Iterator[Database]:
    """A database in memory of the test's own, which its models use; closed afterwards.

    A default database of the program stays what it is.
    """
    database = connect("memory://", default=False)
    with database:
        yield database
    database.close()


@pytest.fixture
def recorder(memory_database: Database) -> Iterator[Recorder]:
    """What `memory_database` is sent in the test."""
    with Recorder(memory_database) as recording:
        yield recording

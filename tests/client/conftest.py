"""Stores for the client's tests: each test runs in memory and on a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushmodel import RushDB


@pytest.fixture(params=["memory", "file"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else str(tmp_path / "client.db")


@pytest.fixture
def db(location: str) -> Iterator[RushDB]:
    with RushDB(location) as client:
        yield client

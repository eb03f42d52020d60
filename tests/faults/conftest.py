from __future__ import annotations

import pytest

from .notes import Files, left_behind, open_notes


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a process leaves that is killed: half of it in the file, half of it in the WAL."""
    return left_behind(tmp_path_factory.mktemp("left") / "store.db", 40)


@pytest.fixture(scope="session")
def whole(left: Files, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same, closed well: one file."""
    path = tmp_path_factory.mktemp("whole") / "store.db"
    left.put(path)
    open_notes(path).close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return path.read_bytes()

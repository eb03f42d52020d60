"""Places that cannot be written: a clear error that names the file, and nothing is touched."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rushmodel import Database, StoreError

from .notes import Files, add, count_notes, open_notes

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")

NOBODY = 65534


@pytest.fixture
def folder(whole: bytes) -> Iterator[Path]:
    """A folder with a store, that of a user whom permissions bind, which this process is meanwhile."""
    made = Path(tempfile.mkdtemp(prefix="rushmodel-places-"))  # in a place that every user reaches
    (made / "store.db").write_bytes(whole)
    is_root = os.geteuid() == 0
    if is_root:
        if not hasattr(os, "setresuid"):
            pytest.skip("permissions do not bind root, and it cannot be another user here")
        os.chown(made, NOBODY, -1)
        os.chown(made / "store.db", NOBODY, -1)
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield made
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        made.chmod(0o700)
        shutil.rmtree(made)


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


@pytest.mark.parametrize("bits", [0o400, 0o000, 0o200])
def test_a_file_that_may_not_be_written_or_read(folder: Path, bits: int) -> None:
    path = folder / "store.db"
    before = contents(folder)
    with mode(path, bits):
        with pytest.raises(StoreError, match="permission") as raised:
            open_notes(path)
        assert str(path) in str(raised.value)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["store.db", "other.db"])
def test_a_folder_that_may_not_be_written(folder: Path, name: str) -> None:
    before = contents(folder)
    with mode(folder, 0o500):
        with pytest.raises(StoreError, match="permission") as raised:
            open_notes(folder / name)
        assert str(folder / name) in str(raised.value)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["store.db-wal", "store.db-shm"])
def test_a_wal_that_belongs_to_somebody_else(folder: Path, left: Files, name: str) -> None:
    """What a process of another user left: its commits are not passed over, and not lost."""
    path = folder / "store.db"
    left.put(path)
    (folder / "store.db-shm").touch()
    with mode(folder / name, 0o000):
        with pytest.raises(StoreError) as raised:
            count_notes(open_notes(path))
        assert str(path) in str(raised.value)
    assert everything(path) == left.commits


def test_a_folder_that_becomes_read_only(folder: Path) -> None:
    """What is open stays usable; where it is not, nothing that was acknowledged is lost."""
    path = folder / "store.db"
    db = open_notes(path)
    held = count_notes(db)
    with mode(path, 0o400), mode(folder, 0o500):
        for _ in range(3):
            with suppress(StoreError):
                with db:
                    add(held + 1)
                held += 1
        assert count_notes(db) == held
        db.close()
    assert everything(path) == held


def test_a_file_that_is_removed_takes_no_saves(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(whole)
    db = open_notes(path)
    held = count_notes(db)
    path.rename(tmp_path / "moved.db")
    check_refused(db, path, held)
    path.write_bytes(whole)  # another one in its place
    check_refused(db, path, held)
    assert path.read_bytes() == whole
    db.close()


def check_refused(db: Database, path: Path, held: int) -> None:
    with db, pytest.raises(StoreError) as raised:
        add(held + 1)
    assert str(path) in str(raised.value)


def everything(path: Path) -> int:
    db = open_notes(path)
    try:
        return count_notes(db)
    finally:
        db.close()

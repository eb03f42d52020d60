"""A process that writes until its disk is full, and looks at what it has then; see `test_full_disk`.

``python -m tests.faults.full_disk FOLDER HOW``; HOW is ``disk``, where the folder is all of a small disk, or
``quota``, where the process itself may write no file beyond some size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rushmodel import BulkError, Database, StoreError

from .notes import Note, add, count_notes, keep_sidecars, open_notes, vector_of

LIMIT = 1 << 20


def main(folder: Path, how: str) -> None:
    keep_sidecars(pytest.MonkeyPatch())
    path = folder / "store.db"
    db = open_notes(path)
    with db:
        db.sync()
        add(1)
        Note.search(vector_of(1))
    filled, freed = (fill_disk, empty_disk) if how == "disk" else (fill_quota, empty_quota)
    for fill in WAYS:
        held = count_notes(db)
        filled(path)
        refused = refusals(db, fill)
        now = held if fill is save_many else count_notes(db)
        assert refused, fill
        assert all(str(path) in text for text in refused), refused
        print(f"{fill.__name__}: {now - held} more were acknowledged; {refused[0].replace(str(folder), '')}")
        again = open_notes(path)  # who opens it on the full disk finds it, too
        assert count_notes(again) == count_notes(db)
        again.close()
        freed(path)
        with db:
            add(count_notes(db) + 1)
        count_notes(db)
    held = count_notes(db)
    db.close()
    db = open_notes(path)
    assert count_notes(db) == held
    db.close()


def save(db: Database, held: int) -> None:
    for n in range(held + 1, held + 600):
        add(n)
        ACKNOWLEDGED.append(n)


def transaction(db: Database, held: int) -> None:
    with db.transaction():
        for n in range(held + 1, held + 600):
            add(n)


def save_many(db: Database, held: int) -> None:
    """One batch that has no room: none of it is there."""
    notes = [Note(n=n, text="x" * 900, tags=[], embedding=vector_of(n)) for n in range(held + 1, held + 600)]
    Note.save_many(notes)


def update(db: Database, held: int) -> None:
    """One statement that grows every record, but none half of them."""
    long = "x" * (LIMIT // held * 2)
    Note.find(Note.n > 0).update(tags=[long])


WAYS: tuple[Callable[[Database, int], None], ...] = (save, transaction, save_many, update)
ACKNOWLEDGED: list[int] = []


def refusals(db: Database, fill: Callable[[Database, int], None]) -> list[str]:
    """What is said about the disk; AssertionError where anything was lost, or is there that should not be."""
    held = count_notes(db)
    ACKNOWLEDGED.clear()
    said: list[str] = []
    for _ in range(2):  # it stays full
        try:
            with db:
                fill(db, held + len(ACKNOWLEDGED))
        except StoreError as error:
            said.append(str(error))
        except BulkError as error:
            said.extend(str(each) for each in error.exceptions)
        assert count_notes(db) == held + len(ACKNOWLEDGED)
    return said


def fill_disk(path: Path) -> None:
    """All of it but for a few pages."""
    with (path.parent / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
        filler.truncate(max(0, filler.tell() - 50 * 4096))


def empty_disk(path: Path) -> None:
    (path.parent / "filler").unlink()


def fill_quota(path: Path) -> None:
    import resource

    size = max(each.stat().st_size for each in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20 * 4096, resource.RLIM_INFINITY))


def empty_quota(path: Path) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

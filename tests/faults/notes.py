"""A store that tells how many commits it has seen, and what a process leaves that does not close it."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rushmodel import Database, Field, Model, Relation, Vector, VectorField, connect, field, relation
from rushmodel.backends.embedded import mirrors
from rushmodel.port import Float32

DIMS = 16


class Shelf(Model, label="FaultShelf"):
    name: Field[str] = field(key=True)
    count: Field[int] = field(default=0)


class Note(Model, label="FaultNote"):
    n: Field[int] = field(key=True)
    text: Field[str]
    tags: Field[list[str]]
    embedding: Vector = VectorField(dims=DIMS, similarity="euclidean", property="text")
    shelf: Relation[Shelf] = relation("STANDS_ON")


MODELS: list[type[Any]] = [Note, Shelf]


class Files(NamedTuple):
    """A store that was not closed, after so many commits, the first half of them in ``main``."""

    main: bytes
    wal: bytes
    commits: int

    def put(self, path: Path) -> None:
        path.write_bytes(self.main)
        wal_of(path).write_bytes(self.wal)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def open_notes(path: Path, **settings: Any) -> Database:
    return connect(path, models=MODELS, default=False, **settings)


def vector_of(n: int) -> Float32:
    return np.arange(n, n + DIMS, dtype=np.float32)


def add(n: int) -> None:
    """One commit: a note, and the shelf that counts them."""
    text = f"Note {n} " + "x" * (n * 37 % 900)
    Note(
        n=n, text=text, tags=["a", str(n)], embedding=vector_of(n), shelf=Shelf(name="shelf", count=n)
    ).save()


def count_notes(db: Database) -> int:
    """How many notes there are: the first so many, each whole, and in the shelf's count and searches too."""
    with db:
        notes = Note.find().with_vectors().with_(Note.shelf).order_by(Note.n.asc()).all()
        assert [note.n for note in notes] == list(range(1, len(notes) + 1))
        for note in notes:
            assert note.text.startswith(f"Note {note.n} ")
            assert note.tags == ["a", str(note.n)]
            assert np.array_equal(note.embedding, vector_of(note.n))
            assert note.shelf.value is not None
            assert note.shelf.value.count == len(notes)
        assert db.check().ok
        if notes:
            hits = Note.search(vector_of(2), limit=len(notes) + 1)
            nearest = sorted(range(1, len(notes) + 1), key=lambda n: (abs(n - 2), n))
            assert [hit.record.n for hit in hits] == nearest
        return len(notes)


def left_behind(path: Path, count: int) -> Files:
    """Made by a process that ends as if it were killed."""
    child = multiprocessing.get_context("spawn").Process(target=_leave, args=(path, count))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    return Files(path.read_bytes(), wal_of(path).read_bytes(), count)


def _leave(path: Path, count: int) -> None:
    with open_notes(path, durability="normal") as db:
        db.sync()
        for n in range(1, count + 1):
            if n == count // 2 + 1:
                backend: Any = db._store.backend
                backend._file.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            add(n)
        os._exit(0)


def keep_sidecars(monkeypatch: Any) -> None:
    """Write them already where a few vectors are held, and as often as there are new ones."""
    monkeypatch.setattr(mirrors, "WORTH_KEEPING", 1)
    monkeypatch.setattr(mirrors, "_PATIENCE", 0.0)

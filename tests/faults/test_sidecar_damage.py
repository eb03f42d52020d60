"""Sidecars that are damaged, old, or about something else: searches answer as without them."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from rushmodel import Database, Field, Model, Vector, VectorField, connect, field
from rushmodel.backends.embedded.sidecar import sidecar_files
from rushmodel.port import Float32

from .notes import keep_sidecars

DIMS = 64

Answers: TypeAlias = "list[list[tuple[int, float]]]"
Kept: TypeAlias = "tuple[Path, Path, Answers]"
"""A store, its sidecar, and what its searches answer."""
PAGE = 4096


class Leaf(Model, label="FaultLeaf"):
    n: Field[int] = field(key=True)
    embedding: Vector = VectorField(dims=DIMS, similarity="euclidean")


@pytest.fixture(autouse=True)
def _keeps_sidecars(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_sidecars(monkeypatch)


def vector_of(n: int) -> Float32:
    return np.random.default_rng(n).standard_normal(DIMS).astype(np.float32)


def fill(db: Database, numbers: range) -> None:
    with db:
        Leaf.save_many(Leaf(n=n, embedding=vector_of(n)) for n in numbers)


def answers(db: Database) -> Answers:
    """Searches that look at some vectors, at all, and at a few that a condition leaves."""
    with db:
        return [
            [(hit.record.n, hit.score) for hit in found]
            for n in (1, 77)
            for found in (
                Leaf.search(vector_of(n), limit=10),
                Leaf.search(vector_of(n), limit=10_000),
                Leaf.search(vector_of(n), where=Leaf.n < 40, limit=5),
            )
        ]


def open_leaves(path: Path) -> Database:
    return connect(path, models=[Leaf], default=False, durability="normal")


@pytest.fixture
def store(tmp_path: Path) -> Kept:
    """A closed store, its sidecar, and what its searches answer."""
    path = tmp_path / "leaves.db"
    db = open_leaves(path)
    fill(db, range(300))
    expected = answers(db)
    db.close()
    assert expected[0][0][0] == 1
    (sidecar,) = sidecar_files(str(path))
    return path, Path(sidecar), expected


def check(path: Path, expected: Answers) -> None:
    db = open_leaves(path)
    assert answers(db) == expected
    db.close()


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_no_damage_is_believed(store: Kept, times: int) -> None:
    """Flipped bits, overwritten bytes and pages, swapped pages, and every way of being cut short."""
    path, sidecar, expected = store
    whole = sidecar.read_bytes()
    chance = random.Random(times)
    damaged: list[bytes] = [b"", whole + b"\0", whole[:100], whole[:PAGE], whole[:-1], whole[:-PAGE]]
    for _ in range(40 * times):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        damaged.append(bytes(flipped))
    for _ in range(10 * times):
        start = chance.randrange(len(whole))
        run = chance.randbytes(chance.choice([1, 8, 500, PAGE]))
        damaged.append((whole[:start] + run + whole[start + len(run) :])[: len(whole)])
    pages = [whole[start : start + PAGE] for start in range(0, len(whole), PAGE)]
    for _ in range(10 * times):
        one, other = sorted(chance.sample(range(len(pages)), 2))
        swapped = [*pages[:one], pages[other], *pages[one + 1 : other], pages[one], *pages[other + 1 :]]
        damaged.append(b"".join(swapped))
    zeroed = chance.sample(range(0, len(whole), PAGE), min(len(pages), 10 * times))
    damaged += [whole[:start] + bytes(PAGE) + whole[start + PAGE :] for start in zeroed]
    damaged += [whole[: chance.randrange(len(whole))] for _ in range(5 * times)]
    for content in damaged:
        sidecar.write_bytes(content)
        check(path, expected)


def test_an_older_one_is_brought_up_to_date(store: Kept) -> None:
    path, sidecar, _ = store
    old = sidecar.read_bytes()
    db = open_leaves(path)
    with db:
        Leaf.find(Leaf.n < 20).delete()
        Leaf.get(n=77).delete()
        for n in (30, 31):
            record = Leaf.get(n=n)
            record.embedding = vector_of(n + 1000)
            record.save()
    fill(db, range(500, 800))
    expected = answers(db)
    assert 77 not in {n for n, _ in expected[4]}
    db.close()
    sidecar.write_bytes(old)
    check(path, expected)


def test_one_from_before_a_backup_was_put_back(store: Kept) -> None:
    """The file is as it was once; the sidecar knows what came after, and as many changes have come again."""
    path, _, expected = store
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    for seed in (1000, 2000):
        db = open_leaves(path)
        fill(db, range(seed, seed + 200))
        later = answers(db)
        assert {n for n, _ in later[1]} == {*range(300), *range(seed, seed + 200)}
        db.close()
        shutil.copy(backup, path)
    check(path, expected)


def test_one_of_another_store(store: Kept, tmp_path: Path) -> None:
    path, sidecar, expected = store
    other = tmp_path / "other.db"
    db = open_leaves(other)
    fill(db, range(300, 600))
    answers(db)
    db.close()
    (foreign,) = sidecar_files(str(other))
    shutil.copy(foreign, sidecar)
    check(path, expected)


def test_without_any(store: Kept) -> None:
    path, sidecar, expected = store
    sidecar.unlink()
    check(path, expected)
    assert sidecar.exists()

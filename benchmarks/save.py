"""Saving and reading against raw sqlite3, in the same run and with the same durability.

    python benchmarks/save.py [--saves 2000] [--records 10000]

Prints ratios; a ratio of 3.0 means three times the time of raw sqlite3.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from rushmodel import Field, Model, Vector, VectorField, connect, field

Durability: TypeAlias = Literal["full", "normal"]
Float32: TypeAlias = npt.NDArray[np.float32]

DIMS = 768
ROUNDS = 5


class Article(Model):
    slug: Field[str] = field(key=True)
    title: Field[str]
    body: Field[str]
    year: Field[int]
    rating: Field[float]
    draft: Field[bool]
    embedding: Vector = VectorField(dims=DIMS, property="body")


class Event(Model):
    name: Field[str]
    title: Field[str]
    body: Field[str]
    year: Field[int]
    rating: Field[float]
    draft: Field[bool]


class Row(BaseModel):
    name: str
    title: str
    body: str
    year: int
    rating: float
    draft: bool


def values(at: int) -> dict[str, object]:
    body = f"The body of article {at}, of about the length that an abstract has. " * 4
    return {
        "title": f"Article {at}",
        "body": body,
        "year": 1900 + at % 120,
        "rating": at / 7,
        "draft": at % 2 == 0,
    }


def raw_store(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(
        "CREATE TABLE articles(id INTEGER PRIMARY KEY, slug TEXT UNIQUE, title, body, year, rating, draft)"
    )
    connection.execute("CREATE TABLE vectors(id INTEGER PRIMARY KEY, vector BLOB)")
    return connection


def time_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def saves(folder: Path, count: int, durability: Durability) -> tuple[list[float], list[float]]:
    """Seconds of ``count`` single saves, ours and raw, a round each in turn."""
    vectors = np.random.default_rng(7).standard_normal((count, DIMS)).astype(np.float32)
    ours, raw = [], []
    for attempt in range(ROUNDS):
        db = connect(folder / f"{durability}{attempt}.db", durability=durability, default=True)
        given = ({"slug": f"s{at}", **values(at), "embedding": vectors[at]} for at in range(count))
        first, *others = [Article.model_validate(each) for each in given]
        first.save()
        ours.append(time_of(partial(save_each, others)))
        db.close()
        connection = raw_store(folder / f"raw{durability}{attempt}.db", durability.upper())
        rows = [(f"s{at}", *values(at).values()) for at in range(count)]
        raw.append(time_of(partial(insert, connection, rows[1:], vectors[1:])))
        connection.close()
    return ours, raw


def save_each(articles: list[Article]) -> None:
    for article in articles:
        article.save()


def insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]], vectors: Float32) -> None:
    """What a save writes, into two tables, a transaction each."""
    statement = "INSERT INTO articles(slug, title, body, year, rating, draft) VALUES (?, ?, ?, ?, ?, ?)"
    for row, vector in zip(rows, vectors, strict=True):
        connection.execute("BEGIN IMMEDIATE")
        at = connection.execute(statement, row).lastrowid
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (at, vector.tobytes()))
        connection.execute("COMMIT")


def reads(folder: Path, count: int) -> tuple[list[float], list[float]]:
    """Seconds of reading ``count`` records without vectors, ours and raw with pydantic, in turn."""
    db = connect(folder / "events.db", default=True)
    Event.save_many(Event.model_validate({"name": f"s{at}", **values(at)}) for at in range(count))
    connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
    connection.execute("CREATE TABLE events(id INTEGER PRIMARY KEY, name, title, body, year, rating, draft)")
    rows = [(f"s{at}", *values(at).values()) for at in range(count)]
    connection.executemany(
        "INSERT INTO events(name, title, body, year, rating, draft) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    names = tuple(Row.model_fields)

    def read() -> None:
        found = connection.execute("SELECT name, title, body, year, rating, draft FROM events ORDER BY id")
        assert len([Row.model_validate(dict(zip(names, row, strict=True))) for row in found]) == count

    def find() -> None:
        assert len(Event.find().all()) == count

    ours, raw = [], []
    for _ in range(ROUNDS):
        ours.append(time_of(find))
        raw.append(time_of(read))
    connection.close()
    db.close()
    return ours, raw


def imports() -> tuple[list[float], list[float]]:
    """Seconds of a process that imports rushmodel, and of one that imports its dependencies."""

    def run(code: str) -> float:
        return time_of(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    ours, raw = [], []
    for _ in range(2 * ROUNDS):
        ours.append(run("import rushmodel"))
        raw.append(run("import pydantic, httpx, numpy"))
    return ours, raw


def report(name: str, ours: list[float], raw: list[float], per: int, goal: float) -> None:
    ratios = [mine / other for mine, other in zip(ours, raw, strict=True)]
    mine, other = (1e6 * statistics.median(each) / per for each in (ours, raw))
    print(
        f"{name:<34} {mine:>10.1f} us {other:>10.1f} us {statistics.median(ratios):>6.2f}x "
        f"({min(ratios):.2f}-{max(ratios):.2f})   goal <= {goal}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Saving and reading against raw sqlite3.")
    parser.add_argument("--saves", type=int, default=2000)
    parser.add_argument("--records", type=int, default=10_000)
    given = parser.parse_args()
    print(f"{'':<34} {'rushmodel':>13} {'raw':>13}  ratio (min-max of {ROUNDS})")
    with tempfile.TemporaryDirectory() as folder:
        durabilities: tuple[Durability, ...] = ("normal", "full")
        for durability in durabilities:
            ours, raw = saves(Path(folder), given.saves, durability)
            report(f"save(), durability {durability}", ours, raw, given.saves - 1, 3.0)
        ours, raw = reads(Path(folder), given.records)
        report(f"find().all(), {given.records:,} records", ours, raw, given.records, 3.0)
    ours, raw = imports()
    report("import rushmodel (whole process)", ours, raw, 1, 1.3)


if __name__ == "__main__":
    main()

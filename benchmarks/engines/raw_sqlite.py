"""sqlite3 by hand: a table of records and one of vectors, a transaction for each save or batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..engine import Float32, Plain, Row, Safety, Window, Work

_RECORD = "INSERT INTO articles VALUES (?, ?, ?, ?, ?)"
_VECTOR = "INSERT INTO vectors VALUES (?, ?)"


class Store(Plain):
    works: frozenset[Work] = frozenset({"one", "power", "many"})

    def __init__(self) -> None:
        self._connection: sqlite3.Connection

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self._connection = sqlite3.connect(folder / "articles.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if safety == 'power' else 'NORMAL'}")
        self._connection.execute("CREATE TABLE articles(number INTEGER PRIMARY KEY, title, body, lot, place)")
        self._connection.execute("CREATE TABLE vectors(number INTEGER PRIMARY KEY, vector BLOB)")

    def open(self, folder: Path, dims: int) -> None:
        raise NotImplementedError

    def save_one(self, row: Row) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(_RECORD, row[:5])
        self._connection.execute(_VECTOR, (row.number, row.vector.tobytes()))
        self._connection.execute("COMMIT")

    def save_many(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_RECORD, (row[:5] for row in rows))
        self._connection.executemany(_VECTOR, ((row.number, row.vector.tobytes()) for row in rows))
        self._connection.execute("COMMIT")

    def search(self, vector: Float32, limit: int) -> list[int]:
        raise NotImplementedError

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        raise NotImplementedError

    def close(self) -> None:
        self._connection.close()

"""sqlite-vec: one virtual table. Through apsw, as not every Python's sqlite3 loads extensions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import sqlite_vec

from ..engine import Float32, Plain, Row, Safety, Window, Work

_COLUMNS = "number, title, body, lot, place"


class Store(Plain):
    works: frozenset[Work] = frozenset({"search", "filter", "one", "power", "many", "reopen"})

    def __init__(self) -> None:
        self._connection: apsw.Connection

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety) -> None:
        self.open(folder, dims)
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if safety == 'power' else 'NORMAL'}")
        self._connection.execute(
            "CREATE VIRTUAL TABLE articles USING vec0(number INTEGER PRIMARY KEY, lot INTEGER, place INTEGER,"
            f" embedding float[{dims}] distance_metric=cosine, +title TEXT, +body TEXT)"
        )

    def open(self, folder: Path, dims: int) -> None:
        self._connection = apsw.Connection(str(folder / "articles.db"))
        self._connection.enable_load_extension(True)
        self._connection.load_extension(sqlite_vec.loadable_path())
        self._connection.execute("PRAGMA journal_mode = WAL")

    def save_one(self, row: Row) -> None:
        self._connection.execute(_INSERT, row)

    def save_many(self, rows: Sequence[Row]) -> None:
        with self._connection:
            self._connection.executemany(_INSERT, rows)

    def search(self, vector: Float32, limit: int) -> list[int]:
        found = self._connection.execute(
            f"SELECT {_COLUMNS}, distance FROM articles WHERE embedding MATCH ? AND k = ?", (vector, limit)
        )
        return [row[0] for row in found]

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        name, low, high = window
        found = self._connection.execute(
            f"SELECT {_COLUMNS}, distance FROM articles WHERE embedding MATCH ? AND k = ?"
            f" AND {name} >= ? AND {name} < ?",
            (vector, limit, low, high),
        )
        return [row[0] for row in found]

    def close(self) -> None:
        self._connection.close()


_INSERT = f"INSERT INTO articles({_COLUMNS}, embedding) VALUES (?, ?, ?, ?, ?, ?)"

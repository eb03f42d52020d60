"""What an import has made so far, outside of memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

_MOST = 500
"""Placeholders of a statement."""


class Ledger:
    """Ids of records: those that were made, and which id each has in the file it came from.

    A million of them would be some hundred megabytes; SQLite keeps them in a file of its own, which is
    gone with the connection.
    """

    def __init__(self) -> None:
        # A worker thread of an event loop may use it after another one: never two at a time.
        self._file = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("CREATE TABLE made (id TEXT NOT NULL)")
        self._file.execute("CREATE TABLE keys (given TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID")

    def add(self, ids: Iterable[str]) -> None:
        """Records that were made."""
        self._many("INSERT INTO made VALUES (?)", [(each,) for each in ids])

    def name(self, keys: Iterable[tuple[str, str]]) -> None:
        """(id in the file, id here); where a file has an id twice, the last record with it is meant."""
        self._many("INSERT OR REPLACE INTO keys VALUES (?, ?)", keys)

    def find(self, given: Iterable[str]) -> dict[str, str]:
        """Those of the ids of the file that are known, with the ids here."""
        asked = list(given)
        found: dict[str, str] = {}
        for start in range(0, len(asked), _MOST):
            part = asked[start : start + _MOST]
            marks = ",".join("?" * len(part))
            found.update(self._file.execute(f"SELECT given, id FROM keys WHERE given IN ({marks})", part))
        return found

    def made(self, size: int) -> Iterator[list[str]]:
        """The ids of all records made, the last ones first."""
        rows = self._file.execute("SELECT id FROM made ORDER BY rowid DESC")
        while part := rows.fetchmany(size):
            yield [each for (each,) in part]

    def close(self) -> None:
        self._file.close()

    def _many(self, statement: str, rows: Iterable[Sequence[str]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany(statement, rows)
        self._file.execute("COMMIT")

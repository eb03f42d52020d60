"""What a file holds that no store writes there: SQLite has no checksums."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson


class DamagedFile(sqlite3.DatabaseError):
    """Found in what was read. It goes the way of SQLite's own errors, and ends as a `StoreError`."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the file is damaged: {what}")


def parsed(cell: bytes | str) -> Any:
    """The JSON in a cell; `DamagedFile`."""
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError as error:
        raise DamagedFile(f"a value that should be JSON is not ({error})") from error

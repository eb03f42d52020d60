"""From earlier formats of the file to the present one: in place, with a copy kept of what was there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from . import format
from .copying import copy_database

UPGRADES: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {}
"""What makes the next format of each: statements inside the caller's transaction. Format 1 is the first."""


def upgrade(connection: sqlite3.Connection, path: str) -> str | None:
    """Bring a file to the present format; where the copy lies, None if there was nothing to do.

    One transaction: a process that dies in it leaves the file as it was. Nobody writes between the copy and
    the change. `StoreError` where there is no room for the copy; then nothing was changed.
    """
    if format.pragma(connection, "user_version") >= format.FORMAT:
        return None
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster, while this one waited.
        version, kept = format.pragma(connection, "user_version"), None
        if version < format.FORMAT:
            kept = _copy_name(path, version)
            # A connection that writes cannot be copied from; this one sees what was committed.
            with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True)) as source:
                source.execute("PRAGMA query_only = ON")
                copy_database(source, kept, overwrite=False)
            for each in range(version, format.FORMAT):
                UPGRADES[each](connection)
            connection.execute(f"PRAGMA user_version = {format.FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return kept


def _copy_name(path: str, version: int) -> str:
    """A name that nothing has: an earlier copy is kept, too."""
    name, number = f"{path}.format-{version}.bak", 1
    while os.path.lexists(name):
        number += 1
        name = f"{path}.format-{version}.{number}.bak"
    return name

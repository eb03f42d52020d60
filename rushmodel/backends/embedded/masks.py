"""The rows that a condition leaves, remembered while the database stays as it is."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from .querying import filter_of, source_of
from .rowplaces import Rows

if TYPE_CHECKING:
    from ...port import RecordQuery
    from .names import Table
    from .session import Session


class Masks:
    """What some conditions have left, by what SQL asks, for the snapshot in which that was.

    The snapshot is told by `Session.check`, which forgets everything when another connection has
    committed, and by the number of rows that this connection has ever changed, which only grows: what
    undoes a change leaves it counted.
    """

    def __init__(self) -> None:
        self._changes = -1
        self._bytes = 0
        self._rows: OrderedDict[_Key, Rows] = OrderedDict()

    def forget(self) -> None:
        """The database may be another one now."""
        self._changes = -1
        self._bytes = 0
        self._rows.clear()

    def get(self, connection: sqlite3.Connection, key: _Key) -> Rows | None:
        """The rows that are remembered."""
        if connection.total_changes != self._changes:
            self.forget()
            self._changes = connection.total_changes
            return None
        rows = self._rows.get(key)
        if rows is not None:
            self._rows.move_to_end(key)
        return rows

    def keep(self, key: _Key, rows: Rows) -> None:
        """Remember rows for the snapshot in which `get` was asked."""
        size = rows.nbytes + sum(len(each) for each in key[1] if isinstance(each, (str, bytes)))
        if size > _MOST_BYTES:
            return
        self._rows[key] = rows
        self._bytes += size + _OVERHEAD
        while self._bytes > _MOST_BYTES:
            (_, params), dropped = self._rows.popitem(last=False)
            self._bytes -= dropped.nbytes + _OVERHEAD
            self._bytes -= sum(len(each) for each in params if isinstance(each, (str, bytes)))


_Key = tuple[str, tuple[object, ...]]
_MOST_BYTES: Final = 2**24
_OVERHEAD: Final = 1024


def rows_among(session: Session, table: Table, query: RecordQuery) -> Rows | None:
    """The rows of a label that the query's condition leaves, in no order; None: it has no condition."""
    if not query.where and query.related_to is None:
        return None
    found = filter_of(session, table, query.where, query.related_to, query.unmade)
    key = (f"{source_of(table, found)} WHERE {found.sql}", found.params)
    rows = session.masks.get(session.connection, key)
    if rows is None:
        # One text of all rows is read several times faster than a row at a time becomes a number.
        text = session.execute(f"SELECT group_concat(t.row) FROM {key[0]}", found.params).fetchone()[0]
        rows = np.fromstring(text, dtype=np.int64, sep=",") if text else np.empty(0, dtype=np.int64)
        session.masks.keep(key, rows)
    return rows

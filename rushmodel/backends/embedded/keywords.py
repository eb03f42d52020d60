"""Keyword indexes: a full-text index (SQLite's FTS5) over some properties of a label.

The index is a table beside the label's, ``k12`` beside ``r12``, with a column for each property. It is
made at the first search, so that labels that nobody searches by words pay nothing; from then on whatever
writes rows of the label keeps it, in the same transaction. It holds no text of its own: as an external
content table it is told the old values before rows change, and the new ones afterwards. (Triggers would do
that too, but a connection that does not trust its file's schema lets none touch a virtual table.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...errors import CapabilityError
from ...port import DropKeywords, EnsureKeywords
from .vectors import in_chunks

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

_TOKENS = "unicode61 remove_diacritics 2"


def ensure_keywords(session: Session, command: EnsureKeywords) -> None:
    names = session.names
    table = names.table(command.label) or names.create_table(command.label, command.properties)
    names.add_columns(table, command.properties)
    wanted = table.keywords | {f"p{table.columns[name].name_id}" for name in command.properties}
    if wanted != table.keywords:
        _drop(session, table)
        _make(session, table, sorted(wanted))
        table.keywords = wanted


def drop_keywords(session: Session, command: DropKeywords) -> bool:
    table = session.names.table(command.label)
    if table is None or not table.keywords:
        return False
    _drop(session, table)
    table.keywords = frozenset()
    return True


def index_of(table: Table) -> str:
    """The name of a label's index."""
    return f"k{table.number:d}"


def take_words(session: Session, table: Table, rows: Sequence[int]) -> None:
    """Before these rows are changed or deleted: take what they say out of the index."""
    index, listed = index_of(table), _listed(table.keywords)
    for marks, chunk in in_chunks(rows):
        session.execute(
            f"INSERT INTO {index} ({index}, rowid, {listed})"
            f" SELECT 'delete', row, {listed} FROM {table.sql} WHERE row IN ({marks})",
            chunk,
        )


def add_words(session: Session, table: Table, rows: Sequence[int]) -> None:
    """After these rows were written: put what they say into the index."""
    index, listed = index_of(table), _listed(table.keywords)
    for marks, chunk in in_chunks(rows):
        session.execute(
            f"INSERT INTO {index} (rowid, {listed})"
            f" SELECT row, {listed} FROM {table.sql} WHERE row IN ({marks})",
            chunk,
        )


def build_words(session: Session, table: Table) -> None:
    """Read the whole label again."""
    index = index_of(table)
    session.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")


def _make(session: Session, table: Table, columns: Iterable[str]) -> None:
    try:
        session.execute(
            f"CREATE VIRTUAL TABLE {index_of(table)} USING fts5({_listed(columns)}, content='{table.sql}',"
            f" content_rowid='row', tokenize='{_TOKENS}')"
        )
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            raise CapabilityError("this Python's SQLite has no FTS5, which keyword search needs") from error
        raise
    build_words(session, table)


def _drop(session: Session, table: Table) -> None:
    session.execute(f"DROP TABLE IF EXISTS {index_of(table)}")


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(sorted(columns))

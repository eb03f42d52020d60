"""Writing the rows of a label's table: values into cells, cells into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import orjson

from ...errors import PropertyError
from ...port import StoredValue
from ...wire.proptypes import looks_like_datetime
from .damage import parsed
from .ids import new_id
from .keywords import add_words, take_words
from .managed import drop_managed
from .values import LARGEST_INTEGER, Cell, pack

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

_MOST_SHAPES = 256
_LIST = 0x5B  # "[", with which the cell of a list begins


class Shape(NamedTuple):
    """The statements that write one set of properties."""

    insert: str
    """Takes row, texts and the cells."""
    settings: tuple[str, ...]
    """``p34=?``, for an UPDATE."""


def shape_of(session: Session, table: Table, data: Mapping[str, StoredValue]) -> Shape:
    """The statements for these properties; columns that are not there yet are added. `PropertyError`."""
    names = tuple(data)
    shape = table.shapes.get(names)
    if shape is None:
        session.names.add_columns(table, names)
        places = [f"p{table.columns[name].name_id}" for name in names]
        shape = Shape(
            f"INSERT INTO {table.sql} ({','.join(['row', 'texts', *places])})"
            f" VALUES ({','.join('?' * (len(places) + 2))})",
            tuple(f"{place}=?" for place in places),
        )
        if len(table.shapes) >= _MOST_SHAPES:
            table.shapes.clear()
        table.shapes[names] = shape
    return shape


def pack_cells(session: Session, table: Table, data: Mapping[str, StoredValue]) -> list[Cell]:
    """The cells of these properties; `PropertyError` names the one that cannot be stored."""
    cells: list[Cell] = []
    for name, value in data.items():
        # Most values are plain text or numbers, their own cells: `pack` for each costs a tenth of a save.
        if (
            (type(value) is str and value.isascii())
            or (type(value) is int and -LARGEST_INTEGER <= value <= LARGEST_INTEGER)
            or (type(value) is float and isfinite(value))
        ):
            cells.append(value)
            continue
        cell = _pack_named(table, name, value)
        if isinstance(cell, bytes) and cell[0] == _LIST and not table.columns[name].lists:
            session.names.mark_list(table, name)
        cells.append(cell)
    return cells


def insert_record(
    session: Session,
    table: Table,
    data: Mapping[str, StoredValue],
    texts: frozenset[str] = frozenset(),
    record_id: str | None = None,
) -> tuple[int, str]:
    """Add a record to the label, with this id or a new one; its row and id."""
    shape = shape_of(session, table, data)
    cells = pack_cells(session, table, data)
    record_id = new_id() if record_id is None else record_id
    row = session.run(
        "INSERT INTO records (id, label, version) VALUES (?, ?, 1)", (record_id, table.number)
    ).lastrowid
    assert row is not None
    session.run(shape.insert, (row, _dump(_marks(table, data, texts)), *cells))
    if table.keywords:
        add_words(session, table, (row,))
    return row, record_id


def change_rows(
    session: Session,
    table: Table,
    rows: Sequence[tuple[int, str | None]],
    data: Mapping[str, StoredValue],
    remove: Sequence[str] = (),
    texts: frozenset[str] = frozenset(),
) -> None:
    """Set and remove properties of records, given by row and stored ``texts``; versions go up by one."""
    settings, cells = assignments(session, table, data, remove)
    if session.policies.managed(table.label):
        drop_managed(session, table, [row for row, _ in rows], data, remove)
    session.connection.executemany(
        "UPDATE records SET version = version + 1 WHERE row = ?", [(row,) for row, _ in rows]
    )
    if not settings:
        return
    if table.keywords:
        numbers = [row for row, _ in rows]
        take_words(session, table, numbers)
        _set_rows(session, table, rows, settings, cells, data, remove, texts)
        add_words(session, table, numbers)
    else:
        _set_rows(session, table, rows, settings, cells, data, remove, texts)


def _set_rows(
    session: Session,
    table: Table,
    rows: Sequence[tuple[int, str | None]],
    settings: list[str],
    cells: list[Cell],
    data: Mapping[str, StoredValue],
    remove: Sequence[str],
    texts: frozenset[str],
) -> None:
    fresh = _marks(table, data, texts)
    if not fresh and not any(marks for _, marks in rows):
        statement = f"UPDATE {table.sql} SET {','.join(settings)} WHERE row = ?"
        session.connection.executemany(statement, [(*cells, row) for row, _ in rows])
        return
    touched = {table.columns[name].name_id for name in (*data, *remove) if name in table.columns}
    session.connection.executemany(
        f"UPDATE {table.sql} SET {','.join(settings)},texts=? WHERE row = ?",
        [(*cells, _dump((_load(marks) - touched) | fresh), row) for row, marks in rows],
    )


def assignments(
    session: Session, table: Table, data: Mapping[str, StoredValue], remove: Sequence[str]
) -> tuple[list[str], list[Cell]]:
    """What an UPDATE sets, and the cells for its placeholders."""
    shape = shape_of(session, table, data)
    cells = pack_cells(session, table, data)
    settings = list(shape.settings)
    for name in dict.fromkeys(remove):
        if name in data:
            raise PropertyError(
                f"{table.label}.{name} cannot be set and removed in one write",
                label=table.label,
                property=name,
            )
        if name in table.columns:
            settings.append(f"p{table.columns[name].name_id}=NULL")
    return settings, cells


def _pack_named(table: Table, name: str, value: StoredValue) -> Cell:
    try:
        return pack(value)
    except PropertyError as error:
        raise PropertyError(
            f"{table.label}.{name} cannot be stored: {error}", label=table.label, property=name
        ) from None


def _marks(table: Table, data: Mapping[str, StoredValue], texts: frozenset[str]) -> set[int]:
    """The columns among those written whose text would be taken for a datetime and is none (R14)."""
    return {
        table.columns[name].name_id for name in texts if name in data and _looks_like_datetime(data[name])
    }


def _looks_like_datetime(value: StoredValue) -> bool:
    if isinstance(value, list):
        return any(_looks_like_datetime(element) for element in value)
    # Nearly all texts fail the first two, and every save asks for each of its texts.
    return isinstance(value, str) and len(value) >= 10 and value[4] == "-" and looks_like_datetime(value)


def _load(marks: str | None) -> set[int]:
    return set(parsed(marks)) if marks else set()


def _dump(marks: set[int]) -> str | None:
    return orjson.dumps(sorted(marks)).decode() if marks else None

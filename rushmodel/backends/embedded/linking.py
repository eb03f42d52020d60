"""`LinkRecords` and `SaveGraph`: relationships taken away and made, alone or with the records they join."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ...errors import NotFound, QueryError, RushModelError
from ...port import Link, LinkRecords, SaveGraph, Unlink, Written
from .edges import condition_on_type, intern_type, pack_properties
from .records import find_places
from .saving import write_records
from .traversals import sides
from .vectors import in_chunks

if TYPE_CHECKING:
    from .session import Session

_RowOf: TypeAlias = "Callable[[str | int], int | None]"
"""The row of a record, by its id or its place among the writes; None where it is not there."""


def link_records(session: Session, command: LinkRecords) -> int:
    return _relate(session, command.links, command.unlinks, ())


def save_graph(session: Session, command: SaveGraph) -> list[Written]:
    written = write_records(session, command.writes)
    _relate(session, command.links, command.unlinks, written)
    return written


def _relate(
    session: Session, links: Sequence[Link], unlinks: Sequence[Unlink], written: Sequence[Written]
) -> int:
    """Unlink, then link; how many relationships were made or got other properties."""
    row_of = _rows(session, links, unlinks, written)
    _unlink(session, unlinks, row_of)
    return _link(session, links, row_of)


def _link(session: Session, links: Sequence[Link], row_of: _RowOf) -> int:
    """Make the links. An error about one of them tells by ``link`` which."""
    # Of several for one relationship the last that gives properties counts.
    cells: dict[tuple[int, int, int], tuple[str | None, bool]] = {}
    kinds: dict[str, int] = {}
    for place, (source, target, type, data) in enumerate(links):
        try:
            kind = kinds.get(type)
            if kind is None:
                kind = kinds[type] = intern_type(session, type)
            ends = _end(row_of, source, "source", type), _end(row_of, target, "target", type), kind
            if data is not None:
                cells[ends] = pack_properties(type, data), True
            elif ends not in cells:
                cells[ends] = None, False
        except RushModelError as error:
            error.__dict__["link"] = place
            raise
    changed = session.connection.executemany(
        "INSERT INTO edges (source, target, type, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (source, target, type) DO UPDATE"
        " SET data = excluded.data WHERE ? AND data IS NOT excluded.data",
        [(*ends, *cell) for ends, cell in cells.items()],
    )
    return max(changed.rowcount, 0)  # -1 where there was no link


def _unlink(session: Session, unlinks: Sequence[Unlink], row_of: _RowOf) -> None:
    gone: set[int] = set()
    for unlink in unlinks:
        row = row_of(unlink.record)
        if row is not None:
            kept = frozenset(map(row_of, unlink.keep))
            gone.update(edge for edge, other in _edges_of(session, unlink, row, row_of) if other not in kept)
    session.connection.executemany("DELETE FROM edges WHERE id = ?", [(edge,) for edge in gone])


def _edges_of(session: Session, unlink: Unlink, row: int, row_of: _RowOf) -> Iterator[tuple[int, int]]:
    """Id and other end of the relationships that an unlink is about, ``keep`` left aside."""
    typed = condition_on_type(session, unlink.types, "e.type")
    label = None if unlink.label is None else session.names.number(unlink.label)
    if typed is None or (unlink.label is not None and label is None):
        return
    for here, there in sides(unlink.direction):
        sql = f"SELECT e.id, e.{there} FROM edges e"
        if label is not None:
            sql += f" JOIN records o ON o.row = e.{there} AND o.label = {label:d}"
        sql += f" WHERE e.{here} = ? AND {typed}"
        if unlink.others is None:
            yield from session.execute(sql, (row,))
        else:
            others = [other for other in map(row_of, unlink.others) if other is not None]
            for marks, chunk in in_chunks(others):
                yield from session.execute(f"{sql} AND e.{there} IN ({marks})", (row, *chunk))


def _rows(
    session: Session, links: Sequence[Link], unlinks: Sequence[Unlink], written: Sequence[Written]
) -> _RowOf:
    """Looks rows up: all are read here, at once."""
    named = [end for link in links for end in link[:2]]
    for unlink in unlinks:
        named += (unlink.record, *unlink.keep, *(unlink.others or ()))
    ids = {end if isinstance(end, str) else _id_at(written, end) for end in named}
    rows = {record_id: row for record_id, (row, _) in find_places(session, list(ids)).items()}

    def row_of(end: str | int) -> int | None:
        return rows.get(end if isinstance(end, str) else written[end].id)

    return row_of


def _id_at(written: Sequence[Written], place: int) -> str:
    if not 0 <= place < len(written):
        raise QueryError(
            f"a relationship ends at an id, or at the place of one of the {len(written)} writes,"
            f" not at {place!r}"
        )
    return written[place].id


def _end(row_of: _RowOf, end: str | int, name: str, type: str) -> int:
    row = row_of(end)
    if row is None:
        raise NotFound(
            f"there is no record with id {end}, which was to be the {name} of a relationship {type}",
            record_id=end,
        )
    return row

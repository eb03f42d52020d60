"""The ends of relationships: which records an end may be, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from ...errors import QueryError
from ...port import End, RecordQuery, Where
from .filters import MOST_VALUES
from .querying import BY_ID, filter_of, source_of, tables_of
from .records import find_places

if TYPE_CHECKING:
    from .session import Session


class Records(NamedTuple):
    """A SELECT of ``row``, and of ``cell`` where a key was asked for, of every record that an end may be.

    ``lists``: a cell may be a list.
    """

    sql: str
    params: tuple[object, ...]
    lists: bool = False


def records_of(session: Session, end: End, key: str | None = None) -> Records | None:
    """The records of an end, those with the property ``key`` if it is given; None: there can be none."""
    if key is not None and (not key or key.startswith(("$", "__"))):
        raise QueryError(f"relationships are made by the values of a property, and {key!r:.60} is none")
    ids = _ids_in(end.where) if key is None else None
    if ids is not None:
        # By id they are looked up once, however many labels there are, and are one parameter.
        places = find_places(session, ids).values()
        rows = [row for row, label in places if not end.labels or label in end.labels]
        return Records("SELECT value AS row FROM json_each(?)", (orjson.dumps(rows).decode(),))
    selects, params, lists = list[str](), list[object](), False
    for table in tables_of(session, RecordQuery(end.labels, end.where)):
        found = filter_of(session, table, end.where)
        cell = ""
        if key is not None:
            column = table.columns.get(key)
            if column is None:
                continue
            cell, lists = f", {column.sql} AS cell", lists or column.lists
        selects.append(f"SELECT t.row AS row{cell} FROM {source_of(table, found)} WHERE {found.sql}")
        params += found.params
    if len(params) > MOST_VALUES:
        raise QueryError(
            f"where gives {len(params):,} values over {len(selects)} labels; at most {MOST_VALUES:,} are"
            " possible: name the labels"
        )
    return Records(" UNION ALL ".join(selects), tuple(params), lists) if selects else None


def _ids_in(where: Where) -> list[str] | None:
    """The ids that a condition names, where it says nothing else."""
    if list(where) != [BY_ID]:
        return None
    operand: Any = where[BY_ID]
    if isinstance(operand, Mapping) and list(cast("Mapping[str, Any]", operand)) == ["$in"]:
        operand = cast("Mapping[str, Any]", operand)["$in"]
    elif isinstance(operand, str):
        operand = [operand]
    if not isinstance(operand, (list, tuple)):
        return None
    given = cast("Sequence[object]", operand)
    ids = [each for each in given if isinstance(each, str)]
    return ids if len(ids) == len(given) else None

"""Rows: what queries answer that compute something, and the commands for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..value import Value
from .commands import Command
from .values import RecordQuery, Where


class RowQuery(Value):
    """A query with ``select`` (RushDB's search query language, "select, groupBy").

    ``select`` is a document of output keys and expressions; ``group_by`` of references such as
    ``$record.year``, or of keys of ``select``. ``order`` are (key, descending): keys of ``select``,
    properties, or ``$id``. ``limit`` and ``offset`` cut the rows where rows are grouped or ordered by
    a key of ``select``, else the root records. Without ``order`` rows come by ascending id, grouped ones
    by what they are grouped by.

    With ``cut_roots`` they cut the root records before these are grouped, unless ``order`` names a key
    of the rows: that is what a server does. ``related_to`` is as in `RecordQuery`.
    """

    labels: tuple[str, ...] = ()
    where: Where = MappingProxyType({})
    select: Mapping[str, Any] = MappingProxyType({})
    group_by: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0
    cut_roots: bool = False
    related_to: str | None = None


class FoundRows(NamedTuple):
    """Rows, and how many root records match (``total``), whatever the page.

    A row of a query without ``group_by`` is the document of the whole record (``__id``, ``__label``,
    ``__proptypes`` and its properties) with the keys of ``select``; of a grouped one the group's keys
    and the aggregates. What has no value is left out (R31).
    """

    rows: list[dict[str, Any]]
    total: int


class FindRows(Command[FoundRows]):
    """The rows of a query, of one snapshot.

    `QueryError` on an expression that is none, and on an unknown alias or ``$ref``, which it names.
    """

    query: RowQuery


class ExplainQuery(Command[str]):
    """How the store goes about a query, for people: which indexes serve it, and what has to be read through.

    One paragraph for each statement, in the store's own words but for labels and properties, which go
    by their names. Nothing is read but the plan. `QueryError` as of the query itself.
    """

    query: RecordQuery | RowQuery

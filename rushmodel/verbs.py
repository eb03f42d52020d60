"""The operations behind a model's verbs, on the current database, with the verb's name for their errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from .current import current_database
from .flow import Operation, ask
from .instance import Instance
from .metaclass import schema_of
from .operations import blending, reading, relating, searching
from .operations.naming import named
from .port import DeleteRecords, RecordQuery
from .relationcolumns import RelationColumn
from .results import Hits
from .rows import Row
from .vectors import VectorLike

M = TypeVar("M", bound=Instance)
R = TypeVar("R", bound=Row)

With: TypeAlias = Sequence[RelationColumn[M, Any]]
"""Relations to read along."""


def get(
    model: type[Instance],
    record_id: str | None,
    key: dict[str, Any],
    with_: With[Any],
    with_vectors: bool,
) -> Operation[Any]:
    schema = schema_of(model)
    context = current_database().context
    found = reading.get(context, schema, record_id, key, with_vectors)
    return named(schema, "get", relating.along(context, schema, found, with_))


def get_or_none(
    model: type[Instance],
    record_id: str | None,
    key: dict[str, Any],
    with_: With[Any],
    with_vectors: bool,
) -> Operation[Any]:
    schema = schema_of(model)
    context = current_database().context
    found = reading.get_or_none(context, schema, record_id, key, with_vectors)
    return named(schema, "get_or_none", relating.along(context, schema, found, with_))


def refresh(record: M, with_vectors: bool | None) -> Operation[M]:
    refreshed = reading.refresh(current_database().context, record, with_vectors)
    return named(schema_of(type(record)), "refresh", refreshed)


def search(model: type[M], wanted: searching.Search, with_: With[Any]) -> Operation[Hits[M]]:
    schema, context = schema_of(model), current_database().context
    found = blending.search(context, schema, wanted)
    return named(schema, "search", relating.along_hits(context, schema, found, with_))


def search_many(
    model: type[M], queries: Iterable[VectorLike | str], wanted: searching.Search, with_: With[Any]
) -> Operation[list[Hits[M]]]:
    context, schema = current_database().context, schema_of(model)
    found = searching.search_many(context, schema, queries, wanted)
    return named(schema, "search_many", relating.along_many(context, schema, found, with_))


def find_raw(model: type[M], query: Mapping[str, Any]) -> Operation[list[M]]:
    schema = schema_of(model)
    return named(schema, "find_raw", reading.find_raw(current_database().context, schema, query))


def find_rows_raw(model: type[Instance], query: Mapping[str, Any], row: type[R]) -> Operation[list[R]]:
    schema = schema_of(model)
    return named(schema, "find_raw", reading.find_rows_raw(schema, query, row))


def delete(record: Instance) -> Operation[None]:
    deleted = reading.delete(current_database().context, record)
    return named(schema_of(type(record)), "delete", deleted)


def delete_all(model: type[Instance]) -> Operation[int]:
    schema = schema_of(model)
    return named(schema, "delete_all", ask(DeleteRecords(RecordQuery((schema.concrete_label(),)))))

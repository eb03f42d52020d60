"""Reading along relations: of one record, or of whole pages at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ..edges import load_edge
from ..errors import NotSaved, RecordGone
from ..flow import Operation, ask
from ..instance import Instance, schema_of_instance, state_of
from ..loading import Loader
from ..metaclass import schema_of
from ..port import FindRelated, Related
from ..relationcolumns import RelationColumn, RelationSpec, check_relation
from ..results import Hits
from ..schema import ModelSchema
from ..ties import Tie, ties_of
from .context import Context
from .reading import signatures_to_read

M = TypeVar("M", bound=Instance)
R = TypeVar("R")

PAGE = 1000
"""Of how many records related ones are asked for at once."""

Known = dict[tuple[type[Any], str], Any]
"""The instances of one read, by model and record id: a record that several lead to is one instance."""


def fetch(context: Context, record: Instance, spec: RelationSpec, with_vectors: bool) -> Operation[None]:
    """Read one relation of one record.

    Raises:
        NotSaved, RecordGone: There is no record that anything could be related to.
        ConfigurationError: It belongs to another store.
    """
    state, name = state_of(record), schema_of_instance(record).name
    if state.record_id is None:
        raise NotSaved(f"this {name} was never saved, so the store has nothing related to it")
    if state.deleted:
        raise RecordGone(f"{name} {state.record_id} was deleted", record_id=state.record_id)
    context.check_place(record)
    _, ties = yield from _read(context, [record], spec, {}, with_vectors=with_vectors)
    with context.remembering(record):
        ties_of(state, spec.name).stored = ties.get(state.record_id, ())


def prefetch(
    context: Context,
    records: Sequence[Instance],
    columns: Iterable[RelationColumn[Any, Any]],
    known: Known | None = None,
) -> Operation[None]:
    """Read relations of records that were just read: a command a relation and page, never one a record."""
    wanted = _merged(columns)
    if not wanted or not records:
        return
    known = {} if known is None else known
    for start in range(0, len(records), PAGE):
        page = records[start : start + PAGE]
        for column, further in wanted.values():
            found, ties = yield from _read(context, page, column.spec, known)
            for record in page:
                state = state_of(record)
                ties_of(state, column.spec.name).stored = ties.get(state.record_id or "", ())
            # What was read for an earlier page, or by another way, is there already.
            fresh = [each for each in found if further and _lacks(each, further)]
            yield from prefetch(context, fresh, further, known)


def along(
    context: Context,
    schema: ModelSchema,
    operation: Operation[R],
    columns: Iterable[RelationColumn[Any, Any]],
) -> Operation[R]:
    """The record that an operation reads, or None, with its relations."""
    wanted = _checked(schema, columns)
    found = yield from operation
    if isinstance(found, Instance):
        yield from prefetch(context, [found], wanted)
    return found


def along_hits(
    context: Context,
    schema: ModelSchema,
    operation: Operation[Hits[M]],
    columns: Iterable[RelationColumn[Any, Any]],
) -> Operation[Hits[M]]:
    """The hits of a search, with the relations of their records."""
    wanted = _checked(schema, columns)
    hits = yield from operation
    yield from prefetch(context, [hit.record for hit in hits], wanted)
    return hits


def along_many(
    context: Context,
    schema: ModelSchema,
    operation: Operation[list[Hits[M]]],
    columns: Iterable[RelationColumn[Any, Any]],
) -> Operation[list[Hits[M]]]:
    """The hits of several searches, with the relations of their records, all read together."""
    wanted = _checked(schema, columns)
    several = yield from operation
    yield from prefetch(context, [hit.record for hits in several for hit in hits], wanted)
    return several


def _checked(schema: ModelSchema, columns: object) -> list[RelationColumn[Any, Any]]:
    if isinstance(columns, RelationColumn) or not isinstance(columns, Iterable):
        raise TypeError(f"with_= takes several relations, as in with_=[{schema.name}.relation]")
    several = cast("Iterable[object]", columns)
    return [check_relation(schema.model, each, f"{schema.name}: with_=") for each in several]


def _merged(
    columns: Iterable[RelationColumn[Any, Any]],
) -> dict[str, tuple[RelationColumn[Any, Any], list[RelationColumn[Any, Any]]]]:
    """The relations by name, each once, with all that is to be read after it."""
    merged: dict[str, tuple[RelationColumn[Any, Any], list[RelationColumn[Any, Any]]]] = {}
    for each in columns:
        merged.setdefault(each.spec.name, (each, []))[1].extend(each.nested)
    return merged


def _lacks(record: Instance, columns: Iterable[RelationColumn[Any, Any]]) -> bool:
    """Whether any of the relations, or of those after it, was not read yet."""
    for each in columns:
        ties = ties_of(state_of(record), each.spec.name)
        if ties.stored is None or any(_lacks(tie.record, each.nested) for tie in ties.stored):
            return True
    return False


def _read(
    context: Context,
    records: Sequence[Instance],
    spec: RelationSpec,
    known: Known,
    *,
    with_vectors: bool = False,
) -> Operation[tuple[list[Instance], dict[str, tuple[Tie, ...]]]]:
    """Read one relation of all the records: the related ones, each once, and what each record id leads to."""
    schema = schema_of(spec.target)
    vectors = yield from signatures_to_read(schema, with_vectors)
    ids = tuple(dict.fromkeys(state_of(each).record_id or "" for each in records))
    related: Related = yield from ask(
        FindRelated(ids, spec.label, spec.kind, spec.direction, vectors=vectors)
    )
    loader: Loader[Any] = Loader(schema, context.place, with_vectors=with_vectors)
    found: list[Instance] = []
    for each in related.records:
        key = (schema.model, each.id)
        if key not in known:
            known[key] = loader.load(each)
        found.append(known[key])
    ties: dict[str, list[Tie]] = {}
    for record_id, at, data in related.links:
        ties.setdefault(record_id, []).append(Tie(found[at], _edge(spec, record_id, data)))
    return found, {record_id: tuple(several) for record_id, several in ties.items()}


def _edge(spec: RelationSpec, record_id: str, data: Mapping[str, Any]) -> Any:
    if spec.edge is None:
        return None
    return load_edge(spec.edge, data, f"a {spec.kind} relationship of record {record_id}")

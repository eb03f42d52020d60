"""Reading: by id or key, by query, page by page; and what queries change."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import (
    CapabilityError,
    KeyChanged,
    MultipleFound,
    NotFound,
    NotSaved,
    PropertyError,
    QueryError,
    RecordGone,
    StaleVector,
)
from ..flow import Operation, ask
from ..instance import Instance, schema_of_instance, set_state, state_of
from ..loading import Loader
from ..port import (
    DeleteRecords,
    FindRecords,
    FindRows,
    GetCapabilities,
    GetRecords,
    ReadCursor,
    RecordQuery,
    Signature,
    StoredRecord,
    StoredValue,
    UpdateRecords,
)
from ..rows import Row, read_row
from ..schema import ModelSchema
from ..vectorfields import OnStale
from .context import Context
from .drafts import SaveOptions, guards_of
from .raw_queries import read_query
from .raw_rows import read_row_query

M = TypeVar("M", bound=Instance)
R = TypeVar("R", bound=Row)


def signatures_to_read(schema: ModelSchema, with_vectors: bool) -> Operation[tuple[Signature, ...]]:
    """Which policies' vectors a read asks for.

    Raises:
        CapabilityError: The store does not give vectors back.
    """
    if not with_vectors:
        return ()
    capabilities = yield from ask(GetCapabilities())
    if not capabilities.reads_vectors:
        raise CapabilityError(f"with_vectors=True: {capabilities.store} does not give vectors back")
    return schema.signatures


def get_or_none(
    context: Context, schema: ModelSchema, record_id: str | None, key: Mapping[str, Any], with_vectors: bool
) -> Operation[Any]:
    """The record with that id, or that merge key; None where there is none.

    Raises:
        MultipleFound: The key is not unique in the store (R18).
        QueryError: Neither an id nor exactly the key's fields were given.
    """
    label = schema.concrete_label()
    vectors = yield from signatures_to_read(schema, with_vectors)
    if record_id is not None and not isinstance(record_id, str):
        raise QueryError(
            f"{schema.name}.get() takes a record id, which is a str, got {type(record_id).__name__}; "
            f"{_hint(schema)}for a condition write {schema.name}.find(...)"
        )
    if record_id is not None and not key:
        found = yield from ask(GetRecords((record_id,), label, vectors))
    else:
        where = _key_condition(schema, record_id, key)
        found = yield from ask(FindRecords(RecordQuery((label,), where, limit=2, vectors=vectors)))
    if len(found) > 1:
        raise MultipleFound(
            f"more than one {schema.name} has {_show(key)}; the first records: "
            f"{', '.join(each.id for each in found)}",
            record_ids=[each.id for each in found],
        )
    if not found:
        return None
    loader: Loader[Any] = Loader(schema, context.place, with_vectors=with_vectors)
    return loader.load(found[0])


def get(
    context: Context, schema: ModelSchema, record_id: str | None, key: Mapping[str, Any], with_vectors: bool
) -> Operation[Any]:
    """As `get_or_none`; `NotFound` where there is none."""
    found = yield from get_or_none(context, schema, record_id, key, with_vectors)
    if found is None:
        what = _show(key)
        if record_id is not None:
            what = f"the record id {record_id!r}" + (
                f" ({_hint(schema).rstrip(', ')})" if schema.keys else ""
            )
        raise NotFound(
            f"there is no {schema.name} with {what}", model=schema.model, record_id=record_id, key=dict(key)
        )
    return found


def refresh(context: Context, record: M, with_vectors: bool | None) -> Operation[M]:
    """Read a record again, in place; what was changed and not saved is lost.

    ``with_vectors`` None: vectors are read if this instance has them.
    """
    schema, state = schema_of_instance(record), state_of(record)
    if state.record_id is None:
        raise NotSaved(f"this {schema.name} was never saved, so there is nothing to read again")
    context.check_place(record)
    if with_vectors is None:
        unread = {spec.name for spec in schema.attribute_vectors} & state.missing
        if schema.inline_vectors:
            unread |= vars(record)["vectors"].unread
        with_vectors = bool(schema.vectors) and not unread
        if with_vectors:
            with_vectors = (yield from ask(GetCapabilities())).reads_vectors
    vectors = yield from signatures_to_read(schema, with_vectors)
    found = yield from ask(GetRecords((state.record_id,), schema.label, vectors))
    if not found:
        raise RecordGone(f"{schema.name} {state.record_id} has been deleted", record_id=state.record_id)
    loader: Loader[M] = Loader(schema, context.place, with_vectors=with_vectors)
    loaded = loader.load(found[0])
    with context.remembering(record):
        object.__setattr__(record, "__dict__", loaded.__dict__)
        object.__setattr__(record, "__pydantic_fields_set__", loaded.__pydantic_fields_set__)
        set_state(record, state_of(loaded))
    return record


def delete(context: Context, record: Instance) -> Operation[None]:
    """Delete a record, its vectors and relationships; a second time is silent.

    Raises:
        NotSaved: It was never saved.
    """
    schema, state = schema_of_instance(record), state_of(record)
    if state.record_id is None:
        raise NotSaved(f"this {schema.name} was never saved, so there is nothing to delete")
    context.check_place(record)
    if not state.deleted:
        yield from ask(DeleteRecords(RecordQuery((schema.concrete_label(),), {"$id": state.record_id})))
        with context.remembering(record):
            state.deleted = True


def find(loader: Loader[M], query: RecordQuery) -> Operation[list[M]]:
    """The instances a query finds."""
    found = yield from ask(FindRecords(query))
    return load_all(loader, found)


def find_raw(context: Context, schema: ModelSchema, document: object) -> Operation[list[Any]]:
    """The instances of a query document in RushDB's search query language.

    Raises:
        QueryError: What is no part of a query, another label, ``select`` and ``groupBy``.
    """
    label = schema.concrete_label()
    given: Any = document
    for key in ("select", "groupBy"):
        if isinstance(given, Mapping) and key in given:
            raise QueryError(
                f"{schema.name}.find_raw(): {key}: the answer would be no {schema.name} records; "
                f"give the class of its rows, as in {schema.name}.find_raw({{...}}, Row)",
                key=key,
            )
    query = read_query(document)
    _check_labels(schema, query.labels)
    loader: Loader[Any] = Loader(schema, context.place)
    return (yield from find(loader, query.replaced(labels=(label,), scalars=schema.scalars)))


def find_rows_raw(schema: ModelSchema, document: object, row: type[R]) -> Operation[list[R]]:
    """The rows of a query document with ``select``.

    Raises:
        QueryError: What is no part of a query, another label, no ``select``.
    """
    label = schema.concrete_label()
    if not (isinstance(row, type) and issubclass(row, Row)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(f"{schema.name}.find_raw() takes a class derived from Row, got {row!r:.60}")
    query = read_row_query(document)
    _check_labels(schema, query.labels)
    found = yield from ask(FindRows(query.replaced(labels=(label,))))
    return [read_row(row, each) for each in found.rows]


def _check_labels(schema: ModelSchema, labels: tuple[str, ...]) -> None:
    if labels not in ((), (schema.label,)):
        raise QueryError(
            f"{schema.name}.find_raw(): labels: expected ['{schema.label}'] or none, got {list(labels)!r}"
        )


def read_page(loader: Loader[M], cursor: str, size: int) -> Operation[list[M]]:
    """The next instances of a cursor; an empty list at the end."""
    return load_all(loader, (yield from ask(ReadCursor(cursor, size))))


def load_all(loader: Loader[M], found: list[StoredRecord]) -> list[M]:
    load = loader.load
    return [load(each) for each in found]


def update(
    context: Context,
    schema: ModelSchema,
    query: RecordQuery,
    values: Mapping[str, Any],
    on_stale: OnStale | None,
) -> Operation[int]:
    """Set fields of every record that matches; how many.

    Raises:
        QueryError: An unknown field, or a vector.
        KeyChanged: A merge key.
        PropertyError: A value that cannot be stored; pydantic's ValidationError: one the field refuses.
        StaleVector: An indexed text would change under its vector.
    """
    SaveOptions(on_stale).check(schema)
    data: dict[str, StoredValue] = {}
    remove: list[str] = []
    if not values:
        raise QueryError(f"{schema.name}: update() needs fields to set, as in update(year=2026)")
    for name, value in values.items():
        each = schema.by_name.get(name)
        if each is None:
            known = f"none of its fields ({', '.join(schema.by_name)})"
            kind = "a vector; assign it and save()" if name in schema.vector_by_name else known
            raise QueryError(f"{schema.name}.update({name}=...): {name!r} is {kind}", field=name)
        if each.key:
            raise KeyChanged(f"{schema.name}.{name} is (part of) the merge key; use rename_key()", field=name)
        checked = _validated(schema, name, value)
        if checked is None:
            remove += each.names
        else:
            try:
                stored = each.codec.encode(checked)
                for stored_name in each.names:
                    data[stored_name] = stored
            except ValueError as error:
                raise PropertyError(f"{schema.name}.{name}: {error}", field=name) from None
    guards = guards_of(schema, {**data, **dict.fromkeys(remove)}, on_stale)
    command = UpdateRecords(
        query,
        data,
        tuple(remove),
        guards,
        texts=schema.text_properties,
        merge_by=schema.key_properties,
    )
    try:
        return (yield from ask(command))
    except StaleVector as error:
        raise StaleVector(
            f"{schema.name}.{error.field}: update() would change the text of record {error.record_id} under "
            "its vector; save() such records with their new vectors, or say on_stale='keep' or 'drop'",
            field=error.field,
            record_id=error.record_id,
        ) from error


_BARE: dict[str, Any] = {
    "__dict__": {},
    "__pydantic_fields_set__": set(),
    "__pydantic_extra__": None,
    "__pydantic_private__": None,
}


def _validated(schema: ModelSchema, name: str, value: Any) -> Any:
    """The value as an assignment to the field would make it; pydantic's ValidationError if it is refused."""
    model: type[Instance] = schema.model
    if model.__pydantic_decorators__.model_validators or model.model_config.get("frozen"):
        # Validators of the whole record need one: the field is then validated by its annotation.
        info = model.__pydantic_fields__[name]
        annotation: Any = info.annotation
        for each in info.metadata:
            annotation = Annotated[annotation, each]
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config={"hide_input_in_errors": True})
        return adapter.validate_python(value)
    trial = model.__new__(model)  # with nothing in it: default factories may want other fields
    for slot, empty in _BARE.items():
        object.__setattr__(trial, slot, copy(empty))
    model.__pydantic_validator__.validate_assignment(trial, name, value)
    return vars(trial)[name]


def _key_condition(schema: ModelSchema, record_id: str | None, key: Mapping[str, Any]) -> dict[str, Any]:
    names = [each.name for each in schema.keys]
    if record_id is not None or sorted(key) != sorted(names):
        way = _way(schema) or "the class has no merge key"
        raise QueryError(
            f"{schema.name}.get() takes a record id, or the whole merge key ({way}), "
            f"got {_show(key) or 'nothing'}{' and an id' if record_id is not None else ''}"
        )
    where: dict[str, Any] = {}
    for each in schema.keys:
        try:
            where[each.property] = each.codec.encode(_validated(schema, each.name, key[each.name]))
        except ValidationError as error:
            reasons = "; ".join(one["msg"] for one in error.errors(include_input=False, include_url=False))
            raise QueryError(f"{schema.name}.get({each.name}=...): {reasons}", field=each.name) from None
        except ValueError as error:
            raise QueryError(f"{schema.name}.get({each.name}=...): {error}", field=each.name) from None
    return where


def _hint(schema: ModelSchema) -> str:
    return f"for the merge key write {schema.name}.get({_way(schema)}), " if schema.keys else ""


def _way(schema: ModelSchema) -> str:
    return ", ".join(f"{each.name}=..." for each in schema.keys)


def _show(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in key.items())

"""Saving: one record, a batch of records, a new merge key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ..errors import (
    BulkError,
    EmbedderError,
    KeyChanged,
    ModelError,
    NotSaved,
    PolicyMissing,
    PropertyError,
    RecordGone,
    RushModelError,
    StaleVector,
)
from ..flow import Operation, ask
from ..instance import Instance, schema_of_instance, state_of
from ..port import RecordWrite, SaveRecords
from ..results import BulkReport, Failed
from ..schema import ModelSchema
from .context import Context
from .drafts import Draft, Made, SaveOptions, draft, guards_of, held_vectors, stale_vector
from .embedding import NOTHING, Vectors, embed_texts
from .managing import with_managed
from .migrating import has_lost
from .planning import prepare
from .settling import forget_dropped, settle, take_version
from .trees import Tree, is_tree, reachable, save_tree

M = TypeVar("M", bound=Instance)

DEFAULTS = SaveOptions()


def save(
    context: Context, record: M, options: SaveOptions = DEFAULTS, *, cascade: bool = True
) -> Operation[M]:
    """Write what changed of a record, with its vectors, as one thing; nothing where nothing did.

    Changed relations are written with it, and the records they lead to; with ``cascade`` False they
    stay as they are in memory, to be written by another save.
    """
    schema = schema_of_instance(record)
    options.check(schema)
    context.check_place(record)
    while True:
        try:
            if cascade and is_tree(record):
                yield from save_tree(context, record, options)
            else:
                yield from _save_alone(context, schema, record, options)
            return record
        except PolicyMissing:
            if not (yield from has_lost(context)):
                raise


def _save_alone(
    context: Context, schema: ModelSchema, record: Instance, options: SaveOptions
) -> Operation[None]:
    label = schema.concrete_label()
    if schema.former and schema.model not in context.prepared:
        yield from prepare(context, schema)  # which finds out what there is of before
    embedded: Vectors = {}
    if schema.embedded:
        embedded = yield from embed_texts(context, (record,), options)
    made = draft(record, options, embedded.get(id(record), NOTHING), context.absent)
    if made is None:
        return
    yield from options.check_store()
    if schema.model not in context.prepared:
        yield from prepare(context, schema)
    if context.embedder is not None:
        (made,) = yield from with_managed(context, (made,))
    try:
        (written,) = yield from ask(SaveRecords(label, (made.write,)))
    except StaleVector as error:
        again = yield from _embedded_after_all(context, schema, record, options, error)
        made = draft(record, options, again, context.absent)
        assert made is not None
        (made,) = yield from with_managed(context, (made,))
        (written,) = yield from ask(SaveRecords(label, (made.write,)))
    with context.remembering(record):
        settle(made, written, context.place)


def _embedded_after_all(
    context: Context, schema: ModelSchema, record: Instance, options: SaveOptions, error: StaleVector
) -> Operation[Made]:
    """The vectors of a record whose stored text was the same when it was looked at, and then was another.

    Raises:
        StaleVector: None of them has an embedder that may make it.
    """
    again: Vectors = {}
    if schema.embedded:
        again = yield from embed_texts(context, (record,), options, are_changed=True)
    if id(record) not in again:
        raise _named(schema, error) from error
    return again[id(record)]


def rename_key(context: Context, record: M, key: dict[str, Any]) -> Operation[M]:
    """Give a saved record another merge key.

    Raises:
        NotSaved, RecordGone: There is no record to rename.
        KeyChanged: A name that is no part of the key.
        ConflictError: Another record has that key.
    """
    schema, state = schema_of_instance(record), state_of(record)
    label = schema.concrete_label()
    if state.record_id is None:
        raise NotSaved(f"this {schema.name} was never saved: assign its key instead")
    if state.deleted:
        raise RecordGone(f"{schema.name} {state.record_id} was deleted", record_id=state.record_id)
    context.check_place(record)
    names = {each.name for each in schema.keys}
    if not key or key.keys() - names:
        shown = ", ".join(sorted(names)) or "none: the class has no key=True field"
        raise KeyChanged(
            f"{schema.name}.rename_key() takes the merge key's fields ({shown}), got {sorted(key)}"
        )
    trial = record.model_copy()
    state_of(trial).record_id = None  # so that assignment validates the key, and does not refuse it
    for name, value in key.items():
        setattr(trial, name, value)
    data: dict[str, Any] = {}
    for each in schema.keys:
        try:
            data[each.property] = each.codec.encode(getattr(trial, each.name))
        except ValueError as error:
            raise PropertyError(f"{schema.name}.{each.name}: {error}", field=each.name) from None
    write = RecordWrite(
        data,
        record_id=state.record_id,
        key=schema.key_properties,
        guards=guards_of(schema, data),
        texts=schema.text_properties,
        known=state.saved or {},
        held=held_vectors(record),
    )
    try:
        (written,) = yield from ask(SaveRecords(label, (write,)))
    except StaleVector as error:
        raise _named(schema, error) from error
    with context.remembering(record):
        for name in key:
            vars(record)[name] = vars(trial)[name]
        take_version(state, written)
        state.saved = {**(state.saved or {}), **data}
        forget_dropped(record, written)
    return record


def save_batch(
    context: Context,
    schema: ModelSchema,
    batch: Sequence[tuple[int, object]],
    report: BulkReport,
    *,
    skip: bool,
) -> Operation[BulkReport]:
    """Write a batch of (position, record) in one transaction, and add it to the report.

    With ``skip``, records that are refused are left out and reported; the others are written.

    Raises:
        BulkError: Without ``skip``: a record was refused, and none of the batch is written.
    """
    while True:
        try:
            if schema.relations and any(isinstance(item, Instance) and is_tree(item) for _, item in batch):
                return (yield from _save_trees(context, schema, batch, report, skip=skip))
            return (yield from _save_flat(context, schema, batch, report, skip=skip))
        except PolicyMissing:
            if not (yield from has_lost(context)):
                raise


def _save_flat(
    context: Context,
    schema: ModelSchema,
    batch: Sequence[tuple[int, object]],
    report: BulkReport,
    *,
    skip: bool,
) -> Operation[BulkReport]:
    label = schema.concrete_label()
    if schema.former and schema.model not in context.prepared:
        yield from prepare(context, schema)
    embedded: Vectors = {}
    if schema.embedded:
        embedded = yield from _embed_batch(context, [item for _, item in batch], report)
    drafts, failed, repeated, unchanged = _drafts(context, schema, batch, embedded)
    if failed and not skip:
        raise _bulk_error(schema, report, failed)
    if drafts and schema.model not in context.prepared:
        yield from prepare(context, schema)
    if context.embedder is not None:
        managed = yield from with_managed(context, [each for _, each in drafts])
        drafts = [(position, each) for (position, _), each in zip(drafts, managed, strict=True)]
    again: set[int] = set()
    while drafts:
        try:
            written = yield from ask(SaveRecords(label, [made.write for _, made in drafts]))
        except RushModelError as error:
            at = getattr(error, "index", None)
            if at is None or (isinstance(error, PolicyMissing) and context.former - context.absent):
                error.__dict__["report"] = report  # what was saved before the store gave up
                raise
            position, made = drafts.pop(at)
            if isinstance(error, StaleVector) and schema.embedded and id(made.record) not in again:
                again.add(id(made.record))
                vectors = yield from embed_texts(context, (made.record,), DEFAULTS, are_changed=True)
                anew = draft(made.record, DEFAULTS, vectors.get(id(made.record), NOTHING), context.absent)
                assert anew is not None
                drafts.insert(at, (position, anew))
                continue
            reason = _named(schema, error) if isinstance(error, StaleVector) else error
            failed.append(Failed(position, made.record, reason))
            if not skip:
                raise _bulk_error(schema, report, failed, error) from error
        else:
            for (_, made), each in zip(drafts, written, strict=True):
                with context.remembering(made.record):
                    settle(made, each, context.place)
            break
    return _reported(report, len(drafts) + unchanged, failed, repeated)


def _embed_batch(context: Context, items: Sequence[object], report: BulkReport) -> Operation[Vectors]:
    try:
        records = [item for item in items if isinstance(item, Instance)]
        return (yield from embed_texts(context, records, DEFAULTS))
    except EmbedderError as error:
        error.__dict__["report"] = report  # what was saved before the embedder failed
        raise


def _save_trees(
    context: Context,
    schema: ModelSchema,
    batch: Sequence[tuple[int, object]],
    report: BulkReport,
    *,
    skip: bool,
) -> Operation[BulkReport]:
    """As `save_batch`, with all that the records' changed relations lead to.

    A record is refused with whatever it leads to.
    """
    roots: list[tuple[int, Instance]] = []
    failed: list[Failed] = []
    repeated: list[tuple[int, object]] = []
    seen: set[int] = set()
    for position, item in batch:
        if id(item) in seen:
            repeated.append((position, item))
        elif isinstance(item, Instance) and type(item) is schema.model:
            roots.append((position, item))
        else:
            failed.append(Failed(position, item, _other_model(schema, item)))
        seen.add(id(item))
    embedded: Vectors = {}
    if any(schema_of_instance(each).embedded for _, root in roots for each in reachable(root)):
        embedded = yield from _embed_batch(
            context, [each for _, root in roots for each in reachable(root)], report
        )
    while True:
        tree = Tree(context, embedded)
        added: list[tuple[int, Instance]] = []
        for position, item in roots:
            try:
                tree.add(item, position, DEFAULTS)
            except RushModelError as error:
                failed.append(Failed(position, item, error))
            else:
                added.append((position, item))
        if failed and not skip:
            raise _bulk_error(schema, report, failed)
        try:
            yield from tree.save()
            return _reported(report, len(added), failed, repeated)
        except RushModelError as error:
            refused = error.__dict__.get("roots")
            if not refused:
                error.__dict__["report"] = report  # what was saved before the store gave up
                raise
            failed += [Failed(position, item, error) for position, item in added if position in refused]
            if not skip:
                raise _bulk_error(schema, report, failed, error) from error
            roots = [(position, item) for position, item in added if position not in refused]


def _reported(
    before: BulkReport, saved: int, failed: list[Failed], repeated: list[tuple[int, object]]
) -> BulkReport:
    """The report with a batch; an instance that came again is as its first time was."""
    errors = {id(each.item): each.error for each in failed}
    again = [Failed(at, item, errors[id(item)]) for at, item in repeated if id(item) in errors]
    failed = sorted([*failed, *again], key=lambda each: each.position)
    return BulkReport(before.saved + saved + len(repeated) - len(again), (*before.failed, *failed))


def _other_model(schema: ModelSchema, item: object) -> ModelError:
    return ModelError(f"{schema.name}.save_many() saves {schema.name} instances, got {type(item).__name__}")


def _drafts(
    context: Context, schema: ModelSchema, batch: Sequence[tuple[int, object]], embedded: Vectors
) -> tuple[list[tuple[int, Draft]], list[Failed], list[tuple[int, object]], int]:
    """The drafts of a batch, what was refused, instances that come again, and how many are as stored."""
    drafts: list[tuple[int, Draft]] = []
    failed: list[Failed] = []
    repeated: list[tuple[int, object]] = []
    unchanged = 0
    seen: set[int] = set()
    for position, item in batch:
        if id(item) in seen:
            repeated.append((position, item))  # the same instance again: it is written once
            continue
        seen.add(id(item))
        try:
            if type(item) is not schema.model:
                raise _other_model(schema, item)
            assert isinstance(item, Instance)
            context.check_place(item)
            made = draft(item, DEFAULTS, embedded.get(id(item), NOTHING), context.absent)
        except RushModelError as error:
            failed.append(Failed(position, item, error))
        else:
            if made is None:
                unchanged += 1
            else:
                drafts.append((position, made))
    return drafts, failed, repeated, unchanged


def _named(schema: ModelSchema, error: StaleVector) -> StaleVector:
    """What the store found stale, in the words of the class."""
    return stale_vector(schema, schema.vector_by_name[error.field], error.record_id)


def _bulk_error(
    schema: ModelSchema,
    before: BulkReport,
    failed: Sequence[Failed],
    error: RushModelError | None = None,
) -> BulkError:
    first = failed[0]
    # A server has no transaction around a batch.
    rest = "others of that batch written" if getattr(error, "partly", False) else "none of that batch written"
    return BulkError(
        f"{schema.name}.save_many(): {len(failed)} of a batch refused, {rest}, "
        f"{before.saved} saved before it; the first, at position {first.position}: {first.error}",
        [each.error for each in failed],
        report=BulkReport(before.saved, (*before.failed, *failed)),
    )

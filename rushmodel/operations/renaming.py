"""Renaming properties: which name is read, what queries are sent, and how values are brought over.

A class with ``field(renamed_from=...)`` writes both names. It reads the old one, which programs with the old
class read and write, until `Database.migrate` has brought all values over and left a marker: a record, as
for vectors (`migrating`). From then on it reads the new one, as programs do whose class tells of it no more.

What this costs, only programs with such classes pay: each command is looked through, and each record that
comes back has the value under both names.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ..errors import ConflictError, RushModelError
from ..flow import Effect, Operation, ask
from ..metaclass import schema_of
from ..names import Renamed
from ..plan import Rename
from ..port import (
    Command,
    CountRecords,
    FoundRows,
    RecordQuery,
    RecordWrite,
    RowQuery,
    SaveGraph,
    SaveRecords,
    StoredRecord,
    StoredValue,
    Where,
    Written,
)
from ..registry import renamed
from ..schema import ModelSchema, Property
from ..value import Value
from .context import Context
from .migrating import mark, marked

R = TypeVar("R")
V = TypeVar("V")

FRESH = 1.0
"""Seconds for which it is believed that a renaming is not over: a query for each verb would cost more."""

_DATA = frozenset(("writes", "rows", "data", "remove", "texts", "vectors", "record_ids", "links", "unlinks"))
"""Parts of commands that have both names already, or none."""


def translated(operation: Operation[R], context: Context, *, raw: bool) -> Operation[R]:
    """The operation, whose commands name properties as the store has them.

    Records that come back have renamed properties under both names; with ``raw`` they are as stored.
    """
    models = renamed()
    names: _Names | None = None
    try:
        command = next(operation)
        while True:
            sent = command
            is_about = _is_about(command, models)
            if is_about:
                names = names or (yield from _names(context, models))
                sent = names.command(command)
            try:
                reply = yield sent
            except RushModelError as error:
                command = operation.throw(error)
            else:
                if not raw and (is_about or _gives(reply, models)):
                    names = names or (yield from _names(context, models))
                    reply = names.reply(command, reply)
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()


def renames(schemas: Sequence[ModelSchema]) -> Operation[list[Rename]]:
    """How far each renaming is."""
    several = [(schema, each) for schema in schemas if schema.label is not None for each in schema.renamed]
    over = yield from marked([_marker(schema.concrete_label(), each) for schema, each in several])
    found: list[Rename] = []
    for schema, each in several:
        label = schema.concrete_label()
        assert each.former is not None
        is_switched = _marker(label, each) in over
        one, other = {each.former: {"$exists": True}}, {each.property: {"$exists": True}}
        records = yield from _count(schema, one)
        remaining = 0
        if not is_switched:
            lacking = {"$or": [{**one, each.property: None}, {**other, each.former: None}]}
            remaining = yield from _count(schema, lacking)
        found.append(Rename(label, each.name, each.former, each.property, is_switched, records, remaining))
    return found


def unfinished(schemas: Iterable[ModelSchema]) -> Operation[list[tuple[ModelSchema, tuple[Property, ...]]]]:
    """The classes with renamings that are not over, and which these are."""
    several = [schema for schema in schemas if schema.label is not None and schema.renamed]
    keys = [_marker(schema.concrete_label(), each) for schema in several for each in schema.renamed]
    over = yield from marked(keys)
    left = [
        (schema, tuple(each for each in schema.renamed if _marker(schema.concrete_label(), each) not in over))
        for schema in several
    ]
    return [(schema, properties) for schema, properties in left if properties]


def bring_over(
    schema: ModelSchema, properties: Sequence[Property], page: Sequence[StoredRecord]
) -> Operation[int]:
    """Give records, as stored, the values of old names under the new ones; how many had others.

    One that somebody else has written meanwhile is left as it is, and counts: it is looked at again.
    """
    writes = [write for record in page if (write := _copied(schema, properties, record)) is not None]
    count = len(writes)
    while writes:
        try:
            yield from ask(SaveRecords(schema.concrete_label(), writes))
        except ConflictError as error:
            at: int | None = getattr(error, "index", None)
            if at is None:
                raise
            writes.pop(at)
        else:
            break
    return count


def switch_names(context: Context, schema: ModelSchema, properties: Iterable[Property]) -> Operation[None]:
    """From now on the new names are read, by whatever process."""
    for each in properties:
        yield from mark(context, _marker(schema.concrete_label(), each))


def _copied(schema: ModelSchema, properties: Iterable[Property], record: StoredRecord) -> RecordWrite | None:
    data: dict[str, StoredValue] = {}
    remove: list[str] = []
    for each in properties:
        assert each.former is not None
        old, new = record.data.get(each.former), record.data.get(each.property)
        if old is None and new is not None:
            remove.append(each.property)
        elif old is not None and not _is_same(old, new):
            data[each.property] = old
    if not data and not remove:
        return None
    return RecordWrite(
        data,
        record_id=record.id,
        remove=tuple(remove),
        version=record.version,
        texts=schema.text_properties,
        known=record.data,
        merge_by=schema.key_properties,
    )


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _count(schema: ModelSchema, where: Where) -> Operation[int]:
    query = RecordQuery((schema.concrete_label(),), where, scalars=schema.scalars)
    return (yield from ask(CountRecords(query)))


def _marker(label: str, each: Property) -> str:
    return f"{label}.{each.former} -> {each.property}"


def _is_about(command: Command[Any], models: Mapping[str, type[Any]]) -> bool:
    """Whether a command may have to do with renamed properties: those of its labels, or named by it."""
    if isinstance(command, Effect):
        return False
    given = vars(command)
    query = given.get("query")
    if isinstance(query, (RecordQuery, RowQuery)):
        return not query.labels or not models.keys().isdisjoint(query.labels) or _is_named(query)
    if isinstance(command, SaveGraph):
        return any(label in models for label, _ in command.writes)
    label = given.get("label")
    return label in models or _is_named(command)


def _gives(reply: object, models: Mapping[str, type[Any]]) -> bool:
    """Whether records have come back that may have renamed properties: pages and ids name no label."""
    if not isinstance(reply, list):
        return False
    several = cast("list[object]", reply)
    return any(isinstance(each, StoredRecord) and each.label in models for each in several)


def _is_named(value: object) -> bool:
    """Whether a renamed property stands anywhere in it."""
    if isinstance(value, Renamed):
        return True
    if isinstance(value, Mapping):
        given = cast("Mapping[object, object]", value)
        return any(map(_is_named, given)) or any(map(_is_named, given.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_is_named, cast("Sequence[object]", value)))
    if isinstance(value, Value):
        return any(_is_named(each) for name, each in vars(value).items() if name not in _DATA)
    return False


def _names(context: Context, models: Mapping[str, type[Any]]) -> Operation[_Names]:
    """Which name each property has now."""
    by_label = {label: schema_of(model).renamed for label, model in models.items()}
    waiting = [
        key
        for label, several in by_label.items()
        for each in several
        if (key := _marker(label, each)) not in context.switched
    ]
    now = time.monotonic()
    if waiting and not (context.unswitched.issuperset(waiting) and now - context.asked < FRESH):
        over = yield from marked(waiting)
        context.switched |= over
        context.unswitched = set(waiting) - over
        context.asked = now
    return _Names(
        {
            label: {
                each.property: (each.former or "", _marker(label, each) in context.switched)
                for each in several
            }
            for label, several in by_label.items()
        }
    )


class _Names:
    """The renamed properties of each label: by its new name its old one, and whether the new one is read."""

    def __init__(self, by_label: Mapping[str, Mapping[str, tuple[str, bool]]]) -> None:
        self._by_label = by_label

    def command(self, command: Command[Any]) -> Command[Any]:
        """The command as the store understands it."""
        if isinstance(command, Effect):
            return command
        query = getattr(command, "query", None)
        labels = getattr(query, "labels", None) or (getattr(command, "label", None),)
        return cast("Command[Any]", self._sent(command, labels[0]))

    def reply(self, command: Command[Any], reply: Any) -> Any:
        """What came back, with renamed properties under both names."""
        if isinstance(command, (SaveRecords, SaveGraph)):
            labels = (
                [command.label] * len(command.writes)
                if isinstance(command, SaveRecords)
                else [label for label, _ in command.writes]
            )
            several: list[Written] = reply
            return [self._kept(label, each) for label, each in zip(labels, several, strict=True)]
        if isinstance(reply, FoundRows):
            query: RowQuery = vars(command)["query"]
            for new in (each for each in query.group_by if isinstance(each, Renamed)):
                old = self._name(new, query.labels[0]).partition(".")[2]
                _rename(reply.rows, old, new.partition(".")[2])
        self._give_both(reply)
        return reply

    def _sent(self, value: Any, label: str | None) -> Any:
        if isinstance(value, Renamed):
            return self._name(value, label)
        if isinstance(value, (str, int, float, type(None))):
            return value
        if isinstance(value, Mapping):
            given = cast("Mapping[Any, Any]", value)
            return {self._sent(key, label): self._sent(each, label) for key, each in given.items()}
        if isinstance(value, (list, tuple)):
            kind: Any = type(cast("Sequence[Any]", value))
            several = [self._sent(each, label) for each in cast("Sequence[Any]", value)]
            return kind(*several) if hasattr(kind, "_fields") else kind(several)
        if isinstance(value, Value):
            changed = {
                name: self._stored(each, label) if name == "properties" else self._sent(each, label)
                for name, each in vars(value).items()
                if name not in _DATA
            }
            return value.replaced(**changed)
        return value

    def _stored(self, properties: tuple[str, ...] | None, label: str | None) -> tuple[str, ...] | None:
        """Properties that are to be read."""
        names = self._by_label.get(label or "")
        if properties is None or names is None:
            return properties
        return tuple(names[each][0] if each in names and not names[each][1] else each for each in properties)

    def _name(self, name: Renamed, label: str | None) -> str:
        """The name that is read now, behind its alias."""
        alias, dot, new = name.rpartition(".") if name.startswith("$") else ("", "", str(name))
        of_label = self._by_label.get(name.label or label or "", {})
        former = name.former[len(alias) + len(dot) :]
        is_switched = of_label.get(new, (former, False))[1]
        return f"{alias}{dot}{new if is_switched else former}"

    def _kept(self, label: str, written: Written) -> Written:
        names = self._by_label.get(label)
        if names is None or not written.kept:
            return written
        kept = dict(written.kept)
        _both(kept, names)
        return written._replace(kept=kept)

    def _give_both(self, reply: Any) -> None:
        if isinstance(reply, StoredRecord):
            names = self._by_label.get(reply.label)
            if names is not None:
                _both(reply.data, names)
        elif isinstance(reply, (list, tuple)):
            for each in cast("Sequence[Any]", reply):
                if isinstance(each, (StoredRecord, list, tuple)):
                    self._give_both(each)


def _rename(rows: Iterable[dict[str, Any]], old: str, new: str) -> None:
    for row in rows if old != new else ():
        if old in row:
            row[new] = row.pop(old)


def _both(data: dict[str, Any], names: Mapping[str, tuple[str, bool]]) -> None:
    for new, (former, is_switched) in names.items():
        read, other = (new, former) if is_switched else (former, new)
        if read in data:
            data[other] = data[read]
        else:
            data.pop(other, None)

"""`Journal`: what instances knew before a transaction, for the case that it is undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from copy import copy
from types import TracebackType
from typing import Any

from ..inline import InlineVectors
from ..instance import Instance, State, set_state, state_of
from ..ties import Ties

_ABSENT = object()


class Journal:
    """The instances that were saved, deleted, read again or renamed in a transaction, as they were before.

    Otherwise a later save would compare them with what the store never kept, and send too little.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[Instance, State, list[Callable[[], None]]]] = {}
        self._puts: list[_Put] = []

    def enter(self, record: Instance) -> None:
        """The record is about to be changed by what the store answered."""
        if id(record) not in self._before:
            undone = [
                value.__rush_snapshot__()
                for value in vars(record).values()
                if isinstance(value, InlineVectors)
            ]
            self._before[id(record)] = (record, copy(state_of(record)), undone)

    def note(self, record: Instance, values: dict[str, Any], given: set[str]) -> None:
        """It was changed: ``values`` and ``given`` are its fields, and those that were set, from before."""
        now = vars(record)
        for name in values.keys() | now.keys():
            before, after = values.get(name, _ABSENT), now.get(name, _ABSENT)
            if before is not after:
                self._puts.append(_Put(record, name, before, after))
        if record.__pydantic_fields_set__ is not given:
            record.__pydantic_fields_set__.update(given)

    def undo(self) -> None:
        """Make them what they were. Values that were assigned since by whoever uses them stay."""
        for put in reversed(self._puts):
            put.undo()
        for record, before, undone in self._before.values():
            now, values = state_of(record), vars(record)
            before.fresh |= now.fresh
            _take_over(before, now)
            before.missing = frozenset(name for name in before.missing if name not in values)
            set_state(record, before)
            for each in undone:
                each()
        self._puts.clear()
        self._before.clear()


class Remembering:
    """``with Remembering(journal, record):`` around what changes an instance after an answer of the store."""

    __slots__ = ("_given", "_journal", "_record", "_values")

    def __init__(self, journal: Journal, record: Instance) -> None:
        self._journal = journal
        self._record = record

    def __enter__(self) -> None:
        self._journal.enter(self._record)
        self._values = dict(vars(self._record))
        self._given = self._record.__pydantic_fields_set__

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.note(self._record, self._values, self._given)


NO_TRANSACTION = nullcontext()
"""In the place of a `Remembering` where nothing will be undone."""


def _take_over(before: State, now: State) -> None:
    """Relations that were changed since, and not saved, stay changed."""
    for name, ties in (now.ties or {}).items():
        if ties.changed:
            before.ties = before.ties or {}
            kept = before.ties.setdefault(name, Ties())
            if ties.replaces:
                kept.replaces = True
                kept.attached.clear()
            for gone in ties.detached:
                kept.attached.pop(gone, None)
            kept.attached.update(ties.attached)
            kept.detached.update(ties.detached)


class _Put:
    """A value that the store put into a field."""

    __slots__ = ("_after", "_before", "_name", "_record")

    def __init__(self, record: Instance, name: str, before: object, after: object) -> None:
        self._record = record
        self._name = name
        self._before = before
        self._after = after

    def undo(self) -> None:
        values = vars(self._record)
        if values.get(self._name, _ABSENT) is not self._after:
            return  # assigned since
        if self._before is _ABSENT:
            values.pop(self._name, None)
        else:
            values[self._name] = self._before

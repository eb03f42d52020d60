"""What an instance knows of its relations: what was read, and what has been changed since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from .registry import newest
from .relationcolumns import RelationSpec

if TYPE_CHECKING:
    from .instance import Instance, State


STATE = "_rushmodel_state"
"""The private attribute that holds an instance's `State`; the name leaves users' own private names alone."""


class Tie(NamedTuple):
    """A relationship as an instance has it: the other record, and its `Edge`.

    ``edge`` is None where the relation has none, or none was given.
    """

    record: Instance
    edge: Any | None = None


class Ties:
    """One relation of one instance.

    ``stored`` is what the store has, None where it was not read. Changes that are not saved:
    ``replaces``, all of them are to be others; ``attached``, by `id` of the record (records have
    their record id only once they are saved); and ``detached``, likewise.
    """

    __slots__ = ("attached", "detached", "replaces", "stored")

    def __init__(self, stored: tuple[Tie, ...] | None = None) -> None:
        self.stored = stored
        self.replaces = False
        self.attached: dict[int, Tie] = {}
        self.detached: dict[int, Instance] = {}

    def __getstate__(self) -> tuple[Any, ...]:
        return self.stored, self.replaces, list(self.attached.values()), list(self.detached.values())

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # What `id` gives in another process is another thing.
        self.stored, self.replaces, attached, detached = state
        self.attached = {id(tie.record): tie for tie in attached}
        self.detached = {id(record): record for record in detached}

    def copy(self) -> Ties:
        made = Ties(self.stored)
        made.replaces = self.replaces
        made.attached = dict(self.attached)
        made.detached = dict(self.detached)
        return made

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return self.replaces or bool(self.attached or self.detached)

    @property
    def loaded(self) -> bool:
        """Whether it is known what all of them are."""
        return self.replaces or self.stored is not None

    def now(self) -> list[Tie]:
        """Those of the store that are known, with the changes; each record once."""
        known = {record_key(tie.record): tie for tie in self.stored or ()}
        found = {} if self.replaces else dict(known)
        for gone in self.detached.values():
            found.pop(record_key(gone), None)
        for record, edge in self.attached.values():
            key = record_key(record)
            # Without an edge given, the one of a relationship that is there already stays.
            found[key] = Tie(record, known[key].edge if edge is None and key in known else edge)
        return list(found.values())

    def replace(self, ties: Iterable[Tie]) -> None:
        self.replaces = True
        self.detached = {}
        self.attached = {id(tie.record): tie for tie in ties}

    def attach(self, ties: Iterable[Tie]) -> None:
        for tie in ties:
            self.detached.pop(id(tie.record), None)
            self.attached[id(tie.record)] = tie

    def detach(self, records: Iterable[Instance]) -> None:
        gone = list(records)
        keys = {record_key(record) for record in gone}
        self.attached = {at: tie for at, tie in self.attached.items() if record_key(tie.record) not in keys}
        if not self.replaces:
            self.detached.update((id(record), record) for record in gone)

    def settle(self) -> None:
        """The changes are in the store now."""
        self.stored = tuple(self.now()) if self.loaded else None
        self.replaces = False
        self.attached = {}
        self.detached = {}


def ties_of(state: State, name: str) -> Ties:
    """The ties of a relation, made at the first time.

    A record that was never saved has none in the store.
    """
    if state.ties is None:
        state.ties = {}
    found = state.ties.get(name)
    if found is None:
        found = state.ties[name] = Ties(() if state.record_id is None else None)
    return found


def changed_ties(state: State) -> Iterator[tuple[str, Ties]]:
    """The relations that have anything to save."""
    for name, ties in (state.ties or {}).items():
        if ties.changed:
            yield name, ties


def assign(
    model: type[Any], specs: Mapping[str, RelationSpec], state: State, given: Mapping[str, object]
) -> None:
    """Give an instance relations by name: all of them, or pydantic's ValidationError says what is wrong."""
    ties: dict[str, list[Tie]] = {}
    wrong: list[tuple[str, str]] = []
    for name, value in given.items():
        try:
            ties[name] = given_ties(specs[name], value)
        except ValueError as error:
            wrong.append((name, str(error)))
    if wrong:
        refuse(model, wrong)
    for name, several in ties.items():
        ties_of(state, name).replace(several)


def given_ties(spec: RelationSpec, value: object) -> list[Tie]:
    """What was given for a whole relation: a record or None, or several records.

    Raises:
        ValueError: Anything else, or a record of another class.
    """
    name = spec.target.__name__
    if not spec.many:
        return [] if value is None else [tie(spec, value)]
    if isinstance(value, (str, bytes, BaseModel)) or not isinstance(value, Iterable):
        raise ValueError(f"expected a list of {name}, got {_kind(value)}")
    return [tie(spec, each) for each in cast("Iterable[object]", value)]


def tie(spec: RelationSpec, record: object, edge: object = None) -> Tie:
    """A record, with the properties of the relationship to it.

    Raises:
        ValueError: Not a record of the target's class, no edge of the declared class, or none where
            it has fields that must be given.
    """
    target = spec.target
    if newest(type(record)) is not target:
        raise ValueError(f"expected {target.__name__}, got {_kind(record)}")
    if edge is None:
        if spec.edge is not None and any(each.is_required() for each in spec.edge.model_fields.values()):
            raise ValueError(
                f"its relationships have properties: give them with edge={spec.edge.__name__}(...), "
                f"as in record.{spec.name}.{'attach' if spec.many else 'set'}(..., edge=...)"
            )
    elif spec.edge is None:
        raise ValueError("no edge= is declared for this relation, so its relationships have no properties")
    elif type(edge) is not spec.edge:
        raise ValueError(f"expected edge={spec.edge.__name__}(...), got {_kind(edge)}")
    return Tie(cast("Instance", record), edge)


def refuse(model: type[Any], reasons: Iterable[tuple[str, str]]) -> NoReturn:
    """Raise pydantic's ValidationError, for relations by name."""
    errors: list[InitErrorDetails] = [
        {
            "type": PydanticCustomError("relation", "{reason}", {"reason": reason}),
            "loc": (name,),
            "input": None,
        }
        for name, reason in reasons
    ]
    raise ValidationError.from_exception_data(model.__name__, errors, hide_input=True)


def record_key(record: Instance) -> object:
    """What tells records apart: the record id, and before there is one the instance."""
    return record.record_id or id(record)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__

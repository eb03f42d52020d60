"""After a write: what it means for the instance."""

from __future__ import annotations

import copy
from typing import TypeVar

from ..errors import LoadError, VectorsNotLoaded
from ..inline import InlineVectors
from ..instance import Instance, State, schema_of_instance, set_state, state_of
from ..port import Written
from ..schema import ModelSchema, VectorProperty
from ..ties import Ties, changed_ties, ties_of
from .drafts import Draft

M = TypeVar("M", bound=Instance)


def settle(done: Draft, written: Written, place: str) -> None:
    """Bring an instance up to date after its draft was written."""
    record, schema, state = done.record, schema_of_instance(done.record), state_of(done.record)
    before = state.saved
    take_version(state, written)
    state.record_id, state.place = written.id, place
    state.saved, state.held = done.saved, done.held
    state.fresh.clear()
    values = vars(record)
    if "vectors" in values:
        values["vectors"].fresh.clear()
    if before is None and not written.created:
        _take_back(record, schema, state, written)
    if before is None and schema.relations:
        # A server does not tell whether an upsert has found the record; the version does.
        _settle_ties(state, schema, created=written.created and (not done.write.key or written.version == 1))
    state.origin = None
    for spec in done.made:
        _give(record, state, spec)
    for spec in done.left_out:
        _forget(record, state, spec)
    forget_dropped(record, written)


def _settle_ties(state: State, schema: ModelSchema, *, created: bool) -> None:
    """A new record has no relationships; one that was there may have some that are not known here."""
    for each in schema.relations:
        ties = ties_of(state, each.name)
        ties.stored = () if created else None


def take_version(state: State, written: Written) -> None:
    """Know the version that was written, unless somebody else wrote in between: that was not seen."""
    if state.saved is None or state.version is None or written.version == state.version + 1:
        state.version = written.version


def forget_dropped(record: Instance, written: Written) -> None:
    """Take note, on the instance, of vectors that a guard removed from the store."""
    for spec in schema_of_instance(record).external if written.dropped else ():
        if set(spec.signatures) & set(written.dropped):
            _forget(record, state_of(record), spec)


def _take_back(record: Instance, schema: ModelSchema, state: State, written: Written) -> None:
    """A new instance met an existing record of its key: fields it was not given are as stored."""
    given = record.__pydantic_fields_set__
    saved = dict(state.saved or {})
    for each in schema.properties:
        stored = written.kept.get(each.property)
        if stored is not None and vars(record).get(each.name) is None and each.name not in given:
            try:
                vars(record)[each.name] = each.codec.decode(stored)
            except ValueError as error:
                raise LoadError(
                    f"record {state.record_id} was saved, and the {each.name} it had already is none of a "
                    f"{schema.name}: {error}",
                    record_id=state.record_id,
                    field=each.name,
                ) from None
            saved |= dict.fromkeys(each.names, stored)
    state.saved = saved
    unread = {
        spec.name
        for spec in schema.attribute_vectors
        if not spec.managed and spec.name not in state.held and spec.name not in given
    }
    for name in unread:
        vars(record).pop(name, None)
    state.missing |= unread


def _give(record: Instance, state: State, spec: VectorProperty) -> None:
    """The instance has the vector that its embedder made."""
    array = state.held[spec.name]
    if spec.inline:
        vars(record)["vectors"].settle(spec.name, array)
    else:
        vars(record)[spec.name] = array.tolist() if spec.as_list else array
        state.missing -= {spec.name}


def _forget(record: Instance, state: State, spec: VectorProperty) -> None:
    """The vector of a field was dropped in the store."""
    state.held.pop(spec.name, None)
    if spec.inline:
        vectors: InlineVectors = vars(record)["vectors"]
        vectors.forget(spec.name)
    elif spec.optional:
        vars(record)[spec.name] = None
    else:
        vars(record).pop(spec.name, None)
        state.missing |= {spec.name}
        state.with_vectors = True


def cloned(record: M) -> M:
    """A copy without identity: saving it makes a record of its own (or upserts, by key).

    Raises:
        VectorsNotLoaded, NotLoaded: The record was read without some of its fields.
    """
    state = state_of(record)
    for name in sorted(state.missing):
        getattr(record, name)  # raises, naming the field
    made = copy.deepcopy(record)
    if "vectors" in vars(made):
        vectors: InlineVectors = vars(made)["vectors"]
        if vectors.unread:
            raise VectorsNotLoaded(
                f"{type(record).__name__}: a clone would lack the vectors of {sorted(vectors.unread)}; "
                "read the record with_vectors=True",
                field=min(vectors.unread),
            )
    fresh = State(held=dict(state.held))
    fresh.origin = state.saved
    for name, ties in changed_ties(state):
        # What was set or attached here and is not saved goes along; relationships in the store do not.
        fresh.ties = {**(fresh.ties or {}), name: Ties(())}
        fresh.ties[name].attach(ties.attached.values())
    set_state(made, fresh)
    return made

"""What an instance of a model is: pydantic's, and what is known of its record.

`Model` adds the verbs; everything here works without a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from pydantic import BaseModel, ConfigDict, PrivateAttr
from typing_extensions import Self

from .codecs import RECORD_ID
from .errors import KeyChanged, NotLoaded, VectorsNotLoaded
from .expressions import Column
from .inline import InlineVectors
from .metaclass import ModelMeta, complete, relations_of
from .schema import MISSING, ModelSchema
from .ties import STATE, Ties, assign, refuse
from .vectors import is_array, same_vector

M = TypeVar("M")


class RecordId:
    """``record.record_id``: the server's id, or None; ``Article.record_id`` is a `Column` of ids."""

    @overload
    def __get__(self, instance: None, owner: type[M]) -> Column[M, str]: ...
    @overload
    def __get__(self, instance: object, owner: type[M]) -> str | None: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return Column[Any, str](owner, "record_id", "$id", RECORD_ID)
        return state_of(instance).record_id


class State:
    """What is known of an instance's record.

    ``saved`` are the stored values as of the last save or load (None: never saved), ``held`` the
    vectors, ``fresh`` the vector fields assigned since, and
    whatever else was assigned unseen. ``missing`` have no value here: left out of the
    read or, where ``with_vectors``, not in the store. ``origin`` are the stored values of the record
    that a clone was made of: its vectors belong to those texts. ``place`` is the store of the record.
    ``ties`` are the relations that were read, changed or asked for.
    """

    __slots__ = (
        "deleted",
        "fresh",
        "held",
        "missing",
        "origin",
        "place",
        "record_id",
        "saved",
        "ties",
        "version",
        "with_vectors",
    )

    def __init__(
        self,
        record_id: str | None = None,
        version: int | None = None,
        saved: Mapping[str, Any] | None = None,
        held: dict[str, Any] | None = None,
        missing: frozenset[str] = frozenset(),
        with_vectors: bool = False,
        place: str | None = None,
    ) -> None:
        self.record_id = record_id
        self.version = version
        self.saved = saved
        self.held: dict[str, Any] = held if held is not None else {}
        self.fresh: set[str] = set()
        self.origin: Mapping[str, Any] | None = None
        self.missing = missing
        self.with_vectors = with_vectors
        self.place = place
        self.deleted = False
        self.ties: dict[str, Ties] | None = None

    def __copy__(self) -> State:
        made = State(
            self.record_id,
            self.version,
            self.saved,
            dict(self.held),
            self.missing,
            self.with_vectors,
            self.place,
        )
        made.fresh = set(self.fresh)
        made.deleted = self.deleted
        made.origin = self.origin
        if self.ties is not None:
            made.ties = {name: ties.copy() for name, ties in self.ties.items()}
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> State:
        return self.__copy__()  # stored values and arrays are never changed in place; records are shared

    def __getstate__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in State.__slots__)

    def __setstate__(self, values: tuple[Any, ...]) -> None:
        for name, value in zip(State.__slots__, values, strict=True):
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State)  # two instances are equal by type and fields alone

    __hash__ = None  # type: ignore[assignment]


class Instance(BaseModel, metaclass=ModelMeta):
    """The base of `Model`, without its verbs."""

    model_config = ConfigDict(
        validate_assignment=True,
        hide_input_in_errors=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),  # the names that matter are refused by name, with the way out
        defer_build=True,  # the bases are never validated: building them would slow the import
    )

    record_id: ClassVar[RecordId] = RecordId()

    _rushmodel_state: State = PrivateAttr(default_factory=State)

    @property
    def is_saved(self) -> bool:
        """Whether the record is in the store, as far as this instance knows."""
        state = state_of(self)
        return state.record_id is not None and not state.deleted

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "record_id":
            raise AttributeError("record_id is given by the store when the record is saved")
        schema = type(self).__rush_schema__
        if schema is None or name not in type(self).__pydantic_fields__:
            if name in type(self).__rush_relations__:
                if type(self).model_config.get("frozen"):
                    refuse(type(self), [(name, "the model is frozen")])
                assign(type(self), relations_of(type(self)), state_of(self), {name: value})
                return
            super().__setattr__(name, value)
            return
        before = dict(self.__dict__)
        given = set(self.__pydantic_fields_set__)
        try:
            super().__setattr__(name, value)
            _check_key(self, schema, name, before)
        except BaseException:
            # Pydantic leaves the new value in place when a model validator refuses it.
            object.__setattr__(self, "__dict__", before)
            object.__setattr__(self, "__pydantic_fields_set__", given)
            raise
        state = state_of(self)
        if name in state.missing:
            state.missing -= {name}
            state.fresh.add(name)
        if name == "vectors" or (name in schema.vector_by_name and not schema.vector_by_name[name].inline):
            state.fresh.add(name)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            private = object.__getattribute__(self, "__pydantic_private__")
            if private and name in private[STATE].missing:
                raise not_loaded(self, name)
            return super().__getattr__(name)

    def __eq__(self, other: object) -> bool:
        """Equal type and fields; arrays by value. An unloaded field equals only an unloaded one."""
        if self is other:
            return True
        if not isinstance(other, Instance) or type(self) is not type(other):
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        # Fields alone: a cached property lies beside them.
        return all(
            _equal(mine.get(name, MISSING), others.get(name, MISSING))
            for name in type(self).__pydantic_fields__
        )

    def __repr_args__(self) -> Any:
        for name, info in type(self).__pydantic_fields__.items():
            if not info.repr:
                continue
            value = self.__dict__.get(name, MISSING)
            spec = schema_of_instance(self).vector_by_name.get(name)
            if value is MISSING:
                yield name, _Shown("<not loaded>")
            elif spec is not None and not spec.inline and value is not None:
                yield name, _Shown(f"<{len(value)} float32>")
            else:
                yield name, value
        for name, computed in type(self).__pydantic_computed_fields__.items():
            if computed.repr:
                try:
                    yield name, getattr(self, name)
                except NotLoaded:
                    yield name, _Shown("<not loaded>")
        for name in type(self).__rush_relations__:
            yield name, _Shown(repr(getattr(self, name)))

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        relations = {name: values.pop(name) for name in cls.__rush_relations__ if name in values}
        made = super().model_construct(_fields_set, **values)
        if relations:
            assign(cls, relations_of(cls), state_of(made), relations)
        return made

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        fields = dict(update or {})
        relations = {name: fields.pop(name) for name in type(self).__rush_relations__ if name in fields}
        made = super().model_copy(update=fields, deep=deep)
        if relations:
            assign(type(self), relations_of(type(self)), state_of(made), relations)
        return made

    def __copy__(self) -> Self:
        made = super().__copy__()
        set_state(made, state_of(self).__copy__())
        if isinstance(self.__dict__.get("vectors"), InlineVectors):
            vars(made)["vectors"] = vars(self)["vectors"].__copy__()
        return made

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Read-only arrays are shared: numpy would hand out writeable copies of them.
        memo = {} if memo is None else memo
        for value in self.__dict__.values():
            if is_array(value):
                memo[id(value)] = value
        return super().__deepcopy__(memo)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        for value in (*self.__dict__.values(), *state_of(self).held.values()):
            if is_array(value):
                value.flags.writeable = False  # numpy forgets it in a pickle

    @classmethod
    def model_rebuild(
        cls,
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: Any = None,
    ) -> bool | None:
        done = super().model_rebuild(
            force=force,
            raise_errors=raise_errors,
            _parent_namespace_depth=_parent_namespace_depth + 1,
            _types_namespace=_types_namespace,
        )
        if cls.__pydantic_complete__ and cls is not Instance and (force or cls.__rush_schema__ is None):
            complete(cls, stacklevel=3)
        return done


def state_of(record: Instance) -> State:
    """The state of an instance; quicker than the attribute, which goes through pydantic."""
    private = record.__pydantic_private__
    assert private is not None
    state: State = private[STATE]
    return state


def schema_of_instance(record: Instance) -> ModelSchema:
    """The schema of an instance's class: complete, since there is an instance."""
    schema = type(record).__rush_schema__
    assert schema is not None
    return schema


def not_loaded(record: Instance, name: str) -> NotLoaded:
    """The error for reading a field that was left out."""
    schema = schema_of_instance(record)
    where = f"{schema.name}.{name} of record {state_of(record).record_id}"
    if name in schema.vector_by_name:
        if schema.vector_by_name[name].managed:
            return VectorsNotLoaded(f"{where} is made by the store, which has not given it", field=name)
        if state_of(record).with_vectors:
            return VectorsNotLoaded(f"{where}: the store holds no vector for it; assign one", field=name)
        return VectorsNotLoaded(
            f"{where} is not loaded: ask for vectors with with_vectors=True, or assign one", field=name
        )
    return NotLoaded(f"{where} is not loaded: only() left it out; call refresh() to read it", field=name)


def set_state(record: Instance, state: State) -> None:
    """Give an instance another state; its other private attributes stay."""
    private = dict(record.__pydantic_private__ or {})
    private[STATE] = state
    object.__setattr__(record, "__pydantic_private__", private)


def _equal(mine: Any, other: Any) -> bool:
    if is_array(mine) or is_array(other):
        return same_vector(mine, other)
    return bool(mine == other)


class _Shown(str):
    """A text whose repr is itself, for pydantic's reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _check_key(record: Instance, schema: ModelSchema, name: str, before: dict[str, Any]) -> None:
    found = schema.by_name.get(name)
    if found is None or not found.key or not record.is_saved or name not in before:
        return
    if before[name] != vars(record)[name]:
        raise KeyChanged(
            f"{schema.name}.{name} is the merge key of a saved record and cannot be assigned; "
            f"use record.rename_key({name}=...)",
            field=name,
        )

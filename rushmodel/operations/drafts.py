"""Drafts: what a save of one record would write, and what it means for the instance afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast, get_args

from ..errors import (
    CapabilityError,
    KeyChanged,
    NotSaved,
    PropertyError,
    RecordGone,
    StaleVector,
    VectorError,
)
from ..flow import Operation, ask
from ..inline import InlineVectors
from ..instance import Instance, State, schema_of_instance, state_of
from ..origins import GIVEN, origin_of
from ..port import (
    Float32,
    GetCapabilities,
    RecordWrite,
    Signature,
    StoredValue,
    VectorGuard,
    VectorWrite,
)
from ..schema import MISSING, ModelSchema, Property, VectorProperty
from ..value import Value
from ..vectorfields import OnStale
from ..vectors import fingerprint, same_vector


class SaveOptions(Value):
    """How to save: ``on_stale`` None leaves it to each field."""

    on_stale: OnStale | None = None
    if_unchanged: bool = False

    def check(self, schema: ModelSchema) -> None:
        """Refuse what is no option, and what the class cannot do."""
        if self.on_stale is not None and self.on_stale not in get_args(OnStale):
            raise ValueError(f"on_stale is 'raise', 'keep', 'drop' or 'embed', got {self.on_stale!r}")
        if self.on_stale == "embed" and not schema.embedded:
            raise CapabilityError(
                f"on_stale='embed' needs an embedder, and no field of {schema.name} has one"
            )

    def check_store(self) -> Operation[None]:
        """Refuse what the store cannot do."""
        if self.if_unchanged:
            capabilities = yield from ask(GetCapabilities())
            if not capabilities.versions:
                raise CapabilityError(
                    f"if_unchanged=True needs record versions, which {capabilities.store} does not tell"
                )


class Embedded(NamedTuple):
    """A vector that an embedder made, and what is stored about its origin."""

    array: Float32
    origin: str


class Wanted(NamedTuple):
    """A text that may have to be embedded.

    ``unless``: of a new record with a merge key, whose stored record may have that text already.
    """

    spec: VectorProperty
    text: str
    unless: bool


Made: TypeAlias = Mapping[str, Embedded]
"""What embedders made for one record, by the properties that hold the origins."""


class Draft(NamedTuple):
    """One record's write, and the values that are saved once it is done."""

    record: Instance
    write: RecordWrite
    saved: dict[str, StoredValue]
    held: dict[str, Any]
    left_out: tuple[VectorProperty, ...] = ()
    """Fields whose vector is not written, since a clone's text is another."""
    made: tuple[VectorProperty, ...] = ()
    """Fields whose vector was made by their embedder."""


def texts_to_embed(
    record: Instance, options: SaveOptions, absent: Collection[Signature] = ()
) -> list[Wanted]:
    """The texts of a record that are new or have changed, and for which no vector was given.

    Of a record that cannot be saved none: `draft` says why. Nor for policies that are ``absent``.
    """
    schema, state = schema_of_instance(record), state_of(record)
    if state.deleted:
        return []
    drafting = _Drafting(record, schema, state, options, absent=absent)
    return [wanted for spec in schema.embedded if (wanted := drafting.wanted(spec)) is not None]


def draft(
    record: Instance,
    options: SaveOptions,
    made: Made = MappingProxyType({}),
    absent: Collection[Signature] = (),
) -> Draft | None:
    """What has to be written for a record; None where nothing has changed.

    ``made`` are the vectors of the texts that `texts_to_embed` told; ``absent`` are policies of before that
    are gone.

    Raises:
        PropertyError, VectorError: A value that cannot be stored; names the field.
        StaleVector: The text changed and its vector did not (promise 3).
        KeyChanged: The merge key of a saved record is another than it was.
        RecordGone: The record was deleted through this instance.
        NotSaved: ``if_unchanged`` on a record that was never read or saved.
    """
    schema, state = schema_of_instance(record), state_of(record)
    if state.deleted:
        raise RecordGone(
            f"{schema.name} {state.record_id} was deleted; clone() makes a new record of it",
            record_id=state.record_id,
        )
    if options.if_unchanged and state.record_id is None:
        raise NotSaved(
            f"if_unchanged=True is for a {schema.name} that was read or saved before; this one is new"
        )
    drafting = _Drafting(record, schema, state, options, made, absent)
    drafting.check_inline()
    drafting.read_properties()
    for spec in schema.external:
        drafting.read_vector(spec)
    for spec in schema.former:
        drafting.read_former(spec)
    return drafting.finish()


class _Drafting:
    """The steps of `draft`, over one record."""

    def __init__(
        self,
        record: Instance,
        schema: ModelSchema,
        state: State,
        options: SaveOptions,
        made: Made = MappingProxyType({}),
        absent: Collection[Signature] = (),
    ) -> None:
        self.record, self.schema, self.state, self.options = record, schema, state, options
        self.embedded = made
        self.absent = absent
        self.values = vars(record)
        self.before = state.saved
        self.encoded: dict[str, StoredValue] = {}
        self.unset: list[str] = []
        self.taken: list[str] = []
        self.unseen: set[str] = set()
        self.vectors: list[VectorWrite] = []
        self.guards: list[VectorGuard] = []
        self.held: dict[str, Any] = {}
        self.kept: list[VectorWrite] = []
        self.left_out: list[VectorProperty] = []
        self.made: list[VectorProperty] = []

    def check_inline(self) -> None:
        """``model_copy(update={"vectors": ...})`` checks nothing, so it is done here."""
        given = self.values.get("vectors")
        if not self.schema.inline_vectors or isinstance(given, InlineVectors):
            return
        if not isinstance(given, Mapping):
            raise VectorError(
                f"{self.schema.name}.vectors: expected a mapping of fields to vectors, "
                f"got {type(given).__name__}",
                field="vectors",
            )
        known = cast("Mapping[str, object]", given)
        self.values["vectors"] = InlineVectors(self.schema.inline_vectors, known)

    def read_properties(self) -> None:
        for each in self.schema.properties:
            value = self.values.get(each.name, MISSING)
            if value is MISSING:
                if each.name not in self.state.missing:
                    self._refuse(each, "it has no value")  # as model_construct() may leave it
                continue
            if value is None:
                if not each.optional:
                    self._refuse(each, "it is None, and its type does not allow that")
                self.unset += each.names
                if each.name in self.state.fresh:
                    self.unseen.update(each.names)
                continue
            try:
                self.encoded[each.property] = stored = each.codec.encode(value)
            except ValueError as error:
                self._refuse(each, str(error))
            if each.former is not None:
                self.encoded[each.former] = stored

    def wanted(self, spec: VectorProperty) -> Wanted | None:
        """The text of a vector that its embedder has to make; None where none has to be made."""
        assert spec.text is not None
        assert spec.text_property is not None
        text, is_former = self.values.get(spec.text), spec in self.schema.former
        if is_former and not self._there(spec):
            return None
        if not isinstance(text, str) or (not is_former and self._gives(spec)):
            return None
        before, origin = self.before, self.state.origin
        if before is None:
            if is_former or origin is None or spec.name not in self.state.held:
                return Wanted(spec, text, unless=bool(self.schema.keys))
            before = origin  # a clone's vector belongs to that text
        if before.get(spec.text_property) == text:
            return None
        embeds = is_former or (self.options.on_stale or spec.on_stale) == "embed"
        return Wanted(spec, text, unless=False) if embeds else None

    def read_vector(self, spec: VectorProperty) -> None:
        embedded = None if spec.origin is None else self.embedded.get(spec.origin)
        if embedded is not None:
            self.held[spec.name] = self._take(spec, embedded)
            self.made.append(spec)
            return
        value = self._given(spec)
        known: Float32 | None = self.state.held.get(spec.name)
        if value is MISSING:
            self._guard(spec, known)
            return
        if value is None:
            self._take_away(spec, known)
            return
        array = self._converted(spec, value) if known is None or value is not known else known
        assigned = self._assigned(spec, array, known)
        if not assigned and self._cloned_from_other_text(spec):
            self.left_out.append(spec)
            return
        fresh = assigned or self.before is None
        self.held[spec.name] = array
        if spec.text is None and fresh:
            self.encoded[spec.property] = fingerprint(array)
        if spec.origin is not None and fresh:
            self._note_origin(spec, assigned=assigned)
        if fresh:
            self.vectors += [VectorWrite(signature, array) for signature in spec.signatures]
        else:
            self.kept += [VectorWrite(signature, array) for signature in spec.signatures]
            self._guard(spec, known)

    def read_former(self, spec: VectorProperty) -> None:
        """The vector of what a field was before, which others may search by still."""
        embedded = None if spec.origin is None else self.embedded.get(spec.origin)
        if embedded is not None:
            self._take(spec, embedded)
        elif self._there(spec):
            self._guard(spec, None, spec.on_stale)

    def finish(self) -> Draft | None:
        state, before = self.state, self.before
        if before is None:
            return self._new()
        data = {name: value for name, value in self.encoded.items() if before.get(name, MISSING) != value}
        remove = tuple(name for name in self.unset if name in before or name in self.unseen)
        for each in self.schema.keys:
            if each.property in data:
                raise KeyChanged(
                    f"{self.schema.name}.{each.name} is the merge key of saved record {state.record_id} and "
                    f"has changed; use record.rename_key({each.name}=...)",
                    field=each.name,
                    record_id=state.record_id,
                )
        if not data and not remove and not self.vectors:
            return None
        saved = {**before, **data}
        for name in remove:
            saved.pop(name, None)
        version = state.version if self.options.if_unchanged else None
        write = RecordWrite(
            data,
            record_id=state.record_id,
            remove=remove,
            vectors=tuple(self.vectors),
            guards=tuple(each for each in self.guards if each.property in data or each.property in remove),
            version=version,
            texts=self.schema.text_properties,
            known=before,
            merge_by=self.schema.key_properties,
            held=tuple(self.kept),
        )
        return Draft(self.record, write, saved, self.held, made=tuple(self.made))

    def _new(self) -> Draft:
        if not self.encoded:
            raise PropertyError(
                f"{self.schema.name}: every field is None, and a record without any property cannot be stored"
            )
        key = self.schema.key_properties
        given = self.record.__pydantic_fields_set__
        # Only a None that was given removes what an existing record of that key has.
        unset = [
            name
            for each in self.schema.properties
            if each.property in self.unset and each.name in given
            for name in each.names
        ]
        remove = tuple(unset + self.taken) if key else ()
        write = RecordWrite(
            self.encoded,
            key=key,
            remove=remove,
            vectors=tuple(self.vectors),
            guards=tuple(self.guards) if key else (),
            texts=self.schema.text_properties,
        )
        saved = dict(self.encoded)
        return Draft(self.record, write, saved, self.held, tuple(self.left_out), tuple(self.made))

    def _given(self, spec: VectorProperty) -> Any:
        """The vector on the instance; None where it is taken away, MISSING where none is given."""
        if spec.inline:
            vectors: InlineVectors = self.values["vectors"]
            array = vectors.held(spec.name)
            if array is not None:
                return array
            return MISSING if spec.name in vectors.unread or self.before is None else None
        value = self.values.get(spec.name, MISSING)
        if value is None and spec.embedder is not None and not spec.optional:
            return MISSING  # not made yet
        if value is None and self.before is None and spec.name not in self.record.__pydantic_fields_set__:
            return MISSING
        return value

    def _gives(self, spec: VectorProperty) -> bool:
        """Whether the program says what the vector is, or that there is none."""
        value = self._given(spec)
        if value is MISSING:
            return False
        if value is None:
            return self.before is None or spec.name in self.state.fresh
        known = self.state.held.get(spec.name)
        try:
            return self._assigned(spec, spec.convert(value), known)
        except ValueError:
            return True  # which is refused in its turn

    def _take(self, spec: VectorProperty, embedded: Embedded) -> Float32:
        """Write a vector that was made, and where it comes from."""
        assert spec.origin is not None
        array = self._converted(spec, embedded.array)
        self.encoded[spec.origin] = embedded.origin
        self.vectors += [VectorWrite(signature, array) for signature in self._there(spec)]
        return array

    def _there(self, spec: VectorProperty) -> list[Signature]:
        """The policies of a field that are not known to be gone."""
        return [each for each in spec.signatures if each not in self.absent]

    def _note_origin(self, spec: VectorProperty, *, assigned: bool) -> None:
        """Say that the vector was given by hand for this text; a clone's is of where it was."""
        assert spec.origin is not None
        assert spec.text_property is not None
        of_clone = None if assigned or self.state.origin is None else self.state.origin.get(spec.origin)
        text = self.encoded.get(spec.text_property)
        if of_clone is not None:
            self.encoded[spec.origin] = of_clone
        elif isinstance(text, str):
            self.encoded[spec.origin] = origin_of(text, GIVEN)

    def _converted(self, spec: VectorProperty, value: Any) -> Float32:
        try:
            return spec.convert(value)
        except ValueError as error:
            raise VectorError(f"{self.schema.name}.{spec.name}: {error}", field=spec.name) from None

    def _assigned(self, spec: VectorProperty, array: Float32, known: Float32 | None) -> bool:
        """Whether the vector is another than the known one, or was given anew."""
        if known is None or spec.name in self.state.fresh:
            return True
        if spec.inline and spec.name in self.values["vectors"].fresh:
            return True
        return array is not known and not (spec.as_list and same_vector(array, known))

    def _cloned_from_other_text(self, spec: VectorProperty) -> bool:
        """Whether a clone's text changed under its vector, which then is left out (promise 3)."""
        origin = self.state.origin
        action = self.options.on_stale or spec.on_stale
        if origin is None or spec.text_property is None or action == "keep":
            return False
        if origin.get(spec.text_property) == self.encoded.get(spec.text_property):
            return False
        if action == "raise":
            raise stale_vector(self.schema, spec, None)
        return True

    def _take_away(self, spec: VectorProperty, known: Any) -> None:
        if not spec.optional and not spec.inline:
            raise VectorError(
                f"{self.schema.name}.{spec.name} is None; use OptionalVector to allow that", field=spec.name
            )
        if self.before is None and not self.schema.keys:
            return  # a new record of its own: there is nothing to take away
        marks = spec.property if spec.text is None else spec.origin
        if marks is not None:
            self.unset.append(marks)
            self.taken.append(marks)
        assigned = self.state.fresh & {spec.name, "vectors" if spec.inline else spec.name}
        if known is not None or self.before is None or assigned:
            self.vectors += [VectorWrite(signature, None) for signature in spec.signatures]
        else:
            self.kept += [VectorWrite(signature, None) for signature in spec.signatures]
            self._guard(spec, known)

    def _guard(self, spec: VectorProperty, known: Any, on_stale: OnStale | None = None) -> None:
        """See to a vector that is not written although its text may change (promise 3)."""
        if spec.text_property is None:
            return
        text = self.encoded.get(spec.text_property)
        action = on_stale or self.options.on_stale or spec.on_stale
        seen = self.before is not None and spec.text_property not in self.unseen
        if action == "keep" or (seen and (self.before or {}).get(spec.text_property) == text):
            return
        if self.before is None and text is None and spec.text not in self.record.__pydantic_fields_set__:
            return  # a text that was not given stays as it is
        if action == "raise" and known is not None:
            raise stale_vector(self.schema, spec, self.state.record_id)
        self.guards.append(guard(spec, text, action))

    def _refuse(self, each: Property, reason: str) -> NoReturn:
        raise PropertyError(f"{self.schema.name}.{each.name}: {reason}", field=each.name)


def guard(spec: VectorProperty, text: object, action: OnStale) -> VectorGuard:
    """What the store does about the vectors of a field, should their stored text not be ``text``."""
    assert spec.text_property is not None
    assert text is None or isinstance(text, str)
    drops = action == "drop" or (action == "embed" and text is None)  # of no text there is no vector
    return VectorGuard(spec.name, spec.text_property, text, spec.signatures, "drop" if drops else "raise")


def guards_of(
    schema: ModelSchema, texts: Mapping[str, object], on_stale: OnStale | None = None
) -> tuple[VectorGuard, ...]:
    """The guards of every vector whose text is set, or removed (None), without the vector."""
    made: list[VectorGuard] = []
    for spec in schema.external:
        action = on_stale or spec.on_stale
        if spec.text_property is not None and spec.text_property in texts and action != "keep":
            made.append(guard(spec, texts[spec.text_property], action))
    return tuple(made)


def held_vectors(record: Instance) -> tuple[VectorWrite, ...]:
    """The vectors of a saved record as the instance knows them, None where it knows that there is none."""
    schema, state = schema_of_instance(record), state_of(record)
    held: list[VectorWrite] = []
    for spec in schema.external:
        array = state.held.get(spec.name)
        unread = vars(record)["vectors"].unread if spec.inline else state.missing
        if array is not None or spec.name not in unread:
            held += [VectorWrite(signature, array) for signature in spec.signatures]
    return tuple(held)


def stale_vector(schema: ModelSchema, spec: VectorProperty, record_id: str | None) -> StaleVector:
    """The error for a text that changed without its vector."""
    way = f"vectors[{spec.name!r}]" if spec.inline else spec.name
    return StaleVector(
        f"{schema.name}.{spec.name}: the text {spec.text!r} has changed and its vector has not. Assign "
        f"record.{way} the vector of the new text, or save(on_stale='keep') to leave the old one, "
        "or 'drop' to remove it",
        field=spec.name,
        record_id=record_id,
    )

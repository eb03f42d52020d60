"""From stored records to instances.

Loading never calls ``__init__`` and runs no validators: stored values are decoded by the
codecs, and what does not fit the class is a `LoadError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NoReturn, TypeVar

from .errors import LoadError
from .inline import InlineVectors
from .instance import Instance, State, set_state
from .metaclass import begin_private
from .port import Float32, Signature, StoredRecord
from .schema import ModelSchema, Property, VectorProperty
from .ties import STATE

M = TypeVar("M", bound=Instance)


class Loader(Generic[M]):
    """Makes instances of one model from the records of one read.

    ``place`` is the store they come from. ``only`` names the properties that were read (None: all);
    the others, and the vectors unless ``with_vectors``, stay unloaded.
    """

    def __init__(
        self,
        schema: ModelSchema,
        place: str,
        *,
        with_vectors: bool = False,
        only: frozenset[str] | None = None,
    ) -> None:
        self.schema = schema
        self._with_vectors = with_vectors
        self._place = place
        wanted = [each for each in schema.properties if only is None or each.name in only]
        self._plan = [
            (each.name, each.property, each.codec.exact, each.codec.decode, each) for each in wanted
        ]
        self._missing = frozenset(each.name for each in schema.properties if each not in wanted)
        if not with_vectors:
            self._missing |= {each.name for each in schema.attribute_vectors}
        # Loaded instances keep the order of their fields, in dumps and reprs.
        self._fields: dict[str, Any] = dict.fromkeys(schema.model.__pydantic_fields__)
        for name in self._missing:
            self._fields.pop(name)
        self._model: type[M] = schema.model
        self._private = len(schema.model.__private_attributes__) > 1

    def load(self, record: StoredRecord) -> M:
        """The instance of one record.

        Raises:
            LoadError: A property is absent or of another type, and the class does not allow that.
        """
        values = self._fields.copy()
        data = record.data
        for name, stored, exact, decode, each in self._plan:
            value = data.get(stored)
            if value is None:
                values[name] = self._absent(record, each, values)
            elif type(value) is exact:
                values[name] = value
            else:
                try:
                    values[name] = decode(value)
                except ValueError as error:
                    self._misfit(record, name, str(error))
        held: dict[str, Any] = {}
        missing = self._missing
        if self.schema.vectors:
            missing = self._read_vectors(record, values, held)
        made = self._model.__new__(self._model)
        state = State(record.id, record.version, data, held, missing, self._with_vectors, self._place)
        _fill(made, values, state, private=self._private)
        return made

    def _absent(self, record: StoredRecord, each: Property, values: dict[str, Any]) -> Any:
        if each.optional:
            return None
        if each.default is None:
            self._misfit(
                record, each.name, f"the record has no property {each.property!r}, and no default is declared"
            )
        value = each.default(values)
        try:
            # As if it were stored: a record that is loaded and saved unchanged sends nothing.
            record.data.update(dict.fromkeys(each.names, each.codec.encode(value)))
        except ValueError as error:
            self._misfit(record, each.name, f"its default cannot be stored: {error}")
        return value

    def _read_vectors(
        self, record: StoredRecord, values: dict[str, Any], held: dict[str, Any]
    ) -> frozenset[str]:
        found: Mapping[Signature, Float32] = record.vectors or {}
        missing = set(self._missing)
        inline: dict[str, Float32] = {}
        unread: set[str] = set()
        for spec in self.schema.vectors:
            array = stored_vector(spec, found)
            if spec.inline:
                if array is not None:
                    inline[spec.name] = array
                    held[spec.name] = array
                elif not self._with_vectors:
                    unread.add(spec.name)
            elif self._with_vectors:
                if array is None and not spec.optional:
                    missing.add(spec.name)
                    values.pop(spec.name)
                    continue
                value = array.tolist() if spec.as_list and array is not None else array
                values[spec.name] = value
                held[spec.name] = array if spec.as_list else value
        if "vectors" in values:
            values["vectors"] = InlineVectors.loaded(self.schema.inline_vectors, inline, frozenset(unread))
        return frozenset(missing)

    def _misfit(self, record: StoredRecord, name: str, reason: str) -> NoReturn:
        raise LoadError(
            f"record {record.id} is no {self.schema.name}: {name}: {reason}",
            record_id=record.id,
            field=name,
            model=self.schema.model,
        )


def stored_vector(spec: VectorProperty, found: Mapping[Signature, Float32]) -> Float32 | None:
    """The vector of a field among those read; its policies hold the same one."""
    for signature in spec.signatures:
        array = found.get(signature)
        if array is not None:
            return array
    return None


def _fill(made: Instance, values: dict[str, Any], state: State, *, private: bool) -> None:
    """Give a bare instance its values; ``private``: its class has private attributes of its own."""
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", set(values))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None if private else {STATE: state})
    if private:
        begin_private(made)
        set_state(made, state)

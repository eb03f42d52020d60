"""Staleness: the records whose vectors are not of their texts, and making those vectors anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..embedding import maker_of
from ..errors import ConflictError, QueryError, RecordGone, RushModelError
from ..flow import Operation, ask
from ..origins import origin_of
from ..port import (
    CloseCursor,
    OpenCursor,
    ReadCursor,
    RecordQuery,
    RecordWrite,
    SaveRecords,
    StoredRecord,
    StoredValue,
    Unmade,
    VectorWrite,
)
from ..schema import ModelSchema, VectorProperty
from .context import Context
from .embedding import embed, is_made_of
from .planning import prepare
from .searching import on_field

_VAIN: int = 10
"""Rounds that may make nothing, since others were quicker, before they are given up."""


def embedded_fields(schema: ModelSchema, on: object) -> tuple[VectorProperty, ...]:
    """The vector fields that have an embedder, or the one that is named.

    Raises:
        QueryError: There is none.
    """
    having = tuple(each for each in schema.external if each.embedder is not None)
    if on is not None:
        name = on_field(schema, on)
        having = tuple(each for each in having if name in (each.name, each.text))
    if not having:
        of = schema.name if on is None else f"{schema.name}.{on_field(schema, on)}"
        raise QueryError(f"{of} has no embedder, so nothing tells which of its vectors are stale")
    return having


def unmade(specs: Sequence[VectorProperty]) -> tuple[Unmade, ...]:
    """How a store is asked for the records of which one of these vectors has to be made."""
    asked: list[Unmade] = []
    for spec in specs:
        assert spec.text_property is not None
        assert spec.origin is not None
        assert spec.embedder is not None
        asked.append(Unmade(spec.text_property, spec.origin, maker_of(spec.embedder), spec.signatures))
    return tuple(asked)


class Mending:
    """Makes the stale vectors of some fields, a batch at a time, until there are none left.

    Others may write meanwhile: what they changed is left alone, and looked at again.
    """

    def __init__(
        self, context: Context, schema: ModelSchema, specs: Sequence[VectorProperty], batch: int
    ) -> None:
        self._context = context
        self.schema = schema
        self._specs = specs
        self._batch = batch
        self._cursor: str | None = None
        self._found = False
        self._made = 0
        self._vain = 0

    def step(self) -> Operation[int | None]:
        """Make the next vectors: of how many records; None: none are stale any more."""
        label = self.schema.concrete_label()
        if self.schema.model not in self._context.prepared:
            yield from prepare(self._context, self.schema)
        if self._cursor is None:
            query = RecordQuery((label,), unmade=unmade(self._specs), scalars=self.schema.scalars)
            self._cursor = yield from ask(OpenCursor(query))
            self._found, self._made = False, 0
        records = yield from ask(ReadCursor(self._cursor, self._batch))
        if records:
            self._found = True
            made = yield from self._mend(label, records)
            self._made += made
            return made
        yield from self.close()
        if not self._found:
            return None
        self._vain = 0 if self._made else self._vain + 1
        if self._vain == _VAIN:
            raise ConflictError(
                f"{self.schema.name}: others have changed the same records at every try; run it again"
            )
        return 0

    def close(self) -> Operation[None]:
        """Give up what is being read."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            yield from ask(CloseCursor(cursor))

    def _mend(self, label: str, records: Sequence[StoredRecord]) -> Operation[int]:
        data: dict[str, dict[str, StoredValue]] = {each.id: {} for each in records}
        vectors: dict[str, list[VectorWrite]] = {each.id: [] for each in records}
        for spec in self._specs:
            stale = [each for each in records if self._is_stale(each.data, spec)]
            texts = [str(each.data[str(spec.text_property)]) for each in stale]
            if not texts:
                continue
            assert spec.origin is not None
            assert spec.embedder is not None
            arrays = yield from embed(spec, texts)
            for record, text, array in zip(stale, texts, arrays, strict=True):
                data[record.id][spec.origin] = origin_of(text, maker_of(spec.embedder))
                vector = spec.convert(array)
                vectors[record.id] += [VectorWrite(signature, vector) for signature in spec.signatures]
        writes = [
            RecordWrite(
                data[each.id],
                record_id=each.id,
                vectors=tuple(vectors[each.id]),
                version=each.version,
                texts=each.texts | self.schema.text_properties,
                known=each.data,
                merge_by=self.schema.key_properties,
            )
            for each in records
        ]
        while writes:
            try:
                yield from ask(SaveRecords(label, writes))
            except RushModelError as error:
                at = getattr(error, "index", None)
                if at is None or not isinstance(error, (ConflictError, RecordGone)):
                    raise
                del writes[at]  # somebody else changed it: it is looked at again
            else:
                break
        return len(writes)

    def _is_stale(self, data: Mapping[str, object], spec: VectorProperty) -> bool:
        """Whether a vector of a record that was found is to be made; the only one's may just be missing."""
        text = data.get(str(spec.text_property))
        if not isinstance(text, str):
            return False
        return len(self._specs) == 1 or not is_made_of(data, spec, text)

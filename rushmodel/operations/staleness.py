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
    VectorWrite,
)
from ..schema import ModelSchema, VectorProperty
from .context import Context
from .embedding import embed, is_made_of, unmade
from .planning import create, prepare
from .searching import on_field

_ROUNDS: int = 20
"""Each finds what was stale when it began. Others may write stale vectors for ever."""


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


class Mending:
    """Makes the stale vectors of some fields, a batch at a time; or, with ``everything``, all of them once.

    Others may write meanwhile: what they changed is left alone, and looked at again in another round. That
    ends with a round that finds none, or (since some may write stale ones all the time) with one after the
    first that finds less than a batch.
    """

    def __init__(
        self,
        context: Context,
        schema: ModelSchema,
        specs: Sequence[VectorProperty],
        batch: int,
        *,
        everything: bool = False,
    ) -> None:
        self._context = context
        self.schema = schema
        self._specs = specs
        self._batch = batch
        self._everything = everything
        self._cursor: str | None = None
        self._found = 0
        self._made = 0
        self._round = 0

    def step(self) -> Operation[int | None]:
        """Make the next vectors: of how many records; None: that is all."""
        label = self.schema.concrete_label()
        if self.schema.model not in self._context.prepared:
            yield from prepare(self._context, self.schema)
        if self._cursor is None:
            self._cursor = yield from ask(OpenCursor(self._query(label)))
            self._found, self._made, self._round = 0, 0, self._round + 1
        records = yield from ask(ReadCursor(self._cursor, self._batch))
        if records:
            self._found += len(records)
            made = yield from self._mend(label, records)
            self._made += made
            return made
        yield from self.close()
        is_tail = self._round > 1 and self._made == self._found < self._batch
        over = self._everything or not self._found or is_tail or self._round == _ROUNDS
        return None if over else 0

    def close(self) -> Operation[None]:
        """Give up what is being read."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            yield from ask(CloseCursor(cursor))

    def _query(self, label: str) -> RecordQuery:
        if not self._everything:
            return RecordQuery((label,), unmade=unmade(self._specs), scalars=self.schema.scalars)
        texts = [{str(each.text_property): {"$exists": True}} for each in self._specs]
        return RecordQuery((label,), {"$or": texts}, scalars=self.schema.scalars)

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
        return self._everything or len(self._specs) == 1 or not is_made_of(data, spec, text)


def begin(context: Context, schema: ModelSchema, spec: VectorProperty) -> Operation[None]:
    """See to it that the policies of a field are there, beside those of what it was before."""
    for signature in spec.signatures:
        yield from create(signature)
    yield from prepare(context, schema)

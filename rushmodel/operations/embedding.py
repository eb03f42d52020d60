"""Embedding: the vectors of texts that are about to be saved, or searched for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..effects import Embed
from ..embedding import maker_of
from ..flow import Operation, ask
from ..instance import Instance, schema_of_instance
from ..origins import is_unmade, origin_of
from ..port import FindRecords, RecordQuery, StoredRecord, Unmade
from ..schema import ModelSchema, VectorProperty
from .context import Context
from .drafts import Embedded, Made, SaveOptions, Wanted, texts_to_embed

_KEYS = 1000
"""How many merge keys one query asks for."""

Vectors: TypeAlias = dict[int, dict[str, Embedded]]
"""What embedders made, by the `id` of the instance it is for."""

NOTHING: Made = {}


def embed_texts(
    context: Context, records: Iterable[Instance], options: SaveOptions, *, are_changed: bool = False
) -> Operation[Vectors]:
    """The vectors of the texts of some records that are new or have changed; each text is embedded once.

    A new record with a merge key may be there already, with that text: the store is asked before
    embedders are, unless it is known that the texts ``are_changed``. Instances stay as they are.

    Raises:
        EmbedderError: An embedder failed.
    """
    wanted = [
        (record, each)
        for record in records
        if isinstance(record, Instance) and schema_of_instance(record).embedded
        for each in texts_to_embed(record, options, context.absent)
    ]
    if not wanted:
        return {}
    if are_changed:
        wanted = [(record, each) for record, each in wanted if _embeds(record, each, options)]
    elif any(each.unless for _, each in wanted):
        wanted = yield from _without_known(context, wanted, options)
    made: Vectors = {}
    by_spec: dict[int, list[tuple[Instance, Wanted]]] = {}
    for record, each in wanted:
        by_spec.setdefault(id(each.spec), []).append((record, each))
    for several in by_spec.values():
        spec = several[0][1].spec
        vectors = yield from embed(spec, [each.text for _, each in several])
        assert spec.origin is not None
        assert spec.embedder is not None
        maker = maker_of(spec.embedder)
        for (record, each), vector in zip(several, vectors, strict=True):
            made.setdefault(id(record), {})[spec.origin] = Embedded(vector, origin_of(each.text, maker))
    return made


def embed(spec: VectorProperty, texts: Sequence[str], kind: Any = "document") -> Operation[Any]:
    """The vectors that a field's embedder makes of texts, float32 of shape ``(n, dims)``."""
    assert spec.embedder is not None
    field = f"{spec.label}.{spec.name}"
    return (yield from ask(Embed(spec.embedder, tuple(texts), kind, spec.dims, field)))


def is_made_of(data: Mapping[str, Any], spec: VectorProperty, text: str) -> bool:
    """Whether a stored record says that its vector was made of that text, by hand or by the embedder."""
    assert spec.origin is not None
    assert spec.embedder is not None
    return not is_unmade(text.encode(), data.get(spec.origin), maker_of(spec.embedder))


def unmade(specs: Sequence[VectorProperty]) -> tuple[Unmade, ...]:
    """How a store is asked for the records of which one of these vectors has to be made."""
    asked: list[Unmade] = []
    for spec in specs:
        assert spec.text_property is not None
        assert spec.origin is not None
        assert spec.embedder is not None
        asked.append(Unmade(spec.text_property, spec.origin, maker_of(spec.embedder), spec.signatures))
    return tuple(asked)


def _without_known(
    context: Context, wanted: list[tuple[Instance, Wanted]], options: SaveOptions
) -> Operation[list[tuple[Instance, Wanted]]]:
    """What has to be embedded although the record may be in the store already."""
    known = yield from stored_by_key(context, [record for record, each in wanted if each.unless])
    return [
        (record, each)
        for record, each in wanted
        if not each.unless or _is_new(record, each, known.get(id(record)), options)
    ]


def stored_by_key(context: Context, records: Sequence[Instance]) -> Operation[dict[int, StoredRecord]]:
    """What is stored under the merge keys of new records: their texts and origins, by the instance's `id`."""
    asked: dict[type[Any], list[Instance]] = {}
    for record in records:
        asked.setdefault(type(record), []).append(record)
    known: dict[int, StoredRecord] = {}
    for several in asked.values():
        schema = context.served(schema_of_instance(several[0]))
        found: dict[tuple[Any, ...], StoredRecord] = {}
        for query in _by_key(schema, several):
            for stored in (yield from ask(FindRecords(query))):
                found[tuple(stored.data.get(name) for name in schema.key_properties)] = stored
        for record in several:
            if (key := _key(record)) in found:
                known[id(record)] = found[key]
    return known


def _is_new(record: Instance, wanted: Wanted, stored: StoredRecord | None, options: SaveOptions) -> bool:
    spec = wanted.spec
    if stored is None:
        return True
    if not _embeds(record, wanted, options):
        return False
    assert spec.text_property is not None
    same = stored.data.get(spec.text_property) == wanted.text
    return not (same and is_made_of(stored.data, spec, wanted.text))


def _embeds(record: Instance, wanted: Wanted, options: SaveOptions) -> bool:
    """Whether a text that has changed is to be embedded."""
    former = schema_of_instance(record).former
    return wanted.spec in former or (options.on_stale or wanted.spec.on_stale) == "embed"


def _by_key(schema: ModelSchema, records: Sequence[Instance]) -> Iterator[RecordQuery]:
    keys = [key for key in {_key(record): None for record in records} if None not in key]
    names = schema.key_properties
    read = [
        *names,
        *(
            name
            for each in (*schema.vectors, *schema.former)
            for name in (each.text_property, each.origin)
            if name
        ),
    ]
    for begin in range(0, len(keys), _KEYS):
        some = keys[begin : begin + _KEYS]
        if len(names) == 1:
            where: dict[str, Any] = {names[0]: {"$in": [value for (value,) in some]}}
        else:
            where = {"$or": [dict(zip(names, key, strict=True)) for key in some]}
        yield RecordQuery(
            (schema.concrete_label(),),
            where,
            properties=tuple(dict.fromkeys(read)),
            scalars=schema.scalars,
        )


def _key(record: Instance) -> tuple[Any, ...]:
    """The merge key as it is stored; None in it for what cannot be, which `draft` refuses."""
    values = vars(record)
    found: list[Any] = []
    for each in schema_of_instance(record).keys:
        try:
            found.append(each.codec.encode(values.get(each.name)))
        except (ValueError, TypeError, AttributeError):
            found.append(None)
    return tuple(found)

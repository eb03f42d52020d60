"""Searching: which policy a vector belongs to, and the hits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from ..errors import (
    AmbiguousSearch,
    CapabilityError,
    NotSaved,
    PolicyMissing,
    QueryError,
    VectorError,
    VectorsNotLoaded,
)
from ..expressions import Column, Condition, VectorColumn
from ..flow import Operation, ask
from ..instance import Instance, state_of
from ..loading import Loader, stored_vector
from ..port import (
    Float32,
    GetCapabilities,
    GetRecords,
    RecordQuery,
    SearchMany,
    SearchVectors,
    SearchWords,
    Similarity,
    StoredRecord,
)
from ..results import Hit, Hits
from ..schema import ModelSchema, VectorProperty
from ..value import Value
from ..vectors import as_vector
from .context import Context
from .embedding import embed
from .fusing import Fusion
from .migrating import has_lost, serving
from .reading import signatures_to_read

M = TypeVar("M", bound=Instance)


class Search(Value):
    """What `Model.search` was asked."""

    query: object
    text: str | None
    on: VectorColumn[Any] | Column[Any, Any] | str | None
    similarity: Similarity | None
    where: Condition[Any] | None
    limit: int
    offset: int
    min_score: float | None
    exact: bool | None
    with_vectors: bool
    fusion: Fusion = "rrf"
    weight: float = 0.5
    rerank: Callable[..., Any] | None = None


def search(context: Context, schema: ModelSchema, wanted: Search) -> Operation[Hits[Any]]:
    """The records nearest to a vector.

    Of a text the vector is that of the field's embedder.

    Raises:
        VectorError: A vector that no field could hold.
        AmbiguousSearch: Several policies have that length, and ``on`` and ``similarity`` leave more than one.
        PolicyMissing: The store has no such policy (promise 7).
        CapabilityError: Text was given: no field has an embedder, and the store searches no words.
    """
    schema.concrete_label()
    schema = context.served(schema)
    check(schema, wanted)
    context.former |= schema.former_signatures
    while True:
        try:
            return (yield from _search(context, schema, wanted))
        except PolicyMissing:
            if not (yield from has_lost(context)):
                raise


def _search(context: Context, schema: ModelSchema, wanted: Search) -> Operation[Hits[Any]]:
    without: str | None = None
    if isinstance(wanted.query, Instance):
        context.check_place(wanted.query)
        without = state_of(wanted.query).record_id
        spec, similarity = _only(schema, wanted, _candidates(schema, wanted, None), None)
        spec, similarity = yield from _serving(context, spec, similarity)
        vector = yield from _vector_of(schema, wanted.query, spec)
    elif isinstance(wanted.query, str):
        spec, similarity = _only(schema, wanted, _candidates(schema, wanted, None), None)
        spec, similarity = yield from _serving(context, spec, similarity, by_text=True)
        if spec.embedder is None:  # managed, by a server that embeds the words itself
            return (yield from _by_words(context, schema, wanted, spec, similarity))
        (vector,) = yield from embed(spec, [wanted.query], "query")
        vector = _fitting(schema, spec, similarity, vector, "")
    else:
        vector = _query_vector(schema, wanted.query)
        spec, similarity = _only(schema, wanted, _candidates(schema, wanted, len(vector)), len(vector))
        spec, similarity = yield from _serving(context, spec, similarity, len(vector))
        vector = _fitting(schema, spec, similarity, vector, "")
    query = yield from records_of(schema, wanted)
    found = yield from ask(
        SearchVectors(
            query,
            spec.property,
            vector,
            source=spec.source,
            similarity=similarity,
            exact=context.exact if wanted.exact is None else wanted.exact,
            min_score=wanted.min_score,
            without=without,
        )
    )
    return hits_of(context, schema, wanted, found)


def search_many(
    context: Context, schema: ModelSchema, queries: Iterable[object], wanted: Search
) -> Operation[list[Hits[Any]]]:
    """The records nearest to each of several vectors, or texts, meant for one field; as `search`."""
    schema.concrete_label()
    several = list(queries)
    schema = context.served(schema)
    context.former |= schema.former_signatures
    while True:
        try:
            return (yield from _search_many(context, schema, several, wanted))
        except PolicyMissing:
            if not (yield from has_lost(context)):
                raise


def _by_words(
    context: Context, schema: ModelSchema, wanted: Search, spec: VectorProperty, similarity: Similarity
) -> Operation[Hits[Any]]:
    query = yield from records_of(schema, wanted)
    found = yield from ask(
        SearchWords(
            query,
            spec.property,
            str(wanted.query),
            similarity,
            exact=context.exact if wanted.exact is None else wanted.exact,
            min_score=wanted.min_score,
        )
    )
    return hits_of(context, schema, wanted, found)


def _search_many(
    context: Context, schema: ModelSchema, several: Sequence[object], wanted: Search
) -> Operation[list[Hits[Any]]]:
    wanted = wanted.replaced(query=next((each for each in several if isinstance(each, str)), None))
    if wanted.query is not None:
        spec, similarity, together = yield from _texts_together(context, schema, several, wanted)
    elif several:
        spec, similarity, together = yield from _vectors_together(context, schema, several, wanted)
    else:
        check(schema, wanted, any_query=True)
        return []
    query = yield from records_of(schema, wanted)
    found = yield from ask(
        SearchMany(
            query,
            spec.property,
            together,
            source=spec.source,
            similarity=similarity,
            exact=context.exact if wanted.exact is None else wanted.exact,
            min_score=wanted.min_score,
        )
    )
    return [hits_of(context, schema, wanted, each) for each in found]


def _vectors_together(
    context: Context, schema: ModelSchema, queries: Sequence[object], wanted: Search
) -> Operation[tuple[VectorProperty, Similarity, Float32]]:
    vectors = [_query_vector(schema, query, f"query {place}: ") for place, query in enumerate(queries)]
    check(schema, wanted, any_query=True)
    length = len(vectors[0])
    for place, vector in enumerate(vectors):
        if len(vector) != length:
            raise VectorError(
                f"{schema.name}.search(): queries of one search_many() have one length, got "
                f"{length} numbers at 0 and {len(vector)} at {place}",
                expected=length,
                given=len(vector),
            )
    spec, similarity = _only(schema, wanted, _candidates(schema, wanted, length), length)
    spec, similarity = yield from _serving(context, spec, similarity, length)
    return spec, similarity, _fitting_together(schema, spec, similarity, vectors)


def _texts_together(
    context: Context, schema: ModelSchema, queries: Sequence[object], wanted: Search
) -> Operation[tuple[VectorProperty, Similarity, Float32]]:
    for place, query in enumerate(queries):
        if not isinstance(query, str):
            raise QueryError(
                f"{schema.name}.search(): queries of one search_many() are all texts, or all vectors; "
                f"query {place} is {type(query).__name__}"
            )
    check(schema, wanted)
    spec, similarity = _only(schema, wanted, _candidates(schema, wanted, None), None)
    spec, similarity = yield from _serving(context, spec, similarity, by_text=True)
    if spec.embedder is None:
        raise CapabilityError(
            f"{schema.name}.search_many(): a server embeds one text at a time: search() for each"
        )
    vectors = yield from embed(spec, cast("Sequence[str]", queries), "query")
    return spec, similarity, _fitting_together(schema, spec, similarity, vectors)


def _serving(
    context: Context,
    spec: VectorProperty,
    similarity: Similarity,
    length: int | None = None,
    *,
    by_text: bool = False,
) -> Operation[tuple[VectorProperty, Similarity]]:
    """The field whose vectors are searched: what it was before, while it is being migrated.

    Raises:
        PolicyMissing: The vectors of that length are not complete yet.
        CapabilityError: Those of before have no embedder for the text.
    """
    now = yield from serving(context, spec)
    if now is spec:
        return spec, similarity
    where = f"{spec.label}.{spec.name}"
    if length is not None and length != now.dims:
        raise PolicyMissing(
            f"{where}: not every record has its vector of {spec.dims} numbers yet, so the ones of {now.dims} "
            "are searched until db.migrate() is done",
            field=spec.name,
        )
    if by_text and now.embedder is None:
        raise CapabilityError(
            f"{where}: the vectors of before are searched until db.migrate() is done, and they have no "
            f"embedder: pass a vector of {now.dims} numbers, or give replaces=VectorSpec(...) their factory="
        )
    return now, similarity if similarity in now.similarities else now.similarities[0]


def _fitting_together(
    schema: ModelSchema, spec: VectorProperty, similarity: Similarity, vectors: Iterable[Float32]
) -> Float32:
    """The vectors as the field's policies take them, float32 of shape ``(n, dims)``."""
    return np.array(
        [
            _fitting(schema, spec, similarity, vector, f"query {place}: ")
            for place, vector in enumerate(vectors)
        ]
    )


def check_condition(schema: ModelSchema, condition: object) -> Condition[Any]:
    """A condition on this model, or on a base of it.

    Raises:
        TypeError: Not a condition at all; a bool, most likely.
        QueryError: A condition on another model.
    """
    given = type(condition).__name__
    if not isinstance(condition, Condition):
        hint = ""
        if isinstance(condition, bool):
            hint = "; compare the class's fields, not an instance's (and vectors take no conditions)"
        elif isinstance(condition, (list, tuple)):
            hint = "; join several with &"
        raise TypeError(
            f"{schema.name}: expected a condition such as {schema.name}.field == value, got {given}{hint}"
        )
    if condition.model is not None and not issubclass(schema.model, condition.model):
        raise QueryError(
            f"a condition on {condition.model.__name__} says nothing about {schema.name}",
            model=schema.model,
        )
    return cast("Condition[Any]", condition)


def records_of(schema: ModelSchema, wanted: Search) -> Operation[RecordQuery]:
    """Which records are looked at, and what of them is read."""
    vectors = yield from signatures_to_read(schema, wanted.with_vectors)
    return RecordQuery(
        (schema.concrete_label(),),
        wanted.where.where if wanted.where is not None else {},
        limit=wanted.limit,
        offset=wanted.offset,
        vectors=vectors,
        scalars=schema.scalars,
    )


def hits_of(
    context: Context, schema: ModelSchema, wanted: Search, found: Sequence[StoredRecord]
) -> Hits[Any]:
    loader: Loader[Any] = Loader(schema, context.place, with_vectors=wanted.with_vectors)
    return Hits([Hit(loader.load(each), each.score if each.score is not None else 0.0) for each in found])


def check(schema: ModelSchema, wanted: Search, *, any_query: bool = False) -> None:
    by_text = isinstance(wanted.query, str)
    if by_text and not any(each.embedder or each.managed for each in schema.vectors):
        raise CapabilityError(
            f"{schema.name}.search(): no vector field has an embedder for the text; embed it and pass the "
            "vector, or search for its words by text="
        )
    if wanted.query is None and not any_query:
        raise QueryError(f"{schema.name}.search() needs a vector")
    if not schema.vectors and (wanted.text is None or wanted.query is not None):
        raise QueryError(f"{schema.name} has no vector field to search")
    for name, value, least in (("limit", wanted.limit, 1), ("offset", wanted.offset, 0)):
        if type(value) is not int or value < least:
            raise QueryError(f"{schema.name}.search(): {name} is a whole number from {least}, got {value!r}")
    least_score = wanted.min_score
    if least_score is not None and not (_is_number(least_score) and math.isfinite(least_score)):
        raise QueryError(f"{schema.name}.search(): min_score is a number from 0 to 1, got {least_score!r}")
    for name, flag in (("exact", wanted.exact), ("with_vectors", wanted.with_vectors)):
        if flag is not None and not isinstance(flag, bool):
            raise QueryError(f"{schema.name}.search(): {name} is True or False, got {flag!r}")
    if wanted.where is not None:
        check_condition(schema, wanted.where)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _query_vector(schema: ModelSchema, query: object, which: str = "") -> Float32:
    try:
        return as_vector(query, dims=None)
    except ValueError as error:
        raise VectorError(f"{schema.name}.search(): {which}{error}") from None


def _fitting(
    schema: ModelSchema, spec: VectorProperty, similarity: Similarity, vector: Float32, which: str
) -> Float32:
    """The vector as the field's policies take it; `VectorError`."""
    try:
        return as_vector(vector, dims=spec.dims, similarities=(similarity,))
    except ValueError as error:
        raise VectorError(f"{schema.name}.search(): {which}{error}", field=spec.name) from None


def _candidates(
    schema: ModelSchema, wanted: Search, length: int | None
) -> list[tuple[VectorProperty, Similarity]]:
    """Field and similarity pairs of that length, then of ``on``, then of ``similarity``."""
    fitting: list[tuple[VectorProperty, Similarity]] = [
        (spec, each)
        for spec in schema.vectors
        for each in spec.similarities
        if (length is None or spec.dims == length)
        and (spec.embedder or spec.managed or not isinstance(wanted.query, str))
    ]
    if not fitting:  # vectors of before, which are there until they are retired
        fitting = [
            (spec, each) for spec in schema.former for each in spec.similarities if spec.dims == length
        ]
    if not fitting:
        lengths = ", ".join(f"{spec.name}: {spec.dims}" for spec in schema.vectors)
        raise VectorError(
            f"{schema.name}.search(): no field has vectors of {length} numbers; there are {lengths}"
        )
    if wanted.on is not None:
        name = on_field(schema, wanted.on)
        narrowed = [pair for pair in fitting if pair[0].name == name or pair[0].text == name]
        if not narrowed:
            named = [spec for spec in schema.vectors if name in (spec.name, spec.text)]
            if named:
                dims = " or ".join(str(spec.dims) for spec in named)
                raise VectorError(
                    f"{schema.name}.search(): {name} has vectors of {dims} numbers, got {length}", field=name
                )
            known = ", ".join(spec.name for spec in schema.vectors)
            raise QueryError(f"{schema.name}.search(on={name!r}): the vector fields are {known}")
        fitting = narrowed
    if wanted.similarity is not None:
        narrowed = [pair for pair in fitting if pair[1] == wanted.similarity]
        if not narrowed:
            has = sorted({each for _, each in fitting})
            raise QueryError(
                f"{schema.name}.search(similarity={wanted.similarity!r}): the fields have {', '.join(has)}"
            )
        fitting = narrowed
    return fitting


def on_field(schema: ModelSchema, on: object) -> str:
    """The name of the field that ``on=`` names; `QueryError`."""
    if isinstance(on, (VectorColumn, Column)):
        if not issubclass(schema.model, on.model):
            raise QueryError(f"{schema.name}.search(on={on!r}): a field of another model")
        return on.name
    if isinstance(on, str):
        return on
    raise QueryError(f"{schema.name}.search(on=...): expected a field or its name, got {type(on).__name__}")


def _only(
    schema: ModelSchema,
    wanted: Search,
    fitting: Sequence[tuple[VectorProperty, Similarity]],
    length: int | None,
) -> tuple[VectorProperty, Similarity]:
    if len(fitting) == 1:
        return fitting[0]
    shown = ", ".join(f"{spec.name} ({similarity}, {spec.dims})" for spec, similarity in fitting)
    several_fields = len({spec.name for spec, _ in fitting}) > 1
    way = f"on={schema.name}.{fitting[0][0].name}" if several_fields else f"similarity={fitting[0][1]!r}"
    raise AmbiguousSearch(
        f"{schema.name}.search(): the vector could be meant for {shown}; say which, as in {way}",
        candidates=[(spec.name, similarity) for spec, similarity in fitting],
    )


def _vector_of(schema: ModelSchema, record: Instance, spec: VectorProperty) -> Operation[Float32]:
    """The vector of a record to search from: the instance's, or else the stored one."""
    if type(record) is not schema.model:
        raise QueryError(
            f"{schema.name}.search() takes a {schema.name} to look like, got {type(record).__name__}"
        )
    state = state_of(record)
    value = None if spec in schema.former else vars(record).get(spec.name)
    if spec.inline and spec not in schema.former:
        value = vars(record)["vectors"].held(spec.name)
    if value is not None:
        return spec.convert(value)
    if state.record_id is None:
        raise NotSaved(f"this {schema.name} has no {spec.name} and was never saved")
    capabilities = yield from ask(GetCapabilities())
    if not capabilities.reads_vectors:
        raise VectorsNotLoaded(
            f"{schema.name} {state.record_id}: its {spec.name} is not loaded, and "
            f"{capabilities.store} does not give vectors back; pass the vector itself",
            field=spec.name,
        )
    found = yield from ask(GetRecords((state.record_id,), schema.label, spec.signatures))
    array = stored_vector(spec, found[0].vectors or {}) if found else None
    if array is None:
        raise VectorsNotLoaded(
            f"{schema.name} {state.record_id}: the store holds no {spec.name} to search from", field=spec.name
        )
    return array

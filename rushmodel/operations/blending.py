"""Searches by vector, by keywords, or by both, and reranked ones: `Model.search` as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import codecs
from ..effects import Rerank
from ..errors import CapabilityError, PolicyMissing, QueryError
from ..flow import Operation, ask
from ..instance import state_of
from ..port import EnsureKeywords, GetCapabilities, SearchText
from ..results import Hit, Hits, Part
from ..schema import ModelSchema
from . import searching
from .context import Context
from .fusing import FUSIONS, fused
from .searching import Search, check, hits_of, on_field, records_of

_DEEPER = 4
_LEAST = 50
"""Each side of a hybrid search, and what is reranked, goes four times as deep as is asked for, and to 50."""


def search(context: Context, schema: ModelSchema, wanted: Search) -> Operation[Hits[Any]]:
    """The hits of a search, best first.

    Raises:
        As `searching.search`; and CapabilityError: The store searches no words.
        QueryError: ``fusion`` or ``weight`` that make no sense.
    """
    if wanted.text is None and wanted.rerank is None:
        return (yield from searching.search(context, schema, wanted))
    schema.concrete_label()
    _check(schema, wanted)
    wide = wanted
    if wanted.rerank is not None or (wanted.text is not None and wanted.query is not None):
        wide = wanted.replaced(
            limit=max(_LEAST, _DEEPER * (wanted.limit + wanted.offset)), offset=0, min_score=None
        )
    if wanted.text is None:
        found = _parted("vector", (yield from searching.search(context, schema, wide)))
    elif wanted.query is None:
        found = _parted("text", (yield from _by_text(context, schema, wide)))
    else:
        by_vector = yield from searching.search(context, schema, wide.replaced(text=None))
        by_text = yield from _by_text(context, schema, wide)
        found = _fused(by_vector, by_text, wanted)
    if wanted.rerank is not None and found:
        words = wanted.text if wanted.text is not None else wanted.query
        scores = yield from ask(Rerank(wanted.rerank, words if isinstance(words, str) else None, Hits(found)))
        found = _reranked(found, scores)
    if wide is wanted:
        return Hits(found)
    if wanted.min_score is not None:
        found = [hit for hit in found if hit.score >= wanted.min_score]
    return Hits(found[wanted.offset : wanted.offset + wanted.limit])


def _check(schema: ModelSchema, wanted: Search) -> None:
    check(schema, wanted, any_query=True)
    if wanted.query is None and wanted.text is None:
        raise QueryError(f"{schema.name}.search() needs a vector, or a text")
    if wanted.text is not None and not isinstance(wanted.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(f"{schema.name}.search(): text is words, got {type(wanted.text).__name__}")
    if wanted.fusion not in FUSIONS:
        raise QueryError(f"{schema.name}.search(): fusion is 'rrf' or 'dbsf', got {wanted.fusion!r}")
    weight: Any = wanted.weight
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= 1:
        raise QueryError(
            f"{schema.name}.search(): weight is the vectors' share, a number from 0 to 1, got {weight!r}"
        )
    if wanted.rerank is not None and not callable(wanted.rerank):
        raise QueryError(
            f"{schema.name}.search(): rerank is a function of the text and the hits, "
            f"got {type(wanted.rerank).__name__}"
        )


def _by_text(context: Context, schema: ModelSchema, wanted: Search) -> Operation[Hits[Any]]:
    assert wanted.text is not None
    capabilities = yield from ask(GetCapabilities())
    if not capabilities.keywords:
        raise CapabilityError(
            f"{schema.name}.search(text=...): {capabilities.store} searches no words; pass them as the "
            "query, to a field with an embedder"
        )
    properties = _properties(schema, wanted.on)
    query = yield from records_of(schema, wanted)
    command = SearchText(query, wanted.text, properties)
    try:
        found = yield from ask(command)
    except PolicyMissing:
        # The first search makes the index, over all that may be searched.
        yield from ask(EnsureKeywords(schema.concrete_label(), _properties(schema, None)))
        found = yield from ask(command)
    if wanted.min_score is not None:
        found = [each for each in found if (each.score or 0.0) >= wanted.min_score]
    return hits_of(context, schema, wanted, found)


def _properties(schema: ModelSchema, on: object) -> tuple[str, ...]:
    """The stored names of the fields that are searched: all that hold text, or the one of ``on``."""
    texts = {
        each.name: each.property
        for each in schema.properties
        if each.codec is codecs.TEXT or each.codec.item is codecs.TEXT
    }
    if on is None:
        if not texts:
            raise QueryError(f"{schema.name} has no str field to search for words")
        return tuple(texts.values())
    name = on_field(schema, on)
    spec = schema.vector_by_name.get(name)
    if spec is not None and spec.text is not None:
        name = spec.text
    if name not in texts:
        raise QueryError(
            f"{schema.name}.search(text=..., on={name!r}): the fields that hold text are {', '.join(texts)}"
        )
    return (texts[name],)


def _parted(side: str, hits: Hits[Any]) -> list[Hit[Any]]:
    return [
        hit.replaced(parts={**hit.parts, side: Part(rank, hit.score)}) for rank, hit in enumerate(hits, 1)
    ]


def _fused(by_vector: Hits[Any], by_text: Hits[Any], wanted: Search) -> list[Hit[Any]]:
    hits: dict[str, Hit[Any]] = {}
    lists: list[list[tuple[str, float]]] = []
    for side, found in (("vector", by_vector), ("text", by_text)):
        scores: list[tuple[str, float]] = []
        for hit in _parted(side, found):
            name = state_of(hit.record).record_id
            assert name is not None
            known = hits.get(name)
            # With its vector where one side read it: both read the same.
            hits[name] = hit if known is None else known.replaced(parts={**known.parts, **hit.parts})
            scores.append((name, hit.score))
        lists.append(scores)
    ranked = fused(lists[0], lists[1], wanted.fusion, float(wanted.weight))
    return [hits[name].replaced(score=score) for name, score in ranked]


def _reranked(found: Sequence[Hit[Any]], scores: Sequence[float]) -> list[Hit[Any]]:
    """By the new scores, best first; equal ones stay in their order."""
    order = sorted(range(len(found)), key=lambda place: -scores[place])
    return [
        found[place].replaced(
            score=scores[place], parts={**found[place].parts, "rerank": Part(rank, scores[place])}
        )
        for rank, place in enumerate(order, 1)
    ]

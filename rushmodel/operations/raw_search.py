"""Vector search as RushDB's client asks for it."""

from __future__ import annotations

from ..errors import CapabilityError, QueryError
from ..flow import Operation, ask
from ..port import RecordQuery, SearchVectors, Source, StoredRecord
from .raw_documents import Document
from .raw_options import CLIENT, Caller
from .raw_queries import read_selection
from .raw_values import SIMILARITIES, read_numbers

DEFAULT_HITS = 20

SOURCES: tuple[Source, ...] = ("external", "managed")

_KEYS = (
    "labels propertyName queryVector query sourceType similarityFunction dimensions where limit skip".split()
)
_KEYWORD_KEYS = ("text", "weight", "prefetchLimit", "fusion", "rrfK", "topK")


def vector_search(params: object, caller: Caller = CLIENT) -> Operation[list[StoredRecord]]:
    """The records nearest to ``queryVector``, best first.

    Without ``sourceType`` and ``similarityFunction`` the one policy that fits is meant (R12).

    Raises:
        QueryError: By key: missing, unknown, or of another type.
        VectorError: What is no vector, or not of ``dimensions`` numbers.
        AmbiguousSearch: Several policies fit.
        PolicyMissing: None does.
        CapabilityError: Text instead of a vector: there is no embedder.
    """
    search = Document("search()", params, (*_KEYS, *_KEYWORD_KEYS), QueryError)
    for key in _KEYWORD_KEYS:
        if key in search:
            raise CapabilityError(f"search(): {key}: this version searches by vector only", key=key)
    if "query" in search:
        if "queryVector" in search:
            raise QueryError("search(): give query or queryVector, not both", key="query", status=422)
        raise no_embedder("search(): query")
    if "queryVector" not in search:
        raise search.wrong("queryVector", "a vector", status=422)
    labels, where = read_selection(search)
    if not labels:
        raise search.wrong("labels", "a label, or a list of them")
    source = search.choice("sourceType", SOURCES)
    similarity = search.choice("similarityFunction", SIMILARITIES)
    dims = search.count("dimensions", 0, 1) or None
    place = "search(): queryVector"
    given, packed = search.get("queryVector"), caller.extended
    vector = read_numbers(given, place, dims=dims, similarity=similarity, packed=packed)
    limit, skip = search.count("limit", DEFAULT_HITS, 0), search.count("skip", 0, 0)
    return (
        yield from ask(
            SearchVectors(
                RecordQuery(labels, where, limit=limit, offset=skip),
                search.text("propertyName"),
                vector,
                source=source,
                similarity=similarity,
            )
        )
    )


def no_embedder(what: str) -> CapabilityError:
    """The error about text where only a vector will do."""
    return CapabilityError(
        f"{what}: no embedder is connected that could turn text into a vector; embed the text yourself and"
        " pass it as queryVector",
        missing="embedder",
    )

"""What `serve` is sent beside RushDB's own requests: saves with relationships, and related records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from ..errors import PropertyError, QueryError, RushModelError
from ..flow import Operation, ask
from ..port import (
    Direction,
    FindRelated,
    Link,
    LinkRecords,
    Order,
    RecordWrite,
    Related,
    SaveGraph,
    Signature,
    Unlink,
    VectorGuard,
    VectorWrite,
    Written,
)
from .raw_documents import Document
from .raw_queries import read_order
from .raw_relationships import check_type, read_properties
from .raw_search import SOURCES
from .raw_values import SIMILARITIES, read_data, read_numbers

_GRAPH_KEYS = ("writes", "links", "unlinks")
_WRITE_KEYS = ("label", "data", "id", "key", "remove", "vectors", "guards", "version", "texts")
_VECTOR_KEYS = ("label", "propertyName", "sourceType", "similarityFunction", "dimensions", "vector")
_GUARD_KEYS = ("field", "property", "text", "signatures", "action")
_LINK_KEYS = ("source", "target", "type", "data")
_UNLINK_KEYS = ("record", "types", "direction", "others", "keep", "label")
_RELATED_KEYS = ("ids", "label", "type", "direction", "where", "orderBy")

_DIRECTIONS: tuple[Direction, ...] = ("in", "out")
_ACTIONS: tuple[Literal["raise", "drop"], ...] = ("raise", "drop")


def save_graph(given: object) -> Operation[tuple[list[Written], int]]:
    """Carry a save out, as a whole: what became of each write, and how many relationships were made.

    Without writes they are counted; with writes the number is 0.

    Raises:
        QueryError, PropertyError, VectorError: By place: what is no such request.
        RushModelError: As `SaveGraph` and `LinkRecords`.
    """
    request = Document("the save", given, _GRAPH_KEYS, QueryError)
    writes: list[tuple[str, RecordWrite]] = []
    for place, each in enumerate(_items(request, "writes")):
        try:
            writes.append(_read_write(each, f"writes[{place}]"))
        except RushModelError as error:
            error.__dict__.setdefault("index", place)
            raise
    links = [_read_link(each, f"links[{place}]") for place, each in enumerate(_items(request, "links"))]
    unlinks = [
        _read_unlink(each, f"unlinks[{place}]") for place, each in enumerate(_items(request, "unlinks"))
    ]
    if writes:
        return (yield from ask(SaveGraph(writes, links, unlinks))), 0
    return [], (yield from ask(LinkRecords(links, unlinks)))


def find_related(given: object) -> Operation[Related]:
    """The records one relationship away from others, and what leads there; `QueryError`."""
    request = Document("the request", given, _RELATED_KEYS, QueryError)
    return (
        yield from ask(
            FindRelated(
                request.texts("ids"),
                request.text("label"),
                _optional_text(request, "type"),
                request.choice("direction", _DIRECTIONS),
                request.mapping("where"),
                tuple(_without_default(read_order(request))),
            )
        )
    )


def _read_write(given: object, place: str) -> tuple[str, RecordWrite]:
    write = Document(place, given, _WRITE_KEYS, PropertyError)
    return write.text("label"), RecordWrite(
        read_data(write.get("data"), f"{place}.data"),
        _optional_text(write, "id"),
        write.texts("key"),
        write.texts("remove"),
        tuple(
            _read_vector(each, f"{place}.vectors[{number}]")
            for number, each in enumerate(_items(write, "vectors"))
        ),
        tuple(
            _read_guard(each, f"{place}.guards[{number}]")
            for number, each in enumerate(_items(write, "guards"))
        ),
        write.count("version", 0, 0) if "version" in write else None,
        frozenset(write.texts("texts")),
    )


def _read_vector(given: object, place: str) -> VectorWrite:
    fields = Document(place, given, _VECTOR_KEYS, QueryError)
    signature = _read_signature(fields)
    value = fields.get("vector")
    if value is None:
        return VectorWrite(signature, None)
    numbers = read_numbers(
        value, f"{place}.vector", dims=signature.dims, similarity=signature.similarity, packed=True
    )
    return VectorWrite(signature, numbers)


def _read_guard(given: object, place: str) -> VectorGuard:
    guard = Document(place, given, _GUARD_KEYS, QueryError)
    action = guard.choice("action", _ACTIONS)
    text = guard.get("text")
    if action is None:
        raise guard.wrong("action", "'raise' or 'drop'")
    if text is not None and not isinstance(text, str):
        raise guard.wrong("text", "a text")
    signatures = tuple(
        _read_signature(Document(f"{place}.signatures[{number}]", each, _VECTOR_KEYS[:5], QueryError))
        for number, each in enumerate(_items(guard, "signatures"))
    )
    return VectorGuard(guard.text("field"), guard.text("property"), text, signatures, action)


def _read_signature(fields: Document) -> Signature:
    source = fields.choice("sourceType", SOURCES)
    similarity = fields.choice("similarityFunction", SIMILARITIES)
    if source is None or similarity is None:
        raise fields.wrong("sourceType" if source is None else "similarityFunction", "a value")
    dims = fields.count("dimensions", 0, 1) or None
    return Signature(fields.text("label"), fields.text("propertyName"), source, similarity, dims)


def _read_link(given: object, place: str) -> Link:
    link = Document(place, given, _LINK_KEYS, QueryError)
    kind = link.text("type")
    check_type(kind, f"{place}.type")
    return Link(_end(link, "source"), _end(link, "target"), kind, read_properties(link.get("data")))


def _read_unlink(given: object, place: str) -> Unlink:
    unlink = Document(place, given, _UNLINK_KEYS, QueryError)
    keep = tuple(_as_end(unlink, "keep", each) for each in _items(unlink, "keep"))
    return Unlink(
        _end(unlink, "record"),
        unlink.texts("types"),
        unlink.choice("direction", _DIRECTIONS),
        unlink.texts("others") if unlink.get("others") is not None else None,
        keep,
        _optional_text(unlink, "label"),
    )


def _end(given: Document, key: str) -> str | int:
    return _as_end(given, key, given.get(key))


def _as_end(given: Document, key: str, value: object) -> str | int:
    """An id, or the place of one of the writes; whether there is such a write is for the store to say."""
    if (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise given.wrong(key, "the id of a record, or the place of one of the writes", value)


def _items(given: Document, key: str) -> Sequence[object]:
    value: Any = given.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise given.wrong(key, "a list")
    return cast("list[object]", value)


def _optional_text(given: Document, key: str) -> str | None:
    return given.text(key) if given.get(key) is not None else None


def _without_default(order: Sequence[Order]) -> Sequence[Order]:
    """No order where it is by ascending id, as without one."""
    return () if list(order) == [Order("$id")] else order

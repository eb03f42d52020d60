"""Exporting files: records, and what belongs to them, as lines of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from ..errors import CapabilityError
from ..flow import Operation, ask
from ..origins import is_origin_property
from ..port import (
    End,
    FindRelationships,
    GetCapabilities,
    ListPolicies,
    Signature,
    StoredRecord,
    StoredRelationship,
)
from ..wire.documents import signature_document
from ..wire.proptypes import looks_like_datetime
from .csv_rows import cell_of
from .importing import INDEX, RELATIONSHIP
from .raw_import import VECTORS

LINE_END = "\r\n"
"""Of CSV (RFC 4180); a text may hold other line breaks."""


def signatures_of(labels: Sequence[str]) -> Operation[tuple[Signature, ...]]:
    """The external policies of these labels (none: of all), whose vectors can be exported.

    Raises:
        CapabilityError: The store does not give vectors back.
    """
    capabilities = yield from ask(GetCapabilities())
    if not capabilities.reads_vectors:
        raise CapabilityError(f"with_vectors=True: {capabilities.store} does not give vectors back")
    policies = yield from ask(ListPolicies())
    return tuple(
        policy.signature
        for policy in policies
        if policy.signature.source == "external" and (not labels or policy.signature.label in labels)
    )


def relationships_from(ids: Sequence[str]) -> Operation[list[StoredRelationship]]:
    """The relationships that lead away from these records, the oldest first."""
    source = End(where={"$id": {"$in": list(ids)}})
    found = yield from ask(FindRelationships(source))
    return found.relationships[::-1]


def record_line(record: StoredRecord) -> dict[str, Any]:
    """A record as a row that `json_entry` reads back.

    ``__proptypes`` is there for texts that look like a datetime and are none (R14), ``$vectors`` for vectors.
    Without its vectors a record does not say what they were made of: it would be taken for having them.
    """
    data = record.data if record.vectors else _without_origins(record.data)
    document: dict[str, Any] = {"__id": record.id, "__label": record.label, **data}
    texts = sorted(name for name in record.texts if _looks_like_datetime(record.data.get(name)))
    if texts:
        document["__proptypes"] = dict.fromkeys(texts, "string")
    if record.vectors:
        document[VECTORS] = [
            {
                "propertyName": signature.property,
                "vector": vector,
                "similarityFunction": signature.similarity,
            }
            for signature, vector in record.vectors.items()
            if signature.label == record.label
        ]
    return document


def policy_line(signature: Signature) -> dict[str, Any]:
    """An index policy as a row."""
    return {INDEX: signature_document(signature)}


def relationship_line(found: StoredRelationship) -> dict[str, Any]:
    """A relationship as a row."""
    document: dict[str, Any] = {"source": found.source, "target": found.target, "type": found.type}
    if found.data:
        document["properties"] = dict(found.data)
    return {RELATIONSHIP: document}


def dumps(row: Mapping[str, Any]) -> bytes:
    """A row as JSON without a line break in it; float32 in the shortest exact digits."""
    return orjson.dumps(row, default=float, option=orjson.OPT_SERIALIZE_NUMPY)


class CsvTable:
    """Records as CSV: what columns there are is known when the last one was seen, so rows wait outside.

    `spooled` gives what to keep of a page; `header` and `rows` make the file of that.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def spooled(self, records: Iterable[StoredRecord]) -> bytes:
        """A line for each record: its cells by the place that its properties were given."""
        places = self._places
        lines: list[bytes] = []
        for record in records:
            data = _without_origins(record.data)
            cells = {places.setdefault(name, len(places)): value for name, value in data.items()}
            row = [record.id, record.label, *([""] * (1 + max(cells, default=-1)))]
            for place, value in cells.items():
                row[place + 2] = cell_of(value)
            lines.append(orjson.dumps(row))
        return b"".join(line + b"\n" for line in lines)

    def header(self) -> bytes:
        """The first line: ``__id``, ``__label``, the properties by name."""
        return _csv([["__id", "__label", *sorted(self._places)]])

    def rows(self, lines: Iterable[bytes]) -> bytes:
        """Spooled lines as rows of the file."""
        order = [self._places[name] + 2 for name in sorted(self._places)]
        rows: list[list[str]] = []
        for line in lines:
            cells: list[str] = orjson.loads(line)
            width = len(cells)
            rows.append([*cells[:2], *(cells[place] if place < width else "" for place in order)])
        return _csv(rows)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=LINE_END).writerows(rows)
    return text.getvalue().encode()


def _without_origins(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if not any(map(is_origin_property, data, data.values())):
        return data
    return {name: value for name, value in data.items() if not is_origin_property(name, value)}


def _looks_like_datetime(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_looks_like_datetime, value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, str) and looks_like_datetime(value)

"""Labels, properties and the schema of a store, as the documents of RushDB's answers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from ..errors import ServerError
from ..port import (
    DEFAULT_RELATIONSHIP_NAMES,
    Coverage,
    DescribedLabel,
    DescribedProperty,
    DescribedRelationship,
    Description,
    Policy,
    PropertyType,
    PropertyValues,
    Scalar,
    StoredProperty,
)

Document: TypeAlias = "dict[str, Any]"
T = TypeVar("T")

_TYPES: tuple[PropertyType, ...] = ("string", "number", "boolean", "datetime")


def property_document(each: StoredProperty) -> Document:
    """A property as the server describes it; nobody writes ``metadata`` (trace 16)."""
    return {
        "id": each.id,
        "metadata": "",
        "name": each.name,
        "type": each.type,
        "recordsCount": each.records,
    }


def read_property(document: object) -> StoredProperty:
    """A property out of its document; `ServerError` where it is none."""
    given = _object(document, "a property")
    return StoredProperty(
        _text(given, "id"), _text(given, "name"), _type(given.get("type")), _count(given, "recordsCount")
    )


def read_properties(documents: object) -> list[StoredProperty]:
    """The properties of a list of documents; `ServerError`."""
    return [read_property(each) for each in _documents(documents, "properties")]


def values_document(values: PropertyValues) -> Document:
    """``values`` and ``type``; ``min`` and ``max`` where the type has an order of its own (trace 16)."""
    return {**_range(values.least, values.greatest), "values": values.values, "type": values.type}


def read_values(document: object) -> PropertyValues:
    """Values out of their document; `ServerError` where it is none."""
    given = _object(document, "the values of a property")
    values = [_scalar(each) for each in _list(given, "values")]
    return PropertyValues(_type(given.get("type")), values, given.get("min"), given.get("max"))


def read_counts(document: object) -> dict[str, int]:
    """Labels and how many records have them; `ServerError` where the document is no such thing."""
    given = _object(document, "labels and their counts")
    return dict(sorted(((name, _count(given, name)) for name in given), key=lambda each: (-each[1], each[0])))


def schema_document(described: Description) -> list[Document]:
    """What ``/ai/schema`` answers: of each label its properties, and its relationships from either end."""
    return [
        {
            "label": label.name,
            "count": label.records,
            "properties": [
                _described_document(each, _policies_on(described, label.name, each))
                for each in label.properties
            ],
            "relationships": [
                _relationship_document(each, direction)
                for each, direction in relationships_of(described, label.name)
            ],
        }
        for label in described.labels
    ]


def relationships_of(described: Description, label: str) -> list[tuple[DescribedRelationship, str]]:
    """The relationships of a label with their directions, "in" before "out"; those to itself are "out"."""
    incoming = [(each, "in") for each in described.relationships if each.target == label != each.source]
    return incoming + [(each, "out") for each in described.relationships if each.source == label]


def read_schema(document: object, policies: Sequence[tuple[Policy, Coverage]]) -> Description:
    """A description out of the answer of ``/ai/schema``; `ServerError` where it is none."""
    labels: list[DescribedLabel] = []
    relationships: dict[tuple[str, str, str], DescribedRelationship] = {}
    for item in _documents(document, "a schema"):
        name = _text(item, "label")
        properties = _documents(item.get("properties"), "properties of a label")
        labels.append(DescribedLabel(name, _count(item, "count"), tuple(map(_read_described, properties))))
        for each in _documents(item.get("relationships"), "relationships of a label"):
            found = _read_relationship(each, name)
            relationships[found.source, found.type, found.target] = found
    labels.sort(key=lambda label: (-label.records, label.name))
    return Description(
        tuple(labels), tuple(relationships[ends] for ends in sorted(relationships)), tuple(policies)
    )


def _described_document(each: DescribedProperty, policies: Iterable[Policy]) -> Document:
    document: Document = {"id": each.id, "name": each.name, "type": each.type, "recordsCount": each.records}
    if each.in_lists:
        document["isArray"] = True
    document |= _range(each.least, each.greatest)
    if each.type == "boolean":
        document["values"] = [str(value).lower() for value in each.samples]
    elif each.type == "string":
        document["values"] = list(each.samples)
    indexes = [_index_document(policy) for policy in policies]
    return {**document, "vectorIndexes": indexes} if indexes else document


def _policies_on(described: Description, label: str, each: DescribedProperty) -> list[Policy]:
    """Those on the text of that name: a policy has to do with nothing else (R2)."""
    if each.type != "string":
        return []
    place = (label, each.name)
    return [
        policy
        for policy, _ in described.policies
        if (policy.signature.label, policy.signature.property) == place
    ]


def _index_document(policy: Policy) -> Document:
    signature = policy.signature
    return {
        "id": policy.id,
        "name": str(signature),
        "sourceType": signature.source,
        "similarityFunction": signature.similarity,
        "dimensions": signature.dims or 0,
        "status": policy.status,
        "modelKey": "",
    }


def _relationship_document(each: DescribedRelationship, direction: str) -> Document:
    other = each.target if direction == "out" else each.source
    document: Document = {"label": other, "type": each.type, "direction": direction, "count": each.total}
    if each.properties:
        document["properties"] = [{"name": name, "type": kind} for name, kind in each.properties]
    return document


def _read_described(given: Document) -> DescribedProperty:
    kind = _type(given.get("type"))
    samples: tuple[Scalar, ...] = ()
    if kind in ("string", "boolean") and given.get("values") is not None:
        samples = tuple(map(_scalar, _list(given, "values")))
    if kind == "boolean":
        samples = tuple(each in (True, "true") for each in samples)
    return DescribedProperty(
        _text(given, "id"),
        _text(given, "name"),
        kind,
        _count(given, "recordsCount"),
        given.get("isArray") is True,
        given.get("min"),
        given.get("max"),
        samples,
    )


def _read_relationship(given: Document, label: str) -> DescribedRelationship:
    other, kind = _text(given, "label"), _text(given, "type")
    source, target = (other, label) if given.get("direction") == "in" else (label, other)
    properties = _documents(given.get("properties") or [], "properties of a relationship")
    return DescribedRelationship(
        source,
        DEFAULT_RELATIONSHIP_NAMES[-1] if kind in DEFAULT_RELATIONSHIP_NAMES else kind,
        target,
        _count(given, "count"),
        tuple(sorted((_text(each, "name"), _type(each.get("type"))) for each in properties)),
    )


def _range(least: Scalar | None, greatest: Scalar | None) -> Document:
    return {} if least is None else {"min": least, "max": greatest}


def _object(document: object, what: str) -> Document:
    if not isinstance(document, dict):
        raise ServerError(f"the server's answer has a {type(document).__name__} where {what} should be")
    return cast("Document", document)


def _documents(document: object, what: str) -> list[Document]:
    if not isinstance(document, list):
        raise ServerError(f"the server's answer has a {type(document).__name__} where {what} should be")
    return [_object(each, what) for each in cast("list[object]", document)]


def _text(given: Mapping[str, Any], key: str) -> str:
    return _checked(given, key, str, "a text")


def _count(given: Mapping[str, Any], key: str) -> int:
    return _checked(given, key, int, "a count")


def _list(given: Mapping[str, Any], key: str) -> list[object]:
    return cast("list[object]", _checked(given, key, list, "a list"))


def _checked(given: Mapping[str, Any], key: str, kind: type[T], expected: str) -> T:
    value = given.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ServerError(f"the server's answer has no {expected} under {key!r}")
    return value


def _type(given: object) -> PropertyType:
    for kind in _TYPES:
        if given == kind:
            return kind
    raise ServerError(f"the server's answer has a property of an unknown type: {given!r:.60}")


def _scalar(given: object) -> Scalar:
    if not isinstance(given, (str, int, float)):
        raise ServerError(f"the server's answer has a {type(given).__name__} where a value should be")
    return given

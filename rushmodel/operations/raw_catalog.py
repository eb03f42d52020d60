"""Labels, properties, values and the schema, as RushDB's client asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import QueryError
from ..flow import Operation, ask
from ..port import (
    CountLabels,
    DeleteProperty,
    DescribeStore,
    Description,
    FindProperties,
    GetProperty,
    ListValues,
    PropertyValues,
    RecordQuery,
    StoredProperty,
)
from .raw_documents import Document, shown
from .raw_queries import read_selection

SELECTION_KEYS = ("labels", "where")
VALUES_KEYS = (*SELECTION_KEYS, "orderBy", "limit", "skip", "query")
SCHEMA_KEYS = ("labels", "force")


def count_labels(search_query: object) -> Operation[Mapping[str, int]]:
    """How many records of each label match; labels that have none are left out.

    Raises:
        QueryError: A key besides ``labels`` and ``where``, or a condition that is none.
    """
    return (yield from ask(CountLabels(_selection("labels.find()", search_query))))


def find_properties(search_query: object) -> Operation[list[StoredProperty]]:
    """The properties of the records that match, each with how many of them have it.

    Raises:
        QueryError: As for `count_labels`.
        CapabilityError: With ``where``, on a RushDB server, which passes it over.
    """
    return (yield from ask(FindProperties(_selection("properties.find()", search_query))))


def find_property(property_id: object) -> Operation[StoredProperty]:
    """One property; `NotFound`."""
    return (yield from ask(GetProperty(_property_id(property_id))))


def property_values(property_id: object, search_query: object) -> Operation[PropertyValues]:
    """Distinct values of a property, ascending; all of them, without a ``limit``.

    Raises:
        NotFound: There is no such property.
        QueryError: By key: unknown, or of another type; ``orderBy`` that is not "asc" or "desc".
    """
    chosen = _property_id(property_id)
    query = Document(
        "properties.values()", {} if search_query is None else search_query, VALUES_KEYS, QueryError
    )
    direction = query.choice("orderBy", ("asc", "desc"))
    contains = query.text("query") if query.get("query") not in (None, "") else None
    labels, where = read_selection(query)
    limit = query.count("limit", 0, 1) if "limit" in query else None
    selection = RecordQuery(labels, where, limit=limit, offset=query.count("skip", 0, 0))
    return (yield from ask(ListValues(chosen, selection, direction == "desc", contains)))


def delete_property(property_id: object) -> Operation[int]:
    """Take a property away from every record that has it; how many. An unknown one is none (trace 16).

    Raises:
        PolicyError: An index policy is on it.
    """
    return (yield from ask(DeleteProperty(_property_id(property_id))))


def describe(params: object) -> Operation[Description]:
    """What is in the store; ``force`` says nothing here, as nothing is kept from one time to the next.

    Raises:
        QueryError: By key: unknown, or of another type.
    """
    given = Document("get_schema()", {} if params is None else params, SCHEMA_KEYS, QueryError)
    given.flag("force", False)
    labels = (given.text("labels"),) if isinstance(given.get("labels"), str) else given.texts("labels")
    return (yield from ask(DescribeStore(labels)))


def _selection(what: str, search_query: object) -> RecordQuery:
    query = Document(what, {} if search_query is None else search_query, SELECTION_KEYS, QueryError)
    labels, where = read_selection(query)
    return RecordQuery(labels, where)


def _property_id(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise QueryError(
            f"property_id: expected the id of a property, a text, got {shown(given)}", key="property_id"
        )
    return given

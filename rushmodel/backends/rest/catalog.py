"""Labels, properties, their values and the schema over REST."""

from __future__ import annotations

from collections import Counter

from ...errors import CapabilityError, NotFound, PolicyError, ServerError
from ...port import (
    CountLabels,
    DeleteProperty,
    DescribeStore,
    Description,
    FindProperties,
    FindRecords,
    GetCoverage,
    GetProperty,
    ListValues,
    PropertyValues,
    Scalar,
    StoredProperty,
)
from ...wire.catalog import read_counts, read_properties, read_property, read_schema, read_values
from ...wire.routes import (
    COUNT_LABELS,
    DELETE_PROPERTY,
    FIND_PROPERTIES,
    GET_PROPERTY,
    GET_SCHEMA,
    LIST_VALUES,
)
from .asking import queries_for
from .calls import Exchange
from .conditions import Plain
from .paging import MOST
from .policies import get_coverage
from .reading import find_records
from .server import Server


def count_labels(server: Server, command: CountLabels) -> Exchange[dict[str, int]]:
    query = command.query.replaced(order=(), limit=None, offset=0)
    queries = yield from queries_for(server, query)
    if len(queries) == 1:
        answer = yield from server.ask(
            COUNT_LABELS, what="counting records by label", body=_selection(queries[0]), repeatable=True
        )
        return read_counts(answer.data)
    # What several queries find may overlap (R25): the records are told apart by their ids.
    records = yield from find_records(server, FindRecords(query))
    counts = Counter(each.label for each in records)
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def find_properties(server: Server, command: FindProperties) -> Exchange[list[StoredProperty]]:
    """RushDB gives the properties of all records, whatever labels and condition (trace 16)."""
    what, query = "finding properties", command.query
    narrowed = bool(query.labels or query.where)
    if narrowed and not (yield from server.extended()):
        if query.where:
            raise CapabilityError(
                f"{what}: where: a RushDB server gives the properties of all records, whatever the condition"
            )
        return (yield from _properties_of(server, query.labels))
    body = _selection(Plain(query.labels, dict(query.where)))
    answer = yield from server.ask(FIND_PROPERTIES, what=what, body=body, repeatable=True)
    return read_properties(answer.data)


def get_property(server: Server, command: GetProperty) -> Exchange[StoredProperty]:
    what = f"reading property {command.property_id}"
    answer = yield from server.ask(GET_PROPERTY, command.property_id, what=what, repeatable=True)
    return read_property(answer.data)


def list_values(server: Server, command: ListValues) -> Exchange[PropertyValues]:
    query, what = command.query, f"reading the values of property {command.property_id}"
    queries = yield from queries_for(server, query)
    if len(queries) > 1:
        raise CapabilityError(
            f"{what}: where: this takes {len(queries)} queries, since a RushDB server misreads a negation"
            " inside a list (R25): ask in several"
        )
    if not queries:
        found = yield from get_property(server, GetProperty(command.property_id))
        return PropertyValues(found.type, [])
    body = {**_selection(queries[0]), "orderBy": "desc" if command.descending else "asc"}
    if command.contains is not None:
        body["query"] = command.contains
    values: list[Scalar] = []
    first: PropertyValues | None = None
    while True:
        size = MOST if query.limit is None else min(MOST, query.limit - len(values))
        page_body = {**body, "limit": max(size, 1), "skip": query.offset + len(values)}
        answer = yield from server.ask(
            LIST_VALUES, command.property_id, what=what, body=page_body, repeatable=True
        )
        page = read_values(answer.data)
        if first is None:
            first = page
        elif page.values and page.values[:1] == first.values[:1]:
            raise ServerError(f"{what}: the server gave its first page again instead of the next one")
        values += page.values[:size]
        if len(page.values) < size or len(values) == query.limit:
            return first._replace(values=values)


def delete_property(server: Server, command: DeleteProperty) -> Exchange[int]:
    what = f"deleting property {command.property_id}"
    try:
        found = yield from get_property(server, GetProperty(command.property_id))
    except NotFound:
        return 0
    if found.type == "string":  # no policy is on what is not text (R2)
        for policy in (yield from server.policies(what)):
            if policy.signature.property == found.name:
                raise PolicyError(
                    f"the property {found.name!r} cannot be deleted: the index policy"
                    f" {policy.signature} is on it; delete the policy first, which drops its vectors",
                    property=found.name,
                    signature=policy.signature,
                )
    yield from server.ask(DELETE_PROPERTY, command.property_id, what=what, repeatable=True)
    return found.records


def describe_store(server: Server, command: DescribeStore) -> Exchange[Description]:
    """A server keeps the answer for an hour unless it is asked to look again."""
    what = "reading the schema"
    body = {"force": True, **({"labels": list(command.labels)} if command.labels else {})}
    answer = yield from server.ask(GET_SCHEMA, what=what, body=body, repeatable=True)
    policies = [
        policy
        for policy in (yield from server.policies(what))
        if not command.labels or policy.signature.label in command.labels
    ]
    coverages = yield from get_coverage(server, GetCoverage(tuple(policy.id for policy in policies)))
    return read_schema(answer.data, list(zip(policies, coverages, strict=True)))


def _properties_of(server: Server, labels: tuple[str, ...]) -> Exchange[list[StoredProperty]]:
    """The properties of some labels, added up out of the schema."""
    body = {"force": True, "labels": list(labels)}
    answer = yield from server.ask(GET_SCHEMA, what="finding properties", body=body, repeatable=True)
    totals: dict[str, StoredProperty] = {}
    for label in read_schema(answer.data, ()).labels:
        for each in label.properties:
            before = totals[each.id].records if each.id in totals else 0
            totals[each.id] = StoredProperty(each.id, each.name, each.type, before + each.records)
    return list(totals.values())


def _selection(plain: Plain) -> dict[str, object]:
    body: dict[str, object] = {"where": plain.where} if plain.where else {}
    return {**body, "labels": list(plain.labels)} if plain.labels else body

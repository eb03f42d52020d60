"""What the REST backend writes is read as it was meant, and whatever else comes is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rushmodel.port import (
    CreatePolicy,
    DeleteRecords,
    FindPage,
    GetRecords,
    ImportRecords,
    ImportRow,
    InlineVector,
    Order,
    PatchRecord,
    RecordQuery,
    SearchVectors,
    Signature,
    UpsertVectors,
)
from rushmodel.wire import bodies, routes
from rushmodel.wire.documents import signature_document
from rushmodel.wire.routes import PREFIX, Route

from .server import ROUTES, TOKEN, Server

COSINE = {"label": "A", "propertyName": "body", "external": True, "dimensions": 3}


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """One application for all examples."""
    opened = Server()
    opened.ask(routes.CREATE_POLICY, COSINE)
    yield opened
    opened.close()


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(
    lambda name: not name.startswith(("$", "__"))
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = TEXTS | NUMBERS | st.booleans() | st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, max_size=3)
DATA = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2**40), max_value=2**40)


def arrays(dims: int) -> st.SearchStrategy[Any]:
    numbers = st.lists(FLOATS, min_size=dims, max_size=dims)
    return numbers.map(lambda given: np.array([*given[:-1], 1.5], np.float32))


INLINE = st.builds(InlineVector, NAMES, arrays(3), st.sampled_from([None, "cosine", "euclidean"]), st.none())
REMOVALS = st.builds(
    InlineVector, NAMES, st.none(), st.sampled_from([None, "cosine"]), st.none() | st.integers(1, 4096)
)
MERGES = st.none() | st.lists(NAMES, max_size=2).map(tuple)
HYPOTHESIS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def same_vectors(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(
        (a.property, a.similarity, a.dims) == (b.property, b.similarity, b.dims)
        and (a.vector is b.vector is None or np.array_equal(a.vector, b.vector))
        for a, b in zip(one, other, strict=True)
    )


def same_data(one: Any, other: Any) -> bool:
    """Equal, and 1 is not True; -0.0 is 0 in JSON of integers only, so that floats are compared as such."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def post(server: Server, route: Route, body: Any, *ids: str) -> None:
    """What becomes of the command is of no account here: it may be refused."""
    response = server.send(route.method, PREFIX + route.at(*ids), body, x_rushmodel="1")
    assert response.status_code < 500, response.text


@HYPOTHESIS
@given(TEXTS.filter(bool), DATA, st.lists(INLINE | REMOVALS, max_size=2), MERGES, st.booleans())
def test_records_are_read_as_written(
    shared: Server, label: str, data: Any, vectors: Any, merge_by: Any, rewrite: bool
) -> None:
    body = bodies.record_body(label, data, vectors, merge_by=merge_by, rewrite=rewrite)
    post(shared, routes.CREATE_RECORD, body)
    command = shared.heard(ImportRecords)
    (row,) = command.rows
    assert (row.label, row.parent, row.texts) == (label, None, frozenset())
    assert same_data(row.data, data)
    assert same_vectors(row.vectors, vectors)
    assert (command.merge_by, command.rewrite) == (merge_by, rewrite and merge_by is not None)


@HYPOTHESIS
@given(TEXTS.filter(bool), st.lists(DATA, min_size=1, max_size=4), st.lists(INLINE, max_size=2), MERGES)
def test_imports_are_read_as_written(
    shared: Server, label: str, rows: Any, vectors: Any, merge_by: Any
) -> None:
    written = [{**row, "$vectors": bodies.inline_vectors(vectors)} for row in rows]
    post(shared, routes.IMPORT_JSON, bodies.import_body(label, written, merge_by=merge_by, relationship="R"))
    command = shared.heard(ImportRecords)
    assert (command.merge_by, command.relationship) == (merge_by, "R")
    for row, data in zip(command.rows, rows, strict=True):
        assert type(row) is ImportRow
        assert row.label == label
        assert same_data(row.data, data)
        assert same_vectors(row.vectors, vectors)


@HYPOTHESIS
@given(
    TEXTS.filter(bool),
    DATA | st.just({}),
    st.lists(INLINE | REMOVALS, max_size=2),
    st.booleans(),
    st.none() | st.integers(0, 2**40),
)
def test_changes_are_read_as_written(
    shared: Server, label: str, data: Any, vectors: Any, replace: bool, version: int | None
) -> None:
    route = routes.PUT_RECORD if replace else routes.PATCH_RECORD
    headers = {} if version is None else {"if_match": str(version)}
    path = PREFIX + route.at("some/id ü")
    shared.store.commands.clear()
    body = bodies.record_body(label, data, vectors)
    response = shared.send(route.method, path.replace("%2F", "-"), body, x_rushmodel="1", **headers)
    assert response.status_code == 404
    command = shared.heard(PatchRecord)
    assert (command.record_id, command.label, command.replace) == ("some-id ü", label, replace)
    assert (command.version, command.texts) == (version, frozenset())
    assert same_data(command.data, data)
    assert same_vectors(command.vectors, vectors)


ORDERS = st.lists(st.builds(Order, NAMES | st.just("$id"), st.booleans(), st.just(False)), max_size=3).map(
    tuple
)
LABELS = st.lists(TEXTS.filter(bool), max_size=3).map(tuple)
WHERES = st.dictionaries(NAMES, TEXTS | NUMBERS | st.fixed_dictionaries({"$gt": NUMBERS}), max_size=2)


def with_id(order: tuple[Order, ...]) -> tuple[Order, ...]:
    """The order as it is meant: the first of a name counts, and ids break ties."""
    kept: dict[str, Order] = {}
    for each in order:
        # The body does not say that texts are datetimes: the store looks.
        kept.setdefault(each.property, each._replace(moments=False if each.property == "$id" else None))
        if each.property == "$id":
            return tuple(kept.values())
    return (*kept.values(), Order("$id"))


@HYPOTHESIS
@given(LABELS, WHERES, ORDERS, st.integers(1, 1000), st.integers(0, 2**40))
def test_queries_are_read_as_written(
    shared: Server, labels: Any, where: Any, order: Any, limit: int, skip: int
) -> None:
    body = bodies.query_body(labels, where, order, limit=limit, skip=skip)
    post(shared, routes.FIND_RECORDS, body)
    assert shared.heard(FindPage).query == RecordQuery(labels, where, with_id(order), limit, skip)
    if labels or where:
        post(shared, routes.DELETE_RECORDS, {"labels": list(labels), "where": where})
        assert shared.heard(DeleteRecords).query == RecordQuery(labels, where)


@HYPOTHESIS
@given(
    TEXTS.filter(bool),
    NAMES,
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from(["external", "managed"]),
    arrays(4),
    WHERES,
    st.integers(0, 10_000),
    st.integers(0, 2**40),
)
def test_searches_are_read_as_written(
    shared: Server,
    label: str,
    name: str,
    similarity: Any,
    source: Any,
    vector: Any,
    where: Any,
    limit: int,
    skip: int,
) -> None:
    signature = Signature(label, name, source, similarity, 4)
    body = bodies.search_body(label, signature, vector, where, limit=limit, skip=skip)
    post(shared, routes.SEARCH_VECTORS, body)
    command = shared.heard(SearchVectors)
    assert command.query == RecordQuery((label,), where, limit=limit, offset=skip)
    assert (command.property, command.source, command.similarity) == (name, source, similarity)
    assert np.array_equal(command.vector, vector)


@HYPOTHESIS
@given(
    st.lists(st.tuples(TEXTS.filter(bool), arrays(3)), max_size=3), st.lists(TEXTS.filter(bool), max_size=3)
)
def test_vectors_are_read_as_written(shared: Server, pairs: Any, ids: Any) -> None:
    body = bodies.upsert_body([each for each, _ in pairs], [array for _, array in pairs])
    post(shared, routes.UPSERT_VECTORS, body, "an-id")
    command = shared.heard(UpsertVectors)
    assert (command.policy_id, command.record_ids) == ("an-id", tuple(each for each, _ in pairs))
    assert all(np.array_equal(a, b) for a, (_, b) in zip(command.vectors, pairs, strict=True))
    signature = Signature("A", "body", "external", "cosine", 3)
    post(shared, routes.GET_VECTORS, {"ids": ids, "policies": [signature_document(signature)]})
    assert shared.heard(GetRecords) == GetRecords(tuple(dict.fromkeys(ids)), vectors=(signature,))


@HYPOTHESIS
@given(
    TEXTS.filter(bool),
    NAMES,
    st.sampled_from(["cosine", "euclidean"]),
    st.integers(1, 4096),
)
def test_policies_are_read_as_written(
    shared: Server, label: str, name: str, similarity: Any, dims: int
) -> None:
    signature = Signature(label, name, "external", similarity, dims)
    post(shared, routes.CREATE_POLICY, signature_document(signature))
    assert shared.heard(CreatePolicy).signature == signature


# -- whatever comes

WORDS = (
    "label labels data vectors options where orderBy limit skip select groupBy items recordId vector"
    " queryVector query propertyName sourceType similarityFunction dimensions external properties name type"
    " value valueSeparator format ids policies suggestTypes mergeBy mergeStrategy returnResult"
    " skipEmptyValues capitalizeLabels relationshipType $vectors $in $nin $gt $not $and $or $exists $type "
    "$id __id __label A body cosine euclidean external managed asc desc append rewrite jsonl string number"
).split()
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "A", "body", "cosine", "external", "asc", "x" * 101, "2024-01-01", "a\0b"])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
WRITTEN = [each for each in ROUTES if each.method in ("POST", "PUT", "PATCH")]


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(WRITTEN), st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=6), st.booleans())
@example(routes.FIND_RECORDS, {"orderBy": {"": "asc"}}, False)
@example(routes.FIND_RECORDS, {"skip": 2**63}, False)
@example(routes.CREATE_RECORD, {"label": "A\0", "data": {"a": 1}}, False)
@example(routes.IMPORT_JSON, {"label": "A", "data": {"a": 1}, "options": {"relationshipType": "\0"}}, False)
def test_whatever_comes_is_answered(
    shared: Server, route: Route, body: dict[str, Any], extended: bool
) -> None:
    """Never a 5xx, and never an answer of another shape."""
    policy = shared.ask(routes.LIST_POLICIES)[0]["id"]
    path = PREFIX + route.path.replace("{id}", policy if "indexes" in route.path else "x")
    headers = {"x_rushmodel": "1"} if extended else {}
    response = shared.send(route.method, path, json.dumps(body).encode(), **headers)
    document = response.json()
    assert response.status_code < 500, document
    if response.status_code < 300:
        assert document["success"] is True
    else:
        assert document["statusCode"] == response.status_code
        assert TOKEN not in response.text

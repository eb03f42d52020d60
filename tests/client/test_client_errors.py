"""What is wrong with a call is said by its key, with what was given, and nothing has changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushmodel import (
    NotFound,
    NotSaved,
    PolicyError,
    PropertyError,
    QueryError,
    Record,
    RushDB,
    RushModelError,
    VectorError,
)

Call = Callable[[Any], Any]  # what is wrong is wrong for type checkers, too

SEARCH: dict[str, Any] = {"labels": ["A"], "propertyName": "body", "queryVector": [1, 0]}
INDEX: dict[str, Any] = {"label": "A", "propertyName": "p", "external": True, "dimensions": 2}
NAIVE = dt.datetime(2024, 1, 1)


def create(data: Any, **more: Any) -> Call:
    return lambda db: db.records.create("N", data, **more)


def find(**query: Any) -> Call:
    return lambda db: db.records.find(query)


def search(**changed: Any) -> Call:
    return lambda db: db.ai.search({**SEARCH, **changed})


def index(**changed: Any) -> Call:
    return lambda db: db.ai.indexes.create({**INDEX, **changed})


def inline(**entry: Any) -> Call:
    return create({"body": "b"}, vectors=[{"propertyName": "body", "vector": [1, 0], **entry}])


def attach(**options: Any) -> Call:
    return lambda db: db.records.attach("nobody", ["no one"], options)


def join(source: Any, target: Any, **more: Any) -> Call:
    return lambda db: db.relationships.create_many(source=source, target=target, **more)


# What is called, the error and its status, and words that its message must have.
WRONG: dict[str, tuple[Call, type[RushModelError], int, str]] = {
    # labels, data and values
    "label empty": (lambda db: db.records.create("", {"n": 1}), QueryError, 400, r"create\(\): label: .*''"),
    "label int": (lambda db: db.records.create(5, {"n": 1}), QueryError, 400, "label: .*5"),
    "label missing": (lambda db: db.records.upsert({"n": 1}), QueryError, 400, r"upsert\(\): label: .*None"),
    "many label": (lambda db: db.records.create_many("", [{"n": 1}]), QueryError, 400, "create_many.*label"),
    "data list": (create([1]), PropertyError, 422, "data: expected a dict of properties, got list"),
    "data none": (create(None), PropertyError, 422, "data: expected a dict"),
    "data empty": (create({}), PropertyError, 422, "data: expected at least one property"),
    "data nothing": (create({"n": None}), PropertyError, 422, "data: expected at least one property"),
    "nested": (create({"m": {"a": 1}}), PropertyError, 422, r"data\['m'\]: .*got dict; .*import_json"),
    "list of objects": (create({"m": [{"a": 1}]}), PropertyError, 422, r"\['m'\]: .*dict at position 0"),
    "list of lists": (create({"m": [[1]]}), PropertyError, 422, r"\['m'\]: .*list at position 0"),
    "list with none": (create({"m": [1, None]}), PropertyError, 422, r"\['m'\]: .*None at position 1"),
    "mixed list": (
        create({"m": [1, "a"]}),
        PropertyError,
        422,
        r"\['m'\]: .*one kind, got numbers and texts",
    ),
    "mixed flags": (create({"m": [1, True]}), PropertyError, 422, r"\['m'\]: .*booleans and numbers"),
    "bytes": (create({"m": b"x"}), PropertyError, 422, r"\['m'\]: .*got bytes"),
    "array": (create({"m": np.zeros(3)}), PropertyError, 422, r"\['m'\]: .*got ndarray"),
    "nan": (create({"m": float("nan")}), PropertyError, 422, r"\['m'\]: .*finite number, got nan"),
    "large": (create({"m": 2**53 + 1}), PropertyError, 422, r"\['m'\]: .*2\*\*53"),
    "naive": (create({"at": NAIVE}), PropertyError, 422, r"\['at'\]: .*no time zone; give it one$"),
    "surrogate": (create({"m": "a\ud800"}), PropertyError, 422, r"\['m'\]: .*surrogate"),
    "name $": (create({"$gt": 1}), PropertyError, 422, r"\['\$gt'\]: names that begin with"),
    "name __": (create({"__id": "x"}), PropertyError, 422, r"\['__id'\]: names that begin with"),
    "name empty": (create({"": 1}), PropertyError, 422, "cannot be empty"),
    "name long": (create({"k" * 101: 1}), PropertyError, 422, "100 characters"),
    "name int": (create({5: 1}), PropertyError, 422, "name is text, not 5"),
    "row": (
        lambda db: db.records.create_many("N", [{"n": 1}, {"n": {}}]),
        PropertyError,
        422,
        r"data\[1\]\['n'\]",
    ),
    "row empty": (lambda db: db.records.create_many("N", [{"n": 1}, {}]), PropertyError, 422, r"data\[1\]"),
    "row text": (lambda db: db.records.create_many("N", ["x"]), PropertyError, 422, r"data\[0\]: .*'x'"),
    "rows dict": (lambda db: db.records.create_many("N", {"n": 1}), QueryError, 400, "data: .*list of dicts"),
    "rows $vectors": (
        lambda db: db.records.create_many("N", [{"n": 1, "$vectors": []}]),
        PropertyError,
        422,
        r"\$vectors",
    ),
    "tree value": (
        lambda db: db.records.import_json({"a": [{"b": 1}]}, "N"),
        PropertyError,
        422,
        r"data: expected at least one",
    ),
    "tree path": (
        lambda db: db.records.import_json({"n": 1, "a": [{"b": 1}, {"n": 1, "c": {"d": b"x"}}]}, "N"),
        PropertyError,
        422,
        r"data\.a\[1\]\.c\['d'\]: .*bytes",
    ),
    "tree mixed": (
        lambda db: db.records.import_json({"n": 1, "a": [{"b": 1}, 2]}, "N"),
        PropertyError,
        422,
        r"data\.a\[1\]: .*2",
    ),
    "tree rows": (lambda db: db.records.import_json([1], "N"), PropertyError, 422, r"data\[0\]: .*got 1"),
    "tree operator": (
        lambda db: db.records.import_json({"n": 1, "$and": [{"a": 1}]}, "N"),
        PropertyError,
        422,
        r"data: the key of an object is its label, .*got '\$and'",
    ),
    "tree text": (lambda db: db.records.import_json("[]", "N"), QueryError, 400, "data: .*a dict or a list"),
    "tree label": (
        lambda db: db.records.import_json({"n": 1, "": {"a": 1}}, "N"),
        PropertyError,
        422,
        "label",
    ),
    "update value": (lambda db: db.records.update("x", {"n": {}}), PropertyError, 422, r"data\['n'\]"),
    "set label": (lambda db: db.records.set("x", {"n": 1}, ""), QueryError, 400, r"set\(\): label"),
    # options
    "option unknown": (
        create({"n": 1}, options={"mergeby": ["n"]}),
        QueryError,
        400,
        "unknown key 'mergeby'; .*mergeBy",
    ),
    "option elsewhere": (
        create({"n": 1}, options={"relationshipType": "X"}),
        QueryError,
        400,
        "relationshipType",
    ),
    "options list": (
        create({"n": 1}, options=["mergeBy"]),
        QueryError,
        400,
        r"create\(\) options takes a dict",
    ),
    "mergeBy text": (
        create({"n": 1}, options={"mergeBy": "n"}),
        QueryError,
        400,
        "mergeBy: .*list of texts, got 'n'",
    ),
    "mergeBy int": (create({"n": 1}, options={"mergeBy": [5]}), QueryError, 400, "mergeBy: .*got 5"),
    "mergeStrategy": (
        create({"n": 1}, options={"mergeStrategy": "x"}),
        QueryError,
        400,
        "mergeStrategy: .*'append'",
    ),
    "suggestTypes": (
        create({"n": 1}, options={"suggestTypes": "no"}),
        QueryError,
        400,
        "suggestTypes: .*got 'no'",
    ),
    "skipEmptyValues": (
        create({"n": 1}, options={"skipEmptyValues": 1}),
        QueryError,
        400,
        "skipEmptyValues: .*got 1",
    ),
    "relationshipType": (
        lambda db: db.records.import_json([{"n": 1}], "N", {"relationshipType": 5}),
        QueryError,
        400,
        "relationshipType",
    ),
    # vectors
    "vectors dict": (
        create({"n": 1}, vectors={"propertyName": "n"}),
        VectorError,
        422,
        "vectors: expected a list",
    ),
    "vectors text": (create({"n": 1}, vectors=["x"]), VectorError, 422, r"vectors\[0\] takes a dict"),
    "vector name": (inline(propertyName=5), VectorError, 422, r"vectors\[0\]: propertyName: .*got 5"),
    "vector similarity": (
        inline(similarityFunction="dot"),
        VectorError,
        422,
        "similarityFunction: .*'cosine'.*'dot'",
    ),
    "vector key": (inline(similarity="cosine"), VectorError, 422, r"vectors\[0\]: unknown key 'similarity'"),
    "vector missing": (inline(vector=None), VectorError, 422, r"vectors\[0\]\.vector: .*NoneType"),
    "vector text": (inline(vector="abc"), VectorError, 422, r"vectors\[0\]\.vector: .*str"),
    "vector strings": (inline(vector=[1, "0"]), VectorError, 422, "str at position 1"),
    "vector flags": (inline(vector=[1, True]), VectorError, 422, "bool at position 1"),
    "vector nan": (inline(vector=[1, float("nan")]), VectorError, 422, "nan at position 1"),
    "vector zero": (inline(vector=[0, 0], similarityFunction="cosine"), VectorError, 422, "norm"),
    "vector flat": (inline(vector=[[1, 0]]), VectorError, 422, r"vectors\[0\]\.vector"),
    "row vectors": (
        lambda db: db.records.create_many(
            "N", [{"n": 1}], vectors=[[{"propertyName": "n", "vector": [1, None]}]]
        ),
        VectorError,
        422,
        r"vectors\[0\]\[0\]\.vector",
    ),
    "rows vectors": (
        lambda db: db.records.create_many("N", [{"n": 1}], vectors={}),
        QueryError,
        400,
        "vectors: .*one item a row",
    ),
    "tree vectors": (
        lambda db: db.records.import_json({"n": 1, "a": {"b": 1, "$vectors": {}}}, "N"),
        VectorError,
        422,
        r"data\.a\.\$vectors: expected a list",
    ),
    # queries
    "query list": (lambda db: db.records.find([]), QueryError, 400, "the search query takes a dict"),
    "query key": (find(limt=5), QueryError, 400, "unknown key 'limt'; .*limit"),
    "limit 0": (find(limit=0), QueryError, 400, "limit: .*1 to 1000, got 0"),
    "limit 1001": (find(limit=1001), QueryError, 400, "limit: .*got 1001"),
    "limit text": (find(limit="2"), QueryError, 400, "limit: .*got '2'"),
    "limit float": (find(limit=1.5), QueryError, 400, "limit: .*got 1.5"),
    "limit flag": (find(limit=True), QueryError, 400, "limit: .*got True"),
    "skip": (find(skip=-1), QueryError, 400, "skip: .*from 0 up, got -1"),
    "labels": (find(labels=[1]), QueryError, 400, "labels: .*got 1"),
    "labels empty": (find(labels=[""]), QueryError, 400, "labels: .*got ''"),
    "labels dict": (find(labels={"a": 1}), QueryError, 400, "labels: .*got dict"),
    "where list": (find(where=[{"n": 1}]), QueryError, 400, "where: expected a dict, got list"),
    "where operator": (find(where={"n": {"$foo": 1}}), QueryError, 400, r"\$foo"),
    "orderBy text": (find(orderBy="up"), QueryError, 400, "orderBy: .*got 'up'"),
    "orderBy direction": (find(orderBy={"n": 1}), QueryError, 400, "orderBy: .*got 1"),
    "orderBy name": (find(orderBy={"$n": "asc"}), QueryError, 400, r"orderBy: .*got '\$n'"),
    "select": (find(select=["n"]), QueryError, 400, "select"),
    "groupBy": (find(groupBy=["n"]), QueryError, 400, "select"),
    "aggregate": (find(aggregate={"n": {"fn": "count"}}), QueryError, 400, "select"),
    "related": (lambda db: db.records.find({}, {"name": "no id"}), QueryError, 400, "target"),
    "attach type": (attach(type="HAS SPACE"), QueryError, 400, "type"),
    "attach direction": (attach(direction="both"), QueryError, 400, "direction"),
    "attach key": (attach(kind="T"), QueryError, 400, "kind"),
    "attach reserved": (attach(properties={"type": 1}), PropertyError, 422, "'type' is a reserved"),
    "attach nested": (attach(properties={"o": {"a": 1}}), PropertyError, 422, "'o'"),
    "attach unknown": (attach(), NotFound, 404, "no record with id"),
    "detach types": (
        lambda db: db.records.detach("x", "y", {"typeOrTypes": [1]}),
        QueryError,
        400,
        "typeOrTypes",
    ),
    "join without keys": (join({"label": "A"}, {"label": "B"}), QueryError, 400, "source.key and target.key"),
    "join without where": (
        join({"label": "A"}, {"label": "B"}, many_to_many=True),
        QueryError,
        400,
        "source: expected with manyToMany",
    ),
    "relationship where": (
        lambda db: db.relationships.find({"where": {"type": 3}}),
        QueryError,
        400,
        "as type",
    ),
    "delete limit": (lambda db: db.records.delete({"labels": ["N"], "limit": 5}), QueryError, 400, "limit"),
    "delete operator": (
        lambda db: db.records.delete({"where": {"n": {"$foo": 1}}}),
        QueryError,
        400,
        r"\$foo",
    ),
    # targets
    "target": (lambda db: db.records.find_by_id(5), QueryError, 400, "target: .*got 5"),
    "target dict": (
        lambda db: db.records.update({"id": "x"}, {"n": 1}),
        QueryError,
        400,
        "a dict without __id",
    ),
    "target in list": (
        lambda db: db.records.delete_by_id(["x", None]),
        QueryError,
        400,
        "target: .*got None",
    ),
    "target empty": (lambda db: db.records.delete_by_id(""), QueryError, 400, "target: .*got ''"),
    "target bare": (lambda db: db.records.update(Record(db, {"n": 1}), {"n": 2}), NotSaved, 409, "no __id"),
    "update unknown": (lambda db: db.records.update("nobody", {"n": 1}), NotFound, 404, "nobody"),
    "set unknown": (lambda db: db.records.set("nobody", {"n": 1}), NotFound, 404, "nobody"),
    "find unknown": (lambda db: db.records.find_by_id("nobody"), NotFound, 404, "nobody"),
    # searches
    "search list": (lambda db: db.records.vector_search([]), QueryError, 400, r"search\(\) takes a dict"),
    "search key": (search(vector=[1, 0]), QueryError, 400, "unknown key 'vector'; .*queryVector"),
    "search labels": (search(labels=None), QueryError, 400, "labels: .*got None"),
    "search property": (search(propertyName=None), QueryError, 400, "propertyName: .*got None"),
    "search source": (
        search(sourceType="mine"),
        QueryError,
        400,
        "sourceType: .*'external' or 'managed'.*'mine'",
    ),
    "search similarity": (search(similarityFunction="dot"), QueryError, 400, "similarityFunction: .*'dot'"),
    "search limit": (search(limit="3"), QueryError, 400, "limit: .*got '3'"),
    "search vector": (search(queryVector=[1, "a"]), VectorError, 422, "queryVector: .*str at position 1"),
    "search text": (search(queryVector="words"), VectorError, 422, "queryVector: .*str"),
    "search zero": (search(queryVector=[0, 0]), VectorError, 422, "norm"),
    "search dimensions": (search(dimensions=3), VectorError, 422, "queryVector: expected 3 numbers, got 2"),
    "search where": (search(where={"n": {"$foo": 1}}), QueryError, 400, r"\$foo"),
    # policies
    "index list": (lambda db: db.ai.indexes.create([]), PolicyError, 400, r"indexes.create\(\) takes a dict"),
    "index label": (index(label=None), PolicyError, 400, "label: .*got None"),
    "index bad label": (index(label="My Label"), PolicyError, 400, "label"),
    "index property": (index(propertyName=5), PolicyError, 400, "propertyName: .*got 5"),
    "index key": (
        index(similarity="euclidean"),
        PolicyError,
        400,
        "unknown key 'similarity'; .*similarityFunction",
    ),
    "index similarity": (index(similarityFunction="dot"), PolicyError, 400, "similarityFunction: .*'dot'"),
    "index source": (index(sourceType="foo"), PolicyError, 400, "sourceType: .*'foo'"),
    "index external": (index(external="yes"), PolicyError, 400, "external: .*'yes'"),
    "index no dimensions": (index(dimensions=None), PolicyError, 422, "dimensions: .*got None"),
    "index dimensions 0": (index(dimensions=0), PolicyError, 400, "dimensions: .*1 to 4096, got 0"),
    "index dimensions 4097": (index(dimensions=4097), PolicyError, 400, "dimensions: .*got 4097"),
    "index dimensions float": (index(dimensions=1.5), PolicyError, 400, "dimensions: .*got 1.5"),
    "index dimensions flag": (index(dimensions=True), PolicyError, 400, "dimensions: .*got True"),
    "index id": (lambda db: db.ai.indexes.stats(5), PolicyError, 400, "index_id: .*got 5"),
    "items missing": (
        lambda db: db.ai.indexes.upsert_vectors("x", {}),
        VectorError,
        422,
        "items: .*got nothing",
    ),
    "items dict": (
        lambda db: db.ai.indexes.upsert_vectors("x", {"items": {}}),
        VectorError,
        422,
        "items: .*got dict",
    ),
    "item": (
        lambda db: db.ai.indexes.upsert_vectors("x", {"items": [1]}),
        VectorError,
        422,
        r"items\[0\] takes a dict",
    ),
}


@pytest.fixture(scope="module")
def shared() -> Any:
    with RushDB("memory://") as client:
        client.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})
        client.records.create("A", {"body": "b"}, vectors=[{"propertyName": "body", "vector": [1, 0]}])
        yield client


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(shared: RushDB, case: str) -> None:
    def contents() -> Any:
        return [record.data for record in shared.records.find()], shared.ai.indexes.find().data

    call, error, status, message = WRONG[case]
    before = contents()
    with pytest.raises(error, match=message) as refused:
        call(shared)
    assert refused.value.status == status
    assert contents() == before


def test_a_vector_is_never_shown(shared: RushDB) -> None:
    vector = [0.123456789] * 7 + [float("inf")]
    calls: list[Call] = [
        search(queryVector=vector),
        inline(vector=vector),
        inline(vector=vector[:7]),
        search(queryVector=vector[:7]),
        lambda db: db.ai.indexes.upsert_vectors("x", {"items": [{"recordId": "x", "vector": vector}]}),
        lambda db: db.ai.indexes.upsert_vectors("x", {"items": {"vector": vector}}),
        lambda db: db.records.find({"where": [vector]}),
    ]
    for call in calls:
        with pytest.raises(RushModelError) as refused:
            call(shared)
        assert "0.123456789" not in str(refused.value)
        assert len(str(refused.value)) < 300


def test_long_text_is_cut(shared: RushDB) -> None:
    with pytest.raises(QueryError) as refused:
        shared.records.find({"orderBy": "x" * 10_000})
    assert len(str(refused.value)) < 200

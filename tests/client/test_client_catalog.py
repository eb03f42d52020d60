"""``db.labels``, ``db.properties`` and the schema for language models, under the names of RushDB's SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rushmodel import NotFound, PolicyError, QueryError, RushDB
from tests.serve.replay import exchanges


@pytest.fixture
def db(db: RushDB) -> RushDB:
    (seed,) = [each for each in exchanges("16_labels_properties") if each.key[1] == "seed"]
    db.records.import_json(seed.body["data"], label=seed.body["label"], options=seed.body["options"])
    return db


def recorded(name: str) -> Any:
    (found,) = [each for each in exchanges("16_labels_properties") if each.key[1] == name]
    return found.answer["data"]


def without_ids(value: Any) -> Any:
    """Ids are each store's own; properties of a label come in any order."""
    if isinstance(value, dict):
        return {name: without_ids(each) for name, each in value.items() if name != "id"}
    if isinstance(value, list):
        return sorted(map(without_ids, value), key=repr)
    return value


def ids(db: RushDB) -> dict[tuple[str, str], str]:
    return {(each["name"], each["type"]): each["id"] for each in db.properties.find()["data"]}


def test_labels(db: RushDB) -> None:
    assert db.labels.find() == {"data": {"P": 4, "Q": 4}, "success": True}
    assert db.labels.find({"where": {"n": {"$lt": 2}}})["data"] == recorded("labels where")
    assert db.labels.find({"labels": ["Q"]})["data"] == {"Q": 4}
    assert db.labels.find({"where": {"n": 99}})["data"] == {}


def test_properties(db: RushDB) -> None:
    found = db.properties.find()
    assert found["success"] is True
    assert without_ids(found["data"]) == without_ids(recorded("properties {}"))
    names = [each["name"] for each in db.properties.find({"labels": ["Q"]})["data"]]
    assert names == ["n"]
    chosen = ids(db)["n", "number"]
    assert db.properties.find_by_id(chosen)["data"] == {
        "id": chosen,
        **without_ids(recorded("property by id")),
    }


@pytest.mark.parametrize(
    ("name", "kind", "query", "exchange"),
    [
        ("n", "number", None, "values n:number"),
        ("when", "datetime", {}, "values when:datetime"),
        ("tags", "string", {}, "values tags:string"),
        ("s", "string", {"orderBy": "desc", "limit": 1}, "values sorted limit"),
        ("s", "string", {"query": "1"}, "values query"),
    ],
)
def test_values(db: RushDB, name: str, kind: str, query: Any, exchange: str) -> None:
    assert db.properties.values(ids(db)[name, kind], query)["data"] == recorded(exchange)


def test_a_deleted_property_is_gone_everywhere(db: RushDB) -> None:
    chosen = ids(db)["n", "string"]
    assert db.properties.delete(chosen)["data"]["message"] == "The property was deleted; 4 records had it"
    assert db.properties.delete(chosen)["data"]["message"] == "The property was deleted; 0 records had it"
    assert ("n", "string") not in ids(db)
    assert ("n", "number") in ids(db)
    assert [record.data for record in db.records.find({"labels": ["Q"]})] != []
    assert all("n" not in record.data for record in db.records.find({"labels": ["Q"]}))
    with pytest.raises(NotFound, match=chosen):
        db.properties.find_by_id(chosen)


def test_a_policy_keeps_its_property(db: RushDB) -> None:
    index = {"label": "P", "propertyName": "s", "sourceType": "external", "dimensions": 2}
    made = db.ai.indexes.create(index).data
    with pytest.raises(PolicyError, match="delete the policy first"):
        db.properties.delete(ids(db)["s", "string"])
    (entry,) = [each for each in db.ai.get_schema().data if each["label"] == "P"]
    (held,) = [each for each in entry["properties"] if each["name"] == "s"]
    (found,) = held["vectorIndexes"]
    assert (found["id"], found["dimensions"], found["status"]) == (made["id"], 2, "awaiting_vectors")
    assert "| external cosine 2d [awaiting_vectors] |" in db.ai.get_schema_markdown().data


def test_the_schema_is_the_recorded_one(db: RushDB) -> None:
    # The server kept its answer from before a property was deleted, so this is what it told of all.
    assert without_ids(db.ai.get_schema({"force": True}).data) == without_ids(recorded("ai schema"))
    lines, theirs = db.ai.get_schema_markdown().data.splitlines(), recorded("ai schema md").splitlines()
    assert sorted(lines) == sorted(theirs)
    kept = [line for line in lines if not line.startswith("| `s`")]
    assert kept == [line for line in theirs if not line.startswith("| `s`")]


def test_the_schema_of_some_labels(db: RushDB) -> None:
    assert [each["label"] for each in db.ai.get_schema({"labels": ["Q"]}).data] == ["Q"]
    assert db.ai.get_schema({"labels": ["Nobody"]}).data == []
    assert "`P` (" not in db.ai.get_schema_markdown({"labels": ["Q"]}).data


def test_names_are_escaped_in_markdown(db: RushDB) -> None:
    db.records.create("Odd", {"a|b`c": "x|y\nz" + "w" * 100, "many": [f"v{number}" for number in range(9)]})
    text = db.ai.get_schema_markdown({"labels": ["Odd"]}).data
    assert "| `a\\|b\\`c` | string | `x\\|y z" + "w" * 43 + "\u2026` | \u2014 |" in text.splitlines()
    assert "| `many` | string[] | `v0`, `v1`, `v2`, `v3`, `v4` (+4 more) | \u2014 |" in text.splitlines()


def test_from_an_event_loop(db: RushDB) -> None:
    chosen = ids(db)["n", "number"]

    async def ask() -> None:
        assert await db.aio.labels.find() == db.labels.find()
        assert await db.aio.properties.find() == db.properties.find()
        assert await db.aio.properties.find_by_id(chosen) == db.properties.find_by_id(chosen)
        assert await db.aio.properties.values(chosen, {"limit": 2}) == db.properties.values(
            chosen, {"limit": 2}
        )
        assert await db.aio.ai.get_schema() == db.ai.get_schema()
        assert await db.aio.ai.get_schema_markdown() == db.ai.get_schema_markdown()
        assert (await db.aio.properties.delete(chosen))["success"] is True

    asyncio.run(ask())
    assert ("n", "number") not in ids(db)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda db: db.labels.find({"limit": 3}), "limit"),
        (lambda db: db.labels.find({"where": []}), "where"),
        (lambda db: db.labels.find({"labels": [""]}), "labels"),
        (lambda db: db.properties.find({"skip": 1}), "skip"),
        (lambda db: db.properties.find_by_id(""), "property_id"),
        (lambda db: db.properties.delete(None), "property_id"),
        (lambda db: db.properties.values("id", {"orderBy": {"n": "asc"}}), "orderBy"),
        (lambda db: db.properties.values("id", {"limit": 0}), "limit"),
        (lambda db: db.properties.values("id", {"query": 5}), "query"),
        (lambda db: db.ai.get_schema({"labels": 5}), "labels"),
        (lambda db: db.ai.get_schema({"depth": 2}), "depth"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(db: RushDB, call: Any, key: str) -> None:
    with pytest.raises(QueryError, match=key):
        call(db)


def test_a_transaction_sees_its_own_writes(db: RushDB) -> None:
    chosen = ids(db)["n", "string"]
    tx = db.tx.begin()
    db.records.create("New", {"n": "text"}, transaction=tx)
    assert db.labels.find(transaction=tx)["data"] == {"P": 4, "Q": 4, "New": 1}
    assert db.properties.find_by_id(chosen, transaction=tx)["data"]["recordsCount"] == 5
    assert db.properties.values(chosen, transaction=tx)["data"]["values"] == ["str", "text"]
    assert [each["label"] for each in db.ai.get_schema({"labels": ["New"]}, transaction=tx).data] == ["New"]
    db.properties.delete(chosen, transaction=tx)
    assert len(db.properties.find(transaction=tx)["data"]) == 4
    tx.rollback()
    assert db.labels.find()["data"] == {"P": 4, "Q": 4}
    assert ids(db)["n", "string"] == chosen

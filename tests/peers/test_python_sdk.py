"""The official Python SDK (PyPI ``rushdb``, REST mode) against `rushmodel serve` in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
import rushdb  # type: ignore[import-untyped]
from rushdb.common import NonUniqueResultError, RushDBError  # type: ignore[import-untyped]

from rushmodel.wire.routes import PREFIX
from tests.serve.process import Process

POLICY = {"label": "Doc", "propertyName": "content", "sourceType": "external", "dimensions": 3}
SEARCH = {"labels": ["Doc"], "propertyName": "content", "sourceType": "external"}
AXES = {"Alpha": [1, 0, 0], "Beta": [0, 1, 0], "Gamma": [0, 0, 1]}
WORDS = ["First article", "Second article", "Third article"]


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with Process("memory://") as process:
        yield process


@pytest.fixture
def db(server: Process) -> Any:
    server.clear()
    return rushdb.RushDB(server.token, url=server.url)


@pytest.fixture
def refused(db: Any) -> Any:
    """Status and message of what a call is refused with."""

    def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int | None, str]:
        with pytest.raises(RushDBError) as caught:
            call(*arguments, **named)
        error = caught.value
        assert error.details["statusCode"] == error.status
        assert error.details["message"] == str(error)
        return error.status, str(error)

    return refusal


def near(db: Any, vector: Sequence[float], **more: Any) -> list[tuple[str, float]]:
    found = db.records.vector_search({**SEARCH, "queryVector": vector, **more})
    return [(hit["title"], round(hit.score, 6)) for hit in found]


def fill(db: Any) -> list[Any]:
    """The three documents of the guide, each with its vector; they are answered as they were given."""
    made = db.records.create_many(
        "Doc",
        [{"title": title, "content": words} for title, words in zip(AXES, WORDS, strict=True)],
        vectors=[[{"propertyName": "content", "vector": axis}] for axis in AXES.values()],
    )
    assert [record["title"] for record in made] == list(AXES)
    return list(made)


def test_it_is_the_release_that_is_meant() -> None:
    assert version("rushdb") == "3.0.0"


# -- the guide, "Bring Your Own Vectors": tests/client has it for rushmodel, line by line


def test_the_worked_example_of_the_guide(db: Any) -> None:
    idx_response = db.ai.indexes.create(
        {
            "label": "Doc",
            "propertyName": "content",
            "sourceType": "external",
            "dimensions": 3,
            "similarityFunction": "cosine",
        }
    )
    ext_index_id = idx_response.data["id"]
    assert idx_response.data["status"] == "awaiting_vectors"

    articles: list[dict[str, Any]] = [
        {"title": "Alpha", "content": "First article", "vector": [1, 0, 0]},
        {"title": "Beta", "content": "Second article", "vector": [0, 1, 0]},
        {"title": "Gamma", "content": "Third article", "vector": [0, 0, 1]},
    ]
    for article in articles:
        db.records.create(
            label="Doc",
            data={"title": article["title"], "content": article["content"]},
            vectors=[{"propertyName": "content", "vector": article["vector"]}],
        )

    with pytest.warns(DeprecationWarning, match="vector_search"):
        results = db.ai.search(
            {"labels": ["Doc"], "propertyName": "content", "queryVector": [1, 0, 0], "limit": 3}
        )
    assert results.data[0]["title"] == "Alpha"
    assert results.data[0].score == pytest.approx(1.0)
    assert [hit.score for hit in results.data[1:]] == pytest.approx([0.5, 0.5])
    (policy,) = db.ai.indexes.find().data
    assert (policy["id"], policy["status"]) == (ext_index_id, "ready")


def test_the_guide_fetches_embeds_and_upserts(db: Any) -> None:
    index = db.ai.indexes.create({**POLICY, "dimensions": 768})
    db.records.create_many("Doc", [{"title": f"t{number}", "content": "c"} for number in range(7)])
    records_response = db.records.find({"where": {"__label": "Doc"}})
    assert (len(records_response), records_response.total) == (7, 7)

    axes = np.eye(768)
    items = [
        {"recordId": record["__id"], "vector": axes[int(record["title"][1:])].tolist()}
        for record in records_response.data
    ]
    for _ in range(2):  # "The request is idempotent"
        assert db.ai.indexes.upsert_vectors(index.data["id"], {"items": items}).data == {
            "updated": 7,
            "requested": 7,
        }
    assert db.ai.indexes.stats(index.data["id"]).data == {"totalRecords": 7, "indexedRecords": 7}
    assert near(db, axes[3].tolist(), limit=1) == [("t3", 1.0)]


def test_the_guide_imports_in_one_go(db: Any) -> None:
    db.ai.indexes.create(POLICY)
    fill(db)
    for title, axis in AXES.items():
        assert near(db, axis, limit=1) == [(title, 1.0)]


def test_the_guide_imports_nested_json(db: Any) -> None:
    index = db.ai.indexes.create(POLICY)
    shelf = {
        "name": "Shelf",
        "Doc": [
            {
                "title": "one",
                "content": "First",
                "$vectors": [{"propertyName": "content", "vector": [1, 0, 0]}],
            },
            {"title": "two", "content": "Second", "Note": {"text": "n"}},
        ],
    }
    made = db.records.import_json({"Box": shelf})
    assert sorted(record.label for record in made) == ["Box", "Doc", "Doc", "Note"]
    two = next(record for record in made if record.get("title") == "two")
    item = {"recordId": two.id, "vector": [0, 1, 0]}
    db.ai.indexes.upsert_vectors(index.data["id"], {"items": [item]})
    assert near(db, [0, 1, 0]) == [("two", 1.0), ("one", 0.5)]
    assert db.records.find({"labels": ["Note"]})[0].fields == {"text": "n"}


def test_the_guide_tells_two_similarities_apart(db: Any, refused: Any) -> None:
    for similarity in ("cosine", "euclidean"):
        db.ai.indexes.create({**POLICY, "similarityFunction": similarity})
    vector = {"propertyName": "content", "vector": [0, 2, 0]}
    for number, similarity in enumerate(("cosine", "euclidean")):
        named = {**vector, "similarityFunction": similarity}
        db.records.create("Doc", {"title": similarity, "content": str(number)}, vectors=[named])
    status, message = refused(db.records.create, "Doc", {"title": "?", "content": "?"}, vectors=[vector])
    assert status == 422
    assert "similarityFunction" in message
    assert db.records.find({"where": {"title": "?"}}).total == 0
    assert near(db, [0, 2, 0], similarityFunction="cosine") == [("cosine", 1.0)]
    assert near(db, [0, 1, 0], similarityFunction="euclidean") == [("euclidean", 0.5)]


def test_the_guide_mixes_managed_and_external(db: Any) -> None:
    db.ai.indexes.create({"label": "Product", "propertyName": "description"})
    db.ai.indexes.create({**POLICY, "label": "Product", "propertyName": "description"})
    managed, external = db.ai.indexes.find().data
    assert (managed["sourceType"], managed["status"]) == ("managed", "pending")
    assert (external["sourceType"], external["status"]) == ("external", "awaiting_vectors")


# -- records


def test_a_record_comes_back_as_it_was_given(db: Any) -> None:
    data = {
        "name": 'Zoë "🚀"',
        "year": 2026,
        "rating": 4.5,
        "draft": False,
        "tags": ["a", "b"],
        "at": "2026-03-01T12:00:00.000Z",
        "empty": [],
    }
    made = db.records.create("Thing", data)
    assert made.label == "Thing"
    assert made.fields == data
    assert made.proptypes == {
        "name": "string",
        "year": "number",
        "rating": "number",
        "draft": "boolean",
        "tags": "string",
        "at": "datetime",
        "empty": "string",
    }
    assert abs(made.date.timestamp() - datetime.now().timestamp()) < 60
    found = db.records.find_by_id(made.id)
    assert found == made
    assert found.fields == data
    assert str(found) == 'Thing: Zoë "🚀"'


def test_upsert_merges_by_the_key_it_names(db: Any) -> None:
    options = {"mergeBy": ["slug"]}
    one = db.records.upsert({"slug": "warp", "title": "Warp"}, label="Thing", options=options)
    two = db.records.upsert({"slug": "warp", "year": 1994}, label="Thing", options=options)
    assert two.id == one.id
    assert two.fields == {"slug": "warp", "title": "Warp", "year": 1994}
    three = db.records.upsert(
        {"slug": "warp"}, label="Thing", options={**options, "mergeStrategy": "rewrite"}
    )
    assert (three.id, three.fields) == (one.id, {"slug": "warp"})
    assert db.records.upsert({"slug": "other"}, label="Thing", options=options).id != one.id
    assert db.records.upsert({"slug": "warp"}, label="Thing").id == one.id  # by all that is given


def test_update_merges_and_set_replaces_and_neither_loses_a_vector(db: Any) -> None:
    db.ai.indexes.create(POLICY)
    alpha, *_ = fill(db)
    db.records.update(alpha.id, {"year": 1994})  # R24: the SDK sends it flat
    assert db.records.find_by_id(alpha.id).fields == {
        "title": "Alpha",
        "content": "First article",
        "year": 1994,
    }
    alpha.update({"year": 1995}, label="Doc")
    assert db.records.find_by_id(alpha)["year"] == 1995
    alpha.set({"title": "Alpha", "content": "new"})
    assert db.records.find_by_id(alpha.id).fields == {"title": "Alpha", "content": "new"}
    assert near(db, [1, 0, 0], limit=1) == [("Alpha", 1.0)]
    moved = [{"propertyName": "content", "vector": [0, 0, -1]}]
    db.records.set(alpha, {"title": "Alpha", "content": "moved"}, label="Doc", vectors=moved)
    assert near(db, [0, 0, -1], limit=1) == [("Alpha", 1.0)]


def test_all_the_records_of_a_result_can_be_changed_and_deleted(db: Any) -> None:
    db.records.create_many("Thing", [{"n": number} for number in range(5)])
    found = db.records.find({"labels": ["Thing"], "where": {"n": {"$lt": 3}}})
    found.set_properties({"small": True})
    assert db.records.find({"where": {"small": True}}).total == 3
    found.delete_all()
    assert sorted(record["n"] for record in db.records.find()) == [3, 4]


def test_records_are_deleted_by_id_and_by_condition(db: Any, refused: Any) -> None:
    made = list(db.records.create_many("Thing", [{"n": number} for number in range(6)]))
    db.records.delete_by_id(made[0].id)
    db.records.delete_by_id([made[1], made[2].id])
    made[3].delete()
    db.records.delete({"labels": ["Thing"], "where": {"n": 4}})
    assert [record["n"] for record in db.records.find()] == [5]
    assert refused(db.records.find_by_id, made[0].id)[0] == 404
    assert refused(db.records.delete, {})[0] == 400  # R17: not everything
    too_many = [made[5].id] * 1001  # the SDK limits them to 1000, and says nothing of the rest
    assert refused(db.records.delete_by_id, too_many)[0] == 400
    assert db.records.find().total == 1


def test_find_by_ids_find_one_and_find_uniq(db: Any) -> None:
    made = list(db.records.create_many("Thing", [{"n": number, "kind": "k"} for number in range(3)]))
    found = db.records.find_by_id([made[2].id, made[0]])
    assert {record.id for record in found} == {made[0].id, made[2].id}
    assert db.records.find_one({"labels": ["Thing"], "orderBy": {"n": "desc"}})["n"] == 2
    assert db.records.find_one({"labels": ["Nothing"]}) is None
    assert db.records.find_uniq({"where": {"n": 1}}).id == made[1].id
    assert db.records.find_uniq({"where": {"n": 7}}) is None
    with pytest.raises(NonUniqueResultError) as several:
        db.records.find_uniq({"where": {"kind": "k"}})
    assert several.value.count == 3


def test_pages_in_an_order(db: Any) -> None:
    db.records.create_many("Thing", [{"n": number} for number in (3, 1, 4, 2, 5)])
    page = db.records.find({"labels": ["Thing"], "orderBy": {"n": "asc"}, "limit": 2})
    seen = [record["n"] for record in page]
    assert (page.total, page.has_more) == (5, True)
    while page.has_more:
        page = page.next()
        seen += [record["n"] for record in page]
    assert seen == [1, 2, 3, 4, 5]


ROWS: list[dict[str, Any]] = [
    {"name": "Ada", "born": 1815, "tags": ["math", "poetry"], "at": "1815-12-10T00:00:00Z", "known": True},
    {"name": "Alan", "born": 1912, "tags": ["math"], "at": "1912-06-23T00:00:00Z", "known": True},
    {"name": "grace", "born": 1906, "at": "1906-12-09T00:00:00Z", "known": False},
    {"name": "Edsger", "tags": ["lists"]},
]


@pytest.fixture(scope="module")
def people(server: Process) -> Any:
    """For conditions: one set of records, which nothing changes."""
    server.clear()
    client = rushdb.RushDB(server.token, url=server.url)
    client.records.create_many("Person", [{k: v for k, v in row.items() if k != "tags"} for row in ROWS])
    for row in ROWS:
        if "tags" in row:  # create_many of the SDK takes no lists
            client.records.delete({"where": {"name": row["name"]}})
            client.records.create("Person", row)
    return client


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({"name": "Ada"}, "Ada"),
        ({"name": {"$eq": "ada"}}, ""),
        ({"name": {"$ne": "Ada"}}, "Alan Edsger grace"),
        ({"born": {"$ne": 1815}}, "Alan grace"),
        ({"born": {"$gt": 1906}}, "Alan"),
        ({"born": {"$gte": 1906, "$lt": 1912}}, "grace"),
        ({"born": {"$lte": 1906}}, "Ada grace"),
        ({"born": {"$in": [1815, 1912, 7]}}, "Ada Alan"),
        ({"name": {"$nin": ["Ada", "Alan"]}}, "Edsger grace"),
        ({"name": {"$contains": "A"}}, "Ada Alan grace"),
        ({"name": {"$startsWith": "A"}}, "Ada Alan"),
        ({"name": {"$endsWith": "e"}}, "grace"),
        ({"born": {"$exists": False}}, "Edsger"),
        ({"tags": {"$exists": True}}, "Ada Alan Edsger"),
        ({"born": {"$type": "number"}}, "Ada Alan grace"),
        ({"known": False}, "grace"),
        ({"tags": "math"}, "Ada Alan"),
        ({"at": {"$gt": "1900-01-01T00:00:00Z"}}, "Alan grace"),
        ({"at": {"$lt": "1900-01-01T00:00:00Z"}}, "Ada"),
        ({"$and": [{"known": True}, {"born": {"$gt": 1900}}]}, "Alan"),
        ({"$or": [{"name": "Ada"}, {"born": 1906}]}, "Ada grace"),
        ({"$not": {"known": True}}, "grace"),
        ({"$nor": [{"name": "Ada"}, {"name": "grace"}]}, "Alan Edsger"),
        ({"$xor": [{"known": True}, {"born": {"$gt": 1900}}]}, "Ada grace"),
        ({"born": {"$or": [{"$lt": 1900}, {"$gt": 1910}]}}, "Ada Alan"),
    ],
    ids=str,
)
def test_every_family_of_operators(people: Any, where: dict[str, Any], names: str) -> None:
    found = people.records.find({"labels": ["Person"], "where": where})
    assert sorted(record["name"] for record in found) == sorted(names.split())
    assert found.total == len(names.split())


# -- policies and search


def test_policies_are_made_listed_counted_and_deleted(db: Any, refused: Any) -> None:
    made = db.ai.indexes.create({**POLICY, "similarityFunction": "euclidean"})
    assert made.success
    assert {key: made.data[key] for key in POLICY} == POLICY
    assert made.data["vectorPropertyName"] == "_emb_external_euclidean_3"
    assert refused(db.ai.indexes.create, {**POLICY, "similarityFunction": "euclidean"})[0] == 409
    assert db.ai.indexes.create({**POLICY, "dimensions": 4}).data["similarityFunction"] == "cosine"
    assert len(db.ai.indexes.find().data) == 2
    assert db.ai.indexes.stats(made.data["id"]).data == {"totalRecords": 0, "indexedRecords": 0}
    assert db.ai.indexes.delete(made.data["id"]).data == {"deleted": True, "queued": True}
    assert refused(db.ai.indexes.delete, made.data["id"])[0] == 404
    assert [each["dimensions"] for each in db.ai.indexes.find().data] == [4]
    no_length = {key: value for key, value in POLICY.items() if key != "dimensions"}
    assert refused(db.ai.indexes.create, no_length)[0] == 422


def test_a_search_keeps_to_its_condition(db: Any) -> None:
    db.ai.indexes.create(POLICY)
    fill(db)
    assert near(db, [1, 0.1, 0], where={"title": {"$ne": "Alpha"}}, limit=1)[0][0] == "Beta"
    assert near(db, [1, 0, 0], where={"$or": [{"title": "Gamma"}, {"content": {"$contains": "second"}}]}) == [
        ("Beta", 0.5),
        ("Gamma", 0.5),
    ]
    ranked = near(db, [1, 0.2, 0.1])
    assert [title for title, _ in ranked] == ["Alpha", "Beta", "Gamma"]
    assert near(db, [1, 0.2, 0.1], skip=1, limit=1) == ranked[1:2]
    assert near(db, [1, 0, 0], where={"title": "nobody"}) == []


def test_vectors_are_all_written_or_none(db: Any, refused: Any) -> None:
    index = db.ai.indexes.create(POLICY).data["id"]
    one = db.records.create("Doc", {"title": "one", "content": "c"})
    good = {"recordId": one.id, "vector": [1, 0, 0]}
    for bad in (
        {"recordId": one.id, "vector": [1, 0]},
        {**good, "recordId": index},
        {**good, "vector": [0] * 3},
    ):
        assert refused(db.ai.indexes.upsert_vectors, index, {"items": [good, bad]})[0] == 422
    assert db.ai.indexes.stats(index).data == {"totalRecords": 1, "indexedRecords": 0}


def test_a_refused_vector_leaves_no_record(db: Any, refused: Any) -> None:
    vectors = [{"propertyName": "content", "vector": [1, 0, 0]}]
    assert refused(db.records.create, "Doc", {"content": "c"}, vectors=vectors)[0] == 404  # no policy
    db.ai.indexes.create(POLICY)
    short = [{"propertyName": "content", "vector": [1, 0]}]
    assert refused(db.records.create, "Doc", {"content": "c"}, vectors=short)[0] == 404  # R5
    rows = [{"content": "a"}, {"content": "b"}]
    assert refused(db.records.create_many, "Doc", rows, vectors=[vectors, short])[0] == 404
    assert db.records.find().total == 0


# -- the rest


def test_a_transaction_is_kept_as_a_whole(db: Any) -> None:
    with db.tx.begin(ttl=20_000) as transaction:
        made = db.records.create("Doc", {"title": "one"}, transaction=transaction)
        made.update({"n": 1}, transaction=transaction)
        db.records.create_many("Doc", [{"title": "two"}], transaction=transaction)
        assert db.records.find({"labels": ["Doc"]}, transaction=transaction).total == 2
    assert {each["title"] for each in db.records.find({"labels": ["Doc"]})} == {"one", "two"}
    transaction = db.tx.begin()
    db.records.delete({"labels": ["Doc"]}, transaction=transaction)
    assert db.tx.get(transaction.id).id == transaction.id
    transaction.rollback()
    assert db.records.find({"labels": ["Doc"]}).total == 2


def test_an_error_ends_a_transaction(db: Any, refused: Any) -> None:
    transaction = db.tx.begin()
    db.records.create("Doc", {"title": "one"}, transaction=transaction)
    assert refused(db.records.find_by_id, "nobody", transaction=transaction)[0] == 404
    status, message = refused(db.records.create, "Doc", {"title": "two"}, transaction=transaction)
    assert (status, message) == (404, f"Transaction with ID {transaction.id} not found")
    assert refused(transaction.commit)[0] == 404
    db.tx.rollback(transaction.id)  # of one that is over: no error
    assert db.records.find({"labels": ["Doc"]}).total == 0


def test_what_errors_carry(server: Process, refused: Any, db: Any) -> None:
    status, message = refused(db.records.find, {"limit": 0})
    assert status == 400
    assert "limit" in message
    stranger = rushdb.RushDB("another-token", url=server.url)
    assert refused(stranger.records.find) == (403, "Forbidden resource")
    assert not stranger.ping()
    assert refused(db.records.create, "Thing", {})[0] == 404  # R15
    assert refused(db._make_request, "GET", "/nowhere")[0] == 404
    assert server.token not in message


def test_ping_and_settings(server: Process, db: Any) -> None:
    assert db.ping()
    assert db.settings.get()["selfHosted"] is True
    bare = rushdb.RushDB(server.token, url=server.url.removesuffix(PREFIX))  # it adds the path itself
    assert bare.ping()
    gone = rushdb.RushDB(server.token, url="http://127.0.0.1:9")
    assert not gone.ping()


# -- labels, properties, schema


def test_labels_and_properties(db: Any, refused: Any) -> None:
    db.records.create_many("Doc", [{"n": number, "s": f"s{number % 2}"} for number in range(4)])
    db.records.create("Note", {"n": "text", "at": "2024-01-01T00:00:00Z"})
    assert db.labels.find()["data"] == {"Doc": 4, "Note": 1}
    assert db.labels.find({"where": {"n": {"$lt": 2}}})["data"] == {"Doc": 2}
    found = {(each["name"], each["type"]): each for each in db.properties.find()["data"]}
    assert {place: each["recordsCount"] for place, each in found.items()} == {
        ("n", "number"): 4,
        ("s", "string"): 4,
        ("n", "string"): 1,
        ("at", "datetime"): 1,
    }
    chosen = found["s", "string"]["id"]
    assert db.properties.find_by_id(chosen)["data"] == found["s", "string"]
    values = db.properties.values(chosen, {"orderBy": "desc", "query": "S", "limit": 1})
    assert values["data"] == {"values": ["s1"], "type": "string"}
    numbers = db.properties.values(found["n", "number"]["id"])["data"]
    assert numbers == {"values": [0, 1, 2, 3], "type": "number", "min": 0, "max": 3}
    assert chosen in db.properties.delete(chosen)["data"]["message"]
    assert refused(db.properties.find_by_id, chosen)[0] == 404
    assert refused(db.properties.values, chosen)[0] == 404


def test_the_schema(db: Any) -> None:
    db.ai.indexes.create(POLICY)
    fill(db)
    (item,) = db.ai.get_schema({"labels": ["Doc"]}).data
    assert (item["label"], item["count"], item["relationships"]) == ("Doc", 3, [])
    content, title = sorted(item["properties"], key=lambda each: str(each["name"]))
    assert title["values"] == list(AXES)
    assert content["vectorIndexes"][0]["status"] == "ready"
    assert "external cosine 3d [ready]" in db.ai.get_schema_markdown({"force": True}).data


# -- relationships and rows


def test_relationships(db: Any, refused: Any) -> None:
    ada, one, two = (db.records.create("P", {"name": name}) for name in ("Ada", "one", "two"))
    ada.attach([one, two], {"type": "WROTE", "properties": {"at": 1843}})
    db.records.attach(one.id, {"__id": two.id}, {"direction": "in"})
    found = db.relationships.find({"where": {"type": "WROTE", "at": {"$gt": 1800}}}, {"limit": 1})
    assert (len(found), found.total, found.has_more) == (1, 2, True)
    edge = found[0]
    assert (edge["sourceId"], edge["sourceLabel"], edge["properties"]) == (ada.id, "P", {"at": 1843})
    (other,) = db.relationships.find({"source": {"where": {"name": "two"}}, "target": {"labels": ["P"]}})
    assert (other["type"], other["targetId"], other["direction"]) == (
        "RUSHDB_DEFAULT_RELATION",
        one.id,
        "out",
    )
    assert sorted(each["name"] for each in db.records.find(record_id=one)) == ["Ada", "two"]
    where = {"P": {"$relation": {"type": "WROTE", "direction": "in"}, "name": "Ada"}}
    assert db.records.find({"labels": ["P"], "where": where}).total == 2
    ada.detach(one, {"typeOrTypes": "WROTE"})
    assert db.relationships.find({"where": {"type": "WROTE"}}).total == 1
    assert refused(db.records.attach, ada, "nobody")[0] == 404
    assert refused(db.records.attach, ada, one, {"type": "HAS SPACE"})[0] == 400
    assert refused(db.records.attach, ada, one, {"properties": {"type": 1}})[0] == 400


def test_many_relationships_at_once(db: Any, refused: Any) -> None:
    db.records.create_many("A", [{"n": number} for number in range(3)])
    db.records.create_many("B", [{"n": number} for number in range(2)])
    keys = {"source": {"label": "A", "key": "n"}, "target": {"label": "B", "key": "n"}}
    db.relationships.create_many(**keys, type="SAME")
    assert db.relationships.find().total == 2
    everything = {"where": {"n": {"$gte": 0}}}
    sides = {"source": {"label": "A", **everything}, "target": {"label": "B", **everything}}
    db.relationships.create_many(**sides, type="ALL", many_to_many=True, properties={"w": 1})
    assert db.relationships.find({"where": {"w": 1}}).total == 6
    db.relationships.delete_many(**sides, type="ALL", many_to_many=True)
    db.relationships.delete_many(**keys, type="SAME")
    assert db.relationships.find().total == 0
    assert "source.key" in refused(db.relationships.create_many, **sides)[1]


def test_csv(db: Any, refused: Any) -> None:
    db.ai.indexes.create({**POLICY, "label": "Cell"})
    made = db.records.import_csv(
        "Cell",
        "content;n;day\nfirst;1;2026-01-02\nsecond;2;\n",
        {"suggestTypes": True, "returnResult": True},
        {"delimiter": ";", "header": True},
        vectors=[[{"propertyName": "content", "vector": [1, 0, 0]}], None],
    )
    assert [(each["content"], each["n"]) for each in made] == [("first", 1), ("second", 2)]
    (hit,) = db.records.vector_search({**SEARCH, "labels": ["Cell"], "queryVector": [1, 0, 0], "limit": 1})
    assert (hit["content"], hit.score) == ("first", 1.0)
    lines = db.records.export({"labels": ["Cell"], "orderBy": {"n": "asc"}}).splitlines()
    assert [line.partition("Cell")[2] for line in lines[1:]] == [",first,2026-01-02,1", ",second,,2"]
    status, message = refused(db.records.import_csv, "Cell", "content,n\nthird\n")
    assert status == 400
    assert "row" in message
    assert db.records.find({"labels": ["Cell"]}).total == 2


def test_rows(db: Any, refused: Any) -> None:
    db.records.create_many("A", [{"n": number, "kind": "ab"[number % 2]} for number in range(5)])
    query = {"labels": ["A"], "select": {"n": {"$count": "*"}}, "groupBy": ["$record.kind"]}
    rows = db.records.find({**query, "orderBy": {"n": "desc"}})
    assert [row.data for row in rows] == [{"kind": "a", "n": 3}, {"kind": "b", "n": 2}]
    assert "$zz" in refused(db.records.find, {"labels": ["A"], "select": {"x": "$zz.name"}})[1]
    assert "select" in refused(db.records.find, {"labels": ["A"], "aggregate": {}})[1]

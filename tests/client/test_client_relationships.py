"""Relationships as RushDB's client has them, over every store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rushmodel import NotFound, Record, RushDB

DEFAULT = "RUSHDB_DEFAULT_RELATION"


def edges(db: RushDB, **query: Any) -> set[tuple[Any, str, Any]]:
    """What there is, by the names of the ends."""
    names = {record.id: record["name"] for record in db.records.find({"limit": 1000})}
    found = db.relationships.find(query)
    assert found.total == len(found)
    return {(names[each["sourceId"]], each["type"], names[each["targetId"]]) for each in found}


@pytest.fixture
def people(db: RushDB) -> dict[str, Record]:
    made = [db.records.create("P", {"name": name, "n": n}) for n, name in enumerate("abcd")]
    made.append(db.records.create("Q", {"name": "q", "n": 1}))
    return {record["name"]: record for record in made}


def test_attach_and_detach(db: RushDB, people: dict[str, Record]) -> None:
    a, b, c, q = (people[name] for name in "abcq")
    answer = db.records.attach(a, [b, c.id], {"type": "KNOWS"})
    assert answer == {
        "data": {"message": f"Relations to Record {a.id} have been successfully created"},
        "success": True,
    }
    a.attach(q)
    b.attach({"__id": q.id}, {"type": "LIKES", "direction": "in"})
    db.records.attach(a.id, a.id, {"type": "SELF"})
    assert edges(db) == {
        ("a", "KNOWS", "b"),
        ("a", "KNOWS", "c"),
        ("a", DEFAULT, "q"),
        ("q", "LIKES", "b"),
        ("a", "SELF", "a"),
    }
    a.attach([b, c], {"type": "KNOWS"})
    assert len(edges(db)) == 5
    a.detach(b, {"typeOrTypes": "KNOWS", "direction": "in"})
    assert ("a", "KNOWS", "b") in edges(db)
    a.detach([b, a], {"typeOrTypes": ["KNOWS", "SELF"], "direction": "out"})
    assert edges(db) == {("a", "KNOWS", "c"), ("a", DEFAULT, "q"), ("q", "LIKES", "b")}
    db.records.detach(q, [a, b, "nobody"])
    assert edges(db) == {("a", "KNOWS", "c")}
    people["c"].delete()
    assert edges(db) == set()


def test_what_a_relationship_says(db: RushDB, people: dict[str, Record]) -> None:
    a, b = people["a"], people["b"]
    a.attach(b, {"type": "RATED", "properties": {"stars": 5, "tags": ["x"], "ok": True, "at": "2024-01-01"}})
    (found,) = db.relationships.find({"where": {"type": "RATED"}})
    assert found == {
        "sourceId": a.id,
        "sourceLabel": "P",
        "type": "RATED",
        "targetId": b.id,
        "targetLabel": "P",
        "properties": {"stars": 5, "tags": ["x"], "ok": True, "at": "2024-01-01"},
        "direction": "out",
    }
    a.attach(b, {"type": "RATED"})
    assert db.relationships.find()[0]["properties"]["stars"] == 5
    a.attach(b, {"type": "RATED", "properties": {"stars": 3}})
    assert [each["properties"] for each in db.relationships.find()] == [{"stars": 3}]
    assert edges(db, where={"type": "RATED", "stars": {"$gte": 3}}) == {("a", "RATED", "b")}
    assert edges(db, where={"stars": {"$gt": 3}}) == set()


def test_relationships_are_found_by_their_ends(db: RushDB, people: dict[str, Record]) -> None:
    people["a"].attach([people["b"], people["q"]], {"type": "T"})
    people["b"].attach(people["q"], {"type": "U"})
    assert edges(db, target={"labels": ["Q"]}) == {("a", "T", "q"), ("b", "U", "q")}
    assert edges(db, source={"labels": ["P"], "where": {"n": {"$gt": 0}}}) == {("b", "U", "q")}
    assert edges(db, where={"type": {"$in": ["U", "V"]}}) == {("b", "U", "q")}
    assert edges(db, where={"type": "NOPE"}) == set()
    page = db.relationships.find({"limit": 100}, {"limit": 1, "skip": 1})
    assert (len(page), page.total, page.has_more, page.skip) == (1, 3, True, 1)


def test_an_unknown_record_is_not_found_and_nothing_is_made(db: RushDB, people: dict[str, Record]) -> None:
    a, b = people["a"], people["b"]
    for source, targets in ((a, [b, "nobody"]), ("nobody", [b])):
        with pytest.raises(NotFound, match="nobody"):
            db.records.attach(source, targets, {"type": "T"})
    assert edges(db) == set()
    assert db.records.attach(a, [])["success"]


def test_many_at_once(db: RushDB, people: dict[str, Record]) -> None:
    db.relationships.create_many(
        source={"label": "P", "key": "n"}, target={"label": "Q", "key": "n"}, type="SAME"
    )
    assert edges(db) == {("b", "SAME", "q")}
    ends: dict[str, Any] = {
        "source": {"label": "P", "where": {"n": {"$lte": 1}}},
        "target": {"label": "Q", "where": {"n": 1}},
    }
    db.relationships.create_many(**ends, type="ALL", direction="in", many_to_many=True, properties={"w": 1})
    assert edges(db, where={"type": "ALL", "w": 1}) == {("q", "ALL", "a"), ("q", "ALL", "b")}
    db.relationships.delete_many(**ends, type="ALL", many_to_many=True)
    assert len(edges(db)) == 3
    db.relationships.delete_many(**ends, type="ALL", direction="in", many_to_many=True)
    assert edges(db) == {("b", "SAME", "q")}


def test_records_related_to_one(db: RushDB, people: dict[str, Record]) -> None:
    a, b, c, q = (people[name] for name in "abcq")
    a.attach([b, q])
    c.attach(a, {"type": "T"})
    found = db.records.find(record_id=a)
    assert ([each["name"] for each in found], found.total) == (["q", "c", "b"], 3)
    first = db.records.find({"labels": ["P"], "orderBy": {"name": "asc"}, "limit": 1}, a.id)
    assert ([each["name"] for each in first], first.total) == (["b"], 2)
    assert [each["name"] for each in first.next()] == ["c"]
    assert not db.records.find({}, "nobody")
    assert [each["name"] for each in db.records.find({"where": {"P": {"$relation": "T"}}})] == ["c", "a"]


def test_rows(db: RushDB, people: dict[str, Record]) -> None:
    people["q"].attach([people["a"], people["b"]])
    rows = db.records.find(
        {
            "labels": ["P"],
            "select": {"n": {"$count": "*"}, "most": {"$max": "$record.n"}},
            "groupBy": ["n", "most"],
            "orderBy": {"n": "asc"},
        }
    )
    assert [row.data for row in rows] == [{"n": 4, "most": 3}]
    whole = db.records.find(
        {"labels": ["P"], "select": {"twice": {"$multiply": ["$record.n", 2]}}, "limit": 1}
    )
    assert (whole[0].id, whole[0]["twice"], whole.total) == (people["d"].id, 6, 4)
    near = db.records.find({"select": {"other": "$record.name"}}, people["q"])
    assert [row["other"] for row in near] == ["b", "a"]


def test_the_same_awaited(db: RushDB, people: dict[str, Record]) -> None:
    async def talk() -> None:
        a, b, q = [await db.aio.records.find_by_id(people[name].id) for name in "abq"]
        await a.attach([b, q], {"type": "T"})
        await q.detach(a)
        await db.aio.relationships.create_many(
            source={"label": "P", "key": "n"}, target={"label": "Q", "key": "n"}, type="SAME"
        )
        found = await db.aio.relationships.find({"where": {"type": "T"}}, {"limit": 5})
        assert [(each["sourceId"], each["targetId"]) for each in found] == [(a.id, b.id)]
        near = await db.aio.records.find({"limit": 1}, b)
        assert [each["name"] for each in near] == ["q"]
        assert [each["name"] for each in await near.next()] == ["a"]
        await db.aio.relationships.delete_many(
            source={"label": "P", "key": "n"}, target={"label": "Q", "key": "n"}
        )

    asyncio.run(talk())
    assert edges(db) == {("a", "T", "b")}

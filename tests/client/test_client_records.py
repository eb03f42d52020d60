"""``db.records``: writing, finding, changing and deleting."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import MultipleFound, NotFound, PropertyError, Record, RushDB, UnboundedQuery

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(TEXT, NUMBERS, st.booleans(), st.lists(TEXT), st.lists(NUMBERS), st.lists(st.booleans()))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=100)
DATA = st.dictionaries(NAMES.filter(lambda name: not name.startswith(("$", "__"))), VALUES, min_size=1)


class Colour(str, enum.Enum):
    RED = "red"


@pytest.fixture(scope="module")
def shared() -> Any:
    """One store for examples that hypothesis makes; what they write does not meet."""
    with RushDB("memory://") as client:
        yield client


def test_a_record_says_what_it_is(db: RushDB) -> None:
    written = db.records.create("Doc", {"title": "t", "n": 1, "f": 1.5, "on": True, "at": "2024-02-29"})
    assert written.data == {
        "__id": written.id,
        "__label": "Doc",
        "title": "t",
        "n": 1,
        "f": 1.5,
        "on": True,
        "at": "2024-02-29",
        "__proptypes": {"title": "string", "n": "number", "f": "number", "on": "boolean", "at": "datetime"},
    }
    assert isinstance(written, Record)
    assert (written.label, written.exists, written.score) == ("Doc", True, None)
    assert "title" in written
    assert "__score" not in written
    assert abs((written.date - dt.datetime.now(dt.timezone.utc)).total_seconds()) < 60
    assert repr(written) == f"Record(id={written.id!r}, label='Doc')"
    assert list(written) == list(written.keys())


def test_what_a_text_is_taken_for(db: RushDB) -> None:
    data = {"day": "2024-02-30", "moment": "2024-03-01T10:20:30+02:00", "list": ["2024-01-01"], "none": []}
    types = {"day": "string", "moment": "datetime", "list": "datetime", "none": "string"}
    assert db.records.create("T", data).proptypes == types
    found = db.records.find({"labels": ["T"]})[0]
    assert found.proptypes == types
    assert found.fields == data


def test_a_text_that_a_model_saved_stays_text(tmp_path: Any) -> None:
    from rushmodel import Field, Model, connect

    class Stamp(Model):
        text: Field[str]

    with connect(tmp_path / "models.db") as database:
        Stamp(text="2024-01-01").save()
        assert database.client.records.find()[0].proptypes == {"text": "string"}
    database.close()


def test_values_become_what_can_be_stored(db: RushDB) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    record = db.records.create(
        "V",
        {
            "moment": dt.datetime(2024, 3, 1, 12, 0, 0, 500, tzinfo=zone),
            "day": dt.date(2024, 3, 1),
            "days": [dt.date(2024, 3, 1), dt.date(2024, 3, 2)],
            "colour": Colour.RED,
            "wide": np.float64(0.5),
            "pair": (1, 2.5),
            "gone": None,
            "text": "a\0b",
        },
    )
    assert record.fields == {
        "moment": "2024-03-01T10:00:00.000500Z",
        "day": "2024-03-01",
        "days": ["2024-03-01", "2024-03-02"],
        "colour": "red",
        "wide": 0.5,
        "pair": [1, 2.5],
        "text": "a\0b",
    }
    assert db.records.find_by_id(record.id).fields == record.fields


@settings(deadline=None, max_examples=60)
@given(data=DATA)
def test_what_goes_in_comes_out(shared: RushDB, data: dict[str, Any]) -> None:
    record = shared.records.create("Any", data)
    read = shared.records.find_by_id(record).fields
    assert read == record.fields == data
    assert {name: type(value) for name, value in read.items()} == {
        name: type(value) for name, value in data.items()
    }
    assert shared.records.update(record, data)["data"] == record.data
    assert shared.records.set(record, data)["data"] == record.data


def test_skip_empty_values(db: RushDB) -> None:
    data = {"a": "", "b": [], "c": 0, "d": False, "e": "x"}
    assert db.records.create("S", data, {"skipEmptyValues": True}).fields == {"c": 0, "d": False, "e": "x"}
    assert db.records.create("S", data).fields == data
    rows = db.records.create_many("S", [data], {"skipEmptyValues": True})
    assert rows[0].fields == {"c": 0, "d": False, "e": "x"}
    with pytest.raises(PropertyError, match="data: expected at least one property"):
        db.records.create("S", {"a": "", "b": []}, {"skipEmptyValues": True})


def test_update_merges_and_set_replaces(db: RushDB) -> None:
    record = db.records.create("R", {"a": 1, "b": 2})
    assert db.records.update(record, {"b": 3, "a": None, "c": 4}) == {
        "data": {
            "__id": record.id,
            "__label": "R",
            "a": 1,
            "b": 3,
            "c": 4,
            "__proptypes": {"a": "number", "b": "number", "c": "number"},
        },
        "success": True,
    }
    assert db.records.set(record.id, {"d": 5})["data"]["__proptypes"] == {"d": "number"}
    assert db.records.find_by_id({"__id": record.id}).fields == {"d": 5}
    assert record.update({"e": 6})["data"]["e"] == 6
    assert record.set({"f": 7})["success"] is True
    assert record.data["a"] == 1  # the copy in hand is as it was
    assert db.records.find_by_id(record).fields == {"f": 7}
    assert db.records.update(record, {}, label="S")["data"]["__label"] == "S"
    assert db.records.find({"labels": ["R"]}).total == 0


def test_update_keeps_vectors_and_set_writes_them(db: RushDB) -> None:
    db.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})
    record = db.records.create("A", {"body": "b"}, vectors=[{"propertyName": "body", "vector": [1, 0]}])
    search = {"labels": ["A"], "propertyName": "body", "queryVector": [0, 1]}
    db.records.update(record, {"body": "other"})
    assert db.ai.search(search)[0].score == pytest.approx(0.5)  # R6, store side
    db.records.set(record, {"body": "third"}, vectors=[{"propertyName": "body", "vector": [0, 2]}])
    assert db.ai.search(search)[0].score == pytest.approx(1.0)


def test_upsert(db: RushDB) -> None:
    first = db.records.upsert({"sku": "s1", "n": 1}, "P", {"mergeBy": ["sku"]})
    assert db.records.upsert({"sku": "s1", "m": 2}, "P", {"mergeBy": ["sku"]}) == first
    assert db.records.find_by_id(first).fields == {"sku": "s1", "n": 1, "m": 2}
    rewritten = db.records.upsert(
        {"sku": "s1", "k": 3}, "P", {"mergeBy": ["sku"], "mergeStrategy": "rewrite"}
    )
    assert rewritten == first
    assert rewritten.fields == {"sku": "s1", "k": 3}
    # Without mergeBy all properties decide, also by way of create() (trace 06).
    assert db.records.upsert({"sku": "s1", "k": 3}, "P") == first
    assert db.records.create("P", {"sku": "s1", "k": 3}, {"mergeStrategy": "append"}) == first
    assert db.records.upsert({"sku": "s1", "k": 4}, "P") != first
    assert db.records.upsert({"n": 1}, "P", {"mergeBy": ["sku"]}).fields == {"n": 1}
    assert db.records.find({"labels": ["P"]}).total == 3
    rows = db.records.create_many("P", [{"sku": "s2"}, {"sku": "s2", "n": 9}], {"mergeBy": ["sku"]})
    assert rows[0] == rows[1]
    # R18: a key that is there twice changes both; the older one answers.
    changed = db.records.upsert({"sku": "s1", "z": 1}, "P", {"mergeBy": ["sku"]})
    assert changed == first
    assert db.records.find({"labels": ["P"], "where": {"z": 1}}).total == 2


def test_find(db: RushDB) -> None:
    made = db.records.create_many("N", [{"n": n, "odd": bool(n % 2)} for n in range(12)])
    db.records.create("M", {"n": 100})
    newest = [record.id for record in reversed(made)]

    def numbers(query: dict[str, Any]) -> tuple[list[Any], int]:
        found = db.records.find(query)
        return [record["n"] for record in found], found.total

    assert [record.id for record in db.records.find({"labels": ["N"]})] == newest
    assert [record.id for record in db.records.find({"labels": "N", "orderBy": "asc"})] == newest[::-1]
    assert [record.id for record in db.records.find({"labels": ["N"], "orderBy": {}})] == newest
    assert numbers({"labels": ["N"], "limit": 5}) == ([11, 10, 9, 8, 7], 12)
    assert numbers({"labels": ["N"], "limit": 5, "skip": 10}) == ([1, 0], 12)
    assert numbers({"labels": ["N"], "limit": 5, "skip": 20}) == ([], 12)
    assert numbers({"labels": ["N"], "limit": 6, "skip": 6}) == ([5, 4, 3, 2, 1, 0], 12)
    assert numbers({"labels": ["N"], "where": {"odd": True}, "orderBy": {"n": "asc"}, "limit": 2}) == (
        [1, 3],
        6,
    )
    assert numbers({"labels": ["N"], "orderBy": {"odd": "desc", "n": "asc"}, "limit": 7}) == (
        [1, 3, 5, 7, 9, 11, 0],
        12,
    )
    assert numbers({"labels": ["N", "M"], "orderBy": {"__id": "desc"}, "limit": 2}) == ([100, 11], 13)
    assert numbers({"where": {"__label": "M"}}) == ([100], 1)
    assert numbers({"where": {"__label": "N", "n": {"$gt": 9}}}) == ([11, 10], 2)
    assert numbers({"where": {"__id": made[3].id}}) == ([3], 1)
    assert numbers({"labels": ["M"], "where": {"__label": "N"}}) == ([], 0)
    assert db.records.find().total == 13
    assert db.records.find({"labels": [], "where": None, "limit": None}).total == 13


def test_the_usual_page_is_a_hundred(db: RushDB) -> None:
    db.records.create_many("N", [{"n": n} for n in range(1001)])
    assert (len(db.records.find({"labels": ["N"]})), db.records.find({"labels": ["N"]}).total) == (100, 1001)
    assert len(db.records.find({"labels": ["N"], "limit": 1000})) == 1000


def test_find_one_of_several(db: RushDB) -> None:
    first, second = db.records.create_many("N", [{"n": 1, "x": 1}, {"n": 1, "x": 2}])
    assert db.records.find_one({"labels": ["N"]}) == second
    assert db.records.find_one({"labels": ["N"], "orderBy": "asc", "limit": 50}) == first
    assert db.records.find_one({"labels": ["N"], "skip": 1}) == first
    assert db.records.find_one({"labels": ["none"]}) is None
    assert db.records.find_uniq({"labels": ["N"], "where": {"x": 1}}) == first
    assert db.records.find_uniq({"labels": ["N"], "where": {"x": 3}}) is None
    with pytest.raises(MultipleFound, match="2 records") as refused:
        db.records.find_uniq({"labels": ["N"], "where": {"n": 1}})
    assert (refused.value.count, refused.value.status) == (2, 409)


def test_find_by_id(db: RushDB) -> None:
    first, second, third = db.records.create_many("N", [{"n": 1}, {"n": 2}, {"n": 3}])
    assert db.records.find_by_id(first.id) == db.records.find_by_id(first) == first
    found = db.records.find_by_id([third, first.id, "nobody", {"__id": first.id}])
    assert [record["n"] for record in found] == [3, 1]
    assert found.total == 2
    assert db.records.find_by_id([]).data == []
    db.records.delete_by_id(second)
    with pytest.raises(NotFound, match=second.id) as refused:
        db.records.find_by_id(second)
    assert refused.value.status == 404


def test_delete(db: RushDB) -> None:
    rows = db.records.create_many("N", [{"n": n} for n in range(10)])
    db.records.create("M", {"n": 1})
    assert db.records.delete({"labels": ["N"], "where": {"n": {"$lt": 3}}}) == {
        "data": {"message": "3 records were deleted"},
        "success": True,
    }
    assert rows[5].delete()["data"] == {"message": "1 record was deleted"}
    assert rows[5].delete()["data"] == {"message": "0 records were deleted"}  # R16: silent
    assert db.records.delete_by_id([rows[6], rows[7].id, "nobody"])["data"]["message"].startswith("2 ")
    assert db.records.delete_by_id([])["success"] is True
    assert {record["n"] for record in db.records.find({"labels": ["N"]})} == {3, 4, 8, 9}
    assert db.records.delete({"where": {"__label": "N"}})["data"]["message"].startswith("4 ")
    assert db.records.find().total == 1


@pytest.mark.parametrize(
    "query", [None, {}, {"labels": []}, {"where": {}}, {"labels": [], "where": {}}, {"where": None}]
)
def test_delete_everything_is_refused(db: RushDB, query: Any) -> None:
    db.records.create("N", {"n": 1})
    with pytest.raises(UnboundedQuery, match="labels or where"):
        db.records.delete(query)
    assert db.records.find().total == 1


def test_many_ids(db: RushDB) -> None:
    rows = db.records.create_many("N", [{"n": n} for n in range(2500)])
    ids = [record.id for record in rows]
    assert [record.id for record in db.records.find_by_id(ids)] == ids
    assert db.records.delete_by_id(ids)["data"] == {"message": "2500 records were deleted"}
    assert db.records.find().total == 0

"""``suggestTypes: False`` stores every value as text (R14)."""

from __future__ import annotations

import datetime as dt

import pytest

from rushmodel import PropertyError, RushDB

TEXTS = {"suggestTypes": False}


def test_every_value_becomes_text(db: RushDB) -> None:
    data = {"n": 5, "f": 1e-7, "b": True, "l": [1, 2.5], "d": dt.date(2024, 1, 1), "s": "x", "none": None}
    texts = {"n": "5", "f": "1e-7", "b": "true", "l": ["1", "2.5"], "d": "2024-01-01", "s": "x"}
    made = [
        db.records.create("A", data, TEXTS),
        db.records.create_many("A", [data], TEXTS)[0],
        db.records.import_json([data], "A", TEXTS)[0],
        db.records.upsert(data, "B", {**TEXTS, "mergeBy": ["n"]}),
    ]
    for record in made:
        assert record.fields == texts
        assert set(record.proptypes.values()) == {"string"}
        assert db.records.find_by_id(record).proptypes == record.proptypes
    # What a record is found by is text as well.
    again = db.records.upsert({"n": 5, "new": 1}, "B", {**TEXTS, "mergeBy": ["n"]})
    assert again == made[3]
    assert again.fields == {**texts, "new": "1"}


def test_types_are_told_apart_where_nothing_is_said(db: RushDB) -> None:
    kinds = {"n": "number", "d": "datetime"}
    data = {"n": 5, "d": "2024-01-01"}
    assert db.records.create("A", data, {"returnResult": True}).proptypes == kinds
    assert db.records.import_json([data], "A", {"returnResult": True})[0].proptypes == kinds
    assert db.records.create_many("A", [data], {"suggestTypes": True})[0].proptypes == kinds


def test_an_empty_text_in_a_list_is_not_skipped(db: RushDB) -> None:
    skipping = {"skipEmptyValues": True}
    for row in ({"x": "y", "l": ["", "a"]}, {"x": "y", "o": {"l": [""]}}):
        with pytest.raises(PropertyError, match="skipEmptyValues"):
            db.records.import_json([row], "A", skipping)
    assert db.records.create("A", {"l": ["", "a"]}).fields == {"l": ["", "a"]}

"""``create_many`` and ``import_json``: many records at once, flat and nested."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import PolicyMissing, PropertyError, QueryError, RushDB

COMPANY = {
    "name": "Acme",
    "Department": [{"name": "Eng", "Employee": [{"name": "Ann"}, {"name": "Bob"}]}, {"name": "Ops"}],
    "address": {"city": "X", "geo": {"lat": 1.5}},
}


def edges(path: Path) -> set[tuple[str, str, str]]:
    """Every relationship in a file: the names of parent and child, and the type."""
    with sqlite3.connect(path) as file:
        found = file.execute(
            "SELECT s.id, t.id, n.name FROM edges e JOIN records s ON s.row = e.source"
            " JOIN records t ON t.row = e.target JOIN names n ON n.id = e.type"
        ).fetchall()
    file.close()
    return set(found)


def test_nested_objects_are_related_records(tmp_path: Path) -> None:
    with RushDB(tmp_path / "a.db") as db:
        found = db.records.import_json(COMPANY, "Company")
        # Parents before children, level by level (trace 15).
        assert [(record.label, *record.fields.values()) for record in found] == [
            ("Company", "Acme"),
            ("Department", "Eng"),
            ("Department", "Ops"),
            ("address", "X"),
            ("Employee", "Ann"),
            ("Employee", "Bob"),
            ("geo", 1.5),
        ]
        assert found.total == 7
        company, eng, ops, address, ann, bob, geo = (record.id for record in found)
    kind = "__RUSHDB__RELATION__DEFAULT__"
    assert edges(tmp_path / "a.db") == {
        (company, eng, kind),
        (company, ops, kind),
        (company, address, kind),
        (eng, ann, kind),
        (eng, bob, kind),
        (address, geo, kind),
    }


def test_options_of_an_import(tmp_path: Path) -> None:
    with RushDB(tmp_path / "a.db") as db:
        options = {"capitalizeLabels": True, "relationshipType": "STOCKS", "suggestTypes": True}
        shop, item = db.records.import_json([{"name": "s", "items": [{"sku": 1}]}], "shop", options)
        assert (shop.label, item.label) == ("SHOP", "ITEMS")
        silent = db.records.import_json({"shop": [{"name": "t"}]}, options={"returnResult": False})
        assert (silent.data, silent.total) == ([], 0)
        assert db.records.find({"labels": ["shop"]}).total == 1
        assert db.records.create_many("low", [{"n": 1}], {"capitalizeLabels": True})[0].label == "LOW"
        assert db.records.create_many("low", [{"n": 1}], {"returnResult": False}).data == []
    assert edges(tmp_path / "a.db") == {(shop.id, item.id, "STOCKS")}


def test_merging_an_import(db: RushDB) -> None:
    first, second = db.records.import_json([{"k": 1, "v": "a"}, {"k": 2}], "M", {"mergeBy": ["k"]})
    again = db.records.import_json([{"k": 1, "w": "x"}, {"k": 3}], "M", {"mergeBy": ["k"]})
    assert again[0] == first
    assert again[0].fields == {"k": 1, "v": "a", "w": "x"}
    options = {"mergeBy": ["k"], "mergeStrategy": "rewrite"}
    assert db.records.import_json([{"k": 1, "z": "only"}], "M", options)[0].fields == {"k": 1, "z": "only"}
    assert db.records.find({"labels": ["M"]}).total == 3
    assert second.exists


def test_a_label_from_the_only_key(db: RushDB) -> None:
    assert [record.label for record in db.records.import_json({"ITEM": [{"n": 1}, {"n": 2}]})] == ["ITEM"] * 2
    assert db.records.import_json({"ITEM": {"n": 3}})[0].fields == {"n": 3}
    wrong: tuple[Any, ...] = ({"A": {}, "B": {}}, {}, [{"n": 1}], "text", None)
    for data in wrong:
        with pytest.raises(QueryError, match="label"):
            db.records.import_json(data)


def test_what_says_nothing_makes_no_record(db: RushDB) -> None:
    data = [
        {"a": 1, "o": {}, "l": [{}], "deep": {"er": {"x": None}}, "none": None, "empty": []},
        {},
        {"a": None},
    ]
    found = db.records.import_json(data, "N")
    assert [(record.label, record.fields) for record in found] == [("N", {"a": 1, "empty": []})]
    assert db.records.import_json([], "N").data == db.records.import_json({}, "N").data == []
    assert db.records.create_many("N", []).data == []
    assert db.records.find().total == 1
    skipping = {"skipEmptyValues": True}
    found = db.records.import_json([{"b": 0, "empty": [], "o": {"text": ""}}, {"text": ""}], "N", skipping)
    assert [(record.label, record.fields) for record in found] == [("N", {"b": 0})]
    # A parent that has children but nothing of its own could not be stored (R15).
    with pytest.raises(PropertyError, match=r"data\.o: expected at least one property"):
        db.records.import_json({"a": 1, "o": {"p": {"x": 1}}}, "N")
    assert db.records.find().total == 2


def test_vectors_in_rows_of_any_depth(db: RushDB) -> None:
    db.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 3})

    def vectors(*numbers: float) -> list[dict[str, Any]]:
        return [{"propertyName": "body", "vector": list(numbers)}]

    db.records.import_json(
        {"P": {"name": "p", "A": [{"body": "n1", "$vectors": vectors(0, 0, 1)}, {"body": "n2"}]}}
    )
    db.records.import_json(
        [{"body": "a", "$vectors": vectors(1, 0, 0)}, {"body": "b", "$vectors": None}], "A"
    )
    found = db.ai.search({"labels": ["A"], "propertyName": "body", "queryVector": [0, 0, 1]})
    assert [hit["body"] for hit in found] == ["n1", "a"]
    with pytest.raises(PolicyMissing):  # all or nothing
        db.records.import_json([{"body": "g1"}, {"body": "g2", "$vectors": vectors(1, 0)}], "A")
    assert db.records.find({"where": {"body": {"$startsWith": "g"}}}).total == 0
    with pytest.raises(PropertyError, match=r"data\[0\]: expected at least one property"):
        db.records.import_json([{"$vectors": vectors(1, 0, 0)}], "A")  # or the vector would be lost


def test_vectors_of_many(db: RushDB) -> None:
    db.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})
    one, two = [{"propertyName": "body", "vector": [1, 0]}], [{"propertyName": "body", "vector": (0, 1)}]
    db.records.create_many("A", [{"body": "a"}, {"body": "b"}, {"body": "c"}], vectors=[one, None, two])
    db.records.create_many("A", [{"body": "d"}, {"body": "e"}], vectors=[[]])
    search = {"labels": ["A"], "propertyName": "body", "queryVector": [0, 1]}
    assert [hit["body"] for hit in db.ai.search(search)] == ["c", "a"]
    with pytest.raises(QueryError, match="vectors: 2 were given for 1 row"):
        db.records.create_many("A", [{"body": "f"}], vectors=[one, one])
    with pytest.raises(PolicyMissing) as refused:
        db.records.create_many(
            "A", [{"body": "f"}, {"body": "g"}], vectors=[one, [{"propertyName": "x", "vector": [1, 0]}]]
        )
    assert refused.value.index == 1
    assert db.records.find({"labels": ["A"]}).total == 5


def test_what_holds_itself_is_refused(db: RushDB) -> None:
    for data in ({"n": 1}, {}):
        circle: dict[str, Any] = {**data}
        circle["self"] = circle
        with pytest.raises(QueryError, match="holds itself"):
            db.records.import_json(circle, "N")
    deep: dict[str, Any] = {"n": 0}
    for n in range(100):
        deep = {"n": n, "child": deep}
    assert len(db.records.import_json(deep, "N")) == 101


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.lists(st.integers(0, 9))
OWN: Any = {"v": st.integers(0, 9)}
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries(OWN, optional={"a": SCALARS, "b": SCALARS}),
    lambda children: st.fixed_dictionaries(
        OWN, optional={"one": children, "many": st.lists(children, max_size=3), "a": SCALARS}
    ),
    max_leaves=12,
)


def objects(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of each object in a tree, depth first."""
    own: dict[str, Any] = {}
    below: list[dict[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            below += objects(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for child in value:
                below += objects(child)
        elif value is not None:
            own[name] = value
    return [own, *below]


@settings(deadline=None, max_examples=50)
@given(trees=st.lists(TREES, max_size=3))
def test_every_object_is_a_record(trees: list[dict[str, Any]]) -> None:
    wanted = [each for tree in trees for each in objects(tree)]
    with RushDB("memory://") as db:
        found = db.records.import_json(trees, "Root")
        assert shape(record.fields for record in found) == shape(wanted)
        assert sum(record.label == "Root" for record in found) == len(trees)
        assert db.records.find({"limit": 1000}).total == len(wanted)


def shape(objects: Iterable[dict[str, Any]]) -> list[str]:
    """The same for the same objects in any order, with their properties in any order."""
    return sorted(repr(sorted(each.items())) for each in objects)

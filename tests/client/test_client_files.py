"""``import_csv`` and ``export``, as RushDB's client has them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rushmodel import PolicyMissing, PropertyError, QueryError, RowError, RushDB, VectorError

PEOPLE = 'name,age,ok,when\nAnn,30,true,2024-01-01\n"Bob, Jr",4.5,false,2024-01-02T00:00:00Z\n,,,\n'


def fields(found: Any) -> list[dict[str, Any]]:
    return [record.fields for record in found]


def test_rows_become_records(db: RushDB) -> None:
    found = db.records.import_csv("Csv", PEOPLE)
    assert fields(found) == [
        {"name": "Ann", "age": 30, "ok": True, "when": "2024-01-01"},
        {"name": "Bob, Jr", "age": 4.5, "ok": False, "when": "2024-01-02T00:00:00Z"},
    ]
    assert found[0].proptypes == {"name": "string", "age": "number", "ok": "boolean", "when": "datetime"}
    assert found.total == db.records.find({"labels": ["Csv"]}).total == 2


def test_without_types_all_are_texts(db: RushDB) -> None:
    (found,) = db.records.import_csv("T", "n,ok,when\n30,true,2024-01-01", {"suggestTypes": False})
    assert found.fields == {"n": "30", "ok": "true", "when": "2024-01-01"}
    assert set(found.proptypes.values()) == {"string"}
    (found,) = db.records.import_csv("U", "n,when\n30,2024-01-01", parse_config={"dynamicTyping": False})
    assert found.fields == {"n": "30", "when": "2024-01-01"}
    assert found.proptypes == {"n": "string", "when": "datetime"}


def test_what_a_number_would_not_say_stays_a_text(db: RushDB) -> None:
    cells = ["007", "+5", "1.", " 1", "1e999", "9007199254740993", "-", "1_000", "٣", "True", "nan"]
    found = db.records.import_csv("T", "v\n" + "\n".join(cells))
    assert [record["v"] for record in found] == cells
    found = db.records.import_csv("U", "v\n0\n-1\n1.50\n2e3\n9007199254740992\nFALSE")
    assert [record["v"] for record in found] == [0, -1, 1.5, 2000, 2**53, False]


def test_other_ways_to_write_csv(db: RushDB) -> None:
    config = {"delimiter": ";", "quoteChar": "'", "escapeChar": "\\", "newline": "\n", "skipEmptyLines": True}
    (found,) = db.records.import_csv("S", "a;b\n'x\\'y;z';2\n\n", None, config)
    assert found.fields == {"a": "x'y;z", "b": 2}
    (found,) = db.records.import_csv("R", "\ufeffa,b\r1,2\r")
    assert found.fields == {"a": 1, "b": 2}
    (found,) = db.records.import_csv("H", "1,x\n", None, {"header": False})
    assert found.fields == {"0": 1, "1": "x"}
    (found,) = db.records.import_csv("L", 'a\n"two\nlines, one ""quote"""\n')
    assert found.fields == {"a": 'two\nlines, one "quote"'}


def test_names_are_what_a_server_makes_of_them(db: RushDB) -> None:
    (found,) = db.records.import_csv("N", "first name,1st,,a,a\n1,2,,4,5")
    assert found.fields == {"first_name": 1, "_1st": 2, "a": 4, "a_1": 5}


def test_merging(db: RushDB) -> None:
    first = db.records.import_csv("M", "k,v\n1,a\n2,b")
    again = db.records.import_csv("M", "k,w\n1,x\n3,y", {"mergeBy": ["k"]})
    assert again[0] == first[0]
    assert again[0].fields == {"k": 1, "v": "a", "w": "x"}
    rewrite = {"mergeBy": ["k"], "mergeStrategy": "rewrite"}
    assert db.records.import_csv("M", "k,z\n1,only", rewrite)[0].fields == {"k": 1, "z": "only"}
    assert db.records.find({"labels": ["M"]}).total == 3
    assert db.records.import_csv("M", "k\n9", {"returnResult": False}).data == []
    assert db.records.import_csv("low", "k\n9", {"capitalizeLabels": True})[0].label == "LOW"


def test_vectors_by_row(db: RushDB) -> None:
    db.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})
    one, two = [{"propertyName": "body", "vector": [1, 0]}], [{"propertyName": "body", "vector": [0, 1]}]
    db.records.import_csv("A", "body\na\nb\nc\nd", None, None, [one, None, two])  # fewer than rows are fine
    found = db.ai.search({"labels": ["A"], "propertyName": "body", "queryVector": [0, 1]})
    assert [hit["body"] for hit in found] == ["c", "a"]
    with pytest.raises(QueryError, match="vectors: 2 were given for 1 rows"):
        db.records.import_csv("A", "body\nx", None, None, [one, two])
    with pytest.raises(PolicyMissing):
        db.records.import_csv("A", "body\nx\ny", None, None, [one, [{"propertyName": "body", "vector": [1]}]])
    with pytest.raises(VectorError, match=r"vectors\[0\]\[0\]\.vector"):
        db.records.import_csv("A", "body\nx", None, None, [[{"propertyName": "body", "vector": ["a", 0]}]])
    with pytest.raises(PropertyError, match=r"row 1 \(line 2\) has vectors and no value"):
        db.records.import_csv("A", "body,n\n,", None, None, [one])
    assert db.records.find({"labels": ["A"]}).total == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b\n1,2\n3", r"row 2 \(line 3\): too few cells: expected 2, got 1"),
        ("a,b\n1,2\n\n3,4,5", r"row 2 \(line 4\): too many cells: expected 2, got 3"),
        ('a,b\n1,2\n3,"cut off', r"row 2 \(line 3\): the file ends inside of a quoted cell"),
        ('a,b\n"x"y,2', r"row 1 \(line 2\): this is no CSV"),
        ('"a,b\n1,2', r"the header \(line 1\): the file ends inside of a quoted cell"),
        ("a,b\n1,\0", r"row 1 \(line 2\): a NUL character"),
        ("a,\n1,2", r"row 1 \(line 2\): column 2 has no name"),
    ],
)
def test_what_is_no_csv(db: RushDB, data: str, message: str) -> None:
    with pytest.raises(RowError, match=message) as caught:
        db.records.import_csv("Bad", data)
    assert caught.value.status == 400
    assert db.records.find().total == 0


@pytest.mark.parametrize("name", ["$gt", "__id", "$a", "x" * 101])
def test_names_that_no_property_can_have(db: RushDB, name: str) -> None:
    if name.startswith("$"):  # a server makes ``_gt`` of it
        assert db.records.import_csv("N", f"{name}\n1")[0].fields == {f"_{name[1:]}": 1}
        return
    with pytest.raises(PropertyError, match=r"row 1 \(line 2\)\["):
        db.records.import_csv("N", f"ok,{name}\n1,2")
    assert db.records.find().total == 0


def test_arguments_that_make_no_sense(db: RushDB) -> None:
    wrong: list[tuple[Any, ...]] = [
        ("", "a\n1"),
        (None, "a\n1"),
        ("A", ""),
        ("A", b"a\n1"),
        ("A", "a\n1", {"relationshipType": "X"}),
        ("A", "a\n1", None, {"delimeter": ";"}),
        ("A", "a\n1", None, {"delimiter": ";;"}),
        ("A", "a\n1", None, {"delimiter": '"'}),
        ("A", "a\n1", None, {"header": "yes"}),
        ("A", "a\n1", None, {"newline": "x"}),
        ("A", "a\n1", None, None, "vectors"),
    ]
    for arguments in wrong:
        with pytest.raises(QueryError, match=r"import_csv\(\)"):
            db.records.import_csv(*arguments)
    assert db.records.import_csv("A", "a,b").data == []
    assert db.records.find().total == 0


def test_texts_written_as_numbers(db: RushDB) -> None:
    data = [{"num": "42", "neg": "-1.5", "word": "x", "arr": ["1", "2"], "mixed": ["1", "x"], "b": "true"}]
    (found,) = db.records.import_json(data, "N", {"convertNumericValuesToNumbers": True})
    assert found.fields == {
        "num": 42,
        "neg": -1.5,
        "word": "x",
        "arr": [1, 2],
        "mixed": ["1", "x"],
        "b": "true",
    }


def test_export(db: RushDB) -> None:
    assert db.records.export() == "__id,__label"
    one = db.records.create("A", {"n": 1, "text": 'a "b", c', "tags": ["x", "y"], "ok": True})
    two = db.records.create("B", {"n": 2.5, "when": "2024-01-01"})
    assert db.records.export() == (
        "__id,__label,n,ok,tags,text,when\r\n"
        f"{two.id},B,2.5,,,,2024-01-01\r\n"
        f'{one.id},A,1,true,"[""x"",""y""]","a ""b"", c",'
    )
    assert db.records.export({"labels": ["A"]}).count("\r\n") == 1
    assert (
        db.records.export({"where": {"n": {"$gt": 2}}}) == f"__id,__label,n,when\r\n{two.id},B,2.5,2024-01-01"
    )
    assert db.records.export({"limit": 1, "skip": 1, "orderBy": "asc"}).endswith(f"{two.id},B,2.5,2024-01-01")
    for wrong in ({"select": {"n": "$record.n"}}, {"groupBy": ["n"]}, {"lables": ["A"]}):
        with pytest.raises(QueryError):
            db.records.export(wrong)


def test_an_export_has_no_limit_of_its_own(db: RushDB) -> None:
    db.records.import_csv("A", "n\n" + "\n".join(map(str, range(1500))))
    assert len(db.records.export().split("\r\n")) == 1501


def test_twins(db: RushDB) -> None:
    async def both() -> str:
        records = await db.aio.records.import_csv("A", "n,t\n1,x", None, {"delimiter": ","})
        assert records[0].fields == {"n": 1, "t": "x"}
        return await db.aio.records.export({"labels": ["A"]})

    assert asyncio.run(both()) == db.records.export()

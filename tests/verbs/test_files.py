"""Imports and exports of files: what goes in, comes out, is refused, and is left behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import (
    BulkError,
    ExportReport,
    ImportReport,
    PolicyMissing,
    PropertyError,
    QueryError,
    RowError,
    StoreClosed,
    connect,
)
from rushmodel.port import ImportRecords, ImportRow

from .models import Article, article


class Sync:
    """The verbs of a database, called from the thread."""

    def __init__(self, db: Any) -> None:
        self.db = db

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.db, verb)


class Async(Sync):
    """The same verbs, from an event loop."""

    def __getattr__(self, verb: str) -> Any:
        return lambda *args, **kwargs: asyncio.run(getattr(self.db.aio, verb)(*args, **kwargs))


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def files(db, request):
    return request.param(db)


def stored(db: Any, label: str | None = None) -> list[dict[str, Any]]:
    """The properties of all records, in the order of their ids."""
    query: dict[str, Any] = {"orderBy": "asc", "limit": 1000}
    if label is not None:
        query["labels"] = [label]
    return [record.fields for record in db.client.records.find(query)]


def exported(db: Any, **options: Any) -> str:
    target = io.StringIO()
    db.export_jsonl(target, **options)
    return target.getvalue()


def lines(*rows: Any) -> list[str]:
    return [json.dumps(row) + "\n" for row in rows]


# -- reading files


def test_json_lines(db, files):
    done: list[int] = []
    rows = [{"n": n, "s": f"é{n}", "list": [n, n + 1], "none": None} for n in range(25)]
    report = files.import_jsonl(lines(*rows), label="A", batch=10, progress=done.append)
    assert report == ImportReport(rows=25, saved=25)
    assert done == [10, 20, 25]
    assert stored(db, "A") == [{"n": n, "s": f"é{n}", "list": [n, n + 1]} for n in range(25)]


def test_what_is_nested(db, files):
    report = files.import_jsonl(
        lines({"name": "Acme", "Dept": [{"name": "Eng", "Person": [{"name": "Ann"}]}, {"name": "Ops"}]}, {}),
        label="Company",
    )
    assert report == ImportReport(rows=2, saved=4)
    assert [row["name"] for row in stored(db)] == ["Acme", "Eng", "Ops", "Ann"]
    assert files.import_jsonl(lines({"__label": "P", "K": {"n": 1}, "x": 1}), relationship="OWNS").saved == 2
    assert "OWNS" in exported(db, relationships=True)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('[{"n": 1}, {"n": 2}]', "A"),
        ('\ufeff [\n{"__label": "A", "n": 1}\n,{"__label": "A", "n": 2}]\n', None),
        ('{"A": [{"n": 1}, {"n": 2}]}', None),
        ('{"A": {"n": 1}, "B": [], "A ": []}', None),
        ('{"n": 1}', "A"),
    ],
)
def test_json(db, files, text, label):
    report = files.import_json(io.StringIO(text), label=label)
    assert report.rows == report.saved == text.count('"n"')
    assert stored(db, "A") == [{"n": n + 1} for n in range(report.saved)]


def test_json_of_objects_and_files(db, files, tmp_path):
    assert files.import_json(({"n": n} for n in range(3)), label="A").saved == 3
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"n": n, "s": "x" * 10_000} for n in range(300)]), "utf-8")
    assert files.import_json(path, label="B").saved == 300
    with open(path, "rb") as file:
        assert files.import_json(file, label="C", batch=7).saved == 300
    assert len(stored(db, "C")) == 300


def test_csv(db, files, tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes('\ufeffname;zip;tags;n\r\nÄnne;01234;"[""a"",""b""]";1\r\n;;;\r\n'.encode())
    report = files.import_csv(path, label="P", delimiter=";", types={"zip": "string", "tags": "json"})
    assert report == ImportReport(rows=2, saved=1)
    assert stored(db) == [{"name": "Änne", "zip": "01234", "tags": ["a", "b"], "n": 1}]
    files.import_csv(["1,x\n", "2,y"], label="Q", header=False, columns=["n", "s"], types=False)
    assert stored(db, "Q") == [{"n": "1", "s": "x"}, {"n": "2", "s": "y"}]
    files.import_csv(io.StringIO("first name,2nd\n1,2\n"), label="R")  # names as they are
    assert stored(db, "R") == [{"first name": 1, "2nd": 2}]


def test_merging(db, files):
    files.import_csv(["k,v\n", "1,a\n", "2,b\n"], label="M")
    report = files.import_jsonl(lines({"k": 1, "w": "x"}, {"k": 3}), label="M", merge_by=["k"])
    assert report.saved == 2
    assert stored(db) == [{"k": 1, "v": "a", "w": "x"}, {"k": 2, "v": "b"}, {"k": 3}]
    files.import_json([{"k": 1, "z": 0}], label="M", merge_by=["k"], merge="rewrite")
    assert stored(db)[0] == {"k": 1, "z": 0}


def test_vectors(db, files):
    db.client.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})

    def nearest() -> list[str]:
        query = {"labels": ["A"], "propertyName": "body", "queryVector": [0, 1]}
        return [hit["body"] for hit in db.client.ai.search(query)]

    files.import_csv(["body\n", "a\n", "b\n", "c\n"], label="A", vectors={"body": np.eye(2)})
    assert nearest() == ["b", "a"]
    slots = [None, [{"propertyName": "body", "vector": [1, 9]}]]
    files.import_csv(["body\n", "d\n", "e\n"], label="A", vectors=slots)
    files.import_jsonl(lines({"body": "f", "$vectors": slots[1]}), label="A")
    assert sorted(nearest()) == ["a", "b", "e", "f"]
    for vectors in (
        {"body": [[1, 0]] * 2},
        {"body": [[1, 0, 0]]},
        [[{"propertyName": "body"}]],
        {"x": [[1, 0]]},
    ):
        with pytest.raises((BulkError, QueryError)):
            files.import_csv(["body\n", "z\n"], label="A", vectors=vectors)
    assert len(stored(db)) == 6


# -- what is wrong


BAD_LINES = [
    ('{"n": ', RowError, "this is no JSON"),
    ("[1]", RowError, "expected an object, got list"),
    ('{"n": 123456789012345678901}', PropertyError, "2\\*\\*53"),
    ('{"n": [1, "x"]}', PropertyError, "one kind"),
    ('{"$gt": 1}', PropertyError, r"\$gt"),
    ('{"__x": 1}', PropertyError, "__x"),
    ('{"n": NaN}', RowError, "this is no JSON"),
    ('{"s": "\\ud800"}', RowError, "this is no JSON"),
    ('{"a": {"b": {}}, "$vectors": [{"propertyName": "a", "vector": [1]}]}', PropertyError, "at least one"),
    ('{"b": "x", "$vectors": [{"propertyName": "b", "vector": [1]}]}', PolicyMissing, "no external index"),
    ('{"$relationship": {"source": "x", "target": "y", "type": "T"}}', RowError, "no record before it"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD_LINES)
def test_a_bad_line(db, files, bad, error, message):
    rows = [*lines(*({"n": n} for n in range(25))), "\n", bad + "\n", *lines({"n": 99})]
    with pytest.raises(BulkError, match=r"import_jsonl\(\): row 26") as caught:
        files.import_jsonl(rows, label="A", batch=10)
    (reason,) = caught.value.exceptions
    assert type(reason) is error
    assert re.search(message, str(reason))
    assert caught.value.row == 26
    assert caught.value.report == ImportReport(
        caught.value.report.rows, skipped=1, failed=caught.value.report.failed
    )
    assert stored(db) == []  # "raise" leaves nothing behind
    report = files.import_jsonl(rows, label="A", batch=10, on_error="skip")
    assert (report.rows, report.saved, report.skipped) == (27, 26, 1)
    assert [(each.row, each.line, type(each.error)) for each in report.failed] == [(26, 27, error)]
    assert len(stored(db)) == 26


def test_bytes_that_are_no_utf8(db, files, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"name,n\nok,1\nJos\xe9,2\nok,3\n")
    with pytest.raises(BulkError, match=r"row 2 \(line 3\): byte 4 of the line, b'\\xe9', is no UTF-8"):
        files.import_csv(path, label="A")
    assert stored(db) == []
    report = files.import_csv(path, label="A", on_error="skip")
    assert (report.saved, [each.line for each in report.failed]) == (2, [3])
    with open(path, encoding="latin-1", newline="") as file:
        files.import_csv(file, label="B")
    assert [row["name"] for row in stored(db, "B")] == ["ok", "José", "ok"]
    path.write_bytes(b'{"name": "Jos\xe9"}\n{"name": "ok"}\n')
    assert files.import_jsonl(path, label="C", on_error="skip").saved == 1
    path.write_bytes(b'[{"name": "ok"}, {"name": "Jos\xe9"}]')
    with pytest.raises(RowError, match="UTF-8"):
        files.import_json(path, label="D")
    assert stored(db, "D") == []


@pytest.mark.parametrize(
    "cut", ['[{"n": 1}, {"n": 2', '[{"n": 1}', '[{"n": 1},', '[{"n": 1} {"n": 2}]', '[{"n": 1}] x']
)
def test_json_that_is_cut_off(db, files, cut):
    with pytest.raises(RowError, match=r"import_json\(\): line 1: .*(nothing was imported|were taken back)"):
        files.import_json(io.StringIO(cut), label="A")
    assert stored(db) == []
    with pytest.raises(RowError, match="1 records of rows before it are imported") as caught:
        files.import_json(io.StringIO(cut), label="A", on_error="skip")
    assert caught.value.report.saved == len(stored(db)) == 1


def test_csv_that_is_cut_off(db, files):
    rows = ["a,b\n", *["1,2\n"] * 30, '3,"4']
    with pytest.raises(
        BulkError, match=r"row 31 \(line 32\): the file ends inside of a quoted cell"
    ) as caught:
        files.import_csv(rows, label="A", batch=10)
    assert caught.value.report.saved == 0
    assert stored(db) == []
    assert files.import_csv(rows, label="A", on_error="skip").saved == 30
    for header in ("a,a\n", '"a\n'):
        with pytest.raises(RowError, match="header"):
            files.import_csv([header, "1,2\n"], label="A", on_error="skip")


def test_arguments_that_make_no_sense(db, files, tmp_path):
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("merge", {"merge": "replace"}),
        ("on_error", {"on_error": "ignore"}),
        ("label", {"label": ""}),
        ("merge_by", {"merge_by": "slug"}),
        ("batch", {"batch": 0}),
    ]
    for name, options in wrong:
        with pytest.raises(QueryError, match=name):
            files.import_jsonl(lines({"n": 1}), **{"label": "A", **options})
    for options in ({"delimiter": ""}, {"quote": ","}, {"types": {"n": "int"}}, {"columns": "ab"}):
        with pytest.raises(QueryError, match=r"import_csv\(\)"):
            files.import_csv(["n\n", "1\n"], label="A", **options)
    with pytest.raises(RowError, match="no column 'x'"):
        files.import_csv(["n\n", "1\n"], label="A", types={"x": "string"})
    with pytest.raises(QueryError, match="no path"):
        files.import_csv("a,b\n1,2", label="A")
    with pytest.raises(QueryError, match="a path, an open file"):
        files.import_csv(5, label="A")
    with pytest.raises(FileNotFoundError):
        files.import_csv(tmp_path / "none.csv", label="A")
    with pytest.raises(BulkError, match=r"no __label, and import_jsonl\(\) was given no label"):
        files.import_jsonl(lines({"n": 1}))
    assert stored(db) == []


def test_whatever_the_source_raises_leaves_nothing_behind(db, files):
    def rows():
        yield from lines(*({"n": n} for n in range(15)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.import_jsonl(rows(), label="A", batch=10)
    assert stored(db) == []


def test_merged_records_cannot_be_taken_back_from_a_server(db):
    rows = [*lines(*({"k": n} for n in range(15))), "x\n"]
    with pytest.raises(BulkError) as caught:
        db.import_jsonl(rows, label="A", batch=10, merge_by=["k"])
    if db.url.startswith("http"):
        assert "10 records of rows before it were merged, and that cannot be taken back" in str(caught.value)
        assert caught.value.report.saved == len(stored(db)) == 10
    else:
        assert stored(db) == []


def test_in_a_transaction(embedded_db):
    db = embedded_db
    with db.transaction() as transaction:
        assert db.import_jsonl(lines({"n": 1}, {"n": 2}), label="A").saved == 2
        assert db.export_jsonl(io.BytesIO()).records == 2  # it sees what it wrote
        transaction.rollback()
    assert stored(db) == []


# -- exports


def test_export_and_import_again(db, files, tmp_path):
    Article(slug="a", body="x", tags=["t"], embedding=[0.1, 0.2, 0.3]).save()
    db.client.records.create("Other", {"text": "2024-01-01\0é\"'\n", "n": 1.5, "empty": [], "ok": False})
    path = tmp_path / "all.jsonl"
    done: list[int] = []
    report = files.export_jsonl(path, relationships=True, progress=done.append)
    assert report == ExportReport(2)
    assert done == [2]
    first = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["__label"] for row in first] == ["Article", "Other"]
    with connect("memory://", default=False) as other:
        assert other.import_jsonl(path).saved == 2
        assert stored(other) == stored(db)
        other.close()
    assert files.export_json(tmp_path / "all.json", ["Other"]).records == 1
    assert files.import_json(tmp_path / "all.json", label="Again").saved == 1
    assert stored(db, "Again") == stored(db, "Other")
    with pytest.raises(FileExistsError):
        files.export_jsonl(path)
    files.export_jsonl(path, Article, overwrite=True)
    assert path.read_text("utf-8").count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir() if "all" in each.name) == ["all.json", "all.jsonl"]


def test_what_is_exported(db, files):
    Article.save_many([article(str(n)) for n in range(5)])
    db.client.records.create("B", {"n": 1})
    for what, count in (
        (None, 6),
        ("B", 1),
        (["B", Article], 6),
        (Article, 5),
        (Article.find(Article.slug > "1"), 3),
        (Article.find().order_by(Article.slug.desc()).limit(2), 2),
        ({"labels": ["Article"], "where": {"slug": {"$in": ["1", "2"]}}}, 2),
        ("None", 0),
    ):
        for verb in ("export_jsonl", "export_json", "export_csv"):
            target = io.BytesIO()
            assert getattr(files, verb)(target, what).records == count
            if verb == "export_json":
                assert len(json.loads(target.getvalue())) == count
            else:
                assert target.getvalue().count(b"\n") == count + (verb == "export_csv")
    wrong: list[Any] = [[], 5, object, {"lables": []}]
    for what in wrong:
        with pytest.raises(QueryError):
            files.export_jsonl(io.BytesIO(), what)


def test_a_failed_export_leaves_no_file(db, files, tmp_path):
    db.client.records.create("B", {"n": 1})
    path = tmp_path / "out" / "rows.jsonl"
    with pytest.raises(FileNotFoundError):
        files.export_jsonl(path)
    path.parent.mkdir()

    def fail(count: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.export_csv(path, progress=fail)
    assert list(path.parent.iterdir()) == []
    db.close()
    with pytest.raises(StoreClosed):
        files.export_jsonl(path)
    assert list(path.parent.iterdir()) == []


def test_csv_and_back(db, files):
    rows = [{"s": 'a "q", b', "n": 1, "x": 1.5, "ok": True, "l": ["x", "y"]}, {"s": "two\nlines"}, {"y": "é"}]
    db.client.records.import_json(rows, "A")
    target = io.BytesIO()
    assert files.export_csv(target).records == 3
    target.seek(0)
    assert files.import_csv(target, label="B", types={"l": "json"}).saved == 3
    assert stored(db, "B") == stored(db, "A") == rows


# -- embedded stores: vectors, relationships, round trips


def test_vectors_and_relationships_round_trip(embedded_db):
    db = embedded_db
    vectors = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    Article.save_many([article(str(n), embedding=vectors[n]) for n in range(5)])
    db.client.records.import_json({"P": {"name": "p", "K": [{"n": 1}, {"n": 2}], "Q": {"n": 3}}})
    text = exported(db, with_vectors=True, relationships=True)
    assert json.loads(text.splitlines()[0])["$index"]["dimensions"] == 3
    with connect("memory://", default=False) as other:
        report = other.import_jsonl(io.StringIO(text))
        assert (report.saved, report.linked) == (9, 3)
        with other:
            again = Article.find().order_by(Article.slug.asc()).with_vectors().all()
        assert all(np.array_equal(each.embedding, vectors[n]) for n, each in enumerate(again))
        shape = [
            json.loads(line).keys()
            for line in exported(other, with_vectors=True, relationships=True).splitlines()
        ]
        assert shape == [json.loads(line).keys() for line in text.splitlines()]
        other.close()
    target = io.BytesIO()
    report = db.export_jsonl(target, ["P", "K"], relationships=True)
    assert report == ExportReport(3, 2, 1)  # the Q is not there


def test_texts_that_look_like_datetimes_stay_texts(embedded_db):
    db = embedded_db
    rows = lines({"text": "2024-01-01", "when": "2024-01-01", "__proptypes": {"text": "string"}})
    db.import_jsonl(rows, label="A")
    types = db.client.records.find({})[0].proptypes
    assert types == {"text": "string", "when": "datetime"}
    with connect("memory://", default=False) as other:
        other.import_jsonl(io.StringIO(exported(db)))
        assert other.client.records.find({})[0].proptypes == types
        other.close()


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAME = TEXT.filter(lambda name: name != "" and not name.startswith(("$", "__")) and "\0" not in name)
INTEGER = st.integers(-(2**53), 2**53)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
DATE = st.dates().map(str)
VALUE = st.one_of(
    *(
        part
        for each in (TEXT, INTEGER, FLOAT, st.booleans(), DATE)
        for part in (each, st.lists(each, max_size=3))
    )
)
ROW = st.dictionaries(NAME, VALUE, min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=8))
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_every_record_comes_back(form, rows):
    with connect("memory://", default=False) as db, connect("memory://", default=False) as other:
        db._store.backend.execute(ImportRecords(import_rows(rows)))
        target = io.BytesIO()
        getattr(db, f"export_{form}")(target)
        target.seek(0)
        assert getattr(other, f"import_{form}")(target, batch=3).saved == len(rows)
        assert shown(other) == shown(db)
        db.close()
        other.close()


def import_rows(rows: list[dict[str, Any]]) -> list[Any]:
    # Half of the texts were given as texts, whatever they look like.
    return [ImportRow("A", row, texts=frozenset(sorted(row)[::2])) for row in rows]


def shown(db: Any) -> list[Any]:
    found = db.client.records.find({"orderBy": "asc"})
    return [[(k, type(v), v) for k, v in sorted(each.fields.items())] + [each.proptypes] for each in found]


CELL = st.one_of(
    INTEGER,
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9).map(
        lambda text: f"t{text}"
    ),
)
COLUMNS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9).map(
        lambda name: f"c{name}"
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_csv_can_say_comes_back(data):
    columns = data.draw(COLUMNS)
    row = st.fixed_dictionaries({}, optional=dict.fromkeys(columns, CELL)).filter(bool)
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    with connect("memory://", default=False) as db, connect("memory://", default=False) as other:
        db.client.records.create_many("A", rows)
        target = io.BytesIO()
        db.export_csv(target)
        target.seek(0)
        assert other.import_csv(target, batch=2).saved == len(rows)
        assert stored(other) == stored(db) == rows
        db.close()
        other.close()


def test_a_large_file_is_never_held(tmp_path: Path) -> None:
    """In a process of its own, whose memory is its own: 60,000 rows of a kilobyte, in and out."""
    script = """
import json, resource, sys
from rushmodel import connect

def lines(form):
    yield "text,n\\n" if form == "csv" else "[" if form == "json" else ""
    for n in range(20_000):
        text = "x" * 1000
        if form == "csv":
            yield f"{text},{n}\\n"
        else:
            yield json.dumps({"text": text, "n": n}) + (",\\n" if form == "json" and n < 19_999 else "\\n")
    yield "]" if form == "json" else ""

db = connect("store.db", durability="normal")
for form in ("csv", "jsonl", "json"):
    with open(f"rows.{form}", "w") as file:
        file.writelines(lines(form))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
db.import_csv("rows.csv", label="Warm", on_error="skip")
before = peak()
for form in ("csv", "jsonl", "json"):
    assert getattr(db, f"import_{form}")(f"rows.{form}", label="A").saved == 20_000
    getattr(db, f"export_{form}")(f"out.{form}")
assert peak() - before < 40, (before, peak())
db.close()
"""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=_env()
    )
    assert done.returncode == 0, done.stderr


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

"""``rushmodel import`` and ``export``."""

from __future__ import annotations

import json

import pytest

from rushmodel import connect

CSV = """slug,the title,body,year,tags,embedding
a,Warp drives,metric,1994,"[""x""]","[1, 0]"
007,Tea,,,,
"""


def stored(label="Article"):
    with connect("a.db", default=False) as db:
        found = [record.fields for record in db.client.records.find({"labels": [label], "orderBy": "asc"})]
    db.close()
    return found


def test_csv_as_a_model(project):
    path = project.write("a.csv", CSV)
    done = project.on("import", path, "--model", "Article")
    assert (done.code, done.out, done.err) == (0, "2 rows, 2 records saved\n", "")
    assert [each["slug"] for each in stored()] == ["a", "007"]
    assert stored()[0]["year"] == 1994
    # By its key it is the same record.
    done = project.on("import", path, "--model", f"{project.module}:Article", "--json")
    assert done.document == {"rows": 2, "saved": 2, "linked": 0, "skipped": 0, "failed": []}
    assert len(stored()) == 2
    assert project.on("plan", "--json").document["changes"][0]["vectors"] == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"slug": "a", "title": "A"}, {"slug": "b", "the title": "B", "tags": ["x"]}]'),
        ("a.jsonl", '{"slug": "a", "title": "A"}\n\n{"slug": "b", "title": "B", "__label": "Article"}\n'),
        ("a.tsv", "slug\ttitle\na\tA\nb\tB\n"),
    ],
)
def test_other_forms(project, name, content):
    project.write(name, content)
    done = project.on("import", name, "--model", "Article")
    assert (done.code, done.err) == (0, "")
    assert [(each["slug"], each["the title"]) for each in stored()] == [("a", "A"), ("b", "B")]


def test_a_row_that_does_not_fit_its_class_leaves_nothing(project):
    lines = ['{"slug": "a", "title": "A"}', "", '{"slug": "b", "title": "B", "year": 3, "tags": 5}']
    path = project.write("a.jsonl", "\n".join(lines))
    done = project.on("import", path, "--model", "Article", "--batch", "1")
    assert done.code == 1
    assert done.err.startswith(
        "rushmodel: row 2 (line 3): year: Input should be greater than or equal to 1900"
    )
    assert done.err.endswith("(and 1 more); nothing was imported\n")
    assert stored() == []


def test_rows_that_are_left_out_are_told(project):
    lines = [
        '{"slug": "a", "title": "A"}',
        '{"slug": "b"}',
        "no json",
        "[]",
        '{"slug": "c", "title": "C", "price": 3}',
        '{"slug": "d", "title": "D", "the title": "D"}',
        '{"slug": "e", "title": "E", "__label": "Other"}',
        '{"slug": "f", "title": "F", "embedding": [1, 2, 3]}',
        '{"slug": "g", "title": "G", "$vectors": []}',
        '{"slug": "h", "title": "H\\u0000", "body": "\\u001b[31m"}',
    ]
    path = project.write("a.jsonl", "\n".join(lines))
    done = project.on("import", path, "--model", "Article", "--skip-errors", "--json")
    assert done.code == 1
    assert (done.document["rows"], done.document["saved"], done.document["skipped"]) == (10, 2, 8)
    told = {each["row"]: each["error"] for each in done.document["failed"]}
    assert list(told) == [2, 3, 4, 5, 6, 7, 8, 9]
    for row, part in {
        2: "title: Field required",
        3: "no JSON",
        4: "expected an object, got list",
        5: "price: Extra inputs",
        6: "title is there twice",
        7: "its __label is 'Other'",
        8: "embedding: ",
        9: "without --model",
    }.items():
        assert part in told[row]
    done = project.on("import", path, "--model", "Article", "--skip-errors")
    assert done.out.splitlines()[1].split(maxsplit=2) == ["2", "2", "title: Field required"]
    assert done.out.splitlines()[-1] == "10 rows, 2 records saved, 8 rows left out"


def test_as_a_label(project):
    path = project.write("a.csv", "slug,n\na,1\nb,x\n")
    assert project.on("import", path, "--label", "Thing", "--merge-by", "slug").code == 0
    assert project.on("import", path, "--label", "Thing", "--merge-by", "slug").code == 0
    assert stored("Thing") == [{"slug": "a", "n": 1}, {"slug": "b", "n": "x"}]
    done = project.on("import", path)
    assert (done.code, "row 1 (line 2): the row has no __label" in done.err) == (1, True)
    assert "sub-exception" not in done.err


def test_import_command_lines_that_make_no_sense(project):
    path = project.write("a.xyz", "")
    assert "add --format" in project.on("import", path, "--label", "A").err
    assert project.on("import", path, "--label", "A", "--model", "Article").code == 2
    assert project.on("import", path, "--merge-by", "A", "--model", "Article").code == 2
    assert project.on("import", "nothing.csv").code == 2
    assert not (project.folder / "a.db").exists()
    done = project.on("import", project.write("a.csv", CSV), "--model", "Nothing")
    assert (done.code, "there is no model Nothing among Person, Article" in done.err) == (3, True)


# -- export


def test_out_and_in_again(project):
    project.write("a.csv", CSV)
    project.on("import", "a.csv", "--model", "Article")
    done = project.on("export", "Article", "-o", "out.jsonl", "--with-vectors", "--json")
    assert done.document == {"path": "out.jsonl", "records": 2, "relationships": 0, "left_out": 0}
    assert project.run("import", "out.jsonl", "-d", "b.db").code == 0
    one, other = (
        project.run("export", "-d", name, "-o", "-", "--with-vectors").out for name in ("a.db", "b.db")
    )
    assert one.count("$vectors") == 1
    strip = [[{**json.loads(line), "__id": None} for line in text.splitlines()] for text in (one, other)]
    assert strip[0] == strip[1]
    assert project.on("import", "out.jsonl", "--model", "Article").code == 1  # of the line with a policy


def test_exports_overwrite_nothing_by_accident(project):
    project.on("sync")
    assert project.on("export", "-o", "out.csv").out == "out.csv: 0 records\n"
    done = project.on("export", "-o", "out.csv")
    assert (done.code, "add --overwrite" in done.err) == (2, True)
    assert project.on("export", "-o", "out.csv", "--overwrite").code == 0
    assert project.on("export", "-o", "nowhere/out.csv").code == 4


def test_export_command_lines_that_make_no_sense(project):
    project.on("sync")
    assert "name one with -o" in project.on("export", "--json").err
    assert "CSV holds no vectors" in project.on("export", "-o", "a.csv", "--with-vectors").err
    assert "add --format" in project.on("export", "-o", "a.xyz").err
    assert project.on("export", "-o", "a.xyz", "--format", "json").code == 0
    assert (project.folder / "a.xyz").read_text() == "[]\n" or json.loads(
        (project.folder / "a.xyz").read_text()
    ) == []


def test_an_export_of_what_is_not_there_says_so(project):
    project.write("a.csv", CSV)
    assert project.on("import", "a.csv", "--model", "Article").code == 0
    done = project.on("export", "Nobody")
    assert (done.code, done.out, done.err) == (0, "", "rushmodel: there are no records of Nobody\n")

"""``rushmodel plan`` and ``sync``."""

from __future__ import annotations

import io
import os

import pytest

from rushmodel import connect

from .terminal import in_terminal

posix = pytest.mark.skipif(os.name != "posix", reason="there are no such terminals")

WITHOUT_VECTOR = """
from rushmodel import Field, Model, field


class Article(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
"""


def rows(project, *lines):
    project.write("rows.jsonl", "\n".join(lines))
    assert project.on("import", "rows.jsonl", "--model", "Article").code == 0


def test_a_plan_against_a_file_that_is_not_there_makes_none(project):
    done = project.on("plan")
    assert done.code == 0
    assert done.out.splitlines()[1].split() == "create Article body external cosine 2 0 0 -".split()
    assert done.out.splitlines()[-1] == "1 to create: rushmodel sync"
    assert done.err == "rushmodel: a.db is not there yet: taken as an empty store\n"
    assert not (project.folder / "a.db").exists()
    assert project.on("plan", "--check").code == 1


def test_sync_makes_what_is_missing(project):
    done = project.on("sync")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "Done: 1 created, 0 dropped."
    assert project.on("plan", "--check").out.splitlines()[-1] == "In sync."
    assert project.on("plan", "--check").code == 0
    assert project.on("sync", "--json").document["changes"][0]["change"] == "keep"


def test_coverage(project):
    rows(
        project,
        '{"slug": "a", "title": "A", "body": "x", "embedding": [1, 0]}',
        '{"slug": "b", "title": "B", "body": "y"}',
        '{"slug": "c", "title": "C", "body": "y", "embedding": [0, 1]}',
    )
    assert project.on("plan", "--check").code == 0
    assert project.on("plan", "--min-coverage", "0.66").code == 0
    done = project.on("plan", "--min-coverage", "0.67")
    assert done.code == 1
    assert done.out.splitlines()[1].split()[-1] == "66%"
    assert done.err == "rushmodel: Article.body external cosine 2 covers 66%, less than 67%\n"
    done = project.on("plan", "--min-coverage", "0.9", "--json")
    assert (done.code, done.document["covered"], done.document["in_sync"]) == (1, False, True)
    assert project.on("plan", "--min-coverage", "90").code == 2


def test_a_policy_that_is_missing_covers_nothing(project):
    rows(project, '{"slug": "a", "title": "A", "body": "x", "embedding": [1, 0]}')
    text = (project.folder / f"{project.module}.py").read_text().replace("dims=2", "dims=3")
    project.write("other.py", text)
    done = project.run("plan", "-d", "a.db", "-m", "other:Article", "--min-coverage", "0.1")
    assert done.code == 1
    assert "Article.body external cosine 3 covers 0%" in done.err


def test_a_conflict(project):
    with connect("a.db", default=False) as db:
        db.client.records.create("Article", {"body": 5})
    db.close()
    done = project.on("plan", "--check")
    assert (done.code, done.out.split()[9]) == (1, "conflict")
    done = project.on("sync", "--json")
    assert done.code == 1
    assert done.document["error"]["kind"] == "PolicyConflict"
    assert done.document["error"]["exit_code"] == 1
    assert done.err.startswith("rushmodel: these properties hold values that are not text")


# -- dropping


@pytest.fixture
def smaller(project):
    """The options that name a class which wants no policy any more, where one holds a vector."""
    rows(project, '{"slug": "a", "title": "A", "body": "x", "embedding": [1, 0]}')
    name = f"{project.module}_smaller"
    project.write(f"{name}.py", WITHOUT_VECTOR)
    return ["-d", "a.db", "-m", name]


def held():
    with connect("a.db", default=False) as db:
        count = sum(each.held for each in db.stats().vectors.values())
    db.close()
    return count


def test_vectors_are_dropped_only_by_name(project, smaller):
    done = project.run("sync", *smaller)
    assert (done.code, done.out.splitlines()[-1]) == (0, "Done: 0 created, 0 dropped.")
    done = project.run("sync", "--prune", *smaller)
    assert done.code == 1
    assert "Article.body external cosine 2 (1 vectors)" in done.err
    assert "add --drop-vectors" in done.err
    done = project.run("sync", "--drop-vectors", *smaller)
    assert (done.code, "goes with --prune" in done.err) == (2, True)
    assert held() == 1


def test_without_a_terminal_nobody_can_confirm(project, smaller, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("drop 1 vectors"))
    done = project.run("sync", "--prune", "--drop-vectors", *smaller)
    assert (done.code, "add --yes" in done.err, held()) == (2, True, 1)
    done = project.run("sync", "--prune", "--drop-vectors", "--yes", "--json", *smaller)
    assert (done.code, done.document["changes"][0]["change"], held()) == (0, "drop", 0)
    # Where nothing is lost, nothing is asked.
    assert project.run("sync", "--prune", "--drop-vectors", *smaller).code == 0


@posix
def test_dropping_is_confirmed_by_typing_it(project, smaller):
    def answered(text):
        arguments = ["sync", "--prune", "--drop-vectors", *smaller]
        return in_terminal(*arguments, cwd=project.folder, answers=[("to go on", text)])

    code, seen = answered("yes\n")
    assert (code, "nothing was changed" in seen, held()) == (1, True, 1)
    assert "Article.body external cosine 2 goes, with 1 vectors" in seen
    code, seen = answered("\x03")
    assert (code, "rushmodel: interrupted" in seen, "Traceback" in seen, held()) == (130, True, False, 1)
    code, seen = answered("drop 1 vectors\n")
    assert (code, "1 dropped" in seen, held()) == (0, True, 0)

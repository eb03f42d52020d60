"""``rushmodel inspect``."""

from __future__ import annotations

import pytest

from rushmodel import connect


@pytest.fixture
def filled(project):
    with connect("a.db", default=False) as db:
        db.client.records.create("Book", {"title": "Moby-Dick", "class": 1})
        db.client.records.create("Author", {"name": "Melville"})
    db.close()
    return project


def test_stdout_is_a_module(filled):
    done = filled.on("inspect")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(
        'class Book(Model):\n    title: Field[str]\n    class_: Field[int] = field(name="class")\n'
    )
    assert "class Author" in done.out
    assert "class Author" not in filled.on("inspect", "Book").out


def test_a_file_that_plan_takes(filled):
    done = filled.on("inspect", "-o", f"{filled.module}_found.py")
    assert (done.code, done.out) == (0, f"{filled.module}_found.py: 2 classes\n")
    done = filled.run("plan", "--check", "-d", "a.db", "-m", f"{filled.module}_found")
    assert done.code == 0


def test_a_file_that_is_there(filled):
    path = filled.write("models.py", "mine = 1\n")
    done = filled.on("inspect", "-o", "models.py")
    assert done.code == 2
    assert "models.py is there already: choose another name, or add --force" in done.err
    assert path.read_text() == "mine = 1\n"
    done = filled.on("inspect", "Book", "-o", "models.py", "--force", "--json")
    assert done.document == {"path": "models.py", "classes": 1}
    assert "class Book(Model)" in path.read_text()


def test_what_makes_no_sense(filled):
    done = filled.on("inspect", "-o", "nowhere/models.py")
    assert (done.code, done.err) == (4, "rushmodel: nowhere/models.py: No such file or directory\n")
    done = filled.on("inspect", "Buch")
    assert done.code == 2
    assert "no records and no index policies of 'Buch'; there are 'Author', 'Book'" in done.err
    assert filled.on("inspect", "--json").code == 2
    assert filled.run("inspect", "-d", "none.db").code == 4

"""``progress=``: a function, a bar, or nothing; the same for every verb that takes long."""

from __future__ import annotations

import asyncio
import builtins
import io

import pytest

from rushmodel import ConfigurationError, Field, Model, VectorField, connect, embedder, field
from rushmodel.fields import Vector

letters = embedder(lambda texts: [[len(text), 1.0] for text in texts], name="letters", dims=2)


class Note(Model, label="ProgressNote"):
    slug: Field[str] = field(key=True)
    text: Field[str] = field(default="")
    embedding: Vector = VectorField(factory=letters, property="text")


@pytest.fixture
def db():
    database = connect("memory://", default=True, models=[Note])
    Note.save_many([Note(slug=f"s{number}", text="a") for number in range(5)])
    yield database
    database.close()


def notes():
    return [Note(slug=f"n{number}") for number in range(3)]


VERBS = {
    "save_many": lambda db, **more: Note.save_many(notes(), **more),
    "asave_many": lambda db, **more: asyncio.run(Note.asave_many(notes(), **more)),
    "reembed": lambda db, **more: Note.reembed(**more),
    "areembed": lambda db, **more: asyncio.run(Note.areembed(**more)),
    "migrate": lambda db, **more: db.migrate(**more),
    "amigrate": lambda db, **more: asyncio.run(db.aio.migrate(**more)),
    "import_jsonl": lambda db, **more: db.import_jsonl(io.StringIO('{"a": 1}\n'), label="A", **more),
    "import_json": lambda db, **more: db.import_json(io.StringIO('[{"a": 1}]'), label="A", **more),
    "import_csv": lambda db, **more: db.import_csv(io.StringIO("a\n1\n"), label="A", **more),
    "aimport": lambda db, **more: asyncio.run(db.aio.import_csv(io.StringIO("a\n1\n"), label="A", **more)),
    "export_jsonl": lambda db, **more: db.export_jsonl(io.StringIO(), **more),
    "export_csv": lambda db, **more: db.export_csv(io.StringIO(), **more),
    "aexport": lambda db, **more: asyncio.run(db.aio.export_json(io.StringIO(), **more)),
    "aexport_csv": lambda db, **more: asyncio.run(db.aio.export_csv(io.StringIO(), **more)),
    "inspect": lambda db, **more: db.inspect(**more),
    "ainspect": lambda db, **more: asyncio.run(db.aio.inspect(**more)),
}
QUIET = {"reembed", "areembed", "migrate", "amigrate"}
"""There is nothing for them to do here."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_function_is_told_how_many(db, verb):
    told: list[int] = []
    VERBS[verb](db, progress=told.append)
    assert told == sorted(told)
    assert bool(told) == (verb not in QUIET)


@pytest.mark.parametrize("verb", VERBS)
def test_true_draws_a_bar(db, verb, capfd):
    VERBS[verb](db, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.strip()
    VERBS[verb](db, progress=False)
    assert capfd.readouterr().err == ""


def test_a_bar_knows_how_many_there_are(db, capfd):
    Note.save_many(notes(), progress=True)
    assert "saving Note" in (drawn := capfd.readouterr().err)
    assert "3 of 3" in drawn
    Note.save_many(iter(notes()), progress=True)
    assert " of " not in capfd.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_anything_else_is_refused_before_anything_is_done(db, verb):
    with pytest.raises(TypeError, match="progress is a function, True or None, got str"):
        VERBS[verb](db, progress="yes")
    assert list(db.schema().labels) == ["ProgressNote"]
    assert Note.find().count() == 5


def test_a_bar_needs_rich(db, monkeypatch):
    real = builtins.__import__

    def without_rich(name, *arguments):
        if name.startswith("rich"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    with pytest.raises(ConfigurationError, match=r"draws a bar with rich: pip install .rushmodel\[cli\]"):
        Note.save_many(notes(), progress=True)
    assert Note.find().count() == 5


def test_the_bar_ends_where_the_verb_fails(db, capfd):
    def rows():
        yield Note(slug="x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Note.save_many(rows(), progress=True)
    Note.save_many(notes(), progress=True)  # one that was left running would refuse a second one
    assert "3 of 3" in capfd.readouterr().err

"""The fixtures, the recorder, and the hook that it uses."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import pytest

from rushmodel import Field, Model, NotFound, PolicyMissing, Sent, Vector, VectorField, connect, field
from rushmodel.testing import Recorder, assert_in_sync, build

WITHOUT = [part for name in ("cacheprovider", "asyncio", "anyio") for part in ("-p", f"no:{name}")]
"""Plugins that may be there, and have warnings of their own."""


class Note(Model):
    key: Field[str] = field(key=True)
    text: Field[str] = field(default="")
    vector: Vector = VectorField(dims=2)


def test_the_recorder_tells_what_was_sent(memory_database, recorder):
    assert recorder.names == []
    build(Note).save()
    recorder.assert_sent("ListPolicies", "CreatePolicy", "EnsureIndexes", "SaveRecords")
    recorder.clear()
    Note.search([1, 0])
    Note.find().count()
    recorder.assert_sent("SearchVectors", "CountRecords")
    assert recorder.count("CountRecords") == 1
    assert {each.label for each in recorder.commands} == {"Note"}
    with pytest.raises(
        AssertionError, match=r"expected these commands:\n    SaveRecords\nand these were sent:\n    Sea"
    ):
        recorder.assert_sent("SaveRecords")


def test_the_hook_is_told_in_both_colours_and_in_transactions():
    told: list[Sent] = []
    with connect("memory://", on_command=told.append, default=False) as db:
        build(Note, key="a").save()

        async def main():
            await build(Note, key="b").asave()
            async with db.transaction():
                await build(Note, key="c").asave()

        asyncio.run(main())
        with db.transaction():
            build(Note, key="d").save()
        Note.save_many([build(Note), build(Note)])
        with Recorder(db) as recorder, pytest.raises(NotFound):
            Note.get(key="none")
        db.close()
    saves = [each for each in told if each.name == "SaveRecords"]
    assert [each.count for each in saves] == [1, 1, 1, 1, 2]
    assert all(isinstance(each, Sent) and each.seconds >= 0 and each.error is None for each in told)
    assert told[-1] == recorder.commands[-1]


def test_errors_are_told_by_their_name():
    told: list[Sent] = []
    with connect("memory://", on_command=told.append, autosync=False, default=False) as db:
        with pytest.raises(PolicyMissing):
            build(Note).save()
        with pytest.raises(ZeroDivisionError):
            use_failing(db)
        db.close()
    assert told


def use_failing(db):
    def fail(sent):
        return 1 / 0

    with Recorder(db) as recorder:
        recorder._take = fail  # type: ignore[method-assign]
        db.__dict__["_on_command"] = fail
        db.plan()


def test_the_log_has_no_values(caplog):
    caplog.set_level(logging.DEBUG, logger="rushmodel")
    with connect("memory://", default=False) as db:
        build(Note, key="a secret key", text="a secret text", vector=[0.123, 0.456]).save()
        Note.search([0.123, 0.456], where=Note.text == "a secret text")
        Note.get(key="a secret key")
        db.close()
    assert "SaveRecords Note, 1 given" in caplog.text
    for secret in ("secret", "0.123", "0.456"):
        assert secret not in caplog.text


def test_policies_in_sync():
    with connect("memory://", models=[Note], default=False) as db:
        with pytest.raises(AssertionError, match=r"not in sync:\n(.|\n)*create  Note"):
            assert_in_sync(db)
        db.sync()
        assert_in_sync(db)
        db.close()


def test_a_project_of_its_own(tmp_path):
    (tmp_path / "test_notes.py").write_text(
        "from rushmodel import Field, Model, connect, field\n"
        "class Note(Model):\n"
        "    key: Field[str] = field(key=True)\n"
        "def test_one(memory_database, recorder):\n"
        "    Note(key='a').save()\n"
        "    assert Note.find().count() == 1\n"
        "    assert recorder.count('SaveRecords') == 1\n"
        "def test_two(memory_database):\n"
        "    assert Note.find().count() == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", *WITHOUT, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr

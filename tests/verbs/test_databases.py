"""`connect`, which database a verb runs on, closing, forking."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rushmodel
from rushmodel import (
    ConfigurationError,
    ForeignFile,
    NewerFormat,
    NotConnected,
    RushModelError,
    StoreClosed,
    StoreError,
    connect,
)

from .models import Article, Plain, article, page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def opened(monkeypatch):
    """Opens databases, and closes them all at the end."""
    for name in ("RUSHMODEL_URL", "RUSHDB_URL", "RUSHDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    made: list[Any] = []

    def open_database(*arguments: Any, **settings: Any) -> Any:
        made.append(connect(*arguments, **settings))
        return made[-1]

    yield open_database
    for database in made:
        database.close()


def name_of_one() -> str:
    return Plain.find().one().name


# -- which database -----------------------------------------------------------


def test_the_first_is_the_default(opened, tmp_path):
    with pytest.raises(NotConnected, match="connect"):
        Plain.find().count()
    first = opened(tmp_path / "a.db")
    Plain(name="first").save()
    for other in (tmp_path / "b.db", "memory://"):
        with pytest.raises(ConfigurationError, match=r"default=True.*default=False"):
            connect(other)
    second = opened(tmp_path / "b.db", default=False)
    assert name_of_one() == "first"
    with second:
        Plain(name="second").save()
    third = opened("memory://", default=True)
    Plain(name="third").save()
    for database, name in ((first, "first"), (second, "second"), (third, "third")):
        with database:
            assert name_of_one() == name
    assert name_of_one() == "third"


def test_a_refused_second_database_leaves_no_file(opened, tmp_path):
    opened("memory://")
    with pytest.raises(ConfigurationError, match="default"):
        connect(tmp_path / "b.db")
    assert list(tmp_path.iterdir()) == []


def test_the_same_place_again_is_no_other(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("sub").mkdir()
    opened("a.db")
    Plain(name="a").save()
    for location in ("a.db", "./a.db", tmp_path / "a.db", "sub/../a.db"):
        with opened(location):
            assert name_of_one() == "a"


def test_each_memory_is_its_own(opened):
    first = opened("memory://")
    second = opened("memory://", default=False)
    Plain(name="a").save()
    with second:
        assert Plain.find().count() == 0
    assert first.url == second.url == "memory://"


def test_a_closed_database_gives_its_place_up(opened, tmp_path):
    first = opened(tmp_path / "a.db")
    first.close()
    first.close()
    with pytest.raises(NotConnected):
        Plain.find().count()
    opened(tmp_path / "b.db")
    Plain(name="b").save()
    with first, pytest.raises(StoreClosed, match=r"a\.db"):
        Plain.find().count()
    for use in (first.plan, first.sync, lambda: first.client.records.find({})):
        with pytest.raises(StoreClosed):
            use()
    first.close()
    assert name_of_one() == "b"


def test_selecting_does_not_close(opened):
    outer, inner = opened("memory://"), opened("memory://", default=False)
    with outer as same:
        assert same is outer
        with inner:
            Plain(name="inner").save()
            with outer, inner:
                assert name_of_one() == "inner"
            assert name_of_one() == "inner"
        assert Plain.find().count() == 0
    with inner:
        assert name_of_one() == "inner"


def test_a_selection_ends_with_an_error_too(opened):
    opened("memory://")
    inner = opened("memory://", default=False)
    with contextlib.suppress(ZeroDivisionError), inner:
        Plain(name="inner").save()
        1 / 0
    assert Plain.find().count() == 0


# -- tasks and threads --------------------------------------------------------


def test_tasks_inherit_the_selection(opened):
    opened("memory://")
    databases = [opened("memory://", default=False) for _ in range(5)]

    async def child() -> int:
        await asyncio.sleep(0)
        return await Plain.find().acount()

    async def work(number: int) -> int:
        with databases[number]:
            for n in range(number):
                await Plain(name=str(n)).asave()
                await asyncio.sleep(0)
            return await asyncio.create_task(child())

    async def main() -> list[int]:
        return await asyncio.gather(*(work(number) for number in range(5)))

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
    assert Plain.find().count() == 0


def test_threads_see_the_default(opened):
    opened("memory://")
    Plain(name="default").save()
    inner = opened("memory://", default=False)
    with inner, ThreadPoolExecutor(1) as pool:
        Plain(name="inner").save()
        assert pool.submit(name_of_one).result() == "default"
        context = contextvars.copy_context()
        assert pool.submit(context.run, name_of_one).result() == "inner"

        async def in_thread() -> str:
            return await asyncio.to_thread(name_of_one)

        assert asyncio.run(in_thread()) == "inner"


def test_threads_share_a_database(db):
    article("first").save()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(10):
                article(f"{number} {n}").save()
                assert Article.get(slug=f"{number} {n}").is_saved
                assert len(Article.search([1, 2, 3])) > 0
                Article.find(Article.slug == f"{number} {n}").update(note="x")
        except BaseException as error:  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Article.find(Article.note == "x").count() == 40
    assert len(Article.search([1, 2, 3], limit=100)) == 41


# -- locations ----------------------------------------------------------------


def test_a_file_is_whole_after_closing(opened, tmp_path):
    path = tmp_path / "ünïcödé '%20.db"
    first = opened(path, durability="full")
    record = article().save()
    first.close()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # one file is a whole backup
    opened(path)
    assert Article.get(slug="warp", with_vectors=True) == record
    assert len(Article.search([1, 2, 3])) == 1


def test_the_environment_names_a_location(opened, tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="RUSHMODEL_URL"):
        connect()
    monkeypatch.setenv("RUSHDB_URL", str(tmp_path / "b.db"))
    assert opened().url == (tmp_path / "b.db").as_uri()
    monkeypatch.setenv("RUSHMODEL_URL", str(tmp_path / "a.db"))
    assert opened(default=False).url == (tmp_path / "a.db").as_uri()
    assert opened("memory://", default=False).url == "memory://"  # arguments come first
    monkeypatch.setenv("RUSHMODEL_URL", "")
    assert opened(default=False).url == (tmp_path / "b.db").as_uri()


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("", ConfigurationError),
        ("ftp://user:s3cret@host/a", ConfigurationError),
        ("file:///tmp/a.db", ConfigurationError),
        ("memory://a", ConfigurationError),
        (b"a.db", ConfigurationError),
        ("a\0b.db", ConfigurationError),
        ("http://localhost:3000/api/v1", ConfigurationError),
        ("https://user:s3cret@api.example.com/api/v1", ConfigurationError),
        (".", StoreError),
        ("nowhere/a.db", StoreError),
    ],
)
def test_locations_that_cannot_be(tmp_path, monkeypatch, location, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        connect(location)
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotConnected):
        Plain.find().count()


@pytest.mark.parametrize("settings", [{"durability": "none"}, {"durability": None}, {"models": [int]}])
def test_settings_that_make_no_sense(embedded_location, settings):
    with pytest.raises(ConfigurationError):
        connect(embedded_location, **settings)
    assert embedded_location == "memory://" or not embedded_location.exists()


def test_a_token_is_never_shown(tmp_path, monkeypatch):
    token = "s3cret-t0ken"
    for location in (tmp_path / "a.db", "memory://", "https://u:p@api.example.com/api/v1", "ftp://x"):
        with pytest.raises(RushModelError) as caught:
            connect(location, token=token)
        assert token not in str(caught.value)
        assert token not in repr(caught.value.__dict__)
    monkeypatch.setenv("RUSHDB_API_KEY", token)
    server = connect("https://api.example.com/api/v1", token=token, default=False)
    shown = [repr(each) for each in (server, server.aio, server.client, server._store, server.context)]
    server.close()
    assert token not in "".join(shown)
    database = connect(tmp_path / "a.db")
    shown = [repr(database), str(database), database.url, repr(database.aio), repr(database.client)]
    shown += [repr(database._store), repr(database.context)]
    database.close()
    assert not [each for each in shown if token in each]


def test_other_programs_files_are_left_alone(tmp_path):
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    text = tmp_path / "text.db"
    text.write_bytes(b"this is no database" * 100)
    for path in (foreign, text):
        before = path.read_bytes()
        with pytest.raises(ForeignFile, match=path.name):
            connect(path)
        assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["foreign.db", "text.db"]


def test_a_newer_file_is_left_alone(tmp_path):
    path = tmp_path / "newer.db"
    connect(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerFormat, match="99"):
        connect(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(opened, tmp_path):
    tmp_path.joinpath("empty.db").touch()
    opened(tmp_path / "empty.db")
    Plain(name="a").save()
    assert name_of_one() == "a"


# -- closing, processes -------------------------------------------------------


def test_closing_ends_its_threads(location):
    before = set(threading.enumerate())
    database = connect(location, default=True)

    async def main() -> None:
        await Plain(name="a").asave()

    asyncio.run(main())
    database.close()
    assert set(threading.enumerate()) == before


def test_closing_during_an_iteration(db):
    Plain.save_many([Plain(name=str(n)) for n in range(10)])
    stream = Plain.find().pages(2)
    next(stream)
    db.close()
    with pytest.raises(StoreClosed):
        next(stream)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it forks with threads, on purpose
def test_after_a_fork(location):
    database = connect(location, durability="normal", default=True)
    article("parent").save()
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        try:
            article("child").save()
            answer: Any = sorted(each.slug for each in Article.find()), len(Article.search([1, 2, 3]))
        except BaseException as error:  # handed to the parent
            answer = type(error).__name__
        os.write(send, pickle.dumps(answer))
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        answer = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if location == "memory://":
        assert answer == "StoreError"
        assert Article.find().one().slug == "parent"
    else:
        assert answer == (["child", "parent"], 2)
        assert sorted(each.slug for each in Article.find()) == ["child", "parent"]
        assert len(Article.search([1, 2, 3])) == 2
    article("after").save()
    database.close()


def test_spawned_processes_open_a_file_each(tmp_path):
    program = """
import sys
from rushmodel import Field, Model, connect, field

class Counted(Model):
    name: Field[str] = field(key=True)
    number: Field[int]

with connect(sys.argv[1]):
    for number in range(50):
        Counted(name=f"{sys.argv[2]} {number}", number=number).save()
    assert Counted.find(Counted.name.startswith(sys.argv[2] + " ")).count() == 50
"""
    path = tmp_path / "store.db"
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(n)], cwd=ROOT, stderr=subprocess.PIPE)
        for n in range(3)
    ]
    errors = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], errors
    database = connect(path, default=False)
    assert database.client.records.find({"labels": ["Counted"]}).total == 150
    database.close()


def test_names_are_public_in_one_place():
    for name in ("connect", "Database", "StaleVector", "Hit", "BulkReport", "Query"):
        assert getattr(rushmodel, name).__module__ == "rushmodel"
    assert page().is_saved is False


def test_a_record_stays_with_its_store(opened, tmp_path):
    """Its id means nothing in another store: a delete there would silently do nothing."""
    opened(tmp_path / "a.db")
    record = Plain(name="a").save()
    for location in ("memory://", tmp_path / "b.db"):
        with opened(location, default=False):
            record.count = 5
            for use in (record.save, record.delete, record.refresh, lambda: record.rename_key(name="b")):
                with pytest.raises(ConfigurationError, match=r"belongs to .*a\.db.*with db"):
                    use()
            assert Plain.save_many([record], on_error="skip").saved == 0
            assert record.clone().save().count == 5
    assert record.is_saved
    assert record.save().refresh().count == 5
    with opened(tmp_path / "a.db", default=False):
        record.delete()  # the same file, opened once more
    assert Plain.find().count() == 0


def test_a_closed_default_gives_way_to_the_one_before(opened, tmp_path):
    opened(tmp_path / "a.db")
    Plain(name="a").save()
    second = opened(tmp_path / "b.db", default=True)
    assert Plain.find().count() == 0
    second.close()
    assert name_of_one() == "a"


@pytest.mark.parametrize("location", [":memory:", "memory:", "memory", 3])
def test_what_is_meant_for_memory_makes_no_file(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError):
        connect(location)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_removed_takes_no_saves(opened, tmp_path):
    opened(tmp_path / "a.db")
    Plain(name="a").save()
    for each in tmp_path.iterdir():
        each.unlink()
    with pytest.raises(StoreError, match="removed"):
        Plain(name="b").save()

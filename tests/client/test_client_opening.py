"""Which store a client opens, what it does with a token, and who closes."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from rushmodel import ConfigurationError, RushDB, StoreClosed, connect
from rushmodel.opening import open_store

TOKEN = "in_1100_s3cr3t-t0ken"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUSHMODEL_URL", raising=False)
    monkeypatch.delenv("RUSHDB_URL", raising=False)


def urls(*clients: RushDB) -> list[str]:
    found = [client.url for client in clients]
    for client in clients:
        client.close()
    return found


def test_a_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = (tmp_path / "a.db").as_uri()
    assert urls(
        RushDB("memory://"),
        RushDB("a.db"),
        RushDB(str(tmp_path / "a.db")),
        RushDB(tmp_path / "a.db"),
        RushDB(url="a.db"),
        RushDB(base_url="a.db"),
        RushDB(base_url="a.db", url="a.db"),
        RushDB(TOKEN, "memory://"),
        RushDB(TOKEN, url="a.db"),
    ) == ["memory://", *[file] * 6, "memory://", file]


@pytest.mark.parametrize("name", ["RUSHMODEL_URL", "RUSHDB_URL"])
def test_the_environment_decides_for_a_token(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHDB_URL", "https://somewhere.example/api/v1")
    monkeypatch.setenv(name, str(tmp_path / "env.db"))
    assert urls(RushDB("your-api-key"), RushDB(), RushDB("memory://"), RushDB(TOKEN, "memory://")) == [
        *[(tmp_path / "env.db").as_uri()] * 2,
        *["memory://"] * 2,
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), ConfigurationError, "RUSHMODEL_URL"),
        ((None, "https://api.rushdb.com/api/v1"), ConfigurationError, "RUSHDB_API_KEY"),
        (("https://api.rushdb.com/api/v1",), ConfigurationError, "RUSHDB_API_KEY"),
        ((f"{TOKEN} x", "https://api.rushdb.com/api/v1"), ConfigurationError, "spaces"),
        ((TOKEN, f"https://user:{TOKEN}@api.rushdb.com"), ConfigurationError, "password"),
        ((TOKEN, "a.db", "b.db"), ConfigurationError, "base_url and url"),
        (("a.db", "b.db"), ConfigurationError, "first argument"),
        (("memory://", None, "memory://"), ConfigurationError, "first argument"),
        (("",), ConfigurationError, "api_key"),
        ((5,), ConfigurationError, "api_key"),
        ((TOKEN, 5), ConfigurationError, "base_url"),
        ((TOKEN, None, ""), ConfigurationError, "url"),
        ((TOKEN, "postgres://user:pw@host"), ConfigurationError, "postgres"),
    ],
)
def test_what_is_refused(
    arguments: Any,
    error: type[Exception],
    message: str,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error, match=message) as refused:
        RushDB(*arguments)
    # Also where an error monitor prints every local attribute of the exception.
    told = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value)) + caplog.text
    assert TOKEN not in told.replace(f'"{TOKEN}"', "")
    assert "user:pw" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_not_kept(tmp_path: Path) -> None:
    def everything(thing: object, depth: int = 4) -> str:
        inside = vars(thing).values() if hasattr(thing, "__dict__") and depth else ()
        return repr(thing) + "".join(everything(each, depth - 1) for each in inside)

    with RushDB(TOKEN, url=str(tmp_path / "a.db")) as db:
        assert TOKEN not in everything(db)
        assert repr(db) == f"<RushDB {(tmp_path / 'a.db').as_uri()}>"


def test_closing(location: str) -> None:
    with RushDB(location) as db:
        assert db.ping()
    assert not db.ping()
    db.close()
    with pytest.raises(StoreClosed) as refused:
        db.records.find()
    assert refused.value.status == 503


def test_a_file_keeps_what_was_written(tmp_path: Path) -> None:
    with RushDB(tmp_path / "a.db") as db:
        record = db.records.create("N", {"n": 1})
    with RushDB(tmp_path / "a.db") as db:
        assert db.records.find_by_id(record).data == record.data


def test_over_an_open_store() -> None:
    store = open_store("memory://")
    with RushDB.over(store) as first:
        record = first.records.create("N", {"n": 1})
    second = RushDB.over(store)
    assert second.records.find().data == [record]
    assert second.url == "memory://"
    store.backend.close()
    assert not second.ping()


def test_the_client_of_a_database(tmp_path: Path) -> None:
    database = connect(tmp_path / "a.db")
    client = database.client
    client.records.create("N", {"n": 1})
    client.close()
    assert client.records.find().total == 1
    database.close()
    assert not client.ping()

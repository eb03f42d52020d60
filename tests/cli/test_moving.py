"""``rushmodel push`` and ``pull``."""

from __future__ import annotations

import pytest

from rushmodel import connect
from tests.serve.process import Process
from tests.unkind.process import unkind

__all__ = ["unkind"]


@pytest.fixture
def filled(project):
    rows = 'slug,the title,body,embedding\na,A,eee,"[1, 0]"\nb,B,aaa,"[0, 1]"\nc,C,,\n'
    path = project.write("a.csv", rows)
    assert project.on("import", path, "--model", "Article").code == 0
    return project


def exported(project, name):
    done = project.run("export", "-d", name, "--with-vectors")
    assert done.code == 0
    return sorted(done.out.splitlines())


def test_to_another_file(filled):
    done = filled.run("push", "--from", "a.db", "--to", "b.db")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("b.db: 3 records, 0 relationships; 3 compared\n")
    assert exported(filled, "b.db") == exported(filled, "a.db")
    done = filled.run("push", "-d", "a.db", "--to", "b.db", "--json")
    assert {**done.document, "from": "", "to": ""} == {
        "from": "",
        "to": "",
        "records": 3,
        "unchanged": 3,
        "vectors": 0,
        "relationships": 0,
        "left_out": 0,
        "policies": 0,
        "checked": 3,
    }


def test_to_a_server_and_back(filled, monkeypatch):
    with Process("memory://") as server:
        monkeypatch.setenv("RUSHDB_API_KEY", server.token)
        assert filled.run("push", "--from", "a.db", "--to", server.url).code == 0
        done = filled.run("pull", "--from", server.url, "--to", "b.db", "--without-vectors")
        assert done.out.endswith("b.db: 3 records, 0 relationships; 3 compared\n")
        done = filled.run("pull", "--from", server.url, "-d", "b.db")
        assert (done.code, done.err) == (0, "")
        assert exported(filled, "b.db") == exported(filled, "a.db")
        monkeypatch.setenv("RUSHDB_API_KEY", "wrong")
        done = filled.run("push", "--from", "a.db", "--to", server.url)
        assert done.code == 4
        assert "is the token the right one for this server?" in done.err
        monkeypatch.delenv("RUSHDB_API_KEY")
        done = filled.run("push", "--from", "a.db", "--to", server.url)
        assert done.code == 3
        assert "wants a token" in done.err
    done = filled.run("pull", "--from", "http://127.0.0.1:9/api/v1", "--to", "c.db", "--token-env", "PATH")
    assert done.code == 4
    assert not (filled.folder / "c.db").exists()


def test_what_makes_no_sense(filled):
    assert filled.run("push", "--from", "a.db").code == 2
    assert filled.run("pull", "--to", "a.db").code == 2
    assert filled.run("push", "--to", "b.db").code == 3  # no database is named
    done = filled.run("push", "--from", "none.db", "--to", "b.db")
    assert (done.code, done.err) == (4, "rushmodel: there is no file none.db\n")
    assert not (filled.folder / "b.db").exists()
    done = filled.run("push", "--from", "a.db", "--to", "a.db")
    assert done.code == 3
    assert "cannot be moved to itself" in done.err
    done = filled.run("push", "--from", "a.db", "--to", "b.db", "--embedder", "nowhere:x")
    assert done.code == 3


def test_some_labels(filled):
    with connect("a.db", default=False) as db:
        db.client.records.create("Other", {"n": 1})
    db.close()
    done = filled.run("push", "--from", "a.db", "--to", "b.db", "--label", "Other", "--json")
    assert done.document["records"] == 1
    done = filled.run("push", "--from", "a.db", "--to", "b.db", "--label", "Nobody")
    assert (done.code, done.err) == (
        2,
        "rushmodel: there are no records and no index policies of 'Nobody'\n",
    )


def test_a_server_that_gives_no_vectors_back(filled, unkind, monkeypatch):
    unkind.reset(rushdb=True)
    monkeypatch.setenv("RUSHDB_API_KEY", unkind.token)
    assert filled.run("push", "--from", "a.db", "--to", unkind.url).code == 0
    done = filled.run("pull", "--from", unkind.url, "--to", "b.db")
    assert done.code == 4
    assert "--embedder makes them again from their texts, --without-vectors leaves them out" in done.err
    assert filled.run("pull", "--from", unkind.url, "--to", "b.db", "--without-vectors").code == 0

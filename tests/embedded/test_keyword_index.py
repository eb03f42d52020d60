"""The keyword index is what the label's rows say, whatever was done to them."""

from __future__ import annotations

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import Field, Model, connect, field

WORDS = st.lists(st.sampled_from(["tea", "leaf", "space", "warp", "größer", "a\0b", "'quoted'"]), max_size=4)


class Note(Model):
    number: Field[int] = field(key=True)
    text: Field[str] = field(default="")
    tags: Field[list[str]] = field(default_factory=list)


class Other(Model):
    number: Field[int] = field(key=True)
    text: Field[str] = field(default="")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["save", "many", "update", "delete", "relabel", "forget", "undo", "drop", "search", "put"]
        ),
        st.integers(0, 4),
        WORDS,
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_is_kept_by_every_write(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("keywords") / "store.db"
    with connect(path, durability="normal", default=False) as db:
        Note(number=0, text="tea").save()
        Note.search(text="tea")
        for kind, number, words in steps:
            step(db, kind, number, " ".join(words), words)
            assert db.check().ok
        expected = {each.number for each in Note.find() if "tea" in each.text.split() or "tea" in each.tags}
        assert {hit.record.number for hit in Note.search(text="tea", limit=100)} == expected
        db.close()
    check(path)


def step(db, kind, number, text, words):
    if kind == "save":
        Note(number=number, text=text, tags=words).save()
    elif kind == "many":
        Note.save_many([Note(number=number + i, text=text) for i in range(3)])
    elif kind == "update":
        Note.find(Note.number > number).update(text=text)
    elif kind == "delete":
        Note.find(Note.number == number).delete()
    elif kind == "search":
        Other(number=number, text=text).save()
        Other.search(text="leaf")
    elif kind == "drop":
        db.drop_index(Note.text)
    elif kind == "undo":
        with db.transaction() as transaction:
            Note(number=number, text=text).save()
            Note.find(Note.number < number).delete()
            transaction.rollback()
    else:
        found = db.client.records.find({"labels": ["Note"], "where": {"number": number}}).data
        if not found:
            return
        if kind == "relabel":
            db.client.records.set(found[0].id, label="Other", data={"number": number, "text": text})
        elif kind == "put":
            db.client.records.set(found[0].id, label="Note", data={"number": number, "text": text})
        else:
            db.client.records.update(found[0].id, label="Note", data={"text": text})


def check(path):
    """SQLite's own comparison of each index with the rows."""
    connection = sqlite3.connect(path)
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE name GLOB 'k[0-9]*' AND name NOT GLOB '*_*'"
        ).fetchall()
        for (name,) in tables:
            connection.execute(f"INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1)")
    finally:
        connection.close()


def test_a_wrong_index_is_told(tmp_path):
    with connect(tmp_path / "store.db", default=False) as db:
        Note.save_many(Note(number=i, text=f"tea {i}") for i in range(5))
        Note.search(text="tea")
        (index,) = (
            row[0] for row in query(tmp_path, "SELECT name FROM sqlite_master WHERE name GLOB 'k*_docsize'")
        )
        query(tmp_path, f"DELETE FROM {index} WHERE id IN (SELECT min(id) FROM {index})")
        (finding,) = [each for each in db.check().findings if each.kind == "keywords"]
        assert "drop_index" in finding.message
        assert db.drop_index(Note.text)
        assert not db.drop_index(Note.text)
        assert len(Note.search(text="tea")) == 5
        assert db.check().ok
        db.close()


def query(tmp_path, sql):
    connection = sqlite3.connect(tmp_path / "store.db")
    try:
        found = connection.execute(sql).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()

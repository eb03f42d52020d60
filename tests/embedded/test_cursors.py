from __future__ import annotations

import threading

import pytest

from rushmodel.errors import QueryError

from .store import cosine, vec


@pytest.fixture
def numbered(store):
    store.save_all([{"n": n} for n in range(10)])
    return store


def ns(records):
    return [record.data["n"] for record in records]


def test_page_by_page(numbered):
    cursor = numbered.open()
    assert ns(numbered.read(cursor, 4)) == [0, 1, 2, 3]
    assert ns(numbered.read(cursor, 4)) == [4, 5, 6, 7]
    assert ns(numbered.read(cursor, 4)) == [8, 9]
    assert numbered.read(cursor, 4) == []
    assert numbered.read(cursor, 4) == []


def test_a_cursor_reads_what_find_finds(numbered):
    numbered.save({"n": 5, "body": "x"}, "B")
    numbered.policy(cosine("B"))
    for labels in ("A", ("A", "B"), (), "Never"):
        for page in (
            {},
            {"order": ["-n"], "limit": 7, "offset": 2},
            {"properties": ("body",), "order": ["-$id"]},
            {"vectors": (cosine("B"),)},
        ):
            cursor = numbered.open(labels, {"n": {"$gte": 3}}, **page)
            assert numbered.read(cursor, 100) == numbered.find(labels, {"n": {"$gte": 3}}, **page)


def test_a_cursor_sees_one_snapshot(numbered):
    cursor, several = numbered.open(), numbered.open((), order=["n"])
    assert ns(numbered.read(cursor, 2)) == [0, 1]
    numbered.save({"n": 10, "new": [1]})
    numbered.save({"n": 11}, "B")
    numbered.update({"n": 99}, {"n": 5})
    numbered.delete("A", {"n": 6})
    assert ns(numbered.read(cursor, 100)) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert ns(numbered.read(several, 100)) == list(range(10))
    assert sorted(ns(numbered.find(()))) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 99]


def test_a_cursor_knows_what_another_process_has_just_added(opened):
    first, second = opened(), opened()
    first.save({"n": 1})
    assert first.data() == [{"n": 1}]
    second.save({"n": 2, "fresh": ["x"]})
    assert [record.data for record in first.read(first.open("A", {"fresh": "x"}))] == [
        {"n": 2, "fresh": ["x"]}
    ]


def test_a_cursor_over_labels_reads_them_all_in_one_transaction(opened):
    # The statement over a label of one record is over at once, and would give its snapshot up.
    store = opened()
    store.save({"n": 1})
    cursor = store.open(())
    assert store.backend._cursors._open[cursor]._connection.in_transaction


def test_an_open_cursor_holds_up_no_writer(numbered):
    cursor = numbered.open()
    numbered.read(cursor, 1)
    thread = threading.Thread(target=lambda: numbered.save({"n": 10}))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert numbered.count() == 11


def test_closing(numbered):
    cursor = numbered.open()
    numbered.close_cursor(cursor)
    numbered.close_cursor(cursor)
    numbered.close_cursor("nothing")
    with pytest.raises(QueryError, match="no open cursor") as raised:
        numbered.read(cursor)
    assert raised.value.cursor == cursor


def test_closed_and_finished_cursors_hold_no_connection(opened):
    store = opened()
    store.save({"n": 1})
    cursors = [store.open() for _ in range(4)]
    connections = [store.backend._cursors._open[cursor]._connection for cursor in cursors]
    store.close_cursor(cursors[0])
    store.read(cursors[1], 5)  # reaches the end
    store.read(cursors[2], 1)  # has not looked for more
    store.close()
    for connection in connections:
        with pytest.raises(Exception, match="closed database"):
            connection.execute("SELECT 1")


def test_a_cursor_that_cannot_be_opened_holds_no_connection(opened):
    store = opened()
    for _ in range(3):
        with pytest.raises(QueryError):
            store.open("A", {"n": {"$near": 1}})
    assert store.backend._cursors._open == {}


def test_pages_have_a_size(numbered):
    cursor = numbered.open()
    with pytest.raises(QueryError, match="at least one"):
        numbered.read(cursor, 0)
    assert len(numbered.read(cursor)) == 10


def test_vectors_come_along(store):
    store.policy(cosine())
    store.save({"body": "x"}, vectors={cosine(): vec(1, 2, 3)})
    (record,) = store.read(store.open(vectors=(cosine(),)))
    assert record.vectors[cosine()].tolist() == [1, 2, 3]

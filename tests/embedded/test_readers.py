"""Who reads a file waits for nobody who writes it, and sees all that was answered."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="misc"

from __future__ import annotations

import os
import threading
import time

import pytest

from rushmodel.backends.embedded.readers import MOST
from rushmodel.errors import QueryError, StoreClosed, StoreError, StoreTimeout
from rushmodel.port import RecordWrite, SaveRecords

from .store import Store, cosine, vec
from .test_fork import ended_well, in_child
from .test_transactions import in_thread


class Slow:
    """A command of another thread that has the store, in the middle of its transaction, until `end`."""

    def __init__(self, store):
        self._began, self._go_on = threading.Event(), threading.Event()
        pending = store.backend.pending(SaveRecords("A", [RecordWrite({"slow": 1})]))

        class Held(type(pending)):
            def carry_out(held, session):
                super().carry_out(session)
                self._began.set()
                self._go_on.wait(20)

        held = Held(pending._handler, pending._command)
        self._answer, _ = in_thread(lambda: store.backend.write_together([held]))
        assert self._began.wait(10)

    def end(self):
        self._go_on.set()
        assert self._answer() is None


@pytest.fixture
def store(opened):
    store = opened()
    store.policy(cosine())
    for n in range(20):
        store.save({"n": n, "body": "x"}, vectors={cosine(): vec(1, n, 0)})
    return store


def test_all_that_reads_goes_on(store):
    slow = Slow(store)
    began = time.monotonic()
    assert store.count() == 20
    assert len(store.data("A", {"n": {"$lt": 5}})) == 5
    assert [hit.data["n"] for hit in store.search(vec(1, 0, 0), limit=2)] == [0, 1]
    cursor = store.open()
    assert len(store.read(cursor, 7)) == 7
    assert len(store.read(cursor, 70)) == 13
    store.close_cursor(cursor)
    assert len(store.policies()) == 1
    with pytest.raises(QueryError):
        store.count("A", {"n": "\ud800"})
    assert time.monotonic() - began < 5
    slow.end()
    assert store.count() == 21


def test_what_was_answered_is_seen(store):
    """On whatever connection: names, columns and policies that are new, too."""
    for n in range(5):
        store.save({f"new{n}": n}, label=f"Label{n}")
        store.save({"n": 100 + n, "body": "x"}, vectors={cosine(): vec(0, 0, n + 1)})
        slow = Slow(store)
        assert store.data(f"Label{n}") == [{f"new{n}": n}]
        assert store.count("A", {"n": {"$gte": 100}}) == n + 1
        assert len(store.search(vec(0, 0, 1), limit=100)) == 21 + n
        slow.end()
        assert len(store.search(vec(0, 0, 1), limit=100)) == 21 + n


def test_many_read_while_one_writes(store):
    stop = threading.Event()

    def read():
        last = 0
        while not stop.is_set():
            found = len(store.search(vec(1, 1, 0), limit=10**6))
            assert found >= last
            last = found
            assert store.count("A", {"body": "x"}) >= found
        return last

    reading = [in_thread(read)[0] for _ in range(MOST + 3)]
    for n in range(300):
        store.save({"n": n, "body": "x"}, vectors={cosine(): vec(1, n, 0)})
        assert store.count("A", {"n": n}) == (2 if n < 20 else 1)
    stop.set()
    for answer in reading:
        found = answer()
        assert isinstance(found, int), found
    assert len(store.search(vec(1, 1, 0), limit=10**6)) == 320


def test_they_do_not_write(store):
    connection = store.backend._file.reader()
    with pytest.raises(Exception, match="readonly"):
        connection.execute("DELETE FROM records")
    store.backend._file.release_reader(connection)


def test_their_time_is_limited_too(opened, store):
    store.save_all([{"m": n} for n in range(20_000)])
    limited = opened(time_limit=0.25)
    slow = Slow(limited)
    many = {"$or": [{"m": {"$contains": str(n)}} for n in range(3000)]}
    with pytest.raises(StoreTimeout):
        limited.count("A", many)
    assert limited.count("A", {"m": 5}) == 1
    slow.end()


def test_after_closing(opened):
    store = opened()
    store.save({"n": 1})
    slow = Slow(store)
    assert store.count() == 1
    slow.end()
    store.close()
    with pytest.raises(StoreClosed):
        store.backend._readers.carry_out(None, None)
    with pytest.raises(StoreClosed):
        store.open()
    assert sorted(os.listdir(os.path.dirname(store.location))) == ["store.db"]


def test_a_file_that_was_moved(store, path):
    slow = Slow(store)
    os.rename(path, path.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match="moved"):
        store.count()
    os.rename(path.with_name("elsewhere.db"), path)
    assert store.count() == 20
    slow.end()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle(store):
    stop = threading.Event()

    def go_on(work):
        n = 0
        while not stop.is_set():
            work(n)
            n += 1

    threads = [in_thread(lambda: go_on(lambda n: store.save({"n": n})))[0]]
    threads += [in_thread(lambda: go_on(lambda n: store.count()))[0] for _ in range(3)]
    threads += [in_thread(lambda: go_on(lambda n: store.search(vec(1, 0, 0), limit=3)))[0]]
    time.sleep(0.05)

    def work():
        before = store.count("A", {"child": 1})
        store.save({"child": 1})
        assert store.count("A", {"child": 1}) == before + 1
        assert len(store.search(vec(1, 0, 0), limit=3)) == 3
        slow = Slow(store)
        assert store.count("A", {"child": 1}) == before + 1
        slow.end()

    for _ in range(4):
        assert ended_well(in_child(work))
    stop.set()
    for answer in threads:
        assert answer() is None
    assert store.count("A", {"child": 1}) == 4
    assert Store(store.location).count("A", {"child": 1}) == 4

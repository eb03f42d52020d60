"""Searches that end early: their time is over, or the task that waited for them was cancelled."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from rushmodel.backends.embedded import AsyncEmbedded
from rushmodel.backends.embedded.limits import is_cancelled
from rushmodel.backends.embedded.matrix import VectorMatrix
from rushmodel.errors import StoreTimeout
from rushmodel.port import CountRecords, FindRecords, SearchVectors

from .store import cosine, query, vec

SLICE = 0.002
SLICES = 5000
SOON = 0.25
"""Far above the 50 ms that are promised, and far below the ten seconds that the scan would take."""


@pytest.fixture
def begun(monkeypatch):
    """Makes a scan go on for ten seconds, in slices of 2 ms; set once one has begun."""
    begun = threading.Event()
    scan = VectorMatrix.nearest

    def nearest(self, *args, pause, **named):
        for _ in range(SLICES):
            begun.set()
            time.sleep(SLICE)
            pause()
        return scan(self, *args, pause=pause, **named)

    monkeypatch.setattr(VectorMatrix, "nearest", nearest)
    return begun


def filled(opened, **settings):
    store = opened(**settings)
    store.policy(cosine())
    for n in range(3):
        store.save({"n": n, "body": "x"}, vectors={cosine(): vec(1, n, 0)})
    return store


SEARCH = SearchVectors(query(limit=2), "body", vec(1, 0, 0))


def test_a_search_ends_soon_after_its_time(opened, begun):
    store = filled(opened, time_limit=0.05)
    start = time.monotonic()
    with pytest.raises(StoreTimeout, match=r"0\.05 s"):
        store.do(SEARCH)
    assert time.monotonic() - start < 0.05 + SOON
    assert store.count() == 3


@pytest.mark.parametrize("large", [False, True])
def test_a_long_scan_keeps_no_writer_waiting(opened, monkeypatch, large):
    store = filled(opened, time_limit=2.0)
    if large:  # else it is long because nothing is in memory yet
        monkeypatch.setattr(VectorMatrix, "nearest", lambda *args, **named: [])
        store.do(SEARCH)
        monkeypatch.undo()
        assert store.backend._searcher.is_quick
        monkeypatch.setattr("rushmodel.backends.embedded.searching._QUICK", 0)
    done = threading.Event()
    slow = threading.Event()
    scan = VectorMatrix.nearest

    def nearest(self, *args, **named):
        slow.set()
        assert done.wait(5)
        return scan(self, *args, **named)

    monkeypatch.setattr(VectorMatrix, "nearest", nearest)
    found = []
    thread = threading.Thread(target=lambda: found.extend(store.do(SEARCH)))
    thread.start()
    assert slow.wait(5)
    store.save({"n": 0.5, "body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    assert store.count() == 4
    done.set()
    thread.join()
    assert [hit.data["n"] for hit in found] == [0, 1]  # as it was when the search began
    monkeypatch.undo()
    assert [hit.data["n"] for hit in store.do(SEARCH)] == [0, 0.5]


@pytest.mark.parametrize("waiting", ["interleaved", "transaction", "beside a transaction"])
def test_a_cancelled_search_frees_its_thread(opened, begun, waiting):
    worker = AsyncEmbedded(filled(opened).backend)

    async def talk():
        transaction = None if waiting == "interleaved" else await worker.begin()
        asked = transaction if transaction is not None and waiting == "transaction" else worker
        searching = asyncio.create_task(asked.execute(SEARCH))
        assert await asyncio.to_thread(begun.wait, 5)
        searching.cancel()
        start = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await searching
        # On the same thread: it is answered when the search has ended.
        assert await asked.execute(CountRecords(query())) == 3
        if transaction is not None:
            await transaction.commit()
        assert time.monotonic() - start < SOON

    asyncio.run(talk())
    start = time.monotonic()
    worker.close()  # which waits for the threads
    assert time.monotonic() - start < SOON


def test_a_cancelled_statement_is_interrupted(opened):
    store = filled(opened)
    store.save_all([{"m": n} for n in range(20_000)])
    worker = AsyncEmbedded(store.backend)
    slow = {"$or": [{"m": {"$contains": str(n)}} for n in range(3000)]}

    async def talk():
        counting = asyncio.create_task(worker.execute(FindRecords(query(where=slow))))
        await asyncio.sleep(0.1)
        counting.cancel()
        start = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await counting
        assert await worker.execute(CountRecords(query(where={"m": 7}))) == 1
        assert time.monotonic() - start < 2 * SOON

    asyncio.run(talk())
    worker.close()


def test_a_flag_is_its_own_commands_alone(opened):
    """Who is not cancelled is not stopped, on the connection on which another one was."""
    store = filled(opened)
    worker = AsyncEmbedded(store.backend)

    async def talk():
        return await asyncio.gather(*(worker.execute(SEARCH) for _ in range(20)))

    assert {len(hits) for hits in asyncio.run(talk())} == {2}
    assert is_cancelled.get() is None
    assert len(store.do(SEARCH)) == 2
    worker.close()


def test_catching_up_that_was_stopped_is_seen_by_nobody(opened):
    """The matrix holds more than its last complete state: an older snapshot is not to be searched by it."""
    store = filled(opened)
    assert len(store.search(vec(1, 0, 0))) == 3
    (mirror,) = store.backend._searcher._mirrors.values()
    store.save({"n": 9, "body": "x"}, vectors={cosine(): vec(1, 9, 0)})
    session = store.backend._commits.session()
    last = session.execute("SELECT seq FROM sqlite_sequence WHERE name = 'vectors'").fetchone()[0]

    def over():
        raise StoreTimeout("over", seconds=0.0)

    with pytest.raises(StoreTimeout):
        mirror.catch_up(session.connection, last, over)
    assert mirror.seq < mirror.reached == last
    assert [hit.data["n"] for hit in store.search(vec(1, 9, 0), limit=1)] == [9]
    assert mirror.seq == mirror.reached


def test_quantising_can_be_stopped():
    matrix = VectorMatrix(8, "cosine")
    matrix.put(np.arange(100_000), np.random.default_rng(1).random((100_000, 8), dtype=np.float32))
    seen = 0

    def over():
        nonlocal seen
        seen += 1
        raise StoreTimeout("over", seconds=0.0)

    with pytest.raises(StoreTimeout):
        matrix._quantise(over)
    assert seen == 1
    assert matrix._quantised is None
    assert len(matrix.nearest(np.ones(8, dtype=np.float32), 3)) == 3

"""Transactions of the embedded store: what they see, who waits, how they end."""

# ruff: noqa: PT012
# A transaction ends by what its block raises: the block is what is tested.

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded import AsyncEmbedded
from rushmodel.errors import (
    PropertyError,
    QueryError,
    RecordGone,
    StoreBusy,
    StoreClosed,
    StoreError,
    TransactionBusy,
    TransactionClosed,
    TransactionExpired,
)
from rushmodel.port import CloseCursor, CountRecords, OpenCursor, ReadCursor, RecordWrite, SaveRecords

from .store import Store, cosine, query, vec
from .test_fork import ended_well, in_child


class Inside(Store):
    """A transaction to talk to as to a store."""

    def __init__(self, store, seconds=None):
        self.transaction = store.backend.begin(seconds)
        self.do = self.transaction.execute


@pytest.fixture
def inside(store):
    inside = Inside(store)
    yield inside
    inside.transaction.close()


def in_thread(work):
    """Start it; what gives its answer, or what it raised, once called, and the thread."""
    found = []

    def call():
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()

    def answer():
        thread.join(20)
        assert not thread.is_alive()
        return found[0]

    return answer, thread


def test_what_was_done_is_there_after_the_commit(store, inside):
    record = inside.save({"n": 1}).id
    inside.save({"n": 2}, label="B")
    inside.transaction.commit()
    assert store.get(record).data == {"n": 1}
    assert store.count("B") == 1


def test_nothing_is_there_after_a_rollback(store):
    store.save({"n": 0, "body": "a"})
    inside = Inside(store)
    inside.save({"other": [1]}, label="New")
    inside.policy(cosine())
    inside.save({"n": 1, "body": "b"}, vectors={cosine(): vec(1, 0, 0)})
    inside.delete("A", {"n": 0})
    inside.transaction.rollback()
    inside.transaction.rollback()
    assert store.data() == [{"n": 0, "body": "a"}]
    assert store.count("New") == 0
    assert store.policies() == []
    store.save({"other": [1]}, label="New")  # names and tables that were forgotten are made again
    assert store.count("New", {"other": 1}) == 1


def test_it_sees_its_own_writes(store):
    store.policy(cosine())
    store.save({"n": 0, "body": "z"}, vectors={cosine(): vec(0, 0, 1)})
    inside = Inside(store)
    inside.save({"n": 1, "body": "a"}, vectors={cosine(): vec(1, 0, 0)})
    assert inside.count("A") == 2
    assert [hit.data["n"] for hit in inside.search(vec(1, 0, 0))] == [1, 0]
    cursor = inside.do(OpenCursor(query()))
    inside.save({"n": 2})
    assert [each.data["n"] for each in inside.do(ReadCursor(cursor, 9))] == [0, 1]
    inside.do(CloseCursor(cursor))
    inside.transaction.rollback()
    assert [hit.data["n"] for hit in store.search(vec(1, 0, 0))] == [0]
    # The rolled back vector's number is given again: a searcher must not think that it knows it.
    store.save({"n": 3, "body": "b"}, vectors={cosine(): vec(0, 1, 0)})
    assert store.search(vec(0, 1, 0))[0].data["n"] == 3


def test_a_command_that_fails_is_undone_alone(store, inside):
    inside.save({"n": 1})
    with pytest.raises(RecordGone):
        inside.do(SaveRecords("A", [RecordWrite({"fresh": 2}), RecordWrite({"n": 3}, record_id="nobody")]))
    with pytest.raises(PropertyError):
        inside.save({"$bad": 1})
    inside.save({"fresh": "now"})
    inside.transaction.commit()
    assert store.data() == [{"n": 1}, {"fresh": "now"}]


def test_after_its_end(store, inside):
    inside.transaction.commit()
    for use in (inside.transaction.commit, lambda: inside.count("A"), lambda: inside.save({"n": 1})):
        with pytest.raises(TransactionClosed, match="was committed") as found:
            use()
        assert found.value.transaction_id == inside.transaction.id
    inside.transaction.rollback()
    assert not inside.transaction.is_open


def test_it_is_not_nested(store, inside):
    with pytest.raises(TransactionBusy, match="nested"):
        inside.transaction.begin()
    with pytest.raises(StoreBusy, match="this thread"):
        store.backend.begin()


def test_the_thread_that_has_it_does_not_wait_for_itself(store, inside):
    with pytest.raises(StoreBusy, match="this thread has a transaction open"):
        store.save({"n": 1})
    inside.transaction.rollback()
    store.save({"n": 1})


def test_others_read_meanwhile_what_was_committed(opened):
    store = opened()
    store.save({"n": 0})
    inside = Inside(store)
    inside.save({"n": 1})
    waiting, thread = in_thread(lambda: store.save({"n": 2}))
    time.sleep(0.05)
    before = time.monotonic()
    for _ in range(50):
        assert store.count("A") == 1
    assert time.monotonic() - before < 5
    assert thread.is_alive()
    inside.transaction.commit()
    waiting()
    assert [row["n"] for row in store.data()] == [0, 1, 2]


def test_in_memory_others_wait(opened):
    store = opened("memory://")
    inside = Inside(store)
    inside.save({"n": 1})
    waiting, thread = in_thread(lambda: store.count("A"))
    time.sleep(0.05)
    assert thread.is_alive()
    inside.transaction.rollback()
    assert waiting() == 0


@pytest.mark.parametrize("location", ["memory://", None])
def test_who_waits_too_long(opened, path, location):
    store = opened(location or path, busy_timeout=0.2)
    inside = Inside(store)
    waiting, _ = in_thread(lambda: store.save({"n": 1}))
    began, _ = in_thread(store.backend.begin)
    for answer in (waiting(), began()):
        assert isinstance(answer, StoreBusy)
        assert "0.2 s" in str(answer)
    inside.transaction.commit()
    store.save({"n": 1})


def test_another_store_on_the_file_waits(opened):
    store, other = opened(), opened(busy_timeout=0.2)
    inside = Inside(store)
    inside.save({"n": 1})
    with pytest.raises(StoreBusy):
        other.save({"n": 2})
    with pytest.raises(StoreBusy):
        other.backend.begin()
    assert other.count("A") == 0
    inside.transaction.commit()
    assert other.count("A") == 1
    other.save({"n": 2})
    assert store.count("A") == 2


def test_transactions_of_many_threads_are_one_after_the_other(store):
    store.save({"key": "k", "n": 0}, key=("key",))

    def add():
        for _ in range(10):
            inside = Inside(store)
            n = inside.data()[0]["n"]
            inside.save({"key": "k", "n": n + 1}, key=("key",))
            inside.transaction.commit()

    for answer, _ in [in_thread(add) for _ in range(6)]:
        assert answer() is None
    assert store.data() == [{"key": "k", "n": 60}]


def test_its_time_is_over(store):
    inside = Inside(store, 0.1)
    inside.save({"n": 1})
    waiting, _ = in_thread(lambda: store.save({"n": 2}))
    waiting()  # nobody asked the transaction, and it let go
    with pytest.raises(TransactionExpired, match=r"0.1 s") as found:
        inside.transaction.commit()
    assert found.value.seconds == 0.1
    assert store.data() == [{"n": 2}]


def test_closing_the_store_rolls_it_back(store):
    inside = Inside(store)
    inside.save({"n": 1})
    store.close()
    with pytest.raises(TransactionClosed, match="rolled back"):
        inside.save({"n": 2})
    with pytest.raises(StoreClosed):
        store.backend.begin()


def test_a_statement_that_takes_too_long_ends_it(opened):
    opened().save_all([{"n": n} for n in range(3000)])
    store = opened(time_limit=0.05)
    inside = Inside(store)
    with pytest.raises(StoreError):
        for _ in range(2000):
            inside.do(SaveRecords("A", [RecordWrite({"m": n, f"p{n % 900}": 1}) for n in range(3000)]))
    if not inside.transaction.is_open:  # SQLite rolls back what it stops in the middle of a write
        with pytest.raises(TransactionClosed, match="ended by an error"):
            inside.count("A")
    inside.transaction.close()
    assert store.count("A") == 3000


def test_a_file_that_was_moved(opened, path):
    store = opened()
    inside = Inside(store)
    inside.save({"n": 1})
    os.rename(path, path.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match="moved"):
        inside.transaction.commit()
    with pytest.raises(TransactionClosed):
        inside.save({"n": 2})


def test_lone_surrogates_and_unknown_cursors(store, inside):
    with pytest.raises(QueryError):
        inside.count("A", {"n": "\ud800"})
    with pytest.raises(QueryError, match="no open cursor"):
        inside.do(ReadCursor("none", 1))
    inside.save({"n": 1})


_CRASH = """
import os, signal, sys
from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.port import RecordWrite, SaveRecords
store = EmbeddedBackend(sys.argv[1])
store.execute(SaveRecords("A", [RecordWrite({"n": 0})]))
transaction = store.begin()
for n in range(1, 4000):
    transaction.execute(SaveRecords("A", [RecordWrite({"n": n, f"p{n % 50}": "x" * 3000})]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_crash_in_the_middle_leaves_nothing(path):
    died = subprocess.run([sys.executable, "-c", _CRASH, str(path)], timeout=60)
    assert died.returncode == -signal.SIGKILL
    store = Store(path)
    assert store.data() == [{"n": 0}]
    store.save({"n": 1})
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
threaded = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@needs_fork
@threaded
def test_a_fork_leaves_it_to_the_parent(opened):
    store = opened()
    store.save({"n": 0})
    inside = Inside(store)
    inside.save({"n": 1})

    def work():
        with pytest.raises(TransactionClosed, match="process that began it"):
            inside.save({"n": 2})
        with pytest.raises(StoreError, match="forked while a transaction was open"):
            store.count("A")
        with pytest.raises(StoreError, match="forked while a transaction was open"):
            Store(store.location)
        inside.transaction.close()
        gc.collect()

    assert ended_well(in_child(work))
    inside.save({"n": 3})
    inside.transaction.commit()
    assert [row["n"] for row in store.data()] == [0, 1, 3]
    assert ended_well(in_child(lambda: store.save({"n": 4})))
    assert store.count("A") == 4


@needs_fork
@threaded
def test_a_fork_while_a_memory_has_one(opened):
    store = opened("memory://")
    inside = Inside(store)
    inside.save({"n": 1})

    def work():
        for use in (lambda: store.count("A"), lambda: inside.count("A")):
            with pytest.raises((StoreError, TransactionClosed)):
                use()

    assert ended_well(in_child(work))
    inside.transaction.commit()
    assert store.count("A") == 1


# -- event loops


@pytest.fixture
def worker(store):
    worker = AsyncEmbedded(store.backend)
    yield worker
    worker.close()


def save(n):
    return SaveRecords("A", [RecordWrite({"n": n})])


COUNT = CountRecords(query())


def test_awaited(worker):
    async def talk():
        transaction = await worker.begin()
        await transaction.execute(save(1))
        assert await transaction.execute(COUNT) == 1
        await transaction.commit()
        with pytest.raises(TransactionClosed):
            await transaction.execute(COUNT)
        with pytest.raises(TransactionClosed):
            await transaction.commit()
        await transaction.rollback()
        other = await worker.begin()
        await other.execute(save(2))
        with pytest.raises(TransactionBusy):
            await other.begin()
        await other.aclose()
        return await worker.execute(COUNT)

    assert asyncio.run(talk()) == 1


def test_tasks_that_wait_are_not_in_its_way(worker):
    """One worker thread would be held by the first that waits, and the commit would come after it."""

    async def talk():
        transaction = await worker.begin()
        await transaction.execute(save(0))
        waiting = [asyncio.create_task(worker.execute(save(n))) for n in range(40)]
        begun = [asyncio.create_task(worker.begin()) for _ in range(5)]
        await asyncio.sleep(0.05)
        for n in range(5):
            await transaction.execute(save(n))
        await transaction.commit()
        for each in asyncio.as_completed(begun):
            await (await each).rollback()
        await asyncio.gather(*waiting)
        return await worker.execute(COUNT)

    assert asyncio.run(asyncio.wait_for(talk(), 30)) == 46


def test_reads_go_on_in_a_file(opened):
    worker = AsyncEmbedded(opened().backend)

    async def talk():
        transaction = await worker.begin()
        writing = asyncio.create_task(worker.execute(save(0)))
        await asyncio.sleep(0.02)
        for _ in range(20):
            assert await asyncio.wait_for(worker.execute(COUNT), 5) == 0
        await transaction.rollback()
        await writing

    asyncio.run(talk())
    worker.close()


def test_who_waits_for_one_may_be_cancelled(worker):
    async def talk():
        transaction = await worker.begin()
        begun = asyncio.create_task(worker.begin())
        await asyncio.sleep(0.05)
        begun.cancel()
        with pytest.raises(asyncio.CancelledError):
            await begun
        await transaction.commit()
        await asyncio.wait_for(worker.execute(save(1)), 10)  # the one that nobody got does not keep the store
        return await worker.execute(COUNT)

    assert asyncio.run(talk()) == 1


def test_closing_the_worker_with_one_open(worker, store):
    async def talk():
        transaction = await worker.begin()
        await transaction.execute(save(1))
        writing = asyncio.create_task(worker.execute(save(2)))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(worker.aclose(), 10)
        await asyncio.gather(writing, return_exceptions=True)
        with pytest.raises(TransactionClosed):
            await transaction.commit()

    asyncio.run(talk())


# -- against a dict

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("save"), st.integers(0, 4), st.integers(-9, 9)),
        st.tuples(st.just("delete"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("fail"), st.integers(0, 4), st.integers(-9, 9)),
        st.tuples(st.sampled_from(["begin", "commit", "rollback"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_any_steps_end_as_in_a_dict(tmp_path_factory, kind, steps):
    store = Store("memory://" if kind == "memory" else tmp_path_factory.mktemp("s") / "s.db")
    here, inside = store, None
    kept: dict[int, int] = {}
    now = kept
    for what, key, n in steps:
        if what == "begin" and inside is None:
            here = inside = Inside(store)
            now = dict(kept)
        elif what in ("commit", "rollback") and inside is not None:
            getattr(inside.transaction, what)()
            kept = now if what == "commit" else kept
            now, here, inside = kept, store, None
        elif what == "save":
            here.save({"key": key, "n": n}, key=("key",))
            now[key] = n
        elif what == "delete":
            here.delete("A", {"key": key})
            now.pop(key, None)
        elif what == "fail":
            with pytest.raises(RecordGone):
                writes = [
                    RecordWrite({"key": key, "n": n, f"x{n}": n}, key=("key",)),
                    RecordWrite({"n": 0}, record_id="no"),
                ]
                here.do(SaveRecords("A", writes))
        assert {row["key"]: row["n"] for row in here.data()} == now
    if inside is not None:
        inside.transaction.close()
    assert {row["key"]: row["n"] for row in store.data()} == kept
    store.close()

"""What a fork does to open stores. Each child ends by `os._exit`, with 0 if all went as it should."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback

import pytest

from rushmodel.backends.embedded import AsyncEmbedded
from rushmodel.errors import StoreError
from rushmodel.port import CountRecords

from .store import Store, cosine, query, vec
from .test_file import count_elsewhere

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(work):
    """Fork and carry something out in the child; its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ended_well(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def test_a_child_goes_on_with_the_file(opened):
    store = opened()
    store.policy(cosine())
    store.save({"n": 1, "body": "a"}, vectors={cosine(): vec(1, 0, 0)})
    assert len(store.search(vec(1, 0, 0))) == 1

    def work():
        assert store.data() == [{"n": 1, "body": "a"}]
        store.save({"n": 2, "m": 3, "body": "b"}, vectors={cosine(): vec(0, 1, 0)})
        assert len(store.search(vec(1, 0, 0))) == 2

    assert ended_well(in_child(work))
    assert store.data(where={"m": 3}) == [{"n": 2, "m": 3, "body": "b"}]
    assert len(store.search(vec(1, 0, 0))) == 2


def test_commits_of_a_child_outlive_the_parents_leaving(path, opened):
    """With connections open over the fork the child's locks are imaginary, and its WAL is deleted."""
    store = opened()
    store.save({"n": 0})
    store.open()  # a cursor is a connection too
    child_has_opened, parent_has_closed = os.pipe(), os.pipe()

    def work():
        store.save({"n": 1})
        os.write(child_has_opened[1], b".")
        os.read(parent_has_closed[0], 1)
        for n in range(10):
            store.save({"n": n})

    child = in_child(work)
    os.read(child_has_opened[0], 1)
    store.save({"n": 2})
    store.close()
    os.write(parent_has_closed[1], b".")
    assert ended_well(child)
    assert count_elsewhere(path) == 13


def test_commits_of_the_parent_outlive_a_childs_leaving(path, opened):
    store = opened()
    store.save({"n": 0})
    assert ended_well(in_child(lambda: (store.save({"n": 1}), store.close())))
    assert count_elsewhere(path) == 2
    store.save({"n": 2})
    assert count_elsewhere(path) == 3


def test_cursors_of_the_parent_read_on(opened):
    store = opened()
    store.save_all([{"n": n} for n in range(10)])
    cursor, empty = store.open(), store.open("Other")
    assert len(store.read(cursor, 3)) == 3
    child = in_child(lambda: store.save({"n": 10}))
    assert ended_well(child)
    assert [record.data["n"] for record in store.read(cursor, 100)] == [3, 4, 5, 6, 7, 8, 9]
    assert store.read(cursor) == store.read(empty) == []


def test_a_store_in_memory_stays_with_its_process(opened):
    store = opened("memory://")
    store.save({"n": 1})

    def work():
        for use in (store.count, lambda: store.save({"n": 2})):
            with pytest.raises(StoreError, match="memory://"):
                use()
        store.close()

    assert ended_well(in_child(work))
    assert store.count() == 1


def test_a_file_that_was_replaced_is_not_written(path, opened, tmp_path):
    store = opened()
    store.save({"n": 1})
    opened(tmp_path / "other.db").close()

    def work():
        os.replace(tmp_path / "other.db", path)
        with pytest.raises(StoreError, match="replaced"):
            store.save({"n": 2})

    assert ended_well(in_child(work))


def test_a_fork_waits_for_the_commands_of_other_threads(opened):
    store = opened()
    store.save({"n": 0})
    stop = threading.Event()

    def keep_saving():
        while not stop.is_set():
            store.save({"n": 1})

    thread = threading.Thread(target=keep_saving)
    thread.start()
    try:
        for _ in range(10):
            assert ended_well(in_child(lambda: store.save({"n": 2})))
    finally:
        stop.set()
        thread.join()
    assert store.count("A", {"n": 2}) == 10


def test_many_stores_are_suspended_together(tmp_path, opened):
    stores = [opened(tmp_path / f"{n}.db") for n in range(3)] + [opened(tmp_path / "0.db")]

    def work():
        for store in stores:
            store.save({"n": 1})

    assert ended_well(in_child(work))
    assert [store.count() for store in stores] == [2, 1, 1, 2]


def test_the_worker_thread_is_started_anew(opened):
    import asyncio

    store = opened()
    store.save({"n": 1})
    worker = AsyncEmbedded(store.backend)
    assert asyncio.run(worker.execute(CountRecords(query()))) == 1

    def work():
        assert asyncio.run(asyncio.wait_for(worker.execute(CountRecords(query())), 10)) == 1

    assert ended_well(in_child(work))
    worker.close()


def test_a_subprocess_that_is_executed_disturbs_nothing(path, opened):
    store = opened()
    store.save({"n": 1})
    subprocess.run([sys.executable, "-c", "pass"], preexec_fn=os.getpid, check=True)
    store.save({"n": 2})
    assert count_elsewhere(path) == 2


def test_a_fork_past_pythons_hooks_keeps_the_parents_connection(path):
    """A child that comes to be in C finds a connection that is not its own, and must not close it."""
    from rushmodel.backends.embedded import file

    store = Store(path)
    store.save({"n": 1})
    inherited = store.backend._file._connection
    store.backend._file._process = -1
    store.save({"n": 2})
    assert store.backend._file._connection is not inherited
    assert inherited in file._inherited
    assert inherited.execute("SELECT count(*) FROM records").fetchone() == (2,)
    store.close()
    file._inherited.remove(inherited)
    inherited.close()

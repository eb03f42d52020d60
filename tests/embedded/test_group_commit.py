"""What is written at a time is committed together: who is answered when, and what becomes of the refused."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="attr-defined, misc"

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded import AsyncEmbedded
from rushmodel.errors import PropertyError, RecordGone, StoreBusy, StoreError, StoreTimeout
from rushmodel.port import CountRecords, RecordWrite, SaveRecords, VectorWrite

from .store import Store, cosine, query, vec
from .test_transactions import in_thread


def save(data, **rest):
    return SaveRecords("A", [RecordWrite(data, **rest)])


def pending(store, *commands):
    return [store.backend.pending(command) for command in commands]


def together(store, *commands):
    """Carry them out as one group; what each answered or raised."""
    group = pending(store, *commands)
    store.backend.write_together(group)
    answers = []
    for each in group:
        assert each.is_over
        try:
            answers.append(each.result()[0])
        except Exception as error:
            answers.append(error)
    return answers


@pytest.fixture
def commits(store):
    """The statements that end transactions, as they come."""
    seen = []
    connection = store.backend._file.connection()
    connection.set_trace_callback(lambda sql: seen.append(sql) if sql in ("COMMIT", "ROLLBACK") else None)
    yield seen
    connection.set_trace_callback(None)


def test_one_commit_for_all(store, commits):
    answers = together(store, *(save({"n": n}) for n in range(20)))
    assert commits == ["COMMIT"]
    assert [store.get(written.id).data["n"] for written in answers] == list(range(20))


def test_who_is_refused_is_undone_alone(store, commits):
    answers = together(
        store,
        save({"n": 1}),
        SaveRecords("A", [RecordWrite({"new": 2}), RecordWrite({"n": 3}, record_id="nobody")]),
        save({"new": [1]}),
        save({"$bad": 1}),
        save({"text": "\ud800"}),
        save({"n": 4}),
    )
    assert commits == ["COMMIT"]
    assert [type(answer).__name__ for answer in answers] == [
        "Written", "RecordGone", "Written", "PropertyError", "PropertyError", "Written"
    ]  # fmt: skip
    assert answers[1].index == 1
    assert store.data() == [{"n": 1}, {"new": [1]}, {"n": 4}]
    store.save({"new": 5})
    assert store.count("A", {"new": {"$exists": True}}) == 2


def test_where_all_are_refused_nothing_is_committed(store, commits):
    answers = together(store, save({"$bad": 1}), save({"n": 1}, record_id="nobody"))
    assert [type(answer) for answer in answers] == [PropertyError, RecordGone]
    assert commits == ["ROLLBACK"]


def test_each_sees_what_came_before_it(store):
    answers = together(store, *(save({"k": 1, "n": n}, key=("k",)) for n in range(5)))
    assert [(answer.created, answer.version) for answer in answers] == [
        (True, 1), (False, 2), (False, 3), (False, 4), (False, 5)
    ]  # fmt: skip
    assert store.data() == [{"k": 1, "n": 4}]


class Failing:
    """A connection whose commits fail; SQLite's own cannot be given other methods."""

    def __init__(self, session, error):
        self._run = session.run
        self._error = error

    def __call__(self, sql, *rest):
        if sql == "COMMIT":
            raise self._error
        return self._run(sql, *rest)


def test_a_commit_that_fails_fails_for_all(store):
    store.save({"n": 0})
    session = store.backend._commits.session()
    usual, session.run = session.run, Failing(session, sqlite3.OperationalError("disk I/O error"))
    answers = together(store, save({"n": 1}), save({"$bad": 1}), save({"n": 2}))
    session.run = usual
    assert [type(answer) for answer in answers] == [StoreError] * 3
    assert len({id(answer) for answer in answers}) == 3
    assert isinstance(answers[2].__cause__, sqlite3.OperationalError)
    assert store.data() == [{"n": 0}]
    store.save({"n": 3})


def test_where_sqlite_ends_it_the_others_are_done_again(store):
    """As it does for a full disk, and for a statement that is stopped in the middle."""
    session = store.backend._commits.session()

    class Ending(type(store.backend.pending(save({})))):
        def carry_out(self, found):
            super().carry_out(found)
            found.run("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    group = pending(store, save({"n": 1}), save({"n": 2}), save({"n": 3}))
    handler = group[1]._handler
    group[1] = Ending(handler, save({"n": 2}))
    store.backend.write_together(group)
    with pytest.raises(StoreError, match="full"):
        group[1].result()
    assert group[0].result()[0].created
    assert group[2].result()[0].created
    assert [row["n"] for row in store.data()] == [1, 3]
    assert session is store.backend._commits.session()


def test_one_that_is_interrupted_leaves_the_others_to_the_next(store):
    """Ctrl-C in the thread that leads: it is that one's, and nobody else's save is lost."""
    began, go_on = threading.Event(), threading.Event()

    class Interrupted(type(store.backend.pending(save({})))):
        def carry_out(self, session):
            super().carry_out(session)
            began.set()
            go_on.wait(10)
            raise KeyboardInterrupt

    mine = Interrupted(store.backend.pending(save({}))._handler, save({"n": 0}))

    def lead():
        try:
            store.backend.write_together([mine])
        except KeyboardInterrupt:
            return "interrupted"

    leading, _ = in_thread(lead)
    began.wait(10)
    saving = [in_thread(lambda n=n: store.save({"n": n}))[0] for n in range(1, 6)]
    time.sleep(0.05)
    go_on.set()
    assert leading() == "interrupted"
    for answer in saving:
        assert answer().created
    assert sorted(row["n"] for row in store.data()) == [1, 2, 3, 4, 5]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")
def test_a_command_from_a_signal_handler_is_refused(store):
    """It cannot wait for what it interrupts. It may come between two commands, and is done then."""
    refused, done = [], []

    def handler(number, frame):
        try:
            done.append(store.save({"late": 1}).id)
        except StoreBusy as error:
            refused.append(error)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        until = time.monotonic() + 20
        while not refused and time.monotonic() < until:
            store.save_all([{"n": n} for n in range(500)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert refused
    assert store.count("A", {"late": 1}) == len(done)


def test_threads_share_commits(opened):
    store = opened(durability="full")
    commits = []
    store.backend._file.connection().set_trace_callback(
        lambda sql: commits.append(sql) if sql == "COMMIT" else None
    )
    go = threading.Barrier(16)

    def write(at):
        go.wait()
        for n in range(20):
            written = store.save({"k": at, "n": n}, key=("k",))
            assert written.version == n + 1
            assert store.data("A", {"k": at}) == [{"k": at, "n": n}]

    for answer, _ in [in_thread(lambda at=at: write(at)) for at in range(16)]:
        assert answer() is None
    assert store.count("A") == 16
    writing = [sql for sql in commits if sql == "COMMIT"]
    assert len(writing) - 320 < 320  # 320 are those of the reads


def test_the_limit_is_each_commands_own(opened):
    opened().save_all([{"n": n} for n in range(3000)])
    store = opened(time_limit=0.2)
    slow = SaveRecords("A", [RecordWrite({f"p{n % 900}": 1, "q": n}, key=("q",)) for n in range(60000)])
    answers = together(store, save({"m": 1}), slow, save({"m": 2}))
    assert isinstance(answers[1], (StoreTimeout, StoreError))
    assert store.count("A", {"m": {"$exists": True}}) == 2
    assert store.count("A") == 3002


def test_who_waits_for_a_transaction_too_long(opened):
    store = opened(busy_timeout=0.3)
    transaction = store.backend.begin()
    began = time.monotonic()
    waiting = [in_thread(lambda n=n: store.save({"n": n}))[0] for n in range(8)]
    errors = [answer() for answer in waiting]
    assert all(isinstance(error, StoreBusy) for error in errors)
    assert time.monotonic() - began < 1.5  # not one after the other
    with pytest.raises(StoreBusy, match="this thread"):
        store.save({"n": 1})
    transaction.commit()
    store.save({"n": 1})


# -- event loops


@pytest.fixture
def worker(store):
    worker = AsyncEmbedded(store.backend)
    yield worker
    worker.close()


def test_tasks_share_commits(store, worker, commits):
    async def talk():
        return await asyncio.gather(*(worker.execute(save({"n": n})) for n in range(64)))

    answers = asyncio.run(talk())
    assert commits.count("COMMIT") <= 8
    assert [store.get(written.id).data["n"] for (written,) in answers] == list(range(64))


def test_a_task_sees_what_it_has_written(worker):
    async def one(at):
        for n in range(5):
            (written,) = await worker.execute(save({"k": at, "n": n}, key=("k",)))
            assert written.version == n + 1
        if at % 3 == 0:
            with pytest.raises(RecordGone):
                await worker.execute(save({"n": 0}, record_id="nobody"))

    async def talk():
        await asyncio.gather(*(one(at) for at in range(30)))

    asyncio.run(asyncio.wait_for(talk(), 30))


def test_operations_of_several_commands(store, worker):
    """Reads and writes of one operation keep their order, and refusals reach it where it stands."""
    store.policy(cosine())

    def operation(at):
        (written,) = yield save({"k": at, "body": "x"}, key=("k",))
        try:
            yield save({"n": 1}, record_id="nobody")
        except RecordGone:
            pass
        else:
            raise AssertionError("it is not there")
        (again,) = yield SaveRecords("A", [RecordWrite({"n": at}, record_id=written.id)])
        return written.id, again.version

    async def talk():
        return await asyncio.gather(*(worker.carry_out(operation(at), run=None) for at in range(20)))

    answers = asyncio.run(talk())
    assert [version for _, version in answers] == [2] * 20
    assert [store.get(record).data["n"] for record, _ in answers] == list(range(20))


def test_an_operation_that_breaks_breaks_alone(store, worker):
    def broken(at):
        yield save({"n": at})
        raise ZeroDivisionError

    async def talk():
        return await asyncio.gather(
            *(worker.carry_out(broken(n), run=None) for n in range(3)),
            worker.execute(save({"n": 9})),
            return_exceptions=True,
        )

    *errors, (written,) = asyncio.run(talk())
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    assert written.created
    assert store.count() == 4


def test_tasks_that_are_cancelled(store, worker):
    async def talk():
        tasks = [asyncio.create_task(worker.execute(save({"n": n}))) for n in range(40)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        return [isinstance(answer, asyncio.CancelledError) for answer in answers]

    cancelled = asyncio.run(talk())
    assert cancelled == [True, False] * 20
    found = {row["n"] for row in store.data()}
    assert found >= set(range(1, 40, 2))


def test_a_loop_that_is_gone(store, worker):
    """Who asked is not there any more; what was asked is done, and others are answered."""
    left = asyncio.new_event_loop()
    holding = in_thread(lambda: _hold(store))[0]
    time.sleep(0.05)

    async def leave():
        asyncio.ensure_future(worker.execute(save({"n": 1})))  # noqa: RUF006
        await asyncio.sleep(0.02)

    left.run_until_complete(leave())
    for task in asyncio.all_tasks(left):
        task._log_destroy_pending = False
    left.close()
    holding()
    assert asyncio.run(worker.execute(save({"n": 2})))[0].created
    assert {row["n"] for row in store.data()} >= {2}


def _hold(store):
    with store.backend._file.lock:
        time.sleep(0.2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_others_write(opened):
    from .test_fork import ended_well, in_child

    store = opened()
    worker = AsyncEmbedded(store.backend)
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            store.save({"n": n})
            n += 1

    threads = [in_thread(write)[0] for _ in range(4)]
    asyncio.run(worker.execute(save({"n": 0})))

    def work():
        store.save({"child": 1})
        asyncio.run(worker.execute(save({"child": 2})))

    children = [in_child(work) for _ in range(5)]
    assert all(ended_well(child) for child in children)
    stop.set()
    for answer in threads:
        assert answer() is None
    assert store.count("A", {"child": {"$exists": True}}) == 10


_COMMANDS = st.lists(
    st.tuples(st.sampled_from(["save", "delete", "refused"]), st.integers(0, 3), st.integers(0, 9)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(_COMMANDS, max_size=5))
def test_a_group_is_its_commands_one_after_the_other(groups):
    store, other = Store(), Store()
    for group in groups:
        commands = [_command(*each) for each in group]
        answers = together(store, *[_made(each) for each in commands])
        for each, answer in zip(commands, answers, strict=True):
            if isinstance(answer, RecordGone):
                with pytest.raises(RecordGone, match=str(answer)):
                    other.do(_made(each))
            else:
                (alone,) = other.do(_made(each))
                assert (answer.version, answer.created) == (alone.version, alone.created)
        assert store.data(order=["k"]) == other.data(order=["k"])
    store.close()
    other.close()


def _command(what, key, n):
    if what == "refused":
        return {"data": {"k": key, f"x{n}": n}, "record_id": "nobody"}
    data = {"k": key, "n": n} if what == "save" else {"k": key}
    return {"data": data, "key": ("k",), "remove": ("n",) if what == "delete" else ()}


def _made(each):
    return SaveRecords("A", [RecordWrite(**each)])


def test_vectors_of_a_group_are_searched(store):
    store.policy(cosine())
    commands = [save({"body": "x", "n": n}, vectors=(VectorWrite(cosine(), vec(1, n, 0)),)) for n in range(5)]
    commands.insert(2, save({"body": "y"}, record_id="nobody"))
    together(store, *commands)
    assert [hit.data["n"] for hit in store.search(vec(1, 0, 0))] == [0, 1, 2, 3, 4]


def test_who_reads_sees_what_was_begun_before(worker):
    """Also what was begun by a task that nobody waits for any more."""

    async def talk():
        for n in range(1, 20):
            tasks = [asyncio.create_task(worker.execute(save({"n": n}))) for _ in range(3)]
            counted = asyncio.create_task(worker.execute(CountRecords(query())))
            await asyncio.sleep(0)
            assert await counted == 3 * n
            await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(talk(), 30))


def test_operations_that_read_first_are_written_together(store, worker, commits):
    def operation(at):
        yield CountRecords(query())
        (written,) = yield save({"n": at})
        return written.created

    async def talk():
        return await asyncio.gather(*(worker.carry_out(operation(at), run=None) for at in range(40)))

    assert all(asyncio.run(talk()))
    assert store.count() == 40
    assert len(commits) - 41 <= 8  # 41 are those of the reads

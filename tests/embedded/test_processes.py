"""Several real processes on one file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from rushmodel.errors import PolicyExists

from .store import Store, cosine, vec

spawn = multiprocessing.get_context("spawn")


def _write(path, name, count, go):
    """Save records by turns: some by a shared key, some with properties nobody else has, some with lists."""
    store = Store(path)
    go.wait(30)
    for n in range(count):
        store.save({"shared": n, "by": name, f"only_{name}_{n % 7}": n}, key=("shared",))
        store.save({"body": name, "n": n, "l": [name]}, vectors={cosine(): vec(1, n, len(name))})
        assert store.count("A", {"l": name, "n": n}) == 1
        store.save({"n": n}, label=f"Label{n % 5}")
        if n % 10 == 0:
            assert store.delete("A", {"n": n, "body": name}) == 1
        store.search(vec(1, 0, 0), limit=3)
    store.close()


def test_two_processes_write_at_once(path):
    store = Store(path)
    store.policy(cosine())
    go = spawn.Event()
    count = 60
    writers = [spawn.Process(target=_write, args=(str(path), name, count, go)) for name in ("ann", "bob")]
    for writer in writers:
        writer.start()
    go.set()
    seen = 0
    while any(writer.is_alive() for writer in writers):
        now = store.count("A", {"shared": {"$exists": True}})
        assert now >= seen
        seen = now
        for hit in store.search(vec(1, 0, 0), limit=5, vectors=(cosine(),)):
            assert hit.data["body"] in ("ann", "bob")
            assert hit.vectors
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert store.count("A", {"shared": {"$exists": True}}) == count  # each key once, whoever came first
    versions = {record.version for record in store.find("A", {"shared": {"$exists": True}})}
    assert versions == {2}
    for name in ("ann", "bob"):
        assert store.count("A", {"body": name}) == count - count // 10
        assert store.count("A", {"l": name}) == count - count // 10
        assert store.count("A", {f"only_{name}_3": {"$exists": True}}) == len(range(3, count, 7))
    assert [store.count(f"Label{n}") for n in range(5)] == [2 * count // 5] * 5
    assert len(store.search(vec(1, 0, 0))) == 2 * (count - count // 10)
    ids = [record.id for record in store.find(())]
    assert ids == sorted(set(ids))
    check(path)
    store.close()


def _answer(path, pipe):
    """Carry out what the test asks for, step by step."""
    store = Store(path)
    while (asked := pipe.recv()) is not None:
        method, args, kwargs = asked
        try:
            pipe.send(getattr(store, method)(*args, **kwargs))
        except Exception as error:
            pipe.send(type(error).__name__)
    store.close()


@pytest.fixture
def other(path):
    """A store method, called in another process."""
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_answer, args=(str(path), theirs))
    process.start()

    def ask(method, *args, **kwargs):
        ours.send((method, args, kwargs))
        return ours.recv()

    yield ask
    ours.send(None)
    process.join(30)


def test_what_one_process_does_the_other_knows(path, other):
    mine = Store(path)
    policy = other("policy", cosine())
    with pytest.raises(PolicyExists):
        mine.policy(cosine())
    first = mine.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    assert [hit.id for hit in other("search", vec(1, 0, 0))] == [first.id]
    # A column that is new, a column that begins to hold lists, a label that is new.
    other("save", {"body": "y", "fresh": 1}, vectors={cosine(): vec(0, 1, 0)})
    assert mine.data("A", {"fresh": 1}) == [{"body": "y", "fresh": 1}]
    mine.save({"fresh": [7, 8]}, record_id=first.id)
    assert other("data", "A", {"fresh": 8}) == [{"body": "x", "fresh": [7, 8]}]
    mine.save({"n": 1}, "New")
    assert other("data", "New") == [{"n": 1}]
    assert other("save", {"n": 1}, "New", key=("n",)).created is False
    # Versions, a policy that goes, a policy that comes again.
    assert mine.save({"n": 2}, record_id=first.id).version == 3
    assert other("save", {"n": 3}, record_id=first.id, version=2) == "ConflictError"
    assert other("save", {"n": 3}, record_id=first.id, version=3).version == 4
    mine.drop_policy(policy.id)
    assert other("search", vec(1, 0, 0)) == "PolicyMissing"
    assert other("save", {"body": "x"}, vectors={cosine(): vec(1, 0, 0)}) == "PolicyMissing"
    again = other("policy", cosine())
    assert mine.upsert(again.id, {first.id: vec(0, 0, 1)}) == 1
    assert other("search", vec(0, 0, 1))[0].score == pytest.approx(1)
    # A cursor here, deletion there.
    cursor = mine.open()
    assert other("delete") == 2
    assert len(mine.read(cursor)) == 2
    assert mine.count() == 0
    mine.close()


_SAVER = """
import sys
import numpy as np
from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.port import RecordWrite, SaveRecords, Signature, VectorWrite
store = EmbeddedBackend(sys.argv[1], durability="normal")
signature = Signature("A", "body", "external", "cosine", 64)
n = int(sys.argv[2])
while True:
    vector = np.full(64, n + 1, dtype=np.float32)
    data = {"body": "x", "n": n, f"p{n % 50}": n, "list": [n]}
    store.execute(SaveRecords("A", [RecordWrite(data, vectors=(VectorWrite(signature, vector),))]))
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
    n += 1
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_was_acknowledged_survives_a_kill(path):
    """Killed in the middle of saves, again and again; also while others write."""
    signature = cosine(dims=64)
    store = Store(path)
    store.policy(signature)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    begin = 0
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _SAVER, str(path), str(begin)], env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]  # it is under way
        if round_ % 2:
            store.save({"mine": round_}, "Mine")
        time.sleep(0.02 + 0.05 * round_)
        process.kill()
        lines += process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        acknowledged = max(int(line) for line in lines if line.strip())
        if round_ == 2:
            store.close()  # and once nobody was there to see it
            store = Store(path)
        records = store.find("A", order=["n"], vectors=(signature,))
        found = [record.data["n"] for record in records]
        # Perhaps one more: it was committed and the word of it did not get out.
        assert found in (list(range(acknowledged + 1)), list(range(acknowledged + 2)))
        for record in records:
            n = record.data["n"]
            assert record.data == {"body": "x", "n": n, f"p{n % 50}": n, "list": [n]}
            assert record.vectors
            assert record.vectors[signature].tolist() == [n + 1] * 64
        assert len(store.search(np_ones(64), limit=10**6)) == len(found)
        begin = found[-1] + 1
    assert begin > 20
    assert store.count("Mine") == 2
    check(path)
    store.close()


def np_ones(dims):
    return vec(*[1] * dims)


def check(path):
    """SQLite finds nothing wrong, and what belongs together is there together."""
    import sqlite3

    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name GLOB 'r[0-9]*'").fetchall():
        (wrong,) = connection.execute(
            f"SELECT count(*) FROM {name} t LEFT JOIN records r ON r.row = t.row AND r.label = {name[1:]}"
            " WHERE r.row IS NULL"
        ).fetchone()
        columns = {column[1] for column in connection.execute(f"PRAGMA table_info({name})")} - {
            "row",
            "texts",
        }
        known = connection.execute("SELECT property FROM columns WHERE label = ?", (name[1:],)).fetchall()
        assert wrong == 0
        assert columns == {f"p{number}" for (number,) in known}
    orphans = "SELECT count(*) FROM vectors WHERE vector IS NOT NULL AND row NOT IN (SELECT row FROM records)"
    assert connection.execute(orphans).fetchone() == (0,)
    connection.close()

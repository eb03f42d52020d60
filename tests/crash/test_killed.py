"""Children that write, killed with SIGKILL at any moment; then what is left in the file.

    scripts/test -m crash

kills 500 of them.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import sqlite3
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushmodel import Database, connect
from tests.embedded.test_processes import check

from .child import IN, Step, create, write
from .models import Item, Owner, Shown, open_items, show, vector_of

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")

# The children come from a process that has imported everything, and has never opened a store.
processes: Any = multiprocessing.get_context("forkserver" if hasattr(signal, "SIGKILL") else "spawn")
processes.set_forkserver_preload(["tests.crash.child"])

INSIDE = 0.3
"""The share of the kills that must hit the middle of a transaction."""

Truth = dict[str, Shown]


def test_20_kills(tmp_path: Path) -> None:
    inside, acknowledged = kill_again_and_again(tmp_path, rounds=10, seed=1)
    assert inside
    assert acknowledged > 20


@pytest.mark.crash
def test_500_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(10**9)
    inside, acknowledged = kill_again_and_again(tmp_path, rounds=250, seed=seed)
    assert inside >= INSIDE * 500
    assert acknowledged > 500
    with capsys.disabled():
        print(f"\n500 kills, {inside} inside a transaction; {acknowledged} acknowledged steps were all there")


def kill_again_and_again(folder: Path, *, rounds: int, seed: int) -> tuple[int, int]:
    """Two at a time; how many were inside a transaction, and how many steps they had acknowledged."""
    print("seed", seed)
    chance = random.Random(seed)
    path = folder / "store.db"
    open_items(path, default=False).close()
    inside = acknowledged = 0
    truth: list[Truth] = [{}, {}]
    labels: set[int] = set()
    for number in range(rounds):
        children = [
            Child(write, path, folder / f"flag{slot}", slot, chance.randrange(10**9)) for slot in (0, 1)
        ]
        witness = open_items(path, models=[Item, Owner], default=False) if number % 2 else None
        for child in children:
            child.wait_for("ready")
        listen(children, chance.uniform(0, 0.08))
        for child in sorted(children, key=lambda _: chance.random()):
            child.kill()  # and the other one goes on alone
            listen(children, chance.uniform(0, 0.08))
        inside += sum(child.was_inside for child in children)
        # Every other time nobody is left who knows of the WAL, and it is all that there is.
        found = read(witness or open_items(path, models=[Item, Owner], default=False))
        for slot, child in enumerate(children):
            steps, done = child.told()
            acknowledged += len(done)
            mine = {key: shown for key, shown in found.items() if key.startswith(f"{slot}-")}
            truth[slot] = settle(truth[slot], steps, done, mine)
            labels.update(each for number in done if (each := steps[number].synced) is not None)
        assert len(found) == sum(map(len, truth))
        check_policies(path, labels)
        check(path)
    return inside, acknowledged


class Child:
    """A process that writes, and what it has told of it."""

    def __init__(self, work: Any, path: Path, flag: Path, *args: Any) -> None:
        flag.write_bytes(bytes(1))
        self._flag = flag
        self._told: list[tuple[str, Any]] = []
        self.pipe, theirs = processes.Pipe(duplex=False)
        self._process = processes.Process(target=work, args=(path, *args, flag, theirs))
        self._process.start()
        theirs.close()

    def wait_for(self, word: str) -> None:
        while not self._told or self._told[-1][0] != word:
            assert self.pipe.poll(30), f"no {word!r} within 30 s, after {self._told[-1:]}"
            self._told.append(self.pipe.recv())

    def listen(self) -> None:
        """Take in what it has told."""
        try:
            self._told.append(self.pipe.recv())
        except (EOFError, OSError):  # of a word that it was about to say, part may be there
            self.pipe.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    @property
    def was_inside(self) -> bool:
        return self._flag.read_bytes()[0] == IN

    def words(self) -> list[tuple[str, Any]]:
        """All that it has told."""
        while not self.pipe.closed:
            self.listen()
        assert self._process.exitcode in (0, -signal.SIGKILL), "it failed before it was killed: see above"
        return self._told

    def told(self) -> tuple[dict[int, Step], set[int]]:
        """Every step that it began, and which of them it acknowledged."""
        steps: dict[int, Step] = {}
        done: set[int] = set()
        for word, what in self.words():
            if word == "begin":
                steps.update(what)
            elif word == "done":
                done.add(what)
        return steps, done


def listen(children: list[Child], seconds: float) -> None:
    """Let them write for so long: a child whose pipe is full would wait, and not write."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        telling = {child.pipe: child for child in children if not child.pipe.closed}
        for pipe in wait(list(telling), left):
            telling[pipe].listen()


def settle(truth: Truth, steps: dict[int, Step], done: set[int], found: Truth) -> Truth:
    """What is found, once it is sure that it can be: every step that was acknowledged, and others whole."""
    expected: dict[str, Shown | None] = dict(truth)
    for number in sorted(done):
        expected.update(steps[number].items)
    for number in sorted(steps.keys() - done):
        items = steps[number].items
        happened = {found.get(key) == shown for key, shown in items.items() if expected.get(key) != shown}
        assert len(happened) <= 1, f"half of step {number} is there: {items}"
        if True in happened:
            expected.update(items)
    assert found == {key: shown for key, shown in expected.items() if shown is not None}
    return found


def read(db: Database) -> Truth:
    """All items, by key, as reading and searching give them; closes it."""
    with db:
        records = Item.find().with_vectors().with_(Item.owner).all()
        found = {record.key: show(record) for record in records}
        assert len(found) == len(records)
        # What a search answers is what brute force over the records does.
        query = vector_of(1)
        hits = Item.search(query, limit=len(records) + 1)
        health = db.check()
    db.close()
    assert health.ok, str(health)
    assert {hit.record.key for hit in hits} == found.keys()
    if records:
        vectors = np.stack([record.embedding for record in records]).astype(np.float64)
        cosines = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
        scores = sorted((1 + cosines) / 2, reverse=True)
        assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-6)
    return found


def check_policies(path: Path, labels: set[int]) -> None:
    """Every class whose sync was acknowledged has its policy, and its index."""
    connection = sqlite3.connect(path)
    names = dict(connection.execute("SELECT name, id FROM names"))
    there = {label for (label,) in connection.execute("SELECT label FROM policies")}
    indexed = {
        name for (name,) in connection.execute("SELECT tbl_name FROM sqlite_master WHERE type = 'index'")
    }
    connection.close()
    for label in labels:
        number = names[f"CrashSynced{label}"]
        assert number in there
        assert f"r{number}" in indexed


def test_killed_while_a_store_is_made(tmp_path: Path) -> None:
    """At any moment, from before there is a file; the next one goes on from there."""
    chance = random.Random(2)
    reached: set[str] = set()
    for attempt in range(12):
        path = tmp_path / f"new{attempt}.db"
        child = Child(create, path, tmp_path / "flag")
        child.wait_for("ready")
        time.sleep(chance.uniform(0, 0.03))
        child.kill()
        words = [word for word, _ in child.words()]
        reached.add(words[-1])
        found = read(open_items(path, models=[Item, Owner], default=False))
        assert found == {"first": Shown(1, 0, "owner 1")} or (not found and "saved" not in words)
        db = connect(path, models=[Item, Owner], default=False)
        db.sync()
        assert db.plan().in_sync
        db.close()
        check(path)
    assert len(reached) > 1

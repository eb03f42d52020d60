"""Several processes on one file: nobody fails, no update is lost, and all that is seen is of one commit.

    scripts/test -m soak tests/crash/test_sharing.py

has 8 of them for a minute.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter as Counts
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.test_processes import check

from .sharing import GROUPS, ROLES, SHARED, Note, Tally, check_notes, open_shared, share

processes: Any = multiprocessing.get_context("spawn")


def test_4_processes_for_some_seconds(tmp_path: Path) -> None:
    run(tmp_path / "store.db", list(ROLES), seconds=4)


@pytest.mark.soak
def test_8_processes_for_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(tmp_path / "store.db", [*ROLES, "writer", "writer", "searcher", "searcher"], seconds=60)
    with capsys.disabled():
        print("", *(f"{count:8} {what}" for what, count in sorted(done.items())), sep="\n")


def run(path: Path, roles: list[str], seconds: float) -> Counts[str]:
    """What was done by all of them together."""
    db = open_shared(path)
    db.sync()
    with db:
        for n in range(SHARED):
            Tally(name=f"tally {n}").save()
    db.close()
    running: list[tuple[Any, Any]] = []
    for seed, role in enumerate(roles):
        ours, theirs = processes.Pipe()
        process = processes.Process(target=share, args=(role, path, seed, seconds, theirs))
        process.start()
        theirs.close()
        running.append((process, ours))
    for _, pipe in running:
        assert pipe.recv() == "ready"
    for _, pipe in running:
        pipe.send("go")
    done: Counts[str] = Counts()
    for process, pipe in running:
        assert pipe.poll(seconds + 60), f"{process.name} does not come to its end"
        done.update(pipe.recv())  # an EOFError here: it failed, see what it has printed
        process.join(30)
        assert process.exitcode == 0
    db = open_shared(path)
    with db:
        counted = {tally.name: tally.count for tally in Tally.find()}
        notes = Note.find().with_vectors().all()
    db.close()
    assert counted == {f"tally {n}": done[f"tally {n}"] for n in range(SHARED)}
    check_notes(notes)
    assert 0 < len(notes) <= 4 * GROUPS
    check(path)
    for what in (
        "groups written",
        "groups deleted",
        "groups given up",
        "searched",
        "found",
        "paged",
        "looked",
    ):
        assert done[what] > 0, what
    return done

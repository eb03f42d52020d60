"""From one embedder to another while four processes read and write, and the migration is killed often.

    scripts/test -m soak tests/crash/test_moving.py

does so with all of WordNet, and kills it ten times.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tests.embedded.test_processes import check

from .moving import Kind, classes, move, opened, use

processes: Any = multiprocessing.get_context("spawn")

WHOLE = Path(__file__).parents[2].parent / "shared" / "data" / "wordnet" / "synsets.jsonl"


@pytest.mark.parametrize("kind", get_args(Kind))
def test_some_texts(tmp_path: Path, kind: Kind) -> None:
    texts = [f"text number {place} of the migration" for place in range(400)]
    run(tmp_path / "store.db", kind, texts, kills=2, users=["old", "new"])


@pytest.mark.soak
@pytest.mark.parametrize("kind", get_args(Kind))
def test_all_of_wordnet(tmp_path: Path, kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    if not WHOLE.is_file():
        pytest.skip("the whole WordNet set is not there")
    lines = WHOLE.read_text("utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["definition"] for line in lines))
    done = run(tmp_path / "store.db", kind, texts, kills=10, users=["old", "old", "new", "new"])
    with capsys.disabled():
        print(
            "",
            f"{kind}: {len(texts)} texts",
            *(f"{count:8} {what}" for what, count in sorted(done.items())),
            sep="\n",
        )


def run(path: Path, kind: Kind, texts: list[str], kills: int, users: list[Any]) -> Counter[str]:
    old, new, embedder = classes(kind)
    db, _ = opened(path, kind, "old")
    old.save_many(old(key=str(place), text=text) for place, text in enumerate(texts))
    db.close()
    running = [start(use, path, kind, role, texts, seed) for seed, role in enumerate(users)]
    chance = random.Random(7)
    for _ in range(kills):
        process, pipe = start(move, path, kind)
        for _ in range(chance.randrange(1, 4)):
            pipe.recv()  # of so many batches
        process.kill()
        process.join()
    process, pipe = start(move, path, kind)
    while pipe.recv() != "done":
        pass
    process.join()
    assert process.exitcode == 0
    done = Counter[str]()
    for each, pipe in running:
        assert each.is_alive(), "a user failed: see what it has printed"
        pipe.send("enough")
        assert pipe.poll(60)
        done.update(pipe.recv())
        each.join()
        assert each.exitcode == 0
    for role in set(users):
        assert done[f"{role} searched"] > 0
        assert done[f"{role} wrote"] > 0
    db, _ = opened(path, kind, "new")
    assert db.migrate().in_sync  # what the old class wrote after the switch
    assert new.stale().count() == 0
    found = new.find().with_vectors().all()
    assert len(found) >= len(texts)
    for record in found:
        assert np.array_equal(record.embedding, embedder.vector(record.text)), record.key
    db.sync(prune=True, drop_vectors=True)
    assert db.plan().in_sync
    assert new.search(texts[3], limit=1)[0].record.text == texts[3]
    db.close()
    check(path)
    return done


def start(target: Any, *arguments: Any) -> tuple[Any, Any]:
    ours, theirs = processes.Pipe()
    process = processes.Process(target=target, args=(*arguments, theirs))
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    return process, ours

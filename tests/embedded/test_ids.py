from __future__ import annotations

import os
import re
import threading
import time
import uuid
from itertools import pairwise

import pytest

from rushmodel.backends.embedded import ids
from rushmodel.backends.embedded.ids import IdClock, new_id


def test_ids_are_uuids_of_version_7_with_the_time_in_them():
    before = time.time_ns() // 1_000_000
    text = new_id()
    after = time.time_ns() // 1_000_000
    found = uuid.UUID(text)
    assert str(found) == text
    assert found.variant == uuid.RFC_4122
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
    # Other tests may have made so many that the clock ran ahead, by a little.
    assert before <= found.int >> 80 <= after + 1000


def test_ids_ascend():
    made = [new_id() for _ in range(20_000)]
    assert all(first < second for first, second in pairwise(made))


def test_ids_ascend_across_threads():
    made: list[tuple[int, str]] = []
    order = threading.Lock()

    def make():
        for _ in range(3000):
            with order:
                made.append((len(made), new_id()))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [text for _, text in made]
    assert texts == sorted(set(texts))
    assert len(texts) == 12_000


def test_ids_ascend_while_the_clock_stands_behind():
    ahead = time.time_ns() // 1_000_000 + 3_600_000
    clock = IdClock(after=ahead)
    made = [clock() for _ in range(1000)]
    assert made == sorted(set(made))
    assert all(uuid.UUID(text).int >> 80 == ahead for text in made)


def test_a_full_millisecond_borrows_from_the_next():
    clock = IdClock(after=2**47)
    clock._tail = (1 << 74) - 1
    last = clock()
    assert uuid.UUID(last).int >> 80 == 2**47 + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_other_ids(monkeypatch):
    # With the clock ahead no new millisecond parts the two.
    monkeypatch.setattr(ids, "_clock", IdClock(after=time.time_ns() // 1_000_000 + 3_600_000))
    before = new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    ours = {new_id() for _ in range(100)}
    os.waitpid(child, 0)
    text = os.read(read, 3600).decode()
    theirs = [text[at : at + 36] for at in range(0, 3600, 36)]
    assert theirs == sorted(set(theirs))
    assert not ours & set(theirs)
    assert before < theirs[0]

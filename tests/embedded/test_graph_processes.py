"""Graph indexes that several processes build, and one that is killed while it builds."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from rushmodel import CapabilityError, Field, Model, Vector, VectorField, connect, field
from tests.serve.process import Process

DIMS = 16
VECTORS = np.random.default_rng(5).standard_normal((2500, DIMS)).astype(np.float32)

CHILD = """
import sys
from rushmodel import Field, Model, Vector, VectorField, connect, field

class Point(Model):
    n: Field[int] = field(key=True)
    at: Vector = VectorField(dims=16)

with connect(sys.argv[1], default=False) as db:
    print("ready", flush=True)
    for _ in range(int(sys.argv[2])):
        built = db.build_index(Point.at)
        print(built.vectors, flush=True)
    db.close()
"""


class Point(Model):
    n: Field[int] = field(key=True)
    at: Vector = VectorField(dims=DIMS)


@pytest.fixture
def path(tmp_path):
    with connect(tmp_path / "points.db", durability="normal", default=False) as db:
        Point.save_many(Point(n=n, at=vector) for n, vector in enumerate(VECTORS))
        db.close()
    return tmp_path / "points.db"


def building(path, times):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(times)], stdout=subprocess.PIPE, text=True
    )


def recall(db):
    found = 0
    for vector in VECTORS[:20]:
        exact = {hit.record.n for hit in Point.search(vector)}
        found += len(exact & {hit.record.n for hit in Point.search(vector, exact=False)})
    return found / 200


def test_two_processes_build_at_once(path):
    children = [building(path, 2), building(path, 2)]
    with connect(path, default=False) as db:
        while any(child.poll() is None for child in children):
            assert recall(db) > 0.9  # by whatever index there is just now
        for child in children:
            told = child.communicate()[0].split()
            assert child.returncode == 0
            assert told == ["ready", str(len(VECTORS)), str(len(VECTORS))]
        # A search whose snapshot is older than the last index has not believed it, and looks again soon.
        end = time.monotonic() + 5
        while (stats := db.index_stats(Point.at)) is None and time.monotonic() < end:
            time.sleep(0.1)
        assert stats is not None
        assert stats.vectors == len(VECTORS)
        assert recall(db) > 0.9
        assert db.check().ok
        db.close()


@pytest.mark.parametrize("wait", [0.0, 0.2])
def test_one_that_is_killed_leaves_nothing_half(path, wait):
    child = building(path, 50)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(wait)
    child.kill()
    child.wait()
    child.stdout.close()
    with connect(path, default=False) as db:
        assert recall(db) > 0.9
        assert db.check().ok
        assert db.build_index(Point.at).vectors == len(VECTORS)
        assert recall(db) > 0.9
        assert not [each.name for each in path.parent.iterdir() if "tmp" in each.name]
        db.close()


def test_a_server_builds_none(monkeypatch):
    with Process("memory://") as server:
        monkeypatch.setenv("RUSHDB_API_KEY", server.token)
        with connect(server.url, default=False) as db:
            Point(n=1, at=VECTORS[0]).save()
            for verb in (db.build_index, db.index_stats, db.drop_index):
                with pytest.raises(CapabilityError, match="server"):
                    verb(Point.at)
            assert len(Point.search(VECTORS[0], exact=False)) == 1
            db.close()

"""Graph indexes: what approximate searches answer, whatever was written since, and damaged files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from rushmodel import (
    AmbiguousSearch,
    CapabilityError,
    Field,
    Model,
    ModelError,
    PolicyMissing,
    QueryError,
    StoreError,
    Vector,
    VectorField,
    connect,
    field,
)

DIMS = 8
ROWS = 3000
RNG = np.random.default_rng(3)
CENTRES = RNG.standard_normal((30, DIMS))
VECTORS = (CENTRES[np.arange(ROWS) % 30] + 0.3 * RNG.standard_normal((ROWS, DIMS))).astype(np.float32)
QUERIES = (CENTRES[np.arange(20)] + 0.3 * RNG.standard_normal((20, DIMS))).astype(np.float32)


class Point(Model):
    n: Field[int] = field(key=True)
    at: Vector = VectorField(dims=DIMS)
    far: Vector = VectorField(dims=DIMS + 1, similarity="euclidean")
    both: Vector = VectorField(dims=2, similarity=("cosine", "euclidean"))


def point(n: int, vector) -> Point:
    return Point(n=n, at=vector, far=100 * np.append(vector, 1), both=[1, n + 1])


def save_points():
    Point.save_many(point(n, vector) for n, vector in enumerate(VECTORS))


@pytest.fixture(scope="session")
def points(tmp_path_factory):
    """A file with all of them, to be copied."""
    path = tmp_path_factory.mktemp("graphs") / "points.db"
    with connect(path, default=False, durability="normal") as saving:
        save_points()
        saving.close()
    return path


@pytest.fixture
def db(points, tmp_path):
    shutil.copy(points, tmp_path / "points.db")
    opened = connect(tmp_path / "points.db", default=True, durability="normal")
    yield opened
    opened.close()


@pytest.fixture(params=["file", "memory"])
def anywhere(request):
    """As `db`, and in memory."""
    if request.param == "file":
        yield request.getfixturevalue("db")
        return
    opened = connect("memory://", default=True)
    save_points()
    yield opened
    opened.close()


@pytest.fixture
def file(points, tmp_path):
    shutil.copy(points, tmp_path / "points.db")
    opened = connect(tmp_path / "points.db", default=True, durability="normal")
    opened.build_index(Point.at)
    yield tmp_path / "points.db"
    opened.close()


def answers(vector, **options):
    return [(hit.record.n, hit.score) for hit in Point.search(vector, on=Point.at, **options)]


def recall(queries=QUERIES, **options) -> float:
    hits = [
        len(set(answers(query, **options)) & set(answers(query, exact=False, **options))) for query in queries
    ]
    return float(np.mean(hits)) / 10


@pytest.mark.parametrize("column", [Point.at, Point.far])
def test_hits_have_their_exact_scores(anywhere, column):
    db = anywhere
    built = db.build_index(column)
    assert (built.vectors, built.later, built.rebuild_pays) == (ROWS, 0, False)
    assert built == db.index_stats(column)
    found = 0
    for query in QUERIES[:10]:
        vector = query if column is Point.at else 100 * np.append(query, 1)
        exact = [(hit.record.n, hit.score) for hit in Point.search(vector, on=column, limit=ROWS)]
        near = [(hit.record.n, hit.score) for hit in Point.search(vector, on=column, exact=False)]
        assert len(near) == 10
        assert near == [each for each in exact if each in near]  # exact scores, in their order
        found += len(set(near) & set(exact[:10]))
    assert found >= 0.95 * 10 * 10


def test_what_was_written_later_is_found(anywhere):
    db = anywhere
    db.build_index(Point.at)
    query = QUERIES[0]
    before = answers(query, exact=False)
    for n in range(5):
        point(10_000 + n, query + 0.001 * n).save()  # new ones, nearest of all
    gone = before[0][0]
    Point.get(n=gone).delete()
    moved = Point.get(n=before[1][0], with_vectors=True)
    moved.at = -query
    moved.save()
    now = answers(query, exact=False)
    assert [n for n, _ in now[:5]] == [10_000, 10_001, 10_002, 10_003, 10_004]
    assert not {gone, moved.n} & {n for n, _ in now}
    assert answers(-query, exact=False, limit=1)[0][0] == moved.n
    stats = db.index_stats(Point.at)
    assert stats is not None
    assert (stats.vectors, stats.later) == (ROWS, 6)


def test_when_a_rebuild_pays(db):
    db.build_index(Point.at)
    Point.save_many(point(n, -vector) for n, vector in enumerate(VECTORS[:1500]))
    stats = db.index_stats(Point.at)
    assert stats is not None
    assert stats.rebuild_pays
    assert recall() == 1.0  # half of them are new: that is left to an exact scan
    assert not db.build_index(Point.at).rebuild_pays
    assert recall() >= 0.95


def test_conditions(db):
    db.build_index(Point.at)
    for keeps, least in ((2000, 0.95), (200, 1.0), (20, 1.0), (0, 0.0)):
        where = Point.n < keeps
        assert all(n < keeps for query in QUERIES[:10] for n, _ in answers(query, where=where, exact=False))
        assert recall(QUERIES[:10], where=where) >= least


def test_limits_and_pages(db):
    db.build_index(Point.at)
    query = QUERIES[1]
    assert answers(query, limit=ROWS, exact=False) == answers(query, limit=ROWS)
    assert answers(query, limit=5, offset=5, exact=False) == answers(query, limit=10, exact=False)[5:]
    record = Point.get(n=7, with_vectors=True)
    like = [hit.record.n for hit in Point.search(record, on=Point.at, exact=False)]
    assert len(like) == 10
    assert 7 not in like
    several = Point.search_many(QUERIES, on=Point.at, exact=False)
    singles = [Point.search(query, on=Point.at, exact=False) for query in QUERIES]
    assert [[hit.record.n for hit in hits] for hits in several] == [
        [hit.record.n for hit in hits] for hits in singles
    ]


def test_what_is_no_index(db):
    assert db.index_stats(Point.at) is None
    assert not db.drop_index(Point.at)
    with pytest.raises(AmbiguousSearch, match="similarity='cosine'"):
        db.build_index(Point.both)
    assert db.build_index(Point.both, similarity="euclidean").signature.similarity == "euclidean"
    with pytest.raises(QueryError, match="has cosine, not 'euclidean'"):
        db.build_index(Point.at, similarity="euclidean")
    with pytest.raises(ModelError, match="no vector field"):
        db.build_index(Point.n)
    with pytest.raises(QueryError, match="a vector field"):
        db.build_index("at")
    with db.transaction(), pytest.raises(CapabilityError, match="outside of transactions"):
        db.build_index(Point.at)

    class Lonely(Model):
        n: Field[int] = field(key=True)
        v: Vector = VectorField(dims=2)

    with pytest.raises(PolicyMissing):
        db.build_index(Lonely.v)
    db.sync()
    assert db.build_index(Lonely.v).vectors == 0
    Lonely(n=1, v=[1, 0]).save()
    assert [hit.record.n for hit in Lonely.search([1, 0], exact=False)] == [1]


async def twins(db):
    assert (await db.aio.build_index(Point.at)).vectors == ROWS
    assert (await db.aio.index_stats(Point.at)).later == 0
    assert len(await Point.asearch(QUERIES[0], on=Point.at, exact=False)) == 10
    assert await db.aio.drop_index(Point.at)
    assert await db.aio.index_stats(Point.at) is None


def test_twins(db):
    import asyncio

    asyncio.run(twins(db))


def test_other_connections_use_it(file):
    other = connect(file, default=False, durability="normal")
    with other:
        found = other.index_stats(Point.at)
        assert found is not None
        assert found.vectors == ROWS
        assert recall() >= 0.95
        point(-1, QUERIES[0]).save()
        rebuilt = other.build_index(Point.at)
        assert rebuilt.vectors == ROWS + 1
    other.close()
    with connect(file, default=False) as third:
        assert third.index_stats(Point.at) == rebuilt
        assert answers(QUERIES[0], exact=False, limit=1)[0][0] == -1
    third.close()


def test_a_vacuum_and_a_dropped_policy(file, tmp_path):
    (db,) = {connect(file, default=False)}
    with db:
        Point.find(Point.n < 10).delete()
        db.vacuum()
        stats = db.index_stats(Point.at)
        assert stats is not None
        assert recall() >= 0.95
        assert all(n >= 10 for query in QUERIES for n, _ in answers(query, exact=False))
        assert db.check().ok
        assert db.stats().sidecar_bytes >= Path(f"{file}-graph-1").stat().st_size
        policy = next(each for each in db.plan().changes if each.signature == stats.signature)
        db.client.ai.indexes.delete(str(policy.policy_id))
        db.sync()
        Point.search([0.0] * DIMS + [1.0], on=Point.far)
        assert db.index_stats(Point.at) is None
        assert not list(tmp_path.glob("*-graph-*"))
    db.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "header", "empty", "link", "other"])
def test_no_damage_is_believed(file, damage, tmp_path):
    graph = Path(f"{file}-graph-1")
    data = bytearray(graph.read_bytes())
    if damage == "cut":
        data = data[:-100]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "header":
        data[60] ^= 1
    elif damage == "empty":
        data = bytearray()
    elif damage == "link":
        graph.rename(tmp_path / "elsewhere")
        graph.symlink_to(tmp_path / "elsewhere")
    elif damage == "other":
        with connect(tmp_path / "other.db", default=False) as other:
            Point.save_many(point(n, -vector) for n, vector in enumerate(VECTORS[:2000]))
            other.build_index(Point.at)
        other.close()
        data = bytearray(Path(f"{tmp_path / 'other.db'}-graph-1").read_bytes())
    if damage != "link":
        graph.write_bytes(data)
    with connect(file, default=False) as db:
        assert db.index_stats(Point.at) is None
        assert recall() == 1.0
        if damage != "link":
            assert not db.check().ok
        assert db.build_index(Point.at).vectors == ROWS
        assert db.check().ok
        assert recall() >= 0.95
    db.close()


def test_without_the_library(db, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(CapabilityError, match=r"rushmodel\[ann\]"):
        db.build_index(Point.at)
    assert recall() == 1.0


def test_a_folder_that_cannot_be_written(file, monkeypatch):
    Path(f"{file}-graph-1").unlink()
    Path(f"{file}-graph-1").mkdir()
    with connect(file, default=False) as db, pytest.raises(StoreError, match="cannot be written"):
        db.build_index(Point.at)
    assert not list(file.parent.glob("*.tmp"))
    db.close()


def test_later_records_do_not_hide_what_the_graph_has_left_out(db):
    db.build_index(Point.at)
    query = CENTRES[0].astype(np.float32)
    Point.save_many(point(20_000 + n, -query + 0.01 * n) for n in range(20))  # far, and later
    where = ~Point.n.in_(list(range(0, ROWS, 30)))  # the nearest are left out: the graph proposes no others
    assert answers(query, where=where, exact=False) == answers(query, where=where)


def test_a_graph_where_the_library_is_missing(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with connect(file, default=False) as db:
        assert db.index_stats(Point.at) is None
        assert recall(QUERIES[:3]) == 1.0
        assert db.check().ok
    db.close()

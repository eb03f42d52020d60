"""Sidecars: written, believed, caught up; never believed when not this database's, or not whole."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded import mirrors, sidecar
from rushmodel.backends.embedded.matrix import VectorMatrix
from rushmodel.backends.embedded.parts import DamagedVectors
from rushmodel.backends.embedded.sidecar import Stamp, find_sidecars, paths_of, write_sidecar
from rushmodel.errors import StoreTimeout
from rushmodel.port import RecordQuery, SearchMany, SearchVectors

from .store import Store, cosine, euclidean

DIMS = 24
ROWS = 300
GENERATOR = np.random.default_rng(4)
VECTORS = GENERATOR.standard_normal((ROWS, DIMS)).astype(np.float32)
QUERIES = GENERATOR.standard_normal((5, DIMS)).astype(np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Everything is worth a sidecar."""
    monkeypatch.setattr(mirrors, "WORTH_KEEPING", 1)
    monkeypatch.setattr(mirrors, "_PATIENCE", 0.0)


@pytest.fixture(params=[cosine(dims=DIMS), euclidean(dims=DIMS)], ids=str)
def signature(request):
    return request.param


def fill(store, signature, vectors=VECTORS):
    policy = store.policy(signature)
    ids = store.save_all([{"body": "x", "n": n} for n in range(len(vectors))])
    store.upsert(policy.id, dict(zip(ids, vectors, strict=True)))
    return policy, ids


def answers(store):
    return [[(hit.data["n"], hit.score) for hit in store.search(query, limit=7)] for query in QUERIES]


def truth(path):
    """What a process without sidecars answers."""
    copy = f"{path}.copy"
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    store = Store(copy)
    try:
        return answers(store)
    finally:
        store.close()
        for name in os.listdir(os.path.dirname(path)):
            if name.startswith(os.path.basename(copy)):
                os.unlink(os.path.join(os.path.dirname(path), name))


@pytest.fixture
def loads(monkeypatch):
    """How many sidecars have been loaded, and rows read from the database."""
    seen = {"sidecars": 0, "rows": 0}
    load, take = sidecar.Sidecar.load, mirrors.Mirror._take

    def counted_load(self):
        found = load(self)
        seen["sidecars"] += found is not None
        return found

    def counted_take(self, chunk):
        seen["rows"] += len(chunk)
        take(self, chunk)

    monkeypatch.setattr(sidecar.Sidecar, "load", counted_load)
    monkeypatch.setattr(mirrors.Mirror, "_take", counted_take)
    return seen


def test_the_next_store_reads_no_vector_from_the_database(opened, path, signature, loads):
    first = opened()
    fill(first, signature)
    expected = answers(first)
    first.close()
    (name,) = sidecar.sidecar_files(str(path))
    if os.name == "posix":
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o600
    loads.update(rows=0)
    again = opened()
    assert answers(again) == expected
    assert loads == {"sidecars": 1, "rows": 0}
    assert sidecar.sidecar_files(str(path)) == [name]


def test_a_stale_one_is_caught_up(opened, path, signature, loads):
    first = opened()
    policy, ids = fill(first, signature)
    answers(first)
    first.upsert(policy.id, {ids[3]: QUERIES[0], ids[4]: QUERIES[1]})
    first.delete("A", {"n": 7})
    first.save({"body": "new", "n": 1000}, vectors={signature: QUERIES[2]})
    first.close()
    loads.update(rows=0)
    again = opened()
    found = answers(again)
    assert loads == {"sidecars": 1, "rows": 4}
    assert found == truth(path)
    assert [hits[0][0] for hits in found[:3]] == [3, 4, 1000]


def test_it_is_written_anew_after_many_changes(opened, path, signature, loads):
    first = opened()
    policy, ids = fill(first, signature)
    answers(first)
    first.upsert(policy.id, dict(zip(ids[:60], VECTORS[60:120], strict=True)))
    answers(first)
    first.close()
    loads.update(rows=0)
    assert answers(opened()) == truth(path)
    assert loads["rows"] == ROWS  # those that `truth` read from its copy


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_restored_backup_is_not_mistaken_for_what_it_was(opened, path, signature, loads, later):
    """Its numbers can pass those of the sidecar, with other vectors behind them."""
    first = opened()
    policy, ids = fill(first, signature)
    first.close()
    backup = f"{path}.backup"
    shutil.copy(path, backup)
    second = opened()
    second.upsert(policy.id, {ids[0]: QUERIES[0]})
    answers(second)
    second.close()
    assert sidecar.sidecar_files(str(path))
    os.replace(backup, path)
    third = opened()
    for n in range(later):
        third.upsert(policy.id, {ids[n]: QUERIES[1 + n]})
    third.close()
    loads.update(sidecars=0)
    found = answers(opened())
    assert loads["sidecars"] == 0
    assert found == truth(path)


def test_a_backup_made_since_may_use_it(opened, path, signature, loads):
    first = opened()
    policy, ids = fill(first, signature)
    answers(first)
    first.close()
    backup = f"{path}.backup"
    shutil.copy(path, backup)
    second = opened()
    second.upsert(policy.id, {ids[0]: QUERIES[0]})
    second.close()
    os.replace(backup, path)
    loads.update(sidecars=0)
    found = answers(opened())
    assert loads["sidecars"] == 1
    assert found == truth(path)


def test_one_of_another_database_is_not_believed(opened, path, tmp_path, signature, loads):
    other = opened(tmp_path / "other.db")
    fill(other, signature, -VECTORS)
    answers(other)
    other.close()
    first = opened()
    fill(first, signature)
    first.close()
    shutil.copy(paths_of(str(tmp_path / "other.db"), 1)[0], paths_of(str(path), 1)[0])
    loads.update(sidecars=0)
    found = answers(opened())
    assert loads["sidecars"] == 0
    assert found == truth(path)


def test_removals_that_were_swept_up_are_known(opened, path, signature):
    first, second = opened(), opened()
    fill(first, signature)
    answers(first), answers(second)
    first.delete("A", {"n": {"$lt": 50}})
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    assert mirrors.sweep(connection) == 50
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM vectors WHERE vector IS NULL").fetchone() == (0,)
    connection.close()
    first.save({"body": "x", "n": 2000}, vectors={signature: QUERIES[0]})
    expected = truth(path)
    assert answers(second) == expected
    assert answers(opened()) == expected


def damage(path, how):
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)


@pytest.mark.parametrize("signature", [cosine(dims=DIMS)], ids=str)
def test_damage_anywhere_is_seen(opened, path, signature, caplog):
    first = opened()
    fill(first, signature)
    expected = answers(first)
    first.close()
    place = path.with_name(os.path.basename(paths_of(str(path), 1)[0]))
    whole = place.read_bytes()
    generator = np.random.default_rng(1)
    with caplog.at_level(logging.ERROR):
        for n in range(120):
            data = bytearray(whole)
            if n < 30:
                del data[int(generator.integers(0, len(data))) :]
            elif n < 60:
                start = int(generator.integers(0, len(data) // 4096)) * 4096
                data[start : start + 4096] = bytes(4096)
            else:
                data[int(generator.integers(0, len(data)))] ^= 1 << int(generator.integers(0, 8))
            place.write_bytes(data)
            store = Store(path)
            assert answers(store) == expected
            store.close()


def test_a_flipped_bit_of_each_part_is_found(tmp_path):
    """Of the vectors when they are used, of everything else at opening."""
    matrix = VectorMatrix(DIMS, "cosine")
    matrix.put(np.arange(ROWS), VECTORS)
    database = str(tmp_path / "x.db")
    open(database, "w").close()
    stamp = Stamp("p" * 36, b"t" * 16, 5)
    write_sidecar(database, 1, matrix, stamp)
    place = paths_of(database, 1)[0]
    (found,) = find_sidecars(database, 1, stamp.policy_id, DIMS, "cosine")
    parts = found._header.parts()
    found.close()
    with open(place, "rb") as file:
        whole = file.read()
    for name, part in zip(found._header.parts()[0]._fields and sidecar.Parts._fields, parts, strict=True):
        data = bytearray(whole)
        data[part.offset + 11] ^= 16
        with open(place, "wb") as file:
            file.write(data)
        (found,) = find_sidecars(database, 1, stamp.policy_id, DIMS, "cosine")
        loaded = found.load()
        if name != "vectors":
            assert loaded is None, name
            continue
        assert loaded is not None
        with pytest.raises(DamagedVectors):
            loaded.nearest(QUERIES[0], ROWS)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.data())
def test_a_matrix_comes_back_as_it_was_and_goes_on(tmp_path_factory, count, dims, data):
    folder = tmp_path_factory.mktemp("sidecar")
    database = str(folder / "x.db")
    open(database, "w").close()
    generator = np.random.default_rng(count)
    vectors = generator.standard_normal((60, dims)).astype(np.float32)
    similarity = data.draw(st.sampled_from(["cosine", "euclidean"]))
    matrix = VectorMatrix(dims, similarity)
    rows = generator.permutation(1000)[:60]
    matrix.put(rows[:count], vectors[:count])
    stamp = Stamp("i" * 36, b"t" * 16, 1)
    write_sidecar(database, 3, matrix, stamp)
    (found,) = find_sidecars(database, 3, stamp.policy_id, dims, similarity)
    assert found.stamp == stamp
    other = found.load()
    assert other is not None
    for _ in range(data.draw(st.integers(0, 6))):
        chosen = generator.integers(0, 60, data.draw(st.integers(1, 30)))
        if data.draw(st.booleans()):
            for each in (matrix, other):
                each.put(rows[chosen], vectors[chosen])
        else:
            for each in (matrix, other):
                each.drop(rows[chosen])
        query = generator.standard_normal(dims).astype(np.float32)
        assert matrix.nearest(query, 5) == other.nearest(query, 5)
    query = vectors[0]
    assert matrix.nearest(query, 60) == other.nearest(query, 60)
    write_sidecar(database, 3, other, stamp)  # which checks all that is left


def test_a_link_is_neither_read_nor_written_through(opened, path, signature, loads):
    if not hasattr(os, "O_NOFOLLOW"):
        pytest.skip("no O_NOFOLLOW on this system")
    first = opened()
    fill(first, signature)
    expected = answers(first)
    first.close()
    place = paths_of(str(path), 1)[0]
    elsewhere = path.with_name("elsewhere")
    os.replace(place, elsewhere)
    os.symlink(elsewhere, place)
    before = elsewhere.read_bytes()
    loads.update(sidecars=0)
    assert answers(opened()) == expected
    assert loads["sidecars"] == 0
    assert not os.path.islink(place)  # replaced, as everything that is not believed
    assert elsewhere.read_bytes() == before


def test_without_room_searches_go_on(opened, path, signature, monkeypatch, caplog):
    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sidecar, "write_all", full)
    store = opened()
    fill(store, signature)
    with caplog.at_level(logging.WARNING):
        answers(store)
        answers(store)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text
    assert sidecar.sidecar_files(str(path)) == []


def test_a_writer_is_not_waited_for(opened, path, signature):
    store = opened()
    fill(store, signature)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    found = answers(store)
    assert sidecar.sidecar_files(str(path)) == []
    other.execute("ROLLBACK")
    other.close()
    assert answers(store) == found
    assert len(sidecar.sidecar_files(str(path))) == 1


def test_a_transaction_writes_none(opened, path, signature):
    store = opened()
    fill(store, signature)
    transaction = store.backend.begin()
    command = SearchVectors(RecordQuery(("A",), limit=3), "body", QUERIES[0])
    inside = transaction.execute(command)
    transaction.rollback()
    assert sidecar.sidecar_files(str(path)) == []
    assert store.do(command) == inside


def test_a_policy_that_is_dropped_takes_it_along(opened, path, signature):
    store = opened()
    policy, _ = fill(store, signature)
    answers(store)
    assert len(sidecar.sidecar_files(str(path))) == 1
    store.drop_policy(policy.id)
    store.policy(signature)
    store.search(QUERIES[0])
    assert sidecar.sidecar_files(str(path)) == []


def test_memory_has_none(signature):
    store = Store()
    fill(store, signature)
    answers(store)
    store.close()


def test_a_file_that_cannot_be_replaced_gets_the_other_name(opened, path, signature, monkeypatch, loads):
    store = opened()
    policy, ids = fill(store, signature)
    answers(store)
    first, second = paths_of(str(path), 1)
    replace = os.replace

    def windows(source, target):
        if target == first:
            raise PermissionError(5, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(sidecar.os, "replace", windows)
    monkeypatch.setattr(sidecar.os, "unlink", lambda name: None if name == first else os.remove(name))
    store.upsert(policy.id, dict(zip(ids[:100], VECTORS[100:200], strict=True)))
    answers(store)
    store.close()
    assert sidecar.sidecar_files(str(path)) == [first, second]
    expected = truth(path)
    loads.update(rows=0)
    assert answers(opened()) == expected
    assert loads["rows"] == 0


def test_processes_write_at_once(path, signature):
    """Whoever is last: what is left is believed or not, and the answers are right."""
    store = Store(path)
    fill(store, signature)
    store.close()
    program = (
        "import sys, numpy as np\n"
        "from rushmodel.backends.embedded import mirrors, EmbeddedBackend\n"
        "from rushmodel.port import RecordQuery, SearchVectors\n"
        "mirrors.WORTH_KEEPING = 1\n"
        f"backend = EmbeddedBackend({str(path)!r})\n"
        f"query = np.ones({DIMS}, dtype=np.float32)\n"
        "print([hit.data['n'] for hit in backend.execute("
        "SearchVectors(RecordQuery(('A',), limit=5), 'body', query))])\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    found = {child.communicate()[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(found) == 1
    store = Store(path)
    assert answers(store) == truth(path)
    store.close()


# -- many at once, and in time ----------------------------------------------------


def test_many_searches_are_one_each(store, signature):
    fill(store, signature)
    for where in ({}, {"n": {"$lt": 100}}, {"n": -1}):
        query = RecordQuery(("A",), where, limit=7, offset=1)
        many = store.do(SearchMany(query, "body", QUERIES, min_score=0.1))
        assert many == [store.do(SearchVectors(query, "body", vector, min_score=0.1)) for vector in QUERIES]
    assert store.do(SearchMany(RecordQuery(("A",)), "body", QUERIES[:0])) == []


def test_a_scan_ends_when_its_time_is_over(path, signature, monkeypatch):
    store = Store(path, time_limit=30.0)
    fill(store, signature)
    answers(store)
    limit = store.backend._limit
    monkeypatch.setattr(limit, "check", lambda: (_ for _ in ()).throw(limit._reason()))
    with pytest.raises(StoreTimeout):
        answers(store)
    monkeypatch.undo()
    assert answers(store) == truth(path)
    store.close()


def test_threads_search_while_others_write(opened, signature):
    store = opened()
    policy, ids = fill(store, signature)
    wrong, over = [], threading.Event()

    def search():
        while not over.is_set():
            hits = store.search(QUERIES[0], limit=2)
            # The two are written in one transaction: nobody sees one of them.
            if {hit.data["n"] for hit in hits} not in ({0, 1}, {2, 3}):
                wrong.append(hits)

    store.upsert(policy.id, {ids[0]: QUERIES[0], ids[1]: QUERIES[0]})
    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(60):
        near, far = (2, 0) if n % 2 == 0 else (0, 2)
        store.upsert(
            policy.id,
            {
                ids[near]: QUERIES[0],
                ids[near + 1]: QUERIES[0],
                ids[far]: -QUERIES[0],
                ids[far + 1]: -QUERIES[0],
            },
        )
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong

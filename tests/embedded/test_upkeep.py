"""Looking after a file: check, backup, vacuum, stats, and files of earlier formats."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading

import pytest

from rushmodel.backends.embedded import AsyncEmbedded, EmbeddedBackend, format, mirrors, upgrading
from rushmodel.errors import CapabilityError, NewerFormat, StoreBusy, StoreError
from rushmodel.port import BackUpStore, CheckStore, GetStats, Link, LinkRecords, VacuumStore, VectorCount

from .store import Store, cosine, euclidean, vec
from .test_fork import ended_well, in_child
from .test_transactions import Inside, in_thread

CHECK = CheckStore()


@pytest.fixture
def full(store):
    """A store with something of everything."""
    return fill(store)


def fill(store):
    store.policy(cosine())
    store.policy(euclidean("B"))
    ids = [
        store.save({"n": n, "body": "x", "l": [n], "yes": True}, vectors={cosine(): vec(1, n, 0)}).id
        for n in range(10)
    ]
    store.save({"body": "y"}, label="B", vectors={euclidean("B"): vec(0, 0, 0)})
    store.do(LinkRecords([Link(ids[0], ids[1], "NEXT", {"w": [1, 2]}), Link(ids[1], ids[2], "NEXT")]))
    store.delete("A", {"n": {"$gte": 8}})
    return store


@pytest.fixture
def on_disk(opened):
    return fill(opened())


# -- check


def test_a_store_that_is_whole(full):
    found = full.do(CHECK)
    assert found.ok
    assert found
    assert str(found) == "ok"
    assert found.findings == ()


BROKEN = {
    "DELETE FROM r1 WHERE row = 1": ["records"],
    "DELETE FROM records WHERE row = 3": ["records", "relationships", "vectors"],
    "INSERT INTO records (id, label, version) VALUES ('x', 77, 1)": ["records"],
    "UPDATE columns SET lists = 0": ["records"],
    "UPDATE r1 SET p4 = CAST('[1' AS BLOB) WHERE row = 1": ["records"],
    "DELETE FROM names WHERE name = 'n'": ["names"],
    "ALTER TABLE r1 ADD COLUMN p99": ["names"],
    "DELETE FROM columns WHERE property = 4": ["names"],
    "UPDATE edges SET target = 99 WHERE id = 1": ["relationships"],
    "UPDATE edges SET data = '{' WHERE id = 1": ["relationships"],
    "DELETE FROM policies WHERE number = 1": ["policies"],
    "UPDATE policies SET similarity = 'manhattan' WHERE number = 2": ["policies"],
    "UPDATE vectors SET vector = x'00000000' WHERE row = 1": ["vectors"],
    "UPDATE vectors SET vector = zeroblob(12) WHERE row = 1": ["vectors"],
    "UPDATE vectors SET vector = x'0000c07f0000000000000000' WHERE row = 2": ["vectors"],
    "UPDATE vectors SET vector = 'text' WHERE row = 2": ["vectors"],
    "INSERT INTO vectors (policy, row, vector) VALUES (2, 1, zeroblob(12))": ["vectors"],
    "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'vectors'": ["vectors"],
}


@pytest.mark.parametrize("statement", BROKEN)
def test_what_is_wrong_is_named(full, statement):
    with full.backend._file.lock:
        full.backend._file.connection().execute(statement)
    full.backend._commits.forget()
    found = full.do(CHECK)
    assert not found.ok
    assert not found
    kinds = list(dict.fromkeys(each.kind for each in found.findings))
    assert kinds == BROKEN[statement], str(found)
    assert kinds[0] in str(found)


def test_many_findings_are_not_all_told(full):
    full.save_all([{"n": n} for n in range(100)])
    with full.backend._file.lock:
        full.backend._file.connection().execute("DELETE FROM r1")
    found = full.do(CHECK)
    assert 20 <= len(found.findings) < 50
    assert "and more" in str(found)


def test_pages_that_are_damaged(on_disk, path, opened):
    on_disk.save_all([{"n": n, "text": "x" * 500} for n in range(500)])
    on_disk.close()
    with open(path, "rb+") as file:
        size = os.path.getsize(path)
        for place in range(4096 * 20, size, 4096 * 7):
            file.seek(place)
            file.write(os.urandom(100))
    found = opened().do(CHECK)
    assert not found.ok
    assert found.findings[0].kind == "file"


def test_a_sidecar_that_is_damaged(opened, path, monkeypatch):
    monkeypatch.setattr(mirrors, "WORTH_KEEPING", 1)
    store = fill(opened())
    store.search(vec(1, 0, 0))
    (sidecar,) = (each for each in path.parent.iterdir() if "-vectors-" in each.name)
    assert store.do(CHECK).ok
    store.close()
    with open(sidecar, "rb+") as file:
        file.seek(os.path.getsize(sidecar) // 2)
        file.write(b"\xff" * 5000)
    found = opened().do(CHECK)
    assert [each.kind for each in found.findings] == ["sidecars"]
    assert str(sidecar) in str(found)
    sidecar.unlink()
    assert opened().do(CHECK).ok


def test_others_write_while_it_checks(on_disk):
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            on_disk.save({"n": n, "body": "x"}, vectors={cosine(): vec(1, n, 0)})
            on_disk.delete("A", {"n": n - 3})
            n += 1
        return n

    writing, _ = in_thread(write)
    for _ in range(10):
        assert on_disk.do(CHECK).ok
    stop.set()
    assert writing() > 0


# -- backup


def test_a_backup_is_a_store(full, tmp_path, opened):
    copy = tmp_path / "copy.db"
    full.do(BackUpStore(str(copy)))
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == ["copy.db"]
    before = full.find((), vectors=(cosine(),))
    full.save({"late": 1})
    other = opened(copy)
    assert other.do(CHECK).ok
    found = other.find((), vectors=(cosine(),))
    assert [(each.id, each.data) for each in found] == [(each.id, each.data) for each in before]
    assert [hit.data["n"] for hit in other.search(vec(1, 0, 0), limit=3)] == [0, 1, 2]
    other.save({"n": 1})
    other.close()


def test_a_backup_is_of_one_moment(on_disk, tmp_path):
    """Two records are always written together, and are always there together."""
    stop = threading.Event()

    def write():
        n = 100
        while not stop.is_set():
            on_disk.save_all([{"pair": n}, {"pair": n}])
            n += 1
        return n

    writing, _ = in_thread(write)
    for at in range(8):
        copy = tmp_path / f"{at}.db"
        on_disk.do(BackUpStore(str(copy)))
        other = Store(copy)
        pairs = [row["pair"] for row in other.data("A", {"pair": {"$exists": True}})]
        assert pairs == [n for n in range(100, 100 + len(pairs) // 2) for _ in range(2)]
        assert other.do(CHECK).ok
        other.close()
    stop.set()
    assert writing() > 100


def test_nothing_is_overwritten_unasked(full, tmp_path, opened):
    copy = tmp_path / "copy.db"
    copy.write_bytes(b"precious")
    with pytest.raises(StoreError, match="overwrite"):
        full.do(BackUpStore(str(copy)))
    assert copy.read_bytes() == b"precious"
    full.do(BackUpStore(str(copy), overwrite=True))
    assert opened(copy).count("A") == 8
    with pytest.raises(StoreError, match="is open"):
        full.do(BackUpStore(str(copy), overwrite=True))


def test_where_no_backup_goes(on_disk, path, tmp_path):
    for target, match in (
        (path, "is open in this process|overwrite"),
        (tmp_path / "nowhere" / "copy.db", "no folder"),
        (tmp_path, "no file"),
    ):
        for overwrite in (False, True):
            with pytest.raises(StoreError, match=match):
                on_disk.do(BackUpStore(str(target), overwrite))
    stray = tmp_path / "copy.db-wal"
    stray.write_bytes(b"another file's")
    with pytest.raises(StoreError, match=r"copy\.db-wal is there"):
        on_disk.do(BackUpStore(str(tmp_path / "copy.db")))
    assert on_disk.count("A") == 8


def test_a_backup_that_fails_leaves_nothing(on_disk, tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        on_disk.do(BackUpStore(str(tmp_path / "copy.db")))
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == []


@pytest.mark.skipif(os.name == "nt", reason="needs modes")
def test_who_may_read_the_copy(on_disk, path, tmp_path):
    os.chmod(path, 0o640)
    on_disk.do(BackUpStore(str(tmp_path / "copy.db")))
    assert stat.S_IMODE(os.stat(tmp_path / "copy.db").st_mode) == 0o640


# -- vacuum


def test_a_vacuum_gives_room_back(full):
    full.save_all([{"n": n, "text": "x" * 2000} for n in range(500)])
    full.delete("A", {"text": {"$exists": True}})
    before = full.do(GetStats())
    assert before.free_bytes > 500_000
    assert before.vectors[cosine()].taken_away == 2
    done = full.do(VacuumStore())
    assert done.bytes_after < done.bytes_before / 2
    assert done.removed == 2
    after = full.do(GetStats())
    assert after.free_bytes == 0
    assert after.vectors[cosine()] == VectorCount(8, 0)
    assert after.file_bytes + after.wal_bytes < before.file_bytes + before.wal_bytes
    assert full.do(CHECK).ok
    assert len(full.data("A", {"n": {"$lt": 3}})) == 3
    assert len(full.search(vec(1, 0, 0))) == 8
    full.save({"n": 9, "body": "x"}, vectors={cosine(): vec(0, 0, 1)})
    assert full.search(vec(0, 0, 1))[0].data["n"] == 9


def test_others_do_not_search_what_was_swept_up(on_disk, opened):
    """They learn of removals from the rows that a vacuum removes."""
    other = opened()
    assert len(other.search(vec(1, 0, 0))) == 8
    on_disk.delete("A", {"n": 0})
    on_disk.do(VacuumStore())
    assert [hit.data["n"] for hit in other.search(vec(1, 0, 0))] == [1, 2, 3, 4, 5, 6, 7]
    assert other.do(CHECK).ok


def test_a_vacuum_waits_for_a_transaction(opened):
    store = fill(opened(busy_timeout=0.2))
    inside = Inside(store)
    inside.save({"n": 1})
    waiting, _ = in_thread(lambda: store.do(VacuumStore()))
    assert isinstance(waiting(), StoreBusy)
    with pytest.raises(StoreBusy, match="this thread"):
        store.do(VacuumStore())
    with pytest.raises(CapabilityError):
        inside.do(VacuumStore())
    inside.transaction.commit()
    assert store.do(VacuumStore()).removed == 2


def test_a_vacuum_while_others_read_and_write(on_disk):
    stop = threading.Event()

    def write():
        n = 100
        while not stop.is_set():
            on_disk.save({"n": n, "body": "x"}, vectors={cosine(): vec(1, n, 0)})
            on_disk.delete("A", {"n": n - 2})
            n += 1

    def read():
        while not stop.is_set():
            hits = {hit.data["n"] for hit in on_disk.search(vec(1, 0, 0), limit=10**6)}
            assert set(range(8)) <= hits

    working = [in_thread(work)[0] for work in (write, read, read)]
    cursor = on_disk.open()
    for _ in range(5):
        on_disk.do(VacuumStore())
    assert len(on_disk.read(cursor, 5)) == 5
    on_disk.close_cursor(cursor)
    stop.set()
    for answer in working:
        assert answer() is None
    assert on_disk.do(CHECK).ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_another_process_vacuums(on_disk):
    assert len(on_disk.search(vec(1, 0, 0))) == 8

    def work():
        on_disk.delete("A", {"n": 1})
        on_disk.do(VacuumStore())
        on_disk.close()

    assert ended_well(in_child(work))
    assert 1 not in {hit.data["n"] for hit in on_disk.search(vec(1, 0, 0))}


# -- stats


def test_stats(full):
    found = full.do(GetStats())
    assert found.records == {"A": 8, "B": 1}
    assert found.total_records == 9
    assert (found.vectors[cosine()].held, found.vectors[cosine()].taken_away) == (8, 2)
    assert found.vectors[euclidean("B")].held == 1
    assert found.relationships == 2
    assert found.format == format.FORMAT
    assert found.sqlite_version == sqlite3.sqlite_version
    assert found.file_bytes > 0


def test_awaited(full):
    import asyncio

    worker = AsyncEmbedded(full.backend)

    async def talk():
        assert (await worker.execute(CHECK)).ok
        assert (await worker.execute(GetStats())).total_records == 9
        return await worker.execute(VacuumStore())

    assert asyncio.run(talk()).removed == 2
    worker.close()


# -- formats


@pytest.fixture
def format_2(monkeypatch):
    """A format that comes after the present one; what upgrades to it may be replaced."""
    monkeypatch.setattr(format, "FORMAT", format.FORMAT + 1)
    steps = {format.FORMAT - 1: lambda connection: connection.execute("CREATE TABLE more (x)")}
    monkeypatch.setattr(upgrading, "UPGRADES", steps)
    return steps


def test_a_file_is_upgraded_and_a_copy_kept(opened, path, request):
    store = fill(opened())
    before = store.data()
    store.close()
    request.getfixturevalue("format_2")
    store = opened()
    assert store.data() == before
    assert store.do(GetStats()).format == format.FORMAT
    assert store.do(CHECK).ok
    assert opened().count("A") == 8  # the second time there is nothing to do
    copies = sorted(each.name for each in path.parent.iterdir() if "format" in each.name)
    assert copies == [f"store.db.format-{format.FORMAT - 1}.bak"]
    copy = sqlite3.connect(path.with_name(copies[0]))
    assert copy.execute("PRAGMA user_version").fetchone() == (format.FORMAT - 1,)
    assert copy.execute("SELECT count(*) FROM records WHERE label = 1").fetchone() == (8,)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def test_an_upgrade_that_fails_changes_nothing(opened, path, format_2, monkeypatch):
    monkeypatch.setattr(format, "FORMAT", format.FORMAT - 1)
    fill(opened()).close()
    monkeypatch.setattr(format, "FORMAT", format.FORMAT + 1)

    def half(connection):
        connection.execute("DELETE FROM records")
        connection.execute("nonsense")

    good = format_2[format.FORMAT - 1]
    format_2[format.FORMAT - 1] = half
    with pytest.raises(StoreError, match="nonsense"):
        opened()
    format_2[format.FORMAT - 1] = good
    store = opened()
    assert store.count("A") == 8
    copies = sorted(each.name for each in path.parent.iterdir() if "format" in each.name)
    assert copies == ["store.db.format-1.2.bak", "store.db.format-1.bak"]


def test_a_later_format_is_not_touched(opened, path, monkeypatch):
    opened().close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {format.FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerFormat):
        EmbeddedBackend(path)
    assert path.read_bytes() == before

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import weakref

import pytest

from rushmodel.backends.embedded import EmbeddedBackend, backend, places
from rushmodel.backends.embedded import format as format_
from rushmodel.backends.embedded.places import open_files
from rushmodel.errors import (
    CapabilityError,
    ConfigurationError,
    ForeignFile,
    NewerFormat,
    PropertyError,
    QueryError,
    RecordGone,
    StoreBusy,
    StoreClosed,
    StoreError,
)
from rushmodel.port import (
    Command,
    CountRecords,
    DeleteRecords,
    GetCapabilities,
    RecordQuery,
    RecordWrite,
    SaveRecords,
)

from .store import cosine, query, vec

needs_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user"
)


def test_a_new_file_carries_its_marks_from_the_first_byte(path, opened):
    opened()
    header = path.read_bytes()[:100]
    assert header[:16] == b"SQLite format 3\x00"
    assert header[68:72] == b"RUSH"
    assert int.from_bytes(header[60:64], "big") == 1
    assert header[18:20] == b"\x02\x02"  # WAL


def test_what_was_saved_is_there_after_closing(opened):
    store = opened()
    written = store.save({"name": "Ada", "n": 1})
    store.close()
    again = opened()
    assert again.get(written.id).data == {"name": "Ada", "n": 1}
    assert again.count() == 1


def test_an_empty_file_becomes_a_store(path, opened):
    path.touch()
    assert opened().count() == 0


def test_a_creation_that_broke_off_is_done_again(path, opened):
    """All of the file was written, and a crash came before the journal of the empty file was deleted."""
    creating = sqlite3.connect(path, isolation_level=None)
    format_.create(creating, str(path))
    creating.close()
    journal = bytes.fromhex("d9d505f920a163d7") + struct.pack(">IIIII", 0, 1, 0, 512, 4096)
    path.with_name("store.db-journal").write_bytes(journal.ljust(512, b"\0"))
    assert path.read_bytes()[68:72] == b"RUSH"
    store = opened()
    store.save({"n": 1})
    assert store.data() == [{"n": 1}]


def test_paths_with_odd_characters(tmp_path, opened):
    for name in ("a b.db", "50%25.db", "q?mode=ro#x.db", "ü.db", "file:x.db", "'; --.db"):
        store = opened(tmp_path / name)
        store.save({"n": 1})
        store.close()
        assert (tmp_path / name).stat().st_size > 0
        assert opened(str(tmp_path / name)).count() == 1


def test_a_relative_path_is_meant_from_where_it_was_given(tmp_path, opened, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)
    store = opened("here.db")
    monkeypatch.chdir(tmp_path / "inner")
    store.save({"n": 1})
    cursor = store.open()
    assert len(store.read(cursor)) == 1
    assert (tmp_path / "here.db").exists()
    assert not (tmp_path / "inner" / "here.db").exists()


@pytest.mark.parametrize(
    "content",
    [b"x", b"hello world, this is a text file" * 10, b"SQLite format 2\x00" + bytes(84)],
    ids=["byte", "text", "almost"],
)
def test_a_file_that_is_no_database_is_left_alone(path, content):
    path.write_bytes(content)
    os.utime(path, (1, 1))
    with pytest.raises(ForeignFile, match=r"store\.db") as raised:
        EmbeddedBackend(path)
    assert raised.value.path == str(path)
    assert path.read_bytes() == content
    assert path.stat().st_mtime == 1
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_another_programs_database_is_left_alone(path, journal):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA journal_mode = {journal}")
    other.execute("CREATE TABLE t (x)")
    other.close()
    content = path.read_bytes()
    os.utime(path, (1, 1))
    with pytest.raises(ForeignFile, match="another program"):
        EmbeddedBackend(path)
    assert path.read_bytes() == content
    assert path.stat().st_mtime == 1
    assert os.listdir(path.parent) == [path.name]


def test_a_format_that_never_was_is_damage(path, opened):
    opened().close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 0")
    other.close()
    with pytest.raises(StoreError, match="damaged: it says that its format is 0"):
        opened()


def test_a_newer_format_is_left_alone(path, opened):
    opened().close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA user_version = 2")
    other.close()
    content = path.read_bytes()
    os.utime(path, (1, 1))
    with pytest.raises(NewerFormat, match=r"format 2.*update rushmodel") as raised:
        EmbeddedBackend(path)
    assert raised.value.format == 2
    assert path.read_bytes() == content
    assert path.stat().st_mtime == 1


def test_a_newer_format_is_seen_while_the_file_is_open_here(path, opened):
    opened()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA user_version = 2")
    with pytest.raises(NewerFormat):
        EmbeddedBackend(path)
    other.close()


@pytest.mark.parametrize("size", [16, 50, 99, 100, 512, 5000])
def test_a_truncated_file_is_no_silent_loss(path, opened, size):
    store = opened()
    store.save_all([{"text": "x" * 100, "n": n} for n in range(500)])
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(StoreError) as raised:
        opened().find()
    assert str(path) in str(raised.value)


def test_places_where_no_file_can_be(tmp_path):
    with pytest.raises(StoreError, match="no folder") as raised:
        EmbeddedBackend(tmp_path / "nowhere" / "store.db")
    assert raised.value.path == str(tmp_path / "nowhere" / "store.db")
    with pytest.raises(StoreError, match="is a folder"):
        EmbeddedBackend(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="not a file"):
        EmbeddedBackend(tmp_path / "pipe")
    assert not (tmp_path / "nowhere").exists()


@needs_permissions
def test_places_where_one_may_not_write(path, opened):
    opened().close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match="permission"):
        EmbeddedBackend(path)
    path.chmod(0o600)
    path.parent.chmod(0o500)
    for name in ("store.db", "other.db"):
        with pytest.raises(StoreError, match="permission to write in"):
            EmbeddedBackend(path.parent / name)
    path.parent.chmod(0o700)


@pytest.mark.parametrize("location", ["", b"store.db", "a\0b"])
def test_locations_that_are_none(location):
    with pytest.raises(ConfigurationError):
        EmbeddedBackend(location)


def test_settings_are_checked(path):
    with pytest.raises(ConfigurationError, match="durability"):
        EmbeddedBackend(path, durability="high")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="busy_timeout"):
        EmbeddedBackend(path, busy_timeout=float("nan"))
    assert not path.exists()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_synchronous(opened, durability, level):
    connection = opened(durability=durability).backend._file.connection()
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_older_sqlite_is_refused(path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreError, match=r"3\.35"):
        EmbeddedBackend(path)


def test_after_closing(store):
    store.save({"n": 1})
    cursor = store.open()
    store.close()
    store.close()
    for use in (store.count, lambda: store.save({"n": 2}), lambda: store.read(cursor)):
        with pytest.raises(StoreClosed, match="was closed"):
            use()


def test_each_memory_store_is_its_own(opened):
    first, second = opened("memory://"), opened("memory://")
    first.save({"n": 1})
    assert (first.count(), second.count()) == (1, 0)


def test_repr_names_the_file(path, opened):
    assert str(path) in repr(opened().backend)


def test_capabilities(store):
    told = store.do(GetCapabilities())
    assert (told.store, told.reads_vectors, told.versions, told.managed) == ("embedded", True, True, False)


def test_an_unknown_command_is_a_missing_capability(store):
    class Fly(Command[None]):
        pass

    with pytest.raises(CapabilityError, match="Fly"):
        store.do(Fly())


def test_a_file_kept_locked_is_busy(path, opened):
    store = opened(busy_timeout=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match=r"0\.05 s") as raised:
        store.save({"n": 1})
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    assert store.count() == 0  # readers are not held up
    other.execute("ROLLBACK")
    other.close()
    store.save({"n": 1})
    assert store.count() == 1


def test_waiting_for_a_lock_ends_when_it_is_given_up(path, opened):
    store = opened(busy_timeout=10)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, lambda: other.execute("ROLLBACK"))
    began = time.monotonic()
    timer.start()
    store.save({"n": 1})
    assert 0.1 < time.monotonic() - began < 5
    timer.join()
    other.close()


def test_many_open_a_new_file_at_once(path):
    script = (
        "import sys; from rushmodel.backends.embedded import EmbeddedBackend;"
        "from rushmodel.port import SaveRecords, RecordWrite;"
        "b = EmbeddedBackend(sys.argv[1]); b.execute(SaveRecords('A', [RecordWrite({'n': 1})])); b.close()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], env=environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    last = EmbeddedBackend(path)
    assert last.execute(CountRecords(RecordQuery(()))) == 4
    last.close()


def test_threads_may_open_a_new_file_at_once(path):
    backends = []
    threads = [threading.Thread(target=lambda: backends.append(EmbeddedBackend(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backends) == 6
    for one in backends:
        one.close()


def test_a_second_opening_does_not_give_up_the_locks_of_the_first(path, opened):
    # Reading the header would: the other process below would then delete the WAL under the first.
    first = opened()
    first.save({"n": 0})
    opened().close()
    assert count_elsewhere(path) == 1
    first.save({"n": 1})
    assert count_elsewhere(path) == 2


def count_elsewhere(path):
    """How many records another process finds; like any last user it deletes the WAL on leaving."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print(c.execute('SELECT count(*) FROM records').fetchone()[0]); c.close()"
    )
    return int(subprocess.check_output([sys.executable, "-c", script, str(path)]))


def test_open_files_are_counted(path, opened):
    before = dict(open_files._counts)
    first, second = opened(), opened()
    assert sum(open_files._counts.values()) == sum(before.values()) + 2
    first.close()
    second.close()
    assert open_files._counts == before


def test_a_failed_opening_leaves_nothing_open(path, opened):
    opened().close()
    path.write_bytes(path.read_bytes()[:100] + bytes(4000))
    before = dict(open_files._counts)
    with pytest.raises(StoreError):
        EmbeddedBackend(path)
    assert open_files._counts == before


def test_a_store_that_is_never_closed_leaves_one_file(path):
    script = (
        "import sys; from rushmodel.backends.embedded import EmbeddedBackend;"
        "from rushmodel.port import OpenCursor, RecordQuery, SaveRecords, RecordWrite;"
        "keep = EmbeddedBackend(sys.argv[1]); sys.keep = keep;"
        "keep.execute(SaveRecords('A', [RecordWrite({'n': 1})] * 9));"
        "keep.execute(OpenCursor(RecordQuery(())))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True)
    assert os.listdir(path.parent) == [path.name]
    assert count_elsewhere(path) == 9


def test_a_store_that_is_forgotten_is_closed(path):
    store = EmbeddedBackend(path)
    store.execute(SaveRecords("A", [RecordWrite({"n": 1})]))
    store._file.suspend()  # else Python 3.13 warns, and rightly
    file = weakref.ref(store._file)
    assert file() in list(places._watched.values())
    del store
    assert file() is None  # at once: it is in no circle of references


def test_threads_share_a_store(store):
    store.policy(cosine())
    failures = []

    def work(name):
        try:
            for n in range(40):
                written = store.save(
                    {"body": name, "n": n, f"{name}{n}": n}, vectors={cosine(): vec(1, n, 0)}
                )
                assert store.get(written.id).data["n"] == n
                assert store.count("A", {"body": name}) == n + 1
                assert len(store.search(vec(1, 0, 0), "A", {"body": name})) == n + 1
                assert len(store.read(store.open("A", {"body": name}))) == n + 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "cat")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count() == 120


@pytest.mark.parametrize("fails", ["in the middle", "at the end"])
def test_an_error_leaves_file_and_memory_as_they_were(store, fails):
    """Names, columns, tables and policies that came with a transaction go with it."""
    store.policy(cosine())
    store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    bad = (
        RecordWrite({"bad": float("nan")})
        if fails == "in the middle"
        else RecordWrite({}, record_id="nobody")
    )
    for label in ("A", "New"):
        with pytest.raises((PropertyError, RecordGone)) as raised:
            store.do(SaveRecords(label, [RecordWrite({"fresh": 1, "list": [1]}), bad]))
        assert raised.value.index == 1
    assert store.data() == [{"body": "x"}]
    assert store.data("New") == []
    # Had the caches kept what was rolled back, these would write to columns that are not there.
    store.save({"fresh": 2, "list": [2, 3]})
    store.save({"fresh": 3}, label="New")
    assert store.data(where={"fresh": 2}) == [{"fresh": 2, "list": [2, 3]}]
    assert store.data(where={"list": 3}) == [{"fresh": 2, "list": [2, 3]}]
    assert store.data("New") == [{"fresh": 3}]
    assert len(store.search(vec(1, 0, 0))) == 1


def test_an_interrupt_rolls_back(store, monkeypatch):
    def interrupted(session, command):
        session.execute("INSERT INTO names (name) VALUES ('half')")
        raise KeyboardInterrupt

    real = backend._WRITES[DeleteRecords]
    monkeypatch.setitem(backend._WRITES, DeleteRecords, interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.delete()
    monkeypatch.setitem(backend._WRITES, DeleteRecords, real)
    connection = store.backend._file.connection()
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM names").fetchone() == (0,)
    store.save({"n": 1})


def test_sqlites_errors_are_store_errors_with_their_cause(store):
    store.save({"n": 1})
    store.backend._file.connection().execute("DROP TABLE edges")
    with pytest.raises(StoreError, match="edges") as raised:
        store.delete()
    assert isinstance(raised.value.__cause__, sqlite3.Error)
    assert store.count() == 1


def test_texts_that_cannot_be_stored_are_not_found(store):
    store.save({"n": 1})
    assert store.find("\ud800") == []
    assert store.count("A", {"\ud800": 1}) == 0
    with pytest.raises(QueryError, match="surrogate"):
        store.get("\ud800")


def test_queries_of_an_empty_store(store):
    assert store.find() == store.find(()) == []
    assert store.count(()) == 0
    assert store.delete(()) == 0
    assert store.do(CountRecords(query("A"))) == 0

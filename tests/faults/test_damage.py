"""Files that are damaged: cut short, with flipped bytes, without their WAL."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from rushmodel import LoadError, RushModelError, StoreError

from .notes import DIMS, Files, Note, Shelf, count_notes, open_notes, wal_of

PAGE = 4096

often = pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.soak)])


def test_a_process_that_was_killed_leaves_all_of_it(left: Files, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    left.put(path)
    db = open_notes(path)
    assert count_notes(db) == left.commits
    db.close()


def test_a_file_cut_short_is_refused(whole: bytes, tmp_path: Path) -> None:
    """However little is missing, and whatever else is asked then."""
    path = tmp_path / "store.db"
    chance = random.Random(1)
    lengths = {1, 15, 16, 50, 99, 100, 101, 511, 512, len(whole) - 1, len(whole) - PAGE}
    lengths |= {page + by for page in range(PAGE, len(whole), PAGE) for by in (-1, 0, 1)}
    lengths |= {chance.randrange(1, len(whole)) for _ in range(50)}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError) as raised:
            read(path)
        assert str(path) in str(raised.value), length


@often
def test_no_flipped_byte_gives_more_than_an_error(whole: bytes, tmp_path: Path, times: int) -> None:
    """SQLite has no checksums, so another number may be read; but no error is raised that is not ours."""
    path = tmp_path / "store.db"
    chance = random.Random(times)
    places = [*range(100), *(chance.randrange(100, len(whole)) for _ in range(100 * times))]
    refused = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        refused += try_to_read(path, place)
    assert refused > 20


@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x5A])
def test_no_overwritten_page_gives_more_than_an_error(whole: bytes, tmp_path: Path, fill: int) -> None:
    path = tmp_path / "store.db"
    for start in range(0, len(whole), PAGE):
        damaged = whole[:start] + bytes([fill]) * PAGE + whole[start + PAGE :]
        path.write_bytes(damaged)
        try_to_read(path, start)


@often
def test_no_overwritten_bytes_give_more_than_an_error(whole: bytes, tmp_path: Path, times: int) -> None:
    """Runs of bytes, which often leave the pages as they should be and something else in them."""
    path = tmp_path / "store.db"
    chance = random.Random(times)
    for _ in range(80 * times):
        start = chance.randrange(len(whole))
        run = chance.randbytes(chance.choice([1, 2, 4, 16, 300]))
        path.write_bytes(whole[:start] + run + whole[start + len(run) :])
        try_to_read(path, start)


def test_without_its_wal_the_store_is_as_it_was_before(left: Files, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    left.put(path)
    wal_of(path).unlink()
    db = open_notes(path)
    assert count_notes(db) == left.commits // 2
    db.close()


def test_a_damaged_wal_loses_the_last_commits_and_no_halves(left: Files, tmp_path: Path) -> None:
    """Whatever is missing or flipped: the store is as it was after some commit."""
    path = tmp_path / "store.db"
    chance = random.Random(4)
    counts: set[int] = set()
    wals = [left.wal[: chance.randrange(len(left.wal))] for _ in range(40)]
    for _ in range(40):
        damaged = bytearray(left.wal)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        wals.append(bytes(damaged))
    wals += [b"", b"\0", left.wal[:31], left.wal[:32], chance.randbytes(len(left.wal))]
    for wal in wals:
        left._replace(wal=wal).put(path)
        db = open_notes(path)
        counts.add(count_notes(db))
        db.close()
    assert min(counts) == left.commits // 2
    assert len(counts) > 10


def test_the_index_of_the_wal_is_made_anew(left: Files, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(5)
    for content in (b"", b"\0" * 32768, chance.randbytes(32768), b"x"):
        left.put(path)
        path.with_name("store.db-shm").write_bytes(content)
        db = open_notes(path)
        assert count_notes(db) == left.commits
        db.close()


def try_to_read(path: Path, place: int) -> bool:
    """Whether it was refused: with an error that names the file, or the record that makes no sense."""
    told = None
    try:
        read(path)
    except RushModelError as error:  # of another kind where a name, or a policy, is another one
        told = error
    assert not isinstance(told, LoadError) or told.record_id, place
    assert not isinstance(told, StoreError) or str(path) in str(told), place
    return told is not None


def read(path: Path) -> None:
    """Everything that can be read, and a save."""
    db = open_notes(path)
    try:
        with db:
            for note in Note.find().with_vectors().with_(Note.shelf):
                assert note.embedding.shape == (DIMS,)
                assert note.embedding.dtype == np.float32
            assert all(-1e-9 <= hit.score <= 1 + 1e-9 for hit in Note.search(np.ones(DIMS), limit=100))
            Note.search(np.ones(DIMS), where=Note.n > 5)
            Note.find(Note.text.contains("x"), Note.tags.contains("a")).order_by(Note.n.desc()).all()
            Shelf.find(Shelf.name == "shelf").count()
            db.schema()
            str(db.check())
            Note(n=1000, text="new", tags=[], embedding=np.ones(DIMS), shelf=Shelf(name="shelf")).save()
            Note.find(Note.n > 30).delete()
    finally:
        db.close()

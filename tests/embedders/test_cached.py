"""`CachedEmbedder`: each text is embedded once, whoever asks, and what is damaged is never believed."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, attr-defined, union-attr"

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import (
    CachedEmbedder,
    ConfigurationError,
    EmbedderError,
    Field,
    Model,
    Vector,
    VectorField,
    connect,
    field,
)
from rushmodel.embedders import cachefile, cacherows
from tests.verbs.embedders import AsyncWords, Words

TEXTS = ["tea", "coffee", "tea", "water"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embeddings.cache"


def expected(words, texts=TEXTS):
    return np.array([words.vector(text) for text in texts])


def test_a_text_is_embedded_once(path):
    words = Words()
    cached = CachedEmbedder(words, path)
    assert (cached.name, cached.version, cached.dims) == ("words", "1", 8)
    for _ in range(2):
        assert np.array_equal(cached.embed(TEXTS, kind="document"), expected(words))
    assert words.texts == ["tea", "coffee", "water"]
    assert np.array_equal(cached.embed(["milk", "tea"], kind="document"), expected(words, ["milk", "tea"]))
    assert words.texts[3:] == ["milk"]
    cached.embed(["tea"], kind="query")  # may be another vector
    assert words.texts[4:] == ["tea"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_time_and_another_version(path):
    words = Words()
    CachedEmbedder(words, path).embed(TEXTS, kind="document")
    assert np.array_equal(CachedEmbedder(words, path).embed(TEXTS, kind="document"), expected(words))
    assert len(words.asked) == 1
    later = Words(version="2")
    assert np.array_equal(CachedEmbedder(later, path).embed(TEXTS, kind="document"), expected(later))
    assert len(later.asked) == 1


@pytest.mark.parametrize("words", [Words("sync"), AsyncWords("async")], ids=lambda each: each.name)
def test_from_an_event_loop(path, words):
    cached = CachedEmbedder(words, path)
    for _ in range(2):
        assert np.array_equal(asyncio.run(cached.aembed(TEXTS, kind="document")), expected(words))
    assert len(words.asked) == 1


def test_an_async_embedder_without_a_loop(path):
    words = AsyncWords()

    class Page(Model, label="CachedPage"):
        text: Field[str] = field(key=True)
        meaning: Vector = VectorField(factory=CachedEmbedder(words, path), property="text")

    with connect("memory://", default=False) as db:
        Page.save_many(Page(text=text) for text in dict.fromkeys(TEXTS))
        assert Page.search("tea", limit=1)[0].record.text == "tea"
        db.close()
    assert [kind for kind, _ in words.asked] == ["document", "query"]


def test_several_processes_share_it(path):
    words = Words()
    CachedEmbedder(words, path).embed(TEXTS, kind="document")
    program = (
        "import sys\n"
        "from rushmodel import CachedEmbedder\n"
        "class Never:\n"
        "    name, version, dims = 'words', '1', 8\n"
        "    def embed(self, texts, *, kind):\n"
        "        raise AssertionError(texts)\n"
        f"print(CachedEmbedder(Never(), sys.argv[1]).embed({TEXTS!r}, kind='document').tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert np.array_equal(np.array(eval(done.stdout), np.float32), expected(words))


def test_several_threads(path):
    words = Words()
    cached = CachedEmbedder(words, path)
    found: list[Any] = [None] * 8

    def ask(place):
        found[place] = cached.embed(
            [f"text {number}" for number in range(place, place + 20)], kind="document"
        )

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for place, array in enumerate(found):
        assert np.array_equal(
            array, expected(words, [f"text {number}" for number in range(place, place + 20)])
        )


def test_it_stays_within_its_bound(path, monkeypatch):
    monkeypatch.setattr(cacherows, "PRECISION", 0.0)
    words = Words(dims=1024)
    cached = CachedEmbedder(words, path, max_bytes=1 << 20)
    for number in range(600):
        cached.embed([f"text {number}"], kind="document")
        cached.embed(["text 0"], kind="document")
    cached.close()
    assert (1 << 19) < path.stat().st_size <= (1 << 20) + (1 << 16)
    words.asked.clear()
    cached.embed(["text 599", "text 598"], kind="document")
    cached.embed(["text 0"], kind="document")  # old, and used all the time
    assert words.asked == []
    cached.embed(["text 1"], kind="document")
    assert words.texts == ["text 1"]


def test_a_changed_vector_is_not_believed(path):
    words = Words()
    cached = CachedEmbedder(words, path)
    cached.embed(TEXTS, kind="document")
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(32)")
    connection.close()
    assert np.array_equal(cached.embed(TEXTS, kind="document"), expected(words))
    assert len(words.asked) == 2


@pytest.mark.parametrize("damage", ["cut", "short", "empty", "flipped", "head"])
def test_a_damaged_file_is_made_anew(path, damage):
    words = Words()
    CachedEmbedder(words, path).embed([f"text {number}" for number in range(300)], kind="document")
    content = path.read_bytes()
    path.write_bytes(
        {
            "short": content[:50],
            "head": bytes(32) + content[32:],
            "cut": content[: len(content) // 2],
            "empty": b"",
            "flipped": content[:5000] + bytes(len(content) - 5000),
        }[damage]
    )
    cached = CachedEmbedder(words, path)
    for _ in range(2):
        assert np.array_equal(cached.embed(TEXTS, kind="document"), expected(words))


def test_a_place_where_no_file_can_be(tmp_path):
    cached = CachedEmbedder(Words(), tmp_path / "no folder" / "x.cache")
    with pytest.raises(EmbedderError, match="cannot be made: No such file"):
        cached.embed(TEXTS, kind="document")
    with pytest.raises(EmbedderError, match="is a link or a folder"):
        CachedEmbedder(Words(), tmp_path).embed(TEXTS, kind="document")


@pytest.mark.parametrize("kind", ["text", "database", "store", "link"])
def test_other_files_are_left_as_they_are(path, tmp_path, kind):
    if kind == "text":
        path.write_bytes(b"Buy milk" * 100)
    elif kind == "store":
        connect(str(path), default=False).close()
    elif kind == "database":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE vectors (mine)")
        connection.close()
    else:
        (tmp_path / "other").write_bytes(b"")
        path.symlink_to(tmp_path / "other")
    before = path.read_bytes()
    words = Words()
    with pytest.raises(EmbedderError, match=r"is no cache of vectors|is a link") as caught:
        CachedEmbedder(words, path).embed(TEXTS, kind="document")
    assert caught.value.path == str(path)
    assert path.read_bytes() == before
    assert words.asked == []


def test_vectors_that_cannot_be_kept_are_given_all_the_same(path, caplog, monkeypatch):
    words = Words()
    cached = CachedEmbedder(words, path)
    cached.embed(["milk"], kind="document")
    monkeypatch.setattr(cachefile, "PATIENCE", 0.1)
    cached.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert np.array_equal(cached.embed(TEXTS, kind="document"), expected(words))
    other.close()
    assert "3 vectors were not kept in the cache" in caplog.text


def test_lengths_that_change_without_a_version(path):
    first, second = Words(), Words(dims=6)
    for each in (first, second):
        del each.dims
    first.vector = Words().vector  # type: ignore[method-assign]
    second.vector = Words(dims=6).vector  # type: ignore[method-assign]
    CachedEmbedder(first, path).embed(TEXTS, kind="document")
    with pytest.raises(EmbedderError, match=r"of \[6, 8\] numbers: give it another version="):
        CachedEmbedder(second, path).embed(["tea", "milk"], kind="document")


def test_what_else_decides_vectors_is_part_of_the_key(path):
    one, other = Words(), Words()
    one.cache_key, other.cache_key = "prompt a", "prompt b"
    CachedEmbedder(one, path).embed(TEXTS, kind="document")
    CachedEmbedder(other, path).embed(TEXTS, kind="document")
    assert one.texts == other.texts


def test_processes_that_begin_together(path):
    program = (
        "import sys, numpy\n"
        "from rushmodel import CachedEmbedder\n"
        "class Ones:\n"
        "    name, version, dims = 'ones', '1', 8\n"
        "    def embed(self, texts, *, kind):\n"
        "        return numpy.ones((len(texts), 8))\n"
        "cached = CachedEmbedder(Ones(), sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "for number in range(100):\n"
        "    cached.embed([f'text {number}'], kind='document')\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    done = [child.communicate("\n", timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert done == [""] * 4
    ones = Words("ones")
    CachedEmbedder(ones, path).embed([f"text {number}" for number in range(100)], kind="document")
    assert ones.asked == []


@given(st.lists(st.text(max_size=12), max_size=12), st.lists(st.text(max_size=12), max_size=12))
@settings(max_examples=50)
def test_it_gives_what_the_embedder_gives(first, second):
    words = Words()
    with tempfile.TemporaryDirectory() as folder:
        cached = CachedEmbedder(words, os.path.join(folder, "x.cache"))
        for texts in (first, second, first + second):
            found = cached.embed(texts, kind="query")
            assert np.array_equal(found, expected(words, texts).reshape(len(texts), 8))
        cached.close()
    assert sorted(words.texts) == sorted({*first, *second})


def test_what_the_embedder_gets_wrong_is_not_kept(path):
    class Wrong(Words):
        def embed(self, texts, *, kind):
            return super().embed(texts, kind=kind)[:-1]

    with pytest.raises(EmbedderError, match="for 3 texts"):
        CachedEmbedder(Wrong(), path).embed(TEXTS, kind="document")
    words = Words()
    CachedEmbedder(words, path).embed(TEXTS, kind="document")
    assert words.texts == ["tea", "coffee", "water"]


@pytest.mark.parametrize(
    ("given", "says"),
    [((3, {}), "takes a function of texts, got int"), ((Words(), {"max_bytes": 0}), "max_bytes")],
)
def test_arguments_that_make_no_sense(path, given, says):
    embedder, options = given
    with pytest.raises(ConfigurationError, match=says):
        CachedEmbedder(embedder, path, **options)

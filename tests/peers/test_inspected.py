"""`rushmodel inspect` on what the official Python SDK has made, through `rushmodel serve`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rushdb  # type: ignore[import-untyped]

from tests.serve.process import Process

ROOT = Path(__file__).parents[2]

HOSTILE = {
    "title": "Alpha",
    "class": 1,
    "a b": 1.5,
    "a.b": True,
    "1st": ["x", "y"],
    "save": "2026-01-01T00:00:00Z",
    "\N{FULLWIDTH LATIN SMALL LETTER T}itle": "Beta",
    '"""\n\\\' # import os': "x",
    "Model": [1, 2.5],
    "int": 7,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with Process("memory://") as process:
        yield process


@pytest.fixture
def made(server: Process) -> Process:
    server.clear()
    db: Any = rushdb.RushDB(server.token, url=server.url)
    policy = {"label": "Doc", "propertyName": "content", "sourceType": "external", "dimensions": 3}
    db.ai.indexes.create(policy)
    db.ai.indexes.create({**policy, "similarityFunction": "euclidean"})
    db.ai.indexes.create({"label": "Doc", "propertyName": "content", "sourceType": "managed"})
    vector = {"propertyName": "content", "vector": [1, 0, 0], "similarityFunction": "cosine"}
    doc = db.records.create("Doc", {"title": "Alpha", "content": "First article"}, vectors=[vector])
    other = db.records.create("Doc", {"content": "Second article", "rank": 2})
    hostile = db.records.create("odd label\n", HOSTILE)
    db.records.attach(doc, other, {"type": "CITES"})
    db.records.attach(hostile, doc)
    db.records.import_json(
        {"name": "Ada", "Letter": [{"to": "Babbage"}, {"to": "Somerville", "year": 1834}]}, label="Person"
    )
    return server


def test_it_passes_mypy_and_plan_and_every_record_loads(made: Process, tmp_path: Path) -> None:
    variables = {"RUSHMODEL_URL": made.url, "RUSHDB_API_KEY": made.token, "PYTHONPATH": str(ROOT), "PATH": ""}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run("-m", "rushmodel", "inspect", "-o", "found.py") == "found.py: 4 classes\n"
    run("-m", "mypy", "--strict", "found.py")
    run("-m", "rushmodel", "plan", "--check", "-m", "found")
    (tmp_path / "load.py").write_text(LOADS)
    counts = dict(line.rsplit(" ", 1) for line in run("load.py").splitlines())
    assert counts == {"'Doc'": "2", "'Letter'": "2", "'Person'": "1", "'odd label\\n'": "1"}


LOADS = """
import found
from rushmodel import Model, connect

connect()
for each in vars(found).values():
    if isinstance(each, type) and issubclass(each, Model) and each is not Model:
        loaded = each.find().all()
        assert len(loaded) == each.find().count()
        print(repr(each.__rush_label__), len(loaded))
"""

"""A project as users have it: a folder with models, and a command line that runs in this process."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rushmodel.cli.program import run

MODELS = """
from rushmodel import Field, Model, OptionalVector, Relation, VectorField, field, relation


class Person(Model):
    name: Field[str] = field(key=True)


class Article(Model):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(name="the title")
    body: Field[str] = field(default="")
    year: Field[int | None] = field(default=None, ge=1900)
    tags: Field[list[str]] = field(default_factory=list)
    embedding: OptionalVector = VectorField(dims=2, property="body")
    author: Relation[Person] = relation("WROTE", direction="in")
"""

_numbers = itertools.count()


class Done(NamedTuple):
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Project:
    """A folder with a module of models; the module's name is new each time, as modules are imported once."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder = folder
        self.module = f"models_{next(_numbers)}"
        self._capsys = capsys
        self.write(f"{self.module}.py", MODELS)

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        return path

    def run(self, *arguments: str | Path) -> Done:
        """A command line, without a database and models but those that are given."""
        self._capsys.readouterr()
        code = run([str(each) for each in arguments])
        return Done(code, *self._capsys.readouterr())

    def on(self, command: str, *arguments: str | Path) -> Done:
        """A command on the project's database and models."""
        return self.run(command, *arguments, "-d", "a.db", *self.models(command))

    def models(self, command: str) -> list[str]:
        with_models = ("plan", "sync", "search", "import", "migrate", "backfill", "stale", "reembed")
        return ["-m", self.module] if command in with_models else []


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    for name in list(os.environ):
        if name.startswith("RUSH"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    yield Project(tmp_path, capsys)
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]

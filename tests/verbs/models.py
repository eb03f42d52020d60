"""The models that the tests of the verbs share."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import enum
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import numpy as np

from rushmodel import Field, Model, OptionalVector, Vector, VectorField, field
from rushmodel.flow import ask
from rushmodel.port import Float32, GetRecords, SaveRecords


def vec(*numbers: float) -> Float32:
    return np.array(numbers, dtype=np.float32)


class Article(Model):
    """With everything that is usual: a key, a text and the vector of that text."""

    slug: Field[str] = field(key=True)
    title: Field[str] = ""
    body: Field[str]
    year: Field[int] = field(default=2026)
    rating: Field[float | None] = None
    note: Field[str | None] = None
    tags: Field[list[str]] = field(default_factory=list)
    embedding: Vector = VectorField(dims=3, property="body")


class Page(Model):
    """Text and vector may both be missing, and the vector belongs to two policies."""

    slug: Field[str] = field(key=True)
    title: Field[str] = ""
    body: Field[str | None] = None
    embedding: OptionalVector = VectorField(
        default=None, dims=3, similarity=("cosine", "euclidean"), property="body"
    )


class Picture(Model):
    """Vectors that stand for themselves."""

    name: Field[str] = field(key=True)
    artist: Field[str] = ""
    look: Vector = VectorField(dims=3)
    thumb: OptionalVector = VectorField(default=None, dims=2, similarity="euclidean", name="thumbnail")


class Quote(Model):
    """The indexed text itself, and its vector in ``vectors``."""

    name: Field[str] = field(key=True)
    source: Field[str] = ""
    text: Annotated[str, VectorField(dims=3)]


class Line(Model):
    """A vector that is a list."""

    name: Field[str] = field(key=True)
    points: Vector[list[float]] = VectorField(dims=3, similarity="euclidean")


class Plain(Model):
    """No key, no vectors."""

    name: Field[str]
    count: Field[int] = 0
    note: Field[str | None] = None


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Seat(Model):
    """A key of several fields."""

    row: Field[int] = field(key=True)
    day: Field[date] = field(key=True)
    color: Field[Color] = field(key=True)
    hall: Field[UUID] = field(key=True)
    guest: Field[str | None] = None


def article(slug: str = "warp", **values: Any) -> Article:
    return Article(**{"slug": slug, "body": "text", "embedding": [1, 2, 3], **values})


def page(slug: str = "warp", **values: Any) -> Page:
    return Page(**{"slug": slug, "body": "text", "embedding": [1, 2, 3], **values})


def picture(name: str = "sea", **values: Any) -> Picture:
    return Picture(**{"name": name, "look": [1, 2, 3], **values})


def quote(name: str = "one", **values: Any) -> Quote:
    return Quote(**{"name": name, "text": "text", "vectors": {"text": [1, 2, 3]}, **values})


def saves(commands: list[Any]) -> list[Any]:
    """The writes of all saves among the commands."""
    return [write for command in commands if isinstance(command, SaveRecords) for write in command.writes]


def stored(database: Any, record: Any) -> dict[str, Any]:
    """The properties of a record, as the store has them."""
    (found,) = database.run(ask(GetRecords((record.record_id,))))
    data: dict[str, Any] = found.data
    return data

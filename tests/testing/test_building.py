"""`build`: instances that are valid, and differ."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import enum
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import numpy as np
import pytest

from rushmodel import Field, Model, ModelError, OptionalVector, Relation, Vector, VectorField, field, relation
from rushmodel.testing import build, build_many
from tests.verbs.embedders import Words


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Everything(Model):
    key: Field[str] = field(key=True)
    short: Field[str] = field(max_length=3)
    long: Field[str] = field(min_length=40)
    year: Field[int] = field(ge=1900, le=2000)
    share: Field[float] = field(gt=0, lt=1)
    below: Field[int] = field(le=10)
    price: Decimal
    flag: Field[bool]
    when: Field[datetime]
    day: Field[date]
    hour: time
    id_: Field[UUID]
    colour: Field[Colour]
    word: Field[Literal["a", "b"]]
    tags: Field[list[str]] = field(min_length=2)
    maybe: Field[int | None]
    default: Field[int] = field(default=7)
    plain: int
    vector: Vector = VectorField(dims=5)
    listed: Vector[list[float]] = VectorField(dims=2)
    optional: OptionalVector = VectorField(default=None, dims=3)
    made: Vector = VectorField(factory=Words(), property="long")
    about: Annotated[str, VectorField(dims=4)]


class Coded(Model):
    code: Field[str] = field(key=True, pattern="[A-Z]{3}")
    others: Relation[list[Everything]] = relation("HAS")


def test_instances_are_valid_and_differ(memory_database):
    several = build_many(Everything, 30)
    assert len({each.key for each in several}) == 30
    assert {each.default for each in several} == {7}
    for each in several:
        assert np.linalg.norm(each.vector) == pytest.approx(1)
        assert each.optional is None
        assert each.vectors["about"].shape == (4,)
    assert not np.array_equal(several[0].vector, several[1].vector)
    assert Everything.save_many(several).saved == 30
    assert Everything.find().count() == 30
    assert Everything.search(several[3].vector, limit=1)[0].record == Everything.get(key=several[3].key)


def test_what_is_given_is_kept():
    made = build(Everything, year=1950, vector=[1, 0, 0, 0, 0], maybe=None)
    assert (made.year, made.vector[0], made.maybe) == (1950, 1.0, None)


def test_what_cannot_be_guessed():
    with pytest.raises(ModelError, match=r"build\(Coded, code=...\)"):
        build(Coded)
    assert build(Coded, code="ABC").code == "ABC"

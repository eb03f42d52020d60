"""What the children write: a record shows by itself whether all of it is there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from rushmodel import Database, Field, Model, Relation, Vector, VectorField, connect, field, relation
from rushmodel.backends.embedded import mirrors
from rushmodel.port import Float32

DIMS = 24


class Owner(Model, label="CrashOwner"):
    name: Field[str] = field(key=True)
    n: Field[int] = field(default=0, index=True)


class Item(Model, label="CrashItem"):
    """``text``, ``tags`` and the vector follow from the number ``value``."""

    key: Field[str] = field(key=True)
    value: Field[int] = field(index=True)
    text: Field[str]
    tags: Field[list[int]]
    mark: Field[int] = field(default=0)
    embedding: Vector = VectorField(dims=DIMS, property="text")
    owner: Relation[Owner] = relation("OWNS", direction="in")


class Shown(NamedTuple):
    """An item as it is stored, in what may differ from item to item."""

    value: int
    mark: int
    owner: str | None


def vector_of(value: int) -> Float32:
    return np.random.default_rng(value).standard_normal(DIMS).astype(np.float32)


def text_of(value: int) -> str:
    return f"Text {value} " + "ü" * (value % 700)  # some reach over pages


def tags_of(value: int) -> list[int]:
    return [value % 7, value]


def owner_of(value: int) -> str:
    return f"owner {value % 3}"


def item(key: str, value: int, *, owned: bool = True) -> Item:
    """An item as it should be."""
    made = Item(key=key, value=value, text=text_of(value), tags=tags_of(value), embedding=vector_of(value))
    if owned:
        made.owner.set(Owner(name=owner_of(value), n=value % 3))
    return made


def change(record: Item, value: int) -> None:
    """Make it another one, in every part."""
    record.value, record.text, record.tags = value, text_of(value), tags_of(value)
    record.embedding = vector_of(value)
    record.owner.set(Owner(name=owner_of(value), n=value % 3))


def show(record: Item) -> Shown:
    """What it is; AssertionError where its parts do not belong together."""
    value = record.value
    assert record.text == text_of(value), record.key
    assert record.tags == tags_of(value), record.key
    assert np.array_equal(record.embedding, vector_of(value)), record.key
    owner = record.owner.value
    assert owner is None or owner.n == int(owner.name[-1]), record.key
    return Shown(value, record.mark, None if owner is None else owner.name)


def synced(number: int) -> type[Model]:
    """A class of its own, for `Database.sync` to have something to do."""

    class Synced(Model, label=f"CrashSynced{number}"):
        name: Field[str] = field(key=True)
        n: Field[int] = field(default=0, index=True)
        embedding: Vector = VectorField(dims=2 + number % 3, property="name")

    return Synced


def open_items(path: Path, **settings: object) -> Database:
    """The store, with sidecars already where a few vectors are held."""
    mirrors.WORTH_KEEPING = 1  # type: ignore[misc]
    mirrors._PATIENCE = 0.0  # type: ignore[misc]
    return connect(path, **settings)  # type: ignore[arg-type]

"""rushmodel, through its models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rushmodel import Database, Field, Model, Vector, VectorField, connect, field

from ..engine import Float32, Plain, Row, Safety, Window, Work


@cache
def article(dims: int, indexes: int) -> type[Any]:
    """The model, with so many of `lot` and `place` indexed."""

    class Article(Model):
        number: Field[int] = field(key=True)
        title: Field[str]
        body: Field[str]
        lot: Field[int] = field(index=indexes > 0)
        place: Field[int] = field(index=indexes > 1)
        embedding: Vector = VectorField(dims=dims, similarity="cosine", property="body")

    return Article


class Store(Plain):
    works: frozenset[Work] = frozenset({"search", "filter", "one", "power", "many", "reopen"})

    def __init__(self) -> None:
        self.db: Database
        self.model: type[Any]

    def create(self, folder: Path, dims: int, *, indexed: bool, safety: Safety, indexes: int = 2) -> None:
        self.model = article(dims, indexes if indexed else 0)
        self.db = connect(
            folder / "articles.db",
            models=[self.model],
            durability="full" if safety == "power" else "normal",
            default=True,
        )
        self.db.sync()

    def open(self, folder: Path, dims: int) -> None:
        self.model = article(dims, 2)
        self.db = connect(folder / "articles.db", models=[self.model], durability="normal", default=True)

    def record(self, row: Row) -> Any:
        number, title, body, lot, place, vector = row
        return self.model(number=number, title=title, body=body, lot=lot, place=place, embedding=vector)

    def save_one(self, row: Row) -> None:
        self.record(row).save()

    def save_many(self, rows: Sequence[Row]) -> None:
        self.model.save_many(self.record(row) for row in rows)

    def search(self, vector: Float32, limit: int) -> list[int]:
        return [hit.record.number for hit in self.model.search(vector, limit=limit)]

    def search_filtered(self, vector: Float32, limit: int, window: Window) -> list[int]:
        column = getattr(self.model, window.field)
        where = (column >= window.low) & (column < window.high)
        return [hit.record.number for hit in self.model.search(vector, where=where, limit=limit)]

    def close(self) -> None:
        self.db.close()

"""Must pass mypy --strict and pyright strict; it is run, too."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

from rushmodel import (
    BulkReport,
    Column,
    Condition,
    Field,
    Hit,
    Hits,
    Model,
    OptionalVector,
    Order,
    Plan,
    Query,
    Vector,
    VectorColumn,
    VectorField,
    connect,
    field,
)

Float32 = npt.NDArray[np.float32]
T = TypeVar("T")


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Dated(Model, abstract=True):
    year: Field[int] = field(default=2026, ge=1900)


class Article(Dated, label="ARTICLE"):
    slug: Field[str] = field(key=True)
    title: str
    body: Field[str]
    plain: int = 7
    subtitle: Field[str | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list[str])
    mood: Field[Mood] = field(default=Mood.CALM)
    kind: Field[Literal["a", "b"]] = field(default="a")
    price: Field[Decimal] = field(default=Decimal("1.50"), as_number=True)
    at: Field[dt.datetime | None] = field(default=None, index=True, description="when")
    uid: Field[UUID | None] = field(default=None)
    extra: dict[str, int] = field(default_factory=dict[str, int], json=True)
    embedding: Vector = VectorField(dims=3, similarity="cosine", source="external", property="body")
    listed: Vector[list[float]] = VectorField(dims=2)
    image: OptionalVector = VectorField(default=None, dims=4, similarity=("cosine", "euclidean"))


class Review(Article, label="REVIEW"):
    stars: Field[int] = field(default=5)


class Note(Model):
    text: Annotated[str, VectorField(dims=2)]
    key: Field[str] = field(key=True)
    numbers: Annotated[list[float], VectorField(dims=5)]


class Product(Model):
    sku: Field[str] = field(key=True)
    description: Field[str]
    embedding: Vector = VectorField(source="managed", dims=384, property="description")


class Box(Model, Generic[T]):
    item: Field[T]


class IntBox(Box[int]):
    pass


def make() -> Article:
    return Article(
        slug="warp", title="t", body="b", year=2021, embedding=[1.0, 2.0, 3.0], listed=np.array([1.0, 2.0])
    )


# instances give values
def values(article: Article, note: Note) -> None:
    assert_type(article.year, int)
    assert_type(article.title, str)
    assert_type(article.subtitle, str | None)
    assert_type(article.tags, list[str])
    assert_type(article.mood, Mood)
    assert_type(article.embedding, Float32)
    assert_type(article.listed, list[float])
    assert_type(article.image, Float32 | None)
    assert_type(article.record_id, str | None)
    assert_type(article.is_saved, bool)
    assert_type(note.vectors["text"], Float32)
    article.year = 2022
    article.embedding = np.array([3.0, 2.0, 1.0])
    article.image = None
    note.vectors = {"text": [0.5, 1.0]}


# classes give expressions
assert_type(Article.year, Column[Article, int])
assert_type(Article.embedding, VectorColumn[Article])
assert_type(Article.image, VectorColumn[Article])
assert_type(Article.record_id, Column[Article, str])
assert_type(Article.year > 2020, Condition[Article])
assert_type(Article.year.desc(), Order[Article])
assert_type(IntBox(item=3).item, int)

where = (
    (Article.year > 2020)
    & Article.body.contains("x")
    & ~(Article.subtitle == None)  # noqa: E711
    & (Article.mood != Mood.WILD)
    & Article.tags.in_(["a", "b"])
    & Article.tags.contains("a")
    & Article.subtitle.startswith("A")
    & Article.body.endswith("z")
    & Article.kind.not_in(["a"])
    & Article.price.between(Decimal(1), Decimal(2))
    & Article.uid.is_none()
    & Article.at.exists()
    & Article.record_id.in_(["x"])
    | (Dated.year < 2000)
)
assert_type(where, Condition[Article])


def search(article: Article) -> None:
    hits = Article.search([1.0, 2.0, 3.0], where=where, limit=3, min_score=0.5, exact=True)
    assert_type(hits, Hits[Article])
    for hit in hits:
        assert_type(hit, Hit[Article])
        assert_type(hit.record.year, int)
        assert_type(hit.score, float)
    Article.search(np.zeros(4, dtype=np.float32), on=Article.image, similarity="euclidean")
    Article.search(article, on="embedding", with_vectors=True)
    Review.search([1.0], where=Article.year.in_([1, 2]))  # a condition on a base holds for a subclass
    Article.search([1.0], where=Dated.year > 2000)
    Note.search([1.0, 2.0], on="text")


def find() -> None:
    query = Article.find(Article.year > 2020, Dated.year < 2030).order_by(Article.year.desc()).limit(3)
    assert_type(query, Query[Article])
    assert_type(query.all(), list[Article])
    assert_type(query.first(), Article | None)
    assert_type(query.one(), Article)
    assert_type(query.count(), int)
    assert_type(query.only(Article.year, Article.body).with_vectors().first(), Article | None)
    for article in query:
        assert_type(article, Article)
    for page in query.pages(10):
        assert_type(page, list[Article])
    assert_type(Article.get("id"), Article)
    assert_type(Review.get_or_none(slug="warp"), Review | None)


def save() -> None:
    article = make()
    assert_type(article.save(), Article)
    assert_type(article.save(on_stale="keep", if_unchanged=True).clone(), Article)
    assert_type(Article.save_many([article], batch=10, progress=print, on_error="skip"), BulkReport)
    assert_type(article.rename_key(slug="new").refresh(), Article)
    Note(key="k", text="words", vectors={"text": [1.0, 2.0]}, numbers=[1.0, 2.0, 3.0, 4.0, 5.0]).save()
    Product(sku="s", description="d").save()


async def asynchronous() -> None:
    assert_type(await make().asave(), Article)
    assert_type(await Article.asearch([1.0, 2.0, 3.0]), Hits[Article])
    assert_type(await Article.find().aall(), list[Article])
    assert_type(await Article.aget(slug="warp"), Article)
    async for article in Article.find():
        assert_type(article, Article)


def policies() -> None:
    with connect("memory://", models=[Article], default=False) as db:
        assert_type(db.plan(), Plan)
        assert_type(db.sync(prune=True, drop_vectors=True), Plan)

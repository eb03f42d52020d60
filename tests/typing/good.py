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
    Edge,
    Field,
    Hit,
    Hits,
    Many,
    Model,
    One,
    OptionalVector,
    Order,
    Part,
    Plan,
    Query,
    Relation,
    RelationColumn,
    Vector,
    VectorColumn,
    VectorField,
    VectorSpec,
    connect,
    embedder,
    field,
    relation,
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


class Wrote(Edge):
    at: Field[dt.datetime]
    pages: Field[int] = field(default=1)


class Person(Model):
    name: Field[str] = field(key=True)
    age: Field[int] = field(default=0)
    employer: Relation[Company] = relation("WORKS_AT")
    friends: Relation[list[Person]] = relation("KNOWS")
    books: Relation[list[Book]] = relation("WROTE", edge=Wrote)


class Company(Model):
    name: Field[str] = field(key=True)


class Book(Model):
    title: Field[str] = field(key=True)
    embedding: Vector = VectorField(dims=2, property="title")
    author: Relation[Person] = relation("WROTE", direction="in", edge=Wrote)
    readers: Relation[list[Person]] = relation("READ", direction="in")


class Box(Model, Generic[T]):
    item: Field[T]


class IntBox(Box[int]):
    pass


def lengths(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


class Essay(Model):
    key: Field[str] = field(key=True)
    text: Field[str]
    meaning: Vector = VectorField(factory=embedder(lengths, dims=2), property="text")
    plain: Vector = VectorField(
        factory=lengths,
        dims=2,
        similarity="euclidean",
        property="text",
        on_stale="embed",
        replaces=VectorSpec(dims=3, similarity="cosine", factory=lengths),
    )


def scores(text: str | None, hits: Hits[Essay]) -> list[float]:
    return [float(len(hit.record.text)) for hit in hits]


async def later(text: str | None, hits: Hits[Essay]) -> list[float]:
    return scores(text, hits)


def essays() -> None:
    with connect("memory://", models=[Essay], embedder=embedder(lengths, dims=2), default=False) as db:
        essay = Essay(key="a", text="leaves").save()
        assert_type(essay.meaning, Float32)
        hits = Essay.search("tea", on=Essay.meaning)
        assert_type(hits, Hits[Essay])
        assert_type(Essay.search(text="leaves", rerank=scores), Hits[Essay])
        assert_type(
            Essay.search("tea", text="leaves", on="meaning", fusion="dbsf", rerank=later)[0].parts["text"],
            Part,
        )
        assert_type(Essay.search_many(["tea", "leaves"], on=Essay.meaning), list[Hits[Essay]])
        assert_type(Essay.stale(on=Essay.plain).where(Essay.key == "a"), Query[Essay])
        assert_type(Essay.reembed(progress=print), int)
        assert_type(db.migrate(), Plan)
        assert_type(db.plan().migrations[0].remaining, int)
        assert_type(db.backfill(), int)
        db.close()


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
    assert_type(Article.search_many([[1.0, 2.0, 3.0]], where=where, limit=3), list[Hits[Article]])


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


# relations
assert_type(Book.author, RelationColumn[Book, Person])
assert_type(Book.readers, RelationColumn[Book, Person])
assert_type(Wrote.pages, Column[Wrote, int])
assert_type(Book.author.has(Person.age > 30), Condition[Book])
assert_type(Book.readers.none(Person.employer.has(Company.name == "A")), Condition[Book])
assert_type(Person.friends.any(Person.age > 3, hops=(1, 4)), Condition[Person])
assert_type(Book.author.has(edge=Wrote.pages > 10) & (Book.title == "x"), Condition[Book])
assert_type(Book.author.with_(Person.employer, Person.friends), RelationColumn[Book, Person])


def relations(book: Book, ada: Person) -> None:
    assert_type(book.author, One[Person])
    assert_type(book.readers, Many[Person])
    assert_type(book.author.value, Person | None)
    assert_type(book.readers.items, tuple[Person, ...])
    assert_type(book.author.edge(Wrote), Wrote | None)
    assert_type(ada.books.edges(Wrote), tuple[tuple[Book, Wrote], ...])
    assert_type(book.author.fetch(), Person | None)
    assert_type(book.readers.fetch(with_vectors=True), tuple[Person, ...])
    for reader in book.readers:
        assert_type(reader, Person)
    book.author = ada
    book.author = None
    book.readers = [ada]
    book.author.set(ada, edge=Wrote(at=dt.datetime.now(dt.timezone.utc), pages=3))
    book.readers.attach(ada, ada)
    book.readers.detach(ada)
    assert_type(book.save(cascade=False), Book)
    Book(title="t", embedding=[1.0, 2.0], author=ada, readers=[ada])
    query = Book.find(Book.author.has(), ~Book.readers.any()).with_(Book.author.with_(Person.employer))
    assert_type(query, Query[Book])
    assert_type(Book.get(title="t", with_=[Book.author, Book.readers]), Book)
    assert_type(Book.search([1.0, 2.0], where=Book.author.has(), with_=[Book.author]), Hits[Book])
    assert_type(Book.find_raw({"where": {"title": "t"}}), list[Book])


async def asynchronous_relations(book: Book) -> None:
    assert_type(await book.author.afetch(), Person | None)
    assert_type(await book.readers.afetch(), tuple[Person, ...])
    assert_type(await Book.afind_raw({}), list[Book])


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

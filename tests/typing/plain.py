"""Plain annotations under the mypy plugin: marked lines must fail, the others pass."""

from __future__ import annotations

from typing_extensions import assert_type

from rushmodel import Column, Condition, Field, Model, Vector, VectorColumn, VectorField, field


class Base(Model, abstract=True):
    lang: str = "en"


class Article(Base):
    slug: str = field(key=True)
    title: str
    year: int = field(ge=0)
    body: Field[str]
    embedding: Vector = VectorField(dims=3)


assert_type(Article.year, Column[Article, int])
assert_type(Article.lang, Column[Article, str])
assert_type(Article.body, Column[Article, str])
assert_type(Article.embedding, VectorColumn[Article])
assert_type(Article.record_id, Column[Article, str])
assert_type((Article.year > 2020) & Article.title.contains("x"), Condition[Article])
assert_type(Article(slug="s", title="t", year=1, body="b", embedding=[1.0]).year, int)


def search() -> None:
    Article.search([1.0], where=(Article.year > 2020) | (Article.lang == "de"))


Article.year > "x"  # E compared with str
Article.year.startswith("x")  # E only text
Article.nope  # E misspelt

"""Filters, joins and prefetches against SQLModel over SQLite, in the same run.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.query [--articles 10000] [--rounds 7]

The same records lie in a rushmodel file and in tables made by hand for SQLModel, with indexes on what is
asked for on both sides. Each question is asked in turn, every time in a session of its own, and both
give instances of their models. Prints microseconds for a question, medians of the rounds, and the ratio; a
ratio of 2.0 means twice the time of SQLModel.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlmodel
from sqlalchemy.orm import selectinload
from sqlmodel import Session, SQLModel, col, create_engine, func, select

from rushmodel import Field, Model, Relation, connect, field, relation

AUTHORS = 500
COUNTRIES = 50
TAGS = 100


class Author(Model):
    name: Field[str] = field(key=True)
    country: Field[str] = field(index=True)
    age: Field[int]


class Tag(Model):
    word: Field[str] = field(key=True)


class Article(Model):
    slug: Field[str] = field(key=True)
    title: Field[str]
    body: Field[str]
    year: Field[int] = field(index=True)
    rating: Field[float]
    author: Relation[Author] = relation("WROTE", direction="in")
    tags: Relation[list[Tag]] = relation("TAGGED")


# SQLModel takes no annotations that are texts: so this file has no `from __future__ import annotations`.
class AuthorRow(SQLModel, table=True):
    id: int | None = sqlmodel.Field(default=None, primary_key=True)
    name: str = sqlmodel.Field(index=True, unique=True)
    country: str = sqlmodel.Field(index=True)
    age: int


class TaggedRow(SQLModel, table=True):
    article_id: int | None = sqlmodel.Field(default=None, primary_key=True, foreign_key="articlerow.id")
    tag_id: int | None = sqlmodel.Field(default=None, primary_key=True, foreign_key="tagrow.id", index=True)


class TagRow(SQLModel, table=True):
    id: int | None = sqlmodel.Field(default=None, primary_key=True)
    word: str = sqlmodel.Field(index=True, unique=True)


class ArticleRow(SQLModel, table=True):
    id: int | None = sqlmodel.Field(default=None, primary_key=True)
    slug: str = sqlmodel.Field(index=True, unique=True)
    title: str
    body: str
    year: int = sqlmodel.Field(index=True)
    rating: float
    author_id: int | None = sqlmodel.Field(default=None, foreign_key="authorrow.id", index=True)
    author: AuthorRow | None = sqlmodel.Relationship()


class Question(NamedTuple):
    """The same question twice, and how many times SQLModel's time ours may take."""

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    goal: float


def values(at: int) -> dict[str, Any]:
    body = f"The body of article {at}, of about the length that an abstract has. " * 4
    return {
        "slug": f"s{at}",
        "title": f"Article {at}",
        "body": body,
        "year": 1900 + at * 7919 % 120,
        "rating": at % 100 / 10,
    }


def fill(folder: Path, count: int) -> Any:
    """Both stores with the same records; SQLModel's engine."""
    connect(folder / "articles.db", default=True)
    authors = [Author(name=f"a{at}", country=f"c{at % COUNTRIES}", age=at % 80) for at in range(AUTHORS)]
    tags = [Tag(word=f"t{at}") for at in range(TAGS)]
    Article.save_many(
        Article(**values(at), author=authors[at % AUTHORS], tags=[tags[at % TAGS], tags[at * 31 % TAGS]])
        for at in range(count)
    )
    engine = create_engine(f"sqlite:///{folder / 'rows.db'}")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            AuthorRow(id=at + 1, name=f"a{at}", country=f"c{at % COUNTRIES}", age=at % 80)
            for at in range(AUTHORS)
        )
        session.add_all(TagRow(id=at + 1, word=f"t{at}") for at in range(TAGS))
        session.add_all(
            ArticleRow(id=at + 1, author_id=at % AUTHORS + 1, **values(at)) for at in range(count)
        )
        session.add_all(
            TaggedRow(article_id=at + 1, tag_id=tag + 1)
            for at in range(count)
            for tag in {at % TAGS, at * 31 % TAGS}
        )
        session.commit()
    return engine


def questions(engine: Any) -> list[Question]:
    def rows(statement: Any) -> Callable[[], Any]:
        def ask() -> Any:
            with Session(engine) as session:
                return session.exec(statement).all()

        return ask

    def one(statement: Any) -> Callable[[], Any]:
        def ask() -> Any:
            with Session(engine) as session:
                return session.exec(statement).one()

        return ask

    by_author = select(ArticleRow).join(AuthorRow)
    by_tag = select(ArticleRow).join(TaggedRow, col(TaggedRow.article_id) == ArticleRow.id).join(TagRow)
    author: Any = ArticleRow.author
    along = select(ArticleRow).options(selectinload(author)).limit(1000)
    return [
        Question(
            "a record by its key",
            lambda: Article.get(slug="s77"),
            one(select(ArticleRow).where(ArticleRow.slug == "s77")),
            2.0,
        ),
        Question(
            "a year",
            Article.find(Article.year == 1950).all,
            rows(select(ArticleRow).where(ArticleRow.year == 1950)),
            2.0,
        ),
        Question(
            "ten years, well rated",
            Article.find(Article.year.between(1950, 1959), Article.rating > 5).all,
            rows(select(ArticleRow).where(col(ArticleRow.year).between(1950, 1959), ArticleRow.rating > 5)),
            2.0,
        ),
        Question(
            "how many, without an index",
            Article.find(Article.rating > 5).count,
            one(select(func.count()).select_from(ArticleRow).where(ArticleRow.rating > 5)),
            2.0,
        ),
        Question(
            "of an author",
            Article.find(Article.author.has(Author.name == "a7")).all,
            rows(by_author.where(AuthorRow.name == "a7")),
            2.0,
        ),
        Question(
            "of authors of a country",
            Article.find(Article.author.has(Author.country == "c7")).all,
            rows(by_author.where(AuthorRow.country == "c7")),
            2.0,
        ),
        Question(
            "with a tag",
            Article.find(Article.tags.any(Tag.word == "t7")).all,
            rows(by_tag.where(TagRow.word == "t7")),
            2.0,
        ),
        Question(
            "how many of a country",
            Article.find(Article.author.has(Author.country == "c7")).count,
            one(
                select(func.count()).select_from(ArticleRow).join(AuthorRow).where(AuthorRow.country == "c7")
            ),
            2.0,
        ),
        Question(
            "1,000 with their authors",
            Article.find().limit(1000).with_(Article.author).all,
            rows(along),
            1.5,
        ),
    ]


def size(answer: Any) -> int:
    """How much an answer says, so that both are seen to be the same."""
    if isinstance(answer, int):
        return answer
    return len(answer) if isinstance(answer, Sequence) else 1


def time_of(ask: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    ask()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description="Queries against SQLModel over SQLite.")
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = fill(Path(folder), given.articles)
        print(f"{'':<28} {'answer':>7} {'rushmodel':>13} {'SQLModel':>13}  ratio (min-max of {given.rounds})")
        for name, ours, theirs, goal in questions(engine):
            found = size(ours())
            assert found == size(theirs()), name
            mine, others = [], []
            for _ in range(given.rounds):
                mine.append(time_of(ours))
                others.append(time_of(theirs))
            ratios = [one / other for one, other in zip(mine, others, strict=True)]
            print(
                f"{name:<28} {found:>7,} {1e6 * statistics.median(mine):>10.0f} us "
                f"{1e6 * statistics.median(others):>10.0f} us {statistics.median(ratios):>6.2f}x "
                f"({min(ratios):.2f}-{max(ratios):.2f})   goal <= {goal}x"
            )
        engine.dispose()


if __name__ == "__main__":
    main()

"""`Model.aggregate`: rows computed by the store, typed by a class."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type,assignment,attr-defined,call-arg,call-overload,index,misc,operator"

from __future__ import annotations

import asyncio
import builtins
import datetime as dt
from decimal import Decimal

import pytest

from rushmodel import (
    Field,
    LoadError,
    Model,
    MultipleFound,
    NotFound,
    QueryError,
    Relation,
    Row,
    avg,
    bucket,
    collect,
    count,
    field,
    max,
    min,
    ref,
    relation,
    sum,
)
from rushmodel.port import FindRows

UTC = dt.timezone.utc
sum_python = builtins.sum


class Sale(Model):
    number: Field[int] = field(key=True)
    city: Field[str | None] = None
    price: Field[float] = 0.0
    pieces: Field[int] = field(name="how many", default=1)
    at: Field[dt.datetime | None] = None
    tags: Field[list[str]] = field(default_factory=list)
    exact: Field[Decimal | None] = None


class Other(Model):
    number: Field[int] = field(key=True)


class ByCity(Row):
    city: str | None = None
    total: int
    mean: float


SALES = [
    ("Rome", 1.5, 2, dt.datetime(2024, 1, 31, 23, 59, tzinfo=UTC)),
    ("Rome", 2.5, 1, dt.datetime(2024, 2, 1, tzinfo=UTC)),
    ("Oslo", 10.0, 3, dt.datetime(2024, 2, 29, 12, tzinfo=UTC)),
    ("Oslo", 0.25, 4, dt.datetime(2024, 4, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ("Oslo", 0.25, 4, dt.datetime(2024, 4, 1, tzinfo=UTC)),
]


@pytest.fixture
def sales(db):
    records = [
        Sale(number=number, city=city, price=price, pieces=pieces, at=at)
        for number, (city, price, pieces, at) in enumerate(SALES)
    ]
    Sale.save_many(records)
    return records


def test_groups_are_rows_of_the_class(sales):
    rows = Sale.aggregate(ByCity, total=count(), mean=avg(Sale.price)).group_by(Sale.city)
    found = rows.order_by(total="asc").all()
    assert found == [ByCity(city="Rome", total=2, mean=2.0), ByCity(city="Oslo", total=3, mean=3.5)]


def test_aggregates_of_all_are_one_row(sales):
    row = Sale.aggregate(
        n=count(),
        cities=count(Sale.city),
        pieces=sum(Sale.pieces),
        least=min(Sale.price),
        most=max(Sale.price),
        mean=avg(Sale.price, precision=1),
    ).one()
    assert row == Row(n=5, cities=2, pieces=14, least=0.25, most=10.0, mean=2.9)
    assert type(row.pieces) is int


def test_conditions_narrow_what_is_computed(sales):
    found = Sale.find(Sale.city == "Oslo").aggregate(n=count()).where(Sale.price < 1).one()
    assert found.n == 2


def test_of_nothing_there_is_one_row(sales):
    row = Sale.find(Sale.price > 1000).aggregate(n=count(), total=sum(Sale.price), mean=avg(Sale.price)).one()
    assert (row.n, row.total, row.mean) == (0, 0, None)


def test_datetimes_are_compared_as_moments_and_come_back_as_such(sales):
    row = Sale.find(Sale.at >= SALES[4][3]).aggregate(first=min(Sale.at), last=max(Sale.at)).one()
    assert (row.first, row.last) == (SALES[4][3], SALES[3][3])


def test_time_spans(sales):
    rows = Sale.aggregate(month=bucket(Sale.at, "month"), n=count()).group_by("month").order_by(month="asc")
    assert [(row.month, row.n) for row in rows] == [
        (dt.datetime(2024, 1, 1, tzinfo=UTC), 1),
        (dt.datetime(2024, 2, 1, tzinfo=UTC), 2),
        (dt.datetime(2024, 4, 1, tzinfo=UTC), 2),
    ]
    quarters = Sale.aggregate(start=bucket(Sale.at, "month", size=3), n=count()).group_by("start")
    assert {(row.start.month, row.n) for row in quarters.all()} == {(1, 3), (4, 2)}


def test_arithmetic(sales):
    row = Sale.aggregate(
        turnover=sum(Sale.price * Sale.pieces),
        n=count(),
        twice=2 * sum(Sale.price),
        share=ref("turnover") / ref("n"),
    ).one()
    assert row.turnover == 37.5
    assert row.twice == 29.0
    assert row.share == 7.5


def test_what_is_computed_of_each_record(sales):
    rows = Sale.aggregate(worth=Sale.price * Sale.pieces - 1).order_by(Sale.number.asc()).all()
    assert [row.worth for row in rows] == [2.0, 1.5, 29.0, 0.0, 0.0]
    assert Sale.find(Sale.number == 2).aggregate(nothing=Sale.price / 0).one().nothing is None


def test_several_groups(sales):
    rows = Sale.aggregate(n=count()).group_by(Sale.city, Sale.pieces).order_by(n="desc").all()
    assert (rows[0].city, rows[0].pieces, rows[0].n) == ("Oslo", 4, 2)
    assert len(rows) == 4


def test_limit_and_offset_cut_the_rows(sales):
    rows = Sale.aggregate(n=count()).group_by(Sale.pieces).order_by(Sale.pieces.asc())
    assert [row.pieces for row in rows] == [1, 2, 3, 4]
    assert [row.pieces for row in rows.offset(1).limit(2)] == [2, 3]
    assert rows.first().pieces == 1  # type: ignore[union-attr]
    assert rows.limit(0).all() == []


def test_a_limit_is_of_rows_whatever_their_order(sales):
    rows = Sale.aggregate(n=count()).group_by(Sale.city)
    assert {row.n for row in rows.limit(1)} <= {2, 3}  # and not 1, which one record alone would be
    assert sum_of(rows.limit(2)) == sum_of(rows.limit(100)) == 5


def test_a_limit_of_a_raw_document_is_of_records(sales):
    document = {"select": {"n": {"$count": "*"}}, "groupBy": ["$record.city"], "limit": 3}
    assert sum_of(Sale.find_raw(document, Row)) == 3
    assert sum_of(Sale.find_raw({**document, "orderBy": {"n": "desc"}}, Row)) == 5


def sum_of(rows):
    return sum_python(row.n for row in rows)


def test_one_row_is_the_only_one(sales):
    rows = Sale.aggregate(n=count()).group_by(Sale.city)
    with pytest.raises(MultipleFound):
        rows.one()
    with pytest.raises(NotFound):
        rows.where(Sale.price > 1000).one()
    assert rows.where(Sale.price > 1000).first() is None


def test_async(sales, db):
    async def ask():
        rows = Sale.aggregate(n=count()).group_by(Sale.city).order_by(n="asc")
        assert [row.n async for row in rows] == [2, 3]
        assert (await rows.afirst()).n == 2  # type: ignore[union-attr]
        assert (await rows.limit(1).aone()).n == 2
        await db.aclose()

    asyncio.run(ask())


def test_one_command_is_sent(sales, sent):
    Sale.aggregate(n=count()).group_by(Sale.city).all()
    assert [type(each) for each in sent] == [FindRows]


class Loose(Row):
    city: str | None = None
    n: int


def test_a_raw_document(sales):
    document = {"select": {"n": {"$count": "*"}}, "groupBy": ["$record.city"], "orderBy": {"n": "asc"}}
    assert Sale.find_raw(document, Loose) == [Loose(city="Rome", n=2), Loose(city="Oslo", n=3)]
    assert [row.n for row in Sale.find_raw({"labels": ["Sale"], **document}, Row)] == [2, 3]
    with pytest.raises(QueryError, match=r"select: .*find_raw\(\{\.\.\.\}, Row\)"):
        Sale.find_raw(document)
    with pytest.raises(QueryError, match="labels: expected"):
        Sale.find_raw({"labels": ["Other"], **document}, Row)
    with pytest.raises(QueryError, match="select: expected"):
        Sale.find_raw({"where": {}}, Row)
    with pytest.raises(LoadError, match="Loose: n: "):
        Sale.find_raw({"select": {"n": "$record.city"}, "where": {"city": "Rome"}}, Loose)


def test_a_plan_is_told(embedded_db):
    class Noted(Model):
        number: Field[int] = field(index=True)
        text: Field[str] = field(default="")

    Noted(number=1).save()
    assert "number" in Noted.find(Noted.number > 3).explain()
    assert "SCAN" in Noted.find(Noted.text.contains("a")).explain()
    assert "Noted" in Noted.aggregate(n=count()).explain()


# -- along relations


class Company(Model):
    name: Field[str] = field(key=True)
    size: Field[int] = 1


class Author(Model):
    name: Field[str] = field(key=True)
    age: Field[int] = 30
    employer: Relation[Company] = relation("WORKS_AT")


class Text(Model):
    title: Field[str] = field(key=True)
    year: Field[int] = 2026
    author: Relation[Author] = relation("WROTE", direction="in")
    readers: Relation[list[Author]] = relation("READ", direction="in")


class Reader(Row):
    name: str
    older: float


@pytest.fixture
def texts(db):
    acme = Company(name="Acme", size=7)
    ada, bob, cid = (Author(name=name, age=age) for name, age in (("Ada", 40), ("Bob", 20), ("Cid", 60)))
    ada.employer = acme
    for title, year, author, readers in (
        ("a", 2024, ada, [bob, cid]),
        ("b", 2024, bob, [ada]),
        ("c", 2025, ada, []),
        ("d", 2025, None, [bob]),
    ):
        Text(title=title, year=year, author=author, readers=readers).save()


def test_fields_of_related_records(texts):
    row = Text.aggregate(n=count(), age=avg(Text.author[Author.age]), people=count(Text.author)).one()
    assert (row.n, row.people) == (3, 2)  # the text without an author is none of them
    rows = Text.aggregate(n=count()).group_by(Text.author[Author.name]).order_by(n="desc").all()
    assert [(row.name, row.n) for row in rows] == [("Ada", 2), ("Bob", 1)]
    sizes = Text.aggregate(size=max(Text.author[Author.employer[Company.size]])).group_by(Text.year)
    assert {(row.year, row.size) for row in sizes} == {(2024, 7), (2025, 7)}


def test_related_records_are_collected(texts):
    readers = collect(
        Text.readers, Reader, name=Author.name, older=Author.age + 1, order_by=Author.name.asc()
    )
    rows = Text.aggregate(title=Text.title, readers=readers).order_by(Text.title.asc()).all()
    assert [[reader.name for reader in row.readers] for row in rows] == [["Bob", "Cid"], ["Ada"], [], ["Bob"]]
    assert rows[0].readers[0] == Reader(name="Bob", older=21)
    old = collect(Text.readers, name=Author.name, where=Author.age > 30, limit=1)
    rows = Text.aggregate(title=Text.title, old=old).order_by(Text.title.asc()).all()
    assert [[reader.name for reader in row.old] for row in rows] == [["Cid"], ["Ada"], [], []]


def test_what_is_collected_nests(texts):
    authors = collect(Text.author, name=Author.name, at=collect(Author.employer, name=Company.name))
    rows = Text.aggregate(authors=authors).order_by(Text.title.asc()).all()
    assert [[(one.name, [at.name for at in one.at]) for one in row.authors] for row in rows] == [
        [("Ada", ["Acme"])],
        [("Bob", [])],
        [("Ada", ["Acme"])],
        [],
    ]


# -- bad input: nothing is sent


class Untold(Row):
    n: int
    more: str


class Less(Row):
    n: int


class Worded(Row):
    n: str


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: Sale.aggregate().all(), "computes nothing"),
        (lambda: Sale.aggregate(n=3), "n=.*expected count"),
        (lambda: Sale.aggregate(n=len), "expected count"),
        (lambda: Sale.aggregate(Sale, n=count()), "derived from Row"),  # type: ignore[type-var]
        (lambda: Sale.aggregate(n=sum(Sale.city)), "sum.. is for numbers, and Sale.city is str"),
        (lambda: Sale.aggregate(n=sum(Sale.exact)), "is Decimal"),
        (lambda: Sale.aggregate(n=max(Sale.exact)), "no order"),
        (lambda: Sale.aggregate(n=Sale.city + 1), "is for numbers"),
        (lambda: Sale.aggregate(n=Sale.price + "x"), "an expression or a number"),
        (lambda: Sale.aggregate(n=Sale.price + True), "an expression or a number"),
        (lambda: Sale.aggregate(n=Sale.price + float("nan")), "an expression or a number"),
        (lambda: Sale.aggregate(n=sum(sum(Sale.price))), "is of many"),
        (lambda: Sale.aggregate(n=sum(Sale.price) + Sale.price), "aggregate both"),
        (lambda: Sale.aggregate(n=bucket(Sale.city, "day")), "for datetimes"),
        (lambda: Sale.aggregate(n=bucket(Sale.at, "fortnight")), "one of year"),
        (lambda: Sale.aggregate(n=bucket(Sale.at, "day", size=0)), "whole number from 1"),
        (lambda: Sale.aggregate(n=avg(Sale.price, precision=-1)), "0 to 15"),
        (lambda: Sale.aggregate(n=ref("m")), "none of its keys"),
        (lambda: Sale.aggregate(n=count(Other.number)), "Other says nothing about Sale"),
        (lambda: Sale.aggregate(n=Sale.price, m=count()).all(), "group by 'n'"),
        (lambda: Sale.aggregate(n=Sale.price, m=count()).group_by(Sale.city).all(), "group by it"),
        (lambda: Sale.aggregate(n=count()).group_by("m"), "has the keys n"),
        (lambda: Sale.aggregate(n=count()).group_by("n"), "of groups"),
        (lambda: Sale.aggregate(n=count()).group_by(Other.number), "Other says nothing about Sale"),
        (lambda: Sale.aggregate(city=count()).group_by(Sale.city).all(), "key twice"),
        (lambda: Sale.aggregate(n=count()).order_by(m="asc"), "has the keys n"),
        (lambda: Sale.aggregate(n=count()).order_by(n="up"), "'asc' or 'desc'"),
        (lambda: Sale.aggregate(n=count()).order_by(Sale.city.asc()).all(), "one row"),
        (
            lambda: Sale.aggregate(n=count()).group_by(Sale.city).order_by(Sale.price.asc()).all(),
            "not by Sale.price",
        ),
        (lambda: Sale.aggregate(n=count()).limit(-1), "from 0"),
        (lambda: Text.author[Company.size], "no field of Author"),
        (lambda: Text.author[count()], "no field of Author"),
        (lambda: Text.author["name"], "a field of Author"),
        (lambda: Text.aggregate(a=count(Text.author), b=count(Text.readers)).one(), "another one"),
        (lambda: collect(Text.readers), "computes nothing"),
        (lambda: collect(Text.readers, n=count()), "not of a single Author"),
        (lambda: collect(Text.readers, n=Text.title), "Text says nothing about Author"),
        (lambda: collect(Text.readers, n=Author.name, where=Text.year > 1), "says nothing about Author"),
        (lambda: collect(Text.readers, n=Author.name, order_by=Text.year.asc()), "Author.field"),
        (lambda: Text.aggregate(n=count(), r=collect(Text.readers, n=Author.name)).one(), "group by"),
        (lambda: Sale.find().limit(3).aggregate(n=count()), "all records that match"),
        (lambda: Sale.aggregate(Untold, n=count()).all(), "more is computed nowhere"),
        (lambda: Sale.aggregate(Less, n=count(), m=count()).all(), "no field 'm'"),
    ],
)
def test_what_makes_no_sense(db, sent, ask, message):
    with pytest.raises(QueryError, match=message):
        ask()
    assert sent == []


def test_conditions_and_orders_are_what_they_are_taken_for(db):
    with pytest.raises(TypeError):
        Sale.aggregate(n=count()).order_by("n")
    with pytest.raises(TypeError, match="no truth value"):
        bool(Sale.price + 1)


def test_a_value_that_the_class_does_not_allow(sales):
    with pytest.raises(LoadError, match="n: Input should be a valid string"):
        Sale.aggregate(Worded, n=count()).all()


class Named(Row):
    name: str


class Read(Row):
    readers: list[Named]


def test_collected_rows_of_another_class(texts):
    readers = collect(Text.readers, name=Author.name)
    with pytest.raises(LoadError, match=r"tell collect\(\) the class of its rows"):
        Text.aggregate(Read, readers=readers).all()
    readers = collect(Text.readers, Named, name=Author.name)
    found = Text.aggregate(Read, readers=readers).all()
    assert {type(each) for row in found for each in row.readers} == {Named}


class Mean(Row):
    mean: float


def test_a_row_without_a_value(sales):
    with pytest.raises(LoadError, match="declare it as optional"):
        Sale.find(Sale.price > 1000).aggregate(Mean, mean=avg(Sale.price)).all()

"""Conditions that are typed: what they mean, what is refused and where, and that nothing is evaluated."""

from __future__ import annotations

import ast
import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import (
    Condition,
    Field,
    Model,
    QueryError,
    Relation,
    Vector,
    VectorField,
    connect,
    field,
    relation,
)
from rushmodel.where import LONGEST, parse_where
from rushmodel.where.text import DEEPEST


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Person(Model):
    name: Field[str] = field(key=True)
    age: Field[int | None] = field(default=None)
    friends: Relation[list[Person]] = relation("KNOWS")


class Article(Model):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(default="", name="the title")
    body: Annotated[str, VectorField(dims=2)] = ""
    year: Field[int | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    weight: Field[float | None] = field(default=None)
    cost: Field[Decimal | None] = field(default=None, as_number=True)
    seen: Field[dt.datetime | None] = field(default=None)
    local: Field[dt.datetime | None] = field(default=None, naive="utc")
    day: Field[dt.date | None] = field(default=None)
    at: Field[dt.time | None] = field(default=None)
    uid: Field[uuid.UUID | None] = field(default=None)
    colour: Field[Colour | None] = field(default=None)
    good: Field[bool | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    marks: Field[list[int]] = field(default_factory=list)
    extra: Field[dict[str, Any] | None] = field(default=None, json=True)
    embedding: Vector = VectorField(dims=3, property="title")
    author: Relation[Person] = relation("WROTE", direction="in")


A = Article
UTC = dt.timezone.utc


def same(one: Condition[Any], other: Condition[Any]) -> bool:
    return one.where == other.where and one.model is other.model


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("year > 2020", A.year > 2020),
        ("  year>2020 ", A.year > 2020),
        ("2020 < year", A.year > 2020),
        ("2020 >= year", A.year <= 2020),
        ("1994 == year", A.year == 1994),
        ("year != -3", A.year != -3),
        ("year == 2020.0", A.year == 2020),
        ("weight < 1", A.weight < 1.0),
        ("weight >= +1.5e3", A.weight >= 1500.0),
        ("(year == 1_000)", A.year == 1000),
        ("year is None", A.year.is_none()),
        ("year is not None", A.year.exists()),
        ("year == None", A.year == None),  # noqa: E711
        ("year != None", A.year != None),  # noqa: E711
        ("year.is_none()", A.year.is_none()),
        ("year.exists()", A.year.exists()),
        ("year in (1, 2)", A.year.in_([1, 2])),
        ("year in [1]", A.year.in_([1])),
        ("year in ()", A.year.in_([])),
        ("year not in [1, -2]", A.year.not_in([1, -2])),
        ("year.in_([1, 2])", A.year.in_([1, 2])),
        ("year.not_in((1, 2))", A.year.not_in([1, 2])),
        ("year.between(1990, 1999)", A.year.between(1990, 1999)),
        ('title.startswith("W")', A.title.startswith("W")),
        ("title.endswith('s')", A.title.endswith("s")),
        ('title.contains("ü \\"x\\"")', A.title.contains('ü "x"')),
        ("title == 'a' 'b'", A.title == "ab"),
        ("title < 'b'", A.title < "b"),
        ('body.contains("x")', A.body.contains("x")),  # type: ignore[attr-defined]
        ('"x" in tags', A.tags.in_(["x"])),
        ("2 not in marks", A.marks.not_in([2])),
        ('tags == ["a", "b"]', A.tags == ["a", "b"]),
        ('tags.contains("x")', A.tags.contains("x")),
        ("marks > 3", A.marks > 3),  # type: ignore[operator]
        ("good == True", A.good == True),  # noqa: E712
        ("price == 1.50", A.price == Decimal("1.5")),
        ('price in ("1.50", 2)', A.price.in_([Decimal("1.5"), Decimal(2)])),
        ("price == - 0.1", A.price == Decimal("-0.1")),
        ("price == 0.1000000000000000000001", A.price == Decimal("0.1000000000000000000001")),
        ("cost > 0.1", A.cost > Decimal("0.1")),
        ('seen >= "2024-01-31T12:00:00Z"', A.seen >= dt.datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ('seen >= "2024-01-31T12:00:00+02:00"', A.seen >= dt.datetime(2024, 1, 31, 10, tzinfo=UTC)),
        ('local > "2024-01-31T12:00:00"', A.local > dt.datetime(2024, 1, 31, 12)),
        ('local > "2024-01-31T12:00:00+02:00"', A.local > dt.datetime(2024, 1, 31, 10)),
        ('"2024-01-01" <= day', A.day >= dt.date(2024, 1, 1)),
        ('at == "12:30:00"', A.at == dt.time(12, 30)),
        (
            'uid == "12345678-1234-5678-1234-567812345678"',
            A.uid == uuid.UUID(int=0x12345678123456781234567812345678),
        ),
        ('colour in ("red", "blue")', A.colour.in_([Colour.RED, Colour.BLUE])),
        ('record_id == "x"', A.record_id == "x"),
        ("extra is None", A.extra.is_none()),
        ("author.has()", A.author.has()),
        ('author.has(name == "Ada")', A.author.has(Person.name == "Ada")),
        ("author.none(not age > 3)", A.author.none(~(Person.age > 3))),
        ("author.any(friends.any(age is None))", A.author.any(Person.friends.any(Person.age.is_none()))),
    ],
)
def test_one_comparison(text, condition):
    assert same(parse_where(Article, text), condition)


def test_and_or_not_and_chains():
    two = parse_where(Article, "year > 1 and not (good == True or title == 'x')")
    assert two.where == {
        "$and": [
            (A.year > 1).where,
            {"$not": {"$or": [(A.good == True).where, (A.title == "x").where]}},  # noqa: E712
        ]
    }
    chain = parse_where(Article, "1990 <= year < 2000 != year")
    assert chain.where == {"$and": [(A.year >= 1990).where, (A.year < 2000).where, (A.year != 2000).where]}


def test_many_alternatives_are_one_level():
    text = " or ".join(f"year=={n}" for n in range(700))
    assert len(parse_where(Article, text).where["$or"]) == 700


def test_json_is_the_document_itself():
    condition = parse_where(Article, ' {"year": {"$gt": 2020}, "$or": [{"the title": "x"}, {}]}')
    assert condition.where == {"year": {"$gt": 2020}, "$or": [{"the title": "x"}, {}]}
    assert condition.model is Article
    assert parse_where(Article, "{}").where == {}


# -- what is refused, and where

REFUSED = [
    ("", None, "empty"),
    ("   ", None, "empty"),
    ("year >", 7, "invalid syntax"),
    ("year = 3", 6, "=="),
    ("year > 3 && good == True", 11, "write and, or, not"),
    ("yaer > 3", 1, "is year meant"),
    ("good == true", 9, "not a name"),
    ("true == good", 1, "write True"),
    ("true == 1", 1, "write True"),
    ("zzz > 3", 1, "there are slug, title"),
    ("title == Warp", 10, 'a text has quotes: "Warp"'),
    ("title == slug", 10, "not a name"),
    ("year > 'x'", 8, "expected a whole number, got str"),
    ("ü > 3", 1, "no field ü"),
    ("title == 'ü' and yaer > 3", 18, "is year meant"),
    ("\t title == 'ü' and (yaer > 3)", 21, "is year meant"),
    ("title == 'ü' and )", 18, "unmatched"),
    ("year > None", 8, "is_none() and exists()"),
    ("year > 2**3", 8, "arithmetic"),
    ("year + 1 > 3", 1, "a field on one side, got arithmetic"),
    ("1 < 2", 1, "a field on one side"),
    ("year", 1, "compared with something, as in year == 1"),
    ("not title", 5, 'title == "..."'),
    ("year > 1 and 3", 14, "expected a comparison, as in slug"),
    ("year > 1,", 1, "values in brackets"),
    ("(year > 1) & (year < 3)", 1, "write and, or"),
    ("~(year > 1)", 1, "write not"),
    ("year is 3", 9, "stand before None alone"),
    ("3 is None", 1, "expected a field of Article"),
    ("year in 3", 9, "values in brackets"),
    ("year in {1, 2}", 9, "values in brackets"),
    ("year in (1, good)", 13, "got the name good"),
    ("'x' in title", 8, ".contains(...)"),
    ("'x' in (1, 2)", 8, "expected a field of Article"),
    ("embedding == 3", 1, "is a vector"),
    ("author == 3", 1, "author.has(...)"),
    ("author.name == 'Ada'", 1, "got an attribute"),
    ("author.maybe()", 1, "it has has(), any() and none()"),
    ("author.has(name == 'x', age == 1)", 25, "one condition"),
    ("author.has(year == 1)", 12, "Person has no field year"),
    ("author.has(hops=3)", 17, "no named arguments"),
    ("title.upper()", 1, "fields have no upper()"),
    ("title.startswith()", 1, "takes 1 value"),
    ("year.between(1)", 1, "takes 2 values"),
    ("year.exists(1)", 1, "takes no value"),
    ("year.startswith('1')", 1, "is for text"),
    ("title.startswith(3)", 1, "expected str"),
    ("year.in_(3)", 10, "in brackets"),
    ("year.in_(*slug)", 10, "in brackets"),
    ("slug.upper().contains('x')", 1, "only methods of fields"),
    ("contains(title, 'x')", 1, "only methods of fields"),
    ("seen > '2024-01-31'", 8, 'such as "2024-01-31T12:00:00Z"'),
    ("day > 2024", 7, "expected a date, YYYY-MM-DD"),
    ("day > '2024-13-01'", 7, "expected a date"),
    ("uid == 'x'", 8, "expected a UUID"),
    ("uid > '12345678-1234-5678-1234-567812345678'", 7, "have no order"),
    ("colour == 'green'", 11, "not a valid Colour"),
    ("price == 'x'", 10, "decimal number"),
    ("price == '1 2'", 10, "decimal number"),
    ("price == True", 10, "got bool"),
    ("price > 3", 9, "no order"),
    ("cost > 0.12345678901234567890", 8, "floating point"),
    ("extra == 'x'", 10, "with None alone"),
    ("good == 1", 9, "expected bool"),
    ("tags == ['a', 3]", 15, "expected text"),
    ("year > 99999999999999999999", 8, "2**53"),
    ("weight > 1e999", 10, "finite"),
    ("year == 1j", 9, "got a value"),
    ("title == b'x'", 10, "got a value"),
    ("title == f'x'", 10, "f-string"),
    ("title == '\\ud800'", 10, "surrogate"),
    ("title == '\\d'", None, "escape"),
    ("title == 'a' # and more", 14, "nothing may follow"),
    ("title == 'a\x00'", 12, "escapes"),
    ("year > 1\nand year < 3", 9, "line breaks"),
    ("title == '\ud800'", None, "no condition that can be read"),
    ("(" * 300, None, "parenthes"),
    ("-" * 9000 + "1 == year", None, "can be read"),
    ("not " * 60 + "year == 1", 201, f"more than {DEEPEST} levels"),
    ("x" * (LONGEST + 1), None, "at most 10,000"),
    ('{"year": 1, "year": 2}', None, "twice"),
    ('{"year": NaN}', None, "NaN is no JSON"),
    ('{"year": }', 10, "this is no JSON"),
    ("{year: 1}", 2, "this is no JSON"),
    ('{"year": 1} x', 13, "this is no JSON"),
    ('{"year": "\\ud800"}', None, "surrogate"),
    ('{"a": ' * 60 + "1" + "}" * 60, None, "more than 50 levels"),
    ('{"a": ' + "[" * 5000, None, "no JSON"),
    ('{"a": ' + "1" * 5000 + "}", None, "no JSON"),
]


@pytest.mark.parametrize(("text", "column", "problem"), REFUSED, ids=[text[:30] for text, _, _ in REFUSED])
def test_refused(text, column, problem):
    with pytest.raises(QueryError) as caught:
        parse_where(Article, text)
    message = str(caught.value)
    assert problem in message
    if column is not None:
        assert caught.value.column == column
        assert caught.value.text == text
        assert message.startswith(f"column {column}: ")


EVALUATED = [
    "__import__('os').system('x')",
    "year > __import__('os').getpid()",
    "year.__class__",
    "year.__class__.__mro__[0] == 1",
    "year[0] == 1",
    "(lambda: 1)() == year",
    "[x for x in tags] == tags",
    "{x for x in tags} == tags",
    "(year := 3) == year",
    "title == f'{open(1)}'",
    "year == (1 if good else 2)",
    "year == max(1, 2)",
    "title.contains(str(1))",
    "title.contains(*tags)",
    "title.format(slug)",
    "await year",
    "(yield) == year",
    "year == ...",
    "tags.in_([open('x')])",
    "slug.replaced(name='x') == 1",
    "Model == 1",
    "author.with_(friends)",
]


@pytest.mark.parametrize("text", EVALUATED)
def test_nothing_is_evaluated(text):
    with pytest.raises(QueryError):
        parse_where(Article, text)


# -- whatever the text

WORDS = [
    *("year", "title", "tags", "author", "good", "price", "seen", "embedding", "record_id", "name", "nope"),
    *("and", "or", "not", "in", "is", "None", "True", "==", "!=", "<", ">=", "(", ")", "[", "]", ",", "."),
    *("has", "contains", "between", "lambda", ":", ":=", "if", "else", "for", "{", "}", "'x'", '"', "\\"),
    *("1", "-", "2.5", "1e999", "0x1", "**", "#", "f'", "\x00", "\n", "ü", "\ud800", "😀", " "),
]
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ).map(lambda value: json.dumps({"year": value})),
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(texts)
def test_any_text_is_a_condition_or_a_query_error(text):
    try:
        condition = parse_where(Article, text)
    except QueryError:
        pass
    else:
        assert isinstance(condition, Condition)
        assert condition.model is Article
        assert text.lstrip().startswith("{") or ast.parse(text.strip(" \t"), mode="eval")


# -- on a store


@pytest.fixture(scope="module")
def library():
    db = connect("memory://", default=False)
    with db:
        people = [Person(name=name, age=age) for name, age in (("Ada", 36), ("Bob", None))]
        for number in range(40):
            Article(
                slug=f"s{number}",
                title=["Warp", "tea", "Ünd", ""][number % 4],
                body="x",
                year=None if number % 7 == 0 else 1990 + number % 9,
                weight=number / 4 if number % 3 else None,
                price=Decimal(number) / 8 if number % 5 else None,
                day=dt.date(2024, 1, 1 + number % 28) if number % 4 else None,
                good=[True, False, None][number % 3],
                tags=["a", "b", "c"][: number % 4],
                author=people[number % 2] if number % 4 else None,
                embedding=[1, 0, number],
                vectors={"body": [1, number]},
            ).save()
    yield db
    db.close()


numbers = st.integers(1988, 2000)
titles = st.sampled_from(["Warp", "tea", "Ünd", "", "W", "a'b\""])
days = st.dates(dt.date(2023, 12, 30), dt.date(2024, 2, 2))
tags = st.sampled_from(["a", "b", "d"])
prices = st.integers(0, 80).map(lambda number: Decimal(number) / 16)


def pair(text, make):
    """A strategy of texts with the conditions that they mean; ``text`` is formatted with reprs."""
    return lambda *values: (text.format(*map(_written, values)), make(*values))


def _written(value):
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


comparisons = st.one_of(
    st.builds(pair("year > {}", lambda n: A.year > n), numbers),
    st.builds(pair("{} >= year", lambda n: A.year <= n), numbers),
    st.builds(pair("{} < year <= {}", lambda n, m: (A.year > n) & (A.year <= m)), numbers, numbers),
    st.builds(pair("year != {}", lambda n: A.year != n), numbers),
    st.builds(pair("year not in [{}, {}]", lambda n, m: A.year.not_in([n, m])), numbers, numbers),
    st.just(("year is None", A.year.is_none())),
    st.just(("good is not None", A.good.exists())),
    st.just(("good == False", A.good == False)),  # noqa: E712
    st.builds(pair("title.startswith({})", A.title.startswith), titles),
    st.builds(pair("title.contains({})", A.title.contains), titles),
    st.builds(pair("title == {}", lambda text: A.title == text), titles),
    st.builds(pair("{} in tags", lambda tag: A.tags.in_([tag])), tags),
    st.builds(pair("tags.not_in([{}])", lambda tag: A.tags.not_in([tag])), tags),
    st.builds(pair("weight < {}", lambda n: A.weight < float(n)), st.integers(0, 10)),
    st.builds(pair("price == {}", lambda price: A.price == price), prices),
    st.builds(lambda day: (f'day >= "{day}"', A.day >= day), days),
    st.builds(
        pair("author.has(name == {})", lambda n: A.author.has(Person.name == n)),
        st.sampled_from(["Ada", "x"]),
    ),
    st.just(("author.none(age is None)", A.author.none(Person.age.is_none()))),
)
expressions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(lambda a, b: (f"({a[0]}) and ({b[0]})", a[1] & b[1]), inner, inner),
        st.builds(lambda a, b: (f"({a[0]}) or {b[0]}", a[1] | b[1]), inner, comparisons),
        st.builds(lambda a: (f"not ({a[0]})", ~a[1]), inner),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(expressions)
def test_means_what_it_means_in_python(library, expression):
    text, condition = expression
    with library:
        found = {article.slug for article in Article.find(parse_where(Article, text)).only("slug")}
        assert found == {article.slug for article in Article.find(condition).only("slug")}

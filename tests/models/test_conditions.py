"""Conditions and orders: what the store finds is what Python says of the same values."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="arg-type, list-item, misc, operator"

from __future__ import annotations

import datetime as dt
import enum
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rushmodel import (
    Column,
    Condition,
    Database,
    Field,
    Model,
    Order,
    QueryError,
    Vector,
    VectorColumn,
    VectorField,
    connect,
    field,
)

UTC = dt.timezone.utc


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Row(Model):
    key: Field[int] = field(key=True)
    n: Field[int | None] = field(default=None)
    x: Field[float | None] = field(default=None, index=True)
    b: Field[bool | None] = field(default=None)
    s: Field[str | None] = field(default=None)
    at: Field[dt.datetime | None] = field(default=None)
    day: Field[dt.date | None] = field(default=None)
    time: Field[dt.time | None] = field(default=None)
    uid: Field[UUID | None] = field(default=None)
    mood: Field[Mood | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    amount: Field[Decimal | None] = field(default=None, as_number=True)
    kind: Field[Literal["a", "b"] | None] = field(default=None)
    words: Field[list[str] | None] = field(default=None)
    numbers: Field[list[int] | None] = field(default=None)
    days: Field[list[dt.date] | None] = field(default=None)
    extra: dict[str, Any] | None = field(default=None, json=True)
    vector: Vector = VectorField(dims=2)


SECOND = dt.datetime(2020, 1, 1, 12, tzinfo=UTC)
FEW = {
    "n": st.sampled_from([-(2**53), -1, 0, 1, 2, 2**53]),
    "x": st.sampled_from([-0.0, 0.0, -1.5, 1.0, 5e-324, 1e300]),
    "b": st.booleans(),
    "s": st.sampled_from(
        ["", "a", "A", "ab", "aB\0", "\0", "ß", "SS", "é", "e\u0301", "😀", "\uffff", "2020-01-01"]
    ),
    "at": st.sampled_from(
        [
            SECOND,
            SECOND.replace(microsecond=1),
            SECOND.replace(microsecond=500_000),
            SECOND - dt.timedelta(seconds=1),
            SECOND + dt.timedelta(seconds=1),
            SECOND.astimezone(dt.timezone(dt.timedelta(hours=5))),
            SECOND.replace(year=999),
        ]
    ),
    "day": st.sampled_from([dt.date(1, 1, 1), dt.date(999, 1, 1), dt.date(2020, 1, 1), dt.date(2020, 2, 1)]),
    "time": st.sampled_from([dt.time(0), dt.time(0, 0, 0, 1), dt.time(9), dt.time(10, 30)]),
    "uid": st.sampled_from([UUID(int=0), UUID(int=2**128 - 1)]),
    "mood": st.sampled_from(Mood),
    "price": st.sampled_from([Decimal(each) for each in ("1.5", "1.50", "15", "-1.5", "0", "-0", "1E+3")]),
    "amount": st.sampled_from([Decimal(each) for each in ("1.5", "1.50", "15", "-1.5", "0", "1E+3")]),
    "kind": st.sampled_from(["a", "b"]),
    "words": st.lists(st.sampled_from(["", "a", "AB", "ß"]), max_size=3),
    "numbers": st.lists(st.sampled_from([-1, 0, 1, 2]), max_size=3),
    "days": st.lists(st.sampled_from([dt.date(2020, 1, 1), dt.date(2020, 2, 1)]), max_size=2),
}
ORDERED = ["n", "x", "s", "at", "day", "time", "amount", "kind"]
ORDERED_LISTS = ["words", "numbers", "days"]
LISTS: dict[str, st.SearchStrategy[Any]] = {
    "words": st.sampled_from(["", "a", "AB", "ß"]),
    "numbers": st.sampled_from([-1, 0, 1, 2]),
    "days": st.sampled_from([dt.date(2020, 1, 1), dt.date(2020, 2, 1)]),
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, part: part.casefold() in value.casefold(),
    "startswith": str.startswith,
    "endswith": str.endswith,
}

Test = Callable[[Row], "bool | None"]
"""What Python says of a record: None where the property is absent, as in SQL and on a server (R20)."""
Case = tuple[Condition[Row], Test]


def leaf(name: str, condition: Condition[Row], test: Callable[[Any], bool]) -> Case:
    def of_value(record: Row) -> bool | None:
        value = getattr(record, name)
        return None if value is None else test(value)

    return condition, of_value


@st.composite
def leaves(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from([*FEW]))
    column: Any = getattr(Row, name)
    words = ["==", "!=", "in_", "not_in", "is_none", "exists"]
    words += ["between", *COMPARE] if name in ORDERED else []
    words += [*TEXT] if name in ("s", "words") else []
    words += ["==item", "!=item", *COMPARE] if name in LISTS else []
    word = draw(st.sampled_from(words))
    if word == "is_none":
        return column.is_none(), lambda record: getattr(record, name) is None
    if word == "exists":
        return column.exists(), lambda record: getattr(record, name) is not None
    if word in TEXT:
        part = draw(st.sampled_from(["", "a", "A", "b", "ss", "ß", "É", "\0", "😀"]))
        holds = TEXT[word]
        if name == "s":
            return leaf(name, getattr(column, word)(part), lambda value: holds(value, part))
        return leaf(name, getattr(column, word)(part), lambda value: any(holds(each, part) for each in value))
    if name in LISTS and word not in ("==", "!="):
        item = draw(LISTS[name])
        several = draw(st.lists(LISTS[name], max_size=2))
        return {
            "==item": lambda: leaf(name, column == item, lambda value: item in value),
            "!=item": lambda: leaf(name, column != item, lambda value: item not in value),
            "in_": lambda: leaf(name, column.in_(several), lambda value: bool(set(value) & set(several))),
            "not_in": lambda: leaf(name, column.not_in(several), lambda value: not set(value) & set(several)),
            **{
                sign: lambda sign=sign: leaf(
                    name,
                    COMPARE[sign](column, item),
                    lambda value: any(COMPARE[sign](each, item) for each in value),
                )
                for sign in COMPARE
            },
        }[word]()
    one, other = draw(FEW[name]), draw(FEW[name])
    several = draw(st.lists(FEW[name], max_size=3))
    return {
        "==": lambda: leaf(name, column == one, lambda value: value == one),
        "!=": lambda: leaf(name, column != one, lambda value: value != one),
        "in_": lambda: leaf(name, column.in_(several), lambda value: value in several),
        "not_in": lambda: leaf(name, column.not_in(iter(several)), lambda value: value not in several),
        "between": lambda: leaf(name, column.between(one, other), lambda value: one <= value <= other),
        **{
            sign: lambda sign=sign: leaf(
                name,
                COMPARE[sign](column, one),
                lambda value: COMPARE[sign](value, one),
            )
            for sign in COMPARE
        },
    }[word]()


def both(one: Case, other: Case) -> Case:
    def test(record: Row) -> bool | None:
        verdicts = {one[1](record), other[1](record)}
        return False if False in verdicts else None if None in verdicts else True

    return one[0] & other[0], test


def either(one: Case, other: Case) -> Case:
    def test(record: Row) -> bool | None:
        verdicts = {one[1](record), other[1](record)}
        return True if True in verdicts else None if None in verdicts else False

    return one[0] | other[0], test


def opposite(one: Case) -> Case:
    def test(record: Row) -> bool | None:
        verdict = one[1](record)
        return None if verdict is None else not verdict

    return ~one[0], test


CASES = st.recursive(
    leaves(),
    lambda inner: (
        st.builds(both, inner, inner) | st.builds(either, inner, inner) | st.builds(opposite, inner)
    ),
    max_leaves=5,
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=FEW), min_size=1, max_size=6)
PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def filled() -> Iterator[Database]:
    database = connect("memory://", default=False)
    yield database
    database.close()


def fill(rows: list[dict[str, Any]]) -> list[Row]:
    Row.delete_all()
    made = [Row(key=key, vector=[1, key], **row) for key, row in enumerate(rows)]
    Row.save_many(made)
    return made


@PATIENT
@given(rows=ROWS, cases=st.lists(CASES, min_size=1, max_size=8))
@example(
    rows=[{"at": SECOND.replace(microsecond=1)}, {"at": SECOND}],
    cases=[leaf("at", Row.at > SECOND, lambda value: value > SECOND)],
)
def test_the_store_finds_what_python_would(filled, rows, cases):
    with filled:
        made = fill(rows)
        for condition, test in cases:
            wanted = [record.key for record in made if test(record) is True]
            query = Row.find(condition)
            assert sorted(each.key for each in query) == wanted, condition
            assert query.count() == len(wanted)
            assert query.exists() is bool(wanted)
            hits = Row.search([1.0, 0.0], where=condition, limit=10)
            assert sorted(hit.record.key for hit in hits) == wanted


@PATIENT
@given(rows=ROWS, orders=st.lists(st.tuples(st.sampled_from(ORDERED), st.booleans()), min_size=1, max_size=3))
@example(rows=[{"at": SECOND}, {"at": SECOND.replace(microsecond=1)}], orders=[("at", False)])
def test_orders_are_python_s(filled, rows, orders):
    with filled:
        made = fill(rows)
        wanted = list(made)
        for name, descending in reversed(orders):
            there = [each for each in wanted if getattr(each, name) is not None]
            absent = [each for each in wanted if getattr(each, name) is None]
            there.sort(key=lambda each: getattr(each, name), reverse=descending)
            wanted = absent + there if descending else there + absent
        given_orders = [
            getattr(Row, name).desc() if down else getattr(Row, name).asc() for name, down in orders
        ]
        assert [each.key for each in Row.find().order_by(*given_orders)] == [each.key for each in wanted]


# -- expressions ------------------------------------------------------------------------


def test_a_class_gives_expressions():
    assert isinstance(Row.n, Column)
    assert isinstance(Row.vector, VectorColumn)
    assert isinstance(Row.n > 1, Condition)
    assert isinstance(Row.n.asc(), Order)
    assert (repr(Row.n), repr(Row.vector)) == ("Row.n", "Row.vector")
    assert len({Row.n, Row.n, Row.x}) == 2
    with pytest.raises(AttributeError, match="nothing"):
        Row.nothing  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="nothing"):
        Row(key=1, vector=[1, 2]).nothing  # type: ignore[attr-defined]


def test_record_ids(filled):
    with filled:
        one, other = fill([{}, {}])
        assert isinstance(Row.record_id, Column)
        assert Row.find(Row.record_id == one.record_id).one() == Row.get(one.record_id)
        assert Row.find(Row.record_id.in_([one.record_id, other.record_id])).count() == 2
        assert Row.find(Row.record_id != one.record_id).one().key == other.key
        assert Row.find(~(Row.record_id == one.record_id)).one().key == other.key
        assert Row.find((Row.record_id == one.record_id) & (Row.key == one.key)).count() == 1
        assert [each.key for each in Row.find().order_by(Row.record_id.desc())] == [1, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bool(Row.n > 1),
        lambda: (Row.n > 1) and (Row.n < 3),
        lambda: (Row.n > 1) or (Row.n < 3),
        lambda: not (Row.n > 1),
        lambda: 1 < Row.n < 3,
        lambda: 1 in [Row.n],
        lambda: bool(Row.n),
        lambda: (Row.n > 1) & True,
        lambda: (Row.n > 1) | (1 == 1),
        lambda: True & (Row.n > 1),
    ],
)
def test_conditions_have_no_truth_value(wrong):
    with pytest.raises(TypeError):
        wrong()


@pytest.mark.parametrize("condition", [True, False, None, "n > 1", {"n": 1}, 1])
def test_only_conditions_are_conditions(filled, condition):
    with filled:
        with pytest.raises(TypeError, match="expected a condition such as Row"):
            Row.find(condition)
        with pytest.raises(TypeError, match="expected a condition such as Row"):
            Row.find().where(condition)
        if condition is not None:
            with pytest.raises(TypeError, match="expected a condition such as Row"):
                Row.search([1, 2], where=condition)


ANY: Any = Row


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: ANY.n > "a", "expected int, got str"),
        (lambda: ANY.n == "a", "expected int, got str"),
        (lambda: ANY.n == 1.5, "expected int, got float"),
        (lambda: ANY.n == True, "expected int, got bool"),  # noqa: E712
        (lambda: ANY.n == 2**53 + 1, r"2\*\*53"),
        (lambda: ANY.n > None, "is_none"),
        (lambda: ANY.n.in_([1, None]), "is_none"),
        (lambda: ANY.n.in_(1), "several values"),
        (lambda: ANY.s.in_("abc"), "several values"),
        (lambda: ANY.price.in_(Decimal(1)), "several values"),
        (lambda: ANY.n.between(1, "b"), "expected int"),
        (lambda: ANY.n.contains("a"), "for text"),
        (lambda: ANY.mood.startswith("c"), "for text"),
        (lambda: ANY.at.contains("2020"), "for text"),
        (lambda: ANY.s.contains(1), "expected str"),
        (lambda: ANY.s.contains(["a"]), "expected str"),
        (lambda: ANY.s == "\ud800", "surrogate"),
        (lambda: ANY.s.endswith("\ud800"), "surrogate"),
        (lambda: ANY.x == float("nan"), "finite"),
        (lambda: ANY.b > False, "no order"),
        (lambda: ANY.uid > UUID(int=1), "no order"),
        (lambda: ANY.mood.asc(), "no order"),
        (lambda: ANY.words.asc(), "no order"),
        (lambda: ANY.price > Decimal(1), "as_number=True"),
        (lambda: ANY.price.desc(), "no order"),
        (lambda: ANY.price == 1, "expected Decimal, got int"),
        (lambda: ANY.price == Decimal("NaN"), "finite"),
        (lambda: ANY.at == dt.datetime(2020, 1, 1), "time zone"),
        (lambda: ANY.at == dt.date(2020, 1, 1), "expected datetime, got date"),
        (lambda: ANY.day == SECOND, "expected date, got datetime"),
        (lambda: ANY.kind == "c", "expected one of"),
        (lambda: ANY.mood == "calm", "expected Mood, got str"),
        (lambda: ANY.n == ANY.x, "expected int, got Column"),
        (lambda: ANY.numbers == ["a"], "expected int, got str"),
        (lambda: ANY.extra == {"a": 1}, "JSON text"),
        (lambda: ANY.extra.in_([{}]), "JSON text"),
        (lambda: ANY.extra.contains("a"), "for text"),
        (lambda: ANY.extra.asc(), "no order"),
    ],
)
def test_an_operand_the_field_could_not_hold_is_refused_at_once(wrong, says):
    with pytest.raises(QueryError, match=rf"Row\.\w+.*{says}") as caught:
        wrong()
    assert caught.value.field in Row.__pydantic_fields__


def test_json_fields_can_be_asked_whether_they_are_there(filled):
    with filled:
        Row.delete_all()
        Row(key=1, extra={"a": 1}, vector=[1, 1]).save()
        Row(key=2, vector=[1, 1]).save()
        column: Any = Row.extra
        assert Row.find(column.exists()).one().key == 1
        assert Row.find(column.is_none()).one().key == 2
        assert Row.find(column == None).one().key == 2  # noqa: E711
        assert Row.find(column != None).one().key == 1  # noqa: E711


def test_conditions_of_other_models_are_refused(filled):
    class Other(Model):
        n: Field[int]

    any_condition: Any = Other.n == 1
    with pytest.raises(QueryError, match=r"Other.*Row"):
        Row.find(any_condition)
    with pytest.raises(QueryError, match="Other"):
        (Row.n == 1) & any_condition
    with filled, pytest.raises(QueryError, match="Other"):
        Row.search([1, 2], where=any_condition)


@pytest.mark.parametrize("name", [*FEW])
def test_no_value_at_all_is_one_of_none(filled, name):
    """``in_([])`` finds nothing, and ``not_in([])`` every record that has the property, for every type."""
    column: Any = getattr(Row, name)
    with filled:
        Row.delete_all()
        value = {
            "n": 1,
            "x": 1.0,
            "b": True,
            "s": "a",
            "at": SECOND,
            "day": SECOND.date(),
            "time": dt.time(1),
            "uid": UUID(int=1),
            "mood": Mood.CALM,
            "price": Decimal(1),
            "amount": Decimal(1),
            "kind": "a",
            "words": ["a"],
            "numbers": [1],
            "days": [SECOND.date()],
        }[name]
        Row.save_many([Row(key=1, vector=[1, 1], **{name: value}), Row(key=2, vector=[1, 1])])
        assert Row.find(column.in_([])).count() == 0
        assert Row.find(column.not_in([])).one().key == 1


def test_datetimes_are_compared_as_instants(filled):
    with filled:
        Row.delete_all()
        moments = [SECOND + dt.timedelta(microseconds=each) for each in (-1, 0, 1, 500_000, 1_000_000)]
        Row.save_many(Row(key=key, at=each, vector=[1, 1]) for key, each in enumerate(moments))
        assert [each.key for each in Row.find().order_by(Row.at.asc())] == [0, 1, 2, 3, 4]
        assert Row.find(Row.at >= SECOND).count() == 4
        assert Row.find(Row.at < SECOND + dt.timedelta(seconds=1)).count() == 4
        in_nepal = SECOND.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))
        assert Row.find(Row.at == in_nepal).one().key == 1

"""`find`: conditions against plain Python, orders, pages, snapshots, updates and deletes."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, list-item, misc, operator, union-attr, var-annotated"

from __future__ import annotations

import datetime as dt
import enum
import operator
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError, field_validator

from rushmodel import (
    Condition,
    Coverage,
    Field,
    KeyChanged,
    Model,
    MultipleFound,
    NotFound,
    PropertyError,
    QueryError,
    RushModelError,
    UnboundedQuery,
    connect,
    field,
)
from rushmodel.port import CloseCursor, OpenCursor, ReadCursor

from .conftest import recorded
from .models import Article, Picture, Plain, article, page, picture

UTC = dt.timezone.utc


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Thing(Model):
    always: Field[int] = 0
    text: Field[str | None] = field(default=None, name="the text")
    whole: Field[int | None] = None
    number: Field[float | None] = field(default=None, index=True)
    truth: Field[bool | None] = None
    moment: Field[dt.datetime | None] = None
    day: Field[dt.date | None] = None
    clock: Field[dt.time | None] = None
    uuid: Field[UUID | None] = None
    mood: Field[Mood | None] = None
    exact: Field[Decimal | None] = None
    price: Field[Decimal | None] = field(default=None, as_number=True)
    literal: Field[Literal[1, 2, 3] | None] = None
    texts: Field[list[str] | None] = None
    numbers: Field[list[float] | None] = None
    truths: Field[list[bool] | None] = None
    moments: Field[list[dt.datetime] | None] = None
    exacts: Field[list[Decimal] | None] = None
    anything: dict[str, int] | None = field(default=None, json=True)


TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "B",
    "ß",
    "SS",
    "é",
    "É",
    "a\0b",
    "%",
    "_",
    "'",
    '"',
    "2020-01-01",
    "𝄞",
    "\uffff",
]
NUMBERS = [-1.5, -0.0, 0.0, 1.0, 2.5, 1e300, 5e-324]
# With and without a fraction of a second, and one moment in another zone.
MOMENTS = [
    dt.datetime(2020, 1, 1, tzinfo=UTC),
    dt.datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    dt.datetime(2020, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
    dt.datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC),
    dt.datetime(2020, 1, 1, 5, 30, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.datetime(1, 1, 1, tzinfo=UTC),
]
EXACTS = [Decimal(text) for text in ("1.5", "1.50", "1.05", "0", "-0.0", "1E+2", "100", "-1.5", "15")]
VALUES: dict[str, list[Any]] = {
    "text": TEXTS,
    "whole": [-2, 0, 1, 2, 2**53],
    "number": NUMBERS,
    "truth": [True, False],
    "moment": MOMENTS,
    "day": [dt.date(2020, 1, 1), dt.date(2020, 2, 29), dt.date(999, 12, 31)],
    "clock": [dt.time(), dt.time(1), dt.time(1, 0, 0, 1), dt.time(23, 59, 59, 999_999)],
    "uuid": [UUID(int=0), UUID(int=7)],
    "mood": list(Mood),
    "exact": EXACTS,
    "price": [Decimal("0.1"), Decimal("9.99"), Decimal("10")],
    "literal": [1, 2, 3],
    "texts": TEXTS,
    "numbers": NUMBERS,
    "truths": [True, False],
    "moments": MOMENTS,
    "exacts": EXACTS,
    "anything": [{}, {"a": 1}],
}
LISTS = ["texts", "numbers", "truths", "moments", "exacts"]
ORDERED = ["text", "whole", "number", "moment", "day", "clock", "price", "literal"]
ORDERED_LISTS = ["texts", "numbers", "moments"]
TEXTUAL = ["text", "texts"]

Verdict: TypeAlias = "bool | None"


class Case(NamedTuple):
    """A condition, and what plain Python says of an instance: None where a property is absent (R20)."""

    condition: Condition[Any]
    test: Callable[[Any], Verdict]


def things() -> st.SearchStrategy[dict[str, Any]]:
    chosen = {
        name: st.lists(st.sampled_from(values), max_size=3) if name in LISTS else st.sampled_from(values)
        for name, values in VALUES.items()
    }
    return st.fixed_dictionaries({}, optional=chosen)


def leaf(name: str, verb: str, operand: Any) -> Case:
    column = getattr(Thing, name)
    compare: Callable[[Any], bool]
    if verb in ("is_none", "exists"):
        there = verb == "exists"
        return Case(getattr(column, verb)(), lambda thing: (getattr(thing, name) is not None) == there)
    if verb == "between":
        condition, compare = column.between(*operand), lambda value: operand[0] <= value <= operand[1]
    elif verb in ("in_", "not_in"):
        condition, compare = getattr(column, verb)(operand), lambda value: value in operand
    elif verb in ("contains", "startswith", "endswith"):
        condition = getattr(column, verb)(operand)
        compare = {
            "contains": lambda value: operand.casefold() in value.casefold(),
            "startswith": lambda value: value.startswith(operand),
            "endswith": lambda value: value.endswith(operand),
        }[verb]
    else:
        condition = getattr(operator, verb)(column, operand)
        compare = lambda value: getattr(operator, "eq" if verb == "ne" else verb)(value, operand)  # noqa: E731

    def test(thing: Any) -> Verdict:
        value = getattr(thing, name)
        if value is None:
            return None
        if name in LISTS and not isinstance(operand, list):
            holds = any(map(compare, value))  # any element counts
        elif name in LISTS and verb in ("in_", "not_in"):
            holds = any(map(compare, value))
        else:
            holds = compare(value)
        return holds != (verb in ("ne", "not_in"))

    return Case(condition, test)


def leaves() -> st.SearchStrategy[Case]:
    @st.composite
    def make(draw: Any) -> Case:
        name = draw(st.sampled_from(list(VALUES)))
        verbs = ["is_none", "exists"]
        if name != "anything":
            verbs += ["eq", "ne", "in_", "not_in"]
        if name in ORDERED:
            verbs += ["gt", "ge", "lt", "le", "between"]
        elif name in ORDERED_LISTS:
            verbs += ["gt", "ge", "lt", "le"]
        if name in TEXTUAL:
            verbs += ["contains", "startswith", "endswith"]
        verb = draw(st.sampled_from(verbs))
        one = st.sampled_from(VALUES[name])
        if verb in ("in_", "not_in"):
            return leaf(name, verb, draw(st.lists(one, max_size=3)))
        if verb == "between":
            return leaf(name, verb, draw(st.tuples(one, one)))
        if verb in ("eq", "ne") and name in LISTS and name != "exacts" and draw(st.booleans()):
            return leaf(name, verb, draw(st.lists(one, max_size=3)))
        return leaf(name, verb, draw(one))

    return make()


def both(one: Case, other: Case) -> Case:
    def test(thing: Any) -> Verdict:
        verdicts = one.test(thing), other.test(thing)
        return False if False in verdicts else None if None in verdicts else True

    return Case(one.condition & other.condition, test)


def either(one: Case, other: Case) -> Case:
    def test(thing: Any) -> Verdict:
        verdicts = one.test(thing), other.test(thing)
        return True if True in verdicts else None if None in verdicts else False

    return Case(one.condition | other.condition, test)


def negated(one: Case) -> Case:
    def test(thing: Any) -> Verdict:
        verdict = one.test(thing)
        return None if verdict is None else not verdict

    return Case(~one.condition, test)


def conditions() -> st.SearchStrategy[Case]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(negated, inner)
        ),
        max_leaves=6,
    )


BY_HYPOTHESIS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def stored_things(values: list[dict[str, Any]]) -> list[Thing]:
    Thing.delete_all()
    records = [Thing(**each) for each in values]
    Thing.save_many(records)
    return records


@BY_HYPOTHESIS
@given(
    values=st.lists(things(), min_size=1, max_size=8), asked=st.lists(conditions(), min_size=1, max_size=6)
)
def test_conditions_say_what_python_says(db, values, asked):
    records = stored_things(values)
    for condition, test in asked:
        expected = [record for record in records if test(record)]
        assert Thing.find(condition).all() == expected
        assert Thing.find(condition).count() == len(expected)
        assert Thing.find(condition).exists() == bool(expected)
    everything = [record for record in records if all(each.test(record) for each in asked)]
    assert Thing.find(*[each.condition for each in asked]).all() == everything


@BY_HYPOTHESIS
@given(
    values=st.lists(things(), min_size=1, max_size=12),
    orders=st.lists(st.tuples(st.sampled_from(ORDERED), st.booleans()), max_size=3),
    limit=st.none() | st.integers(0, 14),
    offset=st.integers(0, 14),
    size=st.integers(1, 5),
)
def test_orders_and_pages_say_what_python_says(db, values, orders, limit, offset, size):
    expected = stored_things(values)
    for name, descending in reversed(orders):
        values_first = partial(_place, name)
        expected.sort(key=values_first, reverse=descending)  # None last, and first the other way (R16)
    query = Thing.find().offset(offset)
    for name, descending in orders:
        column = getattr(Thing, name)
        query = query.order_by(column.desc() if descending else column.asc())
    if limit is not None:
        query = query.limit(limit)
    expected = expected[offset : None if limit is None else offset + limit]
    assert query.all() == list(query) == list(query.stream()) == expected
    pages = list(query.pages(size))
    assert [record for each in pages for record in each] == expected
    assert all(len(each) == size for each in pages[:-1])
    assert query.first() == (expected[0] if expected else None)
    assert query.count() == len(values)


def _place(name: str, record: Thing) -> tuple[bool, Any]:
    value = getattr(record, name)
    return value is None, 0 if value is None else value


# -- conditions, one by one ---------------------------------------------------


def test_fractions_of_a_second_are_in_order(db):
    moments = sorted(MOMENTS)
    Thing.save_many([Thing(whole=n, moment=moment) for n, moment in enumerate(moments)])
    assert [thing.whole for thing in Thing.find().order_by(Thing.moment.asc(), Thing.whole.asc())] == [
        0, 1, 2, 3, 4, 5
    ]  # fmt: skip
    start = dt.datetime(2020, 1, 1, tzinfo=UTC)
    found = Thing.find(Thing.moment >= start, Thing.moment < start + dt.timedelta(seconds=1))
    assert [thing.whole for thing in found] == [1, 2, 3]
    assert Thing.find(Thing.moment > start).count() == 4


def test_decimals_are_equal_by_value(db):
    Thing(exact=Decimal("1.50"), exacts=[Decimal("1.50"), Decimal("2")]).save()
    equal = Decimal("1.5")
    for condition in (
        Thing.exact == equal,
        Thing.exact.in_([equal]),
        ~(Thing.exact != equal),
        Thing.exacts == equal,
        Thing.exacts.in_([equal]),
        ~Thing.exacts.not_in([equal]),
    ):
        assert Thing.find(condition).count() == 1
    assert repr(Thing.find().one().exact) == "Decimal('1.50')"
    with pytest.raises(QueryError, match="in_"):
        Thing.exacts == [equal, Decimal("2.0")]


@pytest.mark.parametrize("name", [name for name in VALUES if name != "anything"])
def test_in_nothing(db, name):
    Thing(**{name: [] if name in LISTS else VALUES[name][0]}).save()
    Thing().save()  # without the property
    assert Thing.find(getattr(Thing, name).in_([])).count() == 0
    assert Thing.find(getattr(Thing, name).not_in([])).count() == 1  # the property is there
    assert Thing.find(~getattr(Thing, name).in_(iter([]))).count() == 1


def test_values_may_come_from_anywhere(db):
    Thing(whole=1).save()
    for values in ([1], (1,), {1}, iter([1]), range(3), {1: "a"}):
        assert Thing.find(Thing.whole.in_(values)).count() == 1
    for wrong in ("12", b"12", 1, None):
        with pytest.raises(QueryError, match="whole"):
            Thing.whole.in_(wrong)


def test_operands_are_taken_at_once(db):
    values = [1]
    query = Thing.find(Thing.whole.in_(values))
    values.append(2)
    Thing(whole=2).save()
    assert query.count() == 0


def test_record_ids(db):
    records = [Plain(name=name).save() for name in "abc"]
    ids = [record.record_id for record in records]
    assert all(isinstance(each, str) for each in ids)
    assert Plain.find(Plain.record_id == ids[1]).one() == records[1]
    assert Plain.find(Plain.record_id.in_([ids[2], ids[0], "nothing"])).all() == [records[0], records[2]]
    assert Plain.find(Plain.record_id.not_in(ids[:1]), Plain.name != "c").all() == [records[1]]
    assert Plain.find().order_by(Plain.record_id.desc()).all() == records[::-1]
    with pytest.raises(QueryError):
        Plain.find(Plain.record_id > ids[0]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Thing.whole == "1",
        lambda: Thing.whole == 1.5,
        lambda: Thing.whole > True,
        lambda: Thing.whole == 2**60,
        lambda: Thing.text > 5,
        lambda: Thing.text == "\ud800",
        lambda: Thing.number > float("nan"),
        lambda: Thing.moment > dt.datetime(2020, 1, 1),
        lambda: Thing.moment > dt.date(2020, 1, 1),
        lambda: Thing.moment > dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        lambda: Thing.mood == "good",
        lambda: Thing.mood > Mood.BAD,
        lambda: Thing.uuid < UUID(int=1),
        lambda: Thing.truth < True,
        lambda: Thing.exact > Decimal(1),
        lambda: Thing.exact.asc(),
        lambda: Thing.texts.asc(),
        lambda: Thing.whole > None,
        lambda: Thing.whole.contains("1"),
        lambda: Thing.text.contains(1),
        lambda: Thing.text.startswith(None),
        lambda: Thing.numbers == "a",
        lambda: Thing.anything == {"a": 1},
        lambda: Thing.anything.asc(),
        lambda: Thing.literal == 4,
    ],
)
def test_operands_that_make_no_sense(wrong):
    with pytest.raises((QueryError, AttributeError)) as caught:
        wrong()
    assert isinstance(caught.value, QueryError)


def test_conditions_have_no_truth_value():
    with pytest.raises(TypeError, match="&"):
        bool(Thing.whole == 1)
    with pytest.raises(TypeError, match="between"):
        1 < Thing.whole < 3
    with pytest.raises(TypeError):
        (Thing.whole == 1) & True
    for wrong in (True, 1, None, Thing.whole, "whole = 1", {"whole": 1}):
        with pytest.raises(TypeError):
            Thing.find(wrong)


def test_conditions_on_another_model(db):
    with pytest.raises(QueryError, match="Picture"):
        Article.find(Picture.name == "a")
    with pytest.raises(QueryError):
        (Article.slug == "a") & (Picture.name == "a")


def test_orders_and_fields_of_another_model(db):
    """Picture.name sorts no articles, even if they had a property of that name."""
    with pytest.raises((QueryError, TypeError)):
        Plain.find().order_by(Picture.name.asc())
    with pytest.raises(QueryError):
        Plain.find().only(Picture.name)


def test_conditions_of_a_base_hold_for_its_subclasses(db):
    class Base(Model, abstract=True):
        name: Field[str]

    class Left(Base):
        side: Field[int] = 1

    class Right(Base):
        pass

    Left(name="a").save()
    Right(name="a").save()
    assert Left.find(Base.name == "a", Left.side == 1).count() == 1
    assert Left.find().order_by(Base.name.asc()).count() == 1
    assert Right.find((Base.name == "a") & (Right.name == "a")).count() == 1
    with pytest.raises(RushModelError, match="abstract"):
        Base.find()


# -- terminals ----------------------------------------------------------------


@pytest.fixture
def ten():
    """Ten records in the database of the test, which comes before this among its arguments."""
    records = [Plain(name=str(n), count=n) for n in range(10)]
    Plain.save_many(records)
    return records


def test_queries_are_immutable_and_read_late(db, sent):
    query = Plain.find()
    limited = query.where(Plain.count > 2).order_by(Plain.count.desc()).limit(2).offset(1).with_vectors()
    assert sent == []
    Plain.save_many([Plain(name=str(n), count=n) for n in range(10)])
    assert [record.count for record in limited] == [8, 7]
    assert query.count() == limited.where(Plain.count < 9).count() + 4 == 10
    with pytest.raises(AttributeError):
        query.limited = 5


def test_first_one_and_their_kin(db, ten):
    assert Plain.find().first() == ten[0]
    assert Plain.find().offset(3).first() == ten[3]
    assert Plain.find().limit(0).first() is None
    assert Plain.find(Plain.count == 5).one() == ten[5]
    assert Plain.find(Plain.count == 50).first() is None
    assert Plain.find(Plain.count == 50).one_or_none() is None
    with pytest.raises(NotFound, match="Plain"):
        Plain.find(Plain.count == 50).one()
    for terminal in (Plain.find().one, Plain.find().one_or_none):
        with pytest.raises(MultipleFound, match="Plain"):
            terminal()


def test_count_and_exists_ignore_limit_and_offset(db, ten):
    query = Plain.find(Plain.count >= 5)
    assert query.limit(1).count() == query.offset(20).count() == 5
    assert query.limit(0).exists()
    assert query.offset(20).exists()
    assert not Plain.find(Plain.count > 50).exists()


def test_a_terminal_is_one_command(db, sent, ten):
    for terminal in ("all", "first", "count", "exists"):
        sent.clear()
        getattr(Plain.find(Plain.count > 3), terminal)()
        assert len(sent) == 1
    sent.clear()
    assert len(list(Plain.find().pages(4))) == 3
    assert [type(command) for command in sent] == [OpenCursor, *[ReadCursor] * 4, CloseCursor]


def test_bool_and_len(db):
    with pytest.raises(TypeError, match="exists"):
        bool(Plain.find())
    with pytest.raises(TypeError, match="count"):
        len(Plain.find())


@pytest.mark.parametrize("value", [-1, 1.0, "1", None, True])
def test_numbers_of_records(db, value):
    for builder in (Plain.find().limit, Plain.find().offset):
        with pytest.raises(QueryError, match="whole number"):
            builder(value)
    with pytest.raises(QueryError, match="size"):
        Plain.find().pages(value)  # at once, not when it is iterated
    with pytest.raises(QueryError, match="size"):
        Plain.find().apages(0)


def test_numbers_past_every_store(db):
    for saved in (0, 1):
        query = Plain.find().limit(2**70)
        assert len(query.all()) == len(list(query)) == saved
        assert query.offset(2**70).all() == list(query.offset(2**70)) == []
        assert len(list(Plain.find().pages(2**70))) == saved
        Plain(name="a").save()


def test_only_takes_fields(db):
    for wrong in ((), ("nothing",), ("embedding",), (Article.embedding,)):
        with pytest.raises((QueryError, TypeError, AttributeError)) as caught:
            Article.find().only(*wrong)
        assert isinstance(caught.value, QueryError), wrong


# -- one snapshot -------------------------------------------------------------


@pytest.mark.parametrize("order", [(), (Plain.count.asc(),)])
def test_a_write_during_iteration_is_not_seen(embedded_db, ten, order):
    seen = []
    for record in Plain.find().order_by(*order):
        if not seen:
            Plain(name="new", count=99).save()
            Plain.find(Plain.count == 9).delete()
            Plain.find(Plain.count > 0).update(name="changed")
        seen.append(record)
    assert seen == ten
    assert Plain.find(Plain.name == "changed").count() == 9


def test_pages_see_one_snapshot(embedded_db, ten):
    query = Plain.find().pages(3)
    first = next(query)
    Plain.delete_all()
    assert [first, *query] == [ten[0:3], ten[3:6], ten[6:9], ten[9:]]


def test_the_records_of_an_iteration_can_be_saved(db, ten):
    for record in Plain.find(Plain.count < 100):
        record.count += 100
        record.save(if_unchanged=True)
    assert sorted(record.count for record in Plain.find()) == list(range(100, 110))


def test_an_iteration_that_is_left_gives_its_cursor_up(embedded_db, monkeypatch, ten):
    sent = recorded(embedded_db, monkeypatch)
    for _ in Plain.find():
        break
    assert sum(isinstance(command, OpenCursor) for command in sent) == 1
    assert sum(isinstance(command, CloseCursor) for command in sent) == 1
    assert embedded_db._store.backend._cursors._open == {}


def test_queries_run_where_they_are_asked(db, ten):
    query = Plain.find()
    other = connect("memory://", default=False)
    with other:
        assert query.count() == 0
        stream = query.stream()
        assert list(stream) == []
    assert query.count() == 10
    other.close()


# -- update and delete --------------------------------------------------------


def test_update(db, ten):
    assert Plain.find(Plain.count >= 7).update(name="x", note="n") == 3
    assert [record.name for record in Plain.find(Plain.note == "n")] == ["x"] * 3
    assert Plain.find(Plain.note == "n").update(note=None) == 3
    assert Plain.find(Plain.note.exists()).count() == 0
    assert Plain.find(Plain.count > 50).update(name="y") == 0


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, QueryError),
        ({"nothing": 1}, QueryError),
        ({"embedding": [1, 2, 3]}, QueryError),
        ({"record_id": "x"}, QueryError),
        ({"slug": "x"}, KeyChanged),
        ({"title": 5}, ValidationError),
        ({"title": None}, ValidationError),
        ({"title": "\ud800"}, PropertyError),
        ({"year": 2**60}, PropertyError),
        ({"title": "right", "year": "wrong"}, ValidationError),
    ],
)
def test_an_update_that_makes_no_sense(db, values, error):
    record = article().save()
    with pytest.raises(error):
        Article.find(Article.slug == "warp").update(**values)
    assert Article.get(slug="warp", with_vectors=True) == record


class Careful(Model):
    slug: Field[str] = field(key=True)
    year: Field[int] = field(default=2000, ge=1900)
    title: Field[str] = ""

    @field_validator("title")
    @classmethod
    def _title(cls, value: str) -> str:
        if value == "refused":
            raise ValueError("not that title")
        return value.strip()

    @field_validator("slug", mode="before")
    @classmethod
    def _slug(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def test_an_update_validates_as_an_assignment_does(db):
    Careful(slug="a").save()
    one = Careful.find(Careful.slug == "a")
    for values in ({"year": 5}, {"title": "refused"}):
        with pytest.raises(ValidationError):
            one.update(**values)
    one.update(title="  x  ", year="1999")
    assert (one.one().title, one.one().year) == ("x", 1999)


def test_a_key_is_looked_up_as_it_is_validated(db):
    record = Careful(slug="ABC").save()
    assert record.slug == "abc"
    assert Careful.get(slug="ABC") == record


def test_delete(db, ten):
    assert Plain.find(Plain.count >= 7).delete() == 3
    assert Plain.find(Plain.count >= 7).delete() == 0
    assert Plain.find().count() == 7


def test_delete_takes_vectors_along(db):
    for name in "ab":
        article(name).save()
        page(name).save()
    assert Article.find(Article.slug == "a").delete() == 1
    assert [hit.record.slug for hit in Article.search([1, 2, 3])] == ["b"]
    coverage = {str(change.signature): change.coverage for change in db.plan().changes}
    assert coverage["Article.body external cosine 3"] == Coverage(records=1, vectors=1)
    assert coverage["Page.body external cosine 3"] == Coverage(records=2, vectors=2)


def test_what_is_not_bounded(db, ten):
    whole = [Plain.find(), Plain.find().where()]
    some = Plain.find(Plain.count > 2)
    cut = [some.limit(5), some.offset(1), some.order_by(Plain.count.asc()), some.limit(0)]
    for query in [*whole, *cut]:
        with pytest.raises(UnboundedQuery, match="delete"):
            query.delete()
        with pytest.raises(UnboundedQuery, match="update"):
            query.update(name="x")
    with pytest.raises(UnboundedQuery, match=r"Plain\.delete_all\(\)"):
        Plain.find().delete()
    assert Plain.find().all() == ten


def test_labels_are_apart(db):
    picture("a").save()
    Plain(name="a").save()
    assert Plain.find(Plain.name == "a").update(note="x") == 1
    assert Plain.find(Plain.name == "a").delete() == 1
    assert Picture.find().count() == 1


def test_an_empty_store(db, sent):
    assert Thing.find(Thing.whole > 1).all() == []
    assert Thing.find().first() is None
    assert Thing.find().count() == 0
    assert list(Thing.find().pages()) == []
    assert Thing.find(Thing.whole == 1).delete() == 0
    assert Thing.find(Thing.whole == 1).update(whole=2) == 0
    assert Thing.delete_all() == 0


def test_what_looks_like_a_condition_and_is_none(db):
    """Without a type checker, the way out has to be in the message."""
    for wrong, says in (
        (lambda: Plain.name == "a" & Plain.count > 3, "brackets"),
        (lambda: "a" in Article.tags, "in_"),
        (lambda: -Plain.count, "desc"),
        (lambda: Article.find(Article.embedding == [1, 2, 3]), "vectors take no conditions"),
        (lambda: Plain.find([Plain.count == 1]), "join"),
        (lambda: Plain.save_many(Plain(name="a")), r"\[record\]"),
    ):
        with pytest.raises(TypeError, match=says):
            wrong()
    with pytest.raises(AttributeError, match=r"Plain has no attribute 'nmae'; is 'name' meant"):
        Plain.nmae  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"Article\.embedding is a vector"):
        Article.embedding.asc()  # type: ignore[attr-defined]
    for model, way in ((Plain, r"find\(\.\.\.\)"), (Article, r"Article\.get\(slug=")):
        with pytest.raises(QueryError, match=rf"takes a record id.*{way}"):
            model.get(5)
    with pytest.raises(NotFound, match=r"for the merge key write Article\.get\(slug"):
        Article.get("warp")


def test_a_hit_is_a_pair(db):
    article().save()
    for record, score in Article.search([1, 2, 3]):
        assert (record.slug, score) == ("warp", pytest.approx(1.0))

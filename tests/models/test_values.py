"""What goes in comes out: every type of value, through a store and back."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="misc, valid-type, var-annotated"

from __future__ import annotations

import datetime as dt
import enum
import itertools
import math
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rushmodel import Field, LoadError, Model, PropertyError, QueryError, field
from rushmodel.instance import state_of

from .conftest import Place

UTC = dt.timezone.utc
MOST = 2**53
MEGABYTE = 1_000_000


class Mood(enum.Enum):
    CALM = "calm"
    WILD = 'quo"te\0 😀'
    DATED = "2020-01-01"


class Level(enum.Enum):
    LOW = -1
    HIGH = 2


class Text(str, enum.Enum):
    A = "a"
    B = "b"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Ratio(enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-MOST, MOST)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ZONES = st.sampled_from(
    [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]
    + [dt.timezone(dt.timedelta(minutes=each)) for each in (-1439, -90, 1, 345, 1439)]
    + [dt.timezone(dt.timedelta(seconds=3208, microseconds=7))]
)
# Two days from the ends: what no zone moves out of the calendar.
DATETIMES = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=ZONES)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal(each) for each in ("1.50", "1.5", "1E+3", "1000", "-0", "0.00", "0E+5", "-1E-400", "9" * 60)]
)
FLOAT_DECIMALS = FLOATS.map(lambda number: Decimal(repr(number)))

KINDS: dict[str, tuple[Any, st.SearchStrategy[Any], dict[str, Any]]] = {
    "int": (int, INTEGERS, {}),
    "float": (float, FLOATS, {}),
    "bool": (bool, st.booleans(), {}),
    "str": (str, TEXTS, {}),
    "datetime": (dt.datetime, DATETIMES, {}),
    "naive datetime": (dt.datetime, DATETIMES | st.datetimes(), {"naive": "utc"}),
    "date": (dt.date, st.dates(), {}),
    "time": (dt.time, st.times(), {}),
    "UUID": (UUID, st.uuids(), {}),
    "Enum": (Mood, st.sampled_from(Mood), {}),
    "Enum of int": (Level, st.sampled_from(Level), {}),
    "str Enum": (Text, st.sampled_from(Text), {}),
    "IntEnum": (Number, st.sampled_from(Number), {}),
    "IntFlag": (Bits, st.sampled_from([Bits.A, Bits.B, Bits.A | Bits.B]), {}),
    "Enum of float": (Ratio, st.sampled_from(Ratio), {}),
    "Decimal": (Decimal, DECIMALS, {}),
    "Decimal as number": (Decimal, FLOAT_DECIMALS, {"as_number": True}),
    "Literal": (Literal["a", "b\0", "2020-01-01"], st.sampled_from(["a", "b\0", "2020-01-01"]), {}),
    "Literal of int": (Literal[1, -2], st.sampled_from([1, -2]), {}),
    "Literal of bool": (Literal[True], st.just(True), {}),
}


def model_of(kind: str) -> Any:
    annotation, _, options = KINDS[kind]

    class Value(Model):
        key: Field[int] = field(key=True)
        one: Field[annotation] = field(**options)
        maybe: Field[annotation | None] = field(**options)
        several: Field[list[annotation]] = field(**options)
        maybe_several: Field[list[annotation] | None] = field(default=None, **options)

    return Value


MODELS = {kind: model_of(kind) for kind in KINDS}


def exact(value: Any) -> Any:
    """Equal only for what is the same down to type, sign of zero, digits and instant."""
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, float):
        return float, struct.pack("<d", value)
    if isinstance(value, dt.datetime):
        return dt.datetime, value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, Decimal):
        return Decimal, str(value)
    return type(value), value


@pytest.fixture(scope="module", params=["memory", "file"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One store for all examples; keys keep them apart."""
    made = Place(tmp_path_factory.mktemp("values") / "v.db" if request.param == "file" else None)
    yield made
    made.close()


KEYS = itertools.count(1)
PATIENT = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", KINDS)
@PATIENT
@given(data=st.data())
def test_there_and_back(shared, kind, data):
    model, values = MODELS[kind], KINDS[kind][1]
    first = next(KEYS)
    rows = data.draw(
        st.lists(
            st.tuples(
                values,
                st.none() | values,
                st.lists(values, max_size=4),
                st.none() | st.lists(values, max_size=2),
            ),
            min_size=1,
            max_size=8,
        )
    )
    names = ("one", "maybe", "several", "maybe_several")
    model.save_many(model(key=next(KEYS), **dict(zip(names, row, strict=True))) for row in rows)
    shared.again()
    found = model.find(model.key > first).order_by(model.key.asc()).limit(len(rows)).all()
    for record, row in zip(found, rows, strict=True):
        back = (record.one, record.maybe, record.several, record.maybe_several)
        assert exact(list(back)) == exact(list(row))
        for value in (record.one, *record.several):
            if isinstance(value, dt.datetime):
                assert value.tzinfo is UTC


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_is_unchanged(place, kind):
    """A record that is read and saved again sends nothing: its version stays."""
    model, value = MODELS[kind], _first(kind)
    made = model(key=1, one=value, maybe=None, several=[value, value]).save()
    place.again()
    found = model.get(key=1)
    found.save()
    found.one = found.one
    found.several = list(found.several)
    found.save()
    made.save(if_unchanged=True)
    assert state_of(model.get(key=1)).version == state_of(made).version == 1


def _first(kind: str) -> Any:
    samples: dict[str, Any] = {
        "int": MOST,
        "float": -0.0,
        "bool": False,
        "str": "2020-01-01T00:00:00Z",
        "datetime": dt.datetime(2020, 1, 1, 12, tzinfo=ZoneInfo("Asia/Kathmandu")),
        "naive datetime": dt.datetime(2020, 1, 1),
        "date": dt.date(1, 1, 1),
        "time": dt.time(1),
        "UUID": UUID(int=0),
        "Enum": Mood.DATED,
        "Enum of int": Level.LOW,
        "str Enum": Text.A,
        "IntEnum": Number.TWO,
        "IntFlag": Bits.A | Bits.B,
        "Enum of float": Ratio.WHOLE,
        "Decimal": Decimal("1.50"),
        "Decimal as number": Decimal("1.5"),
        "Literal": "2020-01-01",
        "Literal of int": -2,
        "Literal of bool": True,
    }
    return samples[kind]


@pytest.mark.parametrize(
    "text",
    ["", "\0", "a\0b", "'", '"', "\\", "`;--", "%_", "😀", "e\u0301", "\u00e9", "\U0010ffff", "\ufffe",
     "\r\n", "2020-01-01", "2020-01-01T00:00:00Z", "true", "null", "[1]", "1", "1e5", " pad ", "$gt", "__id",
     "x" * MEGABYTE, "\0" * 1000, "ä" * MEGABYTE],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
def test_texts(place, text):
    model = MODELS["str"]
    made = model(key=1, one=text, maybe=text, several=[text, ""], maybe_several=[]).save()
    place.again()
    found = model.get(key=1)
    assert found == made
    assert type(found.one) is str
    assert model.find(model.one == text).count() == 1
    assert model.find(model.several.in_([text])).count() == 1


@pytest.mark.parametrize("number", [5e-324, -5e-324, -0.0, 0.0, 1.7976931348623157e308, 5.0, 2.0**60, 0.1])
def test_floats(place, number):
    model = MODELS["float"]
    model(key=1, one=number, maybe=number, several=[number], maybe_several=[number, 1.0]).save()
    place.again()
    found = model.get(key=1)
    assert exact([found.one, found.maybe, *found.several]) == exact([number] * 3)
    assert model.find(model.one == number).count() == 1


REFUSED: dict[str, list[tuple[Any, str]]] = {
    "int": [(MOST + 1, "2\\*\\*53"), (-MOST - 1, "2\\*\\*53"), (10**400, "2\\*\\*53")],
    "float": [(math.nan, "finite"), (math.inf, "finite"), (-math.inf, "finite")],
    "datetime": [
        (dt.datetime(2020, 1, 1), "naive='utc'"),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "UTC"),
        (dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-2))), "UTC"),
    ],
    "naive datetime": [(dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))), "UTC")],
    "time": [(dt.time(1, tzinfo=UTC), "time zone")],
    "Decimal as number": [
        (Decimal("0.1000000000000000000001"), "as_number"),
        (Decimal("1E+400"), "finite"),
    ],
}


@pytest.mark.parametrize("where", ["one", "maybe", "several"])
@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [(kind, value, reason) for kind, several in REFUSED.items() for value, reason in several],
)
def test_what_could_not_come_back_is_refused_at_save(file, kind, value, reason, where):
    model = MODELS[kind]
    good = {"one": _first(kind), "maybe": None, "several": []}
    saved = model(key=1, **good).save()
    before = file.content()
    bad = {**good, where: [value] if where == "several" else value}
    with pytest.raises(PropertyError, match=rf"Value\.{where}: .*{reason}") as caught:
        model(key=2, **bad).save()
    assert caught.value.field == where
    setattr(saved, where, bad[where])
    with pytest.raises(PropertyError, match=rf"Value\.{where}"):
        saved.save()
    assert file.content() == before
    assert model.find().count() == 1


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "😀\udc00"])
@pytest.mark.parametrize("where", ["one", "maybe", "several"])
def test_lone_surrogates_are_refused(file, text, where):
    model = MODELS["str"]
    good = {"one": "a", "maybe": None, "several": []}
    model(key=1, **good).save()
    before = file.content()
    value: Any = [text] if where == "several" else text
    with pytest.raises(ValueError, match=where):
        model(key=2, **{**good, where: value}).save()
    with pytest.raises(PropertyError, match=rf"Value\.{where}: .*surrogate"):
        model.model_construct(key=2, **{**good, where: value}).save()
    assert file.content() == before


def test_none_removes_the_property(place):
    class A(Model):
        k: Field[int] = field(key=True)
        x: Field[str | None] = field(default=None)
        y: Field[list[int] | None] = field(default=None)

    made = A(k=1, x="a", y=[]).save()
    assert A.get(k=1).y == []
    made.x = None
    made.y = None
    made.save()
    place.again()
    assert (A.get(k=1).x, A.get(k=1).y) == (None, None)
    stored = place.database.client.records.find({"labels": ["A"]}).data[0].data
    assert not {"x", "y"} & set(stored)
    made.x = ""
    made.save()
    assert A.get(k=1).x == ""


# -- Decimal -----------------------------------------------------------------------------

SAME = [
    ["1.5", "1.50", "15E-1", "1.500"],
    ["1000", "1E+3", "1.0E3"],
    ["0", "-0", "0.00", "0E+9"],
    ["-2", "-2.0"],
]


@pytest.mark.parametrize("same", SAME, ids=str)
@pytest.mark.parametrize("kind", ["Decimal", "Decimal as number"])
def test_equal_decimals_are_found_however_they_are_written(place, kind, same):
    model = MODELS[kind]
    for key, text in enumerate(same):
        model(key=key, one=Decimal(text), maybe=Decimal(text), several=[Decimal(text)]).save()
    model(key=-1, one=Decimal("7"), maybe=None, several=[]).save()
    place.again()
    many = len(same)
    for text in same:
        value = Decimal(text)
        assert model.find(model.one == value).count() == many
        assert model.find(model.maybe == value).count() == many
        assert model.find(model.one.in_([value, Decimal("99")])).count() == many
        assert model.find(model.one != value).count() == 1
        assert model.find(model.maybe != value).count() == 0
        assert model.find(model.one.not_in([value])).count() == 1
        assert model.find(~(model.one == value)).count() == 1
        assert model.find(model.several.in_([value])).count() == many
        assert model.find(model.several == value).count() == many
        assert model.find(model.several != value).count() == 1
        if kind == "Decimal":
            # The text of a whole list is that of its items as they were written.
            with pytest.raises(QueryError, match=r"Value\.several: .*in_\(\)"):
                model.several == [value]
        else:
            assert model.find(model.several == [value]).count() == many
    if kind == "Decimal":
        assert [str(each.one) for each in model.find(model.key >= 0).order_by(model.key.asc())] == [
            str(Decimal(text)) for text in same
        ]


@given(one=DECIMALS, other=DECIMALS)
@example(one=Decimal("1.5"), other=Decimal("1.50"))
@example(one=Decimal("15"), other=Decimal("1.5"))
@example(one=Decimal("-1.5"), other=Decimal("1.5"))
@example(one=Decimal("1"), other=Decimal("1E+1"))
@PATIENT
def test_decimals_are_found_exactly_if_they_are_equal(shared, one, other):
    model = MODELS["Decimal"]
    key = next(KEYS)
    model(key=key, one=one, maybe=None, several=[]).save()
    assert model.find(model.key == key, model.one == other).exists() is (one == other)


def test_decimals_as_numbers_are_ordered(place):
    model = MODELS["Decimal as number"]
    for key, text in enumerate(["10", "9.5", "-3", "1E+3"]):
        model(key=key, one=Decimal(text), maybe=None, several=[]).save()
    assert [int(each.one) for each in model.find(model.one > Decimal(0)).order_by(model.one.asc())] == [
        9,
        10,
        1000,
    ]


# -- JSON --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


class Extra(Model):
    key: Field[int] = field(key=True)
    anything: Any = field(json=True)
    mapping: dict[str, Any] | None = field(json=True, default=None)
    typed: dict[str, list[dt.date]] = field(json=True, default_factory=dict)


class Either(Model):
    key: Field[int] = field(key=True)
    either: dict[str, int] | list[int] | None = field(json=True, default=None)


def exact_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: exact_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [exact_json(each) for each in value]
    return exact(value)


@PATIENT
@given(
    value=JSON.filter(lambda value: value is not None),
    mapping=st.none() | st.dictionaries(TEXTS, JSON, max_size=3),
)
def test_json_there_and_back(shared, value, mapping):
    key = next(KEYS)
    Extra(key=key, anything=value, mapping=mapping, typed={"a": [dt.date(2020, 1, 1)]}).save()
    shared.again()
    found = Extra.get(key=key)
    assert exact_json([found.anything, found.mapping]) == exact_json([value, mapping])
    assert found.typed == {"a": [dt.date(2020, 1, 1)]}


@pytest.mark.parametrize("either", [None, {"a": 1}, [1], {}, []])
def test_json_of_several_types_may_be_none(db, either):
    made = Either(key=1, either=either).save()
    assert Either.get(key=1) == made


def test_json_null_is_a_json_value(db):
    made = Extra(key=1, anything=None).save()
    assert Extra.get(key=1) == made


@pytest.mark.parametrize(
    "value",
    [{"a": (1, 2)}, {1: "a"}, {"a": b"x"}, {"a": math.nan}, {"a": math.inf}, {"a": {1, 2}}, {"a": "\ud800"},
     {"a": dt.date(2020, 1, 1)}, {"a": ...}, {"a": Decimal("1.5")}],
    ids=str,
)  # fmt: skip
def test_what_json_cannot_give_back_is_refused(file, value):
    Extra(key=1, anything=1).save()
    before = file.content()
    with pytest.raises(PropertyError, match=r"Extra\.anything: "):
        Extra(key=2, anything=value).save()
    assert file.content() == before


def test_a_json_value_that_refers_to_itself_is_refused(db):
    value: list[Any] = []
    value.append(value)
    with pytest.raises(PropertyError, match=r"Extra\.anything: "):
        Extra(key=1, anything=value).save()


def test_a_change_inside_a_json_value_is_seen(db):
    made = Extra(key=1, anything={"a": [1]}).save()
    made.anything["a"].append(2)
    made.save()
    assert Extra.get(key=1).anything == {"a": [1, 2]}
    made.typed["x"] = []
    made.save()
    assert Extra.get(key=1).typed == {"x": []}


def test_a_change_inside_a_list_is_seen(db):
    model = MODELS["int"]
    made = model(key=1, one=1, maybe=None, several=[1]).save()
    made.several.append(2)
    made.save()
    assert model.get(key=1).several == [1, 2]
    made.several.append("x")
    with pytest.raises(PropertyError, match=r"Value\.several: expected int, got str"):
        made.save()
    assert model.get(key=1).several == [1, 2]


def test_a_value_the_class_cannot_hold_is_a_load_error(db):
    class A(Model):
        x: Field[int]

    db.client.records.create(label="A", data={"x": "not a number"})
    with pytest.raises(LoadError, match=r"is no A: x: "):
        A.find().all()

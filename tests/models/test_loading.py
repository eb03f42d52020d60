"""From stored records to instances: absent properties, other types, what was not read."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="arg-type, call-arg, misc, valid-type"

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest

from rushmodel import (
    Field,
    LoadError,
    Model,
    NotLoaded,
    OptionalVector,
    Vector,
    VectorField,
    VectorsNotLoaded,
    field,
)
from rushmodel.instance import state_of


class Mood(enum.Enum):
    CALM = "calm"


def stored(db: Any, label: str, **data: Any) -> str:
    """A record as another program writes it; its id."""
    record_id: str = db.client.records.create(label=label, data=data).id
    return record_id


def test_absent_properties(db):
    class A(Model):
        x: Field[int] = field(key=True)
        none: Field[str | None]
        none_first: Field[str | None] = field(default="default")
        default: Field[int] = field(default=5)
        factory: Field[list[str]] = field(default_factory=lambda: ["made"])
        plain: bool = True

    stored(db, "A", x=1)
    found = A.get(x=1)
    assert found.model_dump() == {
        "x": 1,
        "none": None,
        "none_first": None,
        "default": 5,
        "factory": ["made"],
        "plain": True,
    }
    version = state_of(found).version
    found.save()
    assert state_of(A.get(x=1)).version == version, "a record that is read and saved unchanged sends nothing"
    found.default = 6
    found.save()
    assert A.get(x=1).default == 6


def test_an_absent_required_property_is_a_load_error(db):
    class A(Model):
        x: Field[int] = field(key=True)
        title: Field[str] = field(name="the title")

    record_id = stored(db, "A", x=1)
    for read in (
        lambda: A.get(x=1),
        lambda: A.find().all(),
        lambda: A.get(record_id),
        lambda: list(A.find().pages()),
    ):
        with pytest.raises(LoadError, match=rf"record {record_id} is no A: title: .*'the title'") as caught:
            read()
        assert (caught.value.record_id, caught.value.field, caught.value.model) == (record_id, "title", A)
        assert caught.value.status == 422
    assert A.find().count() == 1
    assert A.find().only("x").one().x == 1


@pytest.mark.parametrize("way", ["default", "default_factory"])
def test_defaults_of_two_loaded_records_are_their_own(db, way):
    given: Any = {"default": ["a"]} if way == "default" else {"default_factory": lambda: ["a"]}

    class A(Model):
        x: Field[int] = field(key=True)
        tags: Field[list[str]] = field(**given)
        extra: dict[str, int] = field(default={"n": 1}, json=True)

    stored(db, "A", x=1)
    stored(db, "A", x=2)
    one, other = A.get(x=1), A.get(x=2)
    one.tags.append("mine")
    one.extra["mine"] = 2
    assert (other.tags, other.extra) == (["a"], {"n": 1})
    assert (A.get(x=2).tags, A(x=3).tags, A(x=3).extra) == (["a"], ["a"], {"n": 1})
    one.save()
    assert A.get(x=1).tags == ["a", "mine"]


def test_a_default_factory_may_look_at_the_other_fields(db):
    """Pydantic 2.10 hands the fields before it to a factory that takes an argument."""

    class A(Model):
        x: Field[int] = field(key=True)
        y: Field[int] = field(default_factory=lambda data: data["x"] + 1)

    assert A(x=1).y == 2
    stored(db, "A", x=5)
    assert A.get(x=5).y == 6


def test_a_default_that_cannot_be_stored_is_a_load_error(db):
    class A(Model):
        x: Field[int] = field(key=True)
        y: Field[float] = field(default_factory=lambda: float("nan"))

    stored(db, "A", x=1)
    with pytest.raises(LoadError, match=r"A: y: .*finite"):
        A.get(x=1)


def test_undeclared_properties_are_ignored_and_kept(db):
    class A(Model):
        x: Field[int] = field(key=True)
        y: Field[int] = field(default=0)

    record_id = stored(db, "A", x=1, y=2, other="kept", several=[1.5])
    found = A.get(record_id)
    assert not hasattr(found, "other")
    found.y = 3
    found.save()
    A(x=1, y=4).save()
    data = db.client.records.find_by_id(record_id).data
    assert (data["y"], data["other"], data["several"]) == (4, "kept", [1.5])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "1"), (int, 1.5), (int, True), (int, [1]), (float, "1.5"), (float, True), (bool, 1),
        (bool, "true"), (str, 1), (str, ["a"]), (dt.datetime, "yesterday"), (dt.datetime, 5),
        (dt.datetime, "2020-01-01T00:00:00"), (dt.date, "2020-13-01"), (dt.date, "2020-01-01T00:00:00Z"),
        (dt.time, "25:00"), (UUID, "no"), (UUID, 5), (Mood, "wild"), (Mood, 1), (Decimal, "a"),
        (Decimal, 1.5), (list[int], 1), (list[int], ["a"]), (list[int], [True]), (list[Mood], ["wild"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_another_type_is_a_load_error(db, annotation, value):
    class A(Model):
        x: Field[annotation]
        k: Field[str | None] = field(default=None)

    record_id = stored(db, "A", x=value, k="k")
    with pytest.raises(LoadError, match=rf"record {record_id} is no A: x: ") as caught:
        A.find().all()
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("annotation", "value", "loaded"),
    [
        (int, 5.0, 5),
        (float, 5, 5.0),
        (dt.datetime, "2020-01-01T12:00:00+02:00", dt.datetime(2020, 1, 1, 10, tzinfo=dt.timezone.utc)),
        (
            dt.datetime,
            "2020-01-01T12:00:00.5Z",
            dt.datetime(2020, 1, 1, 12, 0, 0, 500000, tzinfo=dt.timezone.utc),
        ),
        (
            dt.datetime,
            "2020-01-01T12:00:00.123456789Z",
            dt.datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=dt.timezone.utc),
        ),
        (dt.time, "12:00", dt.time(12)),
        (UUID, "00000000-0000-0000-0000-00000000000A", UUID(int=10)),
        (Decimal, "1.50", Decimal("1.50")),
        (list[float], [1, 2.5], [1.0, 2.5]),
    ],
    ids=str,
)
def test_what_another_program_wrote_is_read(db, annotation, value, loaded):
    class A(Model):
        x: Field[annotation]

    stored(db, "A", x=value)
    found = A.find().one().x
    assert found == loaded
    assert str(found) == str(loaded)


def test_text_that_looks_like_a_datetime_stays_text(place):
    class A(Model):
        key: Field[str] = field(key=True)
        text: Field[str]
        several: Field[list[str]]

    made = A(key="2020-01-01", text="2020-01-01T00:00:00Z", several=["2020-01-01"]).save()
    place.again()
    assert A.get(key="2020-01-01") == made
    assert A.find(A.text == "2020-01-01T00:00:00Z", A.several.in_(["2020-01-01"])).count() == 1
    record = place.database.client.records.find({"labels": ["A"]}).data[0]
    assert record.proptypes["text"] == "string"


def test_loading_calls_no_init_and_no_validator(db):
    class A(Model):
        x: Field[int]

        def __init__(self, **values: Any) -> None:
            made.append(values)
            super().__init__(**values)

    made: list[Any] = []
    A(x=1).save()
    assert A.find().one().x == 1
    assert len(made) == 1


def test_what_only_left_out_is_not_loaded(db):
    class A(Model):
        x: Field[int] = field(key=True)
        y: Field[int] = field(default=1)
        z: Field[int | None] = field(default=None)
        v: Vector = VectorField(dims=2)

    A(x=1, y=2, z=3, v=[1, 2]).save()
    found = A.find().only("y").one()
    assert (found.x, found.y) == (1, 2)
    for name in ("z", "v"):
        with pytest.raises(NotLoaded, match=rf"A\.{name} of record {found.record_id} is not loaded"):
            getattr(found, name)
        assert not hasattr(found, name)
        assert f"{name}=<not loaded>" in repr(found)
    assert found.model_dump() == {"x": 1, "y": 2}
    with pytest.raises(NotLoaded):
        found.clone()
    found.y = 5
    found.save()
    whole = A.get(x=1, with_vectors=True)
    assert (whole.y, whole.z, whole.v.tolist()) == (5, 3, [1, 2])
    found.z = 9
    assert found.z == 9
    found.save()
    assert found.refresh(with_vectors=True).z == 9
    assert found == A.get(x=1, with_vectors=True)


def test_a_loaded_instance_is_whole(db):
    class A(Model):
        b: Field[int] = field(key=True)
        a: Field[str]
        v: OptionalVector = VectorField(dims=2, default=None)

    made = A(b=1, a="x").save()
    found = A.get(b=1, with_vectors=True)
    assert list(found.__dict__) == ["b", "a", "v"]
    assert found.model_fields_set == {"b", "a", "v"}
    assert found.model_extra is None
    assert found.record_id == made.record_id
    assert found.is_saved
    assert A.model_validate(found) is found


def test_vectors_of_a_record_that_has_none(db):
    class A(Model):
        k: Field[str] = field(key=True)
        text: Annotated[str, VectorField(dims=2)]
        v: Vector = VectorField(dims=3, property="k")
        listed: Vector[list[float]] = VectorField(dims=4, property="k")
        optional: OptionalVector = VectorField(dims=5, property="k", default=None)

    stored(db, "A", k="a", text="t")
    found = A.get(k="a", with_vectors=True)
    assert found.optional is None
    assert dict(found.vectors) == {}
    for name in ("v", "listed"):
        with pytest.raises(VectorsNotLoaded, match=rf"A\.{name}.*no vector"):
            getattr(found, name)
    with pytest.raises(KeyError):
        found.vectors["text"]
    bare = A.get(k="a")
    for name in ("v", "listed", "optional"):
        with pytest.raises(VectorsNotLoaded, match="with_vectors=True"):
            getattr(bare, name)
    with pytest.raises(VectorsNotLoaded, match="with_vectors=True"):
        bare.vectors["text"]
    found.v = [1, 2, 3]
    found.save()
    assert A.get(k="a", with_vectors=True).v.tolist() == [1, 2, 3]

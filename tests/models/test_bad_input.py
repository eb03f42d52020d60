"""Bad input names its field and leaves the file as it was: no record more, no byte of content changed."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rushmodel import (
    BulkError,
    Field,
    KeyChanged,
    Model,
    OptionalVector,
    PropertyError,
    QueryError,
    RushModelError,
    StaleVector,
    Vector,
    VectorError,
    VectorField,
    connect,
    field,
)

from .conftest import File


class Doc(Model):
    slug: Field[str] = field(key=True)
    number: Field[int] = field(default=0)
    ratio: Field[float | None] = field(default=None)
    at: Field[dt.datetime | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None, as_number=True)
    tags: Field[list[str]] = field(default_factory=list)
    extra: Any = field(json=True, default=0)
    body: Field[str] = field(default="body")
    text: Annotated[str, VectorField(dims=2)] = "text"
    v: Vector = VectorField(dims=3, property="body")
    listed: Vector[list[float]] = VectorField(dims=3)
    image: OptionalVector = VectorField(dims=4, default=None)


ANY: Any = Doc
GOOD: dict[str, Any] = {"slug": "a", "v": [1, 2, 3], "listed": [1, 2, 3], "vectors": {"text": [1, 2]}}
LONE = "a\ud800"

BAD: dict[str, tuple[str, Any]] = {
    "int past 2**53": ("number", 2**53 + 1),
    "int far past": ("number", -(10**300)),
    "NaN": ("ratio", float("nan")),
    "infinity": ("ratio", float("inf")),
    "naive datetime": ("at", dt.datetime(2020, 1, 1)),
    "datetime before year 1 in UTC": ("at", dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=3)))),
    "Decimal that is no float": ("price", Decimal("0.10000000000000000001")),
    "surrogate": ("body", LONE),
    "surrogate in a list": ("tags", ["a", LONE]),
    "surrogate in a key": ("slug", LONE),
    "surrogate in JSON": ("extra", {"a": [LONE]}),
    "NaN in JSON": ("extra", [float("nan")]),
    "bytes in JSON": ("extra", b"x"),
    "wrong type": ("number", "x"),
    "None": ("body", None),
    "None in a list": ("tags", [None]),
    "short vector": ("v", [1, 2]),
    "NaN in a vector": ("v", [1, float("nan"), 3]),
    "zero vector": ("v", [0, 0, 0]),
    "huge vector": ("v", [3e38, 3e38, 0]),
    "float64 overflow": ("v", [1e39, 0, 0]),
    "2-d vector": ("v", np.ones((1, 3))),
    "text vector": ("v", "abc"),
    "bool vector": ("v", [True, True, True]),
    "None in a vector": ("v", [1, None, 3]),
    "None for a vector": ("v", None),
    "long listed": ("listed", [1, 2, 3, 4]),
    "short optional": ("image", [1, 2]),
}


def unchecked(values: dict[str, Any]) -> Any:
    """An instance that pydantic did not check: what a save must refuse by itself."""
    return ANY.model_construct(**{**ANY(**GOOD).__dict__, **values})


def _assign_and_save(record: Any, name: str, value: Any) -> None:
    setattr(record, name, value)
    record.save()


@pytest.mark.parametrize("way", BAD)
def test_every_way_to_save_it_is_refused_and_leaves_the_file_as_it_was(file: File, way):
    name, value = BAD[way]
    saved = ANY(**GOOD).save()
    before = file.content()
    other = connect(file.path, default=False)

    def same() -> None:
        assert file.content() == before
        with other:
            assert Doc.find().count() == 1

    with pytest.raises((ValidationError, RushModelError), match=name):
        ANY(**{**GOOD, "slug": "b", name: value}).save()
    same()
    with pytest.raises((PropertyError, VectorError), match=rf"Doc\.{name}\b") as caught:
        unchecked({"slug": "b", name: value}).save()
    assert caught.value.field == name
    same()
    with pytest.raises(RushModelError, match=rf"Doc\.{name}"):
        saved.model_copy(update={name: value}).save()
    same()
    with pytest.raises((ValidationError, RushModelError), match=name):
        _assign_and_save(saved, name, value)
    same()
    batch = [
        ANY(**{**GOOD, "slug": "c"}),
        unchecked({"slug": "b", name: value}),
        ANY(**{**GOOD, "slug": "d"}),
    ]
    with pytest.raises(BulkError, match=rf"position 1: Doc\.{name}") as bulk:
        Doc.save_many(batch)
    assert [each.position for each in bulk.value.report.failed] == [1]
    same()
    report = Doc.save_many(batch, on_error="skip")
    assert (report.saved, [each.position for each in report.failed]) == (2, [1])
    assert file.content() != before
    other.close()


@pytest.mark.parametrize(
    "vectors",
    [{"text": [1]}, {"text": [0, 0]}, {"text": None}, {"text": [1, float("nan")]}, {"body": [1, 2]}],
)
def test_inline_vectors(file: File, vectors):
    saved = ANY(**GOOD).save()
    before = file.content()
    name = next(iter(vectors))
    with pytest.raises(ValidationError, match=name):
        ANY(**{**GOOD, "slug": "b", "vectors": vectors}).save()
    with pytest.raises(VectorError, match=name):
        saved.vectors[name] = vectors[name]
    saved.save()
    assert file.content() == before


def test_stale_vectors_and_changed_keys(file: File):
    saved = ANY(**GOOD).save()
    before = file.content()
    saved.body = "another"
    with pytest.raises(StaleVector, match=r"Doc\.v"):
        saved.save()
    saved.body = "body"
    saved.text = "another"
    with pytest.raises(StaleVector, match=r"Doc\.text"):
        saved.save()
    saved.text = "text"
    with pytest.raises(KeyChanged, match=r"Doc\.slug.*rename_key\(slug="):
        saved.slug = "b"
    assert saved.slug == "a"
    saved.save()
    assert file.content() == before


@pytest.mark.parametrize("value", [None, LONE, 5, ["a"], "x" * 10])
def test_a_refused_rename_changes_nothing(file: File, value):
    class Short(Model):
        slug: Field[str] = field(key=True, max_length=5)

    saved = Short(slug="a").save()
    before = file.content()
    with pytest.raises((ValidationError, RushModelError), match="slug"):
        saved.rename_key(slug=value)
    assert (saved.slug, saved.is_saved) == ("a", True)
    assert file.content() == before


def test_a_record_without_any_value(file: File):
    class Empty(Model):
        x: Field[int | None] = field(default=None)

    Doc(**GOOD).save()
    before = file.content()
    with pytest.raises(PropertyError, match="Empty"):
        Empty().save()
    assert file.content() == before


@pytest.mark.parametrize("value", [LONE, 2**60, float("nan"), dt.datetime(2020, 1, 1), "x", None, [1]])
@pytest.mark.parametrize("name", ["slug", "number", "at", "ratio", "nothing", "v"])
def test_bad_conditions_and_keys_of_get_change_nothing(file: File, name, value):
    ANY(**GOOD).save()
    before = file.content()
    with pytest.raises((ValidationError, RushModelError)):
        ANY.get(**{name: value})
    if hasattr(Doc, name) and name != "v":
        with contextlib.suppress(QueryError):
            ANY.find(getattr(Doc, name) == value).all()
    assert file.content() == before


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
    st.text(st.characters(categories=["Cs"])), st.binary(), st.datetimes(), st.dates(), st.decimals(),
    st.complex_numbers(),
    st.lists(st.none() | st.booleans() | st.floats() | st.text(), max_size=4),
    st.lists(st.floats(), min_size=3, max_size=3),
    st.dictionaries(st.text(), st.floats(), max_size=2),
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from([*Doc.__pydantic_fields__]), value=ANYTHING)
@example(name="price", value=Decimal("sNaN"))
@example(name="vectors", value={"text": [1, 2]})
@example(name="at", value=dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))))
def test_whatever_is_given_is_stored_as_it_is_or_refused_by_name(stores, name, value):
    """Differential: what a save accepts comes back equal; what it refuses leaves nothing."""
    with stores:
        Doc.delete_all()
        try:
            made = unchecked({name: value}).save()
        except (PropertyError, VectorError) as error:
            refusal = str(error)
        else:
            refusal = None
        if refusal is not None:
            assert name in refusal
            assert Doc.find().count() == 0
            return
        found = ANY.get(made.record_id, with_vectors=True)
        mine, others = made.__dict__[name], found.__dict__[name]
        if name in ("v", "listed", "image") and value is not None:
            mine, others = np.array(mine, "f4").tolist(), np.array(others, "f4").tolist()
        assert mine == others


@pytest.fixture(scope="module")
def stores():
    database = connect("memory://", default=False)
    yield database
    database.close()


def test_no_error_shows_a_whole_vector_or_text(file: File):
    secret = "s3cret" * 1000
    numbers = [0.123456] * 3000
    for values in ({"v": numbers}, {"number": secret}, {"body": numbers}, {"nothing": secret}):
        with pytest.raises(ValidationError) as caught:
            ANY(**{**GOOD, **values})
        assert len(str(caught.value)) < 1000
    for values in (
        {"v": numbers},
        {"number": secret},
        {"body": numbers},
        {"tags": [secret, 1]},
        {"extra": {1: secret}},
    ):
        with pytest.raises(RushModelError) as refused:
            unchecked(values).save()
        assert len(str(refused.value)) < 1000
        assert "0.123456" not in str(refused.value)
        assert secret not in str(refused.value)
    for query in (numbers, [*numbers, "x"]):
        with pytest.raises(VectorError) as searched:
            ANY(**GOOD).save().search(query)
        assert len(str(searched.value)) < 1000

"""What is accepted as a vector, how it is held, and how it is refused at assignment."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="arg-type, attr-defined, union-attr"

from __future__ import annotations

import array
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from rushmodel import Field, Model, OptionalVector, Vector, VectorError, VectorField, VectorsNotLoaded, field


class Item(Model):
    key: Field[str] = field(key=True)
    text: Annotated[str, VectorField(dims=3)] = "t"
    v: Vector = VectorField(dims=3)
    listed: Vector[list[float]] = VectorField(dims=3)
    annotated: Annotated[list[float], VectorField(dims=3)]
    optional: OptionalVector = VectorField(dims=3, default=None)
    far: OptionalVector = VectorField(dims=3, similarity="euclidean", default=None)
    either: OptionalVector = VectorField(dims=3, similarity=("euclidean", "cosine"), default=None)


ANY: Any = Item


def item(**values: Any) -> Any:
    return ANY(**{"key": "a", "v": [1, 2, 3], "listed": [1, 2, 3], "annotated": [1, 2, 3], **values})


class Tensor:
    """As torch has them: no sequence and no array, but a ``tolist``."""

    def tolist(self) -> list[float]:
        return [1.0, 2.0, 3.0]


class WithArray:
    """As pandas has them."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([1.0, 2.0, 3.0])


STRIDED = np.arange(7, dtype="f4")[1::2]
ACCEPTED: dict[str, Any] = {
    "list": [1.0, 2.0, 3.0],
    "ints": [1, 2, 3],
    "mixed": [1, 2.0, np.float32(3)],
    "tuple": (1, 2, 3),
    "range": range(1, 4),
    "deque": deque([1, 2, 3]),
    "array f": array.array("f", [1, 2, 3]),
    "array d": array.array("d", [1, 2, 3]),
    "array i": array.array("i", [1, 2, 3]),
    "memoryview": memoryview(array.array("f", [1, 2, 3])),
    "tolist": Tensor(),
    "__array__": WithArray(),
    "not contiguous": (STRIDED + 1) / 2,
    "strided": np.array([1, 9, 2, 9, 3, 9], dtype="f4")[::2],
    "reversed": np.array([3, 2, 1], dtype="f4")[::-1],
    **{
        code: np.array([1, 2, 3], dtype=code)
        for code in ("f2", "f4", "f8", ">f4", ">f8", "i1", "i8", "u1", "g")
    },
}


@pytest.mark.parametrize("way", ACCEPTED)
def test_accepted_forms(db, way):
    value = ACCEPTED[way]
    wanted = [1.0, 2.0, 3.0]
    made = item(v=value, listed=value, annotated=value, optional=value, vectors={"text": value})
    for held in (made.v, made.optional, made.vectors["text"]):
        assert type(held) is np.ndarray
        assert (held.dtype, held.shape, held.flags.writeable) == (np.float32, (3,), False)
        assert held.flags.c_contiguous
        assert held.tolist() == wanted
    for listed in (made.listed, made.annotated):
        assert type(listed) is list
        assert listed == wanted
        assert all(type(number) is float for number in listed)
    made.save()
    found = Item.get(key="a", with_vectors=True)
    assert found == made
    for held in (found.v, found.optional, found.vectors["text"]):
        assert (type(held), held.dtype, held.flags.writeable) == (np.ndarray, np.float32, False)
    assert [hit.record.key for hit in Item.search(value, on="v")] == ["a"]
    found.v = value
    found.save()
    assert Item.get(key="a", with_vectors=True).v.tolist() == wanted


def test_a_read_only_float32_array_is_kept_and_others_are_copied(db):
    mine = np.array([1, 2, 3], dtype="f4")
    made = item(v=mine)
    assert made.v is not mine
    mine[0] = 9
    assert made.v[0] == 1
    mine.flags.writeable = False
    made.v = mine
    assert made.v is mine
    assert made.save().v is mine
    view = np.arange(6, dtype="f4")[1:4]
    view.flags.writeable = False
    made.v = view
    assert made.v is not view
    assert made.v.flags.owndata


def test_a_caller_s_array_stays_writeable():
    mine = np.array([1, 2, 3], dtype="f4")
    item(v=mine)
    mine[0] = 9
    assert mine.flags.writeable


def test_a_list_is_copied():
    mine = [1.0, 2.0, 3.0]
    made = item(listed=mine)
    mine[0] = 9.0
    assert made.listed == [1, 2, 3]


def test_a_change_inside_a_listed_vector_is_seen_or_refused(db):
    made = item().save()
    made.listed[0] = 7.0
    made.save()
    assert Item.get(key="a", with_vectors=True).listed == [7, 2, 3]
    made.listed.append(1.0)
    with pytest.raises(VectorError, match=r"Item\.listed: expected 3 numbers, got 4"):
        made.save()
    made.listed[:] = [float("nan")] * 3
    with pytest.raises(VectorError, match=r"Item\.listed: .*nan"):
        made.save()
    assert Item.get(key="a", with_vectors=True).listed == [7, 2, 3]


BIG = 1e30
REFUSED: dict[str, tuple[Any, str]] = {
    "short": ([1, 2], "expected 3 numbers, got 2"),
    "long": (np.ones(4, "f4"), "expected 3 numbers, got 4"),
    "empty": ([], "expected 3 numbers, got 0"),
    "NaN": ([1, float("nan"), 3], "nan at position 1"),
    "infinity": ([1, 2, float("inf")], "inf at position 2"),
    "NaN float32": (np.array([np.nan, 2, 3], "f4"), "nan at position 0"),
    "infinity float16": (np.array([1, -np.inf, 3], "f2"), "-inf at position 1"),
    "two rows": ([[1, 2, 3]], "list at position 0"),
    "2-d": (np.ones((1, 3)), r"shape \(1, 3\)"),
    "2-d float32": (np.ones((3, 1), "f4"), r"shape \(3, 1\)"),
    "0-d": (np.float32(3), r"shape \(\)|float32"),
    "0-d array": (np.array(3.0), r"shape \(\)"),
    "string": ("1,2", "str"),
    "string of the length": ("123", "str"),
    "bytes": (b"123", "bytes"),
    "bytearray": (bytearray(b"123"), "bytearray"),
    "strings": (["1", "2", "3"], "str at position 0"),
    "array of strings": (np.array(["1", "2", "3"]), "<U1"),
    "bools": ([True, False, True], "bool at position 0"),
    "a bool": ([1.0, True, 3.0], "bool at position 1"),
    "numpy bools": ([1.0, np.bool_(True), 3.0], "bool_? at position 1"),
    "array of bools": (np.array([True, False, True]), "bool"),
    "None in it": ([1, None, 3], "NoneType at position 1"),
    "objects": (np.array([1, None, 3]), "object"),
    "complex": (np.array([1, 2, 3j]), "complex128"),
    "a complex": ([1, 2, 3j], "complex at position 2"),
    "Decimal": ([Decimal(1), 2, 3], "Decimal at position 0"),
    "Fraction": ([Fraction(1, 2), 2, 3], "Fraction at position 0"),
    "dict": ({0: 1, 1: 2, 2: 3}, "dict"),
    "set": ({1, 2, 3}, "set"),
    "generator": ((number for number in [1, 2, 3]), "generator"),
    "number": (5, "int"),
    "dates": (np.array(["2020-01-01"] * 3, dtype="M8[D]"), "datetime64"),
    "float64 overflow": ([1, 1e39, 3], "position 1 does not fit into float32"),
    "float64 array overflow": (np.array([1, 2, -1e39]), "position 2 does not fit into float32"),
    "int overflow": ([1, 2, 10**400], "position 2 does not fit into float32"),
    "int64 sum": ([10**39, 2, 3], "position 0 does not fit into float32"),
    "longdouble": (
        np.array([1, 2, np.longdouble("1e4000")], dtype="g"),
        "position 2 does not fit|inf at position 2",
    ),
}
COSINE: dict[str, tuple[Any, str]] = {
    "zero": ([0, 0, 0], "zero"),
    "minus zero": ([0.0, -0.0, 0.0], "zero"),
    "underflow": ([1e-45, 0, 0], "zero"),
    "tiny norm": ([1e-30, 1e-30, 0], "zero"),
    "huge norm": ([BIG, BIG, BIG], "too large"),
    "huge norm float32": (np.full(3, 3e38, "f4"), "too large"),
}
FIELDS = ["v", "listed", "annotated", "optional", "either"]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("way", [*REFUSED, *COSINE])
def test_refused_at_construction_and_assignment(way, name):
    value, says = {**REFUSED, **COSINE}[way]
    if way == "generator":
        value = (number for number in [1, 2, 3])
    with pytest.raises(ValidationError, match=says) as caught:
        item(**{name: value})
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]
    made = item()
    before = made.__dict__[name]
    with pytest.raises(ValidationError, match=says) as caught:
        setattr(made, name, value)
    assert caught.value.errors()[0]["loc"] == (name,)
    assert made.__dict__[name] is before
    assert "input_value" not in str(caught.value)


@pytest.mark.parametrize("code", ["f4", "f8"])
def test_a_masked_number_is_none_and_refused(code):
    """What lies under the mask is no value: taking it would be silently wrong."""
    with pytest.raises(ValidationError, match="mask"):
        item(v=np.ma.array([1, 2, 3], mask=[0, 1, 0], dtype=code))


@pytest.mark.parametrize("way", [*REFUSED, *COSINE])
def test_inline_vectors_are_refused_by_name(way):
    value, says = {**REFUSED, **COSINE}[way]
    if way == "generator":
        value = (number for number in [1, 2, 3])
    made = item(vectors={"text": [1, 2, 3]})
    with pytest.raises(VectorError, match=rf"vectors\['text'\].*({says})") as caught:
        made.vectors["text"] = value
    assert caught.value.field == "text"
    assert made.vectors["text"].tolist() == [1, 2, 3]
    for assign in (lambda: item(vectors={"text": value}), lambda: setattr(made, "vectors", {"text": value})):
        with pytest.raises(ValidationError, match=r"vectors\['text'\]"):
            assign()
    assert made.vectors["text"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("value", [None, 5, "text", [1, 2, 3], {"other": [1, 2, 3]}, {"v": [1, 2, 3]}])
def test_vectors_is_a_mapping_of_the_inline_fields(value):
    with pytest.raises(ValidationError, match="vectors"):
        item(vectors=value)


def test_an_unknown_inline_vector_is_told_which_there_are():
    made = item()
    with pytest.raises(VectorError, match=r"vectors\['body'\].*'text'"):
        made.vectors["body"] = [1, 2, 3]
    with pytest.raises(KeyError):
        made.vectors["body"]
    assert "text" not in made.vectors


@pytest.mark.parametrize("way", COSINE)
def test_euclidean_takes_what_cosine_refuses(db, way):
    value = COSINE[way][0]
    made = item(far=value).save()
    assert Item.get(key="a", with_vectors=True).far.tolist() == np.array(value, "f4").tolist()
    assert Item.search(value, on=Item.far)[0].score == 1.0
    assert made.far is not None


@pytest.mark.parametrize("name", ["v", "listed", "annotated"])
def test_none_is_for_optional_vectors(name):
    with pytest.raises(ValidationError):
        item(**{name: None})
    assert item(optional=None).optional is None


def test_a_managed_vector_cannot_be_given():
    class Product(Model):
        sku: Field[str] = field(key=True)
        text: Field[str]
        v: Vector = VectorField(source="managed", dims=3, property="text")

    for given_value in ([1, 2, 3], None):
        with pytest.raises(ValidationError, match="the store makes this vector itself"):
            Product.model_validate({"sku": "a", "text": "t", "v": given_value})
    made = Product(sku="a", text="t")
    assert made.v is None
    with pytest.raises(ValidationError, match="the store makes this vector itself"):
        made.v = [1, 2, 3]


FLOAT32 = arrays.arrays("f4", 3, elements=st.floats(-(2.0**50), 2.0**50, width=32))


@settings(max_examples=60, deadline=None)
@given(vector=FLOAT32.filter(lambda vector: float(np.dot(vector, vector)) > 0))
def test_the_numbers_are_stored_as_they_are(vector):
    from rushmodel import connect

    database = connect("memory://", default=False)
    with database:
        item(v=vector, listed=vector, vectors={"text": vector.tolist()}).save()
        found = ANY.get(key="a", with_vectors=True)
    database.close()
    assert found.v.tobytes() == vector.tobytes()
    assert np.array(found.listed, "f4").tobytes() == vector.tobytes()
    assert found.vectors["text"].tobytes() == vector.tobytes()


def test_an_optional_vector_is_taken_away_by_none(place):
    made = item(optional=[1, 2, 3], vectors={"text": [1, 2, 3]}).save()
    made.optional = None
    del made.vectors["text"]
    made.save()
    place.again()
    found = Item.get(key="a", with_vectors=True)
    assert found.optional is None
    assert dict(found.vectors) == {}
    assert not Item.search([1, 2, 3], on="optional")
    assert not Item.search([1, 2, 3], on="text")


def test_taking_away_an_inline_vector_that_was_not_read_is_not_silent(db):
    item(vectors={"text": [1, 2, 3]}).save()
    found = Item.get(key="a")
    with pytest.raises(VectorsNotLoaded):
        del found.vectors["text"]
    found.vectors = {}
    found.save()
    assert dict(Item.get(key="a", with_vectors=True).vectors) == {}

"""Cells of the file: what goes in comes out, and what could not is refused."""

from __future__ import annotations

import math
import sqlite3
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rushmodel.backends.embedded.values import pack, unpack, well_formed
from rushmodel.errors import PropertyError
from rushmodel.wire.proptypes import looks_like_datetime, value_type

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(
    TEXT,
    INTEGERS,
    FLOATS,
    st.booleans(),
    st.lists(TEXT),
    st.lists(INTEGERS | FLOATS),
    st.lists(st.booleans()),
)


def stored(cell):
    """The cell after SQLite had it, in a column without a type."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t(c)")
    connection.execute("INSERT INTO t VALUES (?)", (cell,))
    [(back,)] = connection.execute("SELECT c FROM t")
    connection.close()
    return back


def exact(value):
    """Types and bits as well: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(value, list):
        return [exact(element) for element in value]
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


@given(VALUES)
@example(5.0)
@example(-0.0)
@example(5e-324)
@example([1e16, 2.0, -0.0, 2**53])
@example([])
@example("a\0b")
@example("x" * 1_000_000)
@example(["\0", '"', "\\", "\U0010ffff"])
def test_what_goes_in_comes_out(value):
    assert exact(unpack(stored(pack(value)))) == exact(value)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (True, b"true"),
        (False, b"false"),
        ([1, 2.5], b"[1,2.5]"),
        ([], b"[]"),
        (["é"], '["é"]'.encode()),
        ("x", "x"),
        (7, 7),
        (7.0, 7.0),
    ],
)
def test_format_1_of_cells(value, cell):
    assert exact(pack(value)) == exact(cell)


def test_a_float_of_another_class_is_stored_as_a_number():
    class Celsius(float):
        pass

    assert unpack(stored(pack(Celsius(1.5)))) == 1.5
    assert unpack(stored(pack([Celsius(1.5)]))) == [1.5]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "finite"),
        (math.inf, "finite"),
        ([1.0, -math.inf], "finite"),
        (2**53 + 1, "54 bits"),
        ([-(2**80)], "81 bits"),
        ("\ud800", "surrogate"),
        (["a", "\udfff"], "surrogate"),
        ([1, "a"], "number and string"),
        ([1, True], "boolean and number"),
        ([None], "NoneType"),
        ([[1]], "list"),
        (None, "NoneType"),
        ({"a": 1}, "dict"),
        (b"x", "bytes"),
        ((1,), "tuple"),
    ],
)
def test_r15_what_the_file_cannot_give_back_is_refused(value, message):
    with pytest.raises(PropertyError, match=message):
        pack(value)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01",
        "2024-02-29",
        "0001-01-01",
        "9999-12-31",
        "2024-03-01T10:20:30Z",
        "2024-03-01T10:20:30.123Z",
        "2024-01-01T00:00:00.123456789Z",
        "2024-03-01T10:20:30+02:00",
        "2024-03-01T10:20:30-00:30",
        "2024-01-01T00:00:00+0530",
    ],
)
def test_r14_datetimes(text):
    assert looks_like_datetime(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-02-30",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-00-01",
        "2024-13-01",
        "2024-01-00",
        "0000-01-01",
        "20240101",
        "24-01-01",
        "2024-1-1",
        " 2024-01-01",
        "2024-01-01\n",
        "2024-01-01T10:00",
        "2024-01-01T10:00:00",
        "2024-01-01 10:00:00",
        "2024-01-01T10:00:00.Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:60:00Z",
        "2024-01-01T10:00:60Z",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T10:00:00.1234567890Z",
        "2024-01-01T10:00:00z",
        "2024-01-01T10:00:00+24:00",
        "2024-01-01T10:00:00+2",
        "٢٠٢٤-٠١-٠١",
        "10:20:30",
        "2024-01-01\0",
    ],
)
def test_r14_strings(text):
    assert not looks_like_datetime(text)


@given(st.datetimes(), st.sampled_from(["Z", "+05:30", "-1100"]))
def test_r14_every_real_moment_is_a_datetime(moment, zone):
    assert looks_like_datetime(moment.isoformat(timespec="seconds") + zone)
    assert looks_like_datetime(moment.isoformat(timespec="microseconds") + zone)
    assert looks_like_datetime(moment.date().isoformat())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "string"),
        ("2024-01-01", "datetime"),
        (1, "number"),
        (1.5, "number"),
        (True, "boolean"),
        ([], "string"),
        (["x"], "string"),
        ([1, 2.5], "number"),
        ([True], "boolean"),
        (["2024-01-01", "2024-01-02"], "datetime"),
        (["2024-01-01", "x"], "string"),
    ],
)
def test_r14_types(value, kind):
    assert value_type(value) == kind


def test_well_formed_text_has_no_lone_surrogate():
    assert well_formed("a\0é\U0001f600")
    assert not well_formed("a\ud83d")

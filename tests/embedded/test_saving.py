from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel.errors import (
    ConflictError,
    MultipleFound,
    PolicyMissing,
    PropertyError,
    RecordGone,
    StaleVector,
    VectorError,
)
from rushmodel.port import RecordWrite, SaveRecords, Signature, VectorGuard, VectorWrite, Written

from .store import Store, cosine, euclidean, vec

texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-(2**53), 2**53)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(texts, integers, floats, st.booleans())
values: st.SearchStrategy[Any] = st.one_of(
    scalars, st.lists(texts), st.lists(st.one_of(integers, floats)), st.lists(st.booleans()), st.just([])
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100).filter(
    lambda name: not name.startswith(("$", "__"))
)


def exactly(value):
    """Tells what == does not: True from 1, 1 from 1.0, -0.0 from 0.0."""
    if isinstance(value, list):
        return [exactly(element) for element in value]
    return type(value), repr(value)


# -- creating -----------------------------------------------------------------


def test_a_record_is_created(store):
    written = store.save({"name": "Ada", "year": 1815})
    assert written == Written(written.id, 1, True, {}, ())
    record = store.get(written.id)
    assert record == (written.id, "A", 1, {"name": "Ada", "year": 1815}, None, None, frozenset())


def test_ids_ascend_with_the_records(store):
    ids = [store.save({"n": n}).id for n in range(20)]
    assert ids == sorted(ids)
    assert [record.id for record in store.find()] == ids


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(names, values, max_size=8), min_size=1, max_size=4))
def test_what_goes_in_comes_out(rows):
    store = Store()
    ids = [written.id for written in store.do(SaveRecords("A", [RecordWrite(row) for row in rows]))]
    for record_id, row in zip(ids, rows, strict=True):
        found = store.get(record_id).data
        assert found.keys() == row.keys()
        assert {name: exactly(found[name]) for name in row} == {name: exactly(row[name]) for name in row}
    store.close()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "\0",
        "a\0b",
        "quotes ' \" ` ;--",
        "ü€😀\u0000\uffff\U0010ffff",
        "x" * 1_000_000,
        2**53,
        -(2**53),
        0,
        5.0,
        -0.0,
        1e308,
        5e-324,
        True,
        False,
        [],
        ["a\0b", ""],
        [1, 2.5],
        [5.0],
        [True, False],
        [2**53],
        "[1]",
        "true",
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_at_the_edges(store, value):
    written = store.save({"v": value})
    assert exactly(store.get(written.id).data["v"]) == exactly(value)
    assert exactly(store.data()[0]["v"]) == exactly(value)
    written = store.save({"v": "other"}, record_id=written.id)
    store.save({"v": value}, record_id=written.id)
    assert exactly(store.get(written.id).data["v"]) == exactly(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53 + 1,
        -(2**53) - 1,
        2**64,
        None,
        "\ud800",
        ["a\udfff"],
        [1, "a"],
        [1, True],
        [None],
        [[1]],
        [math.nan],
        {"a": 1},
        (1, 2),
        b"x",
        ...,
    ],
    ids=repr,
)
def test_values_that_cannot_be_stored(store, value):
    with pytest.raises(PropertyError, match=r"A\.v cannot be stored") as raised:
        store.do(SaveRecords("A", [RecordWrite({"ok": 1}), RecordWrite({"ok": 1, "v": value})]))
    assert (raised.value.property, raised.value.index) == ("v", 1)
    assert store.count(()) == 0


@pytest.mark.parametrize("name", ["", "x" * 101, "$a", "$gt", "__a", "__id", "a\ud800"])
def test_names_that_cannot_be_stored(store, name):
    with pytest.raises(PropertyError) as raised:
        store.save({"ok": 1, name: 1})
    assert raised.value.property == name
    assert store.count(()) == 0


@pytest.mark.parametrize(
    "name", ["a", "x" * 100, "a b", "a.b", "1st", "_a", "a$", "row", "p1", '"', "'", "ü", "\0"]
)
def test_odd_names(store, name):
    written = store.save({name: 1, "z": 2})
    assert store.get(written.id).data == {name: 1, "z": 2}
    assert store.count("A", {name: 1}) == 1
    assert store.data("A", order=[name]) == [{name: 1, "z": 2}]


@pytest.mark.parametrize("label", ["", "a\0b", "a\ud800"])
def test_labels_that_cannot_be_stored(store, label):
    with pytest.raises(PropertyError, match="label"):
        store.save({"n": 1}, label)


@pytest.mark.parametrize("label", ["a b", "'; DROP TABLE records; --", "ü", "r1", "1", "x" * 300])
def test_odd_labels(store, label):
    store.save({"n": 1}, label)
    assert store.data(label) == [{"n": 1}]
    assert store.data(()) == [{"n": 1}]


def test_names_and_labels_are_case_sensitive(store):
    store.save({"n": 1, "N": 2}, "a")
    store.save({"n": 3}, "A")
    assert store.data("a") == [{"n": 1, "N": 2}]
    assert store.data("A") == [{"n": 3}]


def test_a_record_without_properties(store):
    written = store.save({})
    assert store.get(written.id).data == {}
    assert store.count() == 1


def test_a_label_has_1900_properties_at_most(store):
    store.save({f"p{n}": n for n in range(1899)})
    wide = store.save({"last": 1})
    with pytest.raises(PropertyError, match="1,900") as raised:
        store.save({"more": 1})
    assert raised.value.property == "more"
    store.save({"more": 1}, "B")  # it is each label's own limit
    store.save({"last": 2, "p5": 6}, record_id=wide.id)
    assert store.get(wide.id).data == {"last": 2, "p5": 6}
    with pytest.raises(PropertyError, match="1,900"):
        store.save({f"q{n}": n for n in range(1901)}, "C")
    assert store.count("C") == 0


# -- changing by id -----------------------------------------------------------


def test_data_is_merged_and_removed(store):
    first = store.save({"a": 1, "b": 2, "c": [1]})
    written = store.save({"a": 5, "d": "x"}, record_id=first.id, remove=("b", "never", "d2"))
    assert written == Written(first.id, 2, False, {}, ())
    assert store.get(first.id).data == {"a": 5, "c": [1], "d": "x"}


def test_what_is_set_cannot_be_removed_as_well(store):
    first = store.save({"a": 1})
    with pytest.raises(PropertyError, match="set and removed"):
        store.save({"a": 2}, record_id=first.id, remove=("a",))
    assert store.get(first.id).data == {"a": 1}


def test_a_record_that_is_gone(store):
    first = store.save({"a": 1})
    other = store.save({"a": 1}, "B")
    store.delete("A")
    for record_id in (first.id, other.id, "nobody"):
        with pytest.raises(RecordGone) as raised:
            store.save({"a": 2}, record_id=record_id)
        assert raised.value.record_id == record_id
    assert store.data(()) == [{"a": 1}]


def test_a_label_that_never_was(store):
    with pytest.raises(RecordGone):
        store.save({"a": 2}, record_id="nobody")
    assert store.find(()) == []


def test_versions_count_the_writes(store):
    store.policy(cosine())
    first = store.save({"body": "x"})
    assert store.save({}, record_id=first.id).version == 2
    assert store.save({}, record_id=first.id, vectors={cosine(): vec(1, 0, 0)}).version == 3
    store.upsert(store.policies()[0].id, {first.id: vec(0, 1, 0)})
    assert store.get(first.id).version == 4
    store.update({"n": 1})
    store.patch(first.id, {"n": 2})
    assert store.get(first.id).version == 6
    assert store.save({"body": "x"}, key=("body",)).version == 7


def test_a_version_that_has_moved_on_is_a_conflict(store):
    first = store.save({"a": 1})
    assert store.save({"a": 2}, record_id=first.id, version=1).version == 2
    with pytest.raises(ConflictError) as raised:
        store.save({"a": 3}, record_id=first.id, version=1)
    assert (raised.value.record_id, raised.value.expected, raised.value.found) == (first.id, 1, 2)
    assert store.get(first.id).data == {"a": 2}
    with pytest.raises(ConflictError):
        store.save({"a": 9}, key=("a",), version=1)
    assert store.count() == 1


# -- changing by key ----------------------------------------------------------


def test_a_key_creates_then_changes(store):
    first = store.save({"slug": "a", "n": 1, "m": [1], "t": True}, key=("slug",))
    again = store.save({"slug": "a", "n": 2, "x": 3}, key=("slug",), remove=("t",))
    assert first.created
    assert again == Written(first.id, 2, False, {"m": [1]}, ())
    assert store.get(first.id).data == {"slug": "a", "n": 2, "m": [1], "x": 3}


def test_keys_are_exact(store):
    for value in ("a", "A", "a ", "", "1", 1, True, "a\0b", "true"):
        assert store.save({"slug": value}, key=("slug",)).created, value
    assert not store.save({"slug": 1.0}, key=("slug",)).created
    assert not store.save({"slug": "a\0b"}, key=("slug",)).created
    assert store.count() == 9


def test_composite_keys_need_all_of_their_properties_to_match(store):
    first = store.save({"a": 1, "b": 1}, key=("a", "b"))
    assert store.save({"a": 1, "b": 2}, key=("a", "b")).created
    assert store.save({"b": 1, "a": 1, "c": 1}, key=("a", "b")).id == first.id


def test_keys_stay_within_their_label(store):
    store.save({"slug": "a"}, "B", key=("slug",))
    assert store.save({"slug": "a"}, "A", key=("slug",)).created


def test_a_key_met_several_times(store):
    ids = store.save_all([{"slug": "a"}, {"slug": "b"}, {"slug": "a"}])
    with pytest.raises(MultipleFound) as raised:
        store.save({"slug": "a", "n": 1}, key=("slug",))
    assert raised.value.record_ids == (ids[0], ids[2])
    assert "n" not in store.get(ids[0]).data


def test_a_key_without_its_value(store):
    with pytest.raises(PropertyError) as raised:
        store.save({"n": 1}, key=("slug", "n"))
    assert raised.value.property == "slug"


def test_a_key_may_be_changed_to_one_that_is_free(store):
    first = store.save({"slug": "a", "lang": "en"}, key=("slug", "lang"))
    other = store.save({"slug": "b", "lang": "en"}, key=("slug", "lang"))
    with pytest.raises(ConflictError, match="already") as raised:
        store.save({"slug": "b"}, record_id=first.id, key=("slug", "lang"))
    assert (raised.value.record_id, raised.value.other_id) == (first.id, other.id)
    assert store.get(first.id).data == {"slug": "a", "lang": "en"}
    assert store.save({"slug": "c"}, record_id=first.id, key=("slug", "lang")) == Written(first.id, 2, False)
    assert store.save({"slug": "a"}, record_id=other.id, key=("slug", "lang")).version == 2
    assert store.save({"slug": "a"}, record_id=other.id, key=("slug", "lang")).version == 3
    with pytest.raises(RecordGone):
        store.save({"slug": "z"}, record_id="nobody", key=("slug",))


def test_one_key_twice_in_a_batch_is_one_record(store):
    writes = [RecordWrite({"slug": "a", "n": n}, key=("slug",)) for n in range(3)]
    answers = store.do(SaveRecords("A", writes))
    assert [(answer.version, answer.created) for answer in answers] == [(1, True), (2, False), (3, False)]
    assert store.data() == [{"slug": "a", "n": 2}]


def test_a_keyed_write_makes_an_index_that_is_used(store):
    store.save({"slug": "a", "lang": "en"}, key=("slug", "lang"))
    connection = store.backend._file.connection()
    indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE name GLOB 'i[0-9]*'").fetchall()
    assert len(indexes) == 1
    table = store.backend._commits.session().names.table("A")
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN SELECT 1 FROM {table.sql} t"
        f" WHERE {table.columns['slug'].sql} = 'a' AND {table.columns['lang'].sql} = 'en'"
    ).fetchall()
    assert indexes[0][0] in str(plan)


# -- texts that look like datetimes (R14) -------------------------------------


def test_texts_that_look_like_datetimes(store):
    data = {"s": "2024-01-01", "d": "2024-01-01", "l": ["2024-01-01"], "p": "plain", "n": 1}
    first = store.save(data, texts=frozenset({"s", "l", "p", "n", "absent"}))
    assert store.get(first.id).texts == {"s", "l"}
    assert store.find()[0].texts == {"s", "l"}
    assert store.find(properties=("s", "d"))[0].texts == {"s"}
    # What is not written keeps its mark; what is written loses it, unless it is marked again.
    store.save({"n": 2}, record_id=first.id)
    assert store.get(first.id).texts == {"s", "l"}
    store.save({"s": "2025-01-01"}, record_id=first.id)
    assert store.get(first.id).texts == {"l"}
    store.save({"d": "2025-01-01"}, record_id=first.id, texts=frozenset({"d"}), remove=("l",))
    assert store.get(first.id).texts == {"d"}
    store.save({"d": "x"}, record_id=first.id, texts=frozenset({"d"}))
    assert store.get(first.id).texts == frozenset()


def test_texts_and_the_type_filter(store):
    store.save({"s": "2024-01-01", "d": "2024-01-01"}, texts=frozenset({"s"}))
    assert store.count("A", {"s": {"$type": "string"}, "d": {"$type": "datetime"}}) == 1


# -- vectors ------------------------------------------------------------------


def test_a_vector_comes_back_as_it_was(store):
    store.policy(cosine())
    given_vector = np.random.default_rng(1).standard_normal(3).astype(np.float32)
    first = store.save({"body": "x"}, vectors={cosine(): given_vector})
    record = store.get(first.id, cosine())
    found = record.vectors[cosine()]
    assert found.dtype == np.float32
    assert found.tobytes() == given_vector.tobytes()
    assert not found.flags.writeable
    assert store.get(first.id).vectors is None
    # Without a policy, or of another label, there is nothing to hold one.
    assert store.get(first.id, euclidean(), cosine("B")).vectors == {}


def test_views_of_vectors_can_be_saved(store):
    store.policy(cosine())
    matrix = np.arange(1, 19, dtype=np.float32).reshape(3, 6)
    first = store.save({"body": "x"}, vectors={cosine(): matrix[:, 1]})
    second = store.save({"body": "x"}, vectors={cosine(): matrix[0, ::-2]})
    assert store.get(first.id, cosine()).vectors[cosine()].tolist() == [2, 8, 14]
    assert store.get(second.id, cosine()).vectors[cosine()].tolist() == [6, 4, 2]


def test_none_takes_a_vector_away(store):
    store.policy(cosine())
    first = store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    store.save({}, record_id=first.id, vectors={cosine(): None})
    store.save({}, record_id=first.id, vectors={cosine(): None})
    assert store.get(first.id, cosine()).vectors == {}
    assert store.search(vec(1, 0, 0)) == []
    store.save({"body": "y"}, vectors={cosine(): None})
    store.save({}, record_id=first.id, vectors={cosine(): vec(0, 1, 0)})
    assert len(store.search(vec(1, 0, 0))) == 1


def test_a_vector_stays_when_it_is_not_spoken_of(store):
    store.policy(cosine())
    first = store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    store.save({"body": "other"}, record_id=first.id)
    store.patch(first.id, {"z": 1}, replace=True)
    assert store.get(first.id, cosine()).vectors[cosine()].tolist() == [1, 0, 0]


def test_a_vector_without_a_policy(store):
    with pytest.raises(PolicyMissing, match=r"A\.body external cosine 3") as raised:
        store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
    assert raised.value.signature == cosine()
    assert raised.value.index == 0
    assert store.count() == 0
    store.policy(euclidean())
    with pytest.raises(PolicyMissing, match=r"there is A\.body external euclidean 3"):
        store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})


def test_a_vector_of_another_labels_policy(store):
    store.policy(cosine("B"))
    with pytest.raises(PolicyMissing, match="policy of B"):
        store.save({"body": "x"}, vectors={cosine("B"): vec(1, 0, 0)})


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (vec(1, 0), "shape"),
        (vec(1, 0, 0, 0), "shape"),
        (vec(1, 0, 0).reshape(1, 3), "shape"),
        (np.array([1.0, 0, 0]), "float64"),
        (vec(1, math.nan, 0), "NaN"),
        (vec(1, math.inf, -math.inf), "NaN or infinite"),
        (vec(0, 0, 0), "no direction"),
        (vec(1e-30, 0, 0), "no direction"),
        (vec(3e38, 3e38, 0), "no direction"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_vectors_no_cosine_policy_can_hold(store, vector, message):
    store.policy(cosine())
    first = store.save({"body": "x"}, vectors={cosine(): vec(1, 2, 3)})
    for write in (RecordWrite({"body": "y"}), RecordWrite({"body": "y"}, record_id=first.id)):
        with pytest.raises(VectorError, match=message) as raised:
            store.do(SaveRecords("A", [write._replace(vectors=(VectorWrite(cosine(), vector),))]))
        assert raised.value.signature == cosine()
    assert store.data() == [{"body": "x"}]
    assert store.get(first.id, cosine()).vectors[cosine()].tolist() == [1, 2, 3]


def test_vectors_a_euclidean_policy_can_hold(store):
    store.policy(euclidean())
    for vector in (vec(0, 0, 0), vec(3e38, 3e38, 0), vec(1e-45, 0, 0)):
        first = store.save({"body": "x"}, vectors={euclidean(): vector})
        assert store.get(first.id, euclidean()).vectors[euclidean()].tolist() == vector.tolist()
    with pytest.raises(VectorError, match="NaN"):
        store.save({"body": "x"}, vectors={euclidean(): vec(math.nan, 3e38, 3e38)})


def test_messages_hold_no_vector(store):
    store.policy(cosine(dims=4))
    with pytest.raises(VectorError) as raised:
        store.save({"body": "x"}, vectors={cosine(dims=4): vec(0.123456, math.nan, 7.654321, 1)})
    assert "0.123" not in str(raised.value)
    assert "7.65" not in str(raised.value)


# -- guards -------------------------------------------------------------------

COSINE = (cosine(),)


def guard(text, action="raise", signatures=COSINE, name="body"):
    return VectorGuard("embedding", name, text, signatures, action)


@pytest.fixture
def guarded(store):
    """A record with a body, and a cosine vector for it; the policies are two."""
    store.policy(cosine())
    store.policy(euclidean())
    written = store.save({"body": "old", "n": 1}, vectors={cosine(): vec(1, 0, 0)})
    return store, written.id


def test_a_changed_text_with_its_old_vector_is_refused(guarded):
    store, record_id = guarded
    with pytest.raises(StaleVector) as raised:
        store.save({"body": "new"}, record_id=record_id, guards=(guard("new"),))
    error = raised.value
    assert (error.field, error.record_id, error.property, error.index) == ("embedding", record_id, "body", 0)
    assert store.get(record_id).data["body"] == "old"
    with pytest.raises(StaleVector):
        store.save({"body": "new", "n": 1}, key=("n",), guards=(guard("new"),))
    with pytest.raises(StaleVector):
        store.save({}, record_id=record_id, remove=("body",), guards=(guard(None),))


def test_an_unchanged_text_is_no_matter(guarded):
    store, record_id = guarded
    assert store.save({"body": "old"}, record_id=record_id, guards=(guard("old"),)).dropped == ()
    assert store.save({"body": "old", "n": 1}, key=("n",), guards=(guard("old", "drop"),)).dropped == ()
    assert store.get(record_id, cosine()).vectors.keys() == {cosine()}


def test_a_changed_text_can_drop_its_vectors(guarded):
    store, record_id = guarded
    both = (cosine(), euclidean(), cosine(dims=7))
    written = store.save({"body": "new"}, record_id=record_id, guards=(guard("new", "drop", both),))
    assert written.dropped == (cosine(),)
    assert store.get(record_id, cosine()).vectors == {}
    assert store.search(vec(1, 0, 0), options={"similarity": "cosine"}) == []
    again = store.save({"body": "newer"}, record_id=record_id, guards=(guard("newer"),))
    assert again.dropped == ()  # there is no vector left that could be stale


def test_a_vector_given_along_is_not_stale(guarded):
    store, record_id = guarded
    fresh = {cosine(): vec(0, 1, 0)}
    store.save({"body": "new"}, record_id=record_id, guards=(guard("new"),), vectors=fresh)
    assert store.get(record_id, cosine()).vectors[cosine()].tolist() == [0, 1, 0]
    # One of two is: the other one's vector stays behind.
    store.save({}, record_id=record_id, vectors={euclidean(): vec(0, 0, 1)})
    both = (cosine(), euclidean())
    with pytest.raises(StaleVector):
        store.save(
            {"body": "newer"}, record_id=record_id, guards=(guard("newer", "raise", both),), vectors=fresh
        )
    written = store.save(
        {"body": "newer"}, record_id=record_id, guards=(guard("newer", "drop", both),), vectors=fresh
    )
    assert written.dropped == (euclidean(),)
    assert store.get(record_id, *both).vectors.keys() == {cosine()}


def test_guards_of_new_records_and_of_unknown_properties(store):
    store.policy(cosine())
    store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)}, guards=(guard("x"),))
    first = store.save({"m": 1}, vectors={cosine(): vec(1, 0, 0)})
    assert store.save({"n": 1}, record_id=first.id, guards=(guard(None, name="nowhere"),)).version == 2
    with pytest.raises(StaleVector):
        store.save({"nowhere": "x"}, record_id=first.id, guards=(guard("x", name="nowhere"),))
    with pytest.raises(StaleVector):
        store.save({"body": "x"}, record_id=first.id, guards=(guard("x"),))
    with pytest.raises(PropertyError, match="surrogate") as raised:
        store.save({"body": "\ud800"}, record_id=first.id, guards=(guard("\ud800"),))
    assert raised.value.property == "body"


def test_a_guard_of_another_labels_signature(guarded):
    store, record_id = guarded
    store.policy(cosine("B"))
    other = Signature("B", "body", "external", "cosine", 3)
    store.save({"body": "new"}, record_id=record_id, guards=(guard("new", "raise", (other,)),))


def test_a_batch_is_written_as_a_whole(store):
    store.policy(cosine())
    good = RecordWrite({"body": "x"}, vectors=(VectorWrite(cosine(), vec(1, 0, 0)),))
    bad = RecordWrite({"body": "x"}, vectors=(VectorWrite(cosine(), vec(1, 0)),))
    with pytest.raises(VectorError) as raised:
        store.do(SaveRecords("A", [good] * 50 + [bad]))
    assert raised.value.index == 50
    assert store.count() == 0
    assert store.search(vec(1, 0, 0)) == []
    assert store.do(SaveRecords("A", [])) == []
    assert store.do(SaveRecords("Never", [])) == []

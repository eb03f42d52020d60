"""Labels, properties, values and the description of a store, against plain Python over the same records."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushmodel.errors import NotFound, PolicyError, QueryError
from rushmodel.port import (
    LONGEST_SAMPLE,
    CountLabels,
    DeleteProperty,
    DescribedProperty,
    DescribeStore,
    Description,
    FindProperties,
    GetProperty,
    ImportRow,
    ListValues,
    PropertyType,
    PropertyValues,
    RecordQuery,
    StoredProperty,
)
from rushmodel.wire.catalog import read_schema, schema_document
from rushmodel.wire.proptypes import value_type

from .store import Store, cosine, query, row, vec

MOMENTS = ["2024-01-01", "2024-01-01T00:00:00Z", "2023-12-31T23:30:00-01:00", "2024-01-01T00:00:00.5Z"]


def properties(store: Store, labels: Any = (), where: Any = None) -> dict[tuple[str, str], int]:
    found = store.do(FindProperties(query(labels, where)))
    assert len({each.id for each in found}) == len(found)
    return {(each.name, each.type): each.records for each in found}


def named(store: Store, name: str, kind: str) -> StoredProperty:
    (found,) = [each for each in store.do(FindProperties(RecordQuery(()))) if each[1:3] == (name, kind)]
    return found


def values(store: Store, name: str, kind: str, where: Any = None, **rest: Any) -> PropertyValues:
    page = {key: rest.pop(key) for key in ("limit", "offset") if key in rest}
    selection = query(rest.pop("labels", ()), where, **page)
    return store.do(ListValues(named(store, name, kind).id, selection, **rest))


def described(store: Store, *labels: str) -> Description:
    return store.do(DescribeStore(labels))


def of_label(found: Description, label: str) -> dict[tuple[str, str], DescribedProperty]:
    (entry,) = [each for each in found.labels if each.name == label]
    return {(each.name, each.type): each for each in entry.properties}


# -- any records


NAMES = st.sampled_from(["a", "b", 'q"uote', "p1", "A"])
SCALARS = st.one_of(
    st.integers(-3, 3),
    st.floats(-2, 2, allow_nan=False).map(lambda number: round(number, 1)),
    st.booleans(),
    st.sampled_from(["", "x", "X y", "ß", "nul\0", "2024-02-30", *MOMENTS]),
)
LISTS = st.one_of(
    st.lists(st.integers(-3, 3), max_size=3),
    st.lists(st.booleans(), max_size=2),
    st.lists(st.sampled_from(["x", "y", "2024-01-01"]), max_size=3),
    st.lists(st.sampled_from(MOMENTS), max_size=3),
)
DATA = st.dictionaries(NAMES, st.one_of(SCALARS, SCALARS, LISTS), min_size=1, max_size=4)


@st.composite
def imports(draw: st.DrawFn) -> list[ImportRow]:
    rows: list[ImportRow] = []
    for index in range(draw(st.integers(0, 8))):
        data = draw(DATA)
        texts = draw(st.sets(st.sampled_from(sorted(data))))
        marked = frozenset(name for name in texts if value_type(data[name]) == "datetime")
        parent = draw(st.none() | st.integers(0, index - 1)) if index else None
        rows.append(ImportRow(draw(st.sampled_from("LMA")), data, (), parent, marked))
    return rows


def kind_of(each: ImportRow, name: str) -> PropertyType:
    return "string" if name in each.texts else value_type(each.data[name])


def elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@given(imports())
def test_a_description_is_what_the_records_say(rows: list[ImportRow]) -> None:
    store = Store()
    try:
        if rows:
            store.load(*rows)
        found = described(store)
        assert {each.name: each.records for each in found.labels} == Counter(each.label for each in rows)
        assert store.do(CountLabels(RecordQuery(()))) == Counter(each.label for each in rows)
        assert list(store.do(CountLabels(RecordQuery(())))) == [each.name for each in found.labels]
        counts: Counter[tuple[str, str, str]] = Counter()
        held: dict[tuple[str, str, str], list[Any]] = {}
        for each in rows:
            for name, value in each.data.items():
                place = (each.label, name, kind_of(each, name))
                counts[place] += 1
                held.setdefault(place, []).append(value)
        seen = {
            (label.name, each.name, each.type): each for label in found.labels for each in label.properties
        }
        assert {place: each.records for place, each in seen.items()} == counts
        for place, entry in seen.items():
            distinct = {item for value in held[place] for item in elements(value)}
            assert entry.in_lists == any(isinstance(value, list) for value in held[place])
            if place[2] == "number":
                assert (entry.least, entry.greatest) == (min(distinct), max(distinct))
            elif place[2] == "datetime":
                assert {entry.least, entry.greatest} <= distinct
            else:
                assert set(entry.samples) == distinct
        totals: Counter[tuple[str, str]] = Counter()
        for (_, name, kind), count in counts.items():
            totals[name, kind] += count
        assert properties(store) == totals
        related = Counter((rows[each.parent].label, each.label) for each in rows if each.parent is not None)
        assert {(each.source, each.target): each.total for each in found.relationships} == related
        # What serve writes, the REST backend reads.
        assert read_schema(schema_document(found), found.policies) == found
    finally:
        store.close()


@given(imports(), st.data())
def test_deleting_a_property_takes_it_and_nothing_else(rows: list[ImportRow], data: st.DataObject) -> None:
    places = sorted({(name, kind_of(each, name)) for each in rows for name in each.data})
    store = Store()
    try:
        if not places:
            return
        made = store.load(*rows)
        name, kind = data.draw(st.sampled_from(places))
        gone = [place for place, each in enumerate(rows) if name in each.data and kind_of(each, name) == kind]
        chosen = named(store, name, kind)
        assert store.do(GetProperty(chosen.id)) == chosen == StoredProperty(chosen.id, name, kind, len(gone))
        assert store.do(DeleteProperty(chosen.id)) == len(gone)
        for place, (before, each) in enumerate(zip(made, rows, strict=True)):
            after = store.get(before.id)
            if place in gone:
                assert after.data == {key: value for key, value in each.data.items() if key != name}
                assert after.texts == before.texts - {name}
                assert after.version == (before.version or 0) + 1
            else:
                assert after == before
        assert store.do(DeleteProperty(chosen.id)) == 0
        with pytest.raises(NotFound, match="there is no property") as caught:
            store.do(GetProperty(chosen.id))
        assert caught.value.property_id == chosen.id
    finally:
        store.close()


@given(imports(), st.data())
def test_values_are_those_of_the_records(rows: list[ImportRow], data: st.DataObject) -> None:
    places = sorted({(name, kind_of(each, name)) for each in rows for name in each.data})
    store = Store()
    try:
        if not places:
            return
        store.load(*rows)
        name, kind = data.draw(st.sampled_from(places))
        label = data.draw(st.sampled_from("LMA"))
        distinct = {
            item
            for each in rows
            if each.label == label and name in each.data and kind_of(each, name) == kind
            for item in elements(each.data[name])
        }
        found = values(store, name, kind, labels=label)
        assert len(found.values) == len(distinct)
        assert set(found.values) == distinct
        down = values(store, name, kind, labels=label, descending=True)
        assert down.values == found.values[::-1]
        assert (down.least, down.greatest) == (found.least, found.greatest)
        if kind in ("number", "datetime") and distinct:
            assert (found.least, found.greatest) == (found.values[0], found.values[-1])
        if kind != "datetime":
            assert found.values == sorted(distinct)
        offset, limit = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
        page = values(store, name, kind, labels=label, limit=limit, offset=offset)
        assert page == found._replace(values=found.values[offset : offset + limit])
    finally:
        store.close()


# -- properties


def test_types_under_one_name_are_properties_of_their_own(store: Store) -> None:
    store.save_all([{"n": 1}, {"n": "one"}, {"n": True}, {"n": "2024-01-01"}, {"n": [1, 2]}, {"n": []}])
    store.save({"n": "2024-01-01"}, label="B", texts=frozenset({"n"}))
    assert properties(store) == {
        ("n", "string"): 3,  # an empty list as well
        ("n", "number"): 2,
        ("n", "boolean"): 1,
        ("n", "datetime"): 1,
    }
    assert properties(store, "B") == {("n", "string"): 1}
    assert properties(store, (), {"n": {"$gt": 1}}) == {("n", "number"): 1}
    assert properties(store, "C") == {}


def test_an_id_is_of_one_file_and_stays(opened: Any, tmp_path: Any) -> None:
    store, other = opened(), opened(tmp_path / "other.db")
    store.save({"a": 1, "b": "x"})
    other.save({"b": 1, "a": "x"})
    chosen = named(store, "a", "number")
    store.save({"a": 2, "c": 3}, label="B")
    assert named(store, "a", "number") == chosen._replace(records=2)
    for wrong in (
        named(other, "a", "string").id,  # another number
        chosen.id.upper(),
        chosen.id[:-1] + "9",
        "nope",
        "",
        "00000000-0000-8000-8000-000000000001",
    ):
        assert wrong != chosen.id
        assert store.do(DeleteProperty(wrong)) == 0
        with pytest.raises(NotFound):
            store.do(GetProperty(wrong))
        with pytest.raises(NotFound):
            store.do(ListValues(wrong, RecordQuery(())))
    assert store.do(GetProperty(chosen.id)).records == 2
    assert len(store.data("A")) == 1


def test_a_property_under_a_policy_is_not_deleted(store: Store) -> None:
    policy = store.policy(cosine())
    made = store.save({"body": "text", "n": 1}, vectors={cosine(): vec(1, 0, 0)})
    store.save({"body": "other"}, label="B")
    chosen = named(store, "body", "string")
    with pytest.raises(PolicyError, match=r"the index policy A\.body external cosine 3 is on it") as caught:
        store.do(DeleteProperty(chosen.id))
    assert caught.value.property == "body"
    assert store.get(made.id).data == {"body": "text", "n": 1}
    assert store.do(DeleteProperty(named(store, "n", "number").id)) == 1
    store.drop_policy(policy.id)
    assert store.do(DeleteProperty(chosen.id)) == 2
    assert store.data() == [{}]


def test_conditions_choose_records_also_by_id_and_across_relationships(store: Store) -> None:
    made = store.load(row({"n": 1}), row({"m": 2}, "B", parent=0), row({"n": 5}))
    assert store.do(CountLabels(query((), {"n": {"$gte": 1}}))) == {"A": 2}
    assert store.do(CountLabels(query((), {"B": {"m": 2}}))) == {"A": 1}
    assert store.do(CountLabels(query("A", {"$id": made[2].id}))) == {"A": 1}
    assert properties(store, (), {"$id": made[1].id}) == {("m", "number"): 1}
    assert values(store, "n", "number", {"$id": {"$ne": made[0].id}}).values == [5]
    for command in (CountLabels, FindProperties):
        with pytest.raises(QueryError, match="unknown"):
            store.do(command(query((), {"n": {"$near": 1}})))


# -- values


def test_values_contain_a_text_whatever_its_case(store: Store) -> None:
    store.save_all([{"s": "Straße", "n": 15, "b": True}, {"s": "STRASSE 5", "n": 51, "b": False}])
    assert values(store, "s", "string", contains="strasse").values == ["STRASSE 5", "Straße"]
    assert values(store, "s", "string", contains="5").values == ["STRASSE 5"]
    assert values(store, "n", "number", contains="5").values == [15, 51]
    assert values(store, "n", "number", contains="51") == PropertyValues("number", [51], 51, 51)
    assert values(store, "b", "boolean", contains="TRUE").values == [True]
    assert values(store, "s", "string", contains="%") == PropertyValues("string", [])


def test_datetimes_are_ordered_as_moments(store: Store) -> None:
    store.save_all([{"at": text} for text in MOMENTS])
    found = values(store, "at", "datetime")
    assert found.values[:2] == ["2024-01-01", "2024-01-01T00:00:00Z"]
    assert found.values[2:] == ["2024-01-01T00:00:00.5Z", "2023-12-31T23:30:00-01:00"]
    (held,) = of_label(described(store), "A").values()
    assert (held.least, held.greatest) == ("2024-01-01", "2023-12-31T23:30:00-01:00")


# -- descriptions


def test_samples_are_few_and_short(store: Store) -> None:
    long = "x" * (LONGEST_SAMPLE + 1)
    store.save_all([{"s": long, "t": f"t{number % 40}", "u": [long, "short"]} for number in range(80)])
    found = of_label(described(store), "A")
    assert found["s", "string"].samples == ()
    assert found["t", "string"].samples == tuple(f"t{number}" for number in range(10))
    assert found["u", "string"].samples == ("short",)


def test_many_columns_are_counted_in_several_statements(store: Store) -> None:
    store.save({f"p{number}": number for number in range(450)})
    assert len(properties(store)) == 450
    assert of_label(described(store), "A")["p449", "number"].least == 449


def test_labels_narrow_a_description(store: Store) -> None:
    store.policy(cosine("B"))
    store.load(row({"n": 1}), row({"body": "x"}, "B", parent=0), row({"m": 1}, "C", parent=1))
    found = described(store, "B")
    assert [each.name for each in found.labels] == ["B"]
    assert [(each.source, each.target) for each in found.relationships] == [("A", "B"), ("B", "C")]
    assert [policy.signature for policy, _ in found.policies] == [cosine("B")]
    assert described(store, "A").policies == ()
    assert described(store, "missing") == Description((), (), ())
    store.delete(("A", "B", "C"))
    assert described(store).labels == ()

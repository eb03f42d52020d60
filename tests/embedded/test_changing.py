from __future__ import annotations

import pytest

from rushmodel.errors import AmbiguousSearch, NotFound, PolicyMissing, PropertyError, StaleVector, VectorError
from rushmodel.port import ImportRecords, InlineVector, VectorGuard

from .store import cosine, euclidean, query, row, vec


def inline(*numbers, name="body", similarity=None):
    return InlineVector(name, vec(*numbers), similarity)


def edges(store):
    """Source, target and type of each edge, by record id."""
    return (
        store.backend._file.connection()
        .execute(
            "SELECT s.id, t.id, n.name FROM edges e JOIN records s ON s.row = e.source"
            " JOIN records t ON t.row = e.target JOIN names n ON n.id = e.type ORDER BY e.id"
        )
        .fetchall()
    )


# -- one record: PATCH and PUT ------------------------------------------------


def test_a_patch_merges(store):
    first = store.save({"a": 1, "b": [1]})
    record = store.patch(first.id, {"a": 2, "c": "x"})
    assert record == (first.id, "A", 2, {"a": 2, "b": [1], "c": "x"}, None, None, frozenset())
    assert store.get(first.id) == record
    assert store.patch(first.id, {}).data == record.data


def test_a_put_replaces(store):
    first = store.save({"a": 1, "b": "2024-01-01"}, texts=frozenset({"b"}))
    record = store.patch(first.id, {"c": 3}, replace=True)
    assert record.data == {"c": 3}
    assert record.texts == frozenset()
    assert store.patch(first.id, {}, replace=True).data == {}


def test_a_patch_of_nobody(store):
    with pytest.raises(NotFound) as raised:
        store.patch("nobody", {"a": 1})
    assert raised.value.record_id == "nobody"


@pytest.mark.parametrize("replace", [False, True])
def test_vectors_that_are_not_given_stay(store, replace):
    """R6, store side."""
    store.policy(cosine())
    store.policy(euclidean())
    first = store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0), euclidean(): vec(1, 0, 0)})
    store.patch(first.id, {"body": "new"}, replace=replace)
    store.patch(first.id, {"n": 1}, replace=replace, vectors=(inline(0, 1, 0, similarity="euclidean"),))
    held = store.get(first.id, cosine(), euclidean()).vectors
    assert held[cosine()].tolist() == [1, 0, 0]
    assert held[euclidean()].tolist() == [0, 1, 0]


def test_a_patch_is_atomic(store):
    store.policy(cosine())
    first = store.save({"k": 1})
    for vectors, error in (
        ((inline(1, 0),), PolicyMissing),
        ((inline(1, 0, 0), inline(1, 0, 0, name="nope")), PolicyMissing),
        ((inline(0, 0, 0),), VectorError),
    ):
        with pytest.raises(error):
            store.patch(first.id, {"k": 77, "new": 1}, vectors=vectors)
    with pytest.raises(PropertyError):
        store.patch(first.id, {"k": 78, "$bad": 1})
    assert store.get(first.id, cosine()) == (first.id, "A", 1, {"k": 1}, {}, None, frozenset())


def test_a_patch_can_change_the_label(store):
    """Trace 06, "PATCH changes label"."""
    other = store.save({"only_b": 1}, "B")
    (first,) = store.load(row({"a": 1, "l": [1, 2]}))
    (child,) = store.load(row({"c": 1}, "C"))
    store.save({"l": ["x"], "d": "2024-01-01"}, record_id=first.id, texts=frozenset({"d"}))
    record = store.patch(first.id, {"k": 5}, label="B")
    assert (record.label, record.version) == ("B", 3)
    assert record.data == {"a": 1, "l": ["x"], "d": "2024-01-01", "k": 5}
    assert record.texts == {"d"}
    assert store.find("A") == []
    assert store.get(first.id) == record
    assert [found.id for found in store.find("B")] == [other.id, first.id]
    assert store.count("B", {"l": "x"}) == 1
    back = store.patch(first.id, {}, label="A")
    assert back.data == record.data
    assert store.count("B") == 1
    assert store.get(child.id).data == {"c": 1}


def test_a_change_of_label_takes_the_vectors_along_or_is_refused(store):
    store.policy(cosine("A"))
    first = store.save({"body": "x"}, "A", vectors={cosine("A"): vec(1, 0, 0)})
    with pytest.raises(PolicyMissing, match="would lose"):
        store.patch(first.id, {"k": 5}, label="B")
    assert store.get(first.id).label == "A"
    store.policy(cosine("B"))
    record = store.patch(first.id, {"k": 5}, label="B", vectors=())
    assert record.label == "B"
    assert store.get(first.id, cosine("B")).vectors[cosine("B")].tolist() == [1, 0, 0]
    assert store.search(vec(1, 0, 0), "A") == []
    assert [hit.id for hit in store.search(vec(1, 0, 0), "B")] == [first.id]
    store.patch(first.id, {"k": 6}, label="B", vectors=(inline(0, 1, 0),))
    assert store.search(vec(0, 1, 0), "B")[0].score == pytest.approx(1)


# -- inline vectors (R4, R5) --------------------------------------------------


def test_inline_vectors_find_their_policy(store):
    store.policy(cosine())
    store.policy(euclidean(dims=2))
    first = store.save({"body": "x"})
    store.patch(first.id, {}, vectors=(inline(1, 0, 0), inline(3, 4)))
    held = store.get(first.id, cosine(), euclidean(dims=2)).vectors
    assert [vector.tolist() for vector in held.values()] == [[1, 0, 0], [3, 4]]


def test_inline_vectors_that_fit_several_policies(store):
    store.policy(cosine())
    store.policy(euclidean())
    first = store.save({"body": "x"})
    with pytest.raises(AmbiguousSearch, match="similarityFunction") as raised:
        store.patch(first.id, {}, vectors=(inline(1, 0, 0),))
    assert raised.value.status == 422
    assert raised.value.candidates == (cosine(), euclidean())
    store.patch(first.id, {}, vectors=(inline(1, 0, 0, similarity="cosine"),))
    with pytest.raises(PolicyMissing, match="similarity dot"):
        store.patch(first.id, {}, vectors=(inline(1, 0, 0, similarity="dot"),))


def test_a_managed_policy_takes_no_inline_vector(store):
    from rushmodel.port import Signature

    store.policy(Signature("A", "body", "managed", "cosine", 3))
    first = store.save({"body": "x"})
    with pytest.raises(PolicyMissing):
        store.patch(first.id, {}, vectors=(inline(1, 0, 0),))


def test_an_inline_vector_of_an_absent_property_is_kept_and_found(store):
    """R4, store side."""
    store.policy(cosine())
    (record,) = store.load(row({"title": "Gadget"}, "A", inline(1, 0, 0)))
    assert [hit.id for hit in store.search(vec(1, 0, 0))] == [record.id]


# -- imports ------------------------------------------------------------------


def test_rows_become_records_in_their_order(store):
    records = store.load(row({"n": 1}), row({"n": 2}, "B"), row({"n": 3, "l": ["x"]}))
    assert [(record.label, record.data, record.version) for record in records] == [
        ("A", {"n": 1}, 1),
        ("B", {"n": 2}, 1),
        ("A", {"n": 3, "l": ["x"]}, 1),
    ]
    assert store.find(()) == sorted(records)
    assert store.load() == []


def test_an_import_is_atomic(store):
    store.policy(cosine())
    good = row({"body": "x"}, "A", inline(1, 0, 0))
    for bad, error in (
        (row({"n": float("nan")}), PropertyError),
        (row({}), PropertyError),
        (row({"n": 1}, ""), PropertyError),
        (row({"__id": "x"}), PropertyError),
        (row({"n": 1}, "A", inline(1, 0)), PolicyMissing),
    ):
        with pytest.raises(error) as raised:
            store.load(good, good, bad, good)
        assert raised.value.index == 2
    assert store.count(()) == 0
    assert store.search(vec(1, 0, 0)) == []


def test_children_are_related_to_their_parents(store):
    records = store.load(
        row({"n": 0}, "Shop"),
        row({"n": 1}, "Item", parent=0),
        row({"n": 2}, "Item", parent=0),
        row({"n": 3}, "Part", parent=2),
    )
    shop, first, second, part = (record.id for record in records)
    default = "__RUSHDB__RELATION__DEFAULT__"
    assert edges(store) == [(shop, first, default), (shop, second, default), (second, part, default)]
    store.load(row({"n": 4}, "Shop"), row({"n": 5}, "Item", parent=0), relationship="STOCKS")
    assert edges(store)[-1][2] == "STOCKS"
    from rushmodel.errors import QueryError

    for parent in (-1, 0, 1):
        with pytest.raises(QueryError, match="earlier row"):
            store.load(row({"n": 1}, parent=parent))


def test_merging_by_a_key(store):
    store.load(row({"k": 1, "v": "a"}), row({"k": 2, "v": "b"}), merge_by=("k",))
    one, three = store.load(row({"k": 1, "w": "x"}), row({"k": 3, "v": "c"}), merge_by=("k",))
    assert one.data == {"k": 1, "v": "a", "w": "x"}
    assert (one.version, three.version) == (2, 1)
    (rewritten,) = store.load(row({"k": 1, "z": "only"}), merge_by=("k",), rewrite=True)
    assert (rewritten.id, rewritten.data) == (one.id, {"k": 1, "z": "only"})
    (created,) = store.load(row({"v": "no key"}), merge_by=("k",))
    assert created.version == 1
    assert store.count() == 4


def test_merging_by_several_keys(store):
    store.load(row({"a": 1, "b": 1}), row({"a": 1, "b": 2}))
    (found,) = store.load(row({"b": 2, "a": 1, "c": 3}), merge_by=("a", "b"))
    assert found.data == {"a": 1, "b": 2, "c": 3}
    assert store.count() == 2


def test_merging_by_all_properties(store):
    (first,) = store.load(row({"a": 1, "b": 1}))
    same, other, fresh = store.load(
        row({"a": 1, "b": 1}), row({"a": 1, "b": 1, "z": 1}), row({"a": 1, "b": 2}), merge_by=()
    )
    assert (same.id, same.version) == (first.id, 2)
    assert len({first.id, other.id, fresh.id}) == 3
    subset, *_ = store.load(row({"b": 2}), merge_by=())
    assert subset.id == fresh.id


def test_all_that_match_are_merged(store):
    """R18."""
    store.load(row({"sku": "dup", "n": 1}), row({"sku": "dup", "n": 2}), row({"sku": "other", "n": 1}))
    first, second, third, again_first, again_second = store.load(
        row({"sku": "dup", "n": 3}),
        row({"sku": "other", "x": 1}),
        row({"sku": "dup", "m": 4}),
        merge_by=("sku",),
    )
    assert (first.id, second.id) == (again_first.id, again_second.id)
    assert first.data == second.data == {"sku": "dup", "n": 3, "m": 4}
    assert third.data == {"sku": "other", "n": 1, "x": 1}


def test_a_row_merges_into_one_made_before_it(store):
    first, second = store.load(row({"k": 1, "a": 1}), row({"k": 1, "b": 2}), merge_by=("k",))
    assert first == second
    assert first.data == {"k": 1, "a": 1, "b": 2}


def test_merged_records_keep_their_vectors_and_edges(store):
    store.policy(cosine())
    rows = (row({"k": 1, "body": "x"}, "A", inline(1, 0, 0)), row({"c": 1}, "B", parent=0))
    store.load(*rows, merge_by=("k",))
    store.load(row({"k": 1, "body": "y"}), merge_by=("k",), rewrite=True)
    assert len(store.search(vec(1, 0, 0))) == 1
    assert len(edges(store)) == 1
    connection = store.backend._file.connection()
    connection.execute("UPDATE edges SET data = 'kept'")
    parent, child = store.load(row({"k": 1}), row({"c": 1}, "B", parent=0), merge_by=())
    assert connection.execute("SELECT data FROM edges").fetchall() == [("kept",)]
    assert parent.data == {"k": 1, "body": "y"}
    assert edges(store) == [(parent.id, child.id, "__RUSHDB__RELATION__DEFAULT__")]


def test_an_import_of_many_rows(store):
    rows = [row({"k": n % 700, "n": n}) for n in range(1500)]
    records = store.do(ImportRecords(rows, merge_by=("k",)))
    assert len(records) == 1500
    assert store.count() == 700
    assert records[0].data == {"k": 0, "n": 1400}


# -- many records -------------------------------------------------------------


@pytest.fixture
def numbered(store):
    store.save_all([{"n": n, "body": f"{n}"} for n in range(10)])
    return store


def test_updating_what_matches(numbered):
    assert numbered.update({"m": [1], "body": "same"}, {"n": {"$gte": 8}}, remove=("n",)) == 2
    assert numbered.data("A", {"body": "same"}) == [{"body": "same", "m": [1]}] * 2
    assert {record.version for record in numbered.find("A", {"body": "same"})} == {2}
    assert {record.version for record in numbered.find("A", {"n": {"$lt": 8}})} == {1}
    assert numbered.count("A", {"m": 1}) == 2
    assert numbered.update({"x": 1}, {"n": 99}) == 0
    assert numbered.update({}, None) == 10


def test_updating_honours_order_and_page(numbered):
    from rushmodel.port import UpdateRecords

    page = query("A", {"n": {"$gt": 0}}, order=["-n"], limit=3, offset=1)
    assert numbered.do(UpdateRecords(page, {"hit": True})) == 3
    assert [data["n"] for data in numbered.data("A", {"hit": True})] == [6, 7, 8]


def test_updating_over_labels(numbered):
    from rushmodel.port import UpdateRecords

    numbered.save({"n": 5}, "B")
    numbered.save({"n": 7}, "C")
    assert numbered.do(UpdateRecords(query((), {"n": 5}), {"hit": "x"})) == 2
    assert [record.label for record in numbered.find((), {"hit": "x"})] == ["A", "B"]


def test_updating_marks_texts(store):
    store.save_all([{"a": "x"}, {"a": "x"}])
    store.save({"a": "2024-01-01", "b": "2024-01-01"}, texts=frozenset({"a", "b"}))
    assert store.update({"a": "2025-01-01"}, texts=frozenset({"a"})) == 3
    assert [record.texts for record in store.find()] == [{"a"}, {"a"}, {"a", "b"}]
    store.update({"a": "y"})
    assert [record.texts for record in store.find()] == [frozenset(), frozenset(), {"b"}]


def test_updating_is_all_or_nothing(numbered):
    with pytest.raises(PropertyError, match=r"A\.m"):
        numbered.update({"n": 0, "m": float("inf")})
    assert [data["n"] for data in numbered.data()] == list(range(10))


def test_guards_look_at_every_record(store):
    policy = store.policy(cosine())
    ids = store.save_all([{"body": "same"}, {"body": "other"}, {"body": "other"}, {"n": 1}])
    store.upsert(policy.id, {ids[0]: vec(1, 0, 0), ids[1]: vec(1, 0, 0)})

    def guards(action):
        return (VectorGuard("embedding", "body", "same", (cosine(),), action),)

    with pytest.raises(StaleVector) as raised:
        store.update({"body": "same"}, guards=guards("raise"))
    assert raised.value.record_id == ids[1]
    assert store.count("A", {"body": "same"}) == 1
    assert store.update({"body": "same"}, {"$id": ids[0]}, guards=guards("raise")) == 1
    assert store.update({"body": "same"}, guards=guards("drop")) == 4
    assert [hit.id for hit in store.search(vec(1, 0, 0))] == [ids[0]]


def test_deleting_what_matches(numbered):
    assert numbered.delete("A", {"n": {"$lt": 4}}) == 4
    assert numbered.delete("A", {"n": {"$lt": 4}}) == 0
    assert numbered.delete("A", order=["-n"], limit=2) == 2
    assert [data["n"] for data in numbered.data()] == [4, 5, 6, 7]
    assert numbered.delete() == 4
    assert numbered.find() == []


def test_deleting_takes_vectors_and_edges_along(store):
    policy = store.policy(cosine())
    first, second, third = store.load(
        row({"body": "x"}, "A", inline(1, 0, 0)),
        row({"body": "y"}, "A", inline(0, 1, 0), parent=0),
        row({"body": "z"}, "B", parent=1),
    )
    connection = store.backend._file.connection()
    assert connection.execute("SELECT count(*) FROM edges").fetchone() == (2,)
    assert store.delete("A", {"$id": second.id}) == 1
    assert connection.execute("SELECT count(*) FROM edges").fetchone() == (0,)
    assert store.coverage(policy.id) == (1, 1)
    assert [hit.id for hit in store.search(vec(0, 1, 0))] == [first.id]
    assert store.get(third.id).data == {"body": "z"}
    assert store.delete(()) == 2
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM vectors WHERE vector IS NOT NULL").fetchone() == (0,)


def test_rows_are_never_used_again(store):
    """Else a tombstone of one record could hide the vector of another."""
    store.policy(cosine())
    for _ in range(3):
        store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0)})
        assert len(store.search(vec(1, 0, 0))) == 1
        store.delete()
        assert store.search(vec(1, 0, 0)) == []
    found = store.backend._file.connection().execute("SELECT row FROM vectors").fetchall()
    assert len(set(found)) == 3


def test_deleting_many(store):
    store.policy(cosine())
    store.save_all([{"n": n} for n in range(3000)])
    assert store.delete("A", {"n": {"$gte": 100}}) == 2900
    assert store.count() == 100

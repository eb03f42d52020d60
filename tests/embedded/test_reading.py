from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel.errors import QueryError
from rushmodel.port import EnsureIndexes, GetRecords, Order, RecordQuery

from .store import Store, cosine, euclidean, vec


@pytest.fixture
def numbered(store):
    store.save_all([{"n": n, "even": n % 2 == 0} for n in range(10)])
    return store


def ns(records):
    return [record.data.get("n") for record in records]


def test_all_by_ascending_id(numbered):
    records = numbered.find()
    assert ns(records) == list(range(10))
    assert [record.id for record in records] == sorted(record.id for record in records)
    assert {record.version for record in records} == {1}
    assert {record.label for record in records} == {"A"}


def test_ids_that_do_not_ascend_with_their_rows(store):
    """Another process may have had the later clock."""
    ids = store.save_all([{"n": 0}, {"n": 1}, {"n": 2}])
    connection = store.backend._file.connection()
    connection.execute("UPDATE records SET id = '0' WHERE id = ?", (ids[2],))
    assert ns(store.find()) == [2, 0, 1]
    assert ns(store.find(limit=2)) == [2, 0]
    assert ns(store.read(store.open())) == [2, 0, 1]


def test_where(numbered):
    assert ns(numbered.find("A", {"n": {"$gte": 7}})) == [7, 8, 9]
    assert ns(numbered.find("A", {"even": True, "n": {"$lt": 3}})) == [0, 2]
    record = numbered.find()[4]
    assert ns(numbered.find("A", {"$id": record.id})) == [4]
    assert numbered.count("A", {"$id": {"$in": [record.id, "x"]}}) == 1
    assert numbered.count("A", {"__label": "A"}) == 10
    assert numbered.count("A", {"__label": "B"}) == 0


def test_limit_and_offset(numbered):
    assert ns(numbered.find(limit=3)) == [0, 1, 2]
    assert ns(numbered.find(limit=3, offset=8)) == [8, 9]
    assert ns(numbered.find(offset=7)) == [7, 8, 9]
    assert ns(numbered.find(limit=0)) == []
    assert ns(numbered.find(limit=10**30, offset=9)) == [9]
    assert ns(numbered.find(offset=10**30)) == []


@pytest.mark.parametrize("page", [{"limit": -1}, {"offset": -1}, {"limit": 1.5}, {"limit": "1"}])
def test_pages_that_are_none(store, page):
    with pytest.raises(QueryError, match="number of records"):
        store.find(**page)


def test_order(store):
    store.save_all([{"n": 2, "t": "b"}, {"t": "a"}, {"n": 1, "t": "b"}, {"n": 3}, {"n": 2, "t": "c"}])
    assert ns(store.find(order=["n"])) == [1, 2, 2, 3, None]
    assert ns(store.find(order=["-n"])) == [None, 3, 2, 2, 1]
    first, second = [record.id for record in store.find(order=["n"])[1:3]]
    assert first < second
    assert [record.id for record in store.find(order=["-n"])[2:4]] == [
        first,
        second,
    ]  # ties ascend all the same
    assert [record.id for record in store.find(order=["n", "-$id"])[1:3]] == [second, first]
    assert ns(store.find(order=["-$id"])) == [2, 3, 1, None, 2]
    assert ns(store.find(order=["$id", "-n"])) == [2, None, 1, 3, 2]
    assert ns(store.find(order=["-t", "-n"])) == [3, 2, 2, 1, None]
    assert ns(store.find(order=["nowhere", "-$id"], limit=2)) == [2, 3]
    assert ns(store.find(order=["-nowhere"], limit=2)) == [2, None]


def test_types_are_ordered_as_sqlite_orders_them(store):
    values = ["b", [1], 2, True, "a", 1.5, False, "2024-01-01", -1]
    store.save_all([{"v": value} for value in values])
    wanted = [-1, 1.5, 2, "2024-01-01", "a", "b", [1], False, True]
    assert [data["v"] for data in store.data(order=["v"])] == wanted
    assert [data["v"] for data in store.data(order=["-v"])] == wanted[::-1]
    store.save({"w": 1}, "B")
    assert [data.get("v") for data in store.data(("A", "B"), order=["v"])] == [*wanted, None]
    assert [data.get("v") for data in store.data((), order=["-v"])] == [None, *wanted[::-1]]


def test_orders_that_are_none(store):
    with pytest.raises(QueryError, match="ordered by"):
        store.find(order=["$score"])


def test_projection(numbered):
    assert numbered.data(properties=("n",), limit=2) == [{"n": 0}, {"n": 1}]
    assert numbered.data(properties=("nowhere", "n", "n"), limit=1) == [{"n": 0}]
    assert numbered.data(properties=(), limit=2) == [{}, {}]
    assert numbered.data(properties=("even",), order=["-n"], limit=1) == [{"even": False}]
    assert numbered.find(properties=(), limit=1)[0].id == numbered.find(limit=1)[0].id


def test_several_labels_and_any(store):
    store.save_all([{"n": 1}, {"n": 4}], "A")
    store.save_all([{"n": 2, "x": 1}, {"n": 5}], "B")
    store.save_all([{"m": 3}], "C")
    assert ns(store.find(("A", "B"))) == [1, 4, 2, 5]
    assert ns(store.find(("B", "A", "B", "Never"))) == [1, 4, 2, 5]
    assert ns(store.find(())) == [1, 4, 2, 5, None]
    assert [record.label for record in store.find(())] == ["A", "A", "B", "B", "C"]
    assert ns(store.find((), order=["n"])) == [1, 2, 4, 5, None]
    assert ns(store.find((), order=["-n"], limit=2, offset=1)) == [5, 4]
    assert ns(store.find((), limit=2, offset=1)) == [4, 2]
    assert ns(store.find((), order=["-$id"], limit=3)) == [None, 5, 2]
    assert ns(store.find((), {"x": 1})) == [2]
    assert store.data((), properties=("m", "x")) == [{}, {}, {"x": 1}, {}, {"m": 3}]
    assert store.count(()) == 5
    assert store.count(("A", "C", "C")) == 3
    assert ns(store.find((), {"__label": {"$in": ["A", "B"]}, "n": {"$gt": 1}})) == [4, 2, 5]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"),
            st.one_of(
                st.none(), st.integers(-2, 2), st.sampled_from([0.5, "a", "b", True, False, [1], ["x"]])
            ),
            st.integers(0, 2),
        ),
        max_size=25,
    ),
    st.lists(st.sampled_from(["v", "-v", "w", "-w", "$id", "-$id"]), max_size=3),
    st.one_of(st.none(), st.integers(0, 8)),
    st.integers(0, 5),
)
def test_labels_together_answer_as_one_label_does(rows, order, limit, offset):
    """The merging of labels, against SQLite's own order over all in one."""
    store = Store()
    for label, v, w in rows:
        data = {"w": w} if v is None else {"w": w, "v": v}
        store.save(data, "All")
        store.save(data, label)
    page = {"order": order, "limit": limit, "offset": offset}
    together = store.data(("A", "B", "C"), **page)
    assert repr(together) == repr(store.data("All", **page))
    cursor = store.open(("A", "B", "C"), **page)
    assert repr([record.data for record in store.read(cursor, 1000)]) == repr(together)
    store.close()


def test_counting_ignores_the_page(numbered):
    assert numbered.count("A", {"n": {"$lt": 5}}, limit=2, offset=1, order=["n"]) == 5
    assert numbered.count("Never") == 0


@pytest.mark.parametrize("labels", ["A", (), "Never", ("A", "B")])
def test_conditions_that_are_none(store, labels):
    store.save({"n": 1})
    for where, error in (({"n": {"$near": 1}}, QueryError), ({"B": {"$relation": 5}}, QueryError)):
        for ask in (store.find, store.count, store.delete, store.open):
            with pytest.raises(error):
                ask(labels, where)
    assert store.count() == 1


def test_vectors_are_read_along(store):
    store.policy(cosine())
    store.policy(euclidean(dims=2))
    store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0), euclidean(dims=2): vec(3, 4)})
    store.save({"body": "y"}, vectors={cosine(): vec(0, 1, 0)})
    store.save({"body": "z"}, "B")
    wanted = (euclidean(dims=2), cosine(), cosine(dims=9))
    both, one = store.find(vectors=wanted, order=["body"])
    assert {signature: vector.tolist() for signature, vector in both.vectors.items()} == {
        euclidean(dims=2): [3, 4],
        cosine(): [1, 0, 0],
    }
    assert one.vectors.keys() == {cosine()}
    assert [len(record.vectors) for record in store.find((), vectors=wanted)] == [2, 1, 0]
    assert [record.vectors for record in store.find()] == [None, None]
    assert store.find(vectors=wanted, properties=("body",), limit=1)[0].vectors.keys() == both.vectors.keys()


def test_getting_by_id(store):
    ids = store.save_all([{"n": n} for n in range(1100)])
    other = store.save({"m": 1}, "B").id
    asked = (ids[7], "nobody", other, ids[3], ids[7])
    assert [record.data for record in store.do(GetRecords(asked))] == [{"n": 7}, {"m": 1}, {"n": 3}, {"n": 7}]
    assert [record.label for record in store.do(GetRecords(asked, label="B"))] == ["B"]
    assert store.do(GetRecords(asked, label="Never")) == []
    assert store.do(GetRecords(())) == []
    everything = tuple(reversed(ids))
    assert [record.id for record in store.do(GetRecords(everything))] == list(everything)


def test_declared_indexes(store):
    store.do(EnsureIndexes("A", (("n",), ("t", "n"), ("n",))))
    store.do(EnsureIndexes("A", (("n",),)))
    store.save({"n": 1, "t": "x"})
    connection = store.backend._file.connection()
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name GLOB 'i[0-9]*'").fetchone() == (
        2,
    )
    assert store.data("A", {"n": 1}) == [{"n": 1, "t": "x"}]
    with pytest.raises(QueryError, match="at least one"):
        store.do(EnsureIndexes("A", ((),)))


def test_a_where_of_very_many_values(numbered):
    assert ns(numbered.find("A", {"n": {"$in": list(range(5, 20_000))}}, limit=2)) == [5, 6]


def test_queries_can_be_given_as_the_port_has_them(numbered):
    query = RecordQuery(("A",), {"n": {"$gt": 3}}, (Order("n", True),), 2, 1, ("n",), ())
    from rushmodel.port import FindRecords

    assert ns(numbered.do(FindRecords(query))) == [8, 7]

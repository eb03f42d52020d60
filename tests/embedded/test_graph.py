"""Relationships in the store: made, taken away, found, and followed from many records at once."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, dict-item, var-annotated"

from __future__ import annotations

import pytest

from rushmodel.errors import (
    ConflictError,
    NotFound,
    PropertyError,
    QueryError,
    RecordGone,
)
from rushmodel.port import (
    DEFAULT_RELATIONSHIP,
    End,
    FindPage,
    FindRelated,
    FindRelationships,
    JoinRecords,
    Link,
    LinkRecords,
    Order,
    RecordWrite,
    Related,
    SaveGraph,
    Unlink,
)

from .store import Store, cosine, query, row, vec

ANY_END = End()
UNKNOWN = "0199aaaa-0000-7000-8000-000000000000"
SHOWN = "RUSHDB_DEFAULT_RELATION"


def link(store, *links):
    return store.do(LinkRecords([Link(*each) for each in links]))


def unlink(store, *args, **rest):
    return store.do(LinkRecords(unlinks=[Unlink(*args, **rest)]))


def found(store, source=ANY_END, target=ANY_END, **rest):
    return store.do(FindRelationships(source, target, **rest)).relationships


def edges(store, **rest):
    """All relationships, oldest first, as (source, type, target, properties)."""
    return [(each.source, each.type, each.target, each.data) for each in reversed(found(store, **rest))]


def related(store, ids, label="B", **rest):
    """Related ids by the id asked for, with the properties of what leads there."""
    answer = store.do(FindRelated(tuple(ids), label, **rest))
    assert len({record.id for record in answer.records}) == len(answer.records)
    return [(asked, answer.records[place].id, data) for asked, place, data in answer.links]


@pytest.fixture
def a(store):
    return store.save_all([{"n": n, "name": f"a{n}"} for n in range(4)])


@pytest.fixture
def b(store):
    return store.save_all([{"n": n, "tag": f"b{n}"} for n in range(4)], "B")


# -- LinkRecords --


def test_a_relationship_is_one_of_its_type_between_two_records(store, a, b):
    assert link(store, (a[0], b[0], "R"), (a[0], b[0], "R"), (a[0], b[0], "S"), (b[0], a[0], "R")) == 3
    assert link(store, (a[0], b[0], "R")) == 0
    assert edges(store) == [(a[0], "R", b[0], {}), (a[0], "S", b[0], {}), (b[0], "R", a[0], {})]


def test_properties_take_the_place_of_those_there_and_none_leaves_them(store, a, b):
    first = {"stars": 5, "at": "2024-01-01T00:00:00Z", "tags": ["x", "y\0"], "ok": True, "mean": 1.0}
    assert link(store, (a[0], b[0], "R", first)) == 1
    assert link(store, (a[0], b[0], "R", None), (a[0], b[0], "R", first)) == 0
    (((*_, data)),) = edges(store)
    assert data == first
    assert [type(value) for value in data.values()] == [int, str, list, bool, float]
    assert link(store, (a[0], b[0], "R", {"stars": 3})) == 1
    assert edges(store) == [(a[0], "R", b[0], {"stars": 3})]
    assert link(store, (a[0], b[0], "R", {"stars": 4}), (a[0], b[0], "R", {"o": 1}), (a[0], b[0], "R")) == 1
    assert edges(store) == [(a[0], "R", b[0], {"o": 1})]
    assert link(store, (a[0], b[0], "R", {})) == 1
    assert edges(store) == [(a[0], "R", b[0], {})]


def test_the_default_type_has_two_names(store, a, b):
    assert link(store, (a[0], b[0], DEFAULT_RELATIONSHIP), (a[0], b[0], SHOWN), (a[1], b[0], SHOWN)) == 2
    assert {each.type for each in found(store)} == {SHOWN}
    for name in (DEFAULT_RELATIONSHIP, SHOWN):
        assert len(found(store, types=(name,))) == 2
        assert len(related(store, a, type=name)) == 2
        assert store.data("A", {"B": {"$relation": name}}, properties=("n",)) == [{"n": 0}, {"n": 1}]
    store.load(row({"n": 8}), row({"n": 9}, "B", parent=0), relationship=SHOWN)
    assert len(found(store, types=(DEFAULT_RELATIONSHIP,))) == 3
    assert unlink(store, a[0], (SHOWN,)) == 0
    assert len(found(store)) == 2


def test_a_record_may_be_related_to_itself(store, a):
    assert link(store, (a[0], a[0], "SELF", {"n": 1})) == 1
    for direction in ("in", "out", None):
        assert related(store, a, "A", direction=direction) == [(a[0], a[0], {"n": 1})]
    assert [record.id for record in store.find("A", related_to=a[0])] == [a[0]]
    unlink(store, a[0])
    assert edges(store) == []


@pytest.mark.parametrize(
    ("bad", "error", "details"),
    [
        ((UNKNOWN, 1, "R"), NotFound, {"record_id": UNKNOWN}),
        ((0, UNKNOWN, "R"), NotFound, {"record_id": UNKNOWN}),
        ((0, 1, "HAS SPACE"), PropertyError, {"property": "type", "given": "HAS SPACE"}),
        ((0, 1, ""), PropertyError, {"property": "type"}),
        ((0, 1, "R\n"), PropertyError, {"property": "type"}),
        ((0, 1, "a`b"), PropertyError, {"property": "type"}),
        ((0, 1, "1ST"), PropertyError, {"property": "type"}),
        ((0, 1, None), PropertyError, {"property": "type"}),
        ((0, 1, "Q", {"type": 1}), PropertyError, {"property": "type", "type": "Q"}),
        ((0, 1, "Q", {"o": {"a": 1}}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"o": [1, "a"]}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"o": None}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"o": 2**60}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"o": float("nan")}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"o": "\ud800"}), PropertyError, {"property": "o"}),
        ((0, 1, "Q", {"$o": 1}), PropertyError, {"property": "$o"}),
        ((0, 1, "Q", {"": 1}), PropertyError, {"property": ""}),
    ],
)
def test_a_link_that_cannot_be_made_leaves_the_store_as_it_was(store, a, bad, error, details):
    link(store, (a[2], a[3], "R"))
    ends = [a[end] if isinstance(end, int) else end for end in bad[:2]]
    links = [Link(a[0], a[1], "R"), Link(*ends, *bad[2:])]
    with pytest.raises(error) as raised:
        store.do(LinkRecords(links, [Unlink(a[2])]))
    assert raised.value.link == 1
    assert details.items() <= vars(raised.value).items()
    assert edges(store) == [(a[2], "R", a[3], {})]
    with pytest.raises(error) as raised:
        store.do(SaveGraph([("A", RecordWrite({"n": 9}))], links))
    assert raised.value.link == 1
    assert store.count() == 4


def test_the_error_of_a_type_says_what_one_is(store, a):
    with pytest.raises(PropertyError, match=r"letters, digits and _, .* not 'a b'") as raised:
        link(store, (a[0], a[1], "a b"))
    assert raised.value.status == 400
    with pytest.raises(PropertyError, match="letters, digits and _"):
        store.load(row({"n": 1}), relationship="a b")


def test_an_end_by_place_needs_writes(store, a):
    for end in (0, 1, -1):
        with pytest.raises(QueryError, match="the place of one of the 0 writes"):
            link(store, (a[0], end, "R"))


def test_unlinking_by_type_direction_others_label_and_what_is_kept(store, a, b):
    everything = [
        (a[0], b[0], "R"),
        (a[0], b[1], "R"),
        (b[2], a[0], "R"),
        (a[0], b[1], "S"),
        (a[0], a[1], "R"),
    ]

    def left(*args, **rest):
        store.do(LinkRecords([Link(*each) for each in everything]))
        unlink(store, *args, **rest)
        there = {(source, target, kind) for source, kind, target, _ in edges(store)}
        return [place for place, each in enumerate(everything) if each in there]

    assert left(a[3]) == [0, 1, 2, 3, 4]
    assert left(a[0]) == []
    assert left(a[0], ("R",)) == [3]
    assert left(a[0], ("R", "S", "NO")) == []
    assert left(a[0], ("NO",)) == [0, 1, 2, 3, 4]
    assert left(a[0], ("R",), "out") == [2, 3]
    assert left(a[0], (), "in") == [0, 1, 3, 4]
    assert left(a[0], others=(b[1], b[2], UNKNOWN)) == [0, 4]
    assert left(a[0], others=()) == [0, 1, 2, 3, 4]
    assert left(a[0], ("R",), keep=(b[1], UNKNOWN)) == [1, 3]
    assert left(a[0], others=(b[0], b[1]), keep=(b[0],)) == [0, 2, 4]
    assert left(a[0], label="A") == [0, 1, 2, 3]
    assert left(a[0], ("R",), "out", label="B") == [2, 3, 4]
    assert left(a[0], label="Nobody") == [0, 1, 2, 3, 4]
    assert left(b[1]) == [0, 2, 4]
    # What is not there has no relationships (trace 14: detach unknown source).
    assert left(UNKNOWN) == [0, 1, 2, 3, 4]


def test_unlinks_come_before_links(store, a, b):
    link(store, (a[0], b[0], "R", {"n": 1}))
    assert store.do(LinkRecords([Link(a[0], b[0], "R"), Link(a[0], b[1], "R")], [Unlink(a[0], ("R",))])) == 2
    assert edges(store) == [(a[0], "R", b[0], {}), (a[0], "R", b[1], {})]


def test_deleting_a_record_takes_its_relationships(store, a, b):
    link(store, (a[0], b[0], "R"), (b[1], a[0], "R"), (a[1], b[0], "R"))
    store.delete("A", {"n": 0})
    assert edges(store) == [(a[1], "R", b[0], {})]


# -- SaveGraph --


def test_records_and_relationships_are_saved_together(store, a):
    writes = [
        ("A", RecordWrite({"n": 7}, record_id=a[0])),
        ("B", RecordWrite({"slug": "x"}, key=("slug",))),
        ("C", RecordWrite({"n": 1})),
    ]
    written = store.do(SaveGraph(writes, [Link(2, a[1], "R"), Link(0, 1, "R", {"w": 1}), Link(2, 2, "S")]))
    assert [(each.created, each.version) for each in written] == [(False, 2), (True, 1), (True, 1)]
    first, second, third = (each.id for each in written)
    assert first == a[0]
    assert edges(store) == [(third, "R", a[1], {}), (first, "R", second, {"w": 1}), (third, "S", third, {})]


def test_what_is_kept_may_be_a_place(store, a):
    link(store, (a[0], a[1], "R"), (a[0], a[2], "R"))
    writes = [("A", RecordWrite({"n": 7}, record_id=a[0])), ("A", RecordWrite({"n": 8}, record_id=a[2]))]
    store.do(SaveGraph(writes, [Link(0, 1, "R")], [Unlink(0, ("R",), "out", keep=(1,))]))
    assert edges(store) == [(a[0], "R", a[2], {})]


def test_an_error_about_a_write_tells_its_place_and_nothing_is_kept(store, a):
    good = ("B", RecordWrite({"n": 1}))
    for bad, error in [
        (("A", RecordWrite({"n": 1}, record_id=UNKNOWN)), RecordGone),
        (("A", RecordWrite({"n": 1}, record_id=a[0], version=9)), ConflictError),
        (("C", RecordWrite({"o": [1, "x"]})), PropertyError),
    ]:
        with pytest.raises(error) as raised:
            store.do(SaveGraph([good, bad], [Link(0, a[0], "R")]))
        assert raised.value.index == 1
    with pytest.raises(QueryError, match="the 1 writes, not at 1"):
        store.do(SaveGraph([good], [Link(0, 1, "R")]))
    assert (store.count("B"), store.count("C"), edges(store)) == (0, 0, [])


# -- FindRelationships --


def test_relationships_by_ends_types_and_properties(store, a, b):
    link(
        store,
        (a[0], b[0], "R", {"stars": 5, "at": "2024-01-01"}),
        (a[1], b[1], "R", {"stars": 3, "tags": ["x", "y"]}),
        (b[0], a[0], "S"),
        (a[1], a[2], "S", {"stars": "5"}),
    )

    def places(*args, **rest):
        answer = store.do(FindRelationships(*args, **rest))
        assert answer.total == len(answer.relationships)
        ends = [(each.source, each.target) for each in answer.relationships]
        order = [(a[0], b[0]), (a[1], b[1]), (b[0], a[0]), (a[1], a[2])]
        return [order.index(each) for each in ends]

    assert places() == [3, 2, 1, 0]
    assert places(End(("A",))) == [3, 1, 0]
    assert places(End(("B", "A", "Nobody"))) == [3, 2, 1, 0]
    assert places(End(("Nobody",))) == []
    assert places(End(("A",), {"n": 1}), End(("B",))) == [1]
    assert places(ANY_END, End((), {"n": {"$gte": 1}})) == [3, 1]
    assert places(End((), {"$id": b[0]})) == [2]
    assert places(End((), {"A": {"$relation": "S", "n": 2}})) == [3, 1]
    assert places(types=("S", "NO")) == [3, 2]
    assert places(types=("NO",)) == []
    assert places(where={"stars": {"$gt": 3}}) == [0]
    assert places(where={"stars": {"$exists": True}}) == [3, 1, 0]
    assert places(where={"$or": [{"tags": "x"}, {"at": {"$startsWith": "2024"}}]}) == [1, 0]
    assert places(where={"stars": None}) == [2]
    assert places(End(("A",), {"n": 1}), types=("R",), where={"stars": 3}) == [1]


def test_relationships_by_pages(store, a, b):
    link(store, *((a[n % 4], b[n // 4], "R") for n in range(16)))
    everything = found(store)
    for limit, offset in [(3, 0), (3, 3), (16, 0), (0, 0), (5, 14), (5, 16), (5, 99), (None, 4)]:
        answer = store.do(FindRelationships(limit=limit, offset=offset))
        assert answer.total == 16
        assert answer.relationships == everything[offset:][:limit]
    with pytest.raises(QueryError, match="limit is a number"):
        store.do(FindRelationships(limit=-1))
    one = everything[0]
    assert (one.source_label, one.target_label) == ("A", "B")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"where": {"stars": {"$near": 1}}}, r"\$near"),
        ({"where": {"$id": "x"}}, r"\$id"),
        ({"where": {"A": {"$relation": "R"}}}, "relationship"),
        ({"source": End(("Nobody",), {"n": {"$near": 1}})}, r"\$near"),
        ({"target": End((), {"n": {"$near": 1}})}, r"\$near"),
    ],
)
def test_a_condition_that_is_none_is_named(wrong, named):
    store = Store()
    for _ in range(2):  # also where nothing is stored
        with pytest.raises(QueryError, match=named):
            store.do(FindRelationships(**wrong))
        store.save({"n": 1})


@pytest.mark.parametrize("where", ["source", "target", "both"])
def test_conditions_as_deep_as_they_may_be(store, a, where):
    """Filters are nested in the statements here, and SQLite's parser has room for so much."""
    link(store, (a[0], a[1], "R"))
    deepest = 0
    for depth in range(1, 60):
        condition = {"n": 0}
        for level in range(depth):
            condition = {"$or" if level % 2 else "$and": [{"n": 1}, condition]}
        end = End(("A", "B"), condition)
        ends = {name: end for name in ("source", "target") if where in (name, "both")}
        try:
            store.count("A", condition)
        except QueryError:
            break
        deepest = depth
        store.do(FindRelationships(**ends))
        store.do(FindRelated((a[0],), "A", where=condition))
        store.do(JoinRecords(End(("A",), condition), End(("A",), condition), "n", "n", "J", remove=True))
        store.do(JoinRecords(End(("A",), condition), End(("A",), condition), "n", "n", "J"))
        store.count("A", condition, related_to=a[0])
    assert deepest > 20


# -- FindRelated --


def test_related_records_come_by_the_ids_asked_for(store, a, b):
    link(
        store,
        (a[1], b[2], "R", {"w": 1}),
        (a[1], b[0], "R"),
        (a[0], b[2], "R"),
        (b[3], a[0], "R"),
        (a[0], b[2], "S", {"w": 2}),
    )
    assert related(store, [a[1], UNKNOWN, a[0], a[1], a[3]]) == [
        (a[1], b[0], {}),
        (a[1], b[2], {"w": 1}),
        (a[0], b[2], {}),
        (a[0], b[2], {"w": 2}),
        (a[0], b[3], {}),
    ]
    assert related(store, a, type="R", direction="out") == [
        (a[0], b[2], {}),
        (a[1], b[0], {}),
        (a[1], b[2], {"w": 1}),
    ]
    assert related(store, a, direction="in") == [(a[0], b[3], {})]
    assert related(store, b, "A", direction="in", type="S") == [(b[2], a[0], {"w": 2})]
    assert related(store, [a[0], a[1]], where={"n": {"$gt": 2}}) == [(a[0], b[3], {})]
    assert related(store, [a[0], a[1]], where={"$id": b[0]}) == [(a[1], b[0], {})]
    assert related(store, a, where={"A": {"$relation": "S"}}, type="R") == [
        (a[0], b[2], {}),
        (a[1], b[2], {"w": 1}),
    ]
    down = [(asked, other) for asked, other, _ in related(store, a, type="R", order=(Order("n", True),))]
    assert down == [(a[0], b[3]), (a[0], b[2]), (a[1], b[2]), (a[1], b[0])]
    for nothing in ({"label": "A"}, {"label": "Nobody"}, {"type": "NO"}):
        assert store.do(FindRelated((a[0],), **{"label": "B", **nothing})) == Related([], [])
    assert store.do(FindRelated((), "B")) == Related([], [])


def test_a_link_between_two_asked_for_is_seen_from_both(store, a):
    link(store, (a[0], a[1], "R"), (a[1], a[0], "R", {"w": 1}))
    assert related(store, [a[1], a[0]], "A") == [
        (a[1], a[0], {}),
        (a[1], a[0], {"w": 1}),
        (a[0], a[1], {}),
        (a[0], a[1], {"w": 1}),
    ]


def test_related_records_are_whole(store, a):
    store.policy(cosine("B"))
    other = store.save({"body": "x", "n": [1, 2]}, "B", {cosine("B"): vec(1, 2, 3)}).id
    link(store, (a[0], other, "R"), (a[1], other, "R"))
    answer = store.do(FindRelated(tuple(a), "B", vectors=(cosine("B"),)))
    (record,) = answer.records
    assert (record.id, record.label, record.version, record.data) == (
        other,
        "B",
        1,
        {"body": "x", "n": [1, 2]},
    )
    assert list(record.vectors[cosine("B")]) == [1, 2, 3]
    assert [asked for asked, _, _ in answer.links] == a[:2]
    assert store.do(FindRelated((a[0],), "B")).records[0].vectors is None


def test_absent_values_order_as_in_queries(store, a):
    others = store.save_all([{"n": 2}, {"m": 0}, {"n": 1}], "B")
    link(store, *((a[0], other, "R") for other in others))
    ascending = [other for _, other, _ in related(store, a, order=(Order("n"),))]
    assert ascending == [others[2], others[0], others[1]]
    descending = [other for _, other, _ in related(store, a, order=(Order("n", True),))]
    assert descending == [others[1], others[0], others[2]]
    assert [x for _, x, _ in related(store, a, order=(Order("$id", True),))] == others[::-1]
    with pytest.raises(QueryError, match=r"\$nope"):
        related(store, a, order=(Order("$nope"),))


# -- JoinRecords --


def join(store, source, target, *args, **rest):
    return store.do(JoinRecords(End((source,)), End((target,)), *args, **rest))


def test_records_with_equal_values_are_joined(store, a, b):
    assert join(store, "A", "B", "n", "n", "SAME") == 4
    assert join(store, "A", "B", "n", "n", "SAME") == 0
    assert edges(store) == [(a[n], "SAME", b[n], {}) for n in range(4)]
    assert store.do(JoinRecords(End(("A",), {"n": 1}), End(("B",)), "n", "n", "IN", "in")) == 1
    assert edges(store, types=("IN",)) == [(b[1], "IN", a[1], {})]
    assert store.do(JoinRecords(End(("A",), {"n": 1}), End(("B",), {"n": {"$gte": 1}}), None, None)) == 3
    assert [(s, t) for s, kind, t, _ in edges(store) if kind == SHOWN] == [(a[1], b[n]) for n in (1, 2, 3)]
    assert join(store, "A", "B", "n", "n", "SAME", "in", remove=True) == 0
    assert join(store, "A", "B", "n", "n", remove=True) == 5
    assert join(store, "A", "B", None, None, remove=True) == 2
    assert join(store, "A", "B", None, None, direction="in", remove=True) == 1
    assert edges(store) == []
    assert join(store, "A", "A", "n", "n", "SELF", data={"w": 1}) == 4
    assert join(store, "A", "A", "n", "n", "SELF", data={"w": 1}) == 0
    assert join(store, "A", "A", "n", "n", "SELF") == 0
    assert edges(store, where={"w": 1}) == [(each, "SELF", each, {"w": 1}) for each in a]
    assert store.do(JoinRecords(End(("A",), {"n": 1}), End(("A",)), "n", "n", "SELF", data={})) == 1
    assert len(edges(store, where={"w": 1})) == 3
    assert store.do(JoinRecords(ANY_END, ANY_END, "n", "n", "ALL")) == 16


def test_values_are_equal_with_their_type_and_lists_as_whole(store):
    values = [1, 1.0, "1", True, "true", [1, 2], [1.0, 2], [2, 1], ["a"], "a", [], [True], None]
    left = store.save_all([{"i": i} | ({} if v is None else {"x": v}) for i, v in enumerate(values)], "L")
    right = store.save_all([{"i": i} | ({} if v is None else {"y": v}) for i, v in enumerate(values)], "M")
    join(store, "L", "M", "x", "y", "SAME")
    got = sorted((left.index(source), right.index(target)) for source, _, target, _ in edges(store))
    alike = {frozenset(pair) for pair in [(0, 1), (5, 6)]} | {frozenset([place]) for place in range(12)}
    assert got == sorted((i, j) for i in range(12) for j in range(12) if {i, j} in alike)


def test_a_join_that_is_none(store, a, b):
    assert join(store, "A", "B", "nope", "n", "R") == 0
    assert join(store, "A", "Nobody", "n", "n", "R") == 0
    assert join(store, "A", "B", "n", "n", "NO", remove=True) == 0
    with pytest.raises(QueryError, match="a key each"):
        join(store, "A", "B", "n", None, "R")
    with pytest.raises(QueryError, match=r"'\$id'"):
        join(store, "A", "B", "$id", "n", "R")
    with pytest.raises(PropertyError, match="relationship type"):
        join(store, "Nobody", "B", "n", "n", "a b")
    with pytest.raises(PropertyError, match="'type' of the relationship R cannot be stored"):
        join(store, "Nobody", "B", "n", "n", "R", data={"type": 1})
    assert edges(store) == []


# -- related_to --


def test_queries_among_the_records_related_to_one(store, a, b):
    link(store, (a[0], b[0], "R"), (b[2], a[0], "S"), (a[0], b[2], "S"), (a[0], a[1], "R"), (b[1], a[1], "R"))
    near = {"related_to": a[0]}
    assert [record.id for record in store.find("B", **near)] == [b[0], b[2]]
    assert [record.id for record in store.find("B", order=["-n"], limit=1, **near)] == [b[2]]
    assert {record.id for record in store.find((), **near)} == {a[1], b[0], b[2]}
    assert [store.count(labels, **near) for labels in ("A", "B", ())] == [1, 2, 3]
    assert [record.id for record in store.find("B", {"$or": [{"n": 1}, {"n": 2}]}, **near)] == [b[2]]
    assert store.do(FindPage(query("B", limit=1, **near))).total == 2
    assert store.find((), related_to=UNKNOWN) == []
    assert store.find("B", {"n": 1}, related_to="nope") == []
    cursor = store.open("B", **near)
    assert [record.id for record in store.read(cursor)] == [b[0], b[2]]
    assert store.delete("B", limit=1, **near) == 1
    assert store.delete("B", **near) == 1
    assert [record.id for record in store.find("B")] == [b[1], b[3]]


def test_the_nearest_among_the_records_related_to_one(store, a):
    store.policy(cosine("B"))
    vectors = [vec(1, 0, 0), vec(1, 1, 0), vec(0, 1, 0)]
    b = [store.save({"body": "x"}, "B", {cosine("B"): vector}).id for vector in vectors]
    link(store, (a[0], b[2], "R"), (b[1], a[0], "R"))
    hits = store.search(vec(1, 0, 0), "B", related_to=a[0], limit=2)
    assert [hit.id for hit in hits] == [b[1], b[2]]
    assert store.search(vec(1, 0, 0), "B", related_to=UNKNOWN) == []
    assert [hit.id for hit in store.search(vec(1, 0, 0), "B", {"$id": b[2]}, related_to=a[0])] == [b[2]]


# -- plans --


def test_statements_use_the_indexes(store, a, b):
    """No statement walks over all relationships where it has an end to begin at."""
    link(store, (a[0], b[0], "R"))
    connection = store.backend._file.connection()
    asked = []
    for command in [
        FindRelated((a[0],), "B", "R", "out"),
        FindRelated((a[0],), "B", where={"n": 1}),
        FindRelationships(End((), {"$id": a[0]}), limit=10),
        FindRelationships(ANY_END, End(("B",), {"n": 1}), types=("R",)),
        JoinRecords(End(("A",), {"n": 0}), End(("B",)), "n", "n", "R", remove=True),
        JoinRecords(End(("A",)), End(("B",), {"n": 0}), None, None, remove=True),
        LinkRecords(unlinks=[Unlink(a[0], ("R",), "in", others=(b[0],))]),
    ]:
        connection.set_trace_callback(asked.append)
        store.do(command)
        connection.set_trace_callback(None)
    statements = [sql for sql in asked if " edges " in sql and not sql.startswith("--")]
    assert len(statements) == 8
    for sql in statements:
        plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert not [step for step in plan if step.startswith(("SCAN e", "SCAN x", "SCAN y", "SCAN edges"))], (
            sql,
            plan,
        )

"""Relationships on a server that does not say what it did not do: nothing is lost, all answers are right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import CapabilityError, NotFound, PolicyMissing, PropertyError, VectorError
from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.backends.rest import RestBackend
from rushmodel.port import (
    Backend,
    CreatePolicy,
    End,
    FindPage,
    FindRecords,
    FindRelated,
    FindRelationships,
    FindRows,
    JoinRecords,
    Link,
    LinkRecords,
    Order,
    RecordQuery,
    RecordWrite,
    RowQuery,
    SaveGraph,
    SaveRecords,
    Signature,
    Unlink,
    VectorWrite,
)
from tests.unkind.process import Unkind, unkind

__all__ = ["unkind"]

KNOWS = "KNOWS"


@pytest.fixture
def server(unkind: Unkind) -> Iterator[Backend]:
    """The server as a RushDB server is."""
    unkind.faults(rushdb=True)
    with closing(opened(unkind)) as backend:
        yield backend


@pytest.fixture
def extended(unkind: Unkind) -> Iterator[Backend]:
    """The same as `serve` is."""
    with closing(opened(unkind)) as backend:
        yield backend


def opened(unkind: Unkind) -> RestBackend:
    from rushmodel.opening import open_store

    store = open_store(unkind.url, token=unkind.token)
    assert isinstance(store.backend, RestBackend)
    return store.backend


def people(store: Backend, *names: str, label: str = "P") -> list[str]:
    writes = [RecordWrite({"name": name, "n": n}) for n, name in enumerate(names)]
    return [each.id for each in store.execute(SaveRecords(label, writes))]


def edges(store: Backend) -> set[tuple[str, str, str]]:
    found = store.execute(FindRelationships()).relationships
    names = {each.id: each.data["name"] for each in store.execute(FindRecords(RecordQuery(())))}
    return {(names[each.source], each.type, names[each.target]) for each in found}


def test_an_unknown_record_is_said_and_nothing_is_made(server: Backend) -> None:
    a, b = people(server, "a", "b")
    for link in (Link(a, "nobody", KNOWS), Link("nobody", b, KNOWS)):
        with pytest.raises(NotFound, match="nobody") as caught:
            server.execute(LinkRecords([Link(a, b, KNOWS), link]))
        assert (caught.value.record_id, caught.value.link) == ("nobody", 1)
    assert edges(server) == set()


def test_what_is_no_relationship_is_said_before_anything_is_sent(unkind: Unkind, server: Backend) -> None:
    a, b = people(server, "a", "b")
    before = len(unkind.writes)
    for link in (Link(a, b, "HAS SPACE"), Link(a, b, KNOWS, {"type": 1})):
        with pytest.raises(PropertyError):
            server.execute(LinkRecords([link]))
    assert len(unkind.writes) == before


def test_the_other_way_round_is_refused_rather_than_lost(unkind: Unkind, server: Backend) -> None:
    a, b, c = people(server, "a", "b", "c")
    assert server.execute(LinkRecords([Link(a, b, KNOWS), Link(a, a, KNOWS)])) == 2
    for links in ([Link(b, a, KNOWS)], [Link(b, c, KNOWS), Link(c, b, KNOWS)]):
        with pytest.raises(CapabilityError, match="would be lost"):
            server.execute(LinkRecords(links))
    with pytest.raises(CapabilityError, match="would be lost"):
        server.execute(JoinRecords(End(("P",), {"name": "b"}), End(("P",), {"name": "a"}), None, None, KNOWS))
    assert edges(server) == {("a", KNOWS, "b"), ("a", KNOWS, "a")}
    server.execute(LinkRecords([Link(b, a, "LIKES")]))
    server.execute(LinkRecords([Link(b, a, KNOWS)], [Unlink(a, (KNOWS,), "out", others=(b,))]))
    assert edges(server) == {("b", KNOWS, "a"), ("a", KNOWS, "a"), ("b", "LIKES", "a")}


def test_properties_stay_unless_others_are_given(unkind: Unkind, server: Backend) -> None:
    a, b = people(server, "a", "b")
    server.execute(LinkRecords([Link(a, b, KNOWS, {"since": 2000})]))
    before = len(unkind.writes)
    server.execute(LinkRecords([Link(a, b, KNOWS)]))
    assert len(unkind.writes) == before
    (found,) = server.execute(FindRelationships()).relationships
    assert found.data == {"since": 2000}
    server.execute(LinkRecords([Link(a, b, KNOWS, {"until": 2020})]))
    (found,) = server.execute(FindRelationships()).relationships
    assert found.data == {"until": 2020}


def graph(key: tuple[str, ...] = ()) -> SaveGraph:
    """An author with two articles, one of them about the other."""
    writes = [
        ("Author", RecordWrite({"name": "Ada"}, key=key)),
        ("Article", RecordWrite({"name": "one"}, key=key)),
        ("Article", RecordWrite({"name": "two"}, key=key)),
    ]
    return SaveGraph(writes, [Link(0, 1, "WROTE"), Link(0, 2, "WROTE", {"at": 5})])


def test_new_trees_are_one_import(unkind: Unkind, server: Backend) -> None:
    command = graph()
    plain = SaveGraph(command.writes, [link._replace(data=None) for link in command.links])
    unkind.reset(rushdb=True)
    written = server.execute(plain)
    assert [each.path for each in unkind.writes] == ["/records/import/json"]
    found = {each.id: each for each in server.execute(FindRecords(RecordQuery(())))}
    assert [found[each.id].data["name"] for each in written] == ["Ada", "one", "two"]
    assert edges(server) == {("Ada", "WROTE", "one"), ("Ada", "WROTE", "two")}


def test_what_is_no_tree_is_one_transaction(unkind: Unkind, server: Backend) -> None:
    written = server.execute(graph(("name",)))
    assert edges(server) == {("Ada", "WROTE", "one"), ("Ada", "WROTE", "two")}
    again = server.execute(graph(("name",)))
    assert [each.id for each in again] == [each.id for each in written]
    ended = [each.path.rpartition("/")[2] for each in unkind.writes if each.path.startswith("/tx")]
    assert ended == ["tx", "commit"] * 2
    cyclic = [("P", RecordWrite({"name": name})) for name in "xyz"]
    links = [Link(0, 1, KNOWS), Link(1, 2, KNOWS), Link(2, 0, KNOWS)]
    server.execute(SaveGraph(cyclic, links))
    assert {("x", KNOWS, "y"), ("y", KNOWS, "z"), ("z", KNOWS, "x")} <= edges(server)


def test_twins_are_not_taken_for_one_another(server: Backend) -> None:
    writes = [("A", RecordWrite({"name": name})) for name in "ab"]
    writes += [("B", RecordWrite({"name": "same"}))] * 2
    written = server.execute(SaveGraph(writes, [Link(0, 2, "HAS"), Link(1, 3, "HAS")]))
    ids = {(each.source, each.target) for each in server.execute(FindRelationships()).relationships}
    assert ids == {(written[0].id, written[2].id), (written[1].id, written[3].id)}


@pytest.mark.parametrize("kind", ["server", "extended"])
def test_a_refused_write_leaves_nothing(request: pytest.FixtureRequest, kind: str) -> None:
    store: Backend = request.getfixturevalue(kind)
    signature = Signature("Article", "name", "external", "cosine", 2)
    store.execute(CreatePolicy(signature))
    import numpy as np

    bad = np.zeros(3, np.float32)
    bad[0] = 1
    command = graph(("name",))
    label, write = command.writes[2]
    vectors = (VectorWrite(signature, bad),)
    writes = [*command.writes[:2], (label, write._replace(vectors=vectors))]
    with pytest.raises((VectorError, PolicyMissing)) as caught:
        store.execute(SaveGraph(writes, command.links))
    assert caught.value.index == 2
    assert store.execute(FindRecords(RecordQuery(()))) == []


@pytest.mark.parametrize("kind", ["server", "extended"])
def test_unlinks(request: pytest.FixtureRequest, kind: str) -> None:
    store: Backend = request.getfixturevalue(kind)
    a, b, c, d = people(store, "a", "b", "c", "d")
    (q,) = people(store, "q", label="Q")
    links = [Link(a, b, "T"), Link(a, c, "T"), Link(d, a, "T"), Link(a, q, "T"), Link(a, b, "U")]
    store.execute(LinkRecords(links))
    store.execute(LinkRecords([Link(a, d, "V")], [Unlink(a, ("T",), "out", keep=(b,), label="P")]))
    assert edges(store) == {
        ("a", "T", "b"),
        ("d", "T", "a"),
        ("a", "T", "q"),
        ("a", "U", "b"),
        ("a", "V", "d"),
    }
    store.execute(LinkRecords((), [Unlink(a, others=(b,)), Unlink(a, others=()), Unlink(a, (), "in")]))
    assert edges(store) == {("a", "T", "q"), ("a", "V", "d")}
    store.execute(LinkRecords((), [Unlink(q), Unlink("nobody"), Unlink(a, ("NOPE",))]))
    assert edges(store) == {("a", "V", "d")}


@pytest.mark.parametrize("kind", ["server", "extended"])
def test_related_records(request: pytest.FixtureRequest, kind: str, unkind: Unkind) -> None:
    """The same as in memory."""
    store: Backend = request.getfixturevalue(kind)
    answers = []
    with closing(EmbeddedBackend("memory://")) as near:
        for each in (near, store):
            a, b, c, d = people(each, "a", "b", "c", "d")
            names = dict(zip((a, b, c, d), "abcd", strict=True))
            links = [
                Link(a, c, "T", {"w": 1}),
                Link(b, c, "T"),
                Link(d, a, "T"),
                Link(a, d, "U"),
                Link(b, b, "U"),
            ]
            each.execute(LinkRecords(links))
            found = []
            for direction in ("in", "out", None):
                for kind_of in ("T", None):
                    for where in ({}, {"n": {"$gt": 1}}):
                        for order in ((), (Order("n", True),)):
                            related = each.execute(
                                FindRelated((b, a, "nobody", a), "P", kind_of, direction, where, order)
                            )
                            found.append(
                                (
                                    sorted(record.data["name"] for record in related.records),
                                    [
                                        (names[record_id], related.records[place].data["name"], dict(data))
                                        for record_id, place, data in related.links
                                    ],
                                )
                            )
            answers.append(found)
    for theirs, ours in zip(*answers, strict=True):
        assert theirs[0] == ours[0]
        assert sorted(map(str, theirs[1])) == sorted(map(str, ours[1]))
        assert [link[:2] for link in theirs[1]] == [link[:2] for link in ours[1]]


@pytest.mark.parametrize("kind", ["server", "extended"])
def test_related_to(request: pytest.FixtureRequest, kind: str) -> None:
    store: Backend = request.getfixturevalue(kind)
    a, b, c, _ = people(store, "a", "b", "c", "d")
    store.execute(LinkRecords([Link(a, b, "T"), Link(c, a, "U")]))
    query = RecordQuery(("P",), {"n": {"$gte": 1}}, limit=1, related_to=a)
    page = store.execute(FindPage(query))
    assert ([each.data["name"] for each in page.records], page.total) == (["b"], 2)
    everything = query.replaced(limit=None)
    assert [each.id for each in store.execute(FindRecords(everything))] == [b, c]


@pytest.mark.parametrize("kind", ["server", "extended"])
def test_rows(request: pytest.FixtureRequest, kind: str) -> None:
    store: Backend = request.getfixturevalue(kind)
    people(store, *"abcdef")
    select = {"n": {"$count": "*"}, "most": {"$max": "$record.n"}}
    grouped = RowQuery(("P",), {}, select, ("n", "most"))
    assert store.execute(FindRows(grouped)).rows == [{"n": 6, "most": 5}]
    rows = store.execute(
        FindRows(RowQuery(("P",), {"n": {"$lt": 4}}, {"m": "$record.n"}, (), (("m", True),), 2, 1))
    )
    assert ([row["m"] for row in rows.rows], rows.total) == ([2, 1], 4)
    assert len(store.execute(FindRows(RowQuery(("P",), {}, {"m": "$record.n"}))).rows) == 6


def test_joined_records_are_counted(server: Backend) -> None:
    people(server, "a", "b", "c")
    people(server, "x", "y", label="Q")
    command = JoinRecords(End(("P",)), End(("Q",)), "n", "n", "SAME")
    assert server.execute(command) == 2
    assert server.execute(command) == 0
    assert server.execute(command.replaced(remove=True)) == 2


# -- conditions -------------------------------------------------------------------

SETTINGS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
properties = st.sampled_from(
    [
        {"n": {"$gt": 2}},
        {"n": {"$lte": 1}},
        {"name": "b"},
        {"name": {"$ne": "c"}},
        {"name": {"$contains": "A"}},
        {"n": {"$in": [0, 3]}},
        {"$not": {"name": {"$startsWith": "a"}}},
    ]
)
relations = st.sampled_from(
    [
        None,
        "T",
        {"type": "T", "direction": "out"},
        {"direction": "in"},
        {"type": "U", "hops": {"min": 1, "max": 2}},
    ]
)


def block(label: str, relation: Any, content: dict[str, Any]) -> dict[str, Any]:
    return {label: {**({} if relation is None else {"$relation": relation}), **content}}


def compound(parts: Any) -> Any:
    return st.one_of(
        st.builds(lambda one, other: {"$and": [one, other]}, parts, parts),
        st.builds(lambda one, other: {"$or": [one, other]}, parts, parts),
        st.builds(lambda part: {"$not": part}, parts),
        st.builds(block, st.sampled_from(["P", "Q"]), relations, parts),
    )


conditions = st.recursive(
    st.one_of(properties, st.builds(block, st.sampled_from(["P", "Q"]), relations, st.just({}))),
    compound,
    max_leaves=5,
)


def fill(store: Backend) -> None:
    ids = people(store, *"abcde") + people(store, *"abc", label="Q")
    store.execute(
        LinkRecords(
            [
                *(Link(ids[one], ids[other], "T") for one, other in ((0, 1), (1, 2), (2, 0), (0, 5), (3, 6))),
                *(Link(ids[one], ids[other], "U") for one, other in ((1, 3), (3, 4), (5, 6), (6, 1), (4, 4))),
            ]
        )
    )


@pytest.fixture
def both(server: Backend) -> Iterator[tuple[Backend, Backend]]:
    fill(server)
    with closing(EmbeddedBackend("memory://")) as near:
        fill(near)
        yield server, near


@given(condition=conditions, labels=st.sampled_from([("P",), ("Q",), ("P", "Q")]))
@SETTINGS
def test_conditions_on_related_records_find_the_same(
    both: tuple[Backend, Backend], condition: dict[str, Any], labels: tuple[str, ...]
) -> None:
    answers = []
    for store in both:
        query = RecordQuery(labels, condition, (Order("name"), Order("$id")), limit=5, offset=1)
        page = store.execute(FindPage(query))
        answers.append(([(each.label, each.data["name"]) for each in page.records], page.total))
    assert answers[0] == answers[1]


def test_conditions_on_relationships_are_refused(server: Backend, unkind: Unkind) -> None:
    """A server passes them over (R30)."""
    where = {"Q": {"$relation": {"type": "T", "where": {"w": 1}}}}
    with pytest.raises(CapabilityError, match="passes conditions on relationships over"):
        server.execute(FindRecords(RecordQuery(("P",), where)))
    assert not [each for each in unkind.requests if each.path == "/records/search"]


def test_serve_takes_them(extended: Backend) -> None:
    a, b = people(extended, "a", "b")
    extended.execute(LinkRecords([Link(a, b, "T", {"w": 1})]))
    for weight, found in ((1, ["a", "b"]), (2, [])):
        where = {"P": {"$relation": {"type": "T", "where": {"w": weight}}}}
        records = extended.execute(FindRecords(RecordQuery(("P",), where)))
        assert [each.data["name"] for each in records] == found


def test_a_save_inside_a_transaction_is_part_of_it(unkind: Unkind, server: Backend) -> None:
    transaction = server.begin()
    transaction.execute(graph(("name",)))
    assert server.execute(FindRecords(RecordQuery(()))) == []
    transaction.rollback()
    assert server.execute(FindRecords(RecordQuery(()))) == []
    transaction = server.begin()
    transaction.execute(graph(("name",)))
    transaction.commit()
    assert edges(server) == {("Ada", "WROTE", "one"), ("Ada", "WROTE", "two")}
    ended = [each.path.rpartition("/")[2] for each in unkind.writes if each.path.startswith("/tx")]
    assert ended == ["tx", "rollback", "tx", "commit"]


def test_a_refused_link_ends_its_transaction(unkind: Unkind, server: Backend) -> None:
    """What was saved before it is undone; nothing is left to hang on."""
    command = graph(("name",))
    with pytest.raises(NotFound, match="nobody"):
        server.execute(SaveGraph(command.writes, [*command.links, Link(0, "nobody", KNOWS)]))
    assert server.execute(FindRecords(RecordQuery(()))) == []
    ended = [each.path.rpartition("/")[2] for each in unkind.writes if each.path.startswith("/tx")]
    assert ended == ["tx", "rollback"]

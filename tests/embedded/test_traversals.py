"""Conditions across relationships: rule by rule, and at random against a plain evaluator of the language."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded.filters import MOST_BLOCKS, compile_where
from rushmodel.backends.embedded.names import Names
from rushmodel.backends.embedded.scopes import Scope
from rushmodel.errors import QueryError

from .evaluate import holds
from .store import Store, cosine, row, vec

DEFAULT = "__RUSHDB__RELATION__DEFAULT__"


class World:
    """A store with records ``(label, data)`` and relationships ``(source, target, type, properties)``.

    Records and the ends of relationships are named by their place. In documents ``"#3"`` stands
    for the id of record 3.
    """

    def __init__(self, records, edges=(), store=None):
        self.records = records
        self.edges = list({edge[:3]: edge for edge in edges}.values())
        self.store = store or Store()
        self.ids = [record.id for record in self.store.load(*(row(data, label) for label, data in records))]
        self.places = {record_id: place for place, record_id in enumerate(self.ids)}
        connect(self.store, [(self.ids[a], self.ids[b], *rest) for a, b, *rest in self.edges])

    def find(self, label, where):
        return sorted(self.places[record.id] for record in self.store.find(label, self.named(where)))

    def named(self, where):
        if isinstance(where, dict):
            return {key: self.named(value) for key, value in where.items()}
        if isinstance(where, list):
            return [self.named(value) for value in where]
        return self.ids[int(where[1:])] if isinstance(where, str) and where.startswith("#") else where


def connect(store, edges):
    """Write relationships ``(source id, target id, type, properties)`` as the file keeps them."""
    connection = store.backend._file.connection()
    for source, target, kind, properties in edges:
        connection.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (kind,))
        connection.execute(
            "INSERT INTO edges (source, target, type, data) SELECT s.row, t.row, n.id, ?"
            " FROM records s, records t, names n WHERE s.id = ? AND t.id = ? AND n.name = ?",
            (None if properties is None else json.dumps(properties), source, target, kind),
        )


# -- what a server answers --------------------------------------------------------


@pytest.fixture(scope="module")
def companies():
    """What trace 12 begins with: P 0..11, each with a DEPT (12..23), each with a CITY (24..35)."""
    p = [("P", {"n": n}) for n in range(12)]
    dept = [("DEPT", {"dname": f"dept{n % 2}", "size": n}) for n in range(12)]
    city = [("CITY", {"cname": f"city{n % 3}"}) for n in range(12)]
    edges = [(n, n + 12, DEFAULT, None) for n in range(24)]
    world = World([*p, *dept, *city], edges)
    yield world
    world.store.close()


ODD = [1, 3, 5, 7, 9, 11]
EVEN = [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"DEPT": {"dname": "dept1"}}, ODD),
        ({"DEPT": {"CITY": {"cname": "city1"}}}, [1, 4, 7, 10]),
        ({"n": {"$lt": 6}, "DEPT": {"dname": "dept1", "CITY": {"cname": "city1"}}}, [1]),
        ({"NOPE": {"a": 1}}, []),
        ({"$not": {"NOPE": {"a": 1}}}, list(range(12))),
        ({"DEPT": {"$relation": DEFAULT, "dname": "dept1"}}, ODD),
        ({"DEPT": {"$relation": "RUSHDB_DEFAULT_RELATION", "dname": "dept1"}}, ODD),
        ({"DEPT": {"$relation": "NOPE", "dname": "dept1"}}, []),
        ({"DEPT": {"$relation": {"direction": "out"}, "dname": "dept1"}}, ODD),
        ({"DEPT": {"$relation": {"direction": "in"}, "dname": "dept1"}}, []),
        ({"DEPT": {"$not": {"dname": "dept1"}}}, EVEN),
        ({"$not": {"DEPT": {"dname": "dept1"}}}, EVEN),
        ({"$or": [{"DEPT": {"dname": "dept1"}}, {"n": 0}]}, [0, *ODD]),
        ({"DEPT": {"$alias": "$a", "size": 3}}, [3]),
        ({"DEPT": {"$id": "#15"}}, [3]),
        ({"DEPT": {"__id": {"$in": ["#15", "#16"]}, "__label": "DEPT"}}, [3, 4]),
        ({"DEPT": {"$id": {"$nin": ["#15", "#16"]}, "size": {"$lt": 6}}}, [0, 1, 2, 5]),
        ({"DEPT": {"__label": "P"}}, []),
        ({"n": {"a": 1}}, []),
        ({"DEPT": {}}, list(range(12))),
        ({"CITY": {}}, []),
        ({"CITY": {"$relation": {"hops": 2}, "cname": "city0"}}, [0, 3, 6, 9]),
        ({"CITY": {"$relation": {"hops": {"max": 2}}}}, list(range(12))),
        ({"DEPT": {"$or": [{"size": 1}, {"size": 2}]}}, [1, 2]),
        ({"DEPT": {"$or": {"size": 1, "dname": "dept0"}}}, [0, 1, 2, 4, 6, 8, 10]),
        ({"$and": [{"DEPT": {"size": 1}}, {"DEPT": {"size": 2}}]}, []),
        ({"$xor": [{"DEPT": {"size": 1}}, {"DEPT": {"dname": "dept1"}}]}, ODD[1:]),
        ({"DEPT": {"$nor": [{"CITY": {"cname": "city0"}}, {"CITY": {"cname": "city1"}}]}}, [2, 5, 8, 11]),
        ({"DEPT": {"absent": {"$ne": 1}}}, []),
        ({"$not": {"DEPT": {"absent": {"$ne": 1}}}}, list(range(12))),
    ],
    ids=repr,
)
def test_the_related_record_must_exist(companies, where, found):
    """Traces 12 and 09, R20, R25: a block is true or false, and `$not` around it means that there is none."""
    assert companies.find("P", where) == found


@pytest.fixture(scope="module")
def hops():
    """Trace 24: a b c d e f are P 0..5, x y are Q 6, 7."""
    records = [("P", {"name": name}) for name in "abcdef"] + [("Q", {"name": name}) for name in "xy"]
    a, b, c, d, e, f, x, y = range(8)
    edges = [
        *((start, end, "R", None) for start, end in ((a, b), (b, c), (c, d), (d, e), (c, a))),
        (e, f, "S", None),
        (a, x, "T", {"w": 1}),
        (x, y, "T", {"w": 5}),
        (d, y, "T", {"w": 2}),
        (b, b, "SELF", None),
    ]
    world = World(records, edges)
    yield world
    world.store.close()


def along(name=None, label="P", **relation):
    return {label: {"$relation": relation} | ({} if name is None else {"name": name})}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (along("c", type="R", direction="out", hops=2), "a"),
        (along("e", type="R", direction="out", hops={"max": 3}), "bcd"),
        (along("a", type="R", direction="in", hops={"max": 2}), "bc"),
        (along("e", type="R", hops={"max": 2}), "cd"),
        (along("y", "Q", direction="out", hops=3), "bc"),
        (along(label="Q", type="T", where={"w": {"$gte": 1}}), "ad"),
        (along(type="SELF"), "b"),
        ({"$not": along(type="R", direction="out")}, "ef"),
        ({"$not": {"Q": {}}}, "bcef"),
        (
            {"P": {"$relation": {"type": "R", "direction": "out"}} | along("d", type="R", direction="out")},
            "b",
        ),
        ({"$and": [{"P": {"name": "b"}}, {"P": {"name": "c"}}]}, "ab"),
        ({"$cycle": {"type": "R", "direction": "out", "hops": {"min": 2, "max": 4}}}, "abc"),
        ({"$cycle": {"type": "R", "direction": "out", "hops": 3}}, "abc"),
        ({"$cycle": {"hops": {"min": 2, "max": 3}}}, "abc"),
        ({"$not": {"$cycle": {"type": "R", "direction": "out", "hops": {"min": 2, "max": 4}}}}, "def"),
        ({"P": {"$relation": "S", "$cycle": {"type": "NOPE", "hops": 2}}}, ""),
        ({"P": {"$relation": {"type": "R", "direction": "out"}, "$cycle": {"hops": 3}}}, "abc"),
    ],
    ids=repr,
)
def test_hops_and_cycles_as_a_server_counts_them(hops, where, found):
    """Trace 24, and R30 where the server fails."""
    assert "".join("abcdef"[place] for place in hops.find("P", where)) == found


def test_r30_the_condition_on_a_relationship_holds_for_every_step(hops):
    """Here we part from traces 24 and 14: the recorded server passes over the condition."""
    assert hops.find("P", along(label="Q", type="T", where={"w": {"$gte": 2}})) == [3]
    both = along("y", "Q", type="T", hops=2)
    assert hops.find("P", both) == [0]
    both["Q"]["$relation"]["where"] = {"w": {"$gt": 1}}
    assert hops.find("P", both) == []
    both["Q"]["$relation"]["where"] = {"$or": [{"w": 1}, {"w": {"$in": [5]}}]}
    assert hops.find("P", both) == [0]
    # Absent properties are neither true nor false, as those of records (R20).
    assert hops.find("P", along(where={"w": {"$ne": 7}}, type="R")) == []
    assert hops.find("P", along(where={"w": None}, type="R")) == [0, 1, 2, 3, 4]
    assert hops.find("P", along(where={"$not": {"w": {"$exists": True}}}, type="R")) == [0, 1, 2, 3, 4]


def test_paths_without_a_maximum_have_at_most_ten_steps():
    world = World([("A", {"n": n}) for n in range(13)], [(n, n + 1, "R", None) for n in range(12)])
    last: dict[str, Any] = {"A": {"$relation": {"direction": "out", "hops": {"min": 1}}, "n": 12}}
    assert world.find("A", last) == list(range(2, 12))
    last["A"]["$relation"]["hops"] = {"min": 9}
    assert world.find("A", last) == [2, 3]
    last["A"]["$relation"]["hops"] = {"max": 12}
    assert world.find("A", last) == list(range(12))
    world.store.close()


@pytest.mark.parametrize(
    "relation",
    [
        {"type": "R", "direction": "out"},
        {"type": "R", "direction": "in", "hops": {"max": 20}},
        {"type": "R", "hops": {"max": 3}},
        {"direction": "out", "hops": {"min": 2, "max": 3}},
        {"type": "R", "direction": "out", "where": {"w": {"$gt": 1}}},
        {"hops": {"max": 2}, "where": {"w": 1}},
    ],
    ids=repr,
)
def test_indexes_lead_from_record_to_record(hops, relation):
    connection = hops.store.backend._file.connection()
    for where in (
        along("c", **relation),
        along(**relation),
        {"$cycle": {"hops": 3} | relation | {"hops": 3}},
    ):
        sql, params = compiled_unless_too_deep(hops, where)
        query = f"EXPLAIN QUERY PLAN SELECT t.row FROM r1 t JOIN records r ON r.row = t.row WHERE {sql}"
        plan = [row[3] for row in connection.execute(query, params)]
        assert any("INDEX edges_" in line for line in plan), plan
        assert not [line for line in plan if line.startswith(("SCAN x", "SCAN edges", "SCAN e"))]
        assert not [line for line in plan if "AUTOMATIC" in line]


def test_properties_of_relationships_are_compared_as_those_of_records():
    values = [True, 1, "1", "a\0b", ["x", "y"], [], "2024-03-15T04:30:00+02:00", 2.5, "Straße"]
    edges = [(place, len(values), "R", {"it's": value}) for place, value in enumerate(values)]
    world = World([("A", {"n": n}) for n in range(len(values))] + [("B", {"n": 0})], edges)
    for asked_for, found in [
        (True, [0]),
        (1, [1]),
        ("1", [2]),
        ({"$contains": "\0B"}, [3]),
        ("x", [4]),
        (["x", "y"], [4]),
        ([], [5]),
        ({"$year": 2024, "$month": 3, "$day": 15, "$hour": 2, "$minute": 30}, [6]),
        ({"$type": "datetime"}, [6]),
        ({"$gt": 1}, [7]),
        ({"$contains": "STRASSE"}, [8]),
    ]:
        assert world.find("A", along(label="B", where={"it's": asked_for})) == found
    world.store.close()


# -- what is no condition ---------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"$relation": "R"}, r"^where\.\$relation: \$relation belongs into the block of a related record"),
        ({"$alias": "$a"}, r"^where\.\$alias: \$alias belongs"),
        ({"P": {"$or": [{"$relation": "R"}]}}, r"^where\.P\.\$or\[0\]\.\$relation: .* belongs"),
        ({"P": {"$relation": 5}}, r"^where\.P\.\$relation: expected a relationship type or an object, got 5"),
        ({"P": {"$relation": None}}, "got None"),
        ({"P": {"$relation": ["R"]}}, r"got \['R'\]"),
        ({"P": {"$relation": ""}}, r"\$relation: expected a relationship type"),
        ({"P": {"$relation": "\ud800"}}, "surrogate"),
        ({"P": {"$relation": {"kind": "R"}}}, "unknown key 'kind'; known here: direction, hops, type, where"),
        ({"P": {"$relation": {"type": 5}}}, r"\$relation\.type: expected text, got 5"),
        (
            {"P": {"$relation": {"direction": "both"}}},
            r"\$relation\.direction: expected in or out, got 'both'",
        ),
        ({"P": {"$relation": {"direction": None}}}, "expected in or out, got None"),
        (
            {"P": {"$relation": {"hops": 0}}},
            r"^where\.P\.\$relation\.hops: expected an integer from 1 to 100, got 0",
        ),
        ({"P": {"$relation": {"hops": "2"}}}, "expected an integer from 1 to 100, got '2'"),
        ({"P": {"$relation": {"hops": 1.0}}}, "got 1.0"),
        ({"P": {"$relation": {"hops": True}}}, "got True"),
        ({"P": {"$relation": {"hops": 101}}}, "got 101"),
        ({"P": {"$relation": {"hops": {}}}}, "expected a number, or an object of min and max"),
        ({"P": {"$relation": {"hops": {"least": 1}}}}, "expected a number, or an object of min and max"),
        (
            {"P": {"$relation": {"hops": {"min": 0, "max": 1}}}},
            r"hops\.min: expected an integer from 1 to 100, got 0",
        ),
        (
            {"P": {"$relation": {"hops": {"min": 3, "max": 1}}}},
            r"hops\.max: expected an integer from 3 to 100, got 1",
        ),
        ({"P": {"$relation": {"hops": {"max": "3"}}}}, r"hops\.max: expected an integer"),
        ({"P": {"$relation": {"hops": {"min": 11}}}}, r"hops\.min: 11 needs a max"),
        ({"P": {"$relation": {"where": 5}}}, r"\$relation\.where: expected an object"),
        (
            {"P": {"$relation": {"where": {"w": {"$foo": 1}}}}},
            r"\$relation\.where\.w\.\$foo: unknown operator",
        ),
        ({"P": {"$relation": {"where": {"$id": "x"}}}}, r"where\.\$id: a relationship .* has no \$id"),
        ({"P": {"$relation": {"where": {"__label": "x"}}}}, "has no __label"),
        ({"P": {"$relation": {"where": {"Q": {}}}}}, "nothing is related to it"),
        ({"P": {"$relation": {"where": {"$cycle": {"hops": 2}}}}}, "lies on no cycle"),
        ({"P": {"$alias": "a"}}, r"^where\.P\.\$alias: expected \$ and a name, as in \$author, got 'a'"),
        ({"P": {"$alias": "$"}}, "expected . and a name"),
        ({"P": {"$alias": "$a.b"}}, "expected . and a name"),
        ({"P": {"$alias": 5}}, "expected text"),
        ({"P": {"$id": 5}}, r"^where\.P\.\$id"),
        ({"P": {"Q": {"n": {"$gt": True}}}}, r"^where\.P\.Q\.n\.\$gt: expected a number"),
        ({"P": {"a": 1, "$foo": 1}}, r"^where\.P\.\$foo: unknown operator '\$foo'; known here: .*\$cycle"),
        ({"P": {"a": 1, "$year": 2024}}, r"^where\.P mixes operators \(\$year\) with names \(a\)"),
        ({"P": {"$cycle": {"hops": 2}, "$gt": 1}}, "mixes"),
        (
            {"P": {"$or": [{"a": 1}, {"$gt": 1}]}},
            r"^where\.P\.\$or\[1\]\.\$gt: \$gt belongs inside a property",
        ),
        ({"$cycle": True}, r"^where\.\$cycle: expected an object, as in"),
        (
            {"RING": {"$cycle": True, "$relation": {"type": "R", "hops": {"min": 2}}}},
            r"^where\.RING\.\$cycle",
        ),
        ({"$cycle": {"type": "R"}}, r"^where\.\$cycle needs hops, as in"),
        ({"$cycle": {"hops": 1}}, r"^where\.\$cycle\.hops: expected an integer from 2 to 100, got 1"),
        ({"$cycle": {"hops": {"max": 4}}}, r"^where\.\$cycle\.hops\.min: expected an integer from 2"),
        (
            {"$cycle": {"hops": 2, "where": {"w": {"$in": 5}}}},
            r"^where\.\$cycle\.where\.w\.\$in: expected a list",
        ),
    ],
    ids=lambda value: ascii(value)[:60],
)
@pytest.mark.parametrize("label", ["P", "NOPE"])
def test_what_is_no_condition_is_a_query_error_that_names_the_place(hops, where, message, label):
    with pytest.raises(QueryError, match=message):
        hops.find(label, where)
    # The same where the labels and types are unknown, and nothing would match anyway.
    with pytest.raises(QueryError):
        hops.find(label, {"NOPE": {"$relation": "NOPE", "$not": where}})


# -- how much of it there can be --------------------------------------------------


def nested(levels, wrap, where):
    for _ in range(levels):
        where = wrap(where)
    return where


WRAPS = {
    "out": lambda where: {"P": {"$relation": {"type": "R", "direction": "out"}} | where},
    "either": lambda where: {"P": where},
    "hops": lambda where: {"P": {"$relation": {"direction": "out", "hops": {"max": 3}}} | where},
    "trails": lambda where: {"P": {"$relation": {"direction": "in", "hops": {"min": 2, "max": 3}}} | where},
    "edge": lambda where: {"P": {"$relation": {"where": {"w": {"$nor": [1, "x"], "$gt": 0}}}} | where},
}
LEAVES = {
    "text": {"name": {"$endsWith": "x", "$contains": "x"}},
    "type": {"name": {"$type": "datetime"}},
    "moment": {"name": {"$year": 2024}},
    "cycle": {"$cycle": {"hops": {"min": 2, "max": 4}}},
    "long cycle": {
        "$cycle": {"hops": {"min": 3, "max": 4}, "where": {"w": {"$gt": 0, "$not": {"$type": "string"}}}}
    },
    "block": {"P": {}},
    "reach": {"P": {"$relation": {"hops": {"max": 2}}}},
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_blocks_nest_as_deep_as_anything(hops, wrap, leaf):
    for levels in (1, 2, 5, 20, 62):
        hops.find("P", nested(levels, wrap, leaf))
    for levels in (65, 20_000):
        with pytest.raises(QueryError, match="deeper than 64 levels"):
            hops.store.find("P", nested(levels, wrap, leaf))
        with pytest.raises(QueryError, match="deeper than 64 levels"):
            hops.store.find("P", {"P": nested(levels, lambda where: {"$not": where}, wrap(leaf))})


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_what_is_accepted_sqlite_can_parse(hops, wrap, leaf):
    """AND in OR in AND, around blocks and inside them, until it is refused."""

    def inside(where):
        return {"$or": [{"name": "no"}, {"$and": [{"name": {"$gt": ""}}, where]}]}

    for turns in (
        lambda levels: nested(levels, inside, wrap(leaf)),
        lambda levels: wrap(nested(levels, inside, leaf)),
        lambda levels: nested(levels, inside, wrap(nested(levels, inside, leaf))),
        lambda levels: nested(levels, lambda where: inside(wrap(where)), leaf),
        lambda levels: nested(levels, lambda where: {"$xor": [{"name": "no"}, inside(wrap(where))]}, leaf),
    ):
        accepted = 0
        while (found := compiled_unless_too_deep(hops, turns(accepted))) is not None:
            sql, params = found
            # Commands put a filter into a query; that may stand in another one, and still has to be parsed.
            inner = (
                f"SELECT t.row FROM r1 t JOIN records r ON r.row = t.row WHERE t.row >= 0 AND (1 AND {sql})"
            )
            outer = f"SELECT row FROM (SELECT row FROM records WHERE row IN ({inner}) ORDER BY (row + (1)))"
            hops.store.backend._file.connection().execute(f"EXPLAIN {outer}", params)
            hops.find("P", turns(accepted))
            accepted += 1
        assert accepted >= 2


def compiled_unless_too_deep(world, where):
    names = Names(world.store.backend._file.connection())
    table = names.table("P")
    assert table is not None
    assert table.sql == "r1"
    try:
        return compile_where(where, Scope("P", table.columns.get, "t.row", "t.texts", "r.id"), names)
    except QueryError as error:
        return None if "deep" in str(error) else pytest.fail(str(error))


def test_several_hops_in_either_direction_within_one_another_are_counted(hops):
    """SQLite reads what such a block asks three times, which multiplies with every level."""

    def wrap(where):
        return {"P": {"$relation": {"hops": {"max": 2}}} | where}

    hops.find("P", nested(5, wrap, {"name": "f"}))
    with pytest.raises(QueryError, match="asks 1,092 times"):
        hops.find("P", nested(6, wrap, {"name": "f"}))


def test_wide_conditions_work(hops):
    wide = [{"P": {"name": f"no{n}"}} for n in range(MOST_BLOCKS - 1)]
    assert hops.find("P", {"$or": [*wide, {"P": {"name": "f"}}]}) == [4]
    assert hops.find("P", {"$nor": [*wide, {"P": {"name": "f"}}], "name": {"$gte": "d"}}) == [3, 5]
    assert hops.find("P", {"$xor": [*wide, {"P": {"name": "f"}}]}) == [4]
    with pytest.raises(QueryError, match="asks 501 times"):
        hops.find("P", {"$or": [*wide, {"P": {}}, {"Q": {}}]})


def test_values_are_bound_and_names_never_reach_the_sql(hops):
    evil = "x'); DROP TABLE edges; --"
    for where in (
        {evil: {evil: 1}},
        {"P": {evil: evil}},
        {"P": {"$relation": evil}},
        {"P": {"$relation": {"where": {evil: evil}}}},
        {"$cycle": {"type": evil, "hops": 2}},
    ):
        assert hops.find("P", where) == []


# -- in every command that takes a condition --------------------------------------


@pytest.fixture
def library(store):
    """Articles 0..9 with a vector each, written by the authors 10 (even) and 11 (odd)."""
    store.policy(cosine())
    records = [("A", {"n": n, "body": f"b{n}"}) for n in range(10)] + [("B", {"name": n}) for n in ("x", "y")]
    world = World(records, [(10 + n % 2, n, "WROTE", {"at": n}) for n in range(10)], store)
    (policy,) = store.policies()
    store.upsert(policy.id, {world.ids[n]: vec(1, n / 10, 0) for n in range(10)})
    return world


BY_Y = {"B": {"$relation": {"type": "WROTE", "direction": "in"}, "name": "y"}}


def test_searching_among_what_a_condition_leaves(library):
    hits = library.store.search(vec(1, 0, 0), where=BY_Y, limit=3)
    assert [hit.data["n"] for hit in hits] == [1, 3, 5]
    recent = {"B": {"$relation": {"type": "WROTE", "where": {"at": {"$gte": 4}}}, "name": "y"}}
    assert [hit.data["n"] for hit in library.store.search(vec(1, 0, 0), where=recent, limit=9)] == [5, 7, 9]
    siblings = {"A": {"$relation": {"hops": 2}, "n": 0}}
    assert [hit.data["n"] for hit in library.store.search(vec(1, 0, 0), where=siblings)] == [2, 4, 6, 8]


def test_counting_ordering_and_paging(library):
    store = library.store
    assert store.count(where=BY_Y) == 5
    assert [data["n"] for data in store.data(where=BY_Y, order=("-n",), limit=2, offset=1)] == [7, 5]
    assert store.count(("A", "B"), {"$or": [BY_Y, {"A": {"n": 1}}]}) == 6
    assert [record.data["n"] for record in store.read(store.open(where=BY_Y), 2)] == [1, 3]


def test_changing_and_deleting(library):
    store = library.store
    assert store.update({"by": "y"}, BY_Y) == 5
    assert [data["n"] for data in store.data(where={"by": "y"})] == [1, 3, 5, 7, 9]
    assert store.delete(where={"$not": BY_Y}) == 5
    assert [data["n"] for data in store.data()] == [1, 3, 5, 7, 9]
    # What was related to the deleted is related to nothing any more.
    assert library.find("B", {"A": {}}) == [11]
    assert store.delete("B", {"A": {"n": 3}}) == 1
    assert store.count(where={"B": {}}) == 0


# -- everything at once -----------------------------------------------------------


LABELS = st.sampled_from("AABC")
SMALL = st.integers(0, 2)
MOMENTS = st.sampled_from(
    ["2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.5Z", "soon"]
)
DATA = st.fixed_dictionaries(
    {"n": SMALL}, optional={"p": SMALL | st.lists(SMALL, max_size=2), "when": MOMENTS}
)
PLACES = st.integers(0, 4)
EDGES = st.lists(
    st.tuples(PLACES, PLACES, st.sampled_from("RRS"), st.none() | st.fixed_dictionaries({"w": SMALL})),
    max_size=7,
)
WORLDS = st.tuples(st.lists(st.tuples(LABELS, DATA), min_size=5, max_size=5), EDGES)

COMPONENTS = st.sampled_from(
    [{"$year": 2024}, {"$year": 2023, "$month": 12}, {"$year": 2024, "$month": 1, "$day": 2}]
)
NUMBER = (
    SMALL
    | st.dictionaries(st.sampled_from(["$gt", "$lte", "$ne", "$eq"]), SMALL, min_size=1, max_size=2)
    | st.fixed_dictionaries({"$in": st.lists(SMALL, max_size=2)})
    | st.fixed_dictionaries({"$exists": st.booleans()})
)
WHEN = (
    COMPONENTS
    | st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$ne", "$eq"]), COMPONENTS, min_size=1, max_size=2
    )
    | st.fixed_dictionaries({"$nin": st.lists(COMPONENTS | MOMENTS, max_size=2)})
)
IDS = st.sampled_from([f"#{n}" for n in range(5)])
IDENTITY = (
    IDS | st.fixed_dictionaries({"$ne": IDS}) | st.fixed_dictionaries({"$in": st.lists(IDS, max_size=3)})
)
PROPERTIES = st.one_of(
    st.tuples(st.sampled_from(["n", "p", "absent"]), NUMBER),
    st.tuples(st.just("when"), WHEN),
    st.tuples(st.just("$id"), IDENTITY),
    st.tuples(st.just("__label"), st.sampled_from("ABC")),
)


def hop_counts(least):
    return st.integers(least, 4) | st.integers(least, 3).flatmap(
        lambda first: st.fixed_dictionaries({"min": st.just(first)}, optional={"max": st.integers(first, 5)})
    )


def relations(least, **required):
    return st.fixed_dictionaries(
        {name: hop_counts(least) for name in required},
        optional={
            "type": st.sampled_from(["R", "S", "NOPE"]),
            "direction": st.sampled_from(["in", "out"]),
            "where": st.fixed_dictionaries({"w": NUMBER}),
        }
        | (
            {}
            if required
            else {"hops": hop_counts(least) | st.fixed_dictionaries({"max": st.integers(1, 4)})}
        ),
    )


CYCLES = st.tuples(st.just("$cycle"), relations(2, hops=True))
ALIASES = st.fixed_dictionaries(
    {}, optional={"$alias": st.just("$a"), "$relation": relations(1) | st.sampled_from("RS")}
)


def documents(inner):
    several = st.sampled_from(["$and", "$or", "$nor", "$xor"])
    blocks = st.tuples(
        st.sampled_from(["A", "A", "B", "C", "NOPE"]), st.builds(lambda own, rest: rest | own, ALIASES, inner)
    )
    entries = (
        PROPERTIES
        | CYCLES
        | blocks
        | blocks
        | st.tuples(several, st.lists(inner, min_size=1, max_size=3))
        | st.tuples(st.just("$not"), inner)
    )
    return st.lists(entries, min_size=1, max_size=2).map(dict)


# A block that says nothing but `$not` and its like is told from a property by what is in them.
WHERES = st.recursive(st.lists(PROPERTIES | CYCLES, max_size=2).map(dict), documents, max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(WORLDS, WHERES)
@example(
    ([("A", {"n": n}) for n in range(5)], [(0, 1, "R", None)]),
    {"A": {"$relation": {"hops": {"max": 3}}, "n": 0}},
)
@example(
    ([("A", {"n": n}) for n in range(5)], [(0, 1, "R", None), (1, 0, "R", None)]),
    {"A": {"$relation": {"hops": {"max": 2}}, "n": 0}},
)
@example(([("A", {"n": 0})] * 5, [(0, 0, "R", None), (0, 0, "S", None)]), {"$cycle": {"hops": 2}})
@example(
    ([("A", {"n": 0})] * 5, [(0, 1, "R", None), (1, 2, "R", None), (2, 3, "R", None), (3, 1, "R", None)]),
    {"$cycle": {"hops": {"min": 2}}},
)
def test_conditions_agree_with_a_plain_evaluator(world, where):
    world = World(*world)
    try:
        verdicts = {place: holds(world, place, where) for place in range(5)}
        for label in "ABC":
            of_label = [place for place in verdicts if world.records[place][0] == label]
            true = [place for place in of_label if verdicts[place] is True]
            assert world.find(label, where) == true
            # The same as a value: under $xor with what is always false, and negated.
            assert world.find(label, {"$xor": [where, {"never": {"$exists": True}}]}) == true
            assert world.find(label, {"$not": where}) == [p for p in of_label if verdicts[p] is False]
    finally:
        world.store.close()

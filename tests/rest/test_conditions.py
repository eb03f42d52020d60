"""`where` documents for a server: each rule by example, then everything against models of both sides.

`truth` is what a document means; `Server` answers as the recorded one does, its mistakes included.
The records of the queries, united, are those of which the document is true.
"""

from __future__ import annotations

import copy
import time
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.backends.rest.conditions import Plain, server_queries
from rushmodel.errors import CapabilityError, QueryError
from rushmodel.port import FindRecords, ImportRecords, ImportRow, RecordQuery


def queries(where: Any, labels: tuple[str, ...] = ("P",), scalars=("n", "m")) -> tuple[Plain, ...]:
    return server_queries(RecordQuery(labels, where, scalars=frozenset(scalars)))


def documents(where: Any, **rest: Any) -> list[dict[str, Any]]:
    """The documents sent, all of which are about the labels that were asked for."""
    found = queries(where, **rest)
    assert {query.labels for query in found} <= {("P",)}
    return [query.where for query in found]


TEXT = {"s": {"$contains": "x"}}
ENDS = {"s": {"$endsWith": "y"}}


# -- by example -------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        {"n": 1},
        {"n": {"$gt": 2, "$lt": 5}, "cat": "a"},
        {"cat": {"$nin": ["a", "b"]}},
        {"opt": None},
        {"tags": ["red", "blue"]},
        {"$and": [{"cat": "a"}, {"n": {"$gt": 3}}]},
        {"$or": {"n": 1, "cat": "b"}},
        {"$or": [{"$and": [TEXT, {"$nor": [{"n": 1}, ENDS]}]}, {"$xor": [{"n": 1}, TEXT]}]},
        {"$nor": [TEXT, ENDS]},
        {"$xor": [{"cat": "a"}, {"n": {"$lt": 4}}]},
        {"n": {"$or": [1, 2]}},
        {"n": {"$or": [{"$lt": 1}, {"$gt": 10}]}},
        {"cat": {"$nor": ["a", "b"]}},
        {"n": {"$xor": {"$gt": 5, "$lt": 8}}},
        {"$not": {"cat": "a"}},
        {"$not": {"$or": [TEXT, {"n": {"$gt": 3}}]}, "n": 1},
        {"$id": {"$in": ["a", "b"]}},
        {"when": {"$year": 2024, "$month": 3}},
        {"when": {"$lt": {"$year": 2024, "$month": 2, "$day": 1}}},
        {"AUTHORX": {"$exists": False}},
        {"Q": {}},
        {"DEPT": {"dname": "dept1", "CITY": {"cname": "city1"}}, "n": {"$lt": 6}},
        {"DEPT": {"$relation": {"type": "R", "direction": "out", "hops": 2}, "$alias": "$d", "$id": "x"}},
        {"DEPT": {"$or": [{"dname": "x"}, {"dname": "y"}]}},
        {"DEPT": {"$not": {"dname": "dept1"}}},
        {"DEPT": {"CITY": {"$not": TEXT}}},
        {"$not": {"DEPT": {"dname": "dept1"}}},
        {"$or": [{"DEPT": {"dname": "dept1"}}, {"n": 0}]},
        {"$cycle": {"type": "R", "direction": "out", "hops": {"min": 2, "max": 4}}},
        {"$not": {"$cycle": {"hops": 3}}},
    ],
    ids=repr,
)
def test_what_a_server_gets_right_is_sent_as_it_is(where):
    (plain,) = queries(where)
    assert plain.where is where
    assert plain.labels == ("P",)


def test_no_condition_is_no_condition():
    assert queries({}) == (Plain(("P",), {}),)
    assert queries(MappingProxyType({}), ()) == (Plain((), {}),)
    assert queries(MappingProxyType({"n": 1}), ("A", "B")) == (Plain(("A", "B"), {"n": 1}),)


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        # Leaves that have a negation.
        (
            {"$and": [{"$not": {"cat": "a"}}, {"$not": {"cat": "b"}}]},
            {"$and": [{"cat": {"$ne": "a"}}, {"cat": {"$ne": "b"}}]},
        ),
        ({"$or": [{"n": 1}, {"$not": {"n": {"$gt": 0}}}]}, {"$or": [{"n": 1}, {"n": {"$lte": 0}}]}),
        ({"$or": [{"n": 1}, {"$not": {"n": {"$gte": 0}}}]}, {"$or": [{"n": 1}, {"n": {"$lt": 0}}]}),
        ({"$or": [{"n": 1}, {"$not": {"n": {"$lt": 0}}}]}, {"$or": [{"n": 1}, {"n": {"$gte": 0}}]}),
        ({"$or": [{"n": 1}, {"$not": {"n": {"$lte": 0}}}]}, {"$or": [{"n": 1}, {"n": {"$gt": 0}}]}),
        ({"cat": {"$not": "a"}}, {"cat": {"$ne": "a"}}),
        ({"cat": {"$not": {"$ne": "a"}}}, {"cat": "a"}),
        ({"cat": {"$not": {"$in": ["a"]}}}, {"cat": {"$nin": ["a"]}}),
        ({"cat": {"$not": {"$nin": ["a"]}}}, {"cat": {"$in": ["a"]}}),
        ({"cat": {"$not": None}}, {"cat": {"$exists": True}}),
        ({"cat": {"$not": {"$exists": True}}}, {"cat": {"$exists": False}}),
        ({"cat": {"$not": {"$exists": False}}}, {"cat": {"$exists": True}}),
        ({"$not": {"$not": TEXT}}, TEXT),
        ({"$not": {"n": {"$not": {"$gt": 3}}}}, {"n": {"$gt": 3}}),
        # De Morgan: all of the keys turn into any of the negations.
        ({"$and": [{"$not": {"n": 1, "cat": "a"}}]}, {"$or": [{"n": {"$ne": 1}}, {"cat": {"$ne": "a"}}]}),
        ({"n": {"$not": {"$gt": 1, "$lt": 5}}}, {"$or": [{"n": {"$lte": 1}}, {"n": {"$gte": 5}}]}),
        ({"$nor": [{"$not": {"cat": "a"}}, {"n": {"$gt": 3}}]}, {"cat": "a", "n": {"$lte": 3}}),
        # Leaves that have none: one $not at the top.
        ({"s": {"$not": {"$startsWith": "a"}}}, {"$not": {"s": {"$startsWith": "a"}}}),
        ({"f": {"$not": {"$gt": 1}}}, {"$not": {"f": {"$gt": 1}}}),
        ({"n": {"$not": {"$type": "string"}}}, {"$not": {"n": {"$type": "string"}}}),
        ({"tags": {"$ne": ["a"]}}, {"$not": {"tags": ["a"]}}),
        ({"when": {"$not": {"$lt": {"$year": 2024}}}}, {"$not": {"when": {"$lt": {"$year": 2024}}}}),
        ({"when": {"$not": {"$year": 2024}}}, {"$not": {"when": {"$year": 2024}}}),
        ({"when": {"$ne": {"$year": 2024}}}, {"$not": {"when": {"$year": 2024}}}),
        (
            {"$and": [{"$not": TEXT}, {"$not": {"DEPT": {}}}, {"n": 1}, {"$not": {"n": 2}}]},
            {"$and": [{"n": 1}, {"n": {"$ne": 2}}], "$not": {"$or": [TEXT, {"DEPT": {}}]}},
        ),
        ({"$not": TEXT, "$and": [{"$not": ENDS}]}, {"$not": {"$or": [TEXT, ENDS]}}),
        # ... which takes what has a negation along, under an OR as well.
        ({"$or": [{"$not": TEXT}, {"$not": ENDS}]}, {"$not": {"$and": [TEXT, ENDS]}}),
        ({"$or": [{"$not": TEXT}, {"n": {"$gt": 3}}]}, {"$not": {"$and": [TEXT, {"n": {"$lte": 3}}]}}),
        (
            {"$or": [{"n": 1, "$not": TEXT}, {"$not": ENDS}]},
            {"$not": {"$and": [{"$or": [{"n": {"$ne": 1}}, TEXT]}, ENDS]}},
        ),
        # $xor by its definition; without $not as it is, in pairs.
        (
            {"$xor": [{"$not": {"n": 1}}, {"cat": "b"}]},
            {"$or": [{"n": {"$ne": 1}, "cat": {"$ne": "b"}}, {"n": 1, "cat": "b"}]},
        ),
        ({"$xor": [{"a": 1}, {"b": 1}, TEXT]}, {"$xor": [{"$xor": [{"a": 1}, {"b": 1}]}, TEXT]}),
        ({"$xor": {"a": 1, "b": 1}}, {"$xor": [{"a": 1}, {"b": 1}]}),
        ({"n": {"$xor": [1, {"$lt": 3}, 5]}}, {"$xor": [{"$xor": [{"n": 1}, {"n": {"$lt": 3}}]}, {"n": 5}]}),
        ({"$and": [{"$not": {"$xor": [TEXT, ENDS]}}]}, {"$not": {"$xor": [TEXT, ENDS]}}),
        ({"$and": [{"$not": {"n": {"$nor": [1, 2]}}}]}, {"n": {"$or": [1, 2]}}),
        ({"$and": [{"$nor": [TEXT]}, {"$not": ENDS}]}, {"$nor": [TEXT], "$not": ENDS}),
        # Logic of one property beside operators, or nested: at the level of the document.
        ({"n": {"$gt": 1, "$or": [2, 3]}}, {"n": {"$gt": 1}, "$or": [{"n": 2}, {"n": 3}]}),
        ({"p": {"$or": [None, 1]}}, {"$or": [{"p": None}, {"p": 1}]}),
        (
            {"n": {"$or": [1, {"$and": [{"$gt": 5}, {"$lt": 8}]}]}},
            {"$or": [{"n": 1}, {"$and": [{"n": {"$gt": 5}}, {"n": {"$lt": 8}}]}]},
        ),
        # A 400 on the server (trace 09).
        ({"n": {"$type": "number", "$lt": 2}}, {"$and": [{"n": {"$type": "number"}}, {"n": {"$lt": 2}}]}),
        # Null is seen as a literal only.
        ({"p": {"$eq": None}}, {"p": None}),
        ({"p": {"$ne": None}}, {"p": {"$exists": True}}),
        ({"p": {"$eq": [1]}}, {"p": [1]}),
        # Nothing is a member of nothing, and an absent property is no exception.
        ({"$or": [{"n": {"$in": []}}, {"m": 1}]}, {"m": 1}),
        ({"n": {"$nin": []}}, {"n": {"$exists": True}}),
        ({"$not": {"n": {"$in": []}}}, {"n": {"$exists": True}}),
        ({"$not": {"$id": {"$in": []}}}, {}),
        ({"$or": [{}, {"n": 1}]}, {}),
    ],
    ids=repr,
)  # fmt: skip
def test_r25_negation_is_said_where_a_server_understands_it(where, sent):
    assert documents(where) == [sent]


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        ({"$or": [ENDS, {"$not": TEXT}]}, [ENDS, {"$not": TEXT}]),
        (
            {"$or": [ENDS, {"$not": TEXT}, {"n": 1}], "m": 2},
            [{"m": 2, "$or": [ENDS, {"n": 1}]}, {"m": 2, "$not": TEXT}],
        ),
        (
            {"$or": [{"$and": [ENDS, {"$not": TEXT}]}, {"m": 1}, {"s": "z"}]},
            [{**ENDS, "$not": TEXT}, {"$or": [{"m": 1}, {"s": "z"}]}],
        ),
        ({"$xor": [TEXT, {"$not": ENDS}]}, [{"$and": [TEXT, ENDS]}, {"$not": {"$or": [TEXT, ENDS]}}]),
        ({"$or": [{"DEPT": {"$not": TEXT}}, {"n": 1}]}, [{"DEPT": {"$not": TEXT}}, {"n": 1}]),
        (
            {"$or": [{"DEPT": {"CITY": {"$not": TEXT}}}, {"n": 1}]},
            [{"DEPT": {"CITY": {"$not": TEXT}}}, {"n": 1}],
        ),
        # The same thing twice is asked once.
        ({"$or": [{"$and": [ENDS, {"$not": TEXT}]}] * 5}, [{**ENDS, "$not": TEXT}]),
    ],
    ids=repr,
)
def test_r25_several_queries_where_one_cannot_say_it(where, sent):
    assert documents(where) == sent


@pytest.mark.parametrize(
    "where",
    [
        {"n": {"$in": []}},
        {"$id": {"$in": []}},
        {"n": 1, "$and": [{"m": {"$in": []}}]},
        {"$not": {}},
        {"$nor": [{}]},
        {"__label": "A"},
        {"$and": [{"__label": "P"}, {"__label": {"$ne": "P"}}]},
        {"DEPT": {"n": {"$in": []}}},
        {"DEPT": {"__label": "CITY"}},
    ],
    ids=repr,
)
def test_what_cannot_be_met_is_not_asked(where):
    assert queries(where) == ()


@pytest.mark.parametrize(
    ("where", "labels", "sent"),
    [
        ({"__id": "x"}, ("P",), [(("P",), {"$id": "x"})]),
        ({"__id": {"$ne": "x"}}, (), [((), {"$id": {"$ne": "x"}})]),
        ({"$not": {"$id": {"$in": ["x"]}, "n": 1}}, (), [((), {"$not": {"$id": {"$in": ["x"]}, "n": 1}})]),
        ({"$id": {"$not": "x"}}, (), QueryError),
        ({"$and": [{"$not": {"$id": "x"}}]}, (), [((), {"$id": {"$ne": "x"}})]),
        ({"$and": [{"$not": {"__id": {"$nin": ["x"]}}}]}, (), [((), {"$id": {"$in": ["x"]}})]),
        ({"__label": "A"}, (), [(("A",), {})]),
        ({"__label": {"$in": ["B", "A", "B"]}, "n": 1}, (), [(("A", "B"), {"n": 1})]),
        ({"__label": {"$in": ["C", "B"]}}, ("A", "B", "C"), [(("B", "C"), {})]),
        ({"__label": {"$ne": "B"}}, ("A", "B", "C"), [(("A", "C"), {})]),
        ({"$and": [{"$not": {"__label": {"$nin": ["B", "C"]}}}, {"n": 1}]}, ("A", "B"), [(("B",), {"n": 1})]),
        ({"__label": {"$in": ["A", "B"], "$ne": "B"}}, (), [(("A",), {})]),
        ({"__label": {"$ne": "B"}}, (), CapabilityError),
        ({"$or": [{"__label": {"$ne": "B"}}, {"n": 1}]}, (), CapabilityError),
        ({"__label": {"$nin": []}}, (), [((), {})]),
        ({"$or": [{"__label": "A"}, {"n": 1}]}, ("A", "B"), [(("A",), {}), (("A", "B"), {"n": 1})]),
        ({"$or": [{"__label": "A"}, {"__label": "B"}]}, (), [(("A", "B"), {})]),
        ({"$or": [{"__label": "A"}, {"__label": {"$ne": "A"}}]}, (), [((), {})]),
        (
            {"$or": [{"__label": "A", "p": 1}, {"__label": "B", "p": True}]},
            (),
            [(("A",), {"p": 1}), (("B",), {"p": True})],
        ),
        (
            {"$xor": [{"__label": "A"}, {"n": 1}]},
            ("A", "B"),
            [(("A",), {"n": {"$ne": 1}}), (("B",), {"n": 1})],
        ),
    ],
    ids=repr,
)
def test_r26_ids_and_labels_are_said_as_a_server_knows_them(where, labels, sent):
    if isinstance(sent, list):
        assert [(query.labels, query.where) for query in queries(where, labels)] == sent
    else:
        with pytest.raises(sent):
            queries(where, labels)


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        ({"$not": {"DEPT": {"$not": {"d": 1}}}}, {"$not": {"DEPT": {"d": {"$ne": 1}}}}),
        (
            {"$or": [{"DEPT": {"$not": {"d": 1}}}, {"n": 1}]},
            {"$or": [{"DEPT": {"d": {"$ne": 1}}}, {"n": 1}]},
        ),
        (
            {"DEPT": {"$relation": "R", "$or": [{"d": 1}, {"$not": TEXT}]}},
            {"DEPT": {"$relation": "R", "$not": {"$and": [{"d": {"$ne": 1}}, TEXT]}}},
        ),
        # Of the related record's properties it is not known that they hold no lists.
        ({"DEPT": {"n": {"$not": {"$gt": 1}}}}, {"DEPT": {"$not": {"n": {"$gt": 1}}}}),
        ({"DEPT": {"__id": "x", "__label": "DEPT"}}, {"DEPT": {"$id": "x"}}),
        ({"DEPT": {"__label": "DEPT", "$alias": "$d"}}, {"DEPT": {"$alias": "$d"}}),
        ({"$not": {"DEPT": {"__label": "CITY"}}}, {}),
        (
            {"DEPT": {"CITY": {"$and": [{"$not": TEXT}]}, "__id": "x"}},
            {"DEPT": {"CITY": {"$not": TEXT}, "$id": "x"}},
        ),
        (
            {"$and": [{"DEPT": {"$not": TEXT}}, {"n": 1}, {"CITY": {"$not": TEXT}}, {"DEPT": {"d": 2}}]},
            {"DEPT": {"$not": TEXT}, "CITY": {"$not": TEXT}, "$and": [{"n": 1}, {"DEPT": {"d": 2}}]},
        ),
    ],
    ids=repr,
)
def test_blocks_are_put_right_inside(where, sent):
    assert documents(where) == [sent]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"$not": {"DEPT": {"$not": TEXT}}}, r"where\.\$not\.DEPT: .* has no form"),
        ({"$xor": [{"DEPT": {"$not": TEXT}}, {"n": 1}]}, r"where\.\$xor\[0\]\.DEPT: .* has no form"),
        ({"DEPT": {"$or": [ENDS, {"$not": TEXT}]}}, r"where\.DEPT: this takes 2 conditions"),
        (
            {"$and": [{"A": {"$not": TEXT}}, {"A": {"$not": ENDS}}]},
            r"where\.\$and\[1\]\.A: .* of\s+one label",
        ),
        (
            {"A": {"$relation": {"where": {"$not": {"w": 1}}}}},
            r"where\.A\.\$relation\.where: .* passes conditions on relationships over",
        ),
    ],
    ids=repr,
)
def test_what_a_server_has_no_form_for_is_a_capability_error(where, message):
    with pytest.raises(CapabilityError, match=message):
        queries(where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"a": {"$foo": 1}}, r"where\.a\.\$foo: unknown operator '\$foo'; known here: .*\$contains.*\$xor"),
        ({"$foo": [{"n": 1}]}, r"where\.\$foo: unknown operator '\$foo'; known here: \$and"),
        ({"$or": [{"n": 1}, {"n": {"$regex": "x"}}]}, r"where\.\$or\[1\]\.n\.\$regex"),
        ({"D": {"a": 1, "$foo": 2}}, r"where\.D\.\$foo"),
        ({"D": {"E": {"n": {"$foo": 2}}}}, r"where\.D\.E\.n\.\$foo"),
        ({"$gt": 5}, r"where\.\$gt: \$gt belongs inside a property"),
        ({"$relation": "R"}, r"where\.\$relation: \$relation belongs to the block"),
        ({"__lable": "P"}, r"unknown operator '__lable'; known here: __id, __label"),
        ({"n": {"$gt": 1, "a": 1}}, r"where\.n mixes operators \(\$gt\) with names \(a\)"),
        ({"n": {"$gt": 1, "$id": "x"}}, r"mixes"),
        ({"n": {"$or": [1, {"a": 2}]}}, r"where\.n\.\$or\[1\]: expected operators"),
        ({"n": {"$or": [1, {}]}}, r"where\.n\.\$or\[1\]: expected operators, got \{\}"),
        ([{"n": 1}], r"where: expected an object, got \[\{'n': 1\}\]"),
        ([], "where: expected an object"),
        ("", "where: expected an object"),
        (None, "where: expected an object"),
        ({5: 1}, "expected text as key, got 5"),
        ({"\ud800": 1}, "surrogate"),
        ({"$and": 5}, r"where\.\$and: expected a list of conditions, got 5"),
        ({"$and": []}, "at least one"),
        ({"$or": {}}, "at least one"),
        ({"n": {"$xor": []}}, "at least one"),
        ({"$or": [5]}, r"where\.\$or\[0\]: expected an object, got 5"),
        ({"$not": [{"n": 1}]}, r"where\.\$not: expected an object"),
        ({"n": {"$contains": 1}}, r"where\.n\.\$contains: expected text, got 1"),
        ({"n": {"$endsWith": ["a"]}}, "expected text"),
        ({"n": {"$exists": "x"}}, r"where\.n\.\$exists: expected true or false, got 'x'"),
        ({"n": {"$exists": 1}}, "expected true or false"),
        ({"n": {"$type": "text"}}, "expected one of string, number, boolean, datetime, got 'text'"),
        ({"n": {"$type": ["string"]}}, "expected one of string"),
        ({"n": {"$in": 5}}, r"where\.n\.\$in: expected a list of values, got 5"),
        ({"n": {"$nin": "abc"}}, r"where\.n\.\$nin: expected a list"),
        ({"n": {"$in": [1, None]}}, "got None"),
        ({"n": {"$in": ["a", "\udfff"]}}, "surrogate"),
        ({"n": [None]}, "got None"),
        ({"n": {"$eq": {"a": 1}}}, "got {'a': 1}"),
        ({"n": {"$gt": True}}, r"where\.n\.\$gt: expected a number or text, got True"),
        ({"n": {"$lte": None}}, "expected a number or text"),
        ({"n": {"$gt": {"$year": 2024, "a": 1}}}, "expected a number or text"),
        ({"n": float("nan")}, "finite"),
        ({"n": {"$lt": float("inf")}}, "finite"),
        ({"n": 2**63}, "64 bits"),
        ({"n": b"x"}, "got b'x'"),
        ({"when": {"$year": "2024"}}, r"where\.when\.\$year: expected an integer, got '2024'"),
        ({"when": {"$lt": {"$day": True}}}, r"where\.when\.\$lt\.\$day: expected an integer"),
        ({"$id": {"$gt": "x"}}, r"where\.\$id\.\$gt: unknown operator"),
        ({"$id": 5}, "expected text"),
        ({"$id": {}}, "expected text or one of"),
        ({"__id": {"$in": "x"}}, r"where\.__id\.\$in: expected a list of texts"),
        ({"__label": {"$startsWith": "P"}}, r"where\.__label\.\$startsWith"),
        ({"$cycle": True}, r"where\.\$cycle: expected an object"),
        ({"D": {"$relation": 5}}, r"where\.D\.\$relation: expected an object"),
        ({"D": {"$alias": 5}}, r"where\.D\.\$alias: expected text"),
        ({"D": {"$relation": {"where": {"$foo": 1}}}}, r"where\.D\.\$relation\.where\.\$foo"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_r13_what_is_no_condition_is_a_query_error_that_names_the_place(where, message):
    for document in (where, {"$xor": [where, {"n": 1}]}, {"$not": {"$or": [where]}}):
        with pytest.raises(QueryError, match=message if document is where else None):
            queries(document)


def nested(levels, wrap, where):
    for _ in range(levels):
        where = wrap(where)
    return where


def test_nesting_has_a_limit_and_no_recursion_error():
    assert documents(nested(64, lambda where: {"$not": where}, {"n": 3})) == [{"n": 3}]
    assert documents(nested(64, lambda where: {"D": where}, {"n": 3})) == [
        nested(64, lambda where: {"D": where}, {"n": 3})
    ]
    for document in (
        nested(65, lambda where: {"$not": where}, {"n": 3}),
        nested(65, lambda where: {"D": where}, {"n": 3}),
        nested(50_000, lambda where: {"$or": [where]}, {"n": 3}),
        {"n": nested(50_000, lambda value: {"$not": value}, 3)},
    ):
        with pytest.raises(QueryError, match="deeper than 64 levels"):
            queries(document)


def either_side(number):
    return {"$or": [{"a": {"$contains": str(number)}}, {"$not": {"b": {"$contains": str(number)}}}]}


def test_more_than_64_queries_are_refused():
    assert len(queries({"$and": [either_side(number) for number in range(6)]})) == 64
    with pytest.raises(QueryError, match=r"more than 64 queries.*split the query"):
        queries({"$and": [either_side(number) for number in range(7)]})
    many = [{"a": {"$contains": str(n)}, "$not": {"b": {"$contains": str(n)}}} for n in range(65)]
    assert len(queries({"$or": many[:64]})) == 64
    with pytest.raises(QueryError, match="more than 64 queries"):
        queries({"$or": many})


def test_a_wide_xor_stays_small_and_a_deep_one_is_refused_at_once():
    (query,) = queries({"$xor": [{"$not": {f"p{number}": 1}} for number in range(64)]})
    assert len(orjson.dumps(query.where)) < 200_000
    began = time.perf_counter()
    with pytest.raises(QueryError, match="conditions; at most 10,000"):
        queries(nested(32, lambda where: {"$xor": [{"$not": where}, {"m": 1}]}, {"n": 1}))
    with pytest.raises(QueryError, match="more than 64 queries"):
        queries({"$xor": [{"$not": {f"p{number}": {"$contains": "x"}}} for number in range(8)]})
    assert time.perf_counter() - began < 2


# -- both sides as models ---------------------------------------------------------


class Related(NamedTuple):
    label: str
    id: str
    data: dict[str, Any]
    related: tuple[Related, ...] = ()


LOGICAL = ("$and", "$or", "$nor", "$xor", "$not")


def truth(where, record):
    """What a document is for a record: True, False or None (neither)."""
    return conjunction(entry(key, value, record) for key, value in where.items())


def entry(key, value, record):
    if key in LOGICAL:
        return logical(key, value, partial(truth, record=record))
    if key in ("$id", "__id"):
        return asked(record.id, value)
    if key == "__label":
        return asked(record.label, value)
    if key.isupper():  # the names of labels, here
        return any(related.label == key and truth(value, related) for related in record.related)
    return asked(record.data.get(key), value)


def asked(held, value):
    if not isinstance(value, dict):
        return compare("$eq", held, value)
    return conjunction(
        logical(key, operand, partial(asked, held)) if key in LOGICAL else compare(key, held, operand)
        for key, operand in value.items()
    )


def logical(key, operand, read):
    if key == "$not":
        return negation(read(operand))
    parts = [{k: v} for k, v in operand.items()] if isinstance(operand, dict) else operand
    verdicts = [read(part) for part in parts]
    if key == "$and":
        return conjunction(verdicts)
    if key == "$xor":
        return None if None in verdicts else sum(verdicts) % 2 == 1
    none_holds = conjunction(map(negation, verdicts))
    return none_holds if key == "$nor" else negation(none_holds)


def conjunction(verdicts):
    verdicts = list(verdicts)
    return False if False in verdicts else None if None in verdicts else True


def negation(verdict):
    return None if verdict is None else not verdict


def compare(operator, held, operand):
    if operator == "$exists":
        return (held is not None) == operand
    if operator in ("$ne", "$nin"):
        return negation(compare("$eq" if operator == "$ne" else "$in", held, operand))
    if operator == "$eq" and operand is None:
        return held is None
    if held is None:
        return None
    if operator == "$type":
        elements = held if isinstance(held, list) else [held]
        kinds = {bool: "boolean", int: "number", float: "number", str: "string"}
        return (kinds[type(elements[0])] if elements else "string") == operand
    if operator == "$eq" and isinstance(operand, list):
        return isinstance(held, list) and len(held) == len(operand) and all(map(same, held, operand))
    if isinstance(held, list):
        verdicts = [single(operator, element, operand) for element in held]
        return True if True in verdicts else None if None in verdicts else False
    return single(operator, held, operand)


def single(operator, held, operand):
    if operator == "$eq":
        return same(held, operand)
    if operator == "$in":
        return any(same(held, value) for value in operand)
    if operator in ("$contains", "$startsWith", "$endsWith"):
        if not isinstance(held, str):
            return None
        if operator == "$contains":
            return operand.casefold() in held.casefold()
        return held.startswith(operand) if operator == "$startsWith" else held.endswith(operand)
    if isinstance(held, bool) or isinstance(held, str) != isinstance(operand, str):
        return None
    return {"$gt": held > operand, "$gte": held >= operand, "$lt": held < operand, "$lte": held <= operand}[
        operator
    ]


def same(one, other):
    return isinstance(one, bool) == isinstance(other, bool) and one == other


class ServerMistake(Exception):
    """What the recorded server answers with 400 or 500, or was never asked."""


class Server:
    """A server's answers, as recorded: right, but for R25 and R26 and the forms it fails at."""

    def __init__(self, records):
        self.records = records

    def find(self, labels, where):
        if self.misread(where):
            return set()
        return {
            record.id
            for record in self.records
            if (not labels or record.label in labels) and truth(where, record) is True
        }

    def misread(self, where, in_list=False, in_not=False):
        """Whether a $not stands inside a list, or an unknown name in the document."""
        wrong = False
        for key, value in where.items():
            if key.startswith("__"):
                wrong = True
            elif key == "$not":
                if in_not:
                    raise ServerMistake("$not in $not")
                wrong |= in_list or self.misread(value, in_list, True)
            elif key in LOGICAL:
                if isinstance(value, dict) and key != "$or":
                    raise ServerMistake(f"{key} of an object")
                if key == "$xor" and len(value) > 2:
                    raise ServerMistake("$xor of more than two")
                parts = [{k: v} for k, v in value.items()] if isinstance(value, dict) else value
                wrong |= sum(self.misread(part, True, in_not) for part in parts) > 0  # all are looked at
            elif key.isupper():
                wrong |= self.misread(value, in_list, in_not)
            else:
                self.look_at_property(value)
        return wrong

    def look_at_property(self, value, inside=False):
        if not isinstance(value, dict):
            if inside and (value is None or isinstance(value, list)):
                raise ServerMistake("no scalar in a property's logic")
            return
        if len(value) > 1 and not {"$type", *LOGICAL}.isdisjoint(value):
            raise ServerMistake("$type or logic beside other operators")
        for key, operand in value.items():
            if key == "$not" or (key in LOGICAL and inside):
                raise ServerMistake(f"{key} of a property")
            if key in ("$in", "$nin") and not operand:
                raise ServerMistake(f"{key} of nothing")
            if key in ("$eq", "$ne") and (operand is None or isinstance(operand, list)):
                raise ServerMistake(f"{key} of no scalar")
            if key in LOGICAL:
                if key == "$xor" and len(operand) > 2:
                    raise ServerMistake("$xor of more than two")
                parts = [{k: v} for k, v in operand.items()] if isinstance(operand, dict) else operand
                for part in parts:
                    self.look_at_property(part, inside=True)


def test_the_model_of_the_server_makes_the_recorded_mistakes():
    server = Server([Related("P", f"id{n}", {"n": n, "cat": "abc"[n % 3]}) for n in range(12)])
    assert server.find(("P",), {"$or": [{"n": 1}, {"n": {"$lte": 0}}]}) == {"id0", "id1"}
    assert server.find(("P",), {"$or": [{"n": 1}, {"$not": {"n": {"$gt": 0}}}]}) == set()
    assert server.find((), {"$not": {"n": {"$gt": 0}}}) == {"id0"}
    assert server.find((), {"__id": "id0"}) == set()
    for where in ({"cat": {"$not": "a"}}, {"n": {"$type": "number", "$lt": 2}}):
        with pytest.raises(ServerMistake):
            server.find(("P",), where)


# -- everything at once -----------------------------------------------------------

TEXTS = st.sampled_from(["", "a", "A", "ab", "b", "xa"])
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 1.0, 1.5])
SCALARS = TEXTS | NUMBERS | st.booleans()
LISTS = st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, max_size=3) | st.lists(st.booleans(), max_size=2)
NAMES = st.sampled_from(["n", "p", "q"])
DATA = st.dictionaries(NAMES, SCALARS | LISTS, max_size=3)
PLAIN_DATA = st.dictionaries(NAMES, SCALARS, max_size=3)
IDS = st.sampled_from(["id0", "id1", "id5"])


def record(label, data, related):
    return Related(label, "", data, tuple(related))


CITIES = st.builds(record, st.just("CITY"), DATA, st.just([]))
DEPTS = st.builds(record, st.just("DEPT"), DATA, st.lists(CITIES, max_size=2))
RECORDS = st.sampled_from([DATA, PLAIN_DATA]).flatmap(
    lambda data: st.lists(
        st.builds(record, st.sampled_from("AB"), data, st.lists(DEPTS | CITIES, max_size=2)), max_size=10
    )
)

OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), st.none() | SCALARS | LISTS),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), TEXTS | NUMBERS),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=3)),
    st.tuples(st.sampled_from(["$contains", "$startsWith", "$endsWith"]), TEXTS),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.just("$type"), st.sampled_from(["string", "number", "boolean"])),
)


def objects(operations, at_least=1):
    return st.lists(operations, min_size=at_least, max_size=2).map(dict)


def logic(parts, objects_of_parts):
    several = st.sampled_from(["$and", "$or", "$nor", "$xor"])
    return (
        st.tuples(several, st.lists(parts, min_size=1, max_size=3))
        | st.tuples(several, objects_of_parts)
        | st.tuples(st.just("$not"), parts)
    )


ASKED = st.recursive(
    st.none() | SCALARS | LISTS | objects(OPERATIONS),
    lambda inner: objects(OPERATIONS | logic(inner, objects(OPERATIONS))),
    max_leaves=4,
)


def identity(names):
    return names | objects(
        st.tuples(st.sampled_from(["$eq", "$ne"]), names)
        | st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(names, max_size=3))
    )


PROPERTIES = st.tuples(NAMES, ASKED)
ENTRIES = (
    PROPERTIES
    | PROPERTIES
    | st.tuples(st.sampled_from(["$id", "__id"]), identity(IDS))
    | st.tuples(st.just("__label"), identity(st.sampled_from("ABX")))
)


def wheres(entries, labels):
    return st.recursive(
        objects(entries, at_least=0),
        lambda inner: objects(
            entries
            | logic(inner, objects(entries))
            | logic(inner, objects(entries))
            | st.tuples(labels, inner)
        ),
        max_leaves=6,
    )


RELATED = st.sampled_from(["DEPT", "CITY"])
FLAT = wheres(ENTRIES, st.nothing())
ACROSS = wheres(ENTRIES | st.tuples(RELATED, objects(PROPERTIES, 0)), RELATED)


def never_lists(records):
    lists = {name for record in records for name, held in record.data.items() if isinstance(held, list)}
    return frozenset({"n", "p", "q", "other"} - lists)


def check(records, where, labels, scalars):
    """The records get the ids id0, id1, ..."""
    records = [one._replace(id=f"id{number}") for number, one in enumerate(records)]
    before = copy.deepcopy(where)
    sent = sendable(RecordQuery(labels, where, scalars=scalars))
    assert repr(where) == repr(before)
    if sent is None:
        return
    server = Server(records)
    found = set().union(*(server.find(query.labels, query.where) for query in sent))
    wanted = {
        record.id
        for record in records
        if (not labels or record.label in labels) and truth(where, record) is True
    }
    assert found == wanted
    assert all(query.labels for query in sent) or not labels
    event(f"{min(len(sent), 3)} queries" + (", as it is" if sent and sent[0].where is where else ""))


def sendable(query):
    """The queries, or None where none can say it: for those reasons alone that are known."""
    try:
        return server_queries(query)
    except QueryError as error:
        reason = str(error)
        known = "split the query" in reason
    except CapabilityError as error:
        reason = str(error)
        known = "DEPT" in reason or "CITY" in reason or (query.labels == () and "excludes" in reason)
    assert known, reason
    event("cannot be said")
    return None


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, FLAT, st.booleans())
@example([Related("A", "", {}), Related("A", "", {"n": 1})], {"$not": {"$not": {"n": {"$in": []}}}}, True)
@example([Related("A", "", {"n": [1, 5]})], {"$and": [{"$not": {"n": {"$gt": 1}}}]}, True)
@example([Related("A", "", {"p": 1})], {"$or": [{"$not": {"p": {"$contains": "a"}}}, {"n": 1}]}, True)
def test_the_queries_united_are_the_document(records, where, told):
    check(records, where, ("A", "B"), never_lists(records) if told else frozenset())


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, ACROSS, st.sampled_from([(), ("A",), ("A", "B"), ("X",)]), st.booleans())
@example(
    [Related("A", "", {}, (Related("DEPT", "", {"n": 1}),)), Related("A", "", {})],
    {"$not": {"DEPT": {"$not": {"n": 2}}}},
    (),
    True,
)
def test_the_queries_united_are_the_document_across_relationships(records, where, labels, told):
    check(records, where, labels, never_lists(records) if told else frozenset())


CASES = [
    Related(
        label, f"id{number}", {name: held for name, held in zip("abc", values, strict=True) if held}, related
    )
    for number, (label, related, *values) in enumerate(
        product("AB", [(), (Related("DEPT", "", {"a": "x"}),)], *[("x", "y", None)] * 3)
    )
]
"""Each of three properties is x, something else, or absent: a condition on it true, false, or neither."""

LEAVES = st.one_of(
    st.builds(lambda name: {name: {"$contains": "x"}}, st.sampled_from("abc")),  # hard
    st.builds(lambda name: {name: {"$startsWith": "x"}}, st.sampled_from("ab")),
    st.builds(lambda name: {name: "x"}, st.sampled_from("abc")),
    st.just({"c": {"$gt": "x"}}),
    st.sampled_from([{"__label": "A"}, {"DEPT": {}}, {"DEPT": {"a": {"$contains": "y"}}}, {"c": None}]),
    st.just({"DEPT": {"$not": {"a": {"$contains": "y"}}}}),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda part: {"$not": part}, inner),
        st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["$and", "$or", "$or", "$nor", "$xor"]),
            st.lists(inner | st.builds(lambda part: {"$not": part}, inner), min_size=2, max_size=3),
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.booleans())
def test_logic_over_conditions_that_have_no_negation(where, told):
    check(CASES, where, ("A", "B"), frozenset("abc") if told else frozenset())


POOL: list[dict[str, Any]] = [
    {"n": n, "p": p, "q": q}
    for n, p, q in [
        (None, None, "x"), (0, "a", True), (1, "A", 1), (1.0, ["a", "b"], [1, 2]), (2, [], None),
        (3, "xa", "a"), (None, "ab", [True]), (1.5, None, ["xa"]), (-1, ["a"], "b"), (1, "", [1.5]),
        (2, "b", 2), (None, ["A", ""], 1), (0, None, "1"), (3, ["ab"], False), (1, 1, 1), ("a", 2, 0),
        (True, False, True), ([1], [1.5, 3], []), (None, None, 2), ([True, False], 0, None),
    ]
]  # fmt: skip


@pytest.fixture(scope="module")
def embedded():
    """The store whose meaning `truth` claims, and its records."""
    backend = EmbeddedBackend("memory://", durability="normal")
    rows = [
        ImportRow("AB"[i % 2], {name: held for name, held in data.items() if held is not None})
        for i, data in enumerate([*POOL, {}, *POOL])  # each with either label
        if data
    ]
    stored = backend.execute(ImportRecords(rows))
    yield backend, [Related(one.label, one.id, one.data) for one in stored]
    backend.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FLAT, st.sampled_from([(), ("A",), ("A", "B")]))
def test_the_embedded_store_takes_documents_for_what_truth_says(embedded, where, labels):
    backend, records = embedded
    # Its ids cannot be known before: id0 becomes the first one's.
    text = orjson.dumps(where)
    for number in (0, 1, 5):
        text = text.replace(b'"id%d"' % number, orjson.dumps(records[number].id))
    where = orjson.loads(text)
    found = {one.id for one in backend.execute(FindRecords(RecordQuery(labels, where)))}
    wanted = {one.id for one in records if (not labels or one.label in labels) and truth(where, one) is True}
    assert found == wanted
    # And the queries for a server mean the same to the store, which takes every form.
    sent = sendable(RecordQuery(labels, where, scalars=never_lists(records)))
    if sent is not None:
        answers = [backend.execute(FindRecords(RecordQuery(one.labels, one.where))) for one in sent]
        assert {one.id for answer in answers for one in answer} == wanted

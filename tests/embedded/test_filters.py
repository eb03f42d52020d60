"""`where` documents as SQL: the rules one by one, and everything at once against a plain evaluator."""

from __future__ import annotations

import math
import sqlite3
import weakref
from functools import partial

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rushmodel.backends.embedded.filters import MOST_CONDITIONS, MOST_VALUES, compile_where
from rushmodel.backends.embedded.functions import register
from rushmodel.backends.embedded.leaves import Column
from rushmodel.backends.embedded.names import Names
from rushmodel.backends.embedded.scopes import Scope
from rushmodel.backends.embedded.values import pack
from rushmodel.errors import QueryError

from .evaluate import LOGICAL, asked, conjunction, logical

LABEL = "P"


class Shelf:
    """Records of one label in a table laid out as format 1 does; record ``i`` has id ``id<i>``.

    ``texts`` are (record, property) pairs of R14; ``lists`` are columns said to hold lists
    beyond those that do.
    """

    def __init__(self, records, *, texts=(), lists=(), indexed=False):
        self.records = records
        names = sorted({name for record in records for name in record})
        self.columns = {
            name: Column(
                f"t.p{number}",
                name in lists or any(isinstance(record.get(name), list) for record in records),
                number,
            )
            for number, name in enumerate(names, 10)
        }
        self.connection = sqlite3.connect(":memory:")
        weakref.finalize(self, self.connection.close)  # Python 3.13 warns of one that is left open
        register(self.connection)
        self.connection.execute("CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        self.connection.execute("CREATE TABLE records(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)")
        columns = "".join(f", {column.sql[2:]}" for column in self.columns.values())
        self.connection.execute(f"CREATE TABLE t(row INTEGER PRIMARY KEY, texts TEXT{columns})")
        for row, record in enumerate(records):
            listed = [self.columns[name].name_id for name in record if (row, name) in texts]
            cells = [pack(record[name]) if name in record else None for name in names]
            self.connection.execute("INSERT INTO records VALUES (?, ?)", (row, f"id{row}"))
            self.connection.execute(
                f"INSERT INTO t VALUES (?, ?{', ?' * len(cells)})",
                (row, orjson.dumps(listed).decode() if listed else None, *cells),
            )
        if indexed:
            for column in self.columns.values():
                self.connection.execute(f"CREATE INDEX i{column.name_id} ON t({column.sql[2:]})")

    def compile(self, where):
        scope = Scope(LABEL, self.columns.get, "t.row", "t.texts", "r.id")
        return compile_where(where, scope, Names(self.connection))

    def find(self, where):
        """The numbers of the records that match."""
        sql, params = self.compile(where)
        query = f"SELECT t.row FROM t JOIN records r ON r.row = t.row WHERE {sql} AND 1"
        return sorted(row for (row,) in self.connection.execute(query, params))

    def plan(self, where):
        sql, params = self.compile(where)
        rows = self.connection.execute(f"EXPLAIN QUERY PLAN SELECT t.row FROM t WHERE {sql}", params)
        return "\n".join(row[3] for row in rows)


@pytest.fixture(scope="module")
def seed():
    """What trace 12 begins with, without the related records."""
    records = []
    for n in range(12):
        record = {
            "n": n,
            "f": n + 0.5,
            "s": f"Item {n}",
            "cat": "abc"[n % 3],
            "flag": n % 2 == 0,
            "when": f"2024-{n + 1:02}-15T{n:02}:30:00Z",
            "tags": ["red", "blue"] if n % 2 else ["green"],
            "nums": [n, n + 1],
        }
        if n < 3:
            record["opt"] = "yes"
        records.append(record)
    return Shelf(records)


ALL = list(range(12))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, ALL),
        ({"n": "3"}, []),
        ({"f": 3.5}, [3]),
        ({"flag": True}, [0, 2, 4, 6, 8, 10]),
        ({"opt": None}, ALL[3:]),
        ({"zzz": None}, ALL),
        ({"n": {"$gte": 9}}, [9, 10, 11]),
        ({"n": {"$lt": 2}}, [0, 1]),
        ({"n": {"$lte": 2}}, [0, 1, 2]),
        ({"n": {"$gt": 2, "$lt": 5}}, [3, 4]),
        ({"n": {"$in": [1, 2, 99]}}, [1, 2]),
        ({"cat": {"$nin": ["a", "b"]}}, [2, 5, 8, 11]),
        ({"opt": {"$nin": ["yes"]}}, []),
        ({"opt": {"$exists": True}}, [0, 1, 2]),
        ({"opt": {"$exists": False}}, ALL[3:]),
        ({"n": {"$type": "number"}}, ALL),
        ({"n": {"$type": "string"}}, []),
        ({"tags": ["red", "blue"]}, [1, 3, 5, 7, 9, 11]),
        ({"tags": {"$in": ["green"]}}, [0, 2, 4, 6, 8, 10]),
        ({"tags": {"$contains": "re"}}, ALL),
        ({"nums": {"$gt": 11}}, [11]),
        ({"$and": [{"cat": "a"}, {"n": {"$gt": 3}}]}, [6, 9]),
        ({"$or": {"n": 1, "cat": "b"}}, [1, 4, 7, 10]),
        ({"$not": {"cat": "a"}}, [1, 2, 4, 5, 7, 8, 10, 11]),
        ({"$not": {"opt": "yes"}}, []),
        ({"$xor": [{"cat": "a"}, {"n": {"$lt": 4}}]}, [1, 2, 6, 9]),
        ({"n": {"$or": [1, 2]}}, [1, 2]),
        ({"n": {"$or": [{"$lt": 1}, {"$gt": 10}]}}, [0, 11]),
        ({"cat": {"$nor": ["a", "b"]}}, [2, 5, 8, 11]),
        ({"n": {"$xor": [{"$gt": 5}, {"$lt": 8}]}}, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]),
        ({"when": "2024-03-15T02:30:00.000Z"}, []),
        ({"when": {"$gte": "2024-11-01"}}, [10, 11]),
        ({"zzz": 1}, []),
        ({"s": 'It\'s \\ "q"'}, []),
        ({"$id": {"$ne": "id11"}}, ALL[:11]),
        ({"tags": "red", "n": {"$lt": 7}}, [1, 3, 5]),
        ({"n": {"$type": "number", "$lt": 2}}, [0, 1]),
    ],
    ids=repr,
)
def test_what_the_recorded_server_answers_we_answer(seed, where, found):
    """Traces 12 and 09, but for what R25 and R26 make a listed difference."""
    assert seed.find(where) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"$or": [{"$and": [{"n": 1}, {"cat": "b"}]}, {"$not": {"n": {"$gt": 0}}}]}, [0, 1]),
        ({"$and": [{"$not": {"cat": "a"}}, {"$not": {"cat": "b"}}]}, [2, 5, 8, 11]),
        ({"$nor": [{"$not": {"cat": "a"}}, {"n": {"$gt": 3}}]}, [0, 3]),
        ({"$xor": [{"$not": {"cat": "a"}}, {"n": {"$lt": 2}}]}, [0, 2, 4, 5, 7, 8, 10, 11]),
        ({"$not": {"$not": {"n": 3}}}, [3]),
        ({"cat": {"$not": "a"}}, [1, 2, 4, 5, 7, 8, 10, 11]),
        ({"cat": {"$not": {"$in": ["a", "b"]}}}, [2, 5, 8, 11]),
    ],
    ids=repr,
)
def test_r25_not_is_right_inside_lists_too(seed, where, found):
    assert seed.find(where) == found


def test_r20_only_contains_ignores_case():
    shelf = Shelf([{"s": "Str14"}, {"s": "sTRASSE"}, {"s": "straße"}, {"s": "ΣΊΣΥΦΟΣ"}, {"s": "σίσυφος"}])
    assert shelf.find({"s": {"$contains": "TR14"}}) == [0]
    assert shelf.find({"s": {"$contains": "Strasse"}}) == [1, 2]
    assert shelf.find({"s": {"$contains": "ΥΦΟς"}}) == [3, 4]
    assert shelf.find({"s": {"$contains": ""}}) == [0, 1, 2, 3, 4]
    assert shelf.find({"s": {"$startsWith": "str"}}) == [2]
    assert shelf.find({"s": {"$endsWith": "TR14"}}) == []
    assert shelf.find({"s": {"$endsWith": "tr14"}}) == [0]
    assert shelf.find({"s": "str14"}) == []


@pytest.mark.parametrize(
    "where",
    [
        {"p": {"$ne": 1}},
        {"p": {"$nin": [1]}},
        {"p": {"$nin": []}},
        {"$not": {"p": 1}},
        {"p": {"$not": 1}},
        {"p": {"$nor": [1]}},
        {"$not": {"p": {"$type": "boolean"}}},
        {"$not": {"p": {"$contains": "x"}}},
        {"$xor": [{"p": 1}, {"q": 1}]},
    ],
    ids=repr,
)
def test_r20_a_record_without_the_property_does_not_match(where):
    # The first record has p, the others do not; nor does a label that never had it.
    assert Shelf([{"p": "y", "q": 1}, {"q": 1}]).find(where) == [0]
    assert Shelf([{"q": 1}, {"q": 2}]).find(where) == []


def test_r20_null_finds_the_absent():
    shelf = Shelf([{"p": 1}, {}, {"p": []}])
    assert shelf.find({"p": None}) == shelf.find({"p": {"$eq": None}}) == [1]
    assert shelf.find({"p": {"$ne": None}}) == shelf.find({"$not": {"p": None}}) == [0, 2]
    assert shelf.find({"p": {"$or": [None, 1]}}) == [0, 1]
    assert shelf.find({"$not": {"other": {"$exists": True}}}) == [0, 1, 2]


def test_r20_any_element_of_a_list_counts():
    shelf = Shelf([{"p": ["a", "Bc"]}, {"p": []}, {"p": "a"}, {"p": [1, 5]}, {"p": [True]}, {"p": 1}, {}])
    assert shelf.find({"p": "a"}) == [0, 2]
    assert shelf.find({"p": {"$in": ["Bc", 5]}}) == [0, 3]
    assert shelf.find({"p": {"$gt": 1}}) == [3]
    assert shelf.find({"p": {"$gt": 1, "$lt": 2}}) == [3]  # 5 is the one, 1 the other
    assert shelf.find({"p": {"$gt": 0, "$lt": 1}}) == []
    assert shelf.find({"p": {"$gte": "b"}}) == []
    assert shelf.find({"p": {"$lte": "a"}}) == [0, 2]
    assert shelf.find({"p": {"$contains": "bC"}}) == [0]
    assert shelf.find({"p": {"$startsWith": "B"}}) == [0]
    assert shelf.find({"p": {"$endsWith": "c"}}) == [0]
    assert shelf.find({"p": True}) == [4]
    assert shelf.find({"p": 1}) == [3, 5]


def test_r20_ne_and_nin_mean_none_of_the_elements():
    shelf = Shelf([{"p": ["a", "b"]}, {"p": ["b"]}, {"p": []}, {"p": "b"}, {"p": 1}, {}])
    assert shelf.find({"p": {"$ne": "a"}}) == [1, 2, 3, 4]
    assert shelf.find({"p": {"$nin": ["a", 1]}}) == [1, 2, 3]
    assert shelf.find({"p": {"$not": {"$gt": "a"}}}) == [2]  # 1 is not comparable with text


def test_r20_a_list_literal_is_the_whole_list():
    shelf = Shelf(
        [{"p": [1, 2]}, {"p": [2, 1]}, {"p": [1.0, 2]}, {"p": []}, {"p": 1}, {"p": [True]}, {"p": ["1"]}, {}]
    )
    assert shelf.find({"p": [1, 2.0]}) == [0, 2]
    assert shelf.find({"p": {"$ne": [1, 2]}}) == [1, 3, 4, 5, 6]
    assert shelf.find({"p": []}) == [3]
    assert shelf.find({"p": [1]}) == []
    assert shelf.find({"p": [True]}) == [5]
    assert shelf.find({"p": {"$eq": ["1"]}}) == [6]
    assert shelf.find({"p": [1, "a"]}) == []


def test_values_of_different_types_are_unequal_and_not_comparable():
    shelf = Shelf([{"p": 1}, {"p": "1"}, {"p": True}, {"p": 1.0}, {"p": "true"}])
    assert shelf.find({"p": 1}) == [0, 3]
    assert shelf.find({"p": True}) == [2]
    assert shelf.find({"p": {"$ne": True}}) == [0, 1, 3, 4]
    assert shelf.find({"p": {"$lte": 1}}) == [0, 3]
    assert shelf.find({"p": {"$gte": ""}}) == [1, 4]
    assert shelf.find({"$not": {"p": {"$gt": "5"}}}) == [1]
    assert shelf.find({"$not": {"p": {"$contains": "x"}}}) == [1, 4]


def test_type_tells_datetimes_from_texts_that_look_like_them():
    day = "2024-01-01"
    shelf = Shelf(
        [
            {"p": day},
            {"p": day},
            {"p": "x"},
            {"p": [day, day]},
            {"p": [day]},
            {"p": []},
            {"p": [1]},
            {"p": [True]},
            {},
        ],
        texts={(1, "p"), (4, "p")},
    )
    assert shelf.find({"p": {"$type": "datetime"}}) == [0, 3]
    assert shelf.find({"p": {"$type": "string"}}) == [1, 2, 4, 5]
    assert shelf.find({"p": {"$type": "number"}}) == [6]
    assert shelf.find({"p": {"$not": {"$type": "boolean"}}}) == [0, 1, 2, 3, 4, 5, 6]


def test_text_is_ordered_by_code_point_and_may_hold_nul():
    texts = [
        "",
        "\0",
        "a",
        "a\0",
        "a\0b",
        "ab",
        "\ud7ff",
        "\ud7ffz",
        "\ue000",
        "\uffff",
        "\U00010000",
        "\U0010fffe",
        "\U0010ffff",
    ]
    shelf = Shelf([{"p": text} for text in texts])
    assert texts == sorted(texts)
    for i, text in enumerate(texts):
        assert shelf.find({"p": text}) == [i]
        assert shelf.find({"p": {"$gt": text}}) == list(range(i + 1, len(texts)))
        assert shelf.find({"p": {"$lte": text}}) == list(range(i + 1))
        for operator, test in (
            ("$startsWith", str.startswith),
            ("$endsWith", str.endswith),
            ("$contains", str.__contains__),
        ):
            expected = [j for j, other in enumerate(texts) if test(other, text)]
            assert shelf.find({"p": {operator: text}}) == expected
            assert shelf.find({"$not": {"p": {operator: text}}}) == [
                j for j in range(len(texts)) if j not in expected
            ]


def test_r26_ids_know_equality_and_membership():
    shelf = Shelf([{}, {}, {}])
    for key in ("$id", "__id"):
        assert shelf.find({key: "id1"}) == shelf.find({key: {"$eq": "id1"}}) == [1]
        assert shelf.find({key: {"$ne": "id1"}}) == [0, 2]
        assert shelf.find({key: {"$in": ["id0", "id2", "no"]}}) == [0, 2]
        assert shelf.find({key: {"$in": []}}) == []
        assert shelf.find({key: {"$nin": ["id0"], "$ne": "id1"}}) == [2]
        assert shelf.find({"$not": {key: {"$in": ["id0"]}}}) == [1, 2]
        assert shelf.find({"$xor": [{key: "id0"}, {key: {"$nin": ["id0", "id1"]}}]}) == [0, 2]
        for operator in ("$gt", "$contains", "$exists", "$not"):
            with pytest.raises(
                QueryError, match=rf"where\.\{key}\.\{operator}.*\$eq, \$in, \$ne, \$nin".replace("\\_", "_")
            ):
                shelf.find({key: {operator: "id1"}})
        for operand in (None, 5, True, {}, {"$in": "id1"}, {"$eq": 1}, ["id1"]):
            with pytest.raises(QueryError, match="expected"):
                shelf.find({key: operand})


def test_r26_the_label_is_a_condition_like_others():
    shelf = Shelf([{"n": 0}, {"n": 1}])
    assert shelf.find({"__label": LABEL}) == shelf.find({"__label": {"$in": ["A", LABEL]}}) == [0, 1]
    assert shelf.find({"__label": "A"}) == shelf.find({"__label": {"$ne": LABEL}}) == []
    assert shelf.find({"$or": [{"__label": {"$nin": [LABEL]}}, {"n": 1}]}) == [1]
    assert shelf.find({"$not": {"__label": "A"}, "n": 1}) == [1]
    with pytest.raises(QueryError, match=r"__label\.\$startsWith"):
        shelf.find({"__label": {"$startsWith": "P"}})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"n": {"$foo": 1}}, r"where\.n\.\$foo: unknown operator '\$foo'; known here: .*\$contains.*\$xor"),
        ({"$foo": [{"n": 1}]}, r"where\.\$foo: unknown operator '\$foo'; known here: \$and"),
        ({"$or": [{"n": 1}, {"n": {"$regex": "x"}}]}, r"where\.\$or\[1\]\.n\.\$regex"),
        ({"$gt": 5}, r"where\.\$gt: \$gt belongs inside a property"),
        ({"__lable": "P"}, r"unknown operator '__lable'; known here: __id, __label"),
        ({"n": {"$gt": 1, "a": 1}}, r"where\.n mixes operators \(\$gt\) with names \(a\)"),
        ({"n": {"$gt": 1, "$id": "x"}}, r"mixes"),
        ({"n": {"$gt": 1, "$not": {}}}, r"where\.n\.\$not: expected what a property is asked: .*, got {}"),
        ({"n": {"$gt": 1, "$or": [{"a": 1}]}}, r"where\.n\.\$or\[0\]: expected what a property is asked"),
        ([{"n": 1}], r"where: expected an object, got \[\{'n': 1\}\]"),
        ("x", "where: expected an object, got 'x'"),
        (None, "where: expected an object"),
        ({5: 1}, "expected text as key, got 5"),
        ({"$and": 5}, r"where\.\$and: expected a list of conditions, got 5"),
        ({"$and": []}, "at least one"),
        ({"$or": {}}, "at least one"),
        ({"n": {"$xor": []}}, "at least one"),
        ({"$or": [5]}, r"where\.\$or\[0\]: expected an object, got 5"),
        ({"$not": [{"n": 1}]}, r"where\.\$not: expected an object"),
        ({"n": {"$contains": 1}}, r"where\.n\.\$contains: expected text, got 1"),
        ({"n": {"$startsWith": None}}, "expected text, got None"),
        ({"n": {"$endsWith": ["a"]}}, "expected text"),
        ({"n": {"$exists": "x"}}, r"where\.n\.\$exists: expected true or false, got 'x'"),
        ({"n": {"$exists": 1}}, "expected true or false"),
        ({"n": {"$type": "text"}}, "expected one of string, number, boolean, datetime, got 'text'"),
        ({"n": {"$type": ["string"]}}, "expected one of string"),
        ({"n": {"$in": 5}}, r"where\.n\.\$in: expected a list of values, got 5"),
        ({"n": {"$nin": "abc"}}, r"where\.n\.\$nin: expected a list"),
        ({"n": {"$in": [1, None]}}, "got None"),
        ({"n": {"$in": [[1]]}}, r"got \[1\]"),
        ({"n": {"$in": [{"a": 1}]}}, "got {'a': 1}"),
        ({"n": [None]}, "got None"),
        ({"n": {"$eq": {"a": 1}}}, "got {'a': 1}"),
        (
            {"n": {"$gt": True}},
            r"where\.n\.\$gt: expected a number, text, or a datetime by components, got True",
        ),
        ({"n": {"$gt": [1]}}, "expected a number, text, or a datetime"),
        ({"n": {"$lte": None}}, "expected a number, text, or a datetime"),
        ({"n": math.nan}, "finite"),
        ({"n": {"$lt": math.inf}}, "finite"),
        ({"n": {"$in": [-math.inf]}}, "finite"),
        ({"n": 2**63}, "64 bits"),
        ({"n": [-(2**63) - 1]}, "64 bits"),
        ({"n": b"x"}, "got b'x'"),
        ({"n": "\ud800"}, "surrogate"),
        ({"n": {"$contains": "\udfff"}}, "surrogate"),
        ({"n": {"$in": ["\udfff"]}}, "surrogate"),
        ({"$id": "\ud800"}, "surrogate"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_r13_what_is_no_condition_is_a_query_error_that_names_the_place(seed, where, message):
    for document in (where, {"$xor": [where, {"n": 1}]}, {"$not": {"$or": [where]}}):
        with pytest.raises(QueryError, match=message if document is where else None):
            seed.find(document)
    # The same where the label does not have the property, and nothing would match anyway.
    with pytest.raises(QueryError, match=message):
        Shelf([{}]).find(where)


MARCH = {"$year": 2024, "$month": 3, "$day": 15, "$hour": 2, "$minute": 30}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"when": MARCH}, [2]),
        ({"when": {"$lt": {"$year": 2024, "$month": 2, "$day": 1}}}, [0]),
        ({"when": {"$year": 2024, "$month": 3}}, []),
        ({"when": {"$lt": {"$year": 2024}}}, []),
        ({"when": {"$gte": {"$year": 2024, "$month": 11}}}, [10, 11]),
        ({"when": {"$not": {"$gte": {"$year": 2024, "$month": 2}}}}, [0]),
        ({"when": {"$gt": MARCH, "$lte": {"$year": 2024, "$month": 5}}}, [3]),
        ({"when": {"$eq": MARCH | {"$second": 0, "$nanosecond": 0}}}, [2]),
        ({"when": {"$ne": MARCH}}, [0, 1, *ALL[3:]]),
        ({"when": {"$in": [MARCH, "2024-01-15T00:30:00Z", {"$year": 1}]}}, [0, 2]),
        ({"when": {"$nin": [MARCH, {"$year": 9999}]}}, [0, 1, *ALL[3:]]),
        ({"when": {"$or": [MARCH, {"$lt": {"$year": 2024, "$month": 2}}]}}, [0, 2]),
        ({"$not": {"when": MARCH}}, [0, 1, *ALL[3:]]),
        ({"$xor": [{"when": MARCH}, {"n": {"$lt": 3}}]}, [0, 1]),
        ({"opt": {"$ne": MARCH}}, [0, 1, 2]),
        ({"n": {"$lt": MARCH}}, []),
        ({"zzz": MARCH}, []),
    ],
    ids=repr,
)
def test_the_components_of_a_datetime_name_a_moment(seed, where, found):
    """Trace 12 gives the first two. What is left out is the beginning of what is given."""
    assert seed.find(where) == found


def test_components_are_compared_with_the_moment_and_not_with_its_text():
    moments = [
        "2024-03-15T02:30:00Z",
        "2024-03-15T02:30:00.000Z",
        "2024-03-15T04:30:00+02:00",
        "2024-03-14T03:00:00-2330",
        "2024-03-16T02:29:00+23:59",
        "2024-03-15T02:30:00.000000001Z",
        "2024-03-15T02:29:59.999999999Z",
        "2024-03-15",
        "2024-03-15T02:30:00",
        "2024-02-30T02:30:00Z",
    ]
    shelf = Shelf(
        [*({"p": text} for text in moments), {"p": [moments[0]]}, {"p": [moments[0], "x"]}, {"p": []}]
    )
    assert shelf.find({"p": MARCH}) == [0, 1, 2, 3, 4, 10]
    assert shelf.find({"p": {"$gt": MARCH}}) == [5]
    assert shelf.find({"p": {"$lte": MARCH | {"$second": 0}}}) == [0, 1, 2, 3, 4, 6, 7, 10]
    assert shelf.find({"p": {"$gte": MARCH | {"$second": 0, "$nanosecond": 1}}}) == [5]
    # What is no datetime is neither earlier nor later, and unequal.
    assert shelf.find({"p": {"$not": {"$gte": MARCH}}}) == [6, 7, 12]
    assert shelf.find({"p": {"$ne": MARCH}}) == [5, 6, 7, 8, 9, 11, 12]
    given = Shelf([{"p": moments[0]}, {"p": moments[0]}, {"p": [moments[0]]}], texts={(1, "p"), (2, "p")})
    assert given.find({"p": MARCH}) == [0]
    assert given.find({"p": {"$ne": MARCH}}) == [1, 2]
    assert given.find({"p": {"$gte": {"$year": 1}}}) == [0]


def test_the_first_and_the_last_moments():
    shelf = Shelf(
        [{"p": "0001-01-01T00:00:00+23:59"}, {"p": "0001-01-01"}, {"p": "9999-12-31T23:59:59-23:59"}]
    )
    assert shelf.find({"p": {"$lt": {"$year": 1}}}) == [0]
    assert shelf.find({"p": {"$year": 1}}) == [1]
    last = {"$year": 9999, "$month": 12, "$day": 31, "$hour": 23, "$minute": 59, "$second": 59}
    assert shelf.find({"p": {"$gt": last | {"$nanosecond": 999_999_999}}}) == [2]
    assert shelf.find({"p": {"$not": {"$gt": last}}}) == [0, 1]


def test_fractions_of_a_second_add_up():
    shelf = Shelf([{"p": "2024-01-01T00:00:00.123456789Z"}])
    whole = {"$year": 2024, "$month": 1, "$day": 1, "$hour": 0, "$minute": 0, "$second": 0}
    for fraction in (
        {"$millisecond": 123, "$microsecond": 456, "$nanosecond": 789},
        {"$millisecond": 123, "$nanosecond": 456_789},
        {"$microsecond": 123_456, "$nanosecond": 789},
        {"$nanosecond": 123_456_789},
    ):
        assert shelf.find({"p": whole | fraction}) == [0]


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"$year": 2024, "$month": 13}, r"\$month: expected an integer from 1 to 12, got 13"),
        ({"$year": 2024, "$month": 0}, r"\$month: expected an integer from 1 to 12, got 0"),
        ({"$year": "2024"}, r"\$year: expected an integer from 1 to 9,999, got '2024'"),
        ({"$year": 2024.0}, r"\$year: .* got 2024.0"),
        ({"$year": True}, r"\$year: .* got True"),
        ({"$year": 10_000}, r"\$year: .* got 10000"),
        ({"$year": 2023, "$month": 2, "$day": 29}, ": there is no day 2023-02-29"),
        ({"$month": 3}, r" gives \$month and not \$year"),
        (
            {"$year": 2024, "$day": 1},
            r" gives \$day and not \$month: only the finest components can be left out",
        ),
        ({"$year": 2024, "$millisecond": 1}, r" gives \$millisecond and not \$month"),
        (MARCH | {"$millisecond": 1}, r" gives \$millisecond and not \$second"),
        (MARCH | {"$second": 60}, r"\$second: expected an integer from 0 to 59, got 60"),
        (
            MARCH | {"$second": 0, "$millisecond": 1, "$microsecond": 1000},
            r"\$microsecond: .* 0 to 999, got 1000",
        ),
        (MARCH | {"$second": 0, "$nanosecond": 10**9}, r"\$nanosecond: .* 0 to 999,999,999"),
    ],
    ids=repr,
)
def test_what_is_no_moment_is_a_query_error_that_names_the_place(seed, components, message):
    with pytest.raises(
        QueryError, match=r"^where\.when" + (message if message[0] in " :" else r"\." + message)
    ):
        seed.find({"when": components})
    for operator, operand in (("$lt", components), ("$eq", components), ("$in", [components])):
        with pytest.raises(QueryError, match=rf"^where\.when\.\{operator}.*{message}"):
            seed.find({"when": {operator: operand}})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$year": 2024, "$gt": 1}, r"where\.n mixes the components of a datetime \(\$year\) with other"),
        ({"$year": 2024, "$or": [1]}, r"mixes the components .* operators \(\$or\)"),
        (
            {"$lt": {"$year": 2024, "$foo": 1}},
            r"where\.n\.\$lt\.\$foo: unknown operator '\$foo'; known here: \$day",
        ),
        ({"$lt": {"$year": 2024, "a": 1}}, r"where\.n\.\$lt\.a: unknown operator 'a'"),
        ({"$contains": {"$year": 2024}}, r"where\.n\.\$contains: expected text, got {'\$year': 2024}"),
        ([{"$year": 2024}], "expected text, a finite number, true or false"),
    ],
    ids=repr,
)
def test_components_stand_where_a_datetime_can(seed, value, message):
    with pytest.raises(QueryError, match=message):
        seed.find({"n": value})


def nested(levels, wrap, where):
    for _ in range(levels):
        where = wrap(where)
    return where


def test_nesting_has_a_limit_and_no_recursion_error(seed):
    assert seed.find(nested(64, lambda where: {"$not": where}, {"n": 3})) == [3]
    assert seed.find({"n": nested(64, lambda value: {"$and": [value]}, 3)}) == [3]
    for document in (
        nested(65, lambda where: {"$not": where}, {"n": 3}),
        nested(50_000, lambda where: {"$or": [where]}, {"n": 3}),
        {"n": nested(50_000, lambda value: {"$not": value}, 3)},
    ):
        with pytest.raises(QueryError, match="deeper than 64 levels"):
            seed.find(document)


ALTERNATIONS = {
    "or in and": lambda where: {"f": {"$gt": 0}, "$or": [{"n": 99}, where]},
    "not": lambda where: {"$not": {"$or": [{"n": 99}, {"f": {"$gt": 0}, "$not": where}]}},
    "xor": lambda where: {"$xor": [{"n": 99}, where]},
    "xor, not": lambda where: {"$xor": [{"$not": {"f": {"$gt": 0}}}, {"$nor": [{"$not": where}, {"n": 99}]}]},
    "wide": lambda where: {
        "$or": [where, *({"n": n} for n in range(90, 150))],
        "f": {"$gt": 0},
        "s": {"$ne": ""},
    },
}
LEAVES = {
    "range": {"nums": {"$gt": 11}},
    "text": {"s": {"$endsWith": "11"}},
    "prefix": {"tags": {"$startsWith": "red"}, "n": 11},
    "type": {"nums": {"$type": "number"}, "n": 11},
    "list": {"nums": [11, 12]},
    "in": {"nums": {"$in": [12]}},
    "absent": {"gone": None, "n": 11},
}


def compiled_unless_too_deep(shelf, where):
    try:
        return shelf.compile(where)
    except QueryError as error:
        return None if "deep" in str(error) else pytest.fail(str(error))


@pytest.mark.parametrize("wrap", ALTERNATIONS.values(), ids=ALTERNATIONS)
@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_what_is_accepted_sqlite_can_parse_in_a_nested_query(seed, wrap, leaf):
    where, levels = leaf, 0
    while (compiled := compiled_unless_too_deep(seed, where)) is not None:
        sql, params = compiled
        inner = f"SELECT t.row FROM t JOIN records r ON r.row = t.row WHERE t.row >= 0 AND (1 AND {sql})"
        outer = f"SELECT row FROM (SELECT row FROM records WHERE row IN ({inner}) ORDER BY (row + (1)))"
        assert seed.connection.execute(outer, params).fetchall() == [(11,)]
        where, levels = wrap(where), levels + 1
    assert levels >= 5


@pytest.mark.parametrize(
    "where",
    [
        {"$or": [{"n": n} for n in range(3 - MOST_CONDITIONS, 3)]},
        {"$nor": [{"n": n} for n in range(3, 4_000)]},
        {"n": {"$or": [*range(-4_000, 3)]}},
        {"$xor": [{"n": n} for n in range(-4_000, 3)]},
        {"$and": [{"n": {"$lt": 3}}] * 4_000},
        {"n": {"$in": list(range(-MOST_VALUES + 3, 3))}},
        {"$not": {"n": {"$not": {"$in": list(range(-MOST_VALUES + 3, 3))}}}},
        {"$id": {"$in": [f"id{n}" for n in (*range(3), *range(12, MOST_VALUES + 9))]}},
    ],
    ids=lambda where: repr(where)[:30],
)
def test_wide_conditions_work(seed, where):
    assert seed.find(where) == [0, 1, 2]


def test_a_wide_condition_may_stand_deep(seed):
    wide = {"$or": [{"n": n} for n in range(-5_000, 3)]}
    assert seed.find(nested(10, ALTERNATIONS["or in and"], wide)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"n": {"$in": list(range(MOST_VALUES + 1))}}, "gives 30,001 values"),
        ({"$or": [{"n": {"$in": [n] * 8}} for n in range(4_000)]}, "gives 32,000 values"),
        ({"zzz": {"$in": list(range(MOST_VALUES + 1))}}, "gives 30,001 values, which take 0 parameters"),
        ({"nums": {"$in": list(range(MOST_VALUES))}}, "30,000 values, which take 30,001 parameters"),
        ({"$id": {"$in": [str(n) for n in range(MOST_VALUES + 1)]}}, "gives 30,001 values"),
        ({"$or": [{"n": n} for n in range(MOST_CONDITIONS + 1)]}, "has 10,001 conditions"),
        ({"$or": [{"n": {"$exists": True}}] * (MOST_CONDITIONS + 1)}, "has 10,001 conditions"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_too_many_values_are_a_query_error_that_says_how_many(seed, where, message):
    with pytest.raises(QueryError, match=message):
        seed.find(where)


@pytest.mark.parametrize(
    "where",
    [
        {"p": 5},
        {"p": "a"},
        {"p": True},
        {"p": {"$gt": 5}},
        {"p": {"$lte": 5}},
        {"p": {"$gte": "a"}},
        {"p": {"$lt": "a"}},
        {"$not": {"p": {"$gt": "a"}}},
        {"p": {"$in": [1, "a", True]}},
        {"p": {"$startsWith": "a"}},
        {"p": {"$not": {"$startsWith": "a"}}},
        {"p": {"$gt": 1, "$lt": 5}},
        {"p": None},
        {"$or": [{"p": 1}, {"p": "x"}]},
        {"$nor": [{"p": {"$gt": 1}}, {"q": 5}]},
        {"p": ["a", "b"]},
        {"p": {"$type": "number"}},
        {"p": {"$type": "datetime"}},
        {"q": {"$ne": 4}, "p": 5},
    ],
    ids=repr,
)
@pytest.mark.parametrize("lists", [False, True], ids=["plain", "lists"])
def test_an_index_on_the_column_serves_the_condition(where, lists):
    shelf = Shelf([{"p": 1, "q": 2}], lists=("p",) if lists else (), indexed=True)
    plan = shelf.plan(where)
    assert "USING" in plan
    assert "SCAN" not in plan


def test_a_filter_holds_values_only_as_parameters():
    sql, params = Shelf([{"x' OR 1 --": "y"}]).compile({"x' OR 1 --": {"$in": ["secret", "a'b"]}})
    assert "secret" not in sql
    assert "OR 1" not in sql
    assert params == ("secret", "a'b")
    assert Shelf([{}]).compile({}) == ("1", ())


# -- everything at once -----------------------------------------------------------


def truth(where, record, row, texts):
    """What a where document is for a record: True, False or None. Plain Python, no SQL."""
    return conjunction(entry(key, value, record, row, texts) for key, value in where.items())


def entry(key, value, record, row, texts):
    if key in LOGICAL:
        return logical(key, value, partial(truth, record=record, row=row, texts=texts))
    if key == "$id":
        return asked(f"id{row}", value, False)
    if key == "__label":
        return asked(LABEL, value, False)
    return asked(record.get(key), value, (row, key) in texts)


TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "ab",
        "aB\0",
        "\0",
        "b",
        "ß",
        "SS",
        "ss",
        "İ",
        "2024-01-01",
        "2024-02-30",
        "2024-05-01T00:00:00Z",
        "2024-05-01",
        "2024-05-01T02:00:00.000+02:00",
        "2024-04-30T23:59:59.5Z",
        "2024-05-02T00:00:00+2359",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.999999999-00:01",
        "1",
        "true",
        "[",
        "\ud7ff",
        "\ue000",
        "\U0010ffff",
        "\U0010ffff\U0010ffff",
        "a\U0010ffff",
        "😀",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
NUMBERS = st.sampled_from([0, 1, 2, 5, -1, 1.0, 1.5, -0.0, 2**53, -(2**53), 1e300, 5e-324]) | st.integers(
    -3, 3
)
SCALARS = TEXTS | NUMBERS | st.booleans()
LISTS = st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, max_size=3) | st.lists(st.booleans(), max_size=2)
NAMES = st.sampled_from(["p", "q", "p q", "x'; --"])
RECORDS = st.lists(st.dictionaries(NAMES, SCALARS | LISTS, max_size=4), min_size=1, max_size=12)
PLAIN_RECORDS = st.lists(st.dictionaries(NAMES, SCALARS, max_size=4), min_size=1, max_size=12)

MOMENTS = st.fixed_dictionaries(
    {
        "$year": st.sampled_from([1, 2024, 9999]),
        "$month": st.sampled_from([1, 5, 12]),
        "$day": st.sampled_from([1, 31]),
    }
) | st.sampled_from(
    [
        {"$year": 2024},
        {"$year": 2024, "$month": 5},
        {
            "$year": 2024,
            "$month": 4,
            "$day": 30,
            "$hour": 23,
            "$minute": 59,
            "$second": 59,
            "$millisecond": 500,
        },
    ]
)
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), MOMENTS),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(MOMENTS | TEXTS, max_size=4)),
    st.tuples(st.sampled_from(["$eq", "$ne"]), st.none() | SCALARS | LISTS),
    st.tuples(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), TEXTS | NUMBERS | st.sampled_from([2**62, -(2**63)])
    ),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=4)),
    st.tuples(st.sampled_from(["$contains", "$startsWith", "$endsWith"]), TEXTS),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.just("$type"), st.sampled_from(["string", "number", "boolean", "datetime"])),
)


def objects(operations):
    return st.lists(operations, min_size=1, max_size=2).map(dict)


def logic(parts, objects_of_parts):
    several = st.sampled_from(["$and", "$or", "$nor", "$xor"])
    return (
        st.tuples(several, st.lists(parts, min_size=1, max_size=4))
        | st.tuples(several, objects_of_parts)
        | st.tuples(st.just("$not"), parts)
    )


ASKED = st.recursive(
    st.none() | SCALARS | LISTS | MOMENTS | objects(OPERATIONS),
    lambda inner: objects(OPERATIONS | logic(inner, objects(OPERATIONS))),
    max_leaves=4,
)
IDENTITIES = st.sampled_from(["id0", "id1", "id5", LABEL, "Q"])
IDENTITY = IDENTITIES | objects(
    st.tuples(st.sampled_from(["$eq", "$ne"]), IDENTITIES)
    | st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(IDENTITIES, max_size=3))
)
ENTRIES = (
    st.tuples(NAMES, ASKED)
    | st.tuples(st.just("never"), ASKED)
    | st.tuples(st.sampled_from(["$id", "__label"]), IDENTITY)
)
WHERES = st.recursive(
    st.lists(ENTRIES, max_size=3).map(dict),
    lambda inner: objects(ENTRIES | logic(inner, objects(ENTRIES)) | logic(inner, objects(ENTRIES))),
    max_leaves=5,
)


@settings(max_examples=600, deadline=None)
@given(
    RECORDS | PLAIN_RECORDS,
    WHERES,
    st.sets(st.tuples(st.integers(0, 11), NAMES)),
    st.booleans(),
    st.booleans(),
)
@example([{"p": [1, 2]}], {"$not": {"p": {"$not": {"$gt": 1}}}}, set(), False, False)
@example([{"p": "\ud7ff"}, {"p": "\ue000"}], {"p": {"$startsWith": "\ud7ff"}}, set(), True, True)
def test_filters_agree_with_a_plain_evaluator(records, where, texts, indexed, lists):
    shelf = Shelf(records, texts=texts, lists=("p", "q", "p q", "x'; --") if lists else (), indexed=indexed)
    try:
        expected = [row for row, record in enumerate(records) if truth(where, record, row, texts) is True]
        assert shelf.find(where) == expected
        # The same as a value: under $xor with what is always false, and negated.
        assert shelf.find({"$xor": [where, {"never": {"$exists": True}}]}) == expected
        refused = [row for row, record in enumerate(records) if truth(where, record, row, texts) is False]
        assert shelf.find({"$not": where}) == refused
    finally:
        shelf.connection.close()

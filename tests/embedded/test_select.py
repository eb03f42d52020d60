"""``select``, ``groupBy`` and ``$collect``: what traces 13, 19 and 23 answer, and what they leave open."""

from __future__ import annotations

from datetime import datetime

import pytest

from rushmodel.errors import QueryError, StoreTimeout
from rushmodel.port import EnsureIndexes, ExplainQuery, FindRows, RecordQuery, RowQuery

from .evaluate import ends
from .store import Store, query
from .test_traversals import World, nested

DEFAULT = "__RUSHDB__RELATION__DEFAULT__"


def asked(labels="Co", **document):
    """A document as a query of rows; ``limit`` cuts what a server would cut."""
    order = document.get("orderBy", "desc")
    entries = order.items() if isinstance(order, dict) else [("$id", order)]
    return RowQuery(
        (labels,) if isinstance(labels, str) else tuple(labels),
        document.get("where", {}),
        document.get("select", {}),
        tuple(document.get("groupBy", ())),
        tuple((name, direction == "desc") for name, direction in entries),
        document.get("limit"),
        document.get("skip", 0),
        document.get("cut_roots", False),
        document.get("related_to"),
    )


def rows_of(store, labels="Co", **document):
    return store.do(FindRows(asked(labels, **document))).rows


def bare(rows, *names):
    """The rows without what every record has."""
    return [{name: value for name, value in row.items() if name in names} for row in rows]


@pytest.fixture(scope="module")
def companies():
    """What trace 23 begins with."""
    records = [
        ("Co", {"name": "Acme", "founded": 1990, "at": "1990-03-05T10:00:00Z"}),
        ("Co", {"name": "Bolt", "founded": 2001, "at": "2001-07-09T00:00:00Z"}),
        ("Co", {"name": "Core", "founded": 2001, "at": "2001-12-31T23:59:59Z"}),
        ("Dept", {"name": "Eng", "budget": 100}),
        ("Dept", {"name": "Ops", "budget": 50}),
        ("Dept", {"name": "R&D", "budget": 70}),
        ("Emp", {"name": "Ann", "salary": 10, "role": "dev"}),
        ("Emp", {"name": "Bob", "salary": 30, "role": "ops"}),
        ("Emp", {"name": "Cid", "salary": 20, "role": "dev"}),
        ("Emp", {"name": "Dan", "salary": 5, "role": "ops"}),
        ("Emp", {"name": "Eve", "salary": 40, "role": "dev"}),
    ]
    pairs = [(0, 3), (0, 4), (1, 5), (3, 6), (3, 7), (3, 8), (4, 9), (5, 10)]
    world = World(records, [(source, target, DEFAULT, None) for source, target in pairs])
    yield world.store
    world.store.close()


SUM = {"$sum": "$record.salary"}
COUNT = {"$count": "*"}
PRODUCT = {"$sum": {"$multiply": ["$record.salary", 2]}}
KPIS = {
    "total": SUM,
    "n": COUNT,
    "avg": {"$avg": "$record.salary", "$precision": 1},
    "lo": {"$min": "$record.salary"},
    "hi": {"$max": "$record.salary"},
}


def bucket(unit, **size):
    return {"b": {"$timeBucket": {"field": "$record.at", "unit": unit} | size}, "n": COUNT}


@pytest.mark.parametrize(
    ("labels", "document", "answer"),
    [
        ("Co", {"select": {"c": COUNT}, "groupBy": ["c"], "orderBy": {"c": "asc"}}, [{"c": 3}]),
        ("Emp", {"select": {"t": SUM}, "groupBy": ["t"], "orderBy": {"t": "asc"}}, [{"t": 105}]),
        (
            "Emp",
            {"select": KPIS, "groupBy": [*KPIS], "orderBy": {"total": "asc"}},
            [{"hi": 40, "total": 105, "lo": 5, "avg": 21, "n": 5}],
        ),
        (
            "Emp",
            {
                "select": {"n": COUNT, "avg": {"$avg": "$record.salary", "$precision": 2}},
                "groupBy": ["$record.role"],
                "orderBy": {"n": "desc"},
            },
            [{"avg": 23.33, "role": "dev", "n": 3}, {"avg": 17.5, "role": "ops", "n": 2}],
        ),
        (
            "Emp",
            {"select": {"n": COUNT}, "groupBy": ["$record.role"], "orderBy": {"n": "desc"}, "limit": 1},
            [{"role": "dev", "n": 3}],
        ),
        ("Emp", {"select": {"t": PRODUCT}, "groupBy": ["t"], "orderBy": {"t": "asc"}}, [{"t": 210}]),
        (
            "Emp",
            {
                "select": {"a": SUM, "n": COUNT, "m": {"$divide": [{"$ref": "a"}, {"$ref": "n"}]}},
                "groupBy": ["a", "n", "m"],
            },
            [{"a": 105, "m": 21, "n": 5}],
        ),
        *(
            (
                "Co",
                {"select": bucket(unit, **size), "groupBy": ["b"], "orderBy": {"b": "asc"}},
                [{"b": start, "n": 1} for start in starts],
            )
            for unit, size, starts in [
                ("day", {}, [636595200000, 994636800000, 1009756800000]),
                ("month", {}, [636249600000, 993945600000, 1007164800000]),
                ("quarter", {}, [631152000000, 993945600000, 1001894400000]),
                ("hour", {}, [636631200000, 994636800000, 1009839600000]),
                ("months", {"size": 3}, [631152000000, 993945600000, 1001894400000]),
            ]
        ),
        (
            "Co",
            {
                "where": {"Dept": {"Emp": {"$alias": "$e"}}},
                "select": {"n": {"$count": "$e"}},
                "groupBy": ["$e.role"],
                "orderBy": {"n": "desc"},
            },
            [{"role": "dev", "n": 3}, {"role": "ops", "n": 2}],
        ),
        (
            "Co",
            {
                "where": {
                    "Dept": {"$alias": "$d", "budget": {"$gte": 60}, "Emp": {"$alias": "$e", "role": "dev"}}
                },
                "select": {
                    "co": "$record.name",
                    "d": {"$collect": {"from": "$d", "select": {"n": "$d.name"}}},
                    "n": {"$count": "$e"},
                },
                "groupBy": ["$record.name"],
                "orderBy": {"n": "desc"},
            },
            [
                {"d": [{"n": "Eng", "__label": "Dept"}], "name": "Acme", "n": 2},
                {"d": [{"n": "R&D", "__label": "Dept"}], "name": "Bolt", "n": 1},
            ],
        ),
    ],
    ids=repr,
)
def test_grouped_rows_as_a_server_answers_them(companies, labels, document, answer):
    """Trace 23."""
    assert rows_of(companies, labels, **document) == answer


def eng_and_ops(**more):
    return [{"n": "Eng", "__label": "Dept"} | more, {"n": "Ops", "__label": "Dept"}]


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (
            {
                "where": {"Dept": {"Emp": {"$alias": "$e"}}},
                "select": {"co": "$record.name", "wages": {"$sum": "$e.salary"}, "heads": {"$count": "$e"}},
                "orderBy": {"wages": "desc"},
            },
            [{"wages": 65, "heads": 4, "co": "Acme"}, {"wages": 40, "heads": 1, "co": "Bolt"}],
        ),
        (
            {
                "select": {
                    "co": "$record.name",
                    "depts": {
                        "$collect": {
                            "label": "Dept",
                            "orderBy": {"name": "asc"},
                            "select": {"n": "$self.name", "b": "$self.budget"},
                        }
                    },
                },
                "orderBy": {"name": "asc"},
            },
            [
                {
                    "co": "Acme",
                    "depts": [
                        {"n": "Eng", "b": 100, "__label": "Dept"},
                        {"n": "Ops", "b": 50, "__label": "Dept"},
                    ],
                },
                {"co": "Bolt", "depts": [{"n": "R&D", "b": 70, "__label": "Dept"}]},
                {"co": "Core", "depts": []},
            ],
        ),
        (
            {
                "where": {"Dept": {"$alias": "$d"}},
                "select": {
                    "co": "$record.name",
                    "depts": {
                        "$collect": {
                            "from": "$d",
                            "orderBy": {"name": "desc"},
                            "limit": 1,
                            "select": {"n": "$d.name"},
                        }
                    },
                },
                "orderBy": {"name": "asc"},
            },
            # The recorded server cuts before it sorts, and answers Eng.
            [
                {"co": "Acme", "depts": [{"n": "Ops", "__label": "Dept"}]},
                {"co": "Bolt", "depts": [{"n": "R&D", "__label": "Dept"}]},
            ],
        ),
        (
            {
                "select": {"co": "$record.name", "x": {"$collect": {"label": "Nope"}}},
                "orderBy": {"name": "asc"},
            },
            [{"co": name, "x": []} for name in ("Acme", "Bolt", "Core")],
        ),
        (
            {"select": {"x": "$record.nope", "co": "$record.name"}, "orderBy": {"name": "asc"}},
            [{"co": "Acme"}, {"co": "Bolt"}, {"co": "Core"}],
        ),
        (
            {"select": {"co": "$record.name"}, "orderBy": {"name": "asc"}, "limit": 1, "skip": 1},
            [{"co": "Bolt"}],
        ),
    ],
    ids=repr,
)
def test_a_row_for_each_record_is_the_record_and_the_keys(companies, document, answer):
    """Trace 23."""
    rows = rows_of(companies, **document)
    assert bare(rows, *document["select"]) == answer
    for found in rows:
        assert found["__label"] == "Co"
        assert found["__proptypes"] == {"name": "string", "founded": "number", "at": "datetime"}
        assert {"__id", "name", "founded", "at"} < found.keys()


def test_collected_records_without_a_select_are_whole(companies):
    rows = rows_of(companies, select={"depts": {"$collect": {"label": "Dept", "orderBy": {"name": "asc"}}}})
    (eng, ops) = rows[-1]["depts"]
    assert eng.pop("__id") != ops.pop("__id")
    assert eng == {
        "name": "Eng",
        "budget": 100,
        "__label": "Dept",
        "__proptypes": {"name": "string", "budget": "number"},
    }


def test_a_record_can_be_asked_for_its_id_and_label(companies):
    for found in rows_of(companies, select={"id": "$record.__id", "kind": "$record.__label"}):
        assert (found["id"], found["kind"]) == (found["__id"], "Co")
    (total,) = rows_of(companies, select={"n": COUNT}, groupBy=["$record.__label"])
    assert total == {"__label": "Co", "n": 3}


# -- trace 13, and what traces leave open -----------------------------------------


@pytest.fixture(scope="module")
def places():
    """P 0..8 as trace 13 begins, without what is related."""
    records = [
        ("P", {"n": n, "price": n * 1.5, "cat": "abc"[n % 3], "when": f"2024-0{n + 1}-15T00:00:00Z"})
        for n in range(9)
    ]
    world = World(records)
    yield world.store
    world.store.close()


def test_grouped_rows_without_an_order_of_theirs_come_as_their_first_records(places):
    """Trace 13: newest first."""
    quarter = {"$timeBucket": {"field": "$record.when", "unit": "quarter"}}
    rows = rows_of(places, "P", select={"q": quarter, "n": COUNT}, groupBy=["q"])
    assert rows == [{"q": start, "n": 3} for start in (1719792000000, 1711929600000, 1704067200000)]
    sums = {"n": COUNT, "sum": {"$sum": "$record.price"}}
    rows = rows_of(places, "P", select=sums, groupBy=["$record.cat"])
    assert rows == [
        {"cat": cat, "n": 3, "sum": total} for cat, total in zip("cba", (22.5, 18, 13.5), strict=True)
    ]
    by_price = rows_of(places, "P", select={"n": COUNT}, groupBy=["$record.cat"], orderBy={"price": "asc"})
    assert [found["cat"] for found in by_price] == ["a", "b", "c"]


def test_a_limit_cuts_rows_unless_it_is_to_cut_the_records_before(places):
    document = {"select": {"n": COUNT}, "groupBy": ["$record.cat"], "limit": 2}
    assert rows_of(places, "P", **document) == [{"cat": "c", "n": 3}, {"cat": "b", "n": 3}]
    assert rows_of(places, "P", **document, cut_roots=True) == [{"cat": "c", "n": 1}, {"cat": "b", "n": 1}]
    late = document | {"orderBy": {"n": "asc"}, "skip": 2}
    assert rows_of(places, "P", **late, cut_roots=True) == [{"cat": "c", "n": 3}]
    found = places.do(FindRows(asked("P", **document, cut_roots=True)))
    assert found.total == 9


def test_without_records_there_is_one_row_of_everything_and_none_of_groups(places):
    nothing = {"where": {"n": {"$gt": 99}}, "select": {"n": COUNT, "s": SUM, "m": {"$max": "$record.n"}}}
    assert rows_of(places, "P", **nothing, groupBy=["n", "s", "m"]) == [{"n": 0, "s": 0}]
    assert rows_of(places, "NOPE", select={"n": COUNT}, groupBy=["n"]) == [{"n": 0}]
    assert rows_of(places, "P", **nothing, groupBy=["$record.cat"]) == []
    assert rows_of(places, "P", **nothing) == rows_of(places, "NOPE", **nothing) == []


def test_a_row_for_each_record_can_be_ordered_by_what_is_worked_out(places):
    rows = rows_of(
        places,
        "P",
        select={"cost": {"$multiply": ["$record.price", {"$ref": "sign"}]}, "sign": {"$subtract": [1, 2]}},
        orderBy={"cost": "asc"},
        limit=2,
        skip=1,
    )
    assert bare(rows, "n", "cost") == [{"n": 7, "cost": -10.5}, {"n": 6, "cost": -9.0}]


def test_r30_division_by_zero_and_literals_have_a_meaning(places):
    select = {"one": 1, "yes": True, "inverse": {"$divide": [6, "$record.n"]}, "half": {"$divide": [1, 2]}}
    rows = rows_of(places, "P", select=select, orderBy={"n": "asc"}, limit=2)
    assert bare(rows, *select) == [
        {"one": 1, "yes": True, "half": 0.5},
        {"one": 1, "yes": True, "half": 0.5, "inverse": 6},
    ]


@pytest.fixture(scope="module")
def diamond():
    """Two projects share Ann, who is led to twice from each: through a task, and as its head."""
    records = [
        ("Project", {"name": "x", "cost": 10}),
        ("Project", {"name": "y", "cost": 5}),
        ("Task", {"name": "t1"}),
        ("Task", {"name": "t2"}),
        ("Person", {"name": "Ann", "rate": 3, "role": "dev"}),
        ("Person", {"name": "Bob", "rate": 4, "role": "dev"}),
    ]
    edges = [
        (0, 2, "HAS"),
        (0, 3, "HAS"),
        (1, 3, "HAS"),
        (2, 4, "BY"),
        (3, 4, "BY"),
        (3, 5, "BY"),
        (2, 4, "HEAD"),
    ]
    world = World(records, [(*edge, None) for edge in edges])
    yield world.store
    world.store.close()


PEOPLE = {"Task": {"$alias": "$t", "Person": {"$alias": "$p"}}}


def test_every_record_counts_once_in_a_row_however_many_paths_lead_to_it(diamond):
    select = {"n": {"$count": "$p"}, "rates": {"$sum": "$p.rate"}, "tasks": {"$count": "$t"}}
    rows = rows_of(diamond, "Project", where=PEOPLE, select=select, orderBy="asc")
    assert bare(rows, *select) == [{"n": 2, "rates": 7, "tasks": 2}, {"n": 2, "rates": 7, "tasks": 1}]
    rows = rows_of(
        diamond,
        "Project",
        where=PEOPLE,
        select=select | {"projects": COUNT, "cost": {"$sum": "$record.cost"}},
        groupBy=["$p.role"],
    )
    assert rows == [{"role": "dev", "n": 2, "rates": 7, "tasks": 2, "projects": 2, "cost": 15}]
    together = {"both": {"$sum": {"$multiply": ["$record.cost", "$p.rate"]}}}  # once for each pair of records
    assert rows_of(diamond, "Project", where=PEOPLE, select=together, groupBy=["both"]) == [{"both": 105}]


def test_a_property_of_a_related_record_stands_for_itself_if_there_is_one_value_only(diamond):
    only = {"Task": {"Person": {"$alias": "$p", "name": "Ann"}}}
    rows = rows_of(diamond, "Project", where=only, select={"who": "$p.name", "by": "$p.role"}, orderBy="asc")
    assert bare(rows, "who", "by") == [{"who": "Ann", "by": "dev"}] * 2
    assert (
        bare(rows_of(diamond, "Project", where=PEOPLE, select={"by": "$p.role"}), "by") == [{"by": "dev"}] * 2
    )
    with pytest.raises(QueryError, match=r'"\$p.name" has several values in one row: take \$min'):
        rows_of(diamond, "Project", where=PEOPLE, select={"who": "$p.name"})


def test_collections_nest(diamond):
    people = {"$collect": {"from": "$p", "orderBy": {"name": "desc"}, "select": {"who": "$self.name"}}}
    tasks = {
        "from": "$t",
        "orderBy": {"name": "asc"},
        "select": {"t": "$t.name", "n": {"$count": "$p"}, "p": people},
    }
    rows = rows_of(diamond, "Project", where=PEOPLE, select={"tasks": {"$collect": tasks}}, orderBy="asc")
    ann, bob = ({"who": name, "__label": "Person"} for name in ("Ann", "Bob"))
    first = {"t": "t1", "n": 1, "p": [ann], "__label": "Task"}
    second = {"t": "t2", "n": 2, "p": [bob, ann], "__label": "Task"}
    assert bare(rows, "tasks") == [{"tasks": [first, second]}, {"tasks": [second]}]
    by_label = {"label": "Task", "select": {"p": {"$collect": {"label": "Person", "where": {"rate": 4}}}}}
    rows = rows_of(diamond, "Project", select={"tasks": {"$collect": by_label}}, orderBy="asc")
    assert [[len(task["p"]) for task in found["tasks"]] for found in rows] == [[0, 1], [1]]


def test_collections_nest_as_deep_as_anything(diamond):
    def wrap(inner):
        person = {"label": "Person", "limit": 1, "select": {"x": inner}}
        return {"$collect": {"label": "Task", "limit": 1, "select": {"x": {"$collect": person}}}}

    found = rows_of(diamond, "Project", select={"x": nested(32, wrap, "$self.name")}, orderBy="asc")[0]
    for _ in range(64):
        (found,) = found["x"]
    assert found == {"x": "Ann", "__label": "Person"}
    with pytest.raises(QueryError, match="nests deeper than 64 levels"):
        rows_of(diamond, "Project", select={"x": nested(33, wrap, 1)})


def test_a_relation_can_be_given_to_a_collection(diamond):
    """An extension: without it a server collects along any relationship."""

    def heads(**relation):
        found = {"label": "Person", "$relation": relation, "select": {"who": "$self.name"}}
        rows = rows_of(diamond, "Task", select={"x": {"$collect": found}}, orderBy="asc")
        return ["".join(item["who"] for item in each["x"]) for each in rows]

    assert heads(type="HEAD", direction="out") == ["Ann", ""]
    assert heads(type="HEAD", direction="in") == ["", ""]
    assert heads(type="NOPE") == ["", ""]
    assert heads(type="BY", hops={"max": 3}) == ["AnnBob", "AnnBob"]


def test_values_that_are_no_numbers_have_no_sum():
    world = World(
        [("A", {"v": value}) for value in (1, 2.5, "x", True, [7], "2024-01-01T00:00:00Z")]
        + [("A", {"other": 1})]
    )
    select = {
        "sum": {"$sum": "$record.v"},
        "avg": {"$avg": "$record.v"},
        "n": {"$count": "$record.v"},
        "min": {"$min": "$record.v"},
        "max": {"$max": "$record.v"},
        "more": {"$sum": {"$add": ["$record.v", 1]}},
    }
    assert rows_of(world.store, "A", select=select, groupBy=[*select]) == [
        {"sum": 3.5, "avg": 1.75, "n": 6, "min": 1, "max": True, "more": 5.5}
    ]
    groups = rows_of(world.store, "A", select={"n": COUNT}, groupBy=["$record.v"], orderBy={"v": "asc"})
    assert groups == [{"v": value, "n": 1} for value in (1, 2.5, "2024-01-01T00:00:00Z", "x", [7], True)] + [
        {"n": 1}
    ]
    world.store.close()


def test_equal_values_are_one_however_they_are_written():
    world = World([("A", {"v": value}) for value in (1, 1.0, [1, 2], [1.0, 2], [1e300], [True])])
    rows = rows_of(world.store, "A", select={"n": COUNT}, groupBy=["$record.v"], orderBy={"n": "desc"})
    assert rows == [{"v": 1, "n": 2}, {"v": [1, 2], "n": 2}, {"v": [1e300], "n": 1}, {"v": [True], "n": 1}]
    (total,) = rows_of(world.store, "A", select={"n": {"$count": "$record.v"}}, groupBy=["n"])
    assert total == {"n": 4}
    world.store.close()


def test_the_latest_moment_is_later_by_a_fraction():
    moments = ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z", "2023-12-31T00:00:00.999Z"]
    world = World([("A", {"at": at}) for at in moments])
    select = {"first": {"$min": "$record.at"}, "last": {"$max": "$record.at"}}
    assert rows_of(world.store, "A", select=select, groupBy=["first", "last"]) == [
        {"first": moments[2], "last": moments[1]}
    ]
    rows = rows_of(world.store, "A", select={"n": COUNT}, groupBy=["$record.at"], orderBy={"at": "desc"})
    assert [found["at"] for found in rows] == [moments[1], moments[0], moments[2]]
    world.store.close()


@pytest.mark.parametrize(
    ("unit", "size", "start"),
    [
        ("second", None, "2024-05-16T13:47:29"),
        ("minute", None, "2024-05-16T13:47:00"),
        ("week", None, "2024-05-13T00:00:00"),
        ("year", None, "2024-01-01T00:00:00"),
        ("seconds", 10, "2024-05-16T13:47:20"),
        ("minutes", 15, "2024-05-16T13:45:00"),
        ("hours", 6, "2024-05-16T12:00:00"),
        ("days", 1, "2024-05-16T00:00:00"),
        ("weeks", 2, "2024-05-06T00:00:00"),
        ("quarters", 2, "2024-01-01T00:00:00"),
        ("years", 10, "2020-01-01T00:00:00"),
    ],
)
def test_spans_of_time_begin_in_utc(unit, size, start):
    world = World(
        [
            ("A", {"at": "2024-05-16T15:47:29.5+02:00"}),
            ("A", {"at": "soon"}),
            ("A", {"at": 5}),
            ("A", {"other": 1}),
        ]
    )
    given = {"field": "$record.at", "unit": unit} | ({} if size is None else {"size": size})
    rows = rows_of(world.store, "A", select={"b": {"$timeBucket": given}}, orderBy="asc")
    begin = datetime.fromisoformat(f"{start}+00:00")
    assert bare(rows, "b") == [{"b": begin.timestamp() * 1000}, {}, {}, {}]
    world.store.close()


def test_a_key_without_a_value_hides_the_property_of_its_name(companies):
    (found,) = rows_of(
        companies, select={"name": "$record.nope", "founded": {"$add": ["$record.founded", 1]}}, limit=1
    )
    assert "name" not in found
    assert found["founded"] == 2002


def test_records_related_to_one(companies):
    acme = companies.find("Co", {"name": "Acme"})[0].id
    rows = rows_of(companies, "Dept", select={"n": COUNT}, groupBy=["n"], related_to=acme)
    assert rows == [{"n": 2}]
    assert [
        found["n"] for found in rows_of(companies, (), select={"n": "$record.name"}, related_to=acme)
    ] == ["Ops", "Eng"]


def test_several_labels_are_one_set_of_records(companies):
    for labels in ((), ("Co", "Dept", "Emp", "Nope")):
        rows = rows_of(
            companies, labels, select={"n": COUNT}, groupBy=["$record.__label"], orderBy={"n": "asc"}
        )
        assert [tuple(found.values()) for found in rows] == [("Co", 3), ("Dept", 3), ("Emp", 5)]
        names = rows_of(companies, labels, select={"n": "$record.name"}, orderBy={"n": "asc"}, limit=4)
        assert [found["n"] for found in names] == ["Acme", "Ann", "Bob", "Bolt"]


@pytest.mark.parametrize("direction", [None, "in", "out"])
@pytest.mark.parametrize("hops", [1, 2, 3, {"max": 2}, {"max": 4}, {"min": 2, "max": 3}])
@pytest.mark.parametrize(
    "edges",
    [
        [(0, 1)],
        [(0, 1), (1, 0)],
        [(0, 1), (1, 2), (2, 0)],
        [(0, 0), (0, 1)],
        [(0, 1), (1, 2), (3, 1), (3, 3)],
        [(0, 1), (0, 2), (1, 3), (2, 3)],
    ],
    ids=repr,
)
def test_paths_lead_to_the_same_records_as_in_conditions(edges, hops, direction):
    world = World([("A", {"n": n}) for n in range(4)], [(*edge, "R", None) for edge in edges])
    relation = {"hops": hops} | ({} if direction is None else {"direction": direction})
    block = {"A": {"$relation": relation, "$alias": "$a"}}
    items = {"$collect": {"from": "$a", "select": {"n": "$self.n"}}}
    rows = rows_of(world.store, "A", where=block, select={"x": items, "c": {"$count": "$a"}}, orderBy="asc")
    found = {each["n"]: [item["n"] for item in each["x"]] for each in rows}
    reached = {place: sorted(ends(world, place, relation)) for place in range(4)}
    assert found == {place: those for place, those in reached.items() if those}
    assert [each["c"] for each in rows] == [len(those) for those in found.values()]
    world.store.close()


def test_collections_are_ordered_and_cut(companies):
    def names(**more):
        rows = rows_of(companies, "Dept", select={"x": {"$collect": {"label": "Emp"} | more}}, orderBy="asc")
        return ["".join(item.get("name", item.get("n"))[0] for item in each["x"]) for each in rows]

    assert names() == names(orderBy="asc") == ["ABC", "D", "E"]
    assert names(orderBy="desc") == names(orderBy={"$id": "desc"}) == ["CBA", "D", "E"]
    assert names(orderBy={"salary": "desc"}) == ["BCA", "D", "E"]
    assert names(orderBy={"salary": "desc"}, limit=1, skip=1) == ["C", "", ""]
    assert names(orderBy={"role": "asc", "name": "desc"}, limit=2) == ["CA", "D", "E"]
    assert names(where={"role": "ops"}) == ["B", "D", ""]
    worked_out = {"n": "$self.name", "v": {"$multiply": ["$self.salary", -1]}}
    assert names(select=worked_out, orderBy={"v": "asc"}, limit=2) == ["BC", "D", "E"]
    assert names(select=worked_out, orderBy={"role": "desc", "v": "desc"}, skip=1) == ["AC", "", ""]
    assert names(select=worked_out, orderBy={"n": "desc"}, limit=1) == ["C", "D", "E"]


# -- what is no query -------------------------------------------------------------

NOT_HERE = {"$or": [{"Dept": {"$alias": "$d"}}, {"founded": 1}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"select": {"x": "$zz.name"}},
            r'^select\.x: unknown alias "\$zz" in "\$zz\.name": declare it with \$alias',
        ),
        (
            {"select": {"x": {"$ref": "zz"}}},
            r'^select\.x: \$ref "zz" is no key of the same select; there are x',
        ),
        ({"select": {"x": {"$ref": "y"}, "y": {"$add": [1, {"$ref": "x"}]}}}, "leads in a circle: x, y"),
        (
            {"select": {"x": {"$median": "$record.n"}}},
            r"^select\.x\.\$median: unknown operator '\$median'; known here: \$add",
        ),
        ({"select": {"x": {"$sum": 1, "$avg": 1}}}, r"^select\.x: expected one operator, got \$avg, \$sum"),
        ({"select": {"x": {}}}, "expected one operator, got none"),
        ({"select": {"x": "name"}}, r"expected a reference, as in \$record\.name, or a number"),
        ({"select": {"x": "$record"}}, r"expected a property, as in \$record\.name, got '\$record'"),
        (
            {"select": {"x": "$record.$id"}},
            r"there is no property '\$id'; the store's own are __id and __label",
        ),
        ({"select": {"x": "$self.name"}}, r'unknown alias "\$self"'),
        ({"select": {"x": None}}, "expected a reference, a number, true, false or an operator, got None"),
        ({"select": {"x": float("nan")}}, "finite"),
        ({"select": {"x": 2**70}}, "64 bits"),
        ({"select": {"$x": 1}}, r"a key is a text that does not begin with \$"),
        ({"select": {"": 1}}, "a key is a text"),
        ({"select": [1]}, r"^select: expected an object of keys"),
        ({"select": {"x": {"$sum": {"$sum": "$record.n"}}}}, "an aggregate is of what single records have"),
        ({"select": {"x": {"$sum": {"$ref": "y"}}, "y": 1}}, "of what single records have"),
        ({"select": {"x": {"$sum": True}}}, r"^select\.x\.\$sum: expected a number, got True"),
        ({"select": {"x": {"$sum": "$record.__id"}}}, r"expected a number, and \$record\.__id is a text"),
        ({"select": {"x": {"$add": [1]}}}, "expected a list of two numbers"),
        ({"select": {"x": {"$add": [1, True]}}}, r"\$add\[1\]: expected a number, got True"),
        (
            {"select": {"x": {"$add": [1, {"$collect": {"label": "A"}}]}}},
            "a list of records is a key of its own",
        ),
        ({"select": {"x": {"$sum": "$record.n", "$precision": 1}}}, r"\$precision: it goes with \$avg"),
        ({"select": {"x": {"$avg": "$record.n", "$precision": 1.5}}}, "expected an integer from 0 to 15"),
        ({"select": {"x": {"$count": "$zz"}}}, r'unknown alias "\$zz"'),
        (
            {"where": NOT_HERE, "select": {"x": {"$count": "$d"}}},
            r"cannot use \$d: it is declared under \$or \(at where\.\$or\.Dept\)",
        ),
        (
            {"where": {"$not": {"Dept": {"$alias": "$d"}}}, "select": {"x": "$d.name"}},
            r"declared under \$not",
        ),
        (
            {"where": {"Dept": {"$alias": "$d", "Emp": {"$alias": "$d"}}}, "select": {"x": 1}},
            r"\$d names the records of where\.Dept already",
        ),
        (
            {"where": {"Dept": {"$alias": "$record"}}, "select": {"x": 1}},
            r"\$record is a name of the query language",
        ),
        ({"select": {"x": {"$collect": {}}}}, r"either from \(an alias\) or label, got neither"),
        ({"select": {"x": {"$collect": {"label": "A", "from": "$a"}}}}, "either from"),
        ({"select": {"x": {"$collect": {"label": "A", "foo": 1}}}}, "unknown key 'foo'; known here:"),
        ({"select": {"x": {"$collect": {"from": "$record"}}}}, "not related to itself"),
        (
            {"select": {"x": {"$collect": {"label": "A", "limit": -1}}}},
            r"\$collect\.limit: expected an integer from 0",
        ),
        (
            {"select": {"x": {"$collect": {"label": "A", "orderBy": {"n": "up"}}}}},
            r"\$collect\.orderBy: expected",
        ),
        (
            {"select": {"x": {"$collect": {"label": "A", "where": {"n": {"$foo": 1}}}}}},
            r"unknown operator '\$foo'",
        ),
        (
            {"select": {"x": {"$collect": {"label": "A", "select": {"y": "$record.n"}}}}},
            r"a \$collect speaks of its own records",
        ),
        ({"select": {"x": {"$collect": {"label": "A", "select": {"y": COUNT}}}}}, "say what to count"),
        (
            {"select": {"x": {"$timeBucket": {"field": "$record.at", "unit": "eon"}}}},
            r"unit: expected one of second, minute",
        ),
        (
            {"select": {"x": {"$timeBucket": {"field": "$record.at", "unit": "days"}}}},
            "days needs a size; for one, the unit is day",
        ),
        (
            {"select": {"x": {"$timeBucket": {"field": "$record.at", "unit": "day", "size": 2}}}},
            "written in plural: days",
        ),
        (
            {"select": {"x": {"$timeBucket": {"field": "at", "unit": "day"}}}},
            r"expected a property, as in \$record\.at",
        ),
        (
            {"select": {"n": COUNT}, "groupBy": ["zz"]},
            r"^groupBy\[0\]: expected a property, as in \$record\.zz, or a key of select",
        ),
        ({"select": {"n": COUNT}, "groupBy": ["$zz.n"]}, r'^groupBy\[0\]: unknown alias "\$zz"'),
        (
            {"select": {"n": {"$add": [COUNT, "$record.n"]}}, "groupBy": ["$record.cat"]},
            r'^select\.n: "\$record\.n" is of single records',
        ),
        (
            {"select": {"name": COUNT}, "groupBy": ["$record.name"]},
            r"^select\.name: rows have this key already",
        ),
        (
            {"select": {"n": "$record.n"}, "groupBy": ["$record.cat"], "orderBy": {"n": "asc"}},
            r"^orderBy: n is of single records",
        ),
        ({"select": {"x": {"$collect": {"label": "A"}}}, "orderBy": {"x": "asc"}}, "which has no order"),
        ({"select": {"x": 1}, "orderBy": {"$x": "asc"}}, "not by"),
        ({"select": {"x": 1}, "limit": -1}, "limit is a number of records"),
    ],
    ids=lambda value: ascii(value)[:70],
)
@pytest.mark.parametrize("labels", ["Co", "NOPE"])
def test_what_is_no_query_is_an_error_that_names_it(companies, labels, document, message):
    with pytest.raises(QueryError, match=message):
        rows_of(companies, labels, **document)


def test_expressions_nest_only_so_deep(companies):
    def wrap(inner):
        return (
            {"$divide": [inner, {"$add": [1, inner]}]} if isinstance(inner, str) else {"$divide": [inner, 2]}
        )

    deep = nested(14, wrap, "$record.founded")
    assert rows_of(companies, select={"x": {"$sum": deep}}, groupBy=["x"])[0]["x"] > 0
    assert len(rows_of(companies, select={"x": deep}, groupBy=["x"])) == 2
    with pytest.raises(QueryError, match="an expression nests deeper than 16 levels"):
        rows_of(companies, select={"x": nested(17, wrap, "$record.founded")})
    with pytest.raises(QueryError, match="deeper than 16"):
        rows_of(companies, select={"x": nested(20_000, wrap, "$record.founded")})
    doubled = {f"k{n}": {"$add": [{"$ref": f"k{n - 1}"}] * 2} for n in range(1, 40)} | {
        "k0": "$record.founded"
    }
    assert rows_of(companies, select=doubled, limit=1)[0]["k39"] == 2001 * 2**39
    with pytest.raises(
        QueryError, match=r"select\.k\d+ refers to other keys that make it larger than 1,000 parts"
    ):
        rows_of(companies, select=doubled, groupBy=["k39"])


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_deep_conditions_stand_beside_expressions(companies, levels):
    """SQLite's parser has a fixed stack: what is accepted of a condition fits into these as well."""

    def inside(where):
        return {"$or": [{"name": "no"}, {"$and": [{"name": {"$gt": ""}}, {"Dept": {"Co": where}}]}]}

    accepted, refused = 0, ""
    for depth in range(levels, 40):
        where = nested(depth, inside, {"name": {"$contains": "c"}}) | {
            "Dept": {"$alias": "$d", "$or": [{"n": None}, {"Co": nested(levels, inside, {})}]}
        }
        expression = {
            "$sum": nested(
                14,
                lambda inner: (
                    {"$divide": [1, {"$add": [1, inner]}]} if isinstance(inner, str) else {"$add": [2, inner]}
                ),
                "$d.budget",
            )
        }
        try:
            rows_of(
                companies,
                where=where,
                select={"x": expression, "y": {"$collect": {"from": "$d"}}},
                orderBy={"x": "asc"},
            )
        except QueryError as error:
            refused = str(error)
            break
        accepted += 1
    assert "deep" in refused
    assert accepted >= 2


def test_names_and_values_never_reach_the_sql(companies):
    evil = "x'); DROP TABLE edges; --"
    rows = rows_of(
        companies,
        where={"Dept": {"$alias": "$d", "$relation": {"where": {evil: None}}}},
        select={
            evil: f"$record.{evil}",
            "y": {"$max": f"$d.{evil}"},
            "z": {"$collect": {"label": evil, "where": {evil: evil}}},
        },
        orderBy={evil: "asc"},
    )
    assert bare(rows, evil, "y", "z") == [{"z": []}, {"z": []}]


def test_a_sum_past_64_bits_is_an_error():
    world = World([("A", {"n": 2**53})] * 1100)
    with pytest.raises(QueryError, match="past 64 bits"):
        rows_of(world.store, "A", select={"x": {"$sum": "$record.n"}}, groupBy=["x"])
    floats = {"$sum": {"$multiply": ["$record.n", 1.0]}}
    assert rows_of(world.store, "A", select={"x": floats}, groupBy=["x"]) == [{"x": 2.0**53 * 1100}]
    world.store.close()


def test_rows_take_no_longer_than_a_command_may():
    store = Store(time_limit=0.2)
    world = World(
        [("A", {"n": n}) for n in range(40)], [(a, b, "R", None) for a in range(40) for b in range(40)], store
    )
    trails = {"A": {"$alias": "$a", "$relation": {"hops": {"min": 3, "max": 9}}}}
    with pytest.raises(StoreTimeout):
        rows_of(world.store, "A", where=trails, select={"n": {"$count": "$a"}})
    assert store.count() == 40
    store.close()


# -- plans ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library():
    world = World(
        [("Article", {"year": n, "price": n}) for n in range(5)] + [("Person", {"name": "a"})],
        [(5, n, "WROTE", None) for n in range(5)],
    )
    world.store.do(EnsureIndexes("Article", (("year",),)))
    world.store.do(EnsureIndexes("Person", (("name",),)))
    yield world.store
    world.store.close()


def test_a_plan_says_which_index_serves_a_query(library):
    def plan(**given):
        return library.do(ExplainQuery(query("Article", **given)))

    by_index = "SEARCH Article USING INDEX (year) (year>? AND year<?)"
    assert plan(where={"year": {"$gt": 2}}).splitlines()[0] == by_index
    assert plan(where={"year": 2}).splitlines()[0] == "SEARCH Article USING INDEX (year) (year=?)"
    assert plan(where={"price": {"$gt": 2}}).splitlines()[0] == "SCAN Article"
    assert plan(order=("-year",), limit=3).splitlines()[0] == "SCAN Article USING INDEX (year)"
    assert plan(where={"year": {"$gt": 2}}, order=("year",)).splitlines()[0] == by_index
    assert "TEMP B-TREE" in plan(order=("price",))
    written = plan(where={"Person": {"$relation": {"type": "WROTE", "direction": "in"}, "name": "a"}})
    assert "SEARCH Person USING COVERING INDEX (name) (name=?)" in written
    assert "SEARCH relationships USING" in written
    assert "SCAN relationships" not in written


def test_a_plan_of_rows_names_every_statement(library):
    grouped = asked("Article", select={"n": COUNT}, groupBy=["$record.year"], orderBy={"n": "asc"})
    assert library.do(ExplainQuery(grouped)).startswith("SCAN Article USING")
    rows = asked(
        "Article",
        where={"Person": {"$relation": "WROTE", "$alias": "$p"}, "year": 3},
        select={"n": {"$count": "$p"}, "x": {"$collect": {"label": "Person", "select": {"n": "$self.name"}}}},
    )
    plan = library.do(ExplainQuery(rows))
    assert "SEARCH Article USING INDEX (year) (year=?)" in plan
    assert len(plan.split("\n\n")) == 4  # the page, what is counted, what is collected, and of the items
    assert "SCAN relationships" not in plan
    everything = library.do(ExplainQuery(RecordQuery(())))
    assert "Article" in everything
    assert "Person" in everything
    assert library.do(ExplainQuery(query("Nope"))) == "NOTHING TO READ: no record has such a label"
    with pytest.raises(QueryError):
        library.do(ExplainQuery(asked("Article", select={"x": "$zz.n"})))

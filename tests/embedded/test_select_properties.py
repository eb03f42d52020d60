"""Rows at random: what SQL answers is what `evaluate` says, in plain Python."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rushmodel.errors import QueryError
from rushmodel.port import FindRows, RowQuery

from .evaluate import Ambiguous, answer
from .test_traversals import MOMENTS, NUMBER, PLACES, SMALL, World, hop_counts

NAMES = st.sampled_from(["n", "n", "p", "s", "when", "absent"])
VALUES = SMALL | st.sampled_from([0.5, -1.5, True, False, "a", "b"]) | st.lists(SMALL, max_size=2)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from("AAAABC"),
        st.fixed_dictionaries(
            {"n": SMALL}, optional={"p": VALUES, "s": st.sampled_from("ab"), "when": MOMENTS}
        ),
    ),
    min_size=5,
    max_size=5,
)
RELATION = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from("RRS"),
        "direction": st.sampled_from(["in", "out"]),
        "hops": hop_counts(1),
        "where": st.fixed_dictionaries({"w": NUMBER}),
    },
)
CONDITION = st.fixed_dictionaries({"n": st.just({"$exists": True}) | st.just({"$lt": 2}) | NUMBER})
EDGES = st.lists(
    st.tuples(PLACES, PLACES, st.sampled_from("RRRS"), st.none() | st.fixed_dictionaries({"w": SMALL})),
    min_size=5,
    max_size=8,
)
UNITS = st.sampled_from(
    [
        *((unit, None) for unit in ("hour", "day", "week", "month", "quarter", "year")),
        *(("months", 2), ("quarters", 2), ("years", 5)),
    ]
)
WAYS = st.sampled_from(["asc", "desc"])


@st.composite
def queries(draw):
    """A `RowQuery`: its aliases stand where they can be spoken of."""
    free = ["$a", "$b", "$c"]
    below: dict[str, list[str]] = {}

    def where(depth, above):
        found = dict(draw(CONDITION)) if draw(st.integers(0, 3)) == 3 else {}
        labels = draw(st.lists(st.sampled_from("AABC"), unique=True, max_size=2 - depth))
        for label in labels:
            block, aliases = {}, above
            if draw(st.integers(0, 2)) == 2:
                block["$relation"] = draw(RELATION)
            if free and draw(st.integers(0, 3)):
                block["$alias"] = alias = free.pop(0)
                below[alias] = []
                for each in above:
                    below[each].append(alias)
                aliases = [*above, alias]
            found[label] = block | where(depth + 1, aliases)
        if depth == 0 and draw(st.integers(0, 4)) == 0:
            return {"$and": [found]}
        return found

    condition = where(0, [])
    aliases = list(below)

    def ref(within):
        alias = draw(st.sampled_from(within))
        return f"{alias}.{draw(st.sampled_from(['n', 'n', 'p', 's', 'when', 'absent', '__label']))}"

    def number(within):
        return f"{draw(st.sampled_from(within))}.{draw(st.sampled_from(['n', 'n', 'p', 'when', 'absent']))}"

    def of_records(within, depth=0):
        kind = draw(st.integers(0, 5 + 3 * (depth > 1)))
        if kind == 0:
            return draw(st.sampled_from([2, 0.5, 0]))
        if kind == 1:
            unit, size = draw(UNITS)
            field = f"{draw(st.sampled_from(within))}.when"
            return {"$timeBucket": {"field": field, "unit": unit} | ({} if size is None else {"size": size})}
        if kind == 2 and depth < 2:
            return {draw(ARITHMETIC): [operand(within, depth + 1), operand(within, depth + 1)]}
        return ref(within)

    def operand(within, depth):
        if draw(st.integers(0, 3)) == 0:
            return draw(st.sampled_from([1, 2, 0.5]))
        if draw(st.booleans()) or depth > 1:
            return number(within)
        return {draw(ARITHMETIC): [number(within), number(within)]}

    def aggregate(within, item):
        function = draw(st.sampled_from(["$sum", "$avg", "$min", "$max", "$count", "$count"]))
        if function == "$count" and draw(st.booleans()):
            counted = draw(st.sampled_from([*within, *(() if item else ("*",))]))
            return {"$count": counted}
        if function in ("$sum", "$avg"):
            found = {function: operand(within, 0)}
            if function == "$avg" and draw(st.booleans()):
                found["$precision"] = draw(st.integers(0, 2))
            return found
        return {function: of_records(within, 1)}

    def collection(within, item, depth):
        found = {}
        others = [alias for alias in within if alias not in ("$record", "$self", item)]
        inner, alias = ["$self"], "$self"
        if others and draw(st.booleans()):
            alias = found["from"] = draw(st.sampled_from(others))
            inner += [each for each in below[alias] if each in within] + [alias]
        else:
            found["label"] = draw(st.sampled_from("AAAAB"))
            if draw(st.integers(0, 3)) == 3:
                found["$relation"] = draw(RELATION)
        if draw(st.integers(0, 2)) == 0:
            found["where"] = {"n": draw(NUMBER)}
        if draw(st.integers(0, 2)):
            found["select"] = keys(inner, alias, depth + 1)
        if draw(st.booleans()):
            selected = found.get("select", {}).items()
            names = ["n", "p", "s", "when", "$id", *(n for n, e in selected if "$collect" not in str(e))]
            found["orderBy"] = {draw(st.sampled_from(names)): draw(WAYS)} | draw(
                st.sampled_from([{}, {"n": "asc"}])
            )
        if draw(st.booleans()):
            found["limit"] = draw(st.sampled_from([0, 1, 1, 2]))
        if draw(st.integers(0, 3)) == 0:
            found["skip"] = draw(st.integers(0, 1))
        return {"$collect": found}

    def keys(within, item, depth):
        found = {}
        for name in draw(
            st.lists(st.sampled_from(["u", "v", "w", "n"]), unique=True, min_size=1, max_size=3)
        ):
            kind = draw(st.integers(0, 7 if depth < 2 else 5))
            if kind < 3:
                found[name] = aggregate(within, item)
            elif kind == 3 and found:
                numbers = [each for each in found if "$collect" not in str(found[each])]
                one = {"$ref": draw(st.sampled_from(numbers))} if numbers else 1
                found[name] = {draw(ARITHMETIC): [one, draw(st.sampled_from([1, 2, 0.5, one]))]}
            elif kind > 5:
                found[name] = collection(within, item, depth)
            else:
                found[name] = of_records(within)
        return found

    select = keys(["$record", *aliases], None, 0)
    grouping = [
        ref(["$record", *aliases]) if draw(st.booleans()) else draw(st.sampled_from(sorted(select)))
        for _ in range(draw(st.integers(1, 2)) if draw(st.booleans()) else 0)
    ]
    sortable = ["n", "p", "when", "$id", *(n for n, e in select.items() if "$collect" not in str(e))]
    orders = st.tuples(st.sampled_from(sortable), st.booleans())
    order = draw(st.lists(orders, max_size=2, unique_by=lambda key: key[0]))
    return RowQuery(
        tuple(draw(st.lists(st.sampled_from("ABC"), unique=True, max_size=2))),
        condition,
        select,
        tuple(dict.fromkeys(grouping)),
        tuple(order),
        draw(st.sampled_from([None, None, None, 0, 1, 2, 3])),
        draw(st.sampled_from([0, 0, 0, 1])),
        draw(st.booleans()),
    )


ARITHMETIC = st.sampled_from(["$add", "$subtract", "$multiply", "$divide"])


def exact(value):
    """Tells true from 1; floats of one value are equal."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, bool):
        return str(value)
    return round(value, 9) if isinstance(value, float) else value


REFUSED = ("of single records", "rows have", "is no key of the rows", "which has no order")
"""What is a wrong document: it could not be grouped or ordered like that."""


NESTED = {"n": {"$collect": {"label": "A"}}}
BY_LISTS = RowQuery(
    select={"u": {"$collect": {"label": "A", "select": NESTED, "orderBy": {"n": "asc"}}}}, labels=("A",)
)


@settings(max_examples=800, deadline=None)
@given(RECORDS, EDGES, queries())
@example([("A", {"n": 3 - at}) for at in range(3)], [(0, 1, "R", None), (1, 2, "R", None)], BY_LISTS)
@example([("A", {"n": 1})] * 4, [(at, to, "R", None) for at in range(4) for to in range(4)], BY_LISTS)
def test_rows_agree_with_a_plain_evaluator(records, edges, query):
    world = World(records, edges)
    try:
        try:
            found, refused = world.store.do(FindRows(query)), ""
        except QueryError as error:
            found, refused = None, str(error)
        if any(reason in refused for reason in REFUSED):
            return
        try:
            rows, total = answer(world, query)
        except Ambiguous:
            assert "several values" in refused
            return
        assert found is not None, refused
        assert exact(found.rows) == exact(rows)
        assert found.total == total
    finally:
        world.store.close()

"""Random sequences of commands on relationships, against a dict: in memory, in a file, by two connections."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="call-arg, union-attr"

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rushmodel.errors import NotFound, PropertyError, RushModelError
from rushmodel.port import (
    DEFAULT_RELATIONSHIP,
    End,
    FindRelated,
    FindRelationships,
    JoinRecords,
    Link,
    LinkRecords,
    Order,
    RecordWrite,
    SaveGraph,
    Unlink,
)

from .store import Store, row

SHOWN = "RUSHDB_DEFAULT_RELATION"
UNKNOWN = "0199aaaa-0000-7000-8000-000000000000"
LABELS = ("A", "B", "C")
TYPES = ("R", "S", DEFAULT_RELATIONSHIP, SHOWN)

labels = st.sampled_from(LABELS)
types = st.sampled_from(TYPES)
several_types = st.lists(st.sampled_from((*TYPES, "NEVER")), max_size=2).map(tuple)
directions = st.sampled_from(["in", "out", None])
values = st.one_of(st.integers(0, 2), st.sampled_from([1.0, "1", True, [1], [1, 2]]))
datas = st.dictionaries(st.sampled_from(["n", "m"]), values, max_size=2)
properties = st.none() | st.dictionaries(st.sampled_from(["w", "x y"]), values, max_size=2)
places = st.integers(0, 8)
"""Which of the records there are, counted round; the one past them all is an id that is not there."""
some = st.lists(places, max_size=3)
ends = st.tuples(st.lists(labels, max_size=2), st.sampled_from([None, 0, 1]))
links = st.lists(st.tuples(places, places, types, properties), max_size=8)
unlinks = st.lists(
    st.tuples(places, several_types, directions, st.none() | some, some, st.none() | labels), max_size=1
)


def same(one, other):
    """Equality of values that tells True from 1, and 1.0 not."""
    if isinstance(one, list) or isinstance(other, list):
        return (
            isinstance(one, list)
            and isinstance(other, list)
            and (len(one) == len(other) and all(map(same, one, other)))
        )
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def holds(data, n):
    """Whether the condition ``{"n": n}`` is true."""
    there = data.get("n")
    return any(same(value, n) for value in (there if isinstance(there, list) else [there]))


def stored(kind):
    return DEFAULT_RELATIONSHIP if kind == SHOWN else kind


class Machine(RuleBasedStateMachine):
    """``records``: label and properties by id. ``edges``: properties by source, target and type."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.records = {}
        self.edges = {}

    @initialize(kind=st.sampled_from(["memory", "file", "two"]))
    def open(self, kind):
        location = "memory://" if kind == "memory" else Path(self.folder.name) / "store.db"
        self.stores = [Store(location) for _ in range(2 if kind == "two" else 1)]
        for label in LABELS:
            for n in range(2):
                self.save(label, {"n": n})

    def teardown(self):
        for store in getattr(self, "stores", ()):
            store.close()
        self.folder.cleanup()

    def do(self, command):
        self.stores.reverse()
        return self.stores[0].do(command)

    def id(self, place, extra=()):
        """An id that is there or not, or the place of one of the writes where there are ``extra``."""
        all_of_them = [*self.records, *range(len(extra))]
        return [*all_of_them, UNKNOWN][place % (len(all_of_them) + 1)]

    # -- what the commands do to the dict --

    def relate(self, links, unlinks, made=()):
        def of(end):
            return made[end] if isinstance(end, int) else end

        edges = dict(self.edges)
        for unlink in unlinks:
            record, kinds = of(unlink.record), {stored(kind) for kind in unlink.types}
            kept = set(map(of, unlink.keep))
            for source, target, kind in list(edges):
                others = [target] if unlink.direction != "in" and source == record else []
                others += [source] if unlink.direction != "out" and target == record else []
                if (not kinds or kind in kinds) and any(
                    (unlink.others is None or other in unlink.others)
                    and other not in kept
                    and unlink.label in (None, self.records[other][0])
                    for other in others
                ):
                    del edges[source, target, kind]
        count, made_or_changed = 0, {}
        for source, target, kind, data in links:
            at = of(source), of(target), stored(kind)
            if not {at[0], at[1]} <= self.records.keys():
                raise NotFound("an end")
            if data is not None:
                made_or_changed[at] = data
            else:
                made_or_changed.setdefault(at, None)
        for at, data in made_or_changed.items():
            new = at not in edges
            before = edges.get(at)
            edges[at] = (data or {}) if new or data is not None else before
            count += new or list(map(repr, edges[at].items())) != list(map(repr, before.items()))
        self.edges = edges
        return count

    def rows(self, end):
        wanted, n = end
        return [
            record
            for record, (label, data) in self.records.items()
            if (not wanted or label in wanted) and (n is None or holds(data, n))
        ]

    # -- commands --

    @rule(label=labels, data=datas)
    def save(self, label, data):
        (written,) = self.do(SaveGraph([(label, RecordWrite(data))]))
        self.records[written.id] = (label, data)

    @rule(links=links, unlinks=unlinks)
    def link(self, links, unlinks):
        links = [Link(self.id(s), self.id(t), kind, data) for s, t, kind, data in links]
        command = LinkRecords(links, self.named(unlinks))
        before = self.edges
        try:
            count = self.relate(command.links, command.unlinks)
        except NotFound:
            assert self.edges is before
            with pytest.raises(NotFound):
                self.do(command)
        else:
            assert self.do(command) == count

    def named(self, unlinks, extra=()):
        return [
            Unlink(
                self.id(place, extra),
                kinds,
                direction,
                None if others is None else tuple(map(self.id, others)),
                tuple(self.id(kept, extra) for kept in keep),
                label,
            )
            for place, kinds, direction, others, keep, label in unlinks
        ]

    @rule(writes=st.lists(st.tuples(labels, datas), min_size=1, max_size=3), links=links, unlinks=unlinks)
    def save_tree(self, writes, links, unlinks):
        links = [Link(self.id(s, writes), self.id(t, writes), kind, data) for s, t, kind, data in links]
        command = SaveGraph(
            [(label, RecordWrite(data)) for label, data in writes], links, self.named(unlinks, writes)
        )
        if any(UNKNOWN in link[:2] for link in links):
            with pytest.raises(NotFound):
                self.do(command)
            return
        made = [written.id for written in self.do(command)]
        self.records.update(zip(made, writes, strict=True))
        self.relate(command.links, command.unlinks, made)

    @rule(links=links, bad=st.sampled_from([("a b", None), ("R", {"type": 1}), ("R", {"o": {}}), ("", {})]))
    def refused(self, links, bad):
        links = [Link(self.id(s), self.id(t), kind, data) for s, t, kind, data in links]
        known = next(iter(self.records), UNKNOWN)
        command = LinkRecords([*links, Link(known, known, *bad)], [Unlink(known)])
        with pytest.raises((NotFound, PropertyError)):
            self.do(command)
        with pytest.raises(RushModelError):
            self.do(SaveGraph([("A", RecordWrite({"n": 1}))], command.links, command.unlinks))

    @rule(first=datas, second=datas, label=labels, kind=types)
    def load(self, first, second, label, kind):
        if not first or not second:
            return
        self.stores.reverse()
        records = self.stores[0].load(row(first), row(second, label, parent=0), relationship=kind)
        self.records.update({record.id: (record.label, record.data) for record in records})
        self.edges[records[0].id, records[1].id, stored(kind)] = {}

    @rule(label=labels, n=st.integers(0, 2))
    def delete(self, label, n):
        gone = set(self.rows(([label], n)))
        assert self.stores[0].delete(label, {"n": n}) == len(gone)
        self.records = {record: rest for record, rest in self.records.items() if record not in gone}
        self.edges = {at: data for at, data in self.edges.items() if gone.isdisjoint(at[:2])}

    @rule(
        first=ends,
        second=ends,
        keys=st.none() | st.tuples(*[st.sampled_from(["n", "m"])] * 2),
        kind=st.none() | types,
        direction=st.sampled_from(["in", "out"]),
        remove=st.booleans(),
        data=properties,
    )
    def join(self, first, second, keys, kind, direction, remove, data):
        pairs = {
            (a, b) if direction == "out" else (b, a)
            for a in self.rows(first)
            for b in self.rows(second)
            if keys is None
            or (
                keys[0] in self.records[a][1]
                and keys[1] in self.records[b][1]
                and same(self.records[a][1][keys[0]], self.records[b][1][keys[1]])
            )
        }
        if remove:
            there = [at for at in self.edges if at[:2] in pairs and (kind is None or at[2] == stored(kind))]
            count = len(there)
            for at in there:
                del self.edges[at]
        else:
            kinds = {(*pair, stored(kind or SHOWN)) for pair in pairs}
            before = {at: repr(self.edges.get(at)) for at in kinds}
            self.edges.update(
                {at: dict(data or {}) for at in kinds if data is not None or at not in self.edges}
            )
            count = sum(before[at] != repr(self.edges[at]) for at in kinds)
        command = JoinRecords(
            end_of(first), end_of(second), *(keys or (None, None)), kind, direction, remove, data
        )
        assert self.do(command) == count

    # -- questions --

    @invariant()
    @precondition(lambda self: hasattr(self, "stores"))
    def everything_is_there(self):
        answer = self.do(FindRelationships())
        assert answer.total == len(self.edges) == len(answer.relationships)
        for each in answer.relationships:
            assert repr(self.edges[each.source, each.target, stored(each.type)]) == repr(each.data)
            assert each.source_label == self.records[each.source][0]
            assert each.target_label == self.records[each.target][0]

    @rule(first=ends, second=ends, kinds=several_types, w=st.sampled_from([None, 0, 1]))
    def find(self, first, second, kinds, w):
        sources, targets, wanted = self.rows(first), self.rows(second), {stored(kind) for kind in kinds}
        expected = {
            at
            for at, data in self.edges.items()
            if at[0] in sources
            and at[1] in targets
            and (not kinds or at[2] in wanted)
            and (w is None or holds({"n": data.get("w")}, w))
        }
        command = FindRelationships(
            end_of(first), end_of(second), kinds, {} if w is None else {"w": w}, limit=3, offset=1
        )
        answer = self.do(command)
        everything = self.do(command.replaced(limit=None, offset=0))
        found = [(each.source, each.target, stored(each.type)) for each in everything.relationships]
        assert sorted(found) == sorted(expected)
        assert answer.total == everything.total == len(expected)
        assert answer.relationships == everything.relationships[1:4]

    @rule(
        asked=some,
        label=labels,
        kind=st.none() | st.sampled_from((*TYPES, "NEVER")),
        direction=directions,
        n=st.sampled_from([None, 0, 1]),
        descending=st.booleans(),
    )
    def follow(self, asked, label, kind, direction, n, descending):
        ids = [self.id(place) for place in asked]
        allowed = self.rows(([label], n))
        steps = [
            (here, there, data)
            for (source, target, of), data in self.edges.items()
            if kind is None or of == stored(kind)
            for here, there in {
                "out": [(source, target)],
                "in": [(target, source)],
                None: dict.fromkeys([(source, target), (target, source)]),
            }[direction]
        ]
        expected = [
            (here, there, repr(data))
            for here in dict.fromkeys(ids)
            for there in sorted(allowed, reverse=descending)
            for data in [data for *at, data in steps if at == [here, there]]
        ]
        order = (Order("$id", True),) if descending else ()
        where = {} if n is None else {"n": n}
        answer = self.do(FindRelated(tuple(ids), label, kind, direction, where, order))
        links = [(here, answer.records[place].id, repr(data)) for here, place, data in answer.links]
        # Several relationships between two records come in the order of their age.
        assert [each[:2] for each in links] == [each[:2] for each in expected]
        assert sorted(links) == sorted(expected)
        assert len({record.id for record in answer.records}) == len(answer.records)
        assert {record.id for record in answer.records} == {there for _, there, _ in expected}
        for record in answer.records:
            assert (record.label, repr(sorted(record.data.items()))) == (
                label,
                repr(sorted(self.records[record.id][1].items())),
            )

    @rule(place=places, wanted=st.lists(labels, max_size=2, unique=True))
    def around(self, place, wanted):
        at = self.id(place)
        near = {b if a == at else a for a, b, _ in self.edges if at in (a, b)}
        expected = sorted(record for record in near if not wanted or self.records[record][0] in wanted)
        assert [record.id for record in self.stores[0].find(wanted, related_to=at)] == expected
        assert self.stores[-1].count(wanted, related_to=at) == len(expected)


def end_of(end):
    wanted, n = end
    return End(tuple(wanted), {} if n is None else {"n": n})


Machine.TestCase.settings = settings(max_examples=250, stateful_step_count=25, deadline=None)
TestGraph = Machine.TestCase

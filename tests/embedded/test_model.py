"""Random sequences of commands, against a dict and brute force: in memory, in a file, by two connections."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from rushmodel.errors import ConflictError, MultipleFound, RecordGone, StaleVector
from rushmodel.port import InlineVector, RecordWrite, SaveRecords, VectorGuard, VectorWrite

from .store import Store, cosine, euclidean, query, row

POLICIES = (cosine(dims=2), euclidean(dims=2))
numbers = st.integers(-3, 3)
vectors = st.tuples(numbers, numbers).filter(any).map(lambda pair: np.array(pair, dtype=np.float32))
bodies = st.sampled_from(["red", "green", "2024-01-01", "ü\0"])
values = st.one_of(numbers, bodies, st.booleans(), st.lists(numbers, max_size=2), st.just(0.5))
datas = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)


def same(one, other):
    """Equality that tells True from 1."""
    return repr(sorted(one.items())) == repr(sorted(other.items()))


class Entry:
    """What the dict holds of a record."""

    def __init__(self, data, held=None):
        self.data = dict(data)
        self.held = dict(held or {})
        self.version = 1


class Machine(RuleBasedStateMachine):
    """Records of label A by key ``k`` (not always unique), with vectors of two policies and guards."""

    records = Bundle("records")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.truth: dict[str, Entry] = {}

    @initialize(kind=st.sampled_from(["memory", "file", "two"]))
    def open(self, kind):
        path = Path(self.folder.name) / "store.db"
        location = "memory://" if kind == "memory" else path
        self.stores = [Store(location)]
        if kind == "two":
            self.stores.append(Store(location))
        self.turn = 0
        for signature in POLICIES:
            self.store.policy(signature)

    @property
    def store(self):
        self.turn += 1
        return self.stores[self.turn % len(self.stores)]

    @rule(target=records, data=datas, key=numbers, held=st.dictionaries(st.sampled_from(POLICIES), vectors))
    def create(self, data, key, held):
        written = self.store.save({**data, "k": key}, vectors=held)
        assert written.created
        self.truth[written.id] = Entry({**data, "k": key}, held)
        return written.id

    @rule(target=records, data=datas, key=numbers, held=st.dictionaries(st.sampled_from(POLICIES), vectors))
    def upsert(self, data, key, held):
        matching = [record_id for record_id, entry in self.truth.items() if entry.data["k"] == key]
        data = {**data, "k": key}
        if len(matching) > 1:
            with pytest.raises(MultipleFound) as raised:
                self.store.save(data, key=("k",), vectors=held)
            assert raised.value.record_ids == tuple(sorted(matching))
            return multiple()
        written = self.store.save(data, key=("k",), vectors=held)
        assert written.created == (not matching)
        if not matching:
            self.truth[written.id] = Entry(data, held)
            return written.id
        (record_id,) = matching
        entry = self.truth[record_id]
        kept = {name: value for name, value in entry.data.items() if name not in data}
        assert written.id == record_id
        assert same(written.kept, kept)
        self._change(record_id, data, held=held)
        return multiple()

    @rule(
        record_id=records,
        data=datas,
        remove=st.sets(st.sampled_from("abcd")),
        version=st.one_of(st.none(), st.integers(1, 3)),
        held=st.dictionaries(st.sampled_from(POLICIES), st.one_of(st.none(), vectors)),
        good=st.booleans(),
    )
    def change(self, record_id, data, remove, version, held, good):
        remove = tuple(sorted(remove - data.keys()))
        writes = tuple(VectorWrite(signature, vector) for signature, vector in held.items())
        write = RecordWrite(data, record_id, remove=remove, vectors=writes, version=version)
        entry = self.truth.get(record_id)
        batch = [RecordWrite({"k": 9}), write]
        if entry is None or (version is not None and version != entry.version):
            with pytest.raises(RecordGone if entry is None else ConflictError) as raised:
                self.store.do(SaveRecords("A", batch))
            assert raised.value.index == 1
        elif not good:
            with pytest.raises(RecordGone):
                self.store.do(SaveRecords("A", [write, RecordWrite({"fresh": [1]}, "nobody")]))
        else:
            (written,) = self.store.do(SaveRecords("A", [write]))
            self._change(record_id, data, remove, held)
            assert written.version == entry.version

    @rule(
        record_id=records,
        body=bodies,
        action=st.sampled_from(["raise", "drop"]),
        fresh=st.booleans(),
        vector=vectors,
    )
    def change_body(self, record_id, body, action, fresh, vector):
        entry = self.truth.get(record_id)
        if entry is None:
            return
        guards = (VectorGuard("embedding", "a", body, POLICIES, action),)
        held = {POLICIES[0]: vector} if fresh else {}
        stale = set()
        if entry.data.get("a") != body:
            stale = entry.held.keys() - held.keys()
        if stale and action == "raise":
            with pytest.raises(StaleVector):
                self.store.save({"a": body}, record_id=record_id, guards=guards, vectors=held)
            return
        written = self.store.save({"a": body}, record_id=record_id, guards=guards, vectors=held)
        assert set(written.dropped) == stale
        self._change(record_id, {"a": body}, held={**dict.fromkeys(stale), **held})

    @rule(record_id=records, data=datas, replace=st.booleans(), vector=st.one_of(st.none(), vectors))
    def patch(self, record_id, data, replace, vector):
        if record_id not in self.truth:
            return
        entry = self.truth[record_id]
        data = {**data, "k": entry.data["k"]}
        inline = () if vector is None else (InlineVector("body", vector, "cosine"),)
        answer = self.store.patch(record_id, data, replace=replace, vectors=inline)
        gone = tuple(entry.data.keys() - data.keys()) if replace else ()
        self._change(record_id, data, gone, {} if vector is None else {POLICIES[0]: vector})
        assert same(answer.data, entry.data)

    @rule(data=datas, key=numbers, rewrite=st.booleans())
    def merge(self, data, key, rewrite):
        data = {**data, "k": key}
        matching = [record_id for record_id, entry in self.truth.items() if entry.data["k"] == key]
        answers = self.store.load(row(data), merge_by=("k",), rewrite=rewrite)
        if not matching:
            self.truth[answers[0].id] = Entry(data)
            return
        assert sorted(answer.id for answer in answers) == sorted(matching)
        for record_id in matching:
            gone = tuple(self.truth[record_id].data.keys() - data.keys()) if rewrite else ()
            self._change(record_id, data, gone)

    @rule(key=numbers, data=datas, limit=st.one_of(st.none(), st.integers(0, 3)))
    def update_some(self, key, data, limit):
        matching = sorted(record_id for record_id, entry in self.truth.items() if entry.data["k"] >= key)[
            :limit
        ]
        from rushmodel.port import UpdateRecords

        assert self.store.do(UpdateRecords(query("A", {"k": {"$gte": key}}, limit=limit), data)) == len(
            matching
        )
        for record_id in matching:
            self._change(record_id, data)

    @rule(record_id=consumes(records))
    def delete(self, record_id):
        there = self.truth.pop(record_id, None) is not None
        assert self.store.delete("A", {"$id": record_id}) == there

    @rule(key=numbers)
    def delete_some(self, key):
        matching = [record_id for record_id, entry in self.truth.items() if entry.data["k"] == key]
        assert self.store.delete("A", {"k": key}) == len(matching)
        for record_id in matching:
            del self.truth[record_id]

    @rule(
        vector=vectors,
        signature=st.sampled_from(POLICIES),
        limit=st.integers(1, 5),
        key=st.one_of(st.none(), numbers),
    )
    def search(self, vector, signature, limit, key):
        where = {} if key is None else {"k": {"$gte": key}}
        found = self.store.search(
            vector, "A", where, limit=limit, vectors=POLICIES, options={"similarity": signature.similarity}
        )
        wanted = []
        for record_id, entry in self.truth.items():
            if signature in entry.held and (key is None or entry.data["k"] >= key):
                wanted.append((score(signature, entry.held[signature], vector), record_id))
        wanted.sort(key=lambda hit: -hit[0])
        assert [hit.score for hit in found] == pytest.approx([hit[0] for hit in wanted[:limit]], abs=1e-6)
        by_id = {record_id: value for value, record_id in wanted}
        for hit in found:
            assert hit.score == pytest.approx(by_id[hit.id], abs=1e-6)
            self._agree(hit)

    @invariant()
    def everything_is_there(self):
        if not hasattr(self, "stores"):
            return
        found = self.store.find(vectors=POLICIES)
        assert [record.id for record in found] == sorted(self.truth)
        for record in found:
            self._agree(record)

    def _change(self, record_id, data, remove=(), held=None):
        entry = self.truth[record_id]
        entry.version += 1
        entry.data.update(data)
        for name in remove:
            entry.data.pop(name, None)
        for signature, vector in (held or {}).items():
            if vector is None:
                entry.held.pop(signature, None)
            else:
                entry.held[signature] = vector

    def _agree(self, record):
        entry = self.truth[record.id]
        assert same(record.data, entry.data)
        assert record.version == entry.version
        assert {sig: v.tolist() for sig, v in record.vectors.items()} == {
            sig: v.tolist() for sig, v in entry.held.items()
        }

    def teardown(self):
        for store in getattr(self, "stores", ()):
            store.close()
        self.folder.cleanup()


def score(signature, one, other):
    one, other = one.astype(np.float64), other.astype(np.float64)
    if signature.similarity == "cosine":
        return (1 + one @ other / (np.linalg.norm(one) * np.linalg.norm(other))) / 2
    return 1 / (1 + ((one - other) ** 2).sum())


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase

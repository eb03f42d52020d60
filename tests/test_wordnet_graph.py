"""WordNet as a graph: 21,669 synsets and their hypernyms, through models; answers checked in plain Python."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from rushmodel import (
    Database,
    Field,
    Model,
    Relation,
    Row,
    Vector,
    VectorField,
    connect,
    count,
    field,
    relation,
)
from rushmodel.current import current_database
from tests.serve.process import Process

WHOLE = Path(__file__).parents[2] / "shared" / "data" / "wordnet"
CHORDATE = "n01466257"
OUTSIDE = 735
"""Hypernyms that lie outside of the file."""


class Sense(Model):
    synset: Field[str] = field(key=True)
    domain: Field[str] = field(index=True)
    words: Field[list[str]]
    definition: Field[str]
    embedding: Vector = VectorField(dims=384, property="definition")
    broader: Relation[list[Sense]] = relation("HYPERNYM")
    narrower: Relation[list[Sense]] = relation("HYPERNYM", direction="in")


class Graph(NamedTuple):
    """What lies in the store: rows with their vectors (n, 384), and the synsets right below each."""

    rows: list[dict[str, Any]]
    vectors: npt.NDArray[np.float32]
    below: dict[str, set[str]]

    def under(self, synset: str, most: int = 20) -> set[str]:
        """All that paths of at most ``most`` hypernyms lead from."""
        found, level = set[str](), {synset}
        for _ in range(most):
            level = {each for one in level for each in self.below[one]} - found
            found |= level
        return found

    def named(self, word: str) -> str:
        return next(row["synset"] for row in self.rows if word in row["words"])


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    if not WHOLE.exists():
        pytest.skip(f"the WordNet graph is not at {WHOLE}")
    rows = [json.loads(line) for line in (WHOLE / "synsets.jsonl").read_text("utf-8").splitlines()]
    vectors = np.load(WHOLE / "vectors.f16.npy").astype(np.float32)
    senses = {
        row["synset"]: Sense(
            synset=row["synset"],
            domain=row["domain"],
            words=row["words"],
            definition=row["definition"],
            embedding=vector,
        )
        for row, vector in zip(rows, vectors, strict=True)
    }
    below, outside = defaultdict[str, set[str]](set), 0
    for row in rows:
        for hypernym in row["hypernyms"]:
            if hypernym in senses:
                below[hypernym].add(row["synset"])
                senses[row["synset"]].broader.attach(senses[hypernym])
            else:
                outside += 1
    assert outside == OUTSIDE
    database = connect(tmp_path_factory.mktemp("graph") / "wordnet.db", durability="normal", default=True)
    Sense.save_many(senses.values())
    yield Graph(rows, vectors, below)
    database.close()


def test_everything_under_chordate(graph: Graph) -> None:
    expected = graph.under(CHORDATE)
    found = Sense.find(Sense.broader.any(Sense.synset == CHORDATE, hops=(1, 20))).only(Sense.synset).all()
    assert {each.synset for each in found} == expected
    assert len(found) == len(expected) > 1000


@pytest.mark.parametrize("hops", [1, 2, (2, 3), (1, 4)])
def test_some_steps_under_chordate(graph: Graph, hops: Any) -> None:
    least, most = hops if isinstance(hops, tuple) else (hops, hops)
    steps: list[set[str]] = [{CHORDATE}]
    for _ in range(most):
        steps.append({each for one in steps[-1] for each in graph.below[one]})
    found = Sense.find(Sense.broader.any(Sense.synset == CHORDATE, hops=hops)).all()
    assert {each.synset for each in found} == set().union(*steps[least:])


def test_foods_under_dairy_product(graph: Graph) -> None:
    dairy = graph.named("dairy product")
    foods = Sense.find(Sense.domain == "food", Sense.broader.any(Sense.synset == dairy, hops=(1, 20)))
    assert {each.synset for each in foods} == graph.under(dairy)
    cheese = graph.named("cheese")
    assert cheese in {each.synset for each in foods}
    assert foods.where(Sense.broader.none(Sense.synset == cheese, hops=(1, 20))).count() == len(
        graph.under(dairy) - graph.under(cheese)
    )


@pytest.mark.soak
def test_all_of_it_to_a_server_and_back(graph: Graph, tmp_path: Path) -> None:
    """Bit for bit: what is exported from the file that was pulled is what is exported from the first one."""
    first = current_database()
    back = connect(tmp_path / "back.db", default=False)
    with Process(tmp_path / "served.db") as server:
        far = connect(server.url, token=server.token, default=False)
        report = first.push(far)
        assert (report.records, report.unchanged, report.checked) == (len(graph.rows), 0, 100)
        assert report.relationships == sum(map(len, graph.below.values()))
        assert back.pull(far).replaced(policies=report.policies) == report
        assert first.push(far).unchanged == len(graph.rows)
        far.close()
    assert exported(back, tmp_path / "back.jsonl") == exported(first, tmp_path / "first.jsonl")
    back.close()


def exported(database: Database, path: Path) -> list[str]:
    database.export_jsonl(path, with_vectors=True, relationships=True)
    return sorted(path.read_text("utf-8").splitlines())


def test_nearest_among_the_descendants_of_chordate(graph: Graph) -> None:
    inside = graph.under(CHORDATE)
    among = np.array([row["synset"] in inside for row in graph.rows])
    where = Sense.broader.any(Sense.synset == CHORDATE, hops=(1, 20))
    queries = np.load(WHOLE / "queries.npy")
    wide = graph.vectors[among].astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    names = [row["synset"] for row in graph.rows if row["synset"] in inside]
    for query in queries:
        hits = Sense.search(query, where=where, limit=10)
        scores = (1 + wide @ query / norms / np.linalg.norm(query.astype(np.float64))) / 2
        best = np.argsort(-scores, kind="stable")[:10]
        assert [hit.score for hit in hits] == pytest.approx(scores[best].tolist(), abs=1e-9)
        assert {hit.record.synset for hit in hits} == {names[each] for each in best}


class Children(Row):
    synset: str
    n: int


def test_children_are_counted(graph: Graph) -> None:
    rows = Sense.aggregate(Children, n=count(Sense.narrower)).group_by(Sense.synset).order_by(n="desc")
    widest = sorted(((len(below), synset) for synset, below in graph.below.items()), reverse=True)
    assert [row.n for row in rows.limit(10)] == [n for n, _ in widest[:10]]
    assert rows.first() == Children(synset=widest[0][1], n=widest[0][0])


def test_hypernyms_are_read_along(graph: Graph) -> None:
    found = Sense.find(Sense.domain == "food").with_(Sense.broader).all()
    above = defaultdict[str, set[str]](set)
    for synset, below in graph.below.items():
        for each in below:
            above[each].add(synset)
    assert all({one.synset for one in each.broader} == above[each.synset] for each in found)
    assert len(found) > 1000

"""Real data: WordNet synsets with their embeddings; exact search against brute force in float64.

2,000 synsets are always there. The whole set (21,669) is used where it lies beside the repository.
"""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment"

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from rushmodel import Coverage, Database, Field, Model, Vector, VectorField, connect, field
from rushmodel.port import Similarity

ROOT = Path(__file__).parents[1]
SMALL = ROOT / "examples" / "data"
WHOLE = ROOT.parent / "shared" / "data" / "wordnet"
DOMAINS = ("animal", "food", "artifact")
SEED = 20_260_101
K = 10


class Synset(Model):
    """One meaning; its vector belongs to two policies of one property."""

    synset: Field[str] = field(key=True)
    domain: Field[Literal["animal", "food", "artifact"]] = field(index=True)
    words: Field[list[str]]
    definition: Field[str]
    note: Field[str | None] = None
    embedding: Vector = VectorField(dims=384, similarity=("cosine", "euclidean"), property="definition")


class Data(NamedTuple):
    """A store, what is in it (rows with their vectors (n, 384)), and what is asked (queries (m, 384))."""

    database: Database
    rows: list[dict[str, Any]]
    vectors: npt.NDArray[np.float32]
    queries: npt.NDArray[np.float32]

    @property
    def domains(self) -> npt.NDArray[np.str_]:
        return np.array([row["domain"] for row in self.rows])


def read(folder: Path) -> tuple[list[dict[str, Any]], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    lines = (folder / "synsets.jsonl").read_text("utf-8").splitlines()
    vectors = np.load(folder / "vectors.f16.npy").astype(np.float32)
    return [json.loads(line) for line in lines], vectors, np.load(folder / "queries.npy")


def synsets(data: Data) -> Iterator[Synset]:
    for row, vector in zip(data.rows, data.vectors, strict=True):
        yield Synset(
            synset=row["synset"],
            domain=row["domain"],
            words=row["words"],
            definition=row["definition"],
            embedding=vector,
        )


@pytest.fixture(scope="module", params=["memory", "file"])
def small_store(request, tmp_path_factory):
    rows, vectors, queries = read(SMALL)
    location = "memory://" if request.param == "memory" else tmp_path_factory.mktemp("small") / "wordnet.db"
    yield from stored(location, rows, vectors, queries)


@pytest.fixture
def small(small_store):
    with small_store.database:
        yield small_store


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory):
    if not WHOLE.is_dir():
        pytest.skip(f"the whole data set is not there: {WHOLE}")
    rows, vectors, _ = read(WHOLE)
    chosen = np.random.default_rng(SEED).permutation(len(rows))
    asked, saved = chosen[:4038], np.sort(chosen[4038:])
    assert len(saved) == 17_631
    location = tmp_path_factory.mktemp("whole") / "wordnet.db"
    yield from stored(location, [rows[n] for n in saved], vectors[saved], vectors[asked])


@pytest.fixture
def whole(whole_store):
    with whole_store.database:
        yield whole_store


def stored(location: Any, rows: Any, vectors: Any, queries: Any) -> Iterator[Data]:
    database = connect(location, models=[Synset], durability="normal", default=False)
    data = Data(database, rows, vectors, queries)
    with database:
        report = Synset.save_many(synsets(data), batch=1000)
    assert (report.saved, report.failed) == (len(rows), ())
    yield data
    database.close()


def scores(data: Data, queries: npt.NDArray[np.float32], similarity: Similarity) -> npt.NDArray[np.float64]:
    """(m, n), by rule R10, in float64."""
    stored, asked = data.vectors.astype(np.float64), queries.astype(np.float64)
    squares, lengths = np.square(stored).sum(axis=1), np.square(asked).sum(axis=1)
    dots = asked @ stored.T
    if similarity == "cosine":
        made = (1 + dots / np.sqrt(np.outer(lengths, squares))) / 2
    else:
        made = 1 / (1 + np.maximum(lengths[:, None] + squares - 2 * dots, 0))
    return np.asarray(made, dtype=np.float64)


def check_recall(
    data: Data, queries: npt.NDArray[np.float32], similarity: Similarity, domain: str | None
) -> None:
    """Recall@10 is 1.0: every hit scores what brute force says, and no record left out scores more."""
    inside = np.ones(len(data.rows), dtype=np.bool_) if domain is None else data.domains == domain
    where = None if domain is None else Synset.domain == domain
    places = {row["synset"]: n for n, row in enumerate(data.rows)}
    for start in range(0, len(queries), 500):
        part = queries[start : start + 500]
        expected = scores(data, part, similarity)
        expected[:, ~inside] = -1
        for query, right in zip(part, expected, strict=True):
            hits = Synset.search(query, similarity=similarity, where=where, limit=K)
            found = np.array([places[hit.record.synset] for hit in hits])
            best = np.sort(right)[::-1][:K]
            assert len(set(found.tolist())) == K
            np.testing.assert_allclose(right[found], best, rtol=0, atol=1e-12)  # equal ones may change places
            np.testing.assert_allclose([hit.score for hit in hits], best, rtol=0, atol=1e-12)


@pytest.mark.parametrize("domain", [None, *DOMAINS])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_every_phrase_finds_what_brute_force_finds(small, similarity, domain):
    check_recall(small, small.queries, similarity, domain)


@pytest.mark.parametrize("domain", [None, "animal"])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_every_synset_finds_its_neighbours(small, similarity, domain):
    some = np.random.default_rng(SEED).choice(len(small.rows), 100, replace=False)
    check_recall(small, small.vectors[some], similarity, domain)


def test_each_is_its_own_best_hit(small):
    for n in range(0, len(small.rows), 97):
        best = Synset.search(small.vectors[n], similarity="cosine", limit=1)[0]
        assert best.score == pytest.approx(1, abs=1e-12)
        like = Synset.search(Synset.get(synset=small.rows[n]["synset"]), similarity="cosine", limit=K)
        assert small.rows[n]["synset"] not in [hit.record.synset for hit in like]


def test_the_policies_cover_everything(small):
    plan = small.database.plan()
    assert plan.in_sync
    assert [change.signature.similarity for change in plan.changes] == ["cosine", "euclidean"]
    assert {change.coverage for change in plan.changes} == {Coverage(2000, 2000)}


def test_what_goes_in_comes_out(small):
    found = {each.synset: each for each in Synset.find().with_vectors()}
    assert len(found) == 2000
    for row, vector in zip(small.rows, small.vectors, strict=True):
        each = found[row["synset"]]
        assert (each.words, each.definition, each.domain) == (row["words"], row["definition"], row["domain"])
        assert each.embedding.tobytes() == vector.tobytes()
    for domain in DOMAINS:
        assert Synset.find(Synset.domain == domain).count() == int((small.domains == domain).sum())


def change_another_field(data: Data, records: list[Synset]) -> None:
    """A saved change of another field leaves every record findable (promise 1)."""
    for n, record in enumerate(records):
        record.note = f"seen {n}"
    assert Synset.save_many(records).saved == len(records)
    Synset.find(Synset.domain == "food").update(note="eaten")
    assert Synset.find(Synset.note.exists()).count() == len(records)
    for similarity in ("cosine", "euclidean"):
        hits = Synset.search(data.queries[0], similarity=similarity, limit=len(records) + 1)
        assert len({hit.record.synset for hit in hits}) == len(records)


def test_a_change_of_another_field_leaves_every_record_findable(small):
    change_another_field(small, Synset.find().all())
    check_recall(small, small.queries, "cosine", None)
    check_recall(small, small.queries, "euclidean", "food")


# -- the whole set ------------------------------------------------------------

CASES = [(similarity, domain) for similarity in ("cosine", "euclidean") for domain in (None, "animal")]


@pytest.mark.parametrize(("similarity", "domain"), CASES)
def test_recall_over_17631_records(whole, similarity, domain):
    some = np.random.default_rng(SEED).choice(len(whole.queries), 400, replace=False)
    check_recall(whole, whole.queries[some], similarity, domain)


@pytest.mark.soak
@pytest.mark.parametrize(("similarity", "domain"), CASES)
def test_recall_of_all_4038_queries(whole, similarity, domain):
    check_recall(whole, whole.queries, similarity, domain)


def test_a_change_of_another_field_in_17631_records(whole):
    change_another_field(whole, Synset.find().all())
    some = np.random.default_rng(SEED + 1).choice(len(whole.queries), 50, replace=False)
    check_recall(whole, whole.queries[some], "euclidean", "artifact")

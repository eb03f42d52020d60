"""The exact nearest neighbours, against float64 arithmetic done one row at a time."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="func-returns-value"

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from rushmodel.backends.embedded import matrix as module
from rushmodel.backends.embedded.kernels import int8_dots
from rushmodel.backends.embedded.matrix import VectorMatrix
from rushmodel.backends.embedded.quantised import Quantised
from rushmodel.errors import VectorError

SIMILARITIES = ("cosine", "euclidean")


@pytest.fixture(autouse=True, scope="module", params=["as it comes", "eight bits"])
def scan(request):
    """Everything here holds whichever scan finds the candidates, also for rows too few to be worth it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "eight bits":
            if int8_dots() is None:
                pytest.skip("numkong has no fast int8 kernel for this processor")
            patch.setattr(module, "_WORTH_IT", 0)
            patch.setattr(module, "_FEW", 3)
        yield request.param


def ids(rows):
    return np.array(list(rows), dtype=np.int64)


def floats(vectors):
    return np.array(vectors, dtype=np.float32)


def filled(similarity, vectors, rows=None):
    vectors = floats(vectors)
    matrix = VectorMatrix(vectors.shape[1], similarity)
    matrix.put(ids(range(len(vectors)) if rows is None else rows), vectors)
    return matrix


def score(similarity, vector, query):
    """R10, with sums that are rounded once."""
    x, q = vector.astype(float).tolist(), query.astype(float).tolist()
    if similarity == "euclidean":
        return 1 / (1 + math.fsum((a - b) ** 2 for a, b in zip(x, q, strict=True)))
    dot = math.fsum(a * b for a, b in zip(x, q, strict=True))
    cosine = dot / math.sqrt(math.fsum(a * a for a in x)) / math.sqrt(math.fsum(b * b for b in q))
    return (1 + max(-1.0, min(1.0, cosine))) / 2


def check(similarity, held, found, query, k):
    """``found`` is the best k of ``held`` {row: vector}, but for scores that float64 cannot tell apart."""
    truth = {row: score(similarity, vector, query) for row, vector in held.items()}
    order = sorted(truth, key=lambda row: (-truth[row], row))
    assert len(found) == min(k, len(held)) == len({row for row, _ in found})
    for row, given_score in found:
        assert type(row) is int
        assert type(given_score) is float
        assert 0.0 <= given_score <= 1.0
        assert given_score == pytest.approx(truth[row], rel=1e-12, abs=1e-14)
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))
    for (row, _), best in zip(found, order, strict=False):
        assert truth[row] == pytest.approx(truth[best], rel=1e-12, abs=1e-14)
    if found:
        # Equal vectors get equal scores, so among them the smaller row comes first, and into the answer.
        inside = {row for row, _ in found}
        last = found[-1]
        for row, vector in held.items():
            if row not in inside and np.array_equal(vector, held[last[0]]):
                assert row > last[0]


# -- small and strange ------------------------------------------------------------

NUMBERS = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 0.1, 3.0, 1e-45, 1e-38, 1e-30, -1e-20, 1e18, -1e20, 1e37, 3.4e38]
) | (st.floats(-1, 1, width=32))


@st.composite
def collections(draw):
    dims = draw(st.integers(1, 9))
    one = st.lists(NUMBERS, min_size=dims, max_size=dims).map(floats)
    pool = draw(st.lists(one, min_size=1, max_size=8))
    vectors = draw(st.lists(st.sampled_from(pool) | one, min_size=0, max_size=30))
    return draw(st.permutations(range(len(vectors)))), vectors, draw(st.sampled_from(pool) | one)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=300, deadline=None)
@given(collections(), st.integers(0, 35), st.data())
@example(([0, 1], [floats([1e-10]), floats([0.0])], floats([0.0])), 1, None)
@example((range(6), [floats([0.0])] * 5 + [floats([1e-45])], floats([0.0])), 1, None)
def test_nearest_agrees_with_brute_force(similarity, collection, k, data):
    rows, vectors, query = collection
    if similarity == "cosine":
        assume(query.any())
        rows = [row for row, vector in zip(rows, vectors, strict=True) if vector.any()]
        vectors = [vector for vector in vectors if vector.any()]
    held = dict(zip(rows, vectors, strict=True))
    matrix = VectorMatrix(len(query), similarity)
    if vectors:
        matrix.put(ids(rows), floats(vectors))
    check(similarity, held, matrix.nearest(query, k), query, k)
    if data is not None:
        among = data.draw(st.lists(st.integers(-2, 32), max_size=40))
        without = data.draw(st.none() | st.integers(-1, 31))
        chosen = {row: held[row] for row in held if row in among and row != without}
        check(similarity, chosen, matrix.nearest(query, k, among=ids(among), without=without), query, k)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_equal_scores_go_by_row(similarity):
    rows = [9, 4, 7, 1, 8]
    matrix = filled(similarity, [[1, 2, 3]] * 5, rows)
    query = floats([3, 2, 1])
    for k in range(1, 6):
        assert [row for row, _ in matrix.nearest(query, k)] == sorted(rows)[:k]
        assert len({score for _, score in matrix.nearest(query, k)}) == 1


def test_r10_distances_that_no_score_can_tell_apart_go_by_row():
    matrix = filled("euclidean", [[1e-12, 0.0], [1e-9, 1.0], [0.0, 0.0]])
    assert matrix.nearest(floats([0, 0]), 1) == [(0, 1.0)]
    assert matrix.nearest(floats([0, 0]), 2) == [(0, 1.0), (2, 1.0)]


@pytest.mark.parametrize("dims", [1, 2, 3, 7, 8, 9, 64, 129, 768])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_equal_vectors_score_the_same_wherever_they_lie(similarity, dims):
    generator = np.random.default_rng(dims)
    one = generator.normal(size=dims).astype(np.float32)
    vectors = generator.normal(size=(1_200, dims)).astype(np.float32)
    same = [0, 1, 2, 3, 5, 8, 340, 341, 342, 682, 1_023, 1_024, 1_199]
    vectors[same] = one
    matrix = filled(similarity, vectors)
    query = (one + 0.01 * generator.normal(size=dims)).astype(np.float32)
    scores = dict(matrix.nearest(query, 1_200))
    alone = dict(filled(similarity, [one]).nearest(query, 1))
    assert {scores[row] for row in same} == {alone[0]}


def test_r10_scores():
    matrix = filled("cosine", [[1, 0], [0, 2], [-3, 0], [1, 1]])
    assert matrix.nearest(floats([5, 0]), 4) == [
        (0, 1.0),
        (3, pytest.approx((1 + 0.5**0.5) / 2)),
        (1, 0.5),
        (2, 0.0),
    ]
    matrix = filled("euclidean", [[1, 0], [0, 2], [-3, 0]])
    assert matrix.nearest(floats([1, 0]), 3) == [(0, 1.0), (1, 1 / 6), (2, 1 / 17)]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_vector_is_nearest_to_itself_with_score_1(similarity):
    vectors = np.random.default_rng(5).normal(size=(300, 96)).astype(np.float32)
    matrix = filled(similarity, vectors)
    assert [matrix.nearest(vector, 1)[0] for vector in vectors] == [(row, 1.0) for row in range(300)]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_empty_none_and_too_many(similarity):
    matrix = VectorMatrix(2, similarity)
    query = floats([1, 0])
    assert matrix.nearest(query, 5) == matrix.nearest(query, 5, among=ids([1])) == []
    matrix.put(ids([]), np.empty((0, 2), dtype=np.float32))
    assert len(matrix) == 0
    matrix.put(ids([7]), floats([[1, 0]]))
    assert matrix.nearest(query, 0) == matrix.nearest(query, -1) == []
    assert matrix.nearest(query, 10**9) == [(7, 1.0)]
    assert matrix.nearest(query, 5, among=ids([])) == matrix.nearest(query, 5, among=ids([8])) == []
    assert matrix.nearest(query, 5, without=7) == matrix.nearest(query, 5, among=ids([7]), without=7) == []
    assert matrix.nearest(query, 5, without=8) == [(7, 1.0)]
    matrix.drop(ids([7, 7, 8]))
    assert len(matrix) == 0
    assert matrix.nearest(query, 5, without=7) == []


def test_the_row_left_out_takes_nobodys_place():
    matrix = filled("euclidean", [[0.0], [1.0], [2.0], [3.0]])
    assert [row for row, _ in matrix.nearest(floats([0]), 2, without=0)] == [1, 2]
    assert [row for row, _ in matrix.nearest(floats([0]), 2, without=3)] == [0, 1]
    assert [row for row, _ in matrix.nearest(floats([0]), 1, among=ids([3, 0, 3]), without=0)] == [3]


@pytest.mark.parametrize(
    ("similarity", "vectors"),
    [
        ("cosine", [[1, 0], [0, 0]]),
        ("cosine", [[1, 0], [np.nan, 0]]),
        ("euclidean", [[1, 0], [0, np.inf]]),
        ("euclidean", [[1, 0], [-np.inf, np.inf]]),
        ("euclidean", [[1, 0, 0], [1, 0, 0]]),
        ("euclidean", [[1, 0]]),
        ("euclidean", [1, 0]),
    ],
)
def test_bad_vectors_are_refused_and_leave_the_matrix_as_it_was(similarity, vectors):
    matrix = filled(similarity, [[1, 1]])
    with pytest.raises(VectorError):
        matrix.put(ids([0, 5]), floats(vectors))
    assert len(matrix) == 1
    assert matrix.nearest(floats([1, 1]), 3) == [(0, 1.0)]


def test_bad_queries_are_refused():
    for similarity, query in (
        ("cosine", [0, 0]),
        ("euclidean", [np.nan, 0]),
        ("cosine", [np.inf, 0]),
        ("euclidean", [1, 0, 0]),
        ("cosine", [[1, 0]]),
    ):
        with pytest.raises(VectorError):
            filled(similarity, [[1, 1]]).nearest(floats(query), 1)


# -- where float32 alone would be wrong -------------------------------------------


def brute(similarity, vectors, query):
    """Rows by descending float64 score, then row."""
    wide, q = vectors.astype(np.float64), query.astype(np.float64)
    if similarity == "cosine":
        values = (wide @ q) / np.linalg.norm(wide, axis=1)
    else:
        values = -((wide - q) ** 2).sum(axis=1)
    return np.lexsort((np.arange(len(values)), -values)), values


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
def test_clustered_near_duplicates(similarity, spread):
    """5,000 x 64 within ``spread`` of one another, far from the origin: float32 scores cannot order them."""
    generator = np.random.default_rng(3)
    centre = generator.normal(size=64)
    vectors = (centre + spread * generator.normal(size=(5_000, 64))).astype(np.float32)
    matrix = filled(similarity, vectors)
    query = (centre + spread * generator.normal(size=64)).astype(np.float32)
    order, values = brute(similarity, vectors, query)
    for k in (1, 10, 500, 4_999):
        found = [row for row, _ in matrix.nearest(query, k)]
        # The last digits of float64 may differ, and the order with them, by nothing that counts.
        assert np.abs(values[found] - values[order[:k]]).max() <= 1e-13
        assert len(set(found)) == k
    wrong = np.lexsort((np.arange(5_000), -(vectors @ query)))[:500]
    if similarity == "cosine" and spread <= 1e-4:
        assert set(wrong) != set(order[:500])  # or this test would show nothing


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.19, 0.21, 0.29, 0.31, 0.5, 1.0])
def test_filtered_search_is_exact_at_every_share(similarity, share):
    generator = np.random.default_rng(7)
    rows = generator.permutation(50_000)[:6_000]
    vectors = (generator.normal(size=(6_000, 32)) + generator.integers(0, 3, size=(6_000, 1))).astype(
        np.float32
    )
    matrix = filled(similarity, vectors, rows)
    query = vectors[17] + np.float32(0.1)
    among = generator.choice(rows, size=int(6_000 * share), replace=False)
    chosen = np.isin(rows, among)
    order, _ = brute(similarity, vectors[chosen], query)
    with_strangers = np.concatenate([among, ids([-5, 60_000, 10**15]), among[:3]])
    found = matrix.nearest(query, 20, among=with_strangers)
    expected = rows[chosen][order[:20]].tolist()
    assert [row for row, _ in found] == expected
    assert matrix.nearest(query, 20, among=np.sort(with_strangers)) == found


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_one_vector_of_strange_size_does_not_disturb_the_others(similarity):
    generator = np.random.default_rng(11)
    vectors = generator.normal(size=(2_000, 16)).astype(np.float32)
    vectors[5] *= np.float32(1e38) / np.abs(vectors[5]).max()
    vectors[6] *= np.float32(1e-40)
    matrix = filled(similarity, vectors)
    for query in (vectors[9], vectors[5], vectors[6]):
        order, _ = brute(similarity, vectors, query)
        assert [row for row, _ in matrix.nearest(query, 10)] == order[:10].tolist()


@pytest.mark.parametrize("scale", [1e-41, 1e-30, 1e30, 3e38])
def test_directions_of_tiny_and_huge_vectors_are_told_apart(scale):
    """In float32 products of the smallest underflow, and sums over the largest overflow."""
    generator = np.random.default_rng(13)
    noise = generator.uniform(-0.1, 0.1, size=(3_000, 64))
    signs = generator.choice([-1.0, 1.0], size=(3_000, 64), p=[0.4, 0.6])
    vectors = (scale * (1 + noise) * (signs if scale > 1 else 1)).astype(np.float32)
    matrix = filled("cosine", vectors)
    query = np.full(64, scale, dtype=np.float32)
    order, values = brute("cosine", vectors, query)
    for k in (50, 2_000):
        found = [row for row, _ in matrix.nearest(query, k)]
        assert np.abs(values[found] - values[order[:k]]).max() <= 1e-13 * abs(values).max()


def test_many_candidates_are_scored_in_little_memory():
    """All of 20,000 x 256 are candidates: 20 MB of float32, of which no second copy is made."""
    vectors = np.full((20_000, 256), 0.5, dtype=np.float32)
    vectors[:, 0] += np.arange(20_000, dtype=np.float32) * np.float32(1e-7)
    matrix = filled("cosine", vectors)
    query = vectors[0].copy()
    matrix.nearest(query, 5)
    tracemalloc.start()
    found = matrix.nearest(query, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    order, _ = brute("cosine", vectors, query)
    assert found[0][1] == 1.0
    assert len(found) == 5
    assert {row for row, _ in found} <= set(order[:100].tolist())
    assert peak < 10_000_000


# -- eight bits -------------------------------------------------------------------


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=300, deadline=None)
@given(collections(), st.sampled_from([1.0, 1e-15, 1e15, 1e30]))
def test_the_bounds_hold(similarity, collection, scale):
    """The value that eight bits give is off by no more than they say, for every row."""
    _, vectors, query = collection
    with np.errstate(over="ignore", under="ignore"):
        vectors = [floats(np.asarray(vector) * np.float32(scale)) for vector in vectors]
    vectors = [
        each for each in vectors if np.isfinite(each).all() and (each.any() or similarity == "euclidean")
    ]
    assume(vectors and query.any())
    held = floats(vectors)
    wide, exact = held.astype(float), query.astype(float)
    squares, square = (wide**2).sum(axis=1), float((exact**2).sum())
    dots = int8_dots()
    assume(dots is not None)
    rows = Quantised(held.shape[1], similarity, dots)
    rows.reserve(len(held), 0)
    rows.put(np.arange(len(held)), held, np.sqrt(squares))
    value, error = rows.bounds(exact, square, squares, None, len(held), lambda: None)
    for each, given_value, given_error in zip(wide.tolist(), value.tolist(), error.tolist(), strict=True):
        if similarity == "euclidean":
            truth = -math.fsum((a - b) ** 2 for a, b in zip(each, exact.tolist(), strict=True))
        else:
            dot = math.fsum(a * b for a, b in zip(each, exact.tolist(), strict=True))
            truth = dot / math.sqrt(math.fsum(a * a for a in each)) / math.sqrt(square)
        assert abs(given_value - truth) <= given_error


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_eight_bits_leave_few_candidates(similarity, monkeypatch):
    """Of 20,000 clustered vectors a hundred or two are looked at again: the scan is worth something."""
    if int8_dots() is None:
        pytest.skip("numkong has no fast int8 kernel for this processor")
    generator = np.random.default_rng(5)
    centres = generator.standard_normal((50, 128))
    vectors = floats(
        centres[generator.integers(0, 50, 20_000)] + 0.7 * generator.standard_normal((20_000, 128))
    )
    matrix, looked_at = filled(similarity, vectors), []
    scores = matrix._scores
    monkeypatch.setattr(
        matrix, "_scores", lambda places, *rest: looked_at.append(len(places)) or scores(places, *rest)
    )
    for query in vectors[:20] + generator.standard_normal((20, 128)).astype(np.float32) * np.float32(0.1):
        matrix.nearest(query, 10)
    assert np.median(looked_at) < 400


# -- writes -----------------------------------------------------------------------


def test_of_a_row_given_twice_the_last_counts():
    matrix = filled("euclidean", [[1.0], [2.0], [3.0], [4.0]], [5, 6, 5, 7])
    assert len(matrix) == 3
    assert matrix.nearest(floats([3]), 1) == [(5, 1.0)]
    matrix.put(ids([7, 8, 7]), floats([[9], [8], [10]]))
    assert len(matrix) == 4
    assert matrix.nearest(floats([10]), 1) == [(7, 1.0)]
    assert [row for row, _ in matrix.nearest(floats([4]), 9)] == [5, 6, 8, 7]


def test_growth_is_amortised():
    matrix = VectorMatrix(2, "euclidean")
    buffers = set()
    for row in range(3_000):
        matrix.put(ids([row]), floats([[row, 0]]))
        buffers.add(len(matrix._rows))
    assert len(buffers) < 30
    assert matrix.nearest(floats([2_999, 0]), 1) == [(2_999, 1.0)]


def test_what_was_given_may_change_afterwards():
    vectors = floats([[1, 0], [0, 1]])
    matrix = filled("cosine", vectors)
    vectors[:] = 7
    assert matrix.nearest(floats([1, 0]), 1) == [(0, 1.0)]


def test_read_only_and_strided_vectors_are_taken():
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    wide.flags.writeable = False
    matrix = VectorMatrix(2, "euclidean")
    matrix.put(ids([1, 2, 3]), wide[:, ::2])
    assert matrix.nearest(wide[1, ::2], 1) == [(2, 1.0)]


class Matrices(RuleBasedStateMachine):
    """Any sequence of writes and searches, beside a dictionary."""

    vectors = st.lists(st.integers(-3, 3).map(float), min_size=3, max_size=3).map(floats)
    rows = st.integers(0, 40)

    @initialize(similarity=st.sampled_from(SIMILARITIES))
    def begin(self, similarity):
        self.similarity = similarity
        self.matrix = VectorMatrix(3, similarity)
        self.held = {}

    @rule(items=st.lists(st.tuples(rows, vectors), max_size=25))
    def put(self, items):
        if self.similarity == "cosine":
            items = [(row, vector) for row, vector in items if vector.any()]
        if items:
            self.matrix.put(ids(row for row, _ in items), floats([vector for _, vector in items]))
        self.held.update(items)

    @rule(rows=st.lists(rows, max_size=25))
    def drop(self, rows):
        self.matrix.drop(ids(rows))
        for row in rows:
            self.held.pop(row, None)

    @rule(query=vectors, k=st.integers(0, 45), among=st.none() | st.lists(rows), without=st.none() | rows)
    def search(self, query, k, among, without):
        if not query.any() and self.similarity == "cosine":
            return
        chosen = {
            row: vector
            for row, vector in self.held.items()
            if row != without and (among is None or row in among)
        }
        found = self.matrix.nearest(query, k, among=None if among is None else ids(among), without=without)
        check(self.similarity, chosen, found, query, k)

    @invariant()
    def as_many(self):
        assert len(self.matrix) == len(self.held)


def test_matrices_agree_with_a_dictionary():
    run_state_machine_as_test(
        Matrices, settings=settings(max_examples=120, stateful_step_count=25, deadline=None)
    )

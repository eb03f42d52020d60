from __future__ import annotations

import math

import numpy as np
import pytest

from rushmodel.backends.embedded import matrix
from rushmodel.errors import AmbiguousSearch, PolicyMissing, QueryError, StoreError, VectorError
from rushmodel.port import Link, LinkRecords, SearchVectors, Signature, UpdateRecords

from .store import cosine, euclidean, query, vec


@pytest.fixture
def compass(store):
    """Four records by direction, and one without a vector."""
    store.policy(cosine())
    for name, vector in {
        "east": (1, 0, 0),
        "north": (0, 2, 0),
        "west": (-3, 0, 0),
        "northeast": (1, 1, 0),
    }.items():
        store.save({"body": name, "n": len(name)}, vectors={cosine(): vec(*vector)})
    store.save({"body": "nowhere", "n": 0})
    return store


def bodies(records):
    return [record.data["body"] for record in records]


def test_the_nearest_come_first_with_their_scores(compass):
    found = compass.search(vec(2, 0, 0))
    assert bodies(found) == ["east", "northeast", "north", "west"]
    assert [hit.score for hit in found] == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, 0], abs=1e-6)
    assert found[0].vectors is None
    assert found[0].version == 1


def test_euclidean_scores(store):
    store.policy(euclidean())
    store.save({"body": "far"}, vectors={euclidean(): vec(3, 4, 0)})
    store.save({"body": "near"}, vectors={euclidean(): vec(0, 0, 1)})
    found = store.search(vec(0, 0, 0))
    assert [(hit.data["body"], hit.score) for hit in found] == [("near", 0.5), ("far", pytest.approx(1 / 26))]


def test_pages(compass):
    assert bodies(compass.search(vec(1, 0, 0), limit=2)) == ["east", "northeast"]
    assert bodies(compass.search(vec(1, 0, 0), limit=2, offset=1)) == ["northeast", "north"]
    assert bodies(compass.search(vec(1, 0, 0), offset=3)) == ["west"]
    assert compass.search(vec(1, 0, 0), limit=0) == compass.search(vec(1, 0, 0), limit=5, offset=9) == []


def test_min_score_and_without(compass):
    assert bodies(compass.search(vec(1, 0, 0), options={"min_score": 0.5})) == ["east", "northeast", "north"]
    assert bodies(compass.search(vec(1, 0, 0), options={"min_score": 0.6}, offset=1)) == ["northeast"]
    east = compass.search(vec(1, 0, 0), limit=1)[0].id
    assert bodies(compass.search(vec(1, 0, 0), limit=1, options={"without": east})) == ["northeast"]
    assert bodies(compass.search(vec(1, 0, 0), limit=1, options={"without": "nobody"})) == ["east"]


def test_what_is_read_of_a_hit(compass):
    (hit,) = compass.search(vec(1, 0, 0), limit=1, properties=("n",), vectors=(cosine(),))
    assert hit.data == {"n": 4}
    assert hit.vectors[cosine()].tolist() == [1, 0, 0]


def test_the_condition_comes_first(store):
    """The farthest of a thousand is found when it alone matches."""
    store.policy(cosine())
    angles = np.linspace(0, np.pi, 1000)
    for n, angle in enumerate(angles):
        store.save({"body": "x", "n": n}, vectors={cosine(): vec(np.cos(angle), np.sin(angle), 0)})
    found = store.search(vec(1, 0, 0), "A", {"n": {"$gte": 995}}, limit=5)
    assert [hit.data["n"] for hit in found] == [995, 996, 997, 998, 999]
    assert [hit.data["n"] for hit in store.search(vec(1, 0, 0), "A", {"n": {"$in": [999, 3]}})] == [3, 999]
    assert store.search(vec(1, 0, 0), "A", {"n": {"$gt": 5000}}) == []
    record = found[0]
    assert store.search(vec(1, 0, 0), "A", {"$id": record.id})[0].id == record.id


def test_equal_scores_go_by_age(store):
    store.policy(cosine())
    ids = [store.save({"body": "x"}, vectors={cosine(): vec(1, 1, 1)}).id for _ in range(20)]
    assert [hit.id for hit in store.search(vec(1, 0, 0), limit=7)] == ids[:7]


# -- which policy is meant ----------------------------------------------------


def test_no_policy_is_never_no_hit(store):
    assert store.search(vec(1, 0, 0)) == []  # the label has no records
    assert store.search(vec(1, 0, 0), ()) == []
    store.save({"body": "x"})
    with pytest.raises(PolicyMissing, match=r"label A, property 'body', dimensions 3.*create it") as raised:
        store.search(vec(1, 0, 0))
    assert (raised.value.labels, raised.value.property, raised.value.dimensions) == (("A",), "body", 3)
    assert raised.value.status == 404
    with pytest.raises(PolicyMissing):
        store.search(vec(1, 0, 0), ())
    store.policy(cosine(dims=4))
    with pytest.raises(PolicyMissing, match=r"there is A\.body external cosine 4"):
        store.search(vec(1, 0, 0))
    store.policy(cosine())
    for options in (
        {"source": "managed"},
        {"similarity": "euclidean"},
        {"source": "managed", "similarity": "cosine"},
    ):
        with pytest.raises(PolicyMissing):
            store.search(vec(1, 0, 0), options=options)
    with pytest.raises(PolicyMissing):
        store.search(vec(1, 0, 0), name="title")
    assert store.search(vec(1, 0, 0)) == store.search(vec(1, 0, 0), "Never") == []
    store.delete()
    assert store.search(vec(1, 0)) == []


def test_several_similarities_need_a_word(store):
    store.policy(cosine())
    store.policy(euclidean())
    with pytest.raises(AmbiguousSearch):
        store.search(vec(0, 1, 0))  # the label has never had a record
    store.save({"body": "x"}, vectors={cosine(): vec(1, 0, 0), euclidean(): vec(1, 0, 0)})
    with pytest.raises(AmbiguousSearch, match="similarityFunction") as raised:
        store.search(vec(0, 1, 0))
    assert raised.value.candidates == (cosine(), euclidean())
    assert raised.value.status == 422
    assert store.search(vec(0, 1, 0), options={"similarity": "cosine"})[0].score == pytest.approx(0.5)
    assert store.search(vec(0, 1, 0), options={"similarity": "euclidean"})[0].score == pytest.approx(1 / 3)


def test_external_policies_come_before_managed_ones(store):
    managed = Signature("A", "body", "managed", "euclidean", 3)
    store.policy(managed)
    store.policy(Signature("A", "body", "managed", "cosine", None))
    store.save({"body": "x"})
    assert store.search(vec(1, 0, 0)) == []  # the managed one fits, and holds nothing
    store.policy(cosine())
    store.save({"body": "y"}, vectors={cosine(): vec(1, 0, 0)})
    assert bodies(store.search(vec(1, 0, 0))) == ["y"]
    assert store.search(vec(1, 0, 0), options={"source": "managed"}) == []
    assert bodies(store.search(vec(1, 0, 0), options={"source": "external"})) == ["y"]


def test_several_labels_are_one_ranking(store):
    for label in "AB":
        store.policy(cosine(label))
    store.policy(cosine("D", dims=2))
    store.save({"body": "a1"}, "A", vectors={cosine("A"): vec(1, 0, 0)})
    store.save({"body": "b1"}, "B", vectors={cosine("B"): vec(1, 0.1, 0)})
    store.save({"body": "a2"}, "A", vectors={cosine("A"): vec(1, 0.2, 0)})
    store.save({"body": "b2"}, "B", vectors={cosine("B"): vec(1, 0.3, 0)})
    store.save({"body": "c", "extra": 1}, "C")
    store.save({"body": "d"}, "D", vectors={cosine("D", dims=2): vec(1, 0)})
    for labels in (("A", "B"), ("B", "A", "C"), ()):
        assert bodies(store.search(vec(1, 0, 0), labels)) == ["a1", "b1", "a2", "b2"]
        assert bodies(store.search(vec(1, 0, 0), labels, limit=2, offset=1)) == ["b1", "a2"]
    assert [hit.label for hit in store.search(vec(1, 0, 0), ())] == ["A", "B", "A", "B"]
    assert bodies(store.search(vec(1, 0, 0), (), {"body": {"$endsWith": "2"}}, limit=1)) == ["a2"]
    with pytest.raises(PolicyMissing):
        store.search(vec(1, 0, 0), ("C", "D"))
    store.policy(euclidean("C"))
    with pytest.raises(AmbiguousSearch):  # scores of two kinds make no one ranking
        store.search(vec(1, 0, 0), ("A", "C"))


@pytest.mark.parametrize(
    "vector",
    [vec(0, 0, 0), vec(math.nan, 1, 1), vec(math.inf, 1, 1), vec(3e38, 3e38, 3e38), vec(1e-40, 0, 0)],
    ids=str,
)
def test_queries_without_a_direction(compass, vector):
    with pytest.raises(VectorError):
        compass.search(vector)


def test_a_zero_query_under_euclidean_is_a_point(store):
    store.policy(euclidean())
    store.save({"body": "x"}, vectors={euclidean(): vec(0, 0, 0)})
    assert store.search(vec(0, 0, 0))[0].score == 1
    with pytest.raises(VectorError):
        store.search(vec(0, 0, math.nan))


def test_queries_that_are_no_vectors(compass):
    for vector in (np.array([1.0, 0, 0]), vec(1, 0, 0).reshape(1, 3)):
        with pytest.raises(VectorError, match="one float32 vector"):
            compass.search(vector)


def test_a_search_has_no_other_order(compass):
    with pytest.raises(QueryError, match="nearness"):
        compass.search(vec(1, 0, 0), order=["n"])
    with pytest.raises(QueryError):
        compass.search(vec(1, 0, 0), "A", {"n": {"$near": 1}})


# -- the matrix follows the file ----------------------------------------------


def test_every_kind_of_write_is_followed(compass):
    found = {body: hit.id for hit in compass.search(vec(1, 0, 0)) for body in bodies([hit])}

    def now():
        return bodies(compass.search(vec(1, 0, 0)))

    compass.save({}, record_id=found["west"], vectors={cosine(): vec(1, 0.01, 0)})
    assert now() == ["east", "west", "northeast", "north"]
    compass.delete("A", {"body": "east"})
    assert now() == ["west", "northeast", "north"]
    compass.save({}, record_id=found["west"], vectors={cosine(): None})
    assert now() == ["northeast", "north"]
    compass.save({"body": "new"}, vectors={cosine(): vec(1, 0, 0)})
    assert now() == ["new", "northeast", "north"]
    compass.upsert(compass.policies()[0].id, {found["north"]: vec(1, 0, 0)})
    assert now() == ["north", "new", "northeast"]
    compass.update({"body": "same"}, {"body": "new"})
    assert now() == ["north", "same", "northeast"]


def test_conditions_are_asked_anew_after_every_write(opened):
    """What a condition leaves is remembered, and only as long as nothing has changed."""
    first, second = opened(), opened()
    first.policy(cosine())
    where = {"n": {"$lt": 3}}

    def now(store):
        return {hit.data["n"] for hit in store.search(vec(1, 0, 0), "A", where)}

    written = [first.save({"body": "x", "n": n}, vectors={cosine(): vec(1, n, 0)}) for n in range(6)]
    for _ in range(2):
        assert now(first) == now(second) == {0, 1, 2}
    first.save({"n": 9}, record_id=written[0].id)
    assert now(first) == now(second) == {1, 2}
    second.save({"n": 0}, record_id=written[4].id)
    assert now(first) == now(second) == {0, 1, 2}
    with pytest.raises(VectorError):
        first.save({"n": 1}, record_id=written[5].id, vectors={cosine(): vec(0, 0, 0)})
    assert now(first) == now(second) == {0, 1, 2}
    transaction = first.backend.begin()
    transaction.execute(UpdateRecords(query("A", {"n": 1}), {"n": 7}))
    search = SearchVectors(query("A", where), "body", vec(1, 0, 0))
    assert {hit.data["n"] for hit in transaction.execute(search)} == {0, 2}
    assert now(first) == now(second) == {0, 1, 2}
    transaction.rollback()
    assert now(first) == now(second) == {0, 1, 2}
    first.delete("A", {"n": 2})
    assert now(first) == now(second) == {0, 1}


def test_a_write_that_was_rolled_back_is_not_followed(compass):
    before = compass.search(vec(1, 0, 0))
    for _ in range(3):
        with pytest.raises(VectorError):
            compass.upsert(
                compass.policies()[0].id, {before[0].id: vec(0, 0, 1), before[1].id: vec(0, 0, math.nan)}
            )
        assert compass.search(vec(1, 0, 0)) == before
    compass.save({"body": "up"}, vectors={cosine(): vec(0, 0, 1)})
    assert bodies(compass.search(vec(0, 0, 1), limit=1)) == ["up"]


def test_two_backends_follow_one_another(opened):
    first, second = opened(), opened()
    policy = first.policy(cosine())
    for n in range(30):
        writer, reader = (first, second) if n % 2 else (second, first)
        written = writer.save({"body": f"{n}", f"only{n}": [n]}, vectors={cosine(): vec(1, n, 0)})
        assert len(reader.search(vec(1, 0, 0))) == n + 1
        assert reader.search(vec(1, n, 0), limit=1)[0].data == {"body": f"{n}", f"only{n}": [n]}
        assert reader.count("A", {f"only{n}": n}) == 1
        if n == 20:
            first.delete("A", {"body": "0"})
            second.save({"body": "0"}, vectors={cosine(): vec(1, 0, 0)})
        assert written.id
    second.drop_policy(policy.id)
    with pytest.raises(PolicyMissing):
        first.search(vec(1, 0, 0))
    second.policy(cosine())
    assert first.search(vec(1, 0, 0)) == []


def test_a_number_that_a_deleted_policy_had_is_not_given_again(opened):
    """The second store's matrix has seen the numbers of vectors that are gone."""
    first, second = opened(), opened()
    first.policy(cosine())
    going = first.policy(cosine("B"))
    first.save({"body": "b"}, "B", vectors={cosine("B"): vec(1, 0, 0)})
    assert [hit.label for hit in second.search(vec(1, 0, 0), ("A", "B"))] == ["B"]
    first.save({"body": "a"}, vectors={cosine(): vec(0, 1, 0)})
    assert len(second.search(vec(1, 0, 0))) == 1
    first.save({"body": "b"}, "B", vectors={cosine("B"): vec(1, 0, 0)})
    assert len(second.search(vec(1, 0, 0), ())) == 3
    first.drop_policy(going.id)
    first.save({"body": "a"}, vectors={cosine(): vec(1, 0, 0)})
    assert len(second.search(vec(1, 0, 0))) == 2
    searcher = second.backend._reads[SearchVectors].__self__
    assert len(searcher._mirrors) == 1


@pytest.mark.parametrize("blob", [b"\0" * 8, b"\0" * 12, b"\xff" * 12], ids=["short", "zero", "nan"])
def test_damaged_vectors_are_reported(compass, blob):
    compass.backend._file.connection().execute(
        "UPDATE vectors SET vector = ? WHERE seq = (SELECT max(seq) FROM vectors)", (blob,)
    )
    with pytest.raises(StoreError, match="damaged"):
        compass.search(vec(1, 0, 0))


@pytest.mark.parametrize("signature", [cosine(dims=16), euclidean(dims=16)], ids=str)
def test_against_plain_numpy(opened, signature):
    generator = np.random.default_rng(7)
    store = opened()
    policy = store.policy(signature)
    vectors = generator.standard_normal((9000, 16)).astype(np.float32)  # more than one reading's worth
    ids = store.save_all([{"body": "x", "n": n} for n in range(len(vectors))])
    store.upsert(policy.id, dict(zip(ids, vectors, strict=True)))
    again = opened()
    for _ in range(5):
        query = generator.standard_normal(16).astype(np.float32)
        wide, q = vectors.astype(np.float64), query.astype(np.float64)
        if signature.similarity == "cosine":
            scores = (1 + wide @ q / np.linalg.norm(wide, axis=1) / np.linalg.norm(q)) / 2
        else:
            scores = 1 / (1 + ((wide - q) ** 2).sum(axis=1))
        order = np.argsort(-scores, kind="stable")
        found = again.search(query, limit=10)
        assert [hit.data["n"] for hit in found] == order[:10].tolist()
        assert [hit.score for hit in found] == pytest.approx(scores[order[:10]].tolist(), rel=1e-6)
        among = order[order % 100 == 0]
        found = again.search(query, "A", {"n": {"$in": among.tolist()}}, limit=10)
        assert [hit.data["n"] for hit in found] == among[:10].tolist()


@pytest.mark.parametrize("share", [0.02, 0.25, 0.6])
def test_conditions_across_relationships_are_exact(store, monkeypatch, share):
    """They are decided first, as any others: picked out, or from a scan of all (`quantised`)."""
    monkeypatch.setattr(matrix, "_WORTH_IT", 0)
    monkeypatch.setattr(matrix, "_FEW", 3)
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(200, 3)).astype(np.float32)
    store.policy(cosine())
    author = store.save({"name": "Ann"}, "AUTHOR").id
    written = [
        store.save({"body": "x", "n": n}, vectors={cosine(): vector}).id for n, vector in enumerate(vectors)
    ]
    hers = np.sort(generator.choice(200, int(200 * share), replace=False))
    store.do(LinkRecords([Link(written[n], author, "BY") for n in hers]))
    question = vec(1, 2, 3)
    cosines = vectors @ question / np.linalg.norm(vectors, axis=1)
    nearest = hers[np.argsort(-cosines[hers])][:4].tolist()
    for asked in (
        query(limit=4, where={"AUTHOR": {"name": "Ann"}}),
        query(limit=4, where={"AUTHOR": {"$relation": {"type": "BY"}, "name": "Ann"}}),
        query(limit=4, related_to=author),
    ):
        assert [hit.data["n"] for hit in store.do(SearchVectors(asked, "body", question))] == nearest

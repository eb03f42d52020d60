"""``ai.search`` and ``records.vector_search``: which policy is meant, what is found, in what order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushmodel import AmbiguousSearch, CapabilityError, PolicyMissing, QueryError, RushDB

AXES = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
SEARCH = {"labels": ["A"], "propertyName": "body", "queryVector": [1, 0, 0]}


def index(db: RushDB, **changed: Any) -> str:
    policy = {"label": "A", "propertyName": "body", "external": True, "dimensions": 3, **changed}
    return str(db.ai.indexes.create(policy).data["id"])


def fill(db: RushDB, label: str = "A") -> None:
    db.records.create_many(
        label,
        [{"body": f"b{n}", "n": n} for n in range(3)],
        vectors=[[{"propertyName": "body", "vector": axis}] for axis in AXES],
    )


def test_both_names_are_one(db: RushDB, recwarn: pytest.WarningsRecorder) -> None:
    index(db)
    fill(db)
    one, other = db.ai.search(SEARCH), db.records.vector_search(SEARCH)
    assert [hit.data for hit in one] == [hit.data for hit in other]
    assert (len(one), one.total, one.has_more, one.search_query) == (3, 3, False, SEARCH)
    assert not recwarn.list
    best = one[0]
    assert best.data.keys() == {"__id", "__label", "body", "n", "__proptypes", "__score"}
    assert best.score == best["__score"] == pytest.approx(1.0)
    assert best.fields == {"body": "b0", "n": 0}


@pytest.mark.parametrize(
    "vector",
    [
        [1, 0, 0],
        (1.0, 0.0, 0.0),
        np.array([1, 0, 0]),
        np.array([1, 0, 0], dtype=np.float32),
        np.array([[1, 0, 0], [0, 1, 0]])[0],
    ],
)
def test_whatever_holds_numbers(db: RushDB, vector: Any) -> None:
    policy = index(db)
    record = db.records.create("A", {"body": "b"}, vectors=[{"propertyName": "body", "vector": vector}])
    db.ai.indexes.upsert_vectors(policy, {"items": [{"recordId": record.id, "vector": vector}]})
    assert db.ai.search({**SEARCH, "queryVector": vector})[0].score == pytest.approx(1.0)


def test_conditions_and_pages(db: RushDB) -> None:
    index(db)
    fill(db)

    def bodies(**more: Any) -> list[str]:
        return [hit["body"] for hit in db.ai.search({**SEARCH, "queryVector": [3, 2, 1], **more})]

    assert bodies() == bodies(labels="A") == bodies(limit=3) == ["b0", "b1", "b2"]
    assert bodies(where={"n": {"$gt": 0}}) == ["b1", "b2"]
    assert bodies(where={"n": {"$gt": 0}}, limit=1) == ["b1"]
    assert bodies(limit=1, skip=1) == ["b1"]
    assert bodies(skip=3) == bodies(limit=0) == []
    assert bodies(dimensions=3) == ["b0", "b1", "b2"]
    assert bodies(labels=None, where={"__label": "A", "n": 2}) == ["b2"]


def test_the_usual_page_is_twenty(db: RushDB) -> None:
    index(db)
    vector = [[{"propertyName": "body", "vector": [1, n, 0]}] for n in range(25)]
    db.records.create_many("A", [{"body": str(n)} for n in range(25)], vectors=vector)
    assert [hit["body"] for hit in db.ai.search(SEARCH)] == [str(n) for n in range(20)]


def test_several_labels(db: RushDB) -> None:
    index(db)
    index(db, label="B")
    fill(db)
    fill(db, "B")
    found = db.ai.search({**SEARCH, "labels": ["A", "B"], "limit": 2})
    assert [(hit.label, hit["body"]) for hit in found] == [("A", "b0"), ("B", "b0")]


def test_which_policy_is_meant(db: RushDB) -> None:
    index(db)
    index(db, similarityFunction="euclidean")
    index(db, external=None, sourceType="managed")
    db.records.create("A", {"body": "of neither"})
    with pytest.raises(AmbiguousSearch) as refused:
        db.ai.search(SEARCH)
    assert refused.value.status == 422
    with pytest.raises(AmbiguousSearch):
        db.ai.search({**SEARCH, "sourceType": "external"})
    for chosen in ("cosine", "euclidean"):
        db.records.create(
            "A",
            {"body": chosen},
            vectors=[{"propertyName": "body", "vector": [2, 0, 0], "similarityFunction": chosen}],
        )
        found = db.ai.search({**SEARCH, "similarityFunction": chosen})
        assert [hit["body"] for hit in found] == [chosen]
        assert found[0].score == pytest.approx(1.0 if chosen == "cosine" else 0.5)  # R10
    assert db.ai.search({**SEARCH, "sourceType": "managed"}).data == []  # there, and without vectors


def test_a_missing_policy(db: RushDB) -> None:
    assert db.ai.search(SEARCH).data == []  # no record of the label: nothing is missed (promise 7)
    db.records.create("A", {"body": "b"})
    with pytest.raises(PolicyMissing) as refused:
        db.ai.search(SEARCH)
    assert refused.value.status == 404
    index(db)
    assert db.ai.search(SEARCH).data == []
    for other in (
        {"sourceType": "managed"},
        {"similarityFunction": "euclidean"},
        {"queryVector": [1, 0]},
        {"propertyName": "title"},
    ):
        with pytest.raises(PolicyMissing):
            db.ai.search({**SEARCH, **other})


def test_text_needs_an_embedder(db: RushDB) -> None:
    index(db)
    text = {"labels": ["A"], "propertyName": "body", "query": "words"}
    with pytest.raises(CapabilityError, match="query: no embedder is connected") as refused:
        db.ai.search(text)
    assert refused.value.missing == "embedder"
    with pytest.raises(CapabilityError, match="no language model"):
        db.ai.search("articles about warp drives")
    with pytest.raises(QueryError, match="query or queryVector, not both") as both:
        db.ai.search({**text, "queryVector": [1, 0, 0]})
    assert both.value.status == 422
    with pytest.raises(QueryError, match="queryVector: expected a vector, got nothing") as neither:
        db.ai.search({"labels": ["A"], "propertyName": "body"})
    assert neither.value.status == 422
    with pytest.raises(CapabilityError, match="fusion"):
        db.records.vector_search({**SEARCH, "fusion": "rrf"})
    with pytest.raises(QueryError, match="current_query"):
        db.ai.search(SEARCH, {"labels": ["A"]})

"""``db.ai.indexes``: policies as documents, their statistics, and vectors in bulk."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from rushmodel import NotFound, PolicyConflict, PolicyMissing, RushDB, VectorError

DOC = {"label": "Doc", "propertyName": "body", "external": True, "dimensions": 3}


def test_a_policy_in_full(db: RushDB) -> None:
    policy = db.ai.indexes.create(DOC).data
    assert policy == {
        "id": policy["id"],
        "projectId": "",
        "label": "Doc",
        "propertyName": "body",
        "modelKey": "",
        "sourceType": "external",
        "similarityFunction": "cosine",
        "dimensions": 3,
        "vectorPropertyName": "_emb_external_cosine_3",
        "enabled": True,
        "status": "awaiting_vectors",
        "createdAt": policy["createdAt"],
        "updatedAt": policy["createdAt"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", policy["createdAt"])
    response = db.ai.indexes.find()
    assert (response.data, response.success) == ([policy], True)


def test_defaults(db: RushDB) -> None:
    managed = db.ai.indexes.create({"label": "Doc", "propertyName": "body"}).data
    assert (managed["sourceType"], managed["similarityFunction"], managed["dimensions"]) == (
        "managed",
        "cosine",
        None,
    )
    assert (managed["status"], managed["vectorPropertyName"]) == ("pending", "_emb_managed_cosine")
    # As a server has it (trace 01): whichever key says external decides.
    either: list[dict[str, Any]] = [
        {"external": True},
        {"sourceType": "external"},
        {"external": True, "sourceType": "managed"},
        {"external": False, "sourceType": "external"},
    ]
    for number, ways in enumerate(either):
        made = db.ai.indexes.create({"label": f"L{number}", "propertyName": "p", "dimensions": 4096, **ways})
        assert made.data["sourceType"] == "external"


def test_deleting(db: RushDB) -> None:
    policy = db.ai.indexes.create(DOC).data["id"]
    assert db.ai.indexes.delete(policy).data == {"deleted": True, "queued": True}
    assert db.ai.indexes.find().data == []
    for again in (
        lambda: db.ai.indexes.delete(policy),
        lambda: db.ai.indexes.stats(policy),
        lambda: db.ai.indexes.upsert_vectors(policy, {"items": []}),
    ):
        with pytest.raises(PolicyMissing, match=policy) as refused:
            again()
        assert refused.value.status == 404
    assert db.ai.indexes.create(DOC).data["id"] != policy


def test_statistics(db: RushDB) -> None:
    policy = db.ai.indexes.create(DOC).data["id"]
    assert db.ai.indexes.stats(policy).data == {"totalRecords": 0, "indexedRecords": 0}
    first, *_ = db.records.create_many("Doc", [{"body": "a"}, {"body": "b"}, {"other": 1}])
    db.records.create("Paper", {"body": "c"})
    items = [{"recordId": first.id, "vector": [1, 0, 0]}]
    assert db.ai.indexes.upsert_vectors(policy, {"items": items}).data == {"updated": 1, "requested": 1}
    assert db.ai.indexes.stats(policy).data == {"totalRecords": 2, "indexedRecords": 1}
    assert db.ai.indexes.upsert_vectors(policy, {"items": []}).data == {"updated": 0, "requested": 0}


def test_a_property_that_is_no_text(db: RushDB) -> None:
    db.records.create("Any", {"body": 5})
    with pytest.raises(PolicyConflict, match="body") as refused:
        db.ai.indexes.create(DOC)
    assert refused.value.status == 422
    assert db.ai.indexes.find().data == []


def test_vectors_are_all_or_nothing(db: RushDB) -> None:
    policy = db.ai.indexes.create(DOC).data["id"]
    record, bare = db.records.create_many("Doc", [{"body": "a"}, {"n": 1}])
    other = db.records.create("Paper", {"body": "a"})
    good = {"recordId": record.id, "vector": [1, 0, 0]}
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"recordId": "nobody", "vector": [1, 0, 0]}, NotFound, "nobody"),
        ({"recordId": other.id, "vector": [1, 0, 0]}, NotFound, other.id),
        ({"recordId": bare.id, "vector": [1, 0, 0]}, NotFound, bare.id),
        ({"recordId": record.id, "vector": [1, 0]}, VectorError, "3"),
        ({"recordId": record.id, "vector": [0, 0, 0]}, VectorError, "norm"),
        ({"recordId": record.id, "vector": [1, float("nan"), 0]}, VectorError, r"items\[1\]\.vector.*nan"),
        ({"recordId": record.id, "vector": [1, "0", 0]}, VectorError, r"items\[1\]\.vector.*str"),
        ({"recordId": record.id, "vector": [1, True, 0]}, VectorError, r"items\[1\]\.vector.*bool"),
        ({"recordId": record.id, "vector": [1e300, 0, 0]}, VectorError, r"items\[1\]\.vector.*float32"),
        ({"recordId": record.id, "vector": []}, VectorError, r"items\[1\]\.vector.*at least one"),
        ({"recordId": record.id}, VectorError, r"items\[1\]\.vector.*NoneType"),
        ({"recordId": 5, "vector": [1, 0, 0]}, VectorError, r"items\[1\]: recordId: .*got 5"),
        ({"vector": [1, 0, 0]}, VectorError, r"items\[1\]: recordId: .*got nothing"),
    ]
    for item, error, message in wrong:
        with pytest.raises(error, match=message):
            db.ai.indexes.upsert_vectors(policy, {"items": [good, item]})
    assert db.ai.indexes.stats(policy).data["indexedRecords"] == 0
    last = {**good, "vector": [0, 0, 1]}
    assert db.ai.indexes.upsert_vectors(policy, {"items": [good, last]}).data["updated"] == 2
    search = {"labels": ["Doc"], "propertyName": "body", "queryVector": [0, 0, 1]}
    assert db.ai.search(search)[0].score == pytest.approx(1.0)  # the last one wins (R7)


def test_a_batch_of_a_matrix(db: RushDB) -> None:
    policy = db.ai.indexes.create({**DOC, "dimensions": 32}).data["id"]
    matrix = np.random.default_rng(7).normal(size=(300, 32)).astype(np.float32)
    made = db.records.create_many("Doc", [{"body": str(n)} for n in range(300)])
    items = [{"recordId": record.id, "vector": row} for record, row in zip(made, matrix, strict=True)]
    db.ai.indexes.upsert_vectors(policy, {"items": items})
    found = db.ai.search({"labels": ["Doc"], "propertyName": "body", "queryVector": matrix[123], "limit": 5})
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    scores = (1 + unit @ unit[123]) / 2
    best = np.argsort(-scores, kind="stable")[:5]
    assert [int(hit["body"]) for hit in found] == best.tolist()
    assert [hit["__score"] for hit in found] == pytest.approx(scores[best].tolist(), abs=1e-6)

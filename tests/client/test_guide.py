"""The "Bring Your Own Vectors" guide of RushDB, line by line, with only its import changed.

``byov_guide.txt`` is the guide. Its code stands here in its own words (the site shows it without
indentation), and a test sees to it that none of it is missing.
"""

# ruff: noqa: ERA001  (some of the guide's comments look like code)

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushmodel import AmbiguousSearch, PolicyExists, PolicyMissing, RushDB, VectorError

GUIDE = Path(__file__).with_name("byov_guide.txt").read_text(encoding="utf-8").splitlines()
CODE = [(9, 17), (34, 40), (44, 49), (52, 75), (87, 119), (122, 134), (138, 147)]
"""Where the guide has code: first and last line of each block."""
SIGNATURE = (30, 33)


class Embedder:
    """Stands for the reader's own model: the same text has the same direction."""

    def embed(self, text: str) -> list[float]:
        numbers = np.random.default_rng(list(text.encode())).normal(size=768)
        return [float(number) for number in numbers]


my_embedder = Embedder()
vec = my_embedder.embed("Widget")


@pytest.fixture
def db(location: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RUSHMODEL_URL", location)
    with RushDB(os.environ.get("RUSHDB_API_KEY", "your-api-key")) as client:
        yield client


def create_article_index(db: RushDB, **changed: Any) -> str:
    policy = {"label": "Article", "propertyName": "body", "sourceType": "external", "dimensions": 768}
    return str(db.ai.indexes.create({**policy, **changed}).data["id"])


def status(db: RushDB, index_id: str) -> str:
    return next(str(policy["status"]) for policy in db.ai.indexes.find().data if policy["id"] == index_id)


# fmt: off
def test_creating_an_external_index(db: RushDB, capsys: pytest.CaptureFixture[str]) -> None:
    # Explicit sourceType
    response = db.ai.indexes.create({
        "label": "Article",
        "propertyName": "body",
        "sourceType": "external",
        "dimensions": 768,
        "similarityFunction": "cosine",
    })
    print(response.data["status"]) # 'awaiting_vectors'
    assert capsys.readouterr().out == "awaiting_vectors\n"

    db.records.create(label="Article", data={"body": "b"}, vectors=[{"propertyName": "body", "vector": vec}])
    assert status(db, response.data["id"]) == "ready"


def test_upserting_vectors(db: RushDB) -> None:
    ext_index_id = create_article_index(db)
    db.records.create_many("Article", [{"body": f"text {number}"} for number in range(7)])

    # Fetch your records and embed them with your own model
    records_response = db.records.find({"where": {"__label": "Article"}})
    items = []
    for record in records_response.data:
        vector = my_embedder.embed(record["body"]) # your embedding model
        items.append({"recordId": record["__id"], "vector": vector})
    db.ai.indexes.upsert_vectors(ext_index_id, {"items": items})

    assert status(db, ext_index_id) == "ready"
    assert db.ai.indexes.stats(ext_index_id).data == {"totalRecords": 7, "indexedRecords": 7}
    query = {"labels": ["Article"], "propertyName": "body", "queryVector": my_embedder.embed("text 3")}
    before = [(hit.id, hit.score) for hit in db.ai.search(query)]
    assert db.ai.search(query).data[0]["body"] == "text 3"

    # "The request is idempotent — calling it again with the same recordId replaces the stored vector."
    again = db.ai.indexes.upsert_vectors(ext_index_id, {"items": items})
    assert again.data == {"updated": 7, "requested": 7}
    assert [(hit.id, hit.score) for hit in db.ai.search(query)] == before
    moved = {**items[0], "vector": my_embedder.embed("text 3")}
    db.ai.indexes.upsert_vectors(ext_index_id, {"items": [moved]})
    assert {hit.id for hit in db.ai.search({**query, "limit": 2})} == {before[0][0], moved["recordId"]}
    assert db.ai.indexes.stats(ext_index_id).data["indexedRecords"] == 7


def test_writing_vectors_at_record_creation_time(db: RushDB) -> None:
    index_id = create_article_index(db)
    assert status(db, index_id) == "awaiting_vectors"

    # One step: create record AND write its vector
    record = db.records.create(
        label="Article",
        data={"title": "Warp drives", "body": "Alcubierre metric..."},
        vectors=[{"propertyName": "body", "vector": my_embedder.embed("Alcubierre metric...")}],
    )

    assert status(db, index_id) == "ready"
    vector = my_embedder.embed("Alcubierre metric...")
    query = {"labels": ["Article"], "propertyName": "body", "queryVector": vector}
    assert db.ai.search(query).data == [record]
    assert db.ai.search(query).data[0].score == pytest.approx(1.0)


def test_disambiguation(db: RushDB) -> None:
    cosine, euclidean = create_article_index(db), create_article_index(db, similarityFunction="euclidean")

    # Two indexes: Article:body/cosine and Article:body/euclidean
    # ✅ Explicit — writes to the cosine index only
    db.records.create(
        label="Article",
        data={"title": "Widget", "body": "..."},
        vectors=[{
            "propertyName": "body",
            "vector": vec,
            "similarityFunction": "cosine", # required when ambiguous
        }],
    )
    assert db.ai.indexes.stats(cosine).data["indexedRecords"] == 1
    assert db.ai.indexes.stats(euclidean).data["indexedRecords"] == 0
    assert [status(db, cosine), status(db, euclidean)] == ["ready", "awaiting_vectors"]

    db.records.create(
        label="Article",
        data={"title": "Euclid", "body": "..."},
        vectors=[{"propertyName": "body", "vector": vec, "similarityFunction": "euclidean"}],
    )
    found = (
        # ✅ Explicit — searches the euclidean index only
        db.ai.search({
            "labels": ["Article"],
            "propertyName": "body",
            "queryVector": vec,
            "similarityFunction": "euclidean",
        })
    )
    assert [hit["title"] for hit in found] == ["Euclid"]

    with pytest.raises(AmbiguousSearch) as refused:
        # ❌ Missing similarityFunction when two indexes exist → 422 Unprocessable Entity
        db.records.create(
            label="Article",
            data={"title": "Gadget"},
            vectors=[{"propertyName": "body", "vector": vec}], # ambiguous!
        )
    assert refused.value.status == 422
    assert db.records.find_one({"labels": ["Article"], "where": {"title": "Gadget"}}) is None
    with pytest.raises(AmbiguousSearch, match="similarityFunction"):
        db.ai.search({"labels": ["Article"], "propertyName": "body", "queryVector": vec})


def test_index_signature_uniqueness(db: RushDB) -> None:
    create_article_index(db)
    with pytest.raises(PolicyExists) as refused:
        create_article_index(db)
    assert refused.value.status == 409
    with pytest.raises(PolicyExists):  # the default similarity, and the other way to say external
        create_article_index(db, similarityFunction="cosine", sourceType=None, external=True)

    # "Changing any one field produces a distinct index and both are allowed to coexist."
    for field, value in {
        "label": "Paper",
        "propertyName": "title",
        "sourceType": "managed",
        "similarityFunction": "euclidean",
        "dimensions": 769,
    }.items():
        create_article_index(db, **{field: value})
        with pytest.raises(PolicyExists):
            create_article_index(db, **{field: value})
    assert len(db.ai.indexes.find().data) == 6


def test_complete_byov_worked_example(
    location: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUSHMODEL_URL", location)

    from rushmodel import RushDB
    db = RushDB("your-api-key")
    # 1. Create the external index
    idx_response = db.ai.indexes.create({
        "label": "Doc",
        "propertyName": "content",
        "sourceType": "external",
        "dimensions": 3,
        "similarityFunction": "cosine",
    })
    ext_index_id = idx_response.data["id"]
    # status: 'awaiting_vectors'
    assert status(db, ext_index_id) == "awaiting_vectors"
    # 2. Create records + write inline vectors (one round trip per record)
    articles: Any
    articles = [
        {"title": "Alpha", "content": "First article", "vector": [1, 0, 0]},
        {"title": "Beta", "content": "Second article", "vector": [0, 1, 0]},
        {"title": "Gamma", "content": "Third article", "vector": [0, 0, 1]},
    ]
    for article in articles:
        db.records.create(
            label="Doc",
            data={"title": article["title"], "content": article["content"]},
            vectors=[{"propertyName": "content", "vector": article["vector"]}],
        )
    assert status(db, ext_index_id) == "ready"
    # 3. Search using a pre-computed query vector
    results = db.ai.search({
        "labels": ["Doc"],
        "propertyName": "content",
        "queryVector": [1, 0, 0], # closest to Alpha
        "limit": 3,
    })
    print(results.data[0]["title"]) # 'Alpha'
    print(results.data[0].score) # ~1.0

    title, score = capsys.readouterr().out.splitlines()
    assert title == "Alpha"
    assert float(score) == pytest.approx(1.0)
    assert [hit.score for hit in results.data[1:]] == pytest.approx([0.5, 0.5])  # R10
    db.close()


def test_batch_import_with_create_many(db: RushDB) -> None:
    db.ai.indexes.create({"label": "Doc", "propertyName": "content", "external": True, "dimensions": 3})

    db.records.create_many(
        label="Doc",
        data=[
            {"title": "Alpha", "content": "First article"},
            {"title": "Beta", "content": "Second article"},
            {"title": "Gamma", "content": "Third article"},
        ],
        vectors=[
            [{"propertyName": "content", "vector": [1, 0, 0]}],
            [{"propertyName": "content", "vector": [0, 1, 0]}],
            [{"propertyName": "content", "vector": [0, 0, 1]}],
        ],
    )

    for title, query in {"Alpha": [1, 0, 0], "Beta": [0, 1, 0], "Gamma": [0, 0, 1]}.items():
        found = db.ai.search({"labels": ["Doc"], "propertyName": "content", "queryVector": query})
        assert found[0]["title"] == title
        assert found[0].score == pytest.approx(1.0)
        assert len(found) == 3


def test_nested_json_then_upsert_vectors(db: RushDB) -> None:
    # "use import_json to create records and then call db.ai.indexes.upsert_vectors()"
    policy = {"label": "Doc", "propertyName": "content", "external": True, "dimensions": 3}
    index = db.ai.indexes.create(policy)
    shelf = {"title": "Shelf", "Doc": [{"content": "First"}, {"content": "Second", "Note": {"text": "n"}}]}
    imported = db.records.import_json(shelf, label="Box")
    docs = [record for record in imported if record.label == "Doc"]
    axes = [[1, 0, 0], [0, 1, 0]]
    items = [{"recordId": doc.id, "vector": axis} for doc, axis in zip(docs, axes, strict=True)]
    db.ai.indexes.upsert_vectors(index.data["id"], {"items": items})
    found = db.ai.search({"labels": ["Doc"], "propertyName": "content", "queryVector": [0, 1, 0]})
    assert [hit["content"] for hit in found] == ["Second", "First"]


def test_mixing_managed_and_external_indexes(db: RushDB) -> None:
    # Managed — server embeds for full-text search
    db.ai.indexes.create({"label": "Product", "propertyName": "description"})
    # External — your custom multimodal model
    db.ai.indexes.create({
        "label": "Product",
        "propertyName": "description",
        "sourceType": "external",
        "dimensions": 512,
        "similarityFunction": "cosine",
    })
    managed, external = db.ai.indexes.find().data
    assert [managed["sourceType"], managed["status"], managed["dimensions"]] == ["managed", "pending", None]
    assert [external["sourceType"], external["status"]] == ["external", "awaiting_vectors"]
    db.records.create(
        "Product", {"description": "chair"}, vectors=[{"propertyName": "description", "vector": vec[:512]}]
    )
    query = {"labels": ["Product"], "propertyName": "description", "queryVector": vec[:512]}
    assert len(db.ai.search(query)) == len(db.ai.search({**query, "similarityFunction": "cosine"})) == 1
# fmt: on


def test_no_index_matches(db: RushDB) -> None:
    create_article_index(db)
    for vectors in (
        [{"propertyName": "title", "vector": vec}],
        [{"propertyName": "body", "vector": vec[:3]}],
        [{"propertyName": "body", "vector": vec, "similarityFunction": "euclidean"}],
    ):
        with pytest.raises(PolicyMissing) as refused:
            db.records.create("Article", {"title": "t", "body": "b"}, vectors=vectors)
        assert refused.value.status == 404
    assert db.records.find().total == 0  # refused means no record (R5)
    db.records.create("Article", {"body": "b"})
    with pytest.raises(PolicyMissing):
        db.ai.search({"labels": ["Article"], "propertyName": "title", "queryVector": vec})
    with pytest.raises(VectorError):
        db.ai.search({"labels": ["Article"], "propertyName": "body", "queryVector": vec, "dimensions": 3})


def test_every_line_of_code_in_the_guide_is_here() -> None:
    tests = inspect.getsource(sys.modules[__name__])
    for first, last in CODE:
        here = iter([words(line) for line in tests.splitlines()])
        for line in GUIDE[first - 1 : last]:
            wanted = words(line.replace("from rushdb import", "from rushmodel import"))
            assert wanted in here, f"missing, or not in the guide's order: {line}"  # takes what it passes
    code = {number for first, last in (*CODE, SIGNATURE) for number in range(first, last + 1)}
    prose = [line for number, line in enumerate(GUIDE, 1) if number not in code]
    # What is left is text and tables: no line of it is a statement, save for a heading that is a call.
    assert [line for line in prose if re.match(r"[#\"\[{)}\]]|.*(\w=|[=(\[{,])$|db\.", line)] == [
        "db.ai.indexes.upsert_vectors()"
    ]


def test_the_signature_in_the_guide_is_ours(db: RushDB) -> None:
    first, last = SIGNATURE
    call, *parameters, result = GUIDE[first - 1 : last]
    assert (call, result) == ("db.ai.indexes.upsert_vectors(", ") -> ApiResponse")
    signature = inspect.signature(db.ai.indexes.upsert_vectors)
    assert list(signature.parameters) == [line.split(":")[0] for line in parameters]
    assert str(signature.return_annotation).startswith("ApiResponse")


def words(line: str) -> str:
    return " ".join(line.split())

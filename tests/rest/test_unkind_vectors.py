"""Vectors on a server that forgets and ignores them: found after updates, or `VectorsNotLoaded` before."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment"

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import numpy as np
import pytest

from rushmodel import (
    BulkError,
    CapabilityError,
    Field,
    Model,
    MultipleFound,
    OptionalVector,
    PropertyError,
    RecordGone,
    RushModelError,
    StaleVector,
    Vector,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    field,
)
from tests.unkind.process import db, unkind
from tests.verbs.models import Article, Page, Picture, Quote, article, page, picture, quote

__all__ = ["db", "unkind"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it has vectors and no key

    class Loose(Model):
        """Vectors and no merge key."""

        title: Field[str] = ""
        note: Field[str | None] = None
        body: Field[str] = "text"
        embedding: Vector = VectorField(dims=3, property="body")


class Summed(Model, label="Article"):
    """Another program's class for the same records: a policy that `Article` does not know."""

    slug: Field[str] = field(key=True)
    summary: OptionalVector = VectorField(default=None, dims=2, name="summary")


def scores(unkind, label, name, query, similarity="cosine"):
    """What a search of the server itself finds, by id."""
    with unkind.client() as client:
        answer = client.post(
            "/ai/search",
            json={
                "labels": [label],
                "propertyName": name,
                "queryVector": query,
                "sourceType": "external",
                "similarityFunction": similarity,
                "where": {name: {"$exists": True}},
            },
        )
    assert answer.status_code == 200, answer.text
    return {each["__id"]: each["__score"] for each in answer.json()["data"]}


def data_of(unkind, record):
    with unkind.client() as client:
        document = client.get(f"/records/{record.record_id}").json()["data"]
    return {name: value for name, value in document.items() if not name.startswith("__")}


def fresh_log(unkind):
    unkind.faults(reset=True, rushdb=True)


def assert_article(unkind, record, query=(1, 2, 3), **values):
    assert scores(unkind, "Article", "body", query) == {record.record_id: pytest.approx(1.0, abs=1e-6)}
    stored = data_of(unkind, record)
    assert {name: stored.get(name) for name in values} == values


def change(**values):
    def do(record):
        for name, value in values.items():
            setattr(record, name, value)
        record.save()

    return do


def by_query(**values):
    return lambda record: Article.find(Article.slug == "warp").update(**values)


def keep_vector(record):
    record.body = "new"
    record.save(on_stale="keep")


def save_several(record):
    record.title = "new"
    assert Article.save_many([record, article("other", embedding=[-1, 0, 0])]).saved == 2
    Article.get(slug="other").delete()


UPDATES: dict[str, Any] = {
    "title": (change(title="new"), {"title": "new"}),
    "note": (change(note="new"), {"note": "new"}),
    "list": (change(tags=["x", "y"]), {"tags": ["x", "y"]}),
    "year": (change(year=1905), {"year": 1905}),
    "text and vector": (change(body="new", embedding=[1, 2, 3]), {"body": "new"}),
    "vector": (change(embedding=[1, 2, 3]), {"body": "text"}),
    "key": (lambda record: record.rename_key(slug="new"), {"slug": "new"}),
    "by query": (by_query(title="new", year=3), {"title": "new", "year": 3}),
    "kept": (keep_vector, {"body": "new"}),
    "several": (save_several, {"title": "new"}),
    "again": (lambda record: article(title="new").save(), {"title": "new"}),
    "note removed": (change(note=None), {"note": None}),
    "note removed by query": (by_query(note=None), {"note": None}),
}


@pytest.mark.parametrize("loaded", [False, True], ids=["created", "read"])
@pytest.mark.parametrize("update", UPDATES)
def test_updates_keep_vectors(db, unkind, update, loaded):
    record = article(note="old").save()
    if loaded:
        record = Article.get(slug="warp")
    fresh_log(unkind)
    do, values = UPDATES[update]
    # Only what takes a property or a key away from a record whose vectors nobody holds.
    if update == "note removed by query" or (loaded and update in ("note removed", "key")):
        with pytest.raises(VectorsNotLoaded) as info:
            do(record)
        assert info.value.signature.property == "body"
        assert unkind.writes == []
        values = {"slug": "warp", "note": "old", "body": "text"}
    else:
        do(record)
    assert_article(unkind, record, **values)


def test_updates_that_remove_do_so_where_the_vectors_are_held(db, unkind):
    record = article(note="old", tags=["x"]).save()
    with unkind.client() as client:  # an undeclared property stays
        client.post(
            "/records",
            json={
                "label": "Article",
                "data": {"slug": "warp", "extra": 5},
                "options": {"suggestTypes": True, "mergeBy": ["slug"]},
            },
        )
    record.note = None
    record.rating = 2.5
    record.save()
    assert_article(unkind, record, note=None, rating=2.5, extra=5, tags=["x"], title="")


def test_read_records_can_be_given_their_vector_again(db, unkind):
    article(note="old").save()
    record = Article.get(slug="warp")
    record.note = None
    with pytest.raises(VectorsNotLoaded):
        record.save()
    record.embedding = [1, 2, 3]
    record.save()
    assert_article(unkind, record, note=None)


def test_a_stale_vector_is_refused(db, unkind):
    article().save()
    for record in (Article.get(slug="warp"), article(body="other", embedding=[1, 2, 3])):
        record.body = "new"
        fresh_log(unkind)
        if record.is_saved:
            with pytest.raises(StaleVector):
                record.save()
            assert unkind.writes == []
    with pytest.raises(StaleVector):
        Article.find(Article.slug == "warp").update(body="new")
    assert unkind.writes == []
    assert_article(unkind, Article.get(slug="warp"), body="text")


@pytest.mark.parametrize("text", ["text", "other"])
def test_a_new_instance_without_vector_over_a_stored_one(db, unkind, text):
    """The stored text decides (promise 3)."""
    stored = page().save()
    fresh_log(unkind)
    new = Page(slug="warp", body=text, title="new")
    if text == "text":
        new.save()
        assert data_of(unkind, stored)["title"] == "new"
    else:
        with pytest.raises(StaleVector):
            new.save()
        assert unkind.writes == []
        assert new.record_id is None
    for similarity in ("cosine", "euclidean"):
        assert scores(unkind, "Page", "body", [1, 2, 3], similarity) == {
            stored.record_id: pytest.approx(1.0, abs=1e-6)
        }
    new.save(on_stale="drop")
    for similarity in ("cosine", "euclidean"):
        assert len(scores(unkind, "Page", "body", [1, 2, 3], similarity)) == (text == "text")


def test_a_vector_is_taken_away_and_the_others_stay(db, unkind):
    record = picture(thumb=[1, 2]).save()
    record.thumb = None
    record.save()
    assert scores(unkind, "Picture", "look", [1, 2, 3]) == {record.record_id: pytest.approx(1.0, abs=1e-6)}
    assert scores(unkind, "Picture", "thumbnail", [1, 2], "euclidean") == {}
    read = Picture.get(name="sea")
    read.thumb = [3, 4]
    read.save()
    read = Picture.get(name="sea")
    read.thumb = None
    fresh_log(unkind)
    with pytest.raises(VectorsNotLoaded) as info:  # of look, which would go with it
        read.save()
    assert info.value.signature.property == "look"
    assert unkind.writes == []
    assert len(scores(unkind, "Picture", "thumbnail", [3, 4], "euclidean")) == 1
    assert len(scores(unkind, "Picture", "look", [1, 2, 3])) == 1


def test_texts_that_are_indexed_themselves(db, unkind):
    record = quote().save()
    read = Quote.get(name="one")
    read.source = "new"
    read.save()
    assert scores(unkind, "Quote", "text", [1, 2, 3]) == {record.record_id: pytest.approx(1.0, abs=1e-6)}


def test_without_a_merge_key(db, unkind):
    record = Loose(note="old", embedding=[1, 2, 3]).save()
    for values in ({"title": "new"}, {"note": None}, {"body": "other", "embedding": [1, 2, 3]}):
        change(**values)(record)
        assert scores(unkind, "Loose", "body", [1, 2, 3]) == {record.record_id: pytest.approx(1.0, abs=1e-6)}
        assert {name: data_of(unkind, record).get(name) for name in values if name != "embedding"} == {
            name: value for name, value in values.items() if name != "embedding"
        }
    read = Loose.get(record.record_id)
    read.title = "newer"
    fresh_log(unkind)
    with pytest.raises(VectorsNotLoaded, match="merge key"):
        read.save()
    with pytest.raises(VectorsNotLoaded, match="merge key"):
        Loose.find(Loose.title == "new").update(title="newer")
    assert unkind.writes == []
    assert data_of(unkind, record)["title"] == "new"
    read.embedding = [3, 2, 1]  # the new vector alone is enough: it is the only one
    read.save()
    assert scores(unkind, "Loose", "body", [3, 2, 1]) == {record.record_id: pytest.approx(1.0, abs=1e-6)}
    assert data_of(unkind, record)["title"] == "newer"


@pytest.mark.parametrize("model", [Article, Loose])
def test_many_at_once(db, unkind, model):
    def make(number):
        values = {"title": str(number), "embedding": [1, number + 1, 2]}
        return article(str(number), **values) if model is Article else Loose(**values)

    records = [make(number) for number in range(5)]
    assert model.save_many(records).saved == 5
    for record in records:
        record.title += "!"
    records[1].note = "old"
    records[1].save()
    records[1].note = None
    records[2].embedding = [9, 9, 1]
    assert model.save_many([*records, make(5), make(6)]).saved == 7
    label = model.__name__
    assert len(scores(unkind, label, "body", [1, 1, 1])) == 7
    for number, record in enumerate(records):
        query = [9, 9, 1] if number == 2 else [1, number + 1, 2]
        assert scores(unkind, label, "body", query)[record.record_id] == pytest.approx(1.0, abs=1e-6)
        assert data_of(unkind, record)["title"] == f"{number}!"
    assert "note" not in data_of(unkind, records[1])


def test_a_bulk_save_is_refused_before_any_of_it_is_written(db, unkind):
    kept = [article(str(number), note="old").save() for number in range(3)]
    kept[0].title = "new"
    kept[1].note = None
    read = Article.get(slug="2")
    read.note = None
    fresh_log(unkind)
    with pytest.raises(BulkError) as info:
        Article.save_many([kept[0], kept[1], read, article("new")])
    assert info.group_contains(VectorsNotLoaded)
    assert info.value.report.failed[0].position == 2
    assert unkind.writes == []
    report = Article.save_many([kept[0], kept[1], read, article("new")], on_error="skip")
    assert (report.saved, [each.position for each in report.failed]) == (3, [2])
    assert len(scores(unkind, "Article", "body", [1, 2, 3])) == 4
    assert [Article.get(slug=each).note for each in "012"] == ["old", None, "old"]
    assert Article.get(slug="0").title == "new"


def test_a_bulk_save_refuses_stale_texts_before_any_of_it_is_written(db, unkind):
    kept = page("0").save()
    page("1").save()
    kept.body, kept.embedding = None, None
    fresh_log(unkind)
    with pytest.raises(BulkError) as info:
        Page.save_many([kept, Page(slug="1", body="other")])
    assert info.group_contains(StaleVector)
    assert unkind.writes == []
    assert len(scores(unkind, "Page", "body", [1, 2, 3])) == 2


def test_the_vector_of_another_class_is_named(db, unkind):
    record = article(note="old").save()
    other = Summed.get(slug="warp")
    other.summary = [1, 2]
    db.sync()  # beside the policies of Article
    other.save()
    assert len(scores(unkind, "Article", "summary", [1, 2])) == 1
    record.note = None  # the vector of the body is held, that of the summary is not
    fresh_log(unkind)
    with pytest.raises(VectorsNotLoaded, match=r"Article\.summary external cosine 2") as info:
        record.save()
    assert (info.value.record_id, info.value.signature.property) == (record.record_id, "summary")
    with pytest.raises(VectorsNotLoaded, match=r"Article\."):
        Article.find(Article.slug == "warp").update(note=None)
    assert unkind.writes == []
    record.note, record.title = "old", "new"  # what keeps vectors is no trouble
    record.save()
    assert len(scores(unkind, "Article", "summary", [1, 2])) == 1
    assert_article(unkind, record, title="new", note="old")


def test_a_policy_made_meanwhile_is_seen(db, unkind):
    """Policies are read when vectors could be lost, not remembered."""
    record = article(note="old").save()
    record.title = "new"
    record.save()
    with unkind.client() as client:
        policy = {"label": "Article", "propertyName": "title", "sourceType": "external", "dimensions": 2}
        policy_id = client.post("/ai/indexes", json=policy).json()["data"]["id"]
        items = {"items": [{"recordId": record.record_id, "vector": [1, 2]}]}
        client.post(f"/ai/indexes/{policy_id}/vectors/upsert", json=items).raise_for_status()
    record.note = None
    with pytest.raises(VectorsNotLoaded, match=r"Article\.title"):
        record.save()
    assert len(scores(unkind, "Article", "title", [1, 2])) == 1


# -- R4: what a server would ignore ------------------------------------------


def test_a_vector_without_its_text_is_refused(db, unkind):
    Page(slug="warp").save()
    fresh_log(unkind)
    with pytest.raises(VectorError, match="no 'body'"):
        Page(slug="new", embedding=[1, 2, 3]).save()
    read = Page.get(slug="warp")
    read.embedding = [1, 2, 3]
    with pytest.raises(VectorError, match="no 'body'"):
        read.save()
    with pytest.raises(BulkError) as info:
        Page.save_many([page("fine"), Page(slug="new", embedding=[1, 2, 3])])
    assert info.group_contains(VectorError)
    assert unkind.writes == []
    assert Page.find().count() == 1


def test_a_text_is_not_taken_away_from_under_its_vector(db, unkind):
    record = page().save()
    record.body = None
    fresh_log(unkind)
    with pytest.raises(VectorError):
        record.save(on_stale="keep")
    assert unkind.writes == []
    assert data_of(unkind, record)["body"] == "text"
    record.save(on_stale="drop")
    assert scores(unkind, "Page", "body", [1, 2, 3]) == {}
    assert "body" not in data_of(unkind, record)


def test_vectors_that_stand_for_themselves_bring_their_property(db, unkind):
    record = picture().save()
    assert isinstance(data_of(unkind, record)["look"], str)
    assert len(scores(unkind, "Picture", "look", [1, 2, 3])) == 1
    record.look = [3, 2, 1]
    record.save()
    assert scores(unkind, "Picture", "look", [3, 2, 1])[record.record_id] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("text", ["2024-01-02", "2024-01-02T03:04:05Z"])
def test_an_indexed_text_that_looks_like_a_date_is_refused(db, unkind, text):
    record = article().save()
    fresh_log(unkind)
    with pytest.raises(PropertyError, match="datetime"):
        article("new", body=text).save()
    record.body, record.embedding = text, [1, 2, 3]
    with pytest.raises(PropertyError, match="datetime"):
        record.save()
    with pytest.raises(BulkError) as info:
        Article.save_many([article("fine"), article("new", body=text)])
    assert info.group_contains(PropertyError)
    with pytest.raises(RushModelError, match="datetime"):
        Article.find(Article.slug == "warp").update(on_stale="keep", body=text)
    assert unkind.writes == []


# -- RushDB's own words ------------------------------------------------------


def test_the_client_keeps_vectors_too(db, unkind):
    record = article(note="old").save()
    client = db.client
    fresh_log(unkind)
    for write in (client.records.update, client.records.set):
        with pytest.raises(VectorsNotLoaded, match=r"Article\.body"):
            write(record.record_id, {"slug": "warp", "body": "new"})
    assert unkind.writes == []
    client.records.set(
        record.record_id,
        {"slug": "warp", "body": "new"},
        label="Article",
        vectors=[{"propertyName": "body", "vector": [3, 2, 1]}],
    )
    assert_article(unkind, record, [3, 2, 1], body="new", note=None)


VECTORS = [{"propertyName": "body", "vector": [1, 2, 3]}]
ROW = {"slug": "new"}
TEXTLESS: dict[str, Any] = {
    "create": lambda records: records.create("Article", ROW, vectors=VECTORS),
    "upsert": lambda records: records.upsert(ROW, "Article", {"mergeBy": ["slug"]}, VECTORS),
    "rows": lambda records: records.create_many("Article", [{"slug": "x"}, ROW], vectors=[None, VECTORS]),
    "import": lambda records: records.import_json({"Article": [{**ROW, "$vectors": VECTORS}, {"slug": "x"}]}),
    "nested": lambda records: records.import_json(
        {"Shelf": [{"name": "x", "Article": [{**ROW, "$vectors": VECTORS}]}]}
    ),
}


@pytest.mark.parametrize("way", TEXTLESS)
def test_the_client_gives_a_vector_a_text_to_stand_for(db, unkind, way):
    """A server would ignore it otherwise (R4), and the guide gives such vectors."""
    article().save()
    TEXTLESS[way](db.client.records)
    record = Article.find(Article.slug == "new").only("slug").one()
    assert scores(unkind, "Article", "body", [1, 2, 3])[record.record_id] == pytest.approx(1.0, abs=1e-6)


def test_the_client_refuses_a_vector_that_would_be_ignored(db, unkind):
    article().save()
    bare = Plainly(slug="bare").save()
    fresh_log(unkind)
    with pytest.raises(VectorError, match="no 'body'"):
        db.client.records.set(bare.record_id, ROW, label="Article", vectors=VECTORS)
    with pytest.raises(
        VectorError, match="no 'body'"
    ):  # merged by all properties: a new one is another record
        db.client.records.upsert({"slug": "other"}, "Article", {"mergeBy": []}, VECTORS)
    assert unkind.writes == []


class Plainly(Model, label="Article"):
    """A record of the label without the indexed text."""

    slug: Field[str] = field(key=True)


def test_the_client_upserts_a_vector_of_a_stored_text(db, unkind):
    record = article().save()
    vectors = [{"propertyName": "body", "vector": [3, 2, 1]}]
    db.client.records.upsert({"slug": "warp"}, "Article", {"mergeBy": ["slug"]}, vectors)
    assert_article(unkind, record, [3, 2, 1])


# -- what became of the record -----------------------------------------------


def test_an_update_of_a_deleted_record(db, unkind):
    record = article().save()
    with unkind.client() as client:
        client.delete(f"/records/{record.record_id}").raise_for_status()
    record.title = "new"
    with pytest.raises(RecordGone):
        record.save()
    assert Article.find().count() == 0  # what the upsert made is gone again
    with pytest.raises(RecordGone):
        record.rename_key(slug="other")
    record.embedding = [3, 2, 1]
    with pytest.raises(RecordGone):
        record.save()
    with pytest.raises(BulkError) as info:
        Article.save_many([record, article("fine")])
    assert info.group_contains(RecordGone)
    assert Article.find().count() == 0
    record.note = None
    with pytest.raises(RecordGone):
        record.save()
    assert Article.find().count() == 0


def test_an_update_of_a_record_that_was_made_again(db, unkind):
    """Somebody's new record of that key is not deleted."""
    record = article().save()
    with unkind.client() as client:
        client.delete(f"/records/{record.record_id}").raise_for_status()
    again = article(title="theirs").save()
    record.year = 1
    with pytest.raises(RecordGone):
        record.save()
    assert [each.record_id for each in Article.find()] == [again.record_id]
    assert len(scores(unkind, "Article", "body", [1, 2, 3])) == 1


def plant(unkind, **data):
    """A second record of a key, as racing upserts make them (R18)."""
    body = {"label": "Article", "data": {"slug": "warp", "body": "text", **data}}
    with unkind.client() as client:
        answer = client.post("/records", json={**body, "options": {"suggestTypes": True}})
    return answer.json()["data"]["__id"]


def test_duplicates_are_said(db, unkind):
    record = article().save()
    planted = plant(unkind)
    with pytest.raises(MultipleFound) as info:
        Article.get(slug="warp")
    assert sorted(info.value.record_ids) == sorted([record.record_id, planted])
    with pytest.raises(MultipleFound):
        Article.find(Article.slug == "warp").one()
    with pytest.raises(MultipleFound):
        Reread(slug="warp", body="other").save()
    Article.get(planted).delete()
    assert Article.get(slug="warp").record_id == record.record_id


class Reread(Model, label="Article"):
    """Saved by key without a vector, so that the stored record is read first."""

    slug: Field[str] = field(key=True)
    body: Field[str | None] = None
    embedding: OptionalVector = VectorField(default=None, dims=3, property="body")


def test_duplicates_are_said_at_a_save_of_the_second(db, unkind):
    """An upsert changes both and answers with one of them: where it is the other one, it is seen."""
    first = article().save()
    planted = plant(unkind)
    outcomes = []
    for record_id in (first.record_id, planted):
        record = Article.get(record_id)
        record.title = record_id
        try:
            record.save()
        except MultipleFound as error:
            outcomes.append(sorted(error.record_ids))
    assert outcomes == [sorted([first.record_id, planted])]


# -- async -------------------------------------------------------------------


def test_the_same_from_an_event_loop(db, unkind):
    async def use():
        record = await article(note="old").asave()
        record.title = "new"
        await record.asave()
        record.note = None
        await record.asave()
        read = await Article.aget(slug="warp")
        read.title, read.body = "newer", "other"
        with pytest.raises(StaleVector):
            await read.asave()
        with pytest.raises(CapabilityError):
            await Article.aget(slug="warp", with_vectors=True)
        assert [hit.record.title for hit in await Article.asearch([1, 2, 3])] == ["new"]
        return record

    record = asyncio.run(use())
    assert_article(unkind, record, title="new", note=None, body="text")


def test_scores_are_those_of_the_vectors(db, unkind):
    generator = np.random.default_rng(7)
    vectors = generator.normal(size=(20, 3)).astype(np.float32)
    Article.save_many([article(str(at), embedding=vector) for at, vector in enumerate(vectors)])
    query = generator.normal(size=3).astype(np.float32)
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    expected = sorted(((1 + cosines) / 2).tolist(), reverse=True)
    found = [hit.score for hit in Article.search(query, limit=20)]
    assert found == pytest.approx(expected, abs=1e-6)

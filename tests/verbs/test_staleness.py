"""`stale` and `reembed`: vectors that are not of their texts are found, and made anew."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, attr-defined, method-assign, misc"
# mypy: disable-error-code="union-attr, var-annotated"

from __future__ import annotations

import asyncio
from datetime import date

import numpy as np
import pytest

from rushmodel import EmbedderError, Field, Model, QueryError, Vector, VectorError, VectorField, field
from rushmodel.errors import StaleVector

from .embedders import Words, near

WORDS = Words()


class Paper(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
    year: Field[int] = field(default=2000)
    embedding: Vector = VectorField(factory=WORDS, property="body")


class Plain(Model, label="Paper"):
    """As another program may see it, which knows of no vectors."""

    slug: Field[str] = field(key=True)
    body: Field[str]


class Talk(Model):
    """Two vectors, of two texts."""

    day: Field[date] = field(key=True)
    title: Field[str]
    body: Field[str | None] = None
    of_title: Vector = VectorField(factory=WORDS, property="title")
    of_body: Vector = VectorField(factory=Words("bodies", dims=4), property="body")


@pytest.fixture(autouse=True)
def forget():
    WORDS.asked.clear()


def papers(count):
    Paper.save_many(Paper(slug=str(i), body=f"text {i}", year=2000 + i) for i in range(count))


def slugs(found):
    return sorted(each.slug for each in found)


def test_nothing_is_stale_after_a_save(db):
    papers(5)
    Paper(slug="given", body="x", embedding=np.ones(8)).save()
    assert Paper.stale().count() == 0
    assert Paper.stale().all() == []
    assert Paper.reembed() == 0


def test_what_others_changed_is_stale(db):
    papers(5)
    Plain(slug="3", body="written by another program").save()
    assert slugs(Paper.stale()) == ["3"]
    assert Paper.stale().where(Paper.year > 2003).count() == 0
    assert Paper.stale().first().slug == "3"
    WORDS.asked.clear()
    assert Paper.reembed() == 1
    assert WORDS.texts == ["written by another program"]
    assert Paper.stale().exists() is False
    assert Paper.search("another program", limit=1)[0].record.slug == "3"


def test_a_kept_or_dropped_vector_is_stale(db):
    papers(4)
    for slug, on_stale in (("1", "keep"), ("2", "drop")):
        record = Paper.get(slug=slug)
        record.body = f"changed {slug}"
        record.save(on_stale=on_stale)
    assert slugs(Paper.stale()) == ["1", "2"]
    Paper.reembed(batch=1)
    assert slugs(Paper.stale()) == []
    assert Paper.search("changed 2", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)


def test_records_of_before_there_was_an_embedder(db):
    Plain.save_many(Plain(slug=str(i), body=f"text {i}") for i in range(7))
    Plain(slug="other", body="text 3").save()
    db.sync()
    assert Paper.stale().count() == 8
    done = []
    assert Paper.reembed(batch=3, progress=done.append) == 8
    assert done == [3, 6, 8]
    assert Paper.stale().count() == 0
    assert {hit.record.slug for hit in Paper.search("text 3", limit=2)} == {"3", "other"}


def test_another_version_of_the_embedder(db):
    papers(5)

    class Later(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(factory=Words(version="3"), property="body")

    assert Later.stale().count() == 5
    assert len(Later.stale().limit(2).offset(1).all()) == 2
    assert [each.slug for each in Later.stale().order_by(Later.slug.desc()).limit(2)] == ["4", "3"]
    assert asyncio.run(Later.areembed(batch=2)) == 5
    assert Later.stale().count() == 0
    assert Later.search("text 2", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)


def test_pages_and_streams_of_stale_records(db):
    Plain.save_many(Plain(slug=f"{i:02}", body=f"text {i}") for i in range(30))
    db.sync()
    Paper.save_many(Paper(slug=f"{i:02}", body=f"text {i}") for i in range(5, 25))
    left = [f"{i:02}" for i in [*range(5), *range(25, 30)]]
    assert [each.slug for page in Paper.stale().pages(3) for each in page] == left
    assert [each.slug for each in Paper.stale().stream()] == left
    assert [each.slug for page in Paper.stale().limit(7).pages(4) for each in page] == left[:7]


def test_one_of_two_fields(db):
    Talk(day=date(2020, 1, 1), title="one", body="two").save()
    Talk(day=date(2020, 1, 2), title="three").save()
    assert Talk.stale().count() == 0
    talk = Talk.get(day=date(2020, 1, 1))
    talk.title = "four"
    talk.save(on_stale="keep")
    assert Talk.stale(on=Talk.of_title).count() == 1
    assert Talk.stale(on="body").count() == 0
    assert Talk.reembed(on=Talk.of_body) == 0
    assert Talk.stale().count() == 1
    assert Talk.reembed() == 1
    assert Talk.search("four", on="title", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)


def test_a_vector_that_is_not_there_is_stale_on_the_embedded_store(embedded_db):
    papers(3)
    (policy,) = embedded_db.client.ai.indexes.find().data
    embedded_db.client.ai.indexes.delete(policy["id"] if isinstance(policy, dict) else policy.id)
    embedded_db.sync()
    assert Paper.stale().count() == 3
    assert Paper.reembed() == 3
    assert len(Paper.search("text 1")) == 3


def test_an_embedder_that_fails_in_the_middle(db):
    Plain.save_many(Plain(slug=str(i), body=f"text {i}") for i in range(6))
    failing = Words("failing", batch_size=1)

    class Failing(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(factory=failing, property="body")

    db.sync()
    embed = failing.embed
    failing.embed = lambda texts, kind: embed(texts, kind=kind) if len(failing.asked) < 4 else 1 / 0
    with pytest.raises(EmbedderError, match="ZeroDivisionError"):
        Failing.reembed(batch=2)
    assert Failing.stale().count() == 2
    failing.embed = embed
    assert Failing.reembed(batch=2) == 2
    assert near(Failing.search("text 5", limit=1)[0].score, 1.0)


def test_what_is_written_meanwhile_is_looked_at_again(db):
    Plain.save_many(Plain(slug=str(i), body=f"text {i}") for i in range(4))
    slow = Words("slow")

    class Slow(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(factory=slow, property="body")

    db.sync()
    embed = slow.embed

    def interrupted(texts, *, kind):
        if not slow.asked:
            Plain(slug="2", body="changed meanwhile").save()
            Plain(slug="new", body="new meanwhile").save()
        return embed(texts, kind=kind)

    slow.embed = interrupted
    Slow.reembed()
    assert Slow.stale().count() == 0
    (hit,) = Slow.search("changed meanwhile", limit=1)
    assert hit.record.slug == "2"
    assert hit.score == pytest.approx(1.0, abs=1e-5)


def test_an_export_without_vectors_does_not_claim_them(db, tmp_path):
    papers(3)
    kept = {each.slug for each in Paper.find()}
    db.export_jsonl(tmp_path / "papers.jsonl", "Paper")
    db.export_csv(tmp_path / "papers.csv", "Paper")
    assert "words@1" not in (tmp_path / "papers.jsonl").read_text() + (tmp_path / "papers.csv").read_text()
    Paper.delete_all()
    db.import_jsonl(tmp_path / "papers.jsonl")
    assert set(slugs(Paper.stale())) == kept
    Paper.reembed()
    assert Paper.search("text 2", limit=1)[0].record.slug == "2"


def test_classes_without_an_embedder(db):
    class Bare(Model, label="Bare"):
        text: Field[str] = field(key=True)
        embedding: Vector = VectorField(dims=2, property="text")

    for verb in (Bare.stale, Bare.reembed):
        with pytest.raises(QueryError, match="Bare has no embedder"):
            verb()
    with pytest.raises(QueryError, match="title"):
        Paper.stale(on="title")
    with pytest.raises(QueryError, match="aggregate"):
        Paper.stale().aggregate()
    with pytest.raises(ValueError, match="batch"):
        Paper.reembed(batch=0)
    assert issubclass(StaleVector, VectorError)

"""`migrate`: from one embedding model to another, while the application runs."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, attr-defined, call-arg, method-assign, misc, var-annotated"

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from rushmodel import (
    CapabilityError,
    EmbedderError,
    Field,
    Model,
    ModelError,
    PolicyDrift,
    PolicyError,
    PolicyMissing,
    Vector,
    VectorField,
    VectorSpec,
    connect,
    field,
)

from .embedders import Words, near

OLD, NEW, NEXT = Words("old", dims=6), Words("new", dims=4), Words("old", "2", dims=6)


class Before(Model, label="Paper"):
    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(factory=OLD, property="body")


class After(Model, label="Paper"):
    """Other dims."""

    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(
        factory=NEW, property="body", replaces=VectorSpec(dims=6, similarity="cosine", factory=OLD)
    )


class Same(Model, label="Paper"):
    """The same five fields, and another embedder."""

    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(factory=NEXT, property="body", replaces=VectorSpec(factory=OLD))


class Angle(Model, label="Paper"):
    """Another similarity alone."""

    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(
        factory=OLD,
        similarity="euclidean",
        property="body",
        replaces=VectorSpec(similarity="cosine", factory=OLD),
    )


@pytest.fixture(autouse=True)
def forget():
    for each in (OLD, NEW, NEXT):
        each.asked.clear()


@pytest.fixture
def db(location):
    database = connect(location, models=[After], durability="normal", default=True)
    yield database
    database.close()


def scope(location, model):
    return connect(location, models=[model], durability="normal", default=True)


def before(count):
    Before.save_many(Before(slug=str(i), body=f"text {i}") for i in range(count))
    OLD.asked.clear()


def best(model, text):
    (hit,) = model.search(text, limit=1)
    return hit.record.slug, round(hit.score, 4)


def test_the_plan_says_what_is_to_be_done(db):
    before(5)
    plan = db.plan()
    assert [change.kind for change in plan.changes] == ["create", "replaced"]
    assert not plan.in_sync
    (migration,) = plan.migrations
    assert (migration.records, migration.remaining, migration.requests) == (5, 5, 1)
    assert not migration.is_over
    assert "embed 5 texts of 5 (1 requests); then switch searches over: db.migrate(); then retire" in str(
        plan
    )
    db.sync(prune=True, drop_vectors=True)  # which drops nothing that is searched
    assert [change.kind for change in db.plan().changes] == ["keep", "replaced"]


def test_searches_use_the_old_vectors_until_the_new_are_complete(db):
    before(5)
    assert best(After, "text 3") == ("3", 1.0)
    assert OLD.texts == ["text 3"]
    assert NEW.asked == []
    assert After.search(OLD.vector("text 2"), limit=1)[0].record.slug == "2"
    with pytest.raises(PolicyMissing, match=r"db.migrate\(\)"):
        After.search(NEW.vector("text 2"))
    told = []
    plan = db.migrate(batch=2, progress=told.append)
    assert told == [2, 4, 5]
    assert plan.in_sync
    assert plan.migrations[0].is_over
    OLD.asked.clear()
    NEW.asked.clear()
    assert best(After, "text 3") == ("3", 1.0)
    assert (OLD.asked, NEW.texts) == ([], ["text 3"])
    assert best(Before, "text 3") == ("3", 1.0)
    assert After.search(NEW.vector("text 2"), limit=1)[0].record.slug == "2"


def test_the_new_class_writes_both(db):
    before(3)
    After(slug="new", body="leaves").save()
    assert (OLD.texts, NEW.texts) == (["leaves"], ["leaves"])
    assert best(Before, "leaves") == ("new", 1.0)
    changed = After.get(slug="1")
    changed.body = "stones"
    changed.save()
    assert best(Before, "stones") == ("1", 1.0)
    assert best(After, "stones") == ("1", 1.0)
    assert db.plan().migrations[0].remaining == 2
    After.save_many([After(slug=str(i), body=f"snow {i}") for i in range(10, 14)])
    assert best(Before, "snow 12") == ("12", 1.0)
    given = np.ones(4, np.float32)
    After(slug="given", body="by hand", embedding=given).save()
    assert best(Before, "by hand") == ("given", 1.0)
    db.migrate()
    assert After.search(given, limit=1)[0].record.slug == "given"
    assert best(After, "snow 12") == ("12", 1.0)


def test_what_the_old_class_writes_meanwhile_is_found(db):
    before(4)
    embed = NEW.embed

    def interrupted(texts, *, kind):
        if not NEW.asked:
            Before(slug="late", body="written late").save()
            record = Before.get(slug="1")
            record.body = "changed late"
            record.save()
        return embed(texts, kind=kind)

    NEW.embed = interrupted
    try:
        db.migrate(batch=2)
    finally:
        del NEW.embed
    assert best(After, "written late") == ("late", 1.0)
    assert best(After, "changed late") == ("1", 1.0)
    Before(slug="later", body="after the switch").save()
    assert not db.plan().in_sync
    db.sync(prune=True, drop_vectors=True)
    assert [change.kind for change in db.plan().changes] == ["keep", "replaced"]
    assert db.migrate().in_sync
    assert best(After, "after the switch") == ("later", 1.0)


def test_an_interrupted_one_goes_on(db):
    before(6)
    embed = NEW.embed
    NEW.embed = lambda texts, kind: embed(texts, kind=kind) if len(NEW.asked) < 2 else 1 / 0
    try:
        with pytest.raises(EmbedderError):
            db.migrate(batch=2)
    finally:
        del NEW.embed
    assert db.plan().migrations[0].remaining == 2
    assert best(After, "text 5") == ("5", 1.0)
    assert OLD.texts == ["text 5"]
    NEW.asked.clear()
    assert asyncio.run(db.aio.migrate()).in_sync
    assert sorted(NEW.texts) == ["text 4", "text 5"]


def test_the_old_is_retired(db, location):
    before(4)
    db.migrate()
    other = connect(location, models=[After], default=False) if str(location) != "memory://" else db
    with other:
        After.search("text 1")
    with pytest.raises(PolicyError, match="hold vectors"):
        db.sync(prune=True)
    db.sync(prune=True, drop_vectors=True)
    plan = db.plan()
    assert [change.kind for change in plan.changes] == ["keep"]
    assert plan.migrations[0].old == ()
    assert plan.in_sync
    with pytest.raises(PolicyMissing):
        Before.search("text 1")
    OLD.asked.clear()
    with other:
        After(slug="new", body="leaves").save()  # which believed that there was the old one
        After.save_many([After(slug=str(i), body=f"snow {i}") for i in range(10, 14)])
        assert best(After, "snow 11") == ("11", 1.0)
    if other is not db:
        other.close()
    assert best(After, "leaves") == ("new", 1.0)


def test_a_search_that_meets_the_retirement(tmp_path):
    with scope(tmp_path / "store.db", After) as db:
        before(3)
        with connect(tmp_path / "store.db", models=[After], default=False) as other:
            After.search("text 1")  # by the old one
            with db:
                db.migrate()
                db.sync(prune=True, drop_vectors=True)
            assert best(After, "text 1") == ("1", 1.0)
            other.close()
        db.close()


@pytest.mark.parametrize("model", [Same, Angle])
def test_the_same_dims(location, model):
    with scope(location, model) as db:
        before(5)
        assert best(model, "text 3") == ("3", 1.0)
        assert len(db.plan().of("create")) == 1
        assert db.migrate().in_sync
        assert best(model, "text 3") == ("3", 1.0)
        assert best(Before, "text 2") == ("2", 1.0)
        found = model.get(slug="1")
        found.body = "stones"
        found.save()
        assert best(model, "stones") == best(Before, "stones") == ("1", 1.0)
        db.sync(prune=True, drop_vectors=True)
        assert best(model, "stones") == ("1", 1.0)
        model(slug="new", body="leaves").save()
        assert best(model, "leaves") == ("new", 1.0)
        assert db.plan().in_sync
        db.close()


def test_the_class_of_after_a_migration_to_the_same_dims(location):
    with scope(location, Same) as db:
        before(3)
        db.migrate()
        db.sync(prune=True, drop_vectors=True)
        (policy,) = (change.signature for change in db.plan().of("keep"))

        class Done(Model, label="Paper"):
            slug: Field[str] = field(key=True)
            body: Field[str]
            embedding: Vector = VectorField(factory=NEXT, property="body", name=policy.property)

        assert best(Done, "text 2") == ("2", 1.0)
        Done(slug="new", body="leaves").save()
        assert best(Done, "leaves") == ("new", 1.0)
        assert Done.stale().count() == 0
        assert Same.stale().count() == 0
        db.close()


def test_a_new_database_has_nothing_to_come_from(db):
    After(slug="a", body="leaves").save()
    assert OLD.asked == []
    assert best(After, "leaves") == ("a", 1.0)
    assert db.plan().in_sync
    assert db.migrate().in_sync


def test_vectors_of_before_that_were_given_by_hand(location):
    class Hand(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(dims=3, property="body")

    class Made(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(factory=NEW, property="body", replaces=VectorSpec(dims=3))

    with scope(location, Made) as db:
        Hand.save_many(Hand(slug=str(i), body=f"text {i}", embedding=[1, i, 0]) for i in range(4))
        with pytest.raises(CapabilityError, match="3 numbers"):
            Made.search("text 1")
        assert Made.search([1, 2, 0], limit=1)[0].record.slug == "2"
        changed = Made.get(slug="2")
        changed.body = "leaves"
        changed.save()  # whose vector of before is that of another text
        assert Made.search([1, 2, 0], limit=1)[0].record.slug != "2"
        assert db.migrate().in_sync
        assert best(Made, "leaves") == ("2", 1.0)
        db.close()


def test_more_like_a_record(db):
    before(4)
    record = After.get(slug="1")
    assert "1" not in [hit.record.slug for hit in After.search(record, limit=3)]
    db.migrate()
    assert len(After.search(After.get(slug="1", with_vectors=True), limit=9)) == 3


def test_a_policy_that_was_dropped_and_made_again_is_filled(db):
    before(4)
    db.migrate()
    new = next(change for change in db.plan().of("keep"))
    db.client.ai.indexes.delete(new.policy_id)
    plan = db.migrate()
    assert plan.in_sync
    assert plan.of("keep")[0].coverage.vectors == 4
    assert best(After, "text 2") == ("2", 1.0)


def test_without_replaces_it_is_drift(db):
    before(2)

    class Other(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        body: Field[str]
        embedding: Vector = VectorField(factory=Words(dims=5), property="body")

    with pytest.raises(PolicyDrift, match="replaces="):
        Other(slug="a", body="b").save()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"factory": OLD, "replaces": VectorSpec(factory=OLD)}, "same embedder"),
        ({"dims": 3, "replaces": VectorSpec(dims=2)}, "factory="),
        ({"factory": OLD, "replaces": {"dims": 2}}, "VectorSpec"),
        ({"factory": OLD, "replaces": VectorSpec(dims=0)}, "dims"),
        ({"factory": OLD, "replaces": VectorSpec(dims=2, factory=3)}, "replaces=: factory="),
        ({"factory": OLD, "replaces": VectorSpec(dims=2, property="none")}, "no field"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_fields_that_cannot_be(options, says):
    with pytest.raises(ModelError, match=says):

        class Wrong(Model, label="Wrong"):
            body: Field[str] = field(key=True)
            embedding: Vector = VectorField(property="body", **options)


def test_vectors_are_those_of_the_new_embedder(embedded_location):
    with scope(embedded_location, After) as db:
        before(3)
        db.migrate()
        record = After.get(slug="1", with_vectors=True)
        assert near(record.embedding, NEW.vector("text 1"))
        db.close()

"""Policies: `plan`, `sync`, drift, conflict, and creating them at the first save."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="func-returns-value, misc"

from __future__ import annotations

import json
from typing import Any

import pytest

from rushmodel import (
    ConfigurationError,
    Coverage,
    Field,
    Model,
    ModelError,
    OptionalVector,
    PolicyConflict,
    PolicyDrift,
    PolicyError,
    PolicyMissing,
    Vector,
    VectorField,
    connect,
    field,
)
from rushmodel.port import CreatePolicy, DeletePolicy, EnsureIndexes, ListPolicies, SaveRecords

from .conftest import recorded
from .models import Article, Page, Picture, Plain, article, page, picture


@pytest.fixture
def scoped(tmp_path):
    """Databases on one file, each with its own classes in scope."""
    made = []

    def open_database(*models: type[Any]) -> Any:
        database = connect(tmp_path / "store.db", models=models, durability="normal", default=False)
        made.append(database)
        return database

    yield open_database
    for database in made:
        database.close()


@pytest.fixture
def only(location):
    """One database with some classes in scope, selected."""
    made = []

    def open_database(*models: type[Any], **settings: Any) -> Any:
        database = connect(location, models=models, durability="normal", default=True, **settings)
        made.append(database)
        return database

    yield open_database
    for database in made:
        database.close()


def kinds(plan: Any) -> list[tuple[str, str]]:
    return [(change.kind, str(change.signature)) for change in plan.changes]


COSINE, EUCLIDEAN = "Page.body external cosine 3", "Page.body external euclidean 3"


def test_a_plan_is_a_value_and_changes_nothing(only):
    db = only(Page, Article)
    plan = db.plan()
    assert kinds(plan) == [
        ("create", "Article.body external cosine 3"),
        ("create", COSINE),
        ("create", EUCLIDEAN),
    ]
    assert not plan.in_sync
    assert plan == db.plan()
    assert hash(plan) == hash(db.plan())
    assert db.client.ai.indexes.find().data == []
    assert json.loads(json.dumps(plan.as_dict())) == plan.as_dict()
    first = plan.as_dict()["changes"][0]
    assert first == {
        "change": "create",
        "label": "Article",
        "property": "body",
        "source": "external",
        "similarity": "cosine",
        "dims": 3,
        "records": 0,
        "vectors": 0,
        "policy_id": None,
    }
    with pytest.raises(AttributeError):
        plan.changes = ()


def test_sync_creates_what_is_missing(only):
    db = only(Page)
    assert kinds(db.sync()) == [("create", COSINE), ("create", EUCLIDEAN)]
    plan = db.plan()
    assert kinds(plan) == [("keep", COSINE), ("keep", EUCLIDEAN)]
    assert plan.in_sync
    assert all(change.policy_id for change in plan.changes)
    assert kinds(db.sync()) == [("keep", COSINE), ("keep", EUCLIDEAN)]
    assert len(db.client.ai.indexes.find().data) == 2


def test_coverage(only):
    db = only(Page)
    page("a").save()
    Page(slug="b", body="text").save()
    Page(slug="c").save()
    assert {change.coverage for change in db.plan().changes} == {Coverage(records=2, vectors=1)}
    Page.get(slug="a").delete()
    assert {change.coverage for change in db.plan().changes} == {Coverage(records=1, vectors=0)}


def test_a_plan_prints_as_a_table(only):
    db = only(Page)
    page().save()
    db.client.ai.indexes.create(
        {"label": "Page", "propertyName": "title", "sourceType": "external", "dimensions": 1000}
    )
    lines = str(db.plan()).splitlines()
    assert lines[0].split() == "change label property source similarity dims records vectors".split()
    assert set(lines[1]) == {"-", " "}
    assert lines[2].split() == ["keep", "Page", "body", "external", "cosine", "3", "1", "1"]
    assert lines[4].split() == ["undeclared", "Page", "title", "external", "cosine", "1000", "1", "0"]
    assert "1 undeclared" in lines[-1]
    assert "In sync" in lines[-1]
    assert len({len(line) for line in lines[1:5]}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_plans_of_nothing(only):
    db = only(Plain)
    assert db.plan().changes == ()
    assert db.plan().in_sync
    assert "No index policies" in str(db.plan())
    assert db.sync().changes == ()


def test_the_scope_without_models_is_every_concrete_class(db):
    class Base(Model, abstract=True):
        text: Field[str]
        vector: Vector = VectorField(dims=7, property="text")

    class Sub(Base):
        key: Field[str] = field(key=True)

    labels = {change.signature.label for change in db.plan().changes}
    assert {"Sub", "Page", "Article", "Picture"} <= labels
    assert "Base" not in labels


@pytest.mark.parametrize("wrong", [[5], ["Page"], [Page, dict], [Model]])
def test_models_are_concrete_classes(embedded_location, wrong):
    with pytest.raises((ConfigurationError, ModelError)):
        connect(embedded_location, models=wrong, default=True)
    assert embedded_location == "memory://" or not embedded_location.exists()


# -- prune --------------------------------------------------------------------


def declare(**fields: Any) -> Any:
    """A version of class Versioned, as an edit of the file would make it."""
    annotations: dict[str, Any] = {"slug": Field[str], "body": Field[str]}
    namespace: dict[str, Any] = {"slug": field(key=True), "__qualname__": "Versioned", "__module__": __name__}
    for name, options in fields.items():
        annotations[name] = OptionalVector
        namespace[name] = VectorField(default=None, property="body", **options)
    return type(Model)("Versioned", (Model,), {**namespace, "__annotations__": annotations})


OLD = "Versioned.body external cosine 3"
NEW = "Versioned.body external cosine 4"


def test_new_dims_are_a_new_policy_beside_the_old(scoped):
    old, new = declare(vector={"dims": 3}), declare(vector={"dims": 4})
    with scoped(old):
        old(slug="a", body="b", vector=[1, 2, 3]).save()
    db = scoped(new)
    assert kinds(db.plan()) == [("undeclared", OLD), ("create", NEW)]
    db.sync()
    assert kinds(db.plan()) == [("undeclared", OLD), ("keep", NEW)]
    assert db.plan().in_sync
    with scoped(old):
        assert len(old.search([1, 2, 3])) == 1
    with db:
        assert list(new.search([1, 2, 3, 4])) == []


def test_prune_refuses_what_holds_vectors(scoped):
    old, new = declare(vector={"dims": 3}), declare(vector={"dims": 4})
    with scoped(old):
        old(slug="a", body="b", vector=[1, 2, 3]).save()
    db = scoped(new)
    with pytest.raises(PolicyError, match=r"cosine 3 \(1 vectors\).*drop_vectors=True") as caught:
        db.sync(prune=True)
    assert [str(change.signature) for change in caught.value.changes] == [OLD]
    assert kinds(db.plan()) == [("undeclared", OLD), ("create", NEW)]  # nothing was changed
    with pytest.raises(PolicyError):
        db.sync(prune=True, drop_vectors=False)
    done = db.sync(prune=True, drop_vectors=True)
    assert kinds(done) == [("drop", OLD), ("create", NEW)]  # what was carried out
    assert done.in_sync
    assert "1 created, 1 dropped" in str(done)
    assert kinds(db.plan()) == [("keep", NEW)]
    with scoped(old), pytest.raises(PolicyMissing):
        old.search([1, 2, 3])


def test_prune_drops_what_is_empty(scoped):
    old, new = declare(vector={"dims": 3}), declare(vector={"dims": 4})
    scoped(old).sync()
    db = scoped(new)
    db.sync(prune=True)
    assert kinds(db.plan()) == [("keep", NEW)]


def test_prune_touches_no_other_label(scoped):
    scoped(Article, Picture).sync()
    db = scoped(Page)
    assert kinds(db.plan()) == [("create", COSINE), ("create", EUCLIDEAN)]
    db.sync(prune=True, drop_vectors=True)
    assert len(db.client.ai.indexes.find().data) == 5
    assert scoped(Article, Picture).plan().in_sync


def test_drop_vectors_alone_drops_nothing(scoped):
    old, new = declare(vector={"dims": 3}), declare(vector={"dims": 4})
    scoped(old).sync()
    db = scoped(new)
    db.sync(drop_vectors=True)
    assert kinds(db.plan()) == [("undeclared", OLD), ("keep", NEW)]


# -- conflict and drift -------------------------------------------------------


@pytest.mark.parametrize("value", [5, 1.5, True, [1, 2], "2024-01-01"])
def test_a_property_that_is_not_text(only, value):
    db = only(Page)
    db.client.records.create(label="Other", data={"body": value})
    plan = db.plan()
    assert [change.kind for change in plan.changes] == ["conflict", "conflict"]
    assert not plan.in_sync
    assert "2 cannot be created" in str(plan)
    with pytest.raises(PolicyConflict, match="body") as caught:
        db.sync()
    assert len(caught.value.changes) == 2
    with pytest.raises(PolicyConflict):
        page().save()
    assert Page.find().count() == 0
    assert db.client.ai.indexes.find().data == []


def test_drift(scoped):
    old, new = declare(vector={"dims": 3}), declare(vector={"dims": 4})
    with scoped(old):
        old(slug="a", body="b", vector=[1, 2, 3]).save()
    db = scoped(new)
    with db:
        with pytest.raises(PolicyDrift, match=r"cosine 4.*cosine 3.*sync.*migrate") as caught:
            new(slug="b", body="c", vector=[1, 2, 3, 4]).save()
        assert caught.value.status == 409
        assert new.find().count() == 1
        assert kinds(db.plan()) == [("undeclared", OLD), ("create", NEW)]
        db.sync()
        new(slug="b", body="c", vector=[1, 2, 3, 4]).save()
        assert [hit.record.slug for hit in new.search([1, 2, 3, 4])] == ["b"]


def test_drift_is_about_label_property_and_source(only):
    """Policies of another property, or managed ones, are none of the class's business."""
    db = only(Page)
    for policy in (
        {"label": "Page", "propertyName": "title", "sourceType": "external", "dimensions": 3},
        {"label": "Other", "propertyName": "body", "sourceType": "external", "dimensions": 3},
        {"label": "Page", "propertyName": "body", "sourceType": "managed"},
    ):
        db.client.ai.indexes.create(policy)
    page().save()
    assert [change.kind for change in db.plan().changes].count("keep") == 2


# -- the first save -----------------------------------------------------------


def test_the_first_save_creates_the_policies(only, monkeypatch):
    db = only(Page)
    sent = recorded(db, monkeypatch)
    page("a").save()
    page("b").save()
    assert [type(command) for command in sent] == [
        ListPolicies,
        CreatePolicy,
        CreatePolicy,
        EnsureIndexes,  # of the key
        SaveRecords,
        SaveRecords,
    ]
    assert db.plan().in_sync
    sent.clear()
    Page.delete_all()
    Plain(name="a").save()  # a class without policies asks for none
    assert [type(command).__name__ for command in sent] == ["DeleteRecords", "SaveRecords"]


def test_a_refused_first_save_is_tried_again(only):
    only(Article)
    bad = article(title="\ud800")
    with pytest.raises(ValueError, match="title"):
        bad.save()
    bad.title = "good"
    bad.save()
    assert len(Article.search([1, 2, 3])) == 1


def test_without_autosync(only):
    db = only(Page, autosync=False)
    with pytest.raises(PolicyMissing, match=r"Page\.body external cosine 3.*db\.sync\(\)") as caught:
        page().save()
    assert str(caught.value.signature) == COSINE
    with pytest.raises(PolicyMissing):
        Page.save_many([page()])
    assert Page.find().count() == 0
    assert db.client.ai.indexes.find().data == []
    db.sync()
    page().save()
    assert len(Page.search([1, 2, 3], similarity="cosine")) == 1


def test_without_autosync_and_vectors(only):
    only(Plain, autosync=False)
    Plain(name="a").save()
    assert Plain.find().count() == 1


def test_a_fingerprint_has_a_policy_of_its_own(only):
    db = only(Picture)
    picture(thumb=[1, 1]).save()
    assert kinds(db.plan()) == [
        ("keep", "Picture.look external cosine 3"),
        ("keep", "Picture.thumbnail external euclidean 2"),
    ]
    assert {change.coverage for change in db.plan().changes} == {Coverage(1, 1)}


def test_property_indexes_are_made_by_sync_and_by_the_first_save(only, monkeypatch):
    class Indexed(Model):
        slug: Field[str] = field(key=True)
        year: Field[int] = field(index=True)

    db = only(Indexed)
    sent = recorded(db, monkeypatch)
    db.sync()
    assert [command.indexes for command in sent if isinstance(command, EnsureIndexes)] == [
        (("slug",), ("year",))
    ]
    sent.clear()
    Indexed.find(Indexed.year > 1).all()
    Indexed(slug="a", year=1).save()
    assert not any(isinstance(command, (EnsureIndexes, DeletePolicy)) for command in sent)


def test_the_async_face_has_the_same_verbs(only):
    import asyncio

    db = only(Page)

    async def main() -> None:
        assert (await db.aio.plan()) == db.plan()
        assert kinds(await db.aio.sync()) == [("create", COSINE), ("create", EUCLIDEAN)]
        assert (await db.aio.sync(prune=True, drop_vectors=True)).in_sync
        await db.aio.close()

    asyncio.run(main())

"""`get`, `refresh`, loading, and what is not loaded."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, union-attr"

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from rushmodel import (
    Field,
    LoadError,
    Model,
    MultipleFound,
    NotFound,
    NotLoaded,
    NotSaved,
    QueryError,
    RecordGone,
    VectorsNotLoaded,
    field,
)

from .models import Article, Page, Picture, Plain, Quote, article, page, picture, quote, stored, vec


class Tagged(Model):
    name: Field[str] = field(key=True)
    tags: Field[list[str]] = field(default=[])
    meta: dict[str, Any] = field(default={"a": []}, json=True)


def test_get_by_id_and_by_key(db):
    record = article(title="a").save()
    by_id, by_key = Article.get(record.record_id), Article.get(slug="warp")
    assert by_id == by_key
    assert by_id.is_saved
    assert by_id.record_id == record.record_id
    assert Article.get(record.record_id, with_vectors=True) == record
    assert Article.get_or_none(record.record_id) == by_id
    assert Article.get_or_none(slug="warp") == by_id


def test_get_of_what_is_not_there(db):
    picture().save()
    other = Picture.find().one()
    for given in ({"slug": "nothing"}, {"slug": ""}):
        assert Article.get_or_none(**given) is None
        with pytest.raises(NotFound, match="Article") as caught:
            Article.get(**given)
        assert caught.value.key == given
        assert caught.value.status == 404
    for record_id in ("nothing", "", "\0", other.record_id, "0199f3a4-6c1e-7b02-9d55-0a4c8be1f27d"):
        assert Article.get_or_none(record_id) is None  # also where the id is of another label
        with pytest.raises(NotFound):
            Article.get(record_id)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((), {}),
        ((None,), {}),
        (("id",), {"slug": "warp"}),
        ((), {"title": "a"}),
        ((), {"slug": "a", "title": "b"}),
        ((), {"slug": 5}),
        ((), {"slug": None}),
        ((), {"slug": "\ud800"}),
    ],
)
def test_get_with_wrong_arguments(db, sent, arguments, key):
    for verb in (Article.get, Article.get_or_none):
        with pytest.raises(QueryError, match="slug"):
            verb(*arguments, **key)
    assert sent == []


def test_get_by_key_needs_a_key(db):
    Plain(name="a").save()
    with pytest.raises(QueryError, match="no merge key"):
        Plain.get(name="a")


def test_a_key_that_the_store_holds_twice(db):
    """Only other clients can make one: `create` with no merge key."""
    db.client.records.create_many(label="Article", data=[{"slug": "warp", "body": "a"}] * 3)
    with pytest.raises(MultipleFound, match="warp") as caught:
        Article.get(slug="warp")
    assert set(caught.value.record_ids) <= {each.record_id for each in Article.find()}
    assert caught.value.status == 409
    with pytest.raises(MultipleFound):
        Article.get_or_none(slug="warp")
    with pytest.raises(MultipleFound):
        article(title="new").save()
    with pytest.raises(MultipleFound):
        Article.find(Article.slug == "warp").one()
    assert {each.title for each in Article.find()} == {""}
    first = Article.find().first()
    assert first is not None
    first.title = "still possible by id"
    first.save()


# -- refresh ------------------------------------------------------------------


def test_refresh_reads_in_place(db):
    record, other = article(title="a").save(), Article.get(slug="warp")
    other.title, other.note = "b", "n"
    other.save()
    record.year = 1
    assert record.refresh() is record
    assert (record.title, record.note, record.year) == ("b", "n", 2026)
    assert record.embedding.tolist() == [1, 2, 3]  # it had vectors, so it has them again
    other.refresh()
    with pytest.raises(VectorsNotLoaded):
        other.embedding
    assert other.refresh(with_vectors=True).embedding.tolist() == [1, 2, 3]
    with pytest.raises(VectorsNotLoaded):
        record.refresh(with_vectors=False).embedding


def test_refresh_of_inline_vectors_is_as_the_instance_was(db):
    quote().save()
    record = Quote.get(name="one")
    record.refresh()
    with pytest.raises(VectorsNotLoaded):
        record.vectors["text"]
    record.refresh(with_vectors=True)
    assert record.refresh().vectors["text"].tolist() == [1, 2, 3]


def test_refresh_reads_what_only_left_out(db):
    article(title="a").save()
    record = Article.find().only("year").one()
    assert record.refresh().title == "a"


def test_refresh_forgets_what_was_assigned(db, sent):
    record = page().save()
    record.body, record.embedding = "changed", vec(3, 2, 1)
    record.refresh()
    assert (record.body, record.embedding.tolist()) == ("text", [1, 2, 3])
    sent.clear()
    record.save()
    assert sent == []


def test_refresh_needs_a_record(db):
    record = article()
    with pytest.raises(NotSaved):
        record.refresh()
    record.save()
    Article.delete_all()
    with pytest.raises(RecordGone) as caught:
        record.refresh()
    assert caught.value.record_id == record.record_id
    assert record.title == ""


# -- loading ------------------------------------------------------------------


def test_loading_runs_no_validators_and_no_init(db):
    class Picky(Model):
        name: Field[str] = field(min_length=3)

        def model_post_init(self, context: Any) -> None:
            raise AssertionError("loading never calls __init__")

    db.client.records.create(label="Picky", data={"name": "x"})
    assert Picky.find().one().name == "x"


def test_what_does_not_fit_the_class(db):
    made = db.client.records.create(label="Plain", data={"name": 5})
    for read in (Plain.find().all, Plain.find().first, lambda: Plain.get(made.id)):
        with pytest.raises(LoadError, match="name") as caught:
            read()
        assert (caught.value.record_id, caught.value.field) == (made.id, "name")
    assert Plain.find().count() == 1
    missing = db.client.records.create(label="Plain", data={"count": 5})
    with pytest.raises(LoadError, match="no default"):
        Plain.get(missing.id)


def test_absent_properties_are_none_or_the_default(db, sent):
    made = db.client.records.create(label="Plain", data={"name": "a", "other": 5})
    record = Plain.get(made.id)
    assert (record.count, record.note) == (0, None)
    sent.clear()
    record.save()
    assert sent == []
    record.count = 7
    record.save()
    assert stored(db, record) == {"name": "a", "other": 5, "count": 7}


def test_absent_properties_do_not_share_their_default(db):
    for name in "ab":
        db.client.records.create(label="Tagged", data={"name": name})
    one, other = Tagged.find().all()
    one.tags.append("x")
    one.meta["a"].append("y")
    assert (other.tags, other.meta) == ([], {"a": []})
    assert (Tagged(name="c").tags, Tagged(name="c").meta) == ([], {"a": []})
    assert (Tagged.get(name="b").tags, Tagged.get(name="b").meta) == ([], {"a": []})
    one.save()
    assert Tagged.get(name="a").tags == ["x"]


# -- what is not loaded -------------------------------------------------------


def test_only_leaves_the_others_out(db, sent):
    article(title="a", note="n").save()
    record = Article.find().only("title", Article.year).one()
    assert (record.title, record.year, record.slug) == ("a", 2026, "warp")
    sent.clear()
    for name in ("body", "note", "tags"):
        with pytest.raises(NotLoaded, match=name) as caught:
            getattr(record, name)
        assert caught.value.field == name
    with pytest.raises(VectorsNotLoaded):
        record.embedding
    assert not hasattr(record, "note")
    assert sent == []
    assert record.model_dump() == {"slug": "warp", "title": "a", "year": 2026}
    assert "note=<not loaded>" in repr(record)


def test_only_reads_no_more_than_it_must(db, sent):
    article().save()
    sent.clear()
    Article.find().only("title").all()
    assert set(sent[0].query.properties) == {"slug", "title"}


def test_an_unloaded_field_equals_only_an_unloaded_one(db):
    record = article().save()
    assert Article.get(slug="warp") == Article.get(slug="warp")
    assert Article.get(slug="warp") != record
    assert Article.get(slug="warp", with_vectors=True) == record
    assert Article.find().only("title").one() != Article.get(slug="warp")


@pytest.mark.parametrize("make", [article, page, picture, quote])
@pytest.mark.parametrize("vectors", [True, False])
def test_copies_and_pickles_keep_identity_and_what_is_loaded(db, sent, make, vectors):
    make().save()
    record = type(make()).find().one() if not vectors else type(make()).find().with_vectors().one()
    for twin in (
        copy.copy(record),
        copy.deepcopy(record),
        record.model_copy(),
        record.model_copy(deep=True),
        pickle.loads(pickle.dumps(record)),
    ):
        assert twin == record
        assert twin.record_id == record.record_id
        sent.clear()
        twin.save(if_unchanged=True)
        assert sent == []
        arrays = [value for value in twin.__dict__.values() if isinstance(value, np.ndarray)]
        arrays += list(dict(getattr(twin, "vectors", {})).values()) if vectors else []
        assert bool(arrays) == vectors
        assert not any(array.flags.writeable for array in arrays)
        twin.refresh()


def test_a_copy_goes_its_own_way(db):
    record = article(tags=["a"]).save()
    twin = record.model_copy(deep=True)
    twin.title = "twin"
    twin.tags.append("b")
    twin.save()
    assert (record.title, record.tags) == ("", ["a"])
    assert Article.get(slug="warp").tags == ["a", "b"]


def test_a_pickle_holds_a_vector_that_was_assigned(db):
    record = page().save()
    record.body, record.embedding = "changed", vec(3, 2, 1)
    pickle.loads(pickle.dumps(record)).save()
    stored = Page.get(slug="warp", with_vectors=True)
    assert (stored.body, stored.embedding.tolist()) == ("changed", [3, 2, 1])


def test_with_vectors_of_a_record_that_has_none(db):
    db.client.records.create(label="Article", data={"slug": "a", "body": "b"})
    record = Article.get(slug="a", with_vectors=True)
    with pytest.raises(VectorsNotLoaded, match="the store holds no vector"):
        record.embedding
    record.title = "still"
    record.save()
    assert Article.get(slug="a").title == "still"

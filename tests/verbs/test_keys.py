"""Merge keys: fixed once saved, `rename_key`, `clone`."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError, field_validator

from rushmodel import (
    ConflictError,
    Field,
    KeyChanged,
    Model,
    NotFound,
    NotLoaded,
    NotSaved,
    PropertyError,
    QueryError,
    RecordGone,
    StaleVector,
    Vector,
    VectorField,
    VectorsNotLoaded,
    field,
)

from .models import Article, Color, Picture, Plain, Quote, Seat, article, picture, quote, saves, vec

HALL = UUID("0199f3a4-6c1e-7b02-9d55-0a4c8be1f27d")


def seat(**values: Any) -> Seat:
    return Seat(**{"row": 1, "day": date(2020, 2, 29), "color": Color.RED, "hall": HALL, **values})


class Word(Model):
    """The key is the indexed text."""

    word: Field[str] = field(key=True)
    embedding: Vector = VectorField(dims=2, property="word")


class Coded(Model):
    code: Field[str] = field(key=True, min_length=2)

    @field_validator("code")
    @classmethod
    def _upper(cls, value: str) -> str:
        if value == "no":
            raise ValueError("not that one")
        return value.upper()


# -- the key of a saved record ------------------------------------------------


def test_the_key_of_a_saved_record_cannot_be_assigned(db, sent):
    record = article(title="a")
    record.slug = "other"  # not saved yet
    record.save()
    sent.clear()
    for each in (record, Article.get(slug="other"), Article.find().only("title").one()):
        with pytest.raises(KeyChanged, match="rename_key") as caught:
            each.slug = "third"
        assert caught.value.field == "slug"
        assert each.slug == "other"
        each.slug = "other"
    sent.clear()
    assert record.save().slug == "other"
    assert sent == []


def test_a_key_that_changed_past_the_assignment_is_refused_at_save(db):
    record = article().save()
    record.__dict__["slug"] = "other"
    with pytest.raises(KeyChanged, match="slug"):
        record.save()
    assert [each.slug for each in Article.find()] == ["warp"]


def test_composite_keys_of_every_type(db):
    first = seat(guest="a").save()
    again = seat(guest="b").save()
    assert first.record_id == again.record_id
    others = [seat(row=2), seat(day=date(2021, 1, 1)), seat(color=Color.BLUE), seat(hall=UUID(int=0))]
    for other in others:
        other.save()
    assert Seat.find().count() == 5
    assert Seat.get(row=1, day=date(2020, 2, 29), color=Color.RED, hall=HALL) == again
    assert Seat.get_or_none(row=3, day=date(2020, 2, 29), color=Color.RED, hall=HALL) is None
    with pytest.raises(QueryError, match="hall"):
        Seat.get(row=1, day=date(2020, 2, 29), color=Color.RED)


# -- rename_key ---------------------------------------------------------------


@pytest.mark.parametrize("vectors", [True, False])
def test_rename_key_keeps_id_vectors_and_everything_else(db, sent, vectors):
    article(title="a", note="n").save()
    record = Article.get(slug="warp", with_vectors=vectors)
    sent.clear()
    assert record.rename_key(slug="woof") is record
    (write,) = saves(sent)
    assert (write.data, write.vectors) == ({"slug": "woof"}, ())
    assert record.slug == "woof"
    assert Article.get_or_none(slug="warp") is None
    stored = Article.get(slug="woof", with_vectors=True)
    assert (stored.record_id, stored.title, stored.note) == (record.record_id, "a", "n")
    assert stored.embedding.tolist() == [1, 2, 3]
    assert [hit.record.slug for hit in Article.search([1, 2, 3])] == ["woof"]
    sent.clear()
    record.save()
    assert sent == []
    record.save(if_unchanged=True)


def test_rename_key_leaves_unsaved_changes_for_the_save(db, sent):
    record = article(title="a").save()
    record.title = "b"
    record.rename_key(slug="woof")
    assert Article.get(slug="woof").title == "a"
    sent.clear()
    record.save(if_unchanged=True)
    assert [write.data for write in saves(sent)] == [{"title": "b"}]


def test_rename_key_to_a_key_that_is_taken(db):
    one, other = article("one", title="1").save(), article("other", title="2").save()
    with pytest.raises(ConflictError, match="slug") as caught:
        one.rename_key(slug="other")
    assert caught.value.status == 409
    assert one.slug == "one"
    assert {each.slug: each.title for each in Article.find()} == {"one": "1", "other": "2"}
    one.title = "still"
    one.save()
    assert Article.get(slug="one").title == "still"
    other.delete()
    assert one.rename_key(slug="other").save().slug == "other"


def test_rename_key_to_its_own_key(db):
    record = article().save()
    record.rename_key(slug="warp")
    assert Article.get(slug="warp").record_id == record.record_id


def test_rename_key_of_one_part(db):
    record = seat(guest="a").save()
    record.rename_key(row=7, color=Color.BLUE)
    assert (record.row, record.color, record.hall) == (7, Color.BLUE, HALL)
    assert Seat.get(row=7, day=date(2020, 2, 29), color=Color.BLUE, hall=HALL).guest == "a"
    seat().save()
    with pytest.raises(ConflictError):
        record.rename_key(row=1, color=Color.RED)
    record.rename_key(row=1)
    assert Seat.find().count() == 2


def test_rename_key_validates_as_an_assignment_does(db):
    record = Coded(code="ab").save()
    for value in ("x", "no", 5):
        with pytest.raises(ValidationError):
            record.rename_key(code=value)
    assert record.code == "AB"
    record.rename_key(code="cd")
    assert record.code == Coded.find().one().code == "CD"


@pytest.mark.parametrize("names", [{}, {"title": "x"}, {"slug": "x", "title": "y"}, {"nothing": 1}])
def test_rename_key_takes_the_key_alone(db, names):
    record = article().save()
    with pytest.raises(KeyChanged, match="slug"):
        record.rename_key(**names)
    assert Article.get(slug="warp").title == ""


def test_rename_key_needs_a_record(db):
    record = article()
    with pytest.raises(NotSaved):
        record.rename_key(slug="x")
    record.save()
    other = Article.get(slug="warp")
    other.delete()
    for each in (record, other):
        with pytest.raises(RecordGone):
            each.rename_key(slug="x")
        assert each.slug == "warp"
    with pytest.raises(KeyChanged):
        Plain(name="a").save().rename_key(name="b")


def test_rename_key_of_a_text_that_has_a_vector(db):
    """The key is the indexed text: its vector would be silently wrong afterwards (promise 3)."""
    record = Word(word="cat", embedding=[1, 0]).save()
    with pytest.raises(StaleVector, match="embedding"):
        record.rename_key(word="dog")
    assert record.word == "cat"
    assert [each.word for each in Word.find()] == ["cat"]


def test_threads_that_rename_to_one_key(db):
    records = [article(str(n)).save() for n in range(6)]
    barrier = threading.Barrier(6)
    results: list[str] = []

    def rename(record: Article) -> None:
        barrier.wait()
        try:
            record.rename_key(slug="the one")
        except ConflictError:
            results.append("refused")
        else:
            results.append("renamed")

    threads = [threading.Thread(target=rename, args=(record,)) for record in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused"] * 5 + ["renamed"]
    assert Article.find(Article.slug == "the one").count() == 1
    assert Article.find().count() == 6


# -- clone --------------------------------------------------------------------


def test_a_clone_has_no_identity(db, sent):
    record = article(tags=["a"]).save()
    sent.clear()
    copy = record.clone()
    assert sent == []
    assert copy == record
    assert (copy.record_id, copy.is_saved) == (None, False)
    copy.slug = "copy"
    copy.tags.append("b")
    copy.save()
    assert record.tags == ["a"]
    assert Article.find().count() == 2
    assert Article.get(slug="copy", with_vectors=True) == copy
    assert sorted(hit.record.slug for hit in Article.search([1, 2, 3])) == ["copy", "warp"]


def test_a_clone_with_the_same_key_is_the_same_record(db):
    record = article(title="a").save()
    copy = record.clone()
    copy.title = "b"
    copy.save()
    assert copy.record_id == record.record_id
    assert Article.find().one().title == "b"


def test_a_clone_of_which_the_text_changes(db):
    """Its vector is of the old text, as that of a saved record would be (promise 3)."""
    copy = article().save().clone()
    copy.slug, copy.body = "copy", "another text"
    with pytest.raises(StaleVector, match=r"Article\.embedding"):
        copy.save()
    assert Article.find().count() == 1
    kept = copy.clone()
    kept.slug = "kept"
    copy.save(on_stale="drop")
    with pytest.raises(VectorsNotLoaded):
        copy.embedding
    kept.save(on_stale="keep")
    assert Article.get(slug="kept", with_vectors=True).embedding.tolist() == [1, 2, 3]
    copy.embedding = [3, 2, 1]
    copy.save()
    assert len(Article.search([1, 2, 3])) == 3


def test_a_clone_with_a_vector_of_its_own(db):
    record = article().save()
    copy = record.clone()
    copy.slug, copy.body, copy.embedding = "copy", "another text", record.embedding
    copy.save()  # assigned, even if equal: it counts as fresh
    assert len(Article.search([1, 2, 3])) == 2


@pytest.mark.parametrize("make", [picture, quote])
def test_clones_of_other_vectors(db, make):
    record = make().save()
    copy = type(record).get(name=record.name, with_vectors=True).clone()
    copy.name = "copy"
    copy.save()
    assert type(record).get(name="copy", with_vectors=True) == copy
    assert len(type(record).search([1, 2, 3])) == 2


@pytest.mark.parametrize("make", [article, picture, quote])
def test_a_clone_would_lack_vectors_that_were_not_read(db, make):
    record = make().save()
    with pytest.raises(VectorsNotLoaded):
        type(record).get(record.record_id).clone()


def test_a_clone_would_lack_fields_that_were_not_read(db):
    Plain(name="a").save()
    with pytest.raises(NotLoaded, match="count"):
        Plain.find().only("name").one().clone()


def test_a_clone_of_a_deleted_record_can_be_saved(db):
    record = article().save()
    record.delete()
    again = record.clone().save()
    assert again.record_id != record.record_id
    assert Article.get(slug="warp", with_vectors=True) == record


def test_clones_without_a_key_are_records_of_their_own(db):
    record = Plain(name="a").save()
    assert record.clone().save().record_id != record.record_id
    assert Plain.find().count() == 2


# -- delete -------------------------------------------------------------------


def test_delete_takes_the_vectors_along(db, sent):
    record, other = article("a").save(), article("b").save()
    record.delete()
    assert not record.is_saved
    assert [hit.record.slug for hit in Article.search([1, 2, 3])] == ["b"]
    sent.clear()
    record.delete()
    assert sent == []
    with pytest.raises(RecordGone, match="clone"):
        record.save()
    with pytest.raises(RecordGone):
        record.refresh()
    with pytest.raises(NotFound):
        Article.get(slug="a")
    other.delete()
    assert Article.search([1, 2, 3]) == Article.search(vec(1, 1, 1))  # none


def test_delete_of_what_somebody_else_deleted_is_silent(db):
    record, other = article().save(), Article.get(slug="warp")
    other.delete()
    record.delete()
    assert not record.is_saved


def test_delete_needs_a_record(db):
    with pytest.raises(NotSaved):
        article().delete()


def test_delete_all_is_for_one_label(db):
    for name in "abc":
        article(name).save()
        picture(name).save()
    assert Article.delete_all() == 3
    assert Article.delete_all() == 0
    assert Picture.find().count() == 3
    assert len(Picture.search([1, 2, 3])) == 3
    assert list(Article.search([1, 2, 3])) == []


def test_a_key_is_free_after_the_delete(db):
    first = article().save()
    first.delete()
    assert article().save().record_id != first.record_id


def test_a_key_that_cannot_be_stored(db):
    with pytest.raises(PropertyError, match="slug"):
        article("\ud800").save()
    with pytest.raises(PropertyError, match="row"):
        seat(row=2**60).save()
    record = seat().save()
    with pytest.raises(PropertyError, match="row"):
        record.rename_key(row=2**60)
    assert record.row == Seat.find().one().row == 1


def test_vectors_of_an_inline_text_survive_a_rename(db):
    record = quote().save()
    record.rename_key(name="two")
    assert Quote.get(name="two", with_vectors=True).vectors["text"].tolist() == [1, 2, 3]

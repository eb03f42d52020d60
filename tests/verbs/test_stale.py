"""`StaleVector`: the text changed and its vector did not (promise 3), in all its ways."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, attr-defined, index, union-attr"

from __future__ import annotations

from typing import Annotated, Any

import pytest

from rushmodel import (
    CapabilityError,
    Field,
    Model,
    ModelError,
    OptionalVector,
    StaleVector,
    Vector,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    field,
)

from .models import Article, Page, Picture, Quote, article, page, picture, quote, saves, stored, vec


class Keeps(Model):
    slug: Field[str] = field(key=True)
    body: Field[str | None] = None
    embedding: OptionalVector = VectorField(default=None, dims=3, property="body", on_stale="keep")


class Drops(Model):
    slug: Field[str] = field(key=True)
    body: Field[str | None] = None
    embedding: OptionalVector = VectorField(default=None, dims=3, property="body", on_stale="drop")


class Both(Model):
    """Two vectors of one text: one may be dropped, the other never."""

    slug: Field[str] = field(key=True)
    body: Field[str]
    small: Vector = VectorField(dims=2, property="body", on_stale="drop")
    large: Vector = VectorField(dims=4, property="body", similarity=("cosine", "euclidean"))


class Needed(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(dims=3, property="body", on_stale="drop")


class Inline(Model):
    slug: Field[str] = field(key=True)
    body: Annotated[str | None, VectorField(dims=3, similarity=("cosine", "euclidean"))] = None
    title: Annotated[str, VectorField(dims=3, on_stale="drop")] = ""


def make(model: Any, **values: Any) -> Any:
    return model(**{"slug": "warp", "body": "text", "embedding": [1, 2, 3], **values})


def stored_vector(model: Any) -> Any:
    record = model.get(slug="warp", with_vectors=True)
    try:
        return None if record.embedding is None else record.embedding.tolist()
    except VectorsNotLoaded:
        return None


# The three instances whose text can change: as saved, read with its vectors, read without.
WAYS = {
    "saved": lambda model, **values: make(model, **values).save(),
    "with": lambda model, **values: (
        make(model, **values).save(),
        model.get(slug="warp", with_vectors=True),
    )[1],
    "without": lambda model, **values: (make(model, **values).save(), model.get(slug="warp"))[1],
    "only": lambda model, **values: (make(model, **values).save(), model.find().only("slug").one())[1],
}


@pytest.fixture(params=WAYS)
def saved(request):
    return WAYS[request.param]


# -- a saved record whose text changes ----------------------------------------


@pytest.mark.parametrize("text", ["changed", None])
def test_a_changed_text_alone_is_refused(db, saved, text):
    record = saved(Page)
    record.body, record.title = text, "new"
    with pytest.raises(StaleVector, match=r"Page\.embedding.*'body'.*on_stale='keep'") as caught:
        record.save()
    error = caught.value
    assert (error.field, error.record_id, error.status) == ("embedding", record.record_id, 409)
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.body, found.title, found.embedding.tolist()) == ("text", "", [1, 2, 3])
    assert (record.body, record.title) == (text, "new")  # nothing is lost on the instance either


@pytest.mark.parametrize("text", ["changed", None])
@pytest.mark.parametrize("by", ["field", "save"])
def test_keep(db, saved, text, by):
    record = saved(Keeps if by == "field" else Page)
    record.body = text
    record.save(**({} if by == "field" else {"on_stale": "keep"}))
    assert type(record).get(slug="warp").body == text
    assert stored_vector(type(record)) == [1, 2, 3]


@pytest.mark.parametrize("text", ["changed", None])
@pytest.mark.parametrize("by", ["field", "save"])
def test_drop(db, sent, saved, text, by):
    record = saved(Drops if by == "field" else Page)
    record.body = text
    record.save(**({} if by == "field" else {"on_stale": "drop"}))
    model = type(record)
    assert model.get(slug="warp").body == text
    assert stored_vector(model) is None
    for signature in model.__rush_schema__.signatures:
        assert list(model.search([1, 2, 3], similarity=signature.similarity)) == []
    assert record.embedding is None
    assert "embedding=None" in repr(record)
    sent.clear()
    record.save()
    assert sent == []
    record.embedding = vec(3, 2, 1)
    if text is not None:
        record.save()
        assert stored_vector(model) == [3, 2, 1]


def test_a_required_vector_that_was_dropped_says_so(db):
    record = make(Needed).save()
    record.body = "changed"
    record.save()
    with pytest.raises(VectorsNotLoaded, match="the store holds no vector"):
        record.embedding
    again = Needed.get(slug="warp", with_vectors=True)
    with pytest.raises(VectorsNotLoaded, match="the store holds no vector"):
        again.embedding
    record.body = "and again"  # without a vector there is nothing stale
    record.save(on_stale="raise")
    record.embedding = vec(1, 1, 1)
    record.save()
    assert stored_vector(Needed) == [1, 1, 1]


def test_the_save_has_the_last_word(db):
    record = make(Keeps).save()
    record.body = "changed"
    with pytest.raises(StaleVector):
        record.save(on_stale="raise")
    record.save(on_stale="drop")
    assert stored_vector(Keeps) is None
    record = make(Drops).save()
    record.body = "changed"
    with pytest.raises(StaleVector):
        record.save(on_stale="raise")
    record.save(on_stale="keep")
    assert stored_vector(Drops) == [1, 2, 3]


@pytest.mark.parametrize("vector", [[3, 2, 1], [1, 2, 3]], ids=["other", "equal"])
def test_a_vector_that_was_assigned_is_fresh(db, saved, vector):
    record = saved(Page)
    record.body = "changed"
    record.embedding = vector
    record.save()
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.body, found.embedding.tolist()) == ("changed", vector)


def test_the_same_array_assigned_again_is_fresh(db):
    record = page().save()
    record.body = "changed"
    record.embedding = record.embedding
    record.save()
    assert Page.get(slug="warp").body == "changed"
    record.body = "changed again"  # it was fresh for that save only
    with pytest.raises(StaleVector):
        record.save()


def test_freshness_survives_a_refused_save_and_a_copy(db):
    record = page().save()
    record.body, record.embedding = "changed", vec(1, 2, 3)
    record.title = "\ud800"
    with pytest.raises(ValueError, match="title"):
        record.save()
    record.title = "right"
    record.model_copy().save()
    assert Page.get(slug="warp").body == "changed"


@pytest.mark.parametrize("way", ["saved", "with", "without"])
def test_taking_the_vector_away_is_no_staleness(db, way):
    record = WAYS[way](Page)
    record.body, record.embedding = "changed", None
    record.save()
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.body, found.embedding) == ("changed", None)
    assert list(Page.search([1, 2, 3], similarity="cosine")) == []
    record.body = "again"
    record.save()


def test_without_a_stored_vector_there_is_nothing_stale(db, saved):
    record = saved(Page, embedding=None)
    record.body = "changed"
    record.save()
    assert Page.get(slug="warp").body == "changed"


def test_a_text_that_changed_and_changed_back(db, saved):
    record = saved(Page)
    record.body = "changed"
    record.body = "text"
    record.save()
    assert stored_vector(Page) == [1, 2, 3]


def test_another_field_never_makes_a_vector_stale(db, saved):
    record = saved(Page)
    record.title = "new"
    record.save()
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.title, found.embedding.tolist()) == ("new", [1, 2, 3])
    assert len(Page.search([1, 2, 3], similarity="euclidean")) == 1


def test_the_stored_text_decides_for_an_unloaded_vector(db):
    """Somebody else has already stored that text, with its vector."""
    page().save()
    record = Page.get(slug="warp")
    other = Page.get(slug="warp")
    other.body, other.embedding = "changed", vec(3, 2, 1)
    other.save()
    record.body = "changed"
    record.save()
    assert stored_vector(Page) == [3, 2, 1]


# -- a new instance over a stored key -----------------------------------------


def test_a_new_instance_with_the_stored_text_keeps_the_vector(db, sent):
    page().save()
    sent.clear()
    again = Page(slug="warp", body="text", title="new")
    again.save()
    assert len(saves(sent)) == 1
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.title, found.embedding.tolist()) == ("new", [1, 2, 3])
    with pytest.raises(VectorsNotLoaded):
        again.embedding
    again.body = "changed"
    with pytest.raises(StaleVector):
        again.save()


@pytest.mark.parametrize("model", [Page, Keeps, Drops])
def test_a_new_instance_that_gives_no_text_keeps_text_and_vector(db, model):
    """A None that was not given removes nothing: the text stays, so its vector is right."""
    make(model).save()
    again = model(slug="warp").save()
    assert again.body == "text"
    assert model.get(slug="warp").body == "text"
    assert stored_vector(model) == [1, 2, 3]


@pytest.mark.parametrize("text", ["changed", None])
def test_a_new_instance_with_another_text_is_refused(db, text):
    page().save()
    again = Page(slug="warp", body=text, title="new")
    with pytest.raises(StaleVector, match=r"Page\.embedding") as caught:
        again.save()
    assert caught.value.field == "embedding"
    assert not again.is_saved
    found = Page.get(slug="warp", with_vectors=True)
    assert (found.title, found.body, found.embedding.tolist()) == ("", "text", [1, 2, 3])


@pytest.mark.parametrize("by", ["field", "save"])
def test_a_new_instance_with_another_text_keep(db, by):
    model: Any = Keeps if by == "field" else Page
    make(model).save()
    model(slug="warp", body="changed").save(**({} if by == "field" else {"on_stale": "keep"}))
    assert model.get(slug="warp").body == "changed"
    assert stored_vector(model) == [1, 2, 3]


@pytest.mark.parametrize("by", ["field", "save"])
def test_a_new_instance_with_another_text_drop(db, by):
    model: Any = Drops if by == "field" else Page
    make(model).save()
    again = model(slug="warp", body="changed").save(**({} if by == "field" else {"on_stale": "drop"}))
    assert again.embedding is None
    assert stored_vector(model) is None
    assert "embedding=None" in repr(again)
    assert again.clone().embedding is None


def test_a_new_instance_with_its_vector_is_fresh(db):
    page().save()
    page(body="changed").save()
    assert Page.get(slug="warp").body == "changed"
    assert stored_vector(Page) == [1, 2, 3]


def test_a_new_instance_with_an_explicit_none_takes_the_vector_away(db):
    page().save()
    again = Page(slug="warp", body="changed", embedding=None).save()
    assert again.embedding is None
    assert stored_vector(Page) is None
    assert Page.get(slug="warp").body == "changed"


def test_a_new_key_has_nothing_stale(db):
    page().save()
    other = Page(slug="other", body="changed").save()
    assert other.embedding is None
    assert stored_vector(Page) == [1, 2, 3]


# -- several vectors, and none of a text --------------------------------------


def test_each_vector_decides_for_itself(db):
    record = Both(slug="warp", body="text", small=[1, 2], large=[1, 2, 3, 4]).save()
    record.body = "changed"
    with pytest.raises(StaleVector, match=r"Both\.large"):
        record.save()
    assert Both.get(slug="warp", with_vectors=True).small.tolist() == [1, 2]  # not dropped meanwhile
    record.large = [4, 3, 2, 1]
    record.save()
    with pytest.raises(VectorsNotLoaded):
        record.small
    assert record.large.tolist() == [4, 3, 2, 1]
    assert list(Both.search([1, 2])) == []
    assert len(Both.search([1, 2, 3, 4], similarity="euclidean")) == 1


def test_a_vector_without_a_text_is_never_stale(db):
    record = picture().save()
    record.artist = "x"
    record.save()
    assert Picture.get(name="sea", with_vectors=True).look.tolist() == [1, 2, 3]


def test_a_new_picture_over_a_stored_one_keeps_the_optional_vector(db):
    picture(thumb=[1, 1]).save()
    again = Picture(name="sea", look=[3, 2, 1]).save()
    with pytest.raises(VectorsNotLoaded):
        again.thumb
    third = Picture.get(name="sea", with_vectors=True)
    assert (third.look.tolist(), third.thumb.tolist()) == ([3, 2, 1], [1, 1])
    Picture(name="sea", look=[3, 2, 1], thumb=None).save()
    assert Picture.get(name="sea", with_vectors=True).thumb is None
    assert "thumbnail" not in stored(db, again)


@pytest.mark.parametrize("vectors", [True, False])
def test_an_optional_vector_is_set_and_unset(db, vectors):
    picture().save()
    assert Picture.get(name="sea", with_vectors=True).thumb is None
    for value in ([1, 1], [2, 2], None, [3, 3], None):
        record = Picture.get(name="sea", with_vectors=vectors)
        record.thumb = value
        record.save()
        again = Picture.get(name="sea", with_vectors=True)
        assert (None if again.thumb is None else again.thumb.tolist()) == value
        hits = Picture.search([1, 1])
        assert len(hits) == (value is not None)
        assert ("thumbnail" in stored(db, again)) == (value is not None)


def test_a_required_vector_is_never_none(db):
    record = article().save()
    with pytest.raises(ValueError, match="embedding"):
        record.embedding = None
    record.__dict__["embedding"] = None
    with pytest.raises(VectorError, match="embedding"):
        record.save()
    assert stored_vector(Article) == [1, 2, 3]


# -- Annotated[str, VectorField] ----------------------------------------------


@pytest.mark.parametrize("way", ["saved", "with", "without", "only"])
def test_inline_texts_are_refused_without_their_vector(db, way):
    record = quote().save()
    if way != "saved":
        query = Quote.find() if way == "without" else Quote.find().with_vectors()
        record = Quote.find().only("name").one() if way == "only" else query.one()
    record.text = "changed"
    with pytest.raises(StaleVector, match=r"Quote\.text.*record\.vectors\['text'\]") as caught:
        record.save()
    assert caught.value.field == "text"
    assert Quote.get(name="one").text == "text"
    record.vectors["text"] = [1, 2, 3]
    record.save()
    assert Quote.get(name="one").text == "changed"
    record.text = "again"
    with pytest.raises(StaleVector):
        record.save()
    record.save(on_stale="drop")
    assert "text" not in record.vectors
    found = Quote.get(name="one", with_vectors=True)
    assert (found.text, dict(found.vectors)) == ("again", {})
    assert list(Quote.search([1, 2, 3])) == []


def test_an_inline_vector_that_is_deleted_is_taken_away(db, sent):
    record = quote().save()
    del record.vectors["text"]
    record.text = "changed"
    record.save()
    assert dict(Quote.get(name="one", with_vectors=True).vectors) == {}
    sent.clear()
    record.save()
    assert sent == []


def test_several_inline_texts(db):
    given: dict[str, Any] = {"vectors": {"body": [1, 2, 3], "title": [3, 2, 1]}}
    record = Inline(slug="warp", body="text", title="title", **given).save()
    record.title = "changed"
    record.save()  # its vector goes, the other stays
    assert record.vectors.keys() == {"body"}
    assert Inline.get(slug="warp", with_vectors=True) == record
    record.body = None
    with pytest.raises(StaleVector):
        record.save()
    record.vectors["body"] = [1, 1, 1]
    record.body = "new"
    record.save()
    assert len(Inline.search([1, 1, 1], on=Inline.body, similarity="euclidean")) == 1
    Inline(slug="warp", body="new", title="changed").save()
    assert Inline.get(slug="warp", with_vectors=True).vectors["body"].tolist() == [1, 1, 1]
    with pytest.raises(StaleVector):
        Inline(slug="warp", body="newer").save()


# -- queries, and options -----------------------------------------------------


def test_update_is_refused_where_a_vector_would_be_stale(db):
    page("a").save()
    Page(slug="b", body="text").save()
    with pytest.raises(StaleVector, match="embedding"):
        Page.find(Page.body == "text").update(body="changed", title="x")
    assert {(each.body, each.title) for each in Page.find()} == {("text", "")}
    assert Page.find(Page.slug == "b").update(body="changed") == 1
    assert Page.find(Page.slug == "a").update(body="text", title="same text") == 1
    assert Page.find(Page.slug == "a").update(body="changed", on_stale="keep") == 1
    assert len(Page.search([1, 2, 3], similarity="cosine")) == 1
    assert Page.find(Page.slug == "a").update(body=None, on_stale="drop") == 1
    for similarity in ("cosine", "euclidean"):
        assert list(Page.search([1, 2, 3], similarity=similarity)) == []


def test_update_goes_by_the_field(db):
    make(Keeps).save()
    make(Drops).save()
    assert Keeps.find(Keeps.slug == "warp").update(body="changed") == 1
    assert Drops.find(Drops.slug == "warp").update(body="changed") == 1
    assert (stored_vector(Keeps), stored_vector(Drops)) == ([1, 2, 3], None)


def test_update_checks_on_stale_as_save_does(db):
    with pytest.raises(ValueError, match="on_stale"):
        Page.find(Page.slug == "a").update(body="x", on_stale="nonsense")
    with pytest.raises(CapabilityError):
        Page.find(Page.slug == "a").update(body="x", on_stale="embed")


def test_embed_needs_an_embedder(db):
    with pytest.raises(ModelError, match="embedder"):

        class Embeds(Model):
            slug: Field[str] = field(key=True)
            embedding: Vector = VectorField(dims=3, property="slug", on_stale="embed")

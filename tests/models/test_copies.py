"""Equality, copies and pickles of instances."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="misc"

from __future__ import annotations

import copy
import pickle
from typing import Annotated, Any

import numpy as np
import pytest

from rushmodel import (
    Field,
    KeyChanged,
    Model,
    OptionalVector,
    Vector,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    field,
)
from rushmodel.instance import state_of


class Article(Model):
    slug: Field[str] = field(key=True)
    tags: Field[list[str]] = field(default_factory=list)
    body: Field[str] = field(default="b")
    embedding: Vector = VectorField(dims=3, property="body")
    listed: Vector[list[float]] = VectorField(dims=2)
    image: OptionalVector = VectorField(default=None, dims=4)


class Sub(Article):
    pass


class Note(Model):
    key: Field[str] = field(key=True)
    text: Annotated[str, VectorField(dims=3)]
    other: Annotated[str, VectorField(dims=2)] = ""


def article(cls: Any = Article, **values: Any) -> Any:
    return cls(**{"slug": "a", "embedding": [1, 2, 3], "listed": [1, 2], **values})


def note(**values: Any) -> Any:
    given: dict[str, Any] = {"key": "a", "text": "t", "vectors": {"text": [1, 2, 3]}, **values}
    return Note(**given)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda made: made.model_copy(),
    "model_copy deep": lambda made: made.model_copy(deep=True),
    **{f"pickle {n}": lambda made, n=n: pickle.loads(pickle.dumps(made, protocol=n)) for n in range(2, 6)},
}
copies = pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)


def arrays(made: Any) -> list[Any]:
    found = [value for value in made.__dict__.values() if isinstance(value, np.ndarray)]
    found += [value for value in state_of(made).held.values() if isinstance(value, np.ndarray)]
    return found + list(made.__dict__.get("vectors", {}).values())


# -- equality ---------------------------------------------------------------------------


def test_equality_is_by_type_and_fields():
    assert article() == article()
    assert article(embedding=np.array([1, 2, 3])) == article(embedding=(1.0, 2.0, 3.0))
    for other in (
        article(slug="b"),
        article(embedding=[1, 2, 4]),
        article(listed=[1, 3]),
        article(image=[1, 2, 3, 4]),
        article(tags=["x"]),
        article(Sub),
        "a",
        None,
        5,
        article().model_dump,
    ):
        assert article() != other
        assert not article() == other  # noqa: SIM201


def test_equality_is_not_about_identity(db):
    saved = article().save()
    assert saved == article()
    saved.delete()
    assert saved == article()


def test_an_unloaded_vector_equals_only_an_unloaded_one(db):
    saved = article(image=[1, 2, 3, 4]).save()
    bare, again, whole = (
        Article.get(slug="a"),
        Article.get(slug="a"),
        Article.get(slug="a", with_vectors=True),
    )
    assert bare == again
    assert bare != whole
    assert whole == saved
    assert bare != article()
    again.embedding = [1, 2, 3]
    assert bare != again


def test_equality_of_inline_vectors(db):
    assert note() == note()
    assert note() != note(vectors={})
    assert note() != note(vectors={"text": [1, 2, 4]})
    saved = note().save()
    bare = Note.get(key="a")
    assert bare == Note.get(key="a")
    assert bare != saved
    assert bare != note(vectors={})
    assert Note.get(key="a", with_vectors=True) == saved


# -- copies ------------------------------------------------------------------------------


@copies
@pytest.mark.parametrize("make", [article, note])
def test_a_copy_is_equal_and_its_vectors_read_only(db, way, make):
    for made in (
        make(),
        make().save(),
        type(make()).get(**{next(iter(make().__dict__)): "a"}, with_vectors=True),
    ):
        other = way(made)
        assert other == made
        assert type(other) is type(made)
        assert other.model_fields_set == made.model_fields_set
        assert len(arrays(other)) == len(arrays(made)) > 0
        for array in arrays(other):
            assert array.dtype == np.float32
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 9


@copies
def test_a_copy_keeps_identity_and_what_is_saved(db, way):
    made = article().save()
    other = way(made)
    assert (other.record_id, other.is_saved) == (made.record_id, True)
    other.tags = ["x"]
    other.save()
    assert Article.find().count() == 1
    assert Article.get(slug="a").tags == ["x"]
    assert made.tags == []


@copies
def test_a_copy_has_a_state_of_its_own(db, way):
    made = article().save()
    other = way(made)
    other.body = "new"
    other.embedding = [3, 2, 1]
    assert not state_of(made).fresh
    other.save()
    assert made.body == "b"
    made.delete()
    assert not made.is_saved
    assert other.is_saved


@copies
def test_a_copy_of_an_unsaved_one_saves_as_its_own(db, way):
    made = article()
    other = way(made)
    made.save()
    assert not other.is_saved
    other.slug = "b"
    other.save()
    assert Article.find().count() == 2


@copies
def test_a_copy_knows_what_was_not_read(db, way):
    article().save()
    other = way(Article.get(slug="a"))
    with pytest.raises(VectorsNotLoaded):
        other.embedding
    other.tags = ["x"]
    other.save()
    assert Article.get(slug="a", with_vectors=True).embedding.tolist() == [1, 2, 3]
    note().save()
    unread = way(Note.get(key="a"))
    with pytest.raises(VectorsNotLoaded):
        unread.vectors["text"]
    unread.vectors["text"] = [3, 2, 1]
    unread.save()
    assert Note.get(key="a", with_vectors=True).vectors["text"].tolist() == [3, 2, 1]


@copies
def test_a_copy_remembers_what_was_assigned(db, way):
    made = article().save()
    made.body = "new"
    made.embedding = [1, 2, 3]  # even an equal vector counts as fresh
    way(made).save()
    inline = note().save()
    inline.text = "new"
    inline.vectors["text"] = [1, 2, 3]
    way(inline).save()
    assert (Article.get(slug="a").body, Note.get(key="a").text) == ("new", "new")


def test_a_shallow_copy_shares_and_a_deep_one_does_not():
    made = article(tags=["x"])
    assert copy.copy(made).tags is made.tags
    assert copy.deepcopy(made).tags is not made.tags
    assert copy.deepcopy(made).listed is not made.listed
    one = note()
    copy.copy(one).vectors["text"] = [9, 9, 9]
    assert one.vectors["text"].tolist() == [1, 2, 3]


def test_a_deep_copy_of_a_list_keeps_what_is_one():
    made = article()
    one, other = copy.deepcopy([made, made])
    assert one is other
    assert one is not made


def test_model_copy_with_an_update(db):
    made = article().save()
    other = made.model_copy(update={"tags": ["x"], "body": "new", "embedding": np.array([3, 2, 1], "f4")})
    assert (made.tags, made.body) == ([], "b")
    other.save()
    found = Article.get(slug="a", with_vectors=True)
    assert (found.tags, found.body, found.embedding.tolist()) == (["x"], "new", [3, 2, 1])
    with pytest.raises(KeyChanged):
        made.model_copy(update={"slug": "b"}).save()
    with pytest.raises(ValueError, match=r"Article\.embedding: expected 3 numbers, got 2"):
        made.model_copy(update={"embedding": [1, 2]}).save()
    with pytest.raises(ValueError, match=r"Article\.body: expected str, got int"):
        made.model_copy(update={"body": 5}).save()
    with pytest.raises(ValueError, match=r"Article\.body: it is None"):
        made.model_copy(update={"body": None}).save()
    assert Article.get(slug="a", with_vectors=True) == found


def test_model_copy_can_give_a_vector_that_was_not_read(db):
    article().save()
    other = Article.get(slug="a").model_copy(update={"embedding": np.array([3, 2, 1], "f4")})
    assert other.embedding.tolist() == [3, 2, 1]
    assert "embedding=<3 float32>" in repr(other)
    assert "embedding" in other.model_dump()
    other.save()
    assert Article.get(slug="a", with_vectors=True).embedding.tolist() == [3, 2, 1]


def test_model_copy_can_give_inline_vectors_as_a_plain_mapping(db):
    made = note().save()
    other = made.model_copy(update={"text": "new", "vectors": {"text": [3, 2, 1], "other": [1, 0]}})
    other.save()
    found = Note.get(key="a", with_vectors=True)
    assert (found.text, found.vectors["text"].tolist(), found.vectors["other"].tolist()) == (
        "new",
        [3, 2, 1],
        [1, 0],
    )
    assert made.vectors["text"].tolist() == [1, 2, 3]
    built = Note.model_construct(key="b", text="t", vectors={"text": [1, 2, 3]}).save()
    assert Note.get(key="b", with_vectors=True).vectors["text"].tolist() == [1, 2, 3]
    assert built.is_saved


@pytest.mark.parametrize("vectors", [None, "text", 5, {"nothing": [1, 2, 3]}, {"text": [1]}])
def test_model_copy_with_vectors_that_are_none_is_refused_at_save(db, vectors):
    made = note().save()
    with pytest.raises(VectorError, match="vectors"):
        made.model_copy(update={"vectors": vectors}).save()
    assert Note.get(key="a", with_vectors=True) == made


def test_a_clone_has_no_identity(db):
    made = article(tags=["x"]).save()
    other = made.clone()
    assert other == made
    assert (other.record_id, other.is_saved) == (None, False)
    other.slug = "b"
    other.tags.append("y")
    other.save()
    assert made.tags == ["x"]
    assert Article.get(slug="b", with_vectors=True).embedding.tolist() == [1, 2, 3]
    assert Article.find().count() == 2
    deleted = Article.get(slug="b", with_vectors=True)
    deleted.delete()
    assert deleted.clone().save().is_saved


def test_a_clone_of_what_was_not_read_is_refused(db):
    article().save()
    note().save()
    with pytest.raises(VectorsNotLoaded, match=r"Article\.embedding"):
        Article.get(slug="a").clone()
    with pytest.raises(VectorsNotLoaded, match="text"):
        Note.get(key="a").clone()


def test_a_pickle_keeps_what_is_one():
    made = article()
    again = pickle.loads(pickle.dumps([made, made]))
    assert again[0] is again[1]


def test_record_id_cannot_be_set(db):
    made = article()
    with pytest.raises(AttributeError):
        made.record_id = "x"
    with pytest.raises((AttributeError, ValueError)):
        made.is_saved = True
    assert made.record_id is None
    assert made.save().record_id is not None

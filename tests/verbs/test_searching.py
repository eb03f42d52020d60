"""`search`: which policy is meant, exact neighbours and scores, conditions first."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, func-returns-value, method-assign, operator, var-annotated"

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushmodel import (
    AmbiguousSearch,
    CapabilityError,
    Field,
    Hit,
    Hits,
    Model,
    NotSaved,
    OptionalVector,
    PolicyMissing,
    QueryError,
    Vector,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    connect,
    field,
)

from .conftest import recorded
from .models import Article, Line, Page, Picture, Plain, Quote, article, page, picture, quote, vec

DIMS = 4


class Point(Model):
    name: Field[int] = field(key=True)
    group: Field[int] = 0
    at: Vector = VectorField(dims=DIMS, similarity=("cosine", "euclidean"))


class Several(Model):
    """Vectors of three lengths, two of one length, one with both similarities."""

    name: Field[str] = field(key=True)
    body: Field[str] = ""
    one: OptionalVector = VectorField(default=None, dims=2)
    two: OptionalVector = VectorField(default=None, dims=3, property="body")
    three: OptionalVector = VectorField(default=None, dims=3, similarity=("cosine", "euclidean"))
    caption: Annotated[str | None, VectorField(dims=5)] = None
    alt: Annotated[str | None, VectorField(dims=3, similarity="euclidean")] = None


# -- against brute force ------------------------------------------------------

COORDINATES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, width=32))
VECTORS = st.lists(COORDINATES, min_size=DIMS, max_size=DIMS).filter(
    lambda numbers: float(np.dot(np.float32(numbers), np.float32(numbers))) > 1e-30
)


def score(similarity: str, stored: Any, query: Any) -> float:
    """R10, in float64, of what float32 kept of the numbers."""
    one, other = np.float32(stored).astype(np.float64), np.float32(query).astype(np.float64)
    if similarity == "euclidean":
        return 1 / (1 + float(np.square(one - other).sum()))
    return (1 + float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))) / 2


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    vectors=st.lists(st.tuples(VECTORS, st.integers(0, 2)), min_size=1, max_size=20),
    query=VECTORS,
    similarity=st.sampled_from(["cosine", "euclidean"]),
    group=st.none() | st.integers(0, 3),
    limit=st.integers(1, 25),
    offset=st.integers(0, 10),
    among=st.integers(0, 19),
    change=VECTORS,
)
def test_hits_are_those_of_brute_force(db, vectors, query, similarity, group, limit, offset, among, change):
    Point.delete_all()
    records = [Point(name=n, group=g, at=v) for n, (v, g) in enumerate(vectors)]
    Point.save_many(records)
    moved = records[among % len(records)]
    moved.at = change
    moved.save()
    where = None if group is None else Point.group == group
    scores = {
        record.name: score(similarity, record.at, query)
        for record in records
        if group is None or record.group == group
    }
    best = sorted(scores.values(), reverse=True)
    hits = Point.search(query, similarity=similarity, where=where, limit=limit, offset=offset)
    np.testing.assert_allclose([hit.score for hit in hits], best[offset : offset + limit], rtol=0, atol=1e-12)
    for hit in hits:
        assert hit.score == pytest.approx(scores[hit.record.name], rel=0, abs=1e-12)
    assert len({hit.record.name for hit in hits}) == len(hits)
    for one, other in pairwise(hits):
        assert one.score > other.score or one.record.name < other.record.name  # equal ones by age
    whole = Point.search(query, similarity=similarity, where=where, limit=100)
    assert whole[offset : offset + limit] == hits
    if whole:
        least = whole[len(whole) // 2].score
        some = Point.search(query, similarity=similarity, where=where, limit=100, min_score=least)
        assert some == Hits([hit for hit in whole if hit.score >= least])
    like = Point.search(moved, similarity=similarity, where=where, limit=100)
    again = Point.search(change, similarity=similarity, where=where, limit=100)
    assert list(like) == [hit for hit in again if hit.record.name != moved.name]


def test_scores(db):
    for n, vector in enumerate([[1, 0, 0, 0], [0, 2, 0, 0], [-3, 0, 0, 0]]):
        Point(name=n, at=vector).save()
    hits = Point.search([5, 0, 0, 0], similarity="cosine")
    assert [(hit.record.name, hit.score) for hit in hits] == [(0, 1.0), (1, 0.5), (2, 0.0)]
    hits = Point.search([1, 0, 0, 0], similarity="euclidean")
    assert [(hit.record.name, hit.score) for hit in hits] == [(0, 1.0), (1, 1 / 6), (2, 1 / 17)]
    assert hits.records == [hit.record for hit in hits]
    assert isinstance(hits[0], Hit)
    assert isinstance(hits[:2], Hits)
    assert len(hits[:2]) == 2
    assert "1.0000" in repr(hits)


def test_zero_is_a_place_under_euclidean_and_no_direction_under_cosine(db):
    Line(name="a", points=[0, 0, 0]).save()
    assert Line.search([0, 0, 0])[0].score == 1.0
    article().save()
    with pytest.raises(VectorError, match="norm"):
        Article.search([0, 0, 0])


# -- where, limit, offset, min_score ------------------------------------------


def test_the_condition_is_decided_before_the_nearest_are(db):
    Point.save_many([Point(name=n, group=n % 100 == 0, at=[1000 - n, 1, 0, 0]) for n in range(1000)])
    hits = Point.search([1, 0, 0, 0], similarity="cosine", where=Point.group == 1, limit=10)
    assert [hit.record.name for hit in hits] == list(range(0, 1000, 100))
    assert list(Point.search([1, 0, 0, 0], similarity="cosine", where=Point.group == 2)) == []


@pytest.mark.parametrize("where", [True, False, "group = 1", {"group": 1}, Point.group, [Point.group == 1]])
def test_where_is_a_condition(db, where):
    with pytest.raises(TypeError, match="condition"):
        Point.search([1, 0, 0, 0], similarity="cosine", where=where)


def test_where_is_about_the_model(db):
    with pytest.raises(QueryError, match="Article"):
        Point.search([1, 0, 0, 0], similarity="cosine", where=Article.slug == "a")


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 2.0},
        {"limit": None},
        {"limit": True},
        {"offset": -1},
        {"offset": "1"},
        {"min_score": math.nan},
        {"min_score": "0.5"},
        {"similarity": "dot"},
        {"on": "nothing"},
        {"on": 5},
        {"on": Point.group, "similarity": "cosine"},
        {"on": Article.embedding},
    ],
    ids=str,
)
def test_options_that_make_no_sense(db, options):
    Point(name=1, at=[1, 0, 0, 0]).save()
    with pytest.raises(QueryError):
        Point.search([1, 0, 0, 0], **{"similarity": "cosine", **options})


def test_limits_past_every_store(db):
    Point(name=1, at=[1, 0, 0, 0]).save()
    assert len(Point.search([1, 0, 0, 0], similarity="cosine", limit=2**70)) == 1
    assert len(Point.search([1, 0, 0, 0], similarity="cosine", offset=2**70)) == 0
    assert len(Point.search([1, 0, 0, 0], similarity="cosine", min_score=1)) == 1
    assert len(Point.search([1, 0, 0, 0], similarity="cosine", min_score=-1e300)) == 1
    assert len(Point.search([1, 0, 0, 0], similarity="cosine", exact=False)) == 1


# -- which vector, which policy -----------------------------------------------


@pytest.fixture
def several(db):
    record = Several(
        name="a",
        body="b",
        one=[1, 0],
        two=[1, 0, 0],
        three=[0, 1, 0],
        caption="c",
        alt="d",
        vectors={"caption": [1, 0, 0, 0, 0], "alt": [0, 0, 1]},
    )
    return record.save()


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ([1, 0], {}),
        ([1, 0], {"on": "one", "similarity": "cosine"}),
        ([1, 0, 0, 0, 0], {}),
        ([1, 0, 0, 0, 0], {"on": Several.caption}),
        ([1, 0, 0], {"on": "two"}),
        ([1, 0, 0], {"on": Several.two}),
        ([1, 0, 0], {"on": "body"}),
        ([1, 0, 0], {"on": Several.body}),
        ([0, 1, 0], {"on": Several.three, "similarity": "cosine"}),
        ([0, 1, 0], {"on": "three", "similarity": "euclidean"}),
        ([0, 0, 1], {"on": "alt"}),
    ],
    ids=str,
)
def test_exactly_one_is_meant(several, query, options):
    (hit,) = Several.search(query, **options)
    assert hit.score == 1.0
    (hit,) = Several.search(np.array(query, dtype=np.float64), **options)
    assert hit.score == 1.0


@pytest.mark.parametrize(
    ("options", "candidates"),
    [
        ({}, [("two", "cosine"), ("three", "cosine"), ("three", "euclidean"), ("alt", "euclidean")]),
        ({"on": "three"}, [("three", "cosine"), ("three", "euclidean")]),
        ({"similarity": "cosine"}, [("two", "cosine"), ("three", "cosine")]),
        ({"similarity": "euclidean"}, [("three", "euclidean"), ("alt", "euclidean")]),
    ],
    ids=str,
)
def test_several_could_be_meant(several, sent, options, candidates):
    with pytest.raises(AmbiguousSearch) as caught:
        Several.search([1, 0, 0], **options)
    assert sorted(caught.value.candidates) == sorted(candidates)
    assert caught.value.status == 422
    assert "on=" in str(caught.value) or "similarity=" in str(caught.value)
    with pytest.raises(AmbiguousSearch):
        Several.search(several)
    assert sent == []


@pytest.mark.parametrize(
    ("query", "options", "error", "words"),
    [
        ([1, 0, 0, 0], {}, VectorError, "4 numbers.*one: 2"),
        ([1], {}, VectorError, "1 numbers"),
        ([1, 0], {"on": "two"}, VectorError, "two has vectors of 3"),
        ([1, 0], {"on": "body"}, VectorError, "3"),
        ([1, 0, 0], {"on": "nothing"}, QueryError, "nothing"),
        ([1, 0], {"similarity": "euclidean"}, QueryError, "cosine"),
        ([], {}, VectorError, "at least one"),
        ([[1, 0]], {}, VectorError, "list|shape"),
        ([1, math.nan], {}, VectorError, "nan"),
        ([1, math.inf], {}, VectorError, "inf"),
        ([1, 1e300], {}, VectorError, "float32"),
        ([0, 0], {}, VectorError, "norm"),
        (["1", "0"], {}, VectorError, "str"),
        ([True, False], {}, VectorError, "bool"),
        ([1, None], {}, VectorError, "NoneType"),
        (b"ab", {}, VectorError, "bytes"),
        (5, {}, VectorError, "int"),
        ({1: 2}, {}, VectorError, "dict"),
        (None, {}, QueryError, "needs a vector"),
    ],
    ids=str,
)
def test_vectors_that_nothing_fits(several, sent, query, options, error, words):
    with pytest.raises(error, match=words):
        Several.search(query, **options)
    assert sent == []


def test_text_needs_an_embedder(db, sent):
    with pytest.raises(CapabilityError, match="embed"):
        Article.search("words")
    with pytest.raises(QueryError):
        Article.search()
    with pytest.raises(QueryError, match="vector"):
        Plain.search([1, 2, 3])
    assert sent == []


# -- more like this -----------------------------------------------------------


def test_more_like_this_leaves_itself_out(db):
    for name in "abc":
        article(name, embedding=[1, 2, ord(name)]).save()
    record = Article.get(slug="b")
    hits = Article.search(record, limit=2)
    assert {hit.record.slug for hit in hits} == {"a", "c"}
    assert [hit.record.slug for hit in Article.search(record, limit=1, offset=1)] == [hits[1].record.slug]
    unsaved = article("new", embedding=[1, 2, ord("b")])
    assert len(Article.search(unsaved)) == 3
    loaded = Article.get(slug="b", with_vectors=True)
    loaded.embedding = vec(1, 2, 97)  # what the instance holds counts, saved or not
    assert Article.search(loaded)[0].score == 1.0
    loaded.delete()
    assert len(Article.search(loaded)) == 2


def test_more_like_this_with_other_vectors(db):
    for name in "ab":
        quote(name).save()
        picture(name, thumb=[1, 2]).save()
        Line(name=name, points=[1, 2, 3]).save()
    for model, options in ((Quote, {}), (Picture, {"on": "look"}), (Picture, {"on": "thumb"}), (Line, {})):
        (hit,) = model.search(model.get(name="a"), **options)
        assert hit.record.name == "b"
        (hit,) = model.search(model.get(name="a", with_vectors=True), **options)
        assert (hit.record.name, hit.score) == ("b", 1.0)


def test_more_like_what_has_no_vector(db):
    picture().save()
    with pytest.raises(VectorsNotLoaded, match="thumb"):
        Picture.search(Picture.find().one(), on="thumb")
    with pytest.raises(NotSaved):
        Picture.search(picture("new"), on="thumb")
    with pytest.raises(QueryError, match="Picture"):
        Picture.search(article())


# -- what is read along -------------------------------------------------------


@pytest.mark.parametrize("make", [article, page, quote])
def test_vectors_are_read_on_demand(db, sent, make):
    record = make().save()
    model = type(record)
    sent.clear()
    (hit,) = model.search([1, 2, 3], on=model.__rush_schema__.vectors[0].name, similarity="cosine")
    assert hit.record == model.find().one()
    assert hit.record != record
    (hit,) = model.search(
        [1, 2, 3], on=model.__rush_schema__.vectors[0].name, similarity="cosine", with_vectors=True
    )
    assert hit.record == record
    sent.clear()
    hit.record.save()
    assert sent == []


def test_records_without_a_vector_are_not_found(db):
    Page(slug="none", body="b").save()
    page("some").save()
    hits = Page.search([1, 2, 3], similarity="cosine", limit=10)
    assert [hit.record.slug for hit in hits] == ["some"]


def test_what_other_labels_hold_is_not_found(db):
    article().save()
    page().save()
    picture().save()
    assert [type(hit.record) for hit in Article.search([1, 2, 3], limit=10)] == [Article]


# -- policies that are not there ----------------------------------------------


def test_an_empty_label_has_no_hits(db):
    assert list(Article.search([1, 2, 3])) == []
    article().save().delete()
    assert list(Article.search([1, 2, 3])) == []


def test_records_without_a_policy(db):
    db.client.records.create(label="Article", data={"slug": "a", "body": "b"})
    with pytest.raises(PolicyMissing, match="Article") as caught:
        Article.search([1, 2, 3])
    assert caught.value.status == 404
    with pytest.raises(PolicyMissing):
        Article.search([1, 2, 3], where=Article.slug == "nothing")
    db.sync()
    assert list(Article.search([1, 2, 3])) == []


def test_a_policy_that_was_dropped(db):
    page().save()
    for index in db.client.ai.indexes.find().data:
        if index["similarityFunction"] == "euclidean":
            db.client.ai.indexes.delete(index["id"])
    assert len(Page.search([1, 2, 3], similarity="cosine")) == 1
    with pytest.raises(PolicyMissing, match="euclidean"):
        Page.search([1, 2, 3], similarity="euclidean")
    with pytest.raises(PolicyMissing):
        page("b").save()
    assert Page.find().count() == 1
    db.sync()
    page("b").save()
    assert len(Page.search([1, 2, 3], similarity="euclidean")) == 1


def test_another_policy_is_no_substitute(db):
    """A policy of another similarity or length is there, and not the one the class declares."""
    db.client.ai.indexes.create(
        {
            "label": "Article",
            "propertyName": "body",
            "sourceType": "external",
            "dimensions": 3,
            "similarityFunction": "euclidean",
        }
    )
    db.client.records.create(
        label="Article",
        data={"slug": "a", "body": "b"},
        vectors=[{"propertyName": "body", "vector": [1, 2, 3]}],
    )
    with pytest.raises(PolicyMissing):
        Article.search([1, 2, 3])


def test_exactness_is_the_databases_to_set(tmp_path, monkeypatch):
    with connect(tmp_path / "a.db", exact=False, default=False) as database:
        article().save()
        sent = recorded(database, monkeypatch)
        for wanted in (None, True, False):
            Article.search([1, 2, 3], exact=wanted)
        assert [command.exact for command in sent] == [False, True, False]
    database.close()


# -- several at once ----------------------------------------------------------


def test_search_many_is_a_search_for_each(db):
    generator = np.random.default_rng(3)
    Point.save_many([Point(name=n, group=n % 3, at=generator.standard_normal(DIMS)) for n in range(40)])
    queries = generator.standard_normal((9, DIMS))
    for options in (
        {"similarity": "cosine"},
        {"similarity": "euclidean", "limit": 3, "offset": 2},
        {"similarity": "cosine", "where": Point.group == 1, "min_score": 0.4, "on": Point.at},
        {"similarity": "cosine", "limit": 1, "exact": True},
    ):
        each: list[Hits[Point]] = [Point.search(one, **options) for one in queries]
        assert Point.search_many(queries, **options) == each
        assert Point.search_many((one.tolist() for one in queries), **options) == each
        assert asyncio.run(Point.asearch_many(queries, **options)) == each
    assert Point.search_many([], similarity="cosine") == []


def test_search_many_says_which_query_is_wrong(db):
    Point(name=1, at=[1, 0, 0, 0]).save()
    good = [1, 0, 0, 0]
    for queries, said in (
        ([good, [1, 0]], "4 numbers at 0 and 2 at 1"),
        ([good, [1, math.nan, 0, 0]], "query 1"),
        ([good, good, [0, 0, 0, 0]], "query 2"),
        ([[1]], "no field has vectors of 1"),
    ):
        with pytest.raises(VectorError, match=said):
            Point.search_many(queries, similarity="cosine")
    with pytest.raises(AmbiguousSearch):
        Point.search_many([good])
    with pytest.raises(QueryError, match="limit"):
        Point.search_many([good], similarity="cosine", limit=0)

"""Keyword and hybrid search: by words, by words and a vector, reranked."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, attr-defined, union-attr"

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import (
    CapabilityError,
    Field,
    Model,
    Part,
    QueryError,
    Vector,
    VectorError,
    VectorField,
    connect,
    field,
)
from rushmodel.operations.fusing import fused

from .embedders import Words

WORDS = Words("hybrid")


class Paper(Model):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(default="")
    body: Field[str | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    year: Field[int] = field(default=2000)
    embedding: Vector = VectorField(factory=WORDS, property="title")


class Bare(Model):
    """Without vectors."""

    text: Field[str] = field(key=True)


class Numbers(Model):
    """Without text."""

    number: Field[int] = field(key=True)
    place: Vector = VectorField(dims=2)


def slugs(hits):
    return [hit.record.slug for hit in hits]


def papers(*texts):
    Paper.save_many(Paper(slug=str(place), title=text) for place, text in enumerate(texts))


def test_any_of_the_words(embedded_db):
    papers("warp drives bend space", "green tea", "space stations", "a drive in the country")
    hits = Paper.search(text="warp space")
    assert slugs(hits) == ["0", "2"]
    assert hits[0].score > hits[1].score > 0
    assert hits[0].parts == {"text": Part(1, hits[0].score)}
    assert slugs(Paper.search(text="nothing of that")) == []
    assert slugs(Paper.search(text='"green tea"')) == ["1"]
    assert slugs(Paper.search(text='"tea green"')) == []
    assert slugs(Paper.search(text="WARP")) == ["0"]
    assert slugs(Paper.search(text="?! ...")) == []
    assert slugs(Paper.search(text="space", limit=1, offset=1)) == slugs(Paper.search(text="space"))[1:]


def test_which_fields_are_searched(embedded_db):
    Paper(slug="a", title="leaves", body="water", tags=["hot", "green leaf"]).save()
    Paper(slug="b", title="water", body="stones").save()
    assert slugs(Paper.search(text="water")) in (["a", "b"], ["b", "a"])
    assert slugs(Paper.search(text="water", on=Paper.body)) == ["a"]
    assert slugs(Paper.search(text="water", on="title")) == ["b"]
    assert slugs(Paper.search(text="water", on=Paper.embedding)) == ["b"]
    assert slugs(Paper.search(text='"green leaf"')) == ["a"]
    assert slugs(Paper.search(text="b")) == ["b"]  # the key is text, too


def test_what_is_written_is_found_at_once(embedded_db):
    papers("one", "two", "three")
    assert slugs(Paper.search(text="two")) == ["1"]
    record = Paper.get(slug="1")
    record.title = "four"
    record.save()
    assert (slugs(Paper.search(text="two")), slugs(Paper.search(text="four"))) == ([], ["1"])
    Paper(slug="new", title="two").save()
    assert slugs(Paper.search(text="two")) == ["new"]
    Paper.get(slug="new").delete()
    Paper.find(Paper.slug == "0").update(body="two")
    assert slugs(Paper.search(text="two")) == ["0"]
    Paper.get(slug="0").rename_key(slug="two")
    assert slugs(Paper.search(text="two")) == ["two"]
    with embedded_db.transaction() as transaction:
        Paper(slug="gone", title="two", body="two two").save()
        assert set(slugs(Paper.search(text="two"))) == {"two", "gone"}
        transaction.rollback()
    assert slugs(Paper.search(text="two")) == ["two"]
    assert embedded_db.check().ok
    Paper.delete_all()
    assert slugs(Paper.search(text="two")) == []


def test_an_index_that_is_made_in_a_transaction_goes_with_it(embedded_db):
    papers("one")
    with embedded_db.transaction() as transaction:
        assert slugs(Paper.search(text="one")) == ["0"]
        transaction.rollback()
    papers("one", "two")
    assert slugs(Paper.search(text="two")) == ["1"]


def test_other_connections_and_copies(file_db, tmp_path):
    papers("one", "two")
    assert slugs(Paper.search(text="two")) == ["1"]
    with connect(tmp_path / "store.db", default=False) as other:
        Paper(slug="x", title="two").save()
        assert set(slugs(Paper.search(text="two"))) == {"1", "x"}
        other.close()
    assert set(slugs(Paper.search(text="two"))) == {"1", "x"}
    file_db.vacuum()
    file_db.backup(tmp_path / "copy.db")
    with connect(tmp_path / "copy.db", default=False) as copy:
        assert set(slugs(Paper.search(text="two"))) == {"1", "x"}
        Paper(slug="y", title="two").save()
        assert len(Paper.search(text="two")) == 3
        assert copy.check().ok
        copy.close()


def test_a_field_that_comes_later(embedded_db):
    papers("one", "two")
    Paper.search(text="two")

    class Wider(Model, label="Paper"):
        slug: Field[str] = field(key=True)
        title: Field[str]
        note: Field[str] = field(default="")

    Wider(slug="n", title="three", note="two").save()
    assert {hit.record.slug for hit in Wider.search(text="two")} == {"1", "n"}
    assert slugs(Paper.search(text="two")) == ["1"]
    assert slugs(Wider.search(text="two", on="note")) == ["n"]


def test_conditions_are_decided_first(embedded_db):
    Paper.save_many(Paper(slug=str(i), title="tea " * (50 - i % 50), year=1990 + i % 20) for i in range(200))
    hits = Paper.search(text="tea", where=Paper.year == 2005, limit=10)
    assert len(hits) == 10
    assert {hit.record.year for hit in hits} == {2005}
    assert len(Paper.search(text="tea", where=Paper.slug.in_(["3", "5"]))) == 2


def test_with_vectors_and_min_score(embedded_db):
    papers("green tea", "tea tea tea")
    assert Paper.search(text="tea", with_vectors=True)[0].record.embedding.shape == (8,)
    best, other = Paper.search(text="tea")
    assert slugs(Paper.search(text="tea", min_score=best.score)) == [best.record.slug]
    assert other.score < best.score


# -- hybrid -----------------------------------------------------------------------


VECTOR = [("a", 0.9), ("b", 0.8), ("c", 0.1)]
TEXT = [("c", 7.0), ("a", 5.0), ("d", 3.0)]


def test_reciprocal_ranks_by_hand():
    found = fused(VECTOR, TEXT, "rrf", 0.5)
    by_hand = {
        "a": 0.5 / 61 + 0.5 / 62,
        "c": 0.5 / 63 + 0.5 / 61,
        "b": 0.5 / 62,
        "d": 0.5 / 63,
    }
    assert [name for name, _ in found] == ["a", "c", "b", "d"]
    assert dict(found) == pytest.approx(by_hand)
    assert [name for name, _ in fused(VECTOR, TEXT, "rrf", 1.0)][:3] == ["a", "b", "c"]
    assert [name for name, _ in fused(VECTOR, TEXT, "rrf", 0.0)][:3] == ["c", "a", "d"]


def test_normalised_scores_by_hand():
    found = dict(fused(VECTOR, TEXT, "dbsf", 0.5))
    # Of the texts the mean is 5 and the deviation the root of 8/3: 3 becomes 0.5 - 2 / (6 * 1.633).
    assert found["a"] == pytest.approx(0.5 * (0.5 + (0.9 - 0.6) / (6 * 0.355903)) + 0.5 * 0.5, abs=1e-4)
    assert found["d"] == pytest.approx(0.5 * (0.5 - 2 / (6 * 1.632993)), abs=1e-4)
    assert fused([("a", 1.0)], [], "dbsf", 0.5) == [("a", 0.25)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.floats(0, 1),
)
def test_fusion_keeps_everything_once(one, other, weight):
    for fusion in ("rrf", "dbsf"):
        lists = [[(name, 1.0 - place / 10) for place, name in enumerate(each)] for each in (one, other)]
        found = fused(lists[0], lists[1], fusion, weight)
        assert sorted(name for name, _ in found) == sorted({*one, *other})
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
def test_a_hybrid_search_is_the_fusion_of_both(embedded_db, fusion):
    papers("warp drives bend space", "green tea", "space stations and tea", "warp and weft", "leaves")
    vector = WORDS.vector("space stations")
    by_vector = [(hit.record.record_id, hit.score) for hit in Paper.search(vector, limit=50)]
    by_text = [(hit.record.record_id, hit.score) for hit in Paper.search(text="warp tea", limit=50)]
    hits = Paper.search(vector, text="warp tea", fusion=fusion, weight=0.3)
    expected = fused(by_vector, by_text, fusion, 0.3)
    assert [(hit.record.record_id, hit.score) for hit in hits] == expected
    first = hits[0]
    assert set(first.parts) <= {"vector", "text"}
    for side, found in (("vector", by_vector), ("text", by_text)):
        for hit in hits:
            if side in hit.parts:
                rank, score = hit.parts[side]
                assert found[rank - 1] == (hit.record.record_id, score)
    assert (
        slugs(Paper.search(vector, text="warp tea", limit=2, offset=1, weight=0.3, fusion=fusion))
        == slugs(hits)[1:3]
    )
    assert slugs(Paper.search("space stations", text="warp tea", fusion=fusion, weight=0.3)) == slugs(hits)


def test_the_weight_decides(embedded_db):
    papers("warp drives", "green tea")
    assert slugs(Paper.search("green tea", text="warp", weight=1))[0] == "1"
    assert slugs(Paper.search("green tea", text="warp", weight=0))[0] == "0"
    where = Paper.slug == "1"
    assert slugs(Paper.search("green tea", text="warp", weight=0, where=where)) == ["1"]


def test_reranking(embedded_db):
    papers("tea", "tea tea", "tea tea tea", "coffee")
    seen = []

    def longest(text, hits):
        seen.append((text, len(hits)))
        return [len(hit.record.title) for hit in hits]

    async def later(text, hits):
        return longest(text, hits)

    assert slugs(Paper.search(text="tea", rerank=longest, limit=2)) == ["2", "1"]
    assert slugs(Paper.search("tea", rerank=later, limit=1)) == ["2"]
    assert slugs(asyncio.run(Paper.asearch("tea", text="tea", rerank=longest, limit=1))) == ["2"]
    assert slugs(asyncio.run(Paper.asearch(text="tea", rerank=later, limit=1))) == ["2"]
    assert seen[0] == ("tea", 3)
    hit = Paper.search(text="tea", rerank=longest)[0]
    assert hit.score == 11.0
    assert hit.parts["rerank"] == (1, 11.0)
    for wrong in (lambda text, hits: [1.0], lambda text, hits: None, lambda text, hits: 1 / 0):
        with pytest.raises(QueryError, match="rerank"):
            Paper.search(text="tea", rerank=wrong)


# -- what goes wrong --------------------------------------------------------------


def test_arguments_that_make_no_sense(embedded_db):
    papers("tea")
    for options, says in (
        ({"text": "a", "fusion": "sum"}, "fusion"),
        ({"text": "a", "weight": 2}, "weight"),
        ({"text": "a", "weight": True}, "weight"),
        ({"text": 3}, "text"),
        ({"text": "a", "rerank": 3}, "rerank"),
        ({"text": "a", "on": "year"}, "hold text"),
        ({"text": "a", "on": "none"}, "hold text"),
        ({"text": "a", "limit": 0}, "limit"),
        ({"text": b"\\ud800".decode("unicode_escape")}, "surrogate"),
        ({}, "needs a vector"),
    ):
        with pytest.raises((QueryError, VectorError), match=says):
            Paper.search(**options)
    with pytest.raises(QueryError, match="no str field"):
        Numbers.search(text="a")
    Bare(text="leaves of tea").save()
    assert [hit.record.text for hit in Bare.search(text="tea")] == ["leaves of tea"]
    with pytest.raises(QueryError, match="no vector field"):
        Bare.search([1.0, 2.0], text="tea")


def test_a_server_searches_no_words(location):
    if not str(location).startswith("http"):
        return
    with connect(location, default=False) as db:
        with pytest.raises(CapabilityError, match="searches no words"):
            Paper.search(text="tea")
        db.close()


SYNTAX = [
    "NEAR(a b)",
    'a" OR "b',
    "a*",
    "^a",
    "title:a",
    "-a",
    "a AND b",
    "NOT a",
    "{p1}:a",
    "a + b",
    "'",
    '"',
    '""',
    "a\0b",
]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.sampled_from(SYNTAX), st.text(max_size=40)))
def test_no_text_is_syntax(text):
    with connect("memory://", default=False) as db:
        try:
            Bare(text="a b").save()
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                return
            found = Bare.search(text=text)
            words = {*"".join(c if c.isalnum() else " " for c in text.lower()).split()}
            if found:
                assert words & {"a", "b"} or not text.isascii()
            elif text.isascii() and '"' not in text:
                assert not words & {"a", "b"} or any(len(part) > 1 for part in text.split())
        finally:
            db.close()


def test_many_words_and_much_text(embedded_db):
    Bare(text="needle " + "hay " * 200_000).save()
    Bare(text="日本語 テキスト Ünïcode café").save()
    assert len(Bare.search(text="needle")) == 1
    assert len(Bare.search(text="cafe unicode")) == 1
    assert len(Bare.search(text="日本語")) == 1
    assert len(Bare.search(text=" ".join(f"word{i}" for i in range(999)) + " needle")) == 1
    with pytest.raises(QueryError, match="1,000"):
        Bare.search(text=" ".join(f"word{i}" for i in range(1001)))

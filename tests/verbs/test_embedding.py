"""Fields with an embedder: what is embedded, when, and what is stored about it."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, attr-defined, call-arg, union-attr"

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Annotated

import numpy as np
import pytest

from rushmodel import (
    BulkError,
    CapabilityError,
    EmbedderError,
    Field,
    Model,
    ModelError,
    OptionalVector,
    QueryError,
    Relation,
    StaleVector,
    Vector,
    VectorError,
    VectorField,
    VectorsNotLoaded,
    embedder,
    field,
    relation,
)

from .embedders import AsyncWords, Words, near

WORDS = Words()


class Paper(Model):
    slug: Field[str] = field(key=True)
    title: Field[str] = field(default="")
    body: Field[str]
    embedding: Vector = VectorField(factory=WORDS, property="body")


class Remark(Model):
    """Whose text may be missing, and its vector, too."""

    number: Field[int] = field(key=True)
    text: Field[str | None] = None
    embedding: OptionalVector = VectorField(
        factory=WORDS, property="text", similarity=("cosine", "euclidean")
    )


class Saying(Model):
    slug: Field[str] = field(key=True)
    text: Annotated[str, VectorField(factory=WORDS)]


class Place(Model):
    country: Field[str] = field(key=True)
    town: Field[str] = field(key=True)
    about: Field[str]
    embedding: Vector = VectorField(factory=WORDS, property="about", on_stale="raise")
    papers: Relation[list[Paper]] = relation("KEEPS")


@pytest.fixture(autouse=True)
def forget():
    WORDS.asked.clear()


def paper(slug="a", body="warp drives bend space", **more):
    return Paper(slug=slug, body=body, **more)


def origins(record):
    """What is stored about where its vectors come from."""
    from rushmodel.current import current_database

    data = current_database().client.records.find_by_id(record.record_id).data
    return {name: value for name, value in data.items() if "__" in name and not name.startswith("__")}


def test_a_save_embeds_a_new_text(db):
    saved = paper().save()
    assert WORDS.asked == [("document", ["warp drives bend space"])]
    assert near(saved.embedding, WORDS.vector("warp drives bend space"))
    assert not saved.embedding.flags.writeable
    (hit,) = Paper.search("warp space")
    assert hit.record.slug == "a"
    assert hit.score > 0.5
    assert WORDS.asked[1:] == [("query", ["warp space"])]
    ((name, origin),) = origins(saved).items()
    assert name.startswith("body__")
    assert origin.startswith("words@1 ")


def test_a_save_embeds_a_changed_text_and_nothing_else(db):
    saved = paper().save()
    WORDS.asked.clear()
    saved.title = "Warp"
    saved.save()
    assert WORDS.asked == []
    saved.body = "tea is made of leaves"
    saved.save()
    assert WORDS.texts == ["tea is made of leaves"]
    assert near(saved.embedding, WORDS.vector("tea is made of leaves"))
    assert Paper.search("leaves", limit=1)[0].score > 0.4
    again = Paper.get(slug="a")
    again.body = "stones"
    again.save()
    assert near(again.embedding, WORDS.vector("stones"))
    assert Paper.search(WORDS.vector("stones"))[0].score == pytest.approx(1.0, abs=1e-5)


def test_a_vector_that_is_given_is_kept(db):
    given = np.ones(8, np.float32)
    saved = paper(embedding=given).save()
    assert WORDS.asked == []
    assert near(saved.embedding, given)
    (origin,) = origins(saved).values()
    assert origin.startswith("given ")
    saved.body, saved.embedding = "leaves", given * 2
    saved.save()
    assert WORDS.asked == []
    assert near(saved.embedding, given * 2)
    saved.body = "stones"  # now its vector is that of another text
    saved.save()
    assert WORDS.texts == ["stones"]


def test_a_record_that_is_there_with_that_text_is_not_embedded_again(db):
    paper().save()
    WORDS.asked.clear()
    again = paper(title="Warp").save()
    assert WORDS.asked == []
    with pytest.raises(VectorsNotLoaded):
        _ = again.embedding
    assert Paper.search("warp", limit=1)[0].record.title == "Warp"
    WORDS.asked.clear()
    other = paper(body="leaves").save()
    assert WORDS.texts == ["leaves"]
    assert near(other.embedding, WORDS.vector("leaves"))
    assert Paper.find().count() == 1


def test_texts_that_come_and_go(db):
    remark = Remark(number=1).save()
    assert remark.embedding is None
    assert WORDS.asked == []
    remark.text = "leaves"
    remark.save()
    assert near(remark.embedding, WORDS.vector("leaves"))
    remark.text = None
    remark.save()
    assert remark.embedding is None
    assert len(Remark.search("leaves", similarity="cosine")) == 0
    remark.text = "stones"
    remark.save()
    (hit,) = Remark.search("stones", similarity="euclidean")
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    remark.embedding = None  # taken away by hand
    remark.save()
    assert not [name for name in origins(remark) if name.startswith("text__")]


def test_the_text_of_an_inline_field(db):
    saying = Saying(slug="a", text="leaves").save()
    assert near(saying.vectors["text"], WORDS.vector("leaves"))
    saying.text = "stones"
    saying.save()
    assert near(saying.vectors["text"], WORDS.vector("stones"))
    assert Saying.search("stones", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)


def test_on_stale_is_asked_where_a_text_changes(db):
    place = Place(country="fr", town="Lyon", about="silk").save()
    assert WORDS.texts == ["silk"]
    place.about = "tea"
    with pytest.raises(StaleVector):
        place.save()
    place.save(on_stale="embed")
    assert WORDS.texts == ["silk", "tea"]
    with pytest.raises(StaleVector):
        Place(country="fr", town="Lyon", about="stones").save()
    Place(country="fr", town="Lyon", about="tea").save()
    assert WORDS.texts == ["silk", "tea"]


def test_an_update_of_a_text_is_refused(db):
    paper().save()
    with pytest.raises(StaleVector, match="save"):
        Paper.find(Paper.slug == "a").update(body="leaves")
    assert Paper.get(slug="a").body == "warp drives bend space"


def test_many_are_embedded_together(db):
    report = Paper.save_many([paper(str(i), f"text {i % 7}") for i in range(50)])
    assert report.saved == 50
    assert len(WORDS.asked) == 1
    assert WORDS.texts == [f"text {i}" for i in range(7)]  # each once
    WORDS.asked.clear()
    Paper.save_many([paper(str(i), f"text {i % 7}" if i else "stones") for i in range(50)])
    assert WORDS.texts == ["stones"]
    found = Paper.search_many(["text 3", "stones"], limit=1)
    assert [hits[0].score == pytest.approx(1.0, abs=1e-5) for hits in found] == [True, True]
    assert found[1][0].record.slug == "0"


def test_related_records_are_embedded_with_it(db):
    papers = [paper("a", "leaves"), paper("b", "stones")]
    place = Place(country="fr", town="Lyon", about="silk", papers=papers).save()
    assert sorted(WORDS.texts) == ["leaves", "silk", "stones"]
    assert Paper.search("stones", limit=1)[0].record.slug == "b"
    papers[0].body = "silk"
    place.papers.detach(papers[1])
    place.papers.attach(paper("c", "snow"))
    Place.save_many([place, Place(country="fr", town="Nice", about="sea", papers=[papers[0]])])
    assert sorted(WORDS.texts[4:]) == ["sea", "silk", "snow"]


def test_a_clone_is_embedded_where_its_text_is_another(db):
    saved = paper().save()
    WORDS.asked.clear()
    same = saved.clone()
    same.slug = "b"
    same.save()
    assert WORDS.asked == []
    assert origins(same) == origins(saved)
    other = saved.clone()
    other.slug, other.body = "c", "leaves"
    other.save()
    assert WORDS.texts == ["leaves"]
    assert near(other.embedding, WORDS.vector("leaves"))


def test_batches_of_the_embedder(db):
    words = Words("small-batches", batch_size=3)

    class Batched(Model, label="Batched"):
        number: Field[int] = field(key=True)
        text: Field[str]
        embedding: Vector = VectorField(factory=words, property="text")

    Batched.save_many(Batched(number=i, text=f"text {i}") for i in range(8))
    assert [len(texts) for _, texts in words.asked] == [3, 3, 2]
    assert all(
        hits[0].record.number == i
        for i, hits in enumerate(Batched.search_many([f"text {i}" for i in range(8)]))
    )


@pytest.mark.parametrize("words", [Words("sync"), AsyncWords("async")], ids=lambda each: each.name)
def test_sync_and_async_embedders_in_both_colours(db, words):
    class Either(Model, label="Either"):
        number: Field[int] = field(key=True)
        text: Field[str]
        embedding: Vector = VectorField(factory=words, property="text")

    assert near(Either(number=1, text="leaves").save().embedding, words.vector("leaves"))
    assert Either.search("leaves")[0].record.number == 1

    async def main():
        saved = await Either(number=2, text="stones").asave()
        assert near(saved.embedding, words.vector("stones"))
        several = [Either(number=i, text=f"text {i}") for i in range(3, 20)]
        await asyncio.gather(*(each.asave() for each in several))
        async with db.transaction():
            await Either(number=20, text="in a transaction").asave()
            (hit,) = await Either.asearch("in a transaction", limit=1)
            assert hit.record.number == 20
        report = await Either.asave_many([Either(number=i, text=f"more {i}") for i in range(21, 30)])
        assert report.saved == 9
        return await Either.asearch("stones", limit=1)

    assert asyncio.run(main())[0].record.number == 2
    with db.transaction():
        Either(number=30, text="snow").save()
        assert Either.search("snow", limit=1)[0].record.number == 30


def test_a_plain_function(db):
    def letters(texts):
        return [[text.count("a") + 0.5, text.count("b")] for text in texts]

    class Spelled(Model, label="Spelled"):
        word: Field[str] = field(key=True)
        embedding: Vector = VectorField(factory=letters, dims=2, property="word")

    Spelled(word="banana").save()
    Spelled(word="bbb").save()
    assert [hit.record.word for hit in Spelled.search("aa")] == ["banana", "bbb"]
    (name,) = {value.split()[0] for value in origins(Spelled.get(word="bbb")).values()}
    assert name.endswith(".test_a_plain_function.letters@1")


def test_a_function_has_one_name_in_a_program_and_where_it_is_imported(tmp_path):
    (tmp_path / "models.py").write_text(
        "from rushmodel import embedder\n"
        "def letters(texts): return [[1.0, 2.0]] * len(texts)\n"
        "print(embedder(letters).name)\n"
    )
    names = {
        subprocess.run(
            [sys.executable, *how], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for how in (["models.py"], ["-m", "models"], ["-c", "import models"])
    }
    assert names == {"models.letters\n"}


def test_prompts_for_queries(db):
    apart = embedder(
        lambda texts: [[1.0, 0.0]] * len(texts),
        name="apart",
        dims=2,
        query=lambda texts: [[0.0, 1.0]] * len(texts),
    )

    class Apart(Model, label="Apart"):
        text: Field[str] = field(key=True)
        embedding: Vector = VectorField(factory=apart, property="text")

    saved = Apart(text="x").save()
    assert saved.embedding.tolist() == [1.0, 0.0]
    assert Apart.search("x")[0].score == pytest.approx(0.5)


# -- what goes wrong ---------------------------------------------------------------


class Failing(Words):
    def __init__(self, answer):
        super().__init__("failing", dims=2)
        self.answer = answer

    def embed(self, texts, *, kind):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (OSError("no route"), "OSError: no route"),
        ([[1.0, 2.0]] * 3, r"\(3, 2\).*\(1, 2\)"),
        ([[1.0, 2.0, 3.0]], r"\(1, 3\).*dims=2"),
        ([[float("nan"), 1.0]], "NaN"),
        ("vectors", "str"),
        (None, "NoneType|shape"),
        ([["a", "b"]], "list"),
    ],
    ids=str,
)
def test_an_embedder_that_fails_writes_nothing(db, answer, says):
    class Unlucky(Model, label="Unlucky"):
        text: Field[str] = field(key=True)
        embedding: Vector = VectorField(factory=Failing(answer), property="text")

    db.sync()
    with pytest.raises(EmbedderError, match=says) as caught:
        Unlucky(text="leaves").save()
    assert "failing" in str(caught.value)
    with pytest.raises(EmbedderError):
        Unlucky.save_many([Unlucky(text="leaves")])
    with pytest.raises(EmbedderError):
        asyncio.run(Unlucky(text="leaves").asave())
    assert Unlucky.find().count() == 0


def test_a_vector_that_has_no_direction(db):
    class Zero(Model, label="Zero"):
        text: Field[str] = field(key=True)
        embedding: Vector = VectorField(factory=Failing([[0.0, 0.0]]), property="text")

    with pytest.raises(VectorError, match=r"Zero.embedding: cosine"):
        Zero(text="leaves").save()
    with pytest.raises(BulkError, match="cosine"):
        Zero.save_many([Zero(text="leaves")])
    assert Zero.find().count() == 0


def test_texts_and_vectors_do_not_mix(db):
    paper().save()
    with pytest.raises(QueryError, match="query 1 is"):
        Paper.search_many(["leaves", np.ones(8)])

    class Bare(Model, label="Bare"):
        text: Field[str] = field(key=True)
        embedding: Vector = VectorField(dims=2, property="text")

    with pytest.raises(CapabilityError, match="no vector field has an embedder"):
        Bare.search("leaves")
    with pytest.raises(CapabilityError, match="no field of Bare"):
        Bare(text="x", embedding=[1, 2]).save(on_stale="embed")


LAMBDA = lambda texts: texts  # noqa: E731


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"factory": WORDS, "dims": 9, "property": "text"}, "dims=9.*8 numbers"),
        ({"factory": WORDS}, "property="),
        ({"factory": LAMBDA, "dims": 2, "property": "text"}, "name="),
        ({"factory": 3, "dims": 2, "property": "text"}, "got int"),
        ({"factory": Words, "property": "text", "dims": 2}, "got Words itself"),
        ({"factory": Words(name="two words"), "property": "text"}, "without spaces"),
        ({"factory": Words(dims=None), "property": "text"}, "dims="),
        ({"factory": WORDS, "property": "text", "source": "managed"}, "managed"),
        ({"factory": WORDS, "property": "number"}, "str field"),
    ],
    ids=lambda each: "" if isinstance(each, dict) else each,
)
def test_fields_that_cannot_be(options, says):
    with pytest.raises(ModelError, match=says):

        class Wrong(Model, label="Wrong"):
            text: Field[str] = field(key=True)
            number: Field[int] = field(default=0)
            embedding: Vector = VectorField(**options)  # type: ignore[misc]

"""Managed vectors: by the embedder of `connect`, or by a server."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, attr-defined, call-arg, var-annotated"

from __future__ import annotations

import asyncio

import pytest

from rushmodel import (
    CapabilityError,
    ConfigurationError,
    Field,
    Model,
    Relation,
    Vector,
    VectorField,
    VectorsNotLoaded,
    connect,
    field,
    relation,
)

from .embedders import AsyncWords, Words

WORDS = Words("managed", dims=5)


class Product(Model):
    sku: Field[str] = field(key=True)
    description: Field[str]
    price: Field[int] = field(default=0)
    meaning: Vector = VectorField(dims=5, source="managed", property="description")
    shape: Vector = VectorField(dims=3, similarity="cosine", source="external", property="description")


class Shop(Model):
    name: Field[str] = field(key=True)
    motto: Field[str | None] = field(default=None)
    meaning: Vector = VectorField(dims=5, source="managed", property="motto")
    sells: Relation[list[Product]] = relation("SELLS")


@pytest.fixture
def db(embedded_location):
    WORDS.asked.clear()
    database = connect(embedded_location, embedder=WORDS, durability="normal", default=True)
    yield database
    database.close()


def product(sku="a", description="green tea", **more):
    return Product(sku=sku, description=description, shape=[1, 0, 0], **more)


def best(text):
    hits = Product.search(text, on=Product.meaning, limit=1)
    return [(hit.record.sku, round(hit.score, 4)) for hit in hits]


def status(db):
    return {
        (each["sourceType"], each["status"]) if isinstance(each, dict) else (each.source_type, each.status)
        for each in db.client.ai.indexes.find().data
    }


def test_a_save_makes_the_vector(db):
    saved = product().save()
    assert WORDS.texts == ["green tea"]
    assert best("green tea") == [("a", 1.0)]
    assert Product.search([1, 0, 0], limit=1)[0].record.sku == "a"
    with pytest.raises(VectorsNotLoaded):
        _ = Product.get(sku="a").meaning
    WORDS.asked.clear()
    saved.price = 3
    saved.save()
    assert WORDS.asked == []
    saved.description, saved.shape = "black coffee", [0, 1, 0]
    saved.save()
    assert WORDS.texts == ["black coffee"]
    assert best("black coffee") == [("a", 1.0)]
    product(description="black coffee").save()  # as it is there
    assert WORDS.texts == ["black coffee", "black coffee"]  # the second one was searched for


def test_many_and_related_ones(db):
    Product.save_many(product(str(i), f"tea number {i}") for i in range(20))
    assert len(WORDS.asked) == 1
    assert best("tea number 7") == [("7", 1.0)]
    Shop(name="x", motto="leaves", sells=[product("new", "stones")]).save()
    assert best("stones") == [("new", 1.0)]
    assert Shop.search("leaves")[0].record.name == "x"
    shop = Shop.get(name="x")
    shop.motto = None
    shop.save()
    assert len(Shop.search("leaves")) == 0
    assert asyncio.run(Product.asearch("stones", on=Product.meaning, limit=1))[0].record.sku == "new"


def test_what_others_write_waits_for_backfill(db):
    product().save()
    record = db.client.records.find({"labels": ["Product"], "where": {"sku": "a"}}).data[0]
    record.update({"description": "written by the client"})
    assert best("green tea") == []  # its vector went with its text
    db.client.records.create(label="Product", data={"sku": "b", "description": "snow"})
    assert db.backfill() == 2
    assert best("written by the client") == [("a", 1.0)]
    assert best("snow") == [("b", 1.0)]
    assert db.backfill() == 0
    assert asyncio.run(db.aio.backfill()) == 0


def test_a_policy_of_the_client_waits_for_its_dimensions(embedded_location):
    with connect(embedded_location, default=False) as db:
        for i in range(5):
            db.client.records.create(label="Note", data={"text": f"note {i}"})
        made = db.client.ai.indexes.create({"label": "Note", "propertyName": "text"})
        (found,) = db.client.ai.indexes.find().data
        assert found.status == "pending" if not isinstance(found, dict) else found["status"] == "pending"
        with pytest.raises(CapabilityError, match="embedder="):
            db.backfill()
        if str(embedded_location) == "memory://":
            db.close()
            return
        db.close()
    told = []
    with connect(embedded_location, embedder=AsyncWords("managed", dims=5), default=False) as db:
        assert db.backfill(batch=2, progress=told.append) == 5
        assert told == [2, 4, 5]
        (found,) = db.client.ai.indexes.find().data
        assert (found["status"] if isinstance(found, dict) else found.status) == "ready"
        assert made is not None

        class Note(Model, label="Note"):
            text: Field[str] = field(key=True)
            meaning: Vector = VectorField(dims=5, source="managed", property="text")

        assert Note.search("note 3", limit=1)[0].score == pytest.approx(1.0, abs=1e-5)
        assert any(each.signature.label == "Note" for each in db.plan().of("keep"))
        db.close()


def test_managed_and_external_side_by_side(db):
    """As the guide's last section."""
    product("a", "green tea").save()
    product("b", "black coffee").save()
    assert {each.signature.source for each in db.plan().of("keep") if each.signature.label == "Product"} == {
        "managed",
        "external",
    }
    assert Product.search("coffee")[0].record.sku == "b"  # only one of the fields takes words
    assert len(Product.search([1, 0, 0])) == 2


def test_without_an_embedder(embedded_location):
    with connect(embedded_location, default=False) as db:
        product().save()
        with pytest.raises(CapabilityError, match="embedder="):
            Product.search("tea", on=Product.meaning)
        db.close()


@pytest.mark.parametrize(
    ("embedder", "says"),
    [(Words(dims=None), "dims"), (3, "got int"), (lambda texts: texts, "name="), (Words(dims=4), "dims=5")],
    ids=["no dims", "a number", "a lambda", "other dims"],
)
def test_embedders_that_do_not_fit(embedder, says):
    with pytest.raises(ConfigurationError, match=says):
        saved_with(embedder)


def saved_with(embedder):
    with connect("memory://", embedder=embedder, default=False) as db:
        try:
            product().save()
        finally:
            db.close()


def test_a_server_has_its_own():
    with pytest.raises(ConfigurationError, match="server"):
        connect("http://127.0.0.1:1/api/v1", token="x", embedder=WORDS, default=False)

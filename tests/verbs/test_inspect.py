"""`Database.inspect`: classes for what is in a store, on every store."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushmodel import (
    Edge,
    Field,
    Model,
    OptionalVector,
    QueryError,
    Relation,
    Vector,
    VectorField,
    embedder,
    field,
    relation,
    write_models,
)
from rushmodel.metaclass import schema_of
from rushmodel.operations import planning

GOLDEN = Path(__file__).parents[1] / "typing" / "inspected.py"
"""What the hostile store below leads to: type checkers look at it like at all that is there."""

LOOK_ALIKE = "\N{FULLWIDTH LATIN SMALL LETTER Y}ear"  # Python takes it for year
BREAKS = 'a"""\n\'\\\nimport os\r\x85\u2028'
HOSTILE = {
    "year": 1994,
    LOOK_ALIKE: 1995,
    BREAKS: "b",
    "class": 1,
    "None": 1,
    "1st": 1.5,
    "a b": "x",
    "a-b": "y",
    "a_b": "z",
    "save": True,
    "model_config": True,
    "_private": "p",
    "vectors": ["x"],
    "Field": "f",
    "str": "s",
    "date": "2026-01-01",
    "field": 3,
    "Person": "who",
    "\N{CYRILLIC SMALL LETTER YA}": "ya",
    "\N{RIGHT-TO-LEFT OVERRIDE}x": "bidi",
    "x" * 100: "long",
    "self": "s",
    "type": "t",
}

_numbers = itertools.count()


@pytest.fixture
def hostile(db):
    """Labels, properties, values and relationships that do not make it easy."""
    client = db.client
    policies = [
        ("body", "external", "euclidean", 3),
        ("body", "external", "cosine", 3),
        ("body", "external", "cosine", 2),
        ("class", "external", "cosine", 2),
        ("never", "external", "cosine", 2),
    ]
    for name, source, similarity, dims in policies:
        client.ai.indexes.create(
            {
                "label": "Text",
                "propertyName": name,
                "sourceType": source,
                "similarityFunction": similarity,
                "dimensions": dims,
            }
        )
    vectors = [
        {"propertyName": "body", "vector": [1, 0, 0], "similarityFunction": "cosine"},
        {"propertyName": "body", "vector": [0, 1, 0], "similarityFunction": "euclidean"},
        {"propertyName": "class", "vector": [1, 0]},
    ]
    text = client.records.create("Text", {"body": "b", "class": "c"}, vectors=vectors)
    client.records.create("Text", {"body": "2026-01-01", "class": "c"}, vectors=vectors[2:])
    rows = [
        {
            "n": 1,
            "f": 1,
            "mixed": 1,
            "maybe": "m",
            "at": "2026-01-01T00:00:00Z",
            "day": "2026-01-01",
            "ls": [1, 2.5],
        },
        {"n": -5, "f": 2.5, "mixed": "a", "at": "2026-01-01T00:00:00+02:00", "day": "2026-01-01", "ls": []},
        {
            "n": 2**53,
            "f": 1e300,
            "mixed": True,
            "at": "2026-01-01T00:00:00.123456Z",
            "day": "2026-02-28",
            "ls": [3],
        },
    ]
    for label in ("Model", "class", "user profile", "UserProfile", BREAKS, "$or", "__x", "L" * 300, "1", " "):
        client.records.create(label, {"name": "x", "mixed list": ["a", "b"]})
    client.records.create("Text2", HOSTILE)
    people = [client.records.create("person", row) for row in rows]
    client.records.attach(
        people[0], people[1], {"type": "KNOWS", "direction": "out", "properties": {"since": 1.5}}
    )
    client.records.attach(people[1], people[2], {"type": "KNOWS", "direction": "out"})
    client.records.attach(people[0], text, {"type": "class", "direction": "out"})
    client.records.attach(people[0], text, {"type": "KNOWS", "direction": "out"})
    client.records.attach(people[0], text)
    return db


def imported(source, tmp_path):
    """The module of a source, as somebody would import it."""
    name = f"inspected_{next(_numbers)}"
    path = tmp_path / f"{name}.py"
    write_models(source, path)
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).* has vectors and no merge key")
        spec.loader.exec_module(module)
    return module


def models_of(module):
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Model)]
    return {each.__rush_label__: each for each in found if each is not Model}


def in_sync(db, models):
    return db.run(planning.plan([schema_of(each) for each in models])).in_sync


def test_a_hostile_store(hostile, tmp_path):
    source = hostile.inspect()
    models = models_of(imported(source, tmp_path))
    assert models.keys() == set(hostile.schema().labels)
    assert in_sync(hostile, models.values())
    for label, model in models.items():
        query = model.find()
        assert len((query.with_vectors() if schema_of(model).vectors else query).all()) == (
            hostile.schema().labels[label].records
        )
    (loaded,) = models["Text2"].find()
    columns = {each.property: each.name for each in schema_of(models["Text2"]).properties}
    read = {name: getattr(loaded, columns[name]) for name in HOSTILE}
    assert {**read, "date": read["date"].isoformat()} == HOSTILE
    assert source == GOLDEN.read_text()


letters = embedder(
    lambda texts: np.array([[len(text), 1] for text in texts], np.float32), name="letters", dims=2
)


class Person(Model, label="InspectedPerson"):
    name: Field[str] = field(key=True)


class Wrote(Edge):
    page: Field[int]


class Article(Model, label="InspectedArticle"):
    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(dims=2, similarity=("cosine", "euclidean"), property="body")
    shape: OptionalVector = VectorField(
        default=None, dims=3, similarity=("cosine", "euclidean"), name="sh ape"
    )
    made: Vector = VectorField(factory=letters, property="slug")
    author: Relation[Person] = relation("WROTE", direction="in", edge=Wrote)


@pytest.fixture
def own(db):
    """What models of ours have written."""
    one = Article(slug="a", body="x", embedding=[1, 0], shape=[1, 2, 3])
    one.author.set(Person(name="Ada"), edge=Wrote(page=3))
    Article.save_many([one, Article(slug="b", body="y", embedding=[0, 1], shape=[3, 2, 1])])
    return db


OWN = """
class WROTE(Edge):
    page: Field[int]


class InspectedArticle(Model):
    body: Field[str]
    slug: Field[str]
    body_embedding: Vector = VectorField(
        dims=2, similarity=("cosine", "euclidean"), source="external", property="body"
    )
    sh_ape: Vector = VectorField(
        dims=3, similarity=("cosine", "euclidean"), source="external", name="sh ape"
    )
    slug_embedding: Vector = VectorField(dims=2, similarity="cosine", source="external", property="slug")


class InspectedPerson(Model):
    name: Field[str]
    wrote: Relation[list[InspectedArticle]] = relation("WROTE", edge=WROTE)
"""


def test_what_models_have_written(own, tmp_path):
    source = own.inspect()
    head, _, classes = source.partition("\n\n\n")
    assert "from rushmodel import Edge, Field, Model, Relation, Vector, VectorField, relation" in head
    assert "".join(classes.split()) == "".join(OWN.split()).replace(",)", ")")
    models = models_of(imported(source, tmp_path))
    assert in_sync(own, models.values())
    article, person = models["InspectedArticle"], models["InspectedPerson"]
    assert own.run(planning.plan([schema_of(article)])).of("undeclared") == ()
    one, other = article.find().order_by(article.slug.asc()).with_vectors()
    assert one.body_embedding.tolist() == [1, 0]
    assert other.sh_ape.tolist() == [3, 2, 1]
    assert one.slug_embedding.tolist() == [1, 1]
    (ada,) = person.find().with_(person.wrote)
    ((found, edge),) = ada.wrote.edges(vars(sys.modules[person.__module__])["WROTE"])
    assert (found.slug, edge.page) == ("a", 3)


def test_similarities_whose_vectors_differ_are_fields_of_their_own(db, tmp_path):
    Article(slug="a", body="x", embedding=[1, 0], shape=[1, 2, 3]).save()
    (found,) = db.client.records.find({"labels": ["InspectedArticle"]})
    written = {"recordId": found.id, "vector": [0, 1]}
    body = {"label": "InspectedArticle", "propertyName": "body", "similarityFunction": "euclidean"}
    db.client.ai.indexes.upsert_vectors(index_of(db, body), {"items": [written]})
    model = models_of(imported(db.inspect("InspectedArticle"), tmp_path))["InspectedArticle"]
    (one,) = model.find().with_vectors()
    assert one.body_embedding_cosine.tolist() == [1, 0]
    assert one.body_embedding_euclidean.tolist() == [0, 1]
    assert one.sh_ape.tolist() == [1, 2, 3]


def index_of(db, wanted):
    for each in db.client.ai.indexes.find().data:
        if all(each[name] == value for name, value in wanted.items()):
            return each["id"]
    raise AssertionError(wanted)


def test_some_labels(own):
    assert "class InspectedPerson" not in own.inspect("InspectedArticle")
    source = own.inspect("InspectedPerson")
    assert "class InspectedArticle" not in source
    assert source.endswith(
        "    # left out: relationships 'WROTE' to 'InspectedArticle': that label was not asked for\n"
    )
    with pytest.raises(QueryError, match=r"no records and no index policies of 'Nobody'; there are 'Insp"):
        own.inspect("Nobody", "InspectedPerson")


def test_an_empty_store(db):
    assert db.inspect().endswith("# there are no records and no index policies\n")


def test_async_and_progress(own):
    counts: list[int] = []
    source = asyncio.run(own.aio.inspect("InspectedArticle", progress=counts.append))
    assert source == own.inspect("InspectedArticle")
    assert counts == [2]


def test_pages(db, monkeypatch):
    db.client.records.create_many("Row", [{"n": number} for number in range(25)])
    db.client.records.create("Row", {"n": 1.5, "z": "last"})
    monkeypatch.setattr("rushmodel.steps.PAGE", 10)
    counts: list[int] = []
    assert "    n: Field[float]\n    z: Field[str | None]" in db.inspect(progress=counts.append)
    assert counts == [10, 20, 26]


def test_an_edge_of_many_relationships(db, monkeypatch):
    people = db.client.records.create_many("P", [{"n": number} for number in range(12)]).data
    for number, person in enumerate(people[1:]):
        data = {"at": "2026-01-01T00:00:00Z", "n": number} if number else {"n": 0.5}
        db.client.records.attach(people[0], person, {"type": "KNOWS", "properties": data})
    monkeypatch.setattr("rushmodel.inspecting.PAGE", 5)
    source = db.inspect()
    assert "    at: Field[datetime | None] = field(default=None)\n    n: Field[float]\n" in source


def test_a_file_is_not_overwritten(tmp_path):
    path = tmp_path / "models.py"
    write_models("a = 1\n", path)
    with pytest.raises(FileExistsError, match=r"models\.py is there already"):
        write_models("a = 2\n", path)
    assert path.read_text() == "a = 1\n"
    write_models("a = 3\n", path, force=True)
    assert path.read_text() == "a = 3\n"
    assert [each.name for each in tmp_path.iterdir()] == ["models.py"]

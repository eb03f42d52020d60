"""What a database says of what is in it: `Database.schema`, on every store."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from rushmodel import PolicyError, Schema
from rushmodel.operations import raw_catalog

TABLES = """\
Person: 3 records
  property  type      records  values
  --------  --------  -------  ------------------------
  born      datetime        1  1815-12-10
            string          1  'long ago'
  name      string          3  'Ada', 'Bob', 'Cy'
  tags      string[]        2  'x', 'y'

Post: 2 records
  property  type     records  values
  --------  -------  -------  -------------------------
  body      string         2  'first', 'second'
  draft     boolean        1  True
  year      number         2  1999 to 2026.5

Relationships
  relationship             count  properties
  -----------------------  -----  ----------
  (Person)-[WROTE]->(Post)     2

Index policies
  index policy                     status  vectors  records
  -------------------------------  ------  -------  -------
  Post.body external euclidean 2   ready         1        2
"""


@pytest.fixture
def filled(db):
    """Two labels that are related, a property of two types, one of lists, and a policy."""
    client = db.client
    client.ai.indexes.create(
        {
            "label": "Post",
            "propertyName": "body",
            "sourceType": "external",
            "dimensions": 2,
            "similarityFunction": "euclidean",
        }
    )
    client.records.import_json(
        [
            {
                "name": "Ada",
                "born": "1815-12-10",
                "tags": ["x", "y"],
                "Post": {
                    "body": "first",
                    "year": 1999,
                    "$vectors": [{"propertyName": "body", "vector": np.array([1, 0])}],
                },
            },
            {
                "name": "Bob",
                "born": "long ago",
                "tags": "x",
                "Post": {"body": "second", "year": 2026.5, "draft": True},
            },
            {"name": "Cy"},
        ],
        label="Person",
        options={"relationshipType": "WROTE", "suggestTypes": True},
    )
    return db


def test_a_schema_prints_tables(filled):
    assert squeezed(str(filled.schema())) == squeezed(TABLES)


def squeezed(text):
    """Without the widths of columns, which follow from what is in them."""
    lines = [line.split() for line in text.strip().splitlines()]
    return [line for line in lines if set("".join(line)) != {"-"}]


def test_tables_are_aligned(filled):
    lines = str(filled.schema("Post")).splitlines()
    assert lines[:5] == [
        "Post: 2 records",
        "  property  type     records  values",
        "  --------  -------  -------  -----------------",
        "  body      string         2  'first', 'second'",
        "  draft     boolean        1  True",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_a_schema_is_a_value(filled):
    schema = filled.schema()
    assert isinstance(schema, Schema)
    assert list(schema.labels) == ["Person", "Post"]
    born, tags = (schema.labels["Person"].properties[name] for name in ("born", "tags"))
    assert (born.type, born.records) == ("datetime | string", 2)
    assert (tags.type, tags.records, tags.kinds[0].samples) == ("string[]", 2, ("x", "y"))
    year = schema.labels["Post"].properties["year"].kinds[0]
    assert (year.least, year.greatest) == (1999, 2026.5)
    (wrote,) = schema.relationships
    assert (wrote.source, wrote.type, wrote.target, wrote.count) == ("Person", "WROTE", "Post", 2)
    (policy,) = schema.policies
    assert (policy.signature.property, policy.status) == ("body", "ready")
    assert (policy.coverage.vectors, policy.coverage.records) == (1, 2)
    assert schema == filled.schema()
    assert (
        json.loads(json.dumps(schema.as_dict()))["labels"]["Post"]["properties"]["draft"][0]["records"] == 1
    )


def test_only_some_labels(filled):
    schema = filled.schema("Post")
    assert list(schema.labels) == ["Post"]
    assert [str(each) for each in schema.relationships] == ["(Person)-[WROTE]->(Post)"]
    assert len(schema.policies) == 1
    assert filled.schema("Person").policies == ()
    assert str(filled.schema("Nobody")) == "No records and no index policies."


def test_the_schema_of_an_empty_store(db):
    assert db.schema() == Schema({})
    assert str(db.schema()) == "No records and no index policies."


def test_the_schema_from_an_event_loop(filled):
    assert asyncio.run(filled.aio.schema("Post")) == filled.schema("Post")


def test_names_and_values_cannot_break_a_table(db):
    db.client.records.create("Odd", {"a\nb": "c\nd\x1b[31m", "z": "x" * 150})
    text = str(db.schema())
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text
    assert "x" * 100 not in text


# -- what the client's methods are made of, of which servers answer some otherwise


def test_labels_and_properties_of_what_matches(filled):
    found = filled.run(raw_catalog.count_labels({"where": {"year": {"$gte": 2000}}}))
    assert found == {"Post": 1}
    # R25: this takes a server several queries, whose records are united.
    where = {"$or": [{"year": 1999}, {"$not": {"name": "Ada"}}]}
    assert filled.run(raw_catalog.count_labels({"where": where})) == {"Person": 2, "Post": 1}
    of_posts = filled.run(raw_catalog.find_properties({"labels": ["Post"]}))
    assert {each[1:] for each in of_posts} == {
        ("body", "string", 2),
        ("draft", "boolean", 1),
        ("year", "number", 2),
    }


def test_properties_by_condition(filled):
    found = filled.run(raw_catalog.find_properties({"where": {"name": "Cy"}}))
    assert [each[1:] for each in found] == [("name", "string", 1)]


def test_values_page_by_page(filled):
    filled.client.records.create_many("Many", [{"n": number, "name": f"m{number}"} for number in range(2100)])
    by_name = {each.name: each for each in filled.run(raw_catalog.find_properties({"labels": ["Many"]}))}
    found = filled.run(raw_catalog.property_values(by_name["n"].id, {"orderBy": "desc"}))
    assert found.values == list(range(2099, -1, -1))
    assert (found.type, found.least, found.greatest) == ("number", 0, 2099)
    found = filled.run(raw_catalog.property_values(by_name["n"].id, {"limit": 1001, "skip": 5}))
    assert found.values == list(range(5, 1006))
    found = filled.run(raw_catalog.property_values(by_name["name"].id, {"labels": "Person", "query": "AD"}))
    assert found.values == ["Ada"]


def test_a_property_under_a_policy_stays(filled):
    body = next(each for each in filled.run(raw_catalog.find_properties({})) if each.name == "body")
    with pytest.raises(PolicyError, match=r"the index policy Post\.body external euclidean 2"):
        filled.run(raw_catalog.delete_property(body.id))
    assert filled.schema().labels["Post"].properties["body"].records == 2
    year = next(each for each in filled.run(raw_catalog.find_properties({})) if each.name == "year")
    assert filled.run(raw_catalog.delete_property(year.id)) == 2
    assert filled.run(raw_catalog.delete_property(year.id)) == 0
    assert "year" not in filled.schema().labels["Post"].properties

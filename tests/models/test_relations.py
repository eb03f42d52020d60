"""Relations without a store: declaring, constructing, assigning, copying, conditions."""

# What types forbid is asked here, too: tests/typing is about them.
# mypy: disable-error-code="arg-type, assignment, attr-defined, call-arg, operator"

from __future__ import annotations

import copy
import datetime as dt
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rushmodel import (
    Condition,
    Edge,
    Field,
    Many,
    Model,
    ModelError,
    NotLoaded,
    One,
    QueryError,
    Relation,
    RelationColumn,
    field,
    relation,
)

from .conftest import Build

UTC = dt.timezone.utc


class Wrote(Edge):
    at: Field[dt.datetime]
    pages: Field[int] = field(default=1, name="page count")


class Since(Edge):
    year: Field[int] = 2000


class Dated(Model, abstract=True):
    series: Relation[Series] = relation("PART_OF")


class Article(Dated):
    slug: Field[str] = field(key=True)
    author: Relation[Person] = relation("WROTE", direction="in")
    editor: Relation[Person] = relation("EDITED", direction="in", edge=Wrote)
    tags: Relation[list[Tag]] = relation("TAGGED")


class Person(Model, label="PERSON"):
    name: Field[str] = field(key=True)
    age: Field[int] = 0
    friends: Relation[list[Person]] = relation("KNOWS", edge=Since)
    mentor: Relation[Person] = relation("MENTORS", direction="in")
    articles: Relation[list[Article]] = relation("WROTE")


class Tag(Model):
    name: Field[str]


class Series(Model):
    name: Field[str]


# -- declaring


def test_forward_and_self_relations_resolve() -> None:
    assert isinstance(Article.author, RelationColumn)
    assert Article.author.spec.target is Person
    assert Person.friends.spec.target is Person
    assert Person.friends.spec.many
    assert not Person.mentor.spec.many
    assert Article.series.spec.target is Series
    assert repr(Article.series) == "Article.series"


@pytest.mark.parametrize("future", [False, True])
def test_every_way_to_name_the_target(module: Build, future: bool) -> None:
    made = module(
        """
class Tag(Model):
    name: str
class A(Model):
    one: Relation[Tag] = relation("ONE")
    quoted: Relation["Later"] = relation("QUOTED")
    many: Relation[list["Later"]] = relation("MANY")
    me: "Relation[A]" = relation("ME")
class Later(Model):
    name: str
def local():
    class Here(Model):
        name: str = "x"
        there: "Relation[There]" = relation("THERE")
    class There(Model):
        name: str = "x"
    return Here, There
""",
        future=future,
    )
    assert made.A.one.spec.target is made.Tag
    assert made.A.quoted.spec.target is made.Later
    assert made.A.many.spec.target is made.Later
    assert made.A.many.spec.many
    assert made.A.me.spec.target is made.A
    here, there = made.local()
    assert here.there.spec.target is there
    assert here(there=there()).there.value == there()


def test_classes_of_two_modules_find_one_another(module: Build) -> None:
    one = module(
        "class OnlyOne(Model):\n    name: str = 'x'\n    other: Relation['OnlyOther'] = relation('X')",
        name="m_one",
    )
    with pytest.raises(ModelError, match=r"OnlyOne\.other: .* names 'OnlyOther', which is not defined"):
        one.OnlyOne.other.has()
    other = module("class OnlyOther(Model):\n    name: str = 'x'", name="m_other")
    assert one.OnlyOne.other.spec.target is other.OnlyOther
    module("class OnlyOther(Model):\n    name: str = 'x'", name="m_third")
    four = module("class Four(Model):\n    other: Relation['OnlyOther'] = relation('X')", name="m_four")
    with pytest.raises(ModelError, match=r"could be any of m_other\.OnlyOther, m_third\.OnlyOther"):
        four.Four.other.has()


def test_a_redefined_target_takes_the_place_of_the_old_one(module: Build) -> None:
    source = "class Target(Model):\n    name: str = 'x'\n"
    made = module(
        source + "class Owner(Model):\n    name: str = 'x'\n    to: Relation[Target] = relation('TO')"
    )
    old = made.Target
    assert made.Owner.to.spec.target is old
    exec("class Target(Model):\n    name: str = 'x'\n    more: int = 1", made.__dict__)
    assert made.Owner.to.spec.target is made.Target is not old
    assert made.Owner(to=made.Target()).to.value.more == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class A(Model):\n    x: Relation[int] = relation('T')", "A.x: int is no model"),
        ("class A(Model):\n    x: Relation[list[str]] = relation('T')", "A.x: str is no model"),
        (
            "class B(Model, abstract=True): ...\nclass A(Model):\n    x: Relation[B] = relation('T')",
            "B is abstract",
        ),
        ("class E(Edge): ...\nclass A(Model):\n    x: Relation[E] = relation('T')", "E is"),
        ("class A(Model):\n    x: Relation['A | None'] = relation('T')", "may always be empty"),
        ("class A(Model):\n    x: int = relation('T')", r"relation\(\) is for Relation\[Person\] .* not int"),
        ("class A(Model):\n    x = relation('T')", "say where the relation leads"),
        ("class A(Model):\n    n: str\n    x: Relation['A']", r"A.x: a relation says its type"),
        ("class A(Model):\n    x: Relation['A'] = relation('NOT GOOD')", "type 'NOT GOOD' is not letters"),
        ("class A(Model):\n    x: Relation['A'] = relation('')", "type '' is not letters"),
        (
            "class A(Model):\n    x: Relation['A'] = relation('T', direction='both')",
            "direction is 'out' or 'in'",
        ),
        ("class A(Model):\n    x: Relation['A'] = relation('T', edge=int)", "derived from Edge, got int"),
        ("class A(Model):\n    _x: Relation['A'] = relation('T')", "do not begin with '_'"),
        ("class A(Model):\n    save: Relation['A'] = relation('T')", "every model has an attribute"),
        (
            "class A(Model, abstract=True):\n"
            "    x: Relation['A'] = relation('T')\n"
            "class B(A):\n"
            "    x: int = 1",
            "B.x: a base class has a relation",
        ),
        (
            "class A(Model, abstract=True):\n"
            "    x: int = 1\n"
            "class B(A):\n"
            "    x: Relation['B'] = relation('T')",
            "B.x: a base class has a field",
        ),
        ("class A(Edge):\n    x: Relation[int] = relation('T')", "A.x: an Edge has none: relations"),
        ("class A(Edge):\n    x: Field[str] = field(key=True)", "A.x: an Edge has none: .* no merge key"),
        ("class A(Edge):\n    x: Vector = VectorField(dims=2)", "A.x: an Edge has none: vectors"),
        ("class A(Edge):\n    type: Field[str]", r"A.type: .* name of the relationship's type"),
        ("class A(Edge):\n    x: Field[str] = field(index=True)", "A.x: there are no property indexes"),
        ("class A(Edge):\n    x: dict[str, int]", "A.x: .* cannot be stored"),
    ],
)
@pytest.mark.parametrize("future", [False, True])
def test_what_cannot_be_declared(module: Build, source: str, message: str, future: bool) -> None:
    with pytest.raises(ModelError, match=message):
        module(source, future=future)


def test_two_relations_may_be_alike(module: Build) -> None:
    made = module(
        "class A(Model):\n"
        "    n: str = 'x'\n"
        "    x: Relation['A'] = relation('T')\n"
        "    y: Relation['A'] = relation('T')"
    )
    assert made.A.x.has().where == made.A.y.has().where


def test_pydantic_knows_nothing_of_relations() -> None:
    article = Article(slug="a", author=Person(name="Ada"))
    assert set(Article.model_fields) == {"slug"}
    assert set(Article.model_json_schema()["properties"]) == {"slug"}
    assert article.model_dump() == {"slug": "a"}
    assert article.model_dump_json() == '{"slug":"a"}'
    assert article == Article(slug="a")
    assert article.model_fields_set == {"slug"}


# -- constructing and assigning


def test_constructing() -> None:
    ada, tags = Person(name="Ada"), [Tag(name="x"), Tag(name="y")]
    article = Article(slug="a", author=ada, tags=tags)
    assert isinstance(article.author, One)
    assert isinstance(article.tags, Many)
    assert article.author.value is ada
    assert article.tags.items == tuple(tags)
    assert [*article.tags] == tags
    assert len(article.tags) == 2
    assert tags[0] in article.tags
    assert Tag(name="x") not in article.tags
    assert article.editor.value is None
    assert bool(article.author)
    assert not article.editor
    assert article.author == article.author
    assert article.author != article.editor
    shown = "Article(slug='a', series=None, author=<Person not saved>, editor=None, tags=<2 Tag>)"
    assert repr(article) == shown


def test_other_ways_to_construct() -> None:
    ada = Person(name="Ada")
    assert Article.model_validate({"slug": "a", "author": ada}).author.value is ada
    assert Article.model_construct(slug="a", author=ada).author.value is ada
    assert Article(slug="a").model_copy(update={"slug": "b", "author": ada}).author.value is ada


WRONG: list[tuple[str, Any, str]] = [
    ("author", Tag(name="x"), "expected Person, got Tag"),
    ("author", "Ada", "expected Person, got str"),
    ("author", {"name": "Ada"}, "expected Person, got dict"),
    ("author", [Person(name="Ada")], "expected Person, got list"),
    ("author", Article(slug="x").author, "expected Person, got One"),
    ("tags", None, "expected a list of Tag, got None"),
    ("tags", Tag(name="x"), "expected a list of Tag, got Tag"),
    ("tags", "xy", "expected a list of Tag, got str"),
    ("tags", [Tag(name="x"), None], "expected Tag, got None"),
    ("tags", [Person(name="Ada")], "expected Tag, got Person"),
    ("editor", Person(name="Ada"), r"give them with edge=Wrote\(\.\.\.\)"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_what_is_no_related_record(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        Article(slug="a", **{name: value})
    assert caught.value.errors()[0]["loc"] == (name,)
    ada = Person(name="Ada")
    article = Article(slug="a", author=ada)
    with pytest.raises(ValidationError, match=message):
        setattr(article, name, value)
    assert article.author.value is ada
    assert len(article.tags) == 0
    with pytest.raises(ValidationError, match=message):
        article.model_copy(update={name: value})
    with pytest.raises(ValidationError, match=message):
        Article.model_validate({"slug": "a", name: value})


def test_wrong_ones_are_told_together_and_nothing_is_changed() -> None:
    with pytest.raises(ValidationError) as caught:
        Article(slug="a", author=1, tags=2)
    assert [each["loc"] for each in caught.value.errors()] == [("author",), ("tags",)]
    with pytest.raises(ValidationError, match="slug"):
        Article(author=Person(name="Ada"))
    with pytest.raises(ValidationError, match="nope"):
        Article(slug="a", nope=Person(name="Ada"))


def test_set_attach_detach() -> None:
    ada, bob = Person(name="Ada"), Person(name="Bob")
    article = Article(slug="a")
    article.author = ada
    assert article.author.value is ada
    article.author.set(bob)
    assert article.author.value is bob
    article.author = None
    assert article.author.value is None
    one, two, three = (Tag(name=name) for name in "xyz")
    article.tags.attach(one, two)
    article.tags.attach(one)
    assert article.tags.items == (one, two)
    article.tags.detach(one, three)
    assert article.tags.items == (two,)
    article.tags = [three, one, three]
    assert article.tags.items == (three, one)
    article.tags.detach(three)
    assert article.tags.items == (one,)
    article.tags.set([])
    assert article.tags.items == ()
    for wrong in (
        lambda: article.author.set(one),
        lambda: article.tags.attach(ada),
        lambda: article.tags.set(3),
    ):
        with pytest.raises(ValidationError, match="expected"):
            wrong()
    with pytest.raises(ValidationError, match="expected Tag, got Person"):
        article.tags.detach(ada)


def test_a_relation_of_an_equal_record_that_is_another_one() -> None:
    article = Article(slug="a", tags=[Tag(name="x"), Tag(name="x")])
    assert len(article.tags) == 2


def test_edges() -> None:
    ada, wrote = Person(name="Ada"), Wrote(at=dt.datetime(2020, 1, 1, tzinfo=UTC))
    article = Article(slug="a")
    article.editor.set(ada, edge=wrote)
    assert article.editor.edge(Wrote) is wrote
    ada.friends.attach(Person(name="Bob"), edge=Since(year=1999))
    assert [edge.year for _, edge in ada.friends.edges(Since)] == [1999]
    with pytest.raises(TypeError, match="declared with edge=Wrote, and was asked for Since"):
        article.editor.edge(Since)
    with pytest.raises(TypeError, match="declared with no edge"):
        Article(slug="b", author=ada).author.edge(Wrote)
    assert Article(slug="b").editor.edge(Wrote) is None
    with pytest.raises(ValidationError, match="expected edge=Wrote"):
        article.editor.set(ada, edge=Since())
    with pytest.raises(ValidationError, match="no edge= is declared"):
        article.author.set(ada, edge=wrote)
    with pytest.raises(ValidationError, match="None has no relationship"):
        article.editor.set(None, edge=wrote)
    ada.friends.set([Person(name="Cy")])
    with pytest.raises(NotLoaded, match="it was set without edge="):
        ada.friends.edges(Since)
    assert article.editor.edge(Wrote) is wrote


def test_edges_are_values() -> None:
    wrote = Wrote(at=dt.datetime(2020, 1, 1, tzinfo=UTC))
    assert wrote == Wrote(at=dt.datetime(2020, 1, 1, tzinfo=UTC), pages=1)
    with pytest.raises(ValidationError, match="frozen"):
        wrote.pages = 3
    with pytest.raises(ValidationError, match="at"):
        Wrote()
    with pytest.raises(ValidationError, match="nope"):
        Wrote(at=dt.datetime(2020, 1, 1, tzinfo=UTC), nope=1)
    assert not isinstance(wrote, Model)
    assert isinstance(wrote, BaseModel)


def test_a_relation_has_no_fields() -> None:
    article = Article(slug="a", author=Person(name="Ada"))
    with pytest.raises(AttributeError, match=r"\.value\.name may be meant"):
        article.author.name
    with pytest.raises(AttributeError, match=r"Article\.author\.has\(Person\.name"):
        Article.author.name
    with pytest.raises(TypeError, match="is a relation, not a value"):
        bool(Article.author)


def test_a_frozen_model_takes_none_later(module: Build) -> None:
    made = module(
        "class A(Model):\n"
        "    model_config = {'frozen': True}\n"
        "    n: str = 'x'\n"
        "    to: Relation['A'] = relation('TO')"
    )
    one = made.A()
    assert made.A(to=one).to.value is one
    with pytest.raises(ValidationError, match="frozen"):
        one.to = one


def test_a_constructor_of_ones_own(module: Build) -> None:
    made = module(
        """
class Base(Model):
    n: str = 'x'
    to: Relation['Base'] = relation('TO')
class Own(Base):
    def __init__(self, n, **more):
        super().__init__(n=n.upper(), **more)
"""
    )
    base = made.Base()
    own = made.Own("y", to=base)
    assert (own.n, own.to.value) == ("Y", base)


# -- copies


def test_copies_share_the_related_records() -> None:
    ada = Person(name="Ada")
    article = Article(slug="a", author=ada)
    for made in (article.model_copy(), copy.copy(article), copy.deepcopy(article), article.clone()):
        assert made.author.value is ada
        made.author = None
        assert article.author.value is ada


def test_pickles_take_the_related_records_along() -> None:
    ada = Person(name="Ada")
    ada.friends.attach(ada, edge=Since(year=1))
    ada.mentor.set(ada)
    made = pickle.loads(pickle.dumps(Article(slug="a", author=ada)))
    other = made.author.value
    assert other == ada
    assert other is not ada
    assert other.mentor.value is other
    ((friend, since),) = other.friends.edges(Since)
    assert friend is other
    assert since.year == 1
    other.friends.detach(other)
    assert len(other.friends) == 0


# -- conditions


def where(condition: Condition[Any]) -> Any:
    return dict(condition.where)


WROTE = {"type": "WROTE", "direction": "in"}
KNOWS = {"type": "KNOWS", "direction": "out"}


def test_conditions_are_traversals() -> None:
    assert where(Article.author.has()) == {"PERSON": {"$relation": WROTE}}
    assert where(Article.author.has(Person.age > 30)) == {"PERSON": {"$relation": WROTE, "age": {"$gt": 30}}}
    assert where(Article.tags.any(Tag.name == "x")) == {
        "Tag": {"$relation": {"type": "TAGGED", "direction": "out"}, "name": "x"}
    }
    assert where(Article.author.none(Person.age > 30)) == {
        "$not": {"PERSON": {"$relation": WROTE, "age": {"$gt": 30}}}
    }
    assert where(Person.friends.any(hops=(1, 4))) == {
        "PERSON": {"$relation": {**KNOWS, "hops": {"min": 1, "max": 4}}}
    }
    assert where(Person.friends.any(hops=3)) == {"PERSON": {"$relation": {**KNOWS, "hops": 3}}}
    assert where(Article.editor.has(edge=Wrote.pages > 3)) == {
        "PERSON": {
            "$relation": {"type": "EDITED", "direction": "in", "where": {"page count": {"$gt": 3}}},
        }
    }
    nested = Article.author.has(Person.friends.none(Person.articles.any(Article.slug == "a")))
    assert where(nested) == {
        "PERSON": {
            "$relation": WROTE,
            "$not": {
                "PERSON": {
                    "$relation": KNOWS,
                    "Article": {"$relation": {"type": "WROTE", "direction": "out"}, "slug": "a"},
                }
            },
        }
    }
    both = Article.author.has(Person.age > 1) & Article.author.has(Person.name == "Ada")
    assert len(where(both)["$and"]) == 2


@pytest.mark.parametrize("hops", [0, -1, "2", 1.5, True, (2, 1), (0, 3), (1,), (1, 2, 3), [1, 2], None])
def test_hops_are_whole_numbers(hops: Any) -> None:
    with pytest.raises(QueryError, match=r"Person\.friends: hops is a whole number from 1"):
        Person.friends.any(hops=hops)


def test_wrong_conditions() -> None:
    with pytest.raises(QueryError, match="a condition on Article says nothing about Person"):
        Article.author.has(Article.slug == "a")
    with pytest.raises(TypeError, match="expected a condition on Person"):
        Article.author.has(True)
    with pytest.raises(TypeError, match="expected a condition on Person"):
        Article.author.has(Person(name="Ada"))
    with pytest.raises(QueryError, match="edge=: no Edge is declared"):
        Article.author.has(edge=Wrote.pages > 1)
    with pytest.raises(QueryError, match="edge=: a condition on Since says nothing about Wrote"):
        Article.editor.has(edge=Since.year > 1)
    with pytest.raises(QueryError, match="a condition on Person says nothing about Article"):
        Article.find(Person.friends.any())
    with pytest.raises(QueryError, match=r"Wrote\.pages"):
        Wrote.pages > "x"
    with pytest.raises(QueryError, match=r"Person\.friends is no relation of Article"):
        Article.find().with_(Person.friends)
    with pytest.raises(QueryError, match=r"Article\.author is no relation of Person"):
        Article.author.with_(Article.author)
    with pytest.raises(TypeError, match="takes relations"):
        Article.find().with_(Article.slug)


def test_an_inherited_relation_holds_for_the_subclass() -> None:
    class Essay(Article):
        topic: Field[str] = ""

    assert where(Essay.author.has()) == where(Article.author.has())
    assert Essay(slug="e", author=Person(name="Ada")).author.value == Person(name="Ada")
    Essay.find(Article.author.has(), Essay.author.has()).with_(Article.author)

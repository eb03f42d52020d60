"""What a class may look like: annotations, names, inheritance, generics, forward references."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="arg-type, assignment, call-arg, list-item, misc, valid-type"

from __future__ import annotations

import datetime as dt
import enum
import gc
import sys
import warnings
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union
from uuid import UUID

import annotated_types
import pydantic
import pytest
import typing_extensions
from pydantic import ValidationError

from rushmodel import (
    Column,
    Field,
    Model,
    ModelError,
    NotFound,
    OptionalVector,
    RushModelError,
    Vector,
    VectorColumn,
    VectorField,
    VectorsWithoutKey,
    field,
)
from rushmodel.metaclass import schema_of
from rushmodel.registry import registered

T = TypeVar("T")
K = TypeVar("K")


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


Slug = NewType("Slug", str)
Alias = typing_extensions.TypeAliasType("Alias", int)


class Dated(Model, abstract=True):
    year: Field[int] = field(default=2026, ge=1900)


class Titled(Model, abstract=True):
    title: Field[str] = field(min_length=1)


class Article(Titled, Dated, label="ARTICLE"):
    slug: Field[str] = field(key=True)


def name_in_store(cls: Any, name: str) -> str:
    stored: str = schema_of(cls).by_name[name].property
    return stored


ANNOTATIONS: dict[str, Any] = {
    "plain": int,
    "field": Field[int],
    "annotated plain": Annotated[int, annotated_types.Ge(0)],
    "annotated field": Annotated[Field[int], annotated_types.Ge(0)],
    "field of annotated": Field[Annotated[int, annotated_types.Ge(0)]],
    "pydantic's own": Annotated[int, pydantic.Field(ge=0)],
    "optional": Field[Optional[int]],  # noqa: UP045
    "union with None": Field[Union[int, None]],  # noqa: UP007
    "bar None": Field[int | None],
    "None first": Field[None | int],
    "plain optional": Optional[int],  # noqa: UP045
    "annotated optional": Annotated[int | None, "anything"],
    "optional of annotated": Annotated[int, annotated_types.Ge(0)] | None,
    "alias": Field[Alias],
    "plain alias": Alias,
    "optional alias": Field[Optional[Alias]],  # noqa: UP045
}


@pytest.mark.parametrize("way", ANNOTATIONS)
def test_every_way_to_say_int(db, way):
    class A(Model):
        x: ANNOTATIONS[way]

    assert isinstance(A.x, Column)
    A(x=3).save()
    assert A.find(A.x == 3).one().x == 3
    with pytest.raises(ValidationError):
        A(x="no")
    assert schema_of(A).by_name["x"].optional is ("optional" in way or "None" in way)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is Python 3.12")
@pytest.mark.parametrize("line", ["Field[Name]", "Name", "Field[Name | None]", "Field[list[Name]]", "Names"])
def test_the_type_statement(module, db, line):
    made = module(f"type Name = str\ntype Names = list[Name]\nclass A(Model):\n    x: {line}", future=False)
    value = ["a"] if "list" in line or "Names" in line else "a"
    made.A(x=value).save()
    assert made.A.find().one().x == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Slug, "a"),
        (Field[Slug], "a"),
        (Field[Slug | None], None),
        (list[Slug], ["a"]),
        (Field[list[Annotated[str, annotated_types.MinLen(1)]]], ["a"]),
        (Field[list[Mood]], [Mood.CALM, Mood.WILD]),
        (Field[list[Level]], [Level.HIGH]),
        (Field[list[Literal["a", "b"]]], ["b"]),
        (Field[list[UUID] | None], [UUID(int=1)]),
        (Field[Literal["a", "b"] | None], "b"),
        (Field[Literal[1, 2]], 2),
        (Field[Literal[True]], True),
        (Field[Literal[Mood.CALM]], Mood.CALM),
        (Field[Literal[Level.HIGH]], Level.HIGH),
        (Field[typing_extensions.Literal["a"]], "a"),
        (Literal["a"], "a"),
    ],
    ids=str,
)
def test_annotations_inside_annotations(db, annotation, value):
    class A(Model):
        k: Field[int] = field(key=True)
        x: annotation

    A(k=1, x=value).save()
    back = A.get(k=1).x
    assert back == value
    assert type(back) is type(value)


def test_options_in_annotated(db):
    class A(Model):
        slug: Annotated[str, field(key=True, name="the slug")]
        year: Annotated[int, field(index=True)] = 5

    assert [each.property for each in schema_of(A).keys] == ["the slug"]
    assert schema_of(A).by_name["year"].index
    assert A(slug="a").year == 5


def test_defaults(db):
    class A(Model):
        a: Field[int] = field(default=1)
        b: int = 2
        c: Field[list[str]] = field(default_factory=list)
        d: Field[int | None] = field(default=None)
        e: str | None = None
        f: Field[int] = pydantic.Field(default=3)

    made = A()
    assert made.model_dump() == {"a": 1, "b": 2, "c": [], "d": None, "e": None, "f": 3}
    made.save()
    assert A.find().one() == made


@pytest.mark.parametrize("given", [{}, {"x": None}])
def test_required_is_required(given):
    class A(Model):
        x: Field[int]

    with pytest.raises(ValidationError) as caught:
        A(**given)
    assert caught.value.errors()[0]["loc"] == ("x",)


def test_constraints_are_pydantic_s():
    class A(Model):
        n: Field[int] = field(ge=1, lt=10, multiple_of=2)
        s: Field[str] = field(min_length=2, max_length=3, pattern="^a")
        d: Field[Decimal] = field(max_digits=3, decimal_places=1)
        strict: Field[int] = field(strict=True, default=1)

    A(n=2, s="ab", d=Decimal("12.5"))
    for wrong in ({"n": 0}, {"n": 3}, {"n": 10}, {"s": "a"}, {"s": "bb"}, {"d": "1.25"}, {"strict": "1"}):
        with pytest.raises(ValidationError):
            A(**{"n": 2, "s": "ab", "d": Decimal("1.5"), **wrong})


def test_names_in_the_store(db):
    class A(Model, label="Other"):
        x: Field[int] = field(name="publication year", key=True)
        text: Field[str] = field(name="quo\"te' ; DROP TABLE records; -- 😀")
        upper: Field[int] = field(name="X")
        lower: Field[int] = field(name="x")
        composed: Field[int] = field(name="\u00e9")
        decomposed: Field[int] = field(name="e\u0301")
        longest: Field[int] = field(name="n" * 100)
        v: Vector = VectorField(dims=2, name="the vector")

    A(x=1, text="t", upper=2, lower=3, composed=4, decomposed=5, longest=6, v=[1, 0]).save()
    found = A.find(A.x == 1, A.text.startswith("t"), A.upper == 2, A.lower == 3, A.composed == 4).one()
    assert (found.decomposed, found.longest) == (5, 6)
    stored = db.client.records.find({"labels": ["Other"]}).data[0].data
    assert {"publication year", "X", "x", "\u00e9", "e\u0301", "n" * 100, "the vector"} <= set(stored)
    assert name_in_store(A, "text") in stored


def test_the_label(module):
    class Person(Model):
        name: Field[str]

    class Human(Person, label="PERSON"):
        pass

    class Child(Human):
        pass

    assert [schema_of(each).label for each in (Person, Human, Child)] == ["Person", "PERSON", "Child"]
    assert schema_of(Dated).label is None
    assert schema_of(Article).label == "ARTICLE"


def test_class_arguments_of_pydantic(db):
    class Frozen(Model, label="ICE", frozen=True, title="a title"):
        x: Field[int] = field(key=True)

    made = Frozen(x=1).save()
    with pytest.raises(ValidationError, match="frozen"):
        made.x = 2
    assert (schema_of(Frozen).label, Frozen.model_json_schema()["title"]) == ("ICE", "a title")


def test_a_subclass_has_records_of_its_own(db):
    class Base(Model):
        x: Field[int] = field(key=True)

    class Sub(Base):
        y: Field[int] = field(default=0)

    Base(x=1).save()
    Sub(x=1, y=2).save()
    assert (Base.find().count(), Sub.find().count()) == (1, 1)
    assert type(Base.get(x=1)) is Base
    assert Sub.get(x=1).y == 2
    assert Sub.find(Base.x == 1).count() == 1
    with pytest.raises(ValueError, match="says nothing about Base"):
        Base.find(Sub.y == 2)


def test_mixins_and_abstract_bases(db):
    assert list(Article.__pydantic_fields__) == ["year", "title", "slug"]
    made = Article(slug="a", title="t").save()
    assert Article.find(Dated.year == 2026, Titled.title == "t").one() == made
    with pytest.raises(ValidationError):
        Article(slug="a", title="t", year=1000)
    assert repr(Article.year) == "Article.year"
    assert repr(Dated.year) == "Dated.year"


class Stamped:
    """A mixin that is no model."""

    month: Field[int]
    stamp: Field[int] = field(default=3, index=True)

    def label_of(self) -> str:
        return f"{self.month}/{self.stamp}"


class Plain(pydantic.BaseModel):
    """A mixin that is pydantic's."""

    number: Field[int] = field(default=5)
    note: str = "n"


class Mixed(Stamped, Plain, Model):
    key: Field[str] = field(key=True)


def test_mixins_that_are_no_models(db):
    Mixed(key="a", month=2).save()
    assert Mixed.get(key="a").label_of() == "2/3"
    for column in (Mixed.month, Mixed.stamp, Mixed.number, Mixed.note):
        assert isinstance(column, Column)
    assert Mixed.find(Mixed.month == 2, Mixed.stamp == 3, Mixed.number == 5).count() == 1


class Top(Model, abstract=True):
    x: Field[int] = field(default=1)


class Left(Top, abstract=True):
    left: Field[int] = field(default=2)
    x: Field[int] = field(default=10)


class Right(Top, abstract=True):
    right: Field[int] = field(default=3)


class Bottom(Left, Right):
    key: Field[str] = field(key=True)


def test_a_diamond(db):
    made = Bottom(key="a").save()
    assert (made.x, made.left, made.right) == (10, 2, 3)
    assert Bottom.find(Top.x == 10, Left.left == 2, Right.right == 3).one() == made


def test_overriding_a_field(db):
    class Base(Model, abstract=True):
        x: Field[int] = field(default=1)
        y: Field[str | None] = field(default=None)
        v: Vector = VectorField(dims=2)

    class Sub(Base):
        k: Field[str] = field(key=True)
        x: Field[str] = field(default="one", index=True)
        y: Field[str] = field(default="why")
        v: Vector = VectorField(dims=3, similarity="euclidean", property="y")

    schema = schema_of(Sub)
    assert [str(each) for each in schema.signatures] == ["Sub.y external euclidean 3"]
    assert schema.by_name["x"].index
    Sub(k="a", v=[1, 2, 3]).save()
    assert Sub.find(Sub.x == "one", Sub.y == "why").count() == 1


def test_a_default_alone_does_not_override():
    with pytest.raises(pydantic.PydanticUserError, match="year"):

        class Sub(Dated):
            year = 2000


class Box(Model, Generic[T]):
    item: Field[T]


class IntBox(Box[int]):
    pass


class Pair(Model, Generic[K, T], abstract=True):
    key: Field[K] = field(key=True)
    value: Field[T | None] = field(default=None)
    several: Field[list[T]] = field(default_factory=list)
    vector: Vector = VectorField(dims=2)


class Half(Pair[str, T], Generic[T], abstract=True):
    extra: Field[T]


class Whole(Half[dt.date]):
    pass


class ListBox(Box[list[str]], label="LIST_BOX"):
    pass


def test_generics(db):
    assert schema_of(IntBox).label == "IntBox"
    assert schema_of(Box).label is None
    assert schema_of(Box[int]).label is None
    IntBox(item=3).save()
    assert IntBox.find(IntBox.item > 2).one().item == 3
    assert IntBox.find(Box[int].item > 2).one().item == 3
    ListBox(item=["a"]).save()
    assert ListBox.find(ListBox.item.in_(["a"])).count() == 1
    with pytest.raises(ValidationError):
        IntBox(item="x")
    with pytest.raises(ModelError, match=r"Box\[int\] is abstract"):
        Box[int](item=3).save()
    with pytest.raises(ModelError, match="Box is abstract"):
        Box(item=3).save()


def test_generics_of_generics(db):
    day = dt.date(2020, 1, 1)
    made = Whole(key="a", value=day, several=[day], extra=day, vector=[1, 0]).save()
    found = Whole.find(Whole.extra == day, Whole.several.in_([day])).with_vectors().one()
    assert found == made
    assert [each.name for each in schema_of(Whole).keys] == ["key"]
    assert schema_of(Half).label is None


def test_a_generic_with_a_bound_and_a_default(module, db):
    made = module(
        "N = TypeVar('N', bound=int)\n"
        "class Counted(Model, Generic[N], abstract=True):\n    n: Field[N] = field(default=0)\n"
        "class Sub(Counted[int]):\n    k: Field[str] = field(key=True)\n"
    )
    made.Sub(k="a", n=4).save()
    assert made.Sub.find(made.Sub.n == 4).count() == 1


# -- forward references ---------------------------------------------------------


class Later(Model):
    mood: Field[ComesLater]
    optional: Field[ComesLater | None] = field(default=None)
    several: list[ComesLater] = field(default_factory=list)


def test_a_class_of_which_a_name_is_missing_says_so(module):
    made = module("class A(Model):\n    x: Field['Nowhere']")
    for use in (lambda: made.A(x=1), lambda: made.A.x, lambda: made.A.find()):
        with pytest.raises((pydantic.PydanticUserError, RushModelError), match="Nowhere"):
            use()


class ComesLater(enum.Enum):
    A = "a"


def test_names_that_come_later_in_the_module(db):
    assert isinstance(Later.mood, Column)
    Later(mood=ComesLater.A, several=["a"]).save()
    found = Later.find(Later.mood == ComesLater.A).one()
    assert (found.mood, found.optional, found.several) == (ComesLater.A, None, [ComesLater.A])


FORWARD = """
class First(Model):
    key: Field[str] = field(key=True)
    kind: Field["Kind"]
    vector: Vector = VectorField(dims=2, property="text")
    text: Annotated["str", VectorField(dims=3)]
class Sub(First):
    other: "Field[Kind | None]" = field(default=None)
class Kind(enum.Enum):
    A = "a"
"""


@pytest.mark.parametrize("future", [False, True])
@pytest.mark.parametrize(
    "use", ["construct", "column", "schema", "find", "validate", "plan", "subclass column", "save_many"]
)
def test_the_first_use_completes_a_class(module, db, future, use):
    gc.collect()  # classes that other tests left incomplete would stand in the way of a plan
    made = module(FORWARD, future=future)
    values = {"key": "a", "kind": "a", "vector": [1, 0], "text": "t", "vectors": {"text": [1, 2, 3]}}
    {
        "construct": lambda: made.First(**values),
        "column": lambda: made.First.kind == made.Kind.A,
        "schema": lambda: schema_of(made.First),
        "find": lambda: made.First.find(),
        "validate": lambda: made.First.model_validate(values),
        "plan": db.plan,
        "subclass column": lambda: made.Sub.other.is_none(),
        "save_many": lambda: made.First.save_many(iter([])),
    }[use]()
    made.First(**values).save()
    made.Sub(**values, other=made.Kind.A).save()
    assert made.First.find(made.First.kind == made.Kind.A).with_vectors().one().kind is made.Kind.A
    assert made.Sub.find(made.Sub.other == made.Kind.A).one().other is made.Kind.A
    assert [each.record.key for each in made.First.search([1, 2, 3])] == ["a"]


def test_names_of_a_function(db):
    class Local(enum.Enum):
        A = "a"

    class Holder(Model):
        local: Field[Local]
        several: Field[list[Local]] = field(default_factory=list)

    Holder(local=Local.A).save()
    assert Holder.find(Holder.local == Local.A).one().local is Local.A


@pytest.mark.parametrize(
    "use",
    ["construct", "validate", "column", "find", "search", "get", "get_or_none", "save_many", "delete_all"],
)
def test_names_that_come_later_in_a_function(db, use):
    class Holder(Model):
        key: Field[str] = field(key=True)
        local: Field[After]
        vector: Vector = VectorField(dims=2)

    class After(enum.Enum):
        A = "a"

    values: dict[str, Any] = {"key": "a", "local": After.A, "vector": [1, 2]}
    # Each on a line of its own: what a lambda is called from is not the function it is written in.
    if use == "construct":
        Holder(**values)
    elif use == "validate":
        Holder.model_validate(values)
    elif use == "column":
        assert isinstance(Holder.local, Column)
    elif use == "find":
        Holder.find()
    elif use == "search":
        assert not Holder.search([1, 2])
    elif use == "get":
        with pytest.raises(NotFound):
            Holder.get(key="a")
    elif use == "get_or_none":
        assert Holder.get_or_none(key="a") is None
    elif use == "save_many":
        Holder.save_many([])
    else:
        assert Holder.delete_all() == 0
    Holder(**values).save()
    assert Holder.find(Holder.local == After.A).one().local is After.A


def test_an_incomplete_class_is_named_by_what_needs_all_classes(module, db):
    gc.collect()
    made = module("class Unfinished(Model):\n    x: Field['Nowhere']")
    with pytest.raises(RushModelError, match=r"Unfinished.*Nowhere"):
        db.plan()
    with pytest.raises(RushModelError, match=r"Unfinished.*Nowhere"):
        db.sync()
    del made.Unfinished


def test_model_rebuild_is_pydantic_s(module):
    made = module("class A(Model):\n    x: Field['Missing']")
    assert made.A.model_rebuild(raise_errors=False) is False
    made.Missing = int
    assert made.A.model_rebuild() is True
    assert made.A(x=1).x == 1
    assert isinstance(made.A.x, Column)
    assert made.A.model_rebuild() is None


# -- redefinition ------------------------------------------------------------------


def test_defining_a_class_again_replaces_it(module, db):
    source = (
        "class Note(Model):\n    k: Field[str] = field(key=True)\n    v: Vector = VectorField(dims={dims})\n"
    )
    first = module(source.format(dims=3), name="a_notebook").Note
    second = module(source.format(dims=4), name="a_notebook").Note
    ours = [each for each in registered() if each.__module__ == "a_notebook"]
    assert ours == [second]
    assert [str(each) for each in schema_of(second).signatures] == ["Note.v external cosine 4"]
    assert first(k="a", v=[1, 2, 3]).save().is_saved


def test_a_class_nobody_holds_is_not_registered(module):
    module("class Gone(Model):\n    x: Field[int]", name="a_passing_module")
    sys.modules.pop("a_passing_module")
    gc.collect()
    assert not [each for each in registered() if each.__module__ == "a_passing_module"]


def test_abstract_classes_have_no_policies(module):
    made = module(
        "class Base(Model, abstract=True):\n    k: Field[str] = field(key=True)\n"
        "    v: Vector = VectorField(dims=3)\n"
    )
    assert made.Base not in registered()
    assert schema_of(made.Base).signatures == ()


# -- vectors ------------------------------------------------------------------------


class Vectors(Model):
    key: Field[str] = field(key=True)
    body: Field[str] = field(name="the body", default="b")
    text: Annotated[str, VectorField(dims=2)]
    maybe: Annotated[str | None, VectorField(dims=2, similarity="euclidean")] = None
    plain: Vector = VectorField(dims=3)
    listed: Vector[list[float]] = VectorField(dims=3, property="body")
    annotated: Annotated[list[float], VectorField(dims=4, similarity=("cosine", "euclidean"))]
    optional: OptionalVector = VectorField(dims=5, default=None)
    optional_list: OptionalVector[list[float]] = VectorField(dims=6, default=None)
    managed: Vector = VectorField(source="managed", dims=7, property="body")


def test_every_way_to_declare_a_vector():
    specs = schema_of(Vectors).vector_by_name
    assert {
        name: (each.property, each.text, each.optional, each.as_list, each.inline)
        for name, each in specs.items()
    } == {
        "text": ("text", "text", False, False, True),
        "maybe": ("maybe", "maybe", True, False, True),
        "plain": ("plain", None, False, False, False),
        "listed": ("the body", "body", False, True, False),
        "annotated": ("annotated", None, False, True, False),
        "optional": ("optional", None, True, False, False),
        "optional_list": ("optional_list", None, True, True, False),
        "managed": ("the body", "body", False, False, False),
    }
    assert len(schema_of(Vectors).signatures) == 9
    for name in ("plain", "listed", "annotated", "optional", "optional_list", "managed"):
        assert isinstance(getattr(Vectors, name), VectorColumn)
    assert isinstance(Vectors.text, Column)
    assert "vectors" in Vectors.__pydantic_fields__
    assert "vectors" not in Article.__pydantic_fields__


def test_inline_vectors_are_inherited(db):
    class Sub(Vectors):
        more: Annotated[str, VectorField(dims=2, similarity="euclidean")]

    made = Sub(
        key="a",
        text="t",
        more="m",
        plain=[1, 2, 3],
        listed=[1, 2, 3],
        annotated=[1, 2, 3, 4],
        vectors={"text": [1, 0], "more": [0, 1]},
    )
    assert made.save().vectors["more"].tolist() == [0, 1]
    assert set(Sub.get(key="a", with_vectors=True).vectors) == {"text", "more"}


def test_a_vector_without_a_key_warns_once_where_the_class_is():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        class Keyless(Model):
            v: Vector = VectorField(dims=3)

        Keyless(v=[1, 2, 3])
        assert isinstance(Keyless.v, VectorColumn)
    assert [each.category for each in caught] == [VectorsWithoutKey]
    assert "Keyless" in str(caught[0].message)
    assert "field(key=True)" in str(caught[0].message)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "source",
    [
        "class A(Model, abstract=True):\n    v: Vector = VectorField(dims=3)",
        "class A(Model):\n    b: Field[str]\n"
        "    v: Vector = VectorField(dims=3, source='managed', property='b')",
        "class A(Model):\n    k: Field[str] = field(key=True)\n    v: Vector = VectorField(dims=3)",
    ],
)
def test_what_needs_no_warning_gets_none(module, source):
    module(source)


def test_the_signature_of_a_class_names_its_fields():
    import inspect

    assert list(inspect.signature(Article).parameters) == ["year", "title", "slug"]
    assert list(inspect.signature(IntBox).parameters) == ["item"]

"""Models as pydantic's users know them: validators, dumps, JSON schema, configuration."""

# What these tests give and declare is often no type to a checker.
# mypy: disable-error-code="arg-type, assignment, call-arg, prop-decorator"

from __future__ import annotations

import datetime as dt
import enum
import json
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic import Field as PydanticField
from pydantic.alias_generators import to_camel

from rushmodel import Field, Model, OptionalVector, Vector, VectorField, VectorsNotLoaded, field
from rushmodel.instance import state_of

LONG = 1000


class Mood(enum.Enum):
    CALM = "calm"


class Article(Model):
    slug: Field[str] = field(key=True, description="the key")
    title: str = field(max_length=20)
    year: Field[int] = field(default=2026, ge=1900)
    at: Field[dt.datetime | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    uid: Field[UUID | None] = field(default=None)
    mood: Field[Mood] = field(default=Mood.CALM)
    extra: dict[str, Any] = field(json=True, default_factory=dict)
    embedding: Vector = VectorField(dims=3, property="title", description="what it means")
    listed: Vector[list[float]] = VectorField(dims=2)
    image: OptionalVector = VectorField(default=None, dims=4)


class Note(Model):
    key: Field[str] = field(key=True)
    text: Annotated[str, VectorField(dims=3)]


def article(**values: Any) -> Article:
    given: dict[str, Any] = {"slug": "a", "title": "t", "embedding": [1, 2, 3], "listed": [0.5, 1], **values}
    return Article(**given)


# -- construction ---------------------------------------------------------------------


def test_construction_raises_pydantic_s_error_without_the_input():
    with pytest.raises(ValidationError) as caught:
        article(embedding=[1.0] * LONG, year="secret value", slug=None)
    text = str(caught.value)
    assert {error["loc"] for error in caught.value.errors()} == {("slug",), ("year",), ("embedding",)}
    assert "expected 3 numbers, got 1000" in text
    assert "1.0, 1.0" not in text
    assert "secret value" not in text


def test_unknown_fields_are_refused():
    for unknown in ({"titel": "t"}, {"record_id": "x"}, {"is_saved": True}, {"_state": 1}):
        with pytest.raises(ValidationError) as caught:
            article(**unknown)
        assert caught.value.errors()[0]["type"] == "extra_forbidden"


def test_extra_ignore_can_be_said(db):
    class Lenient(Model):
        model_config = ConfigDict(extra="ignore")
        x: Field[int]

    Lenient.model_validate({"x": 1, "y": 2}).save()
    assert Lenient.find().one().model_dump() == {"x": 1}


def test_conversion_is_pydantic_s():
    made = article(year="2020", at="2020-01-01T00:00:00Z", price="1.50", uid=str(UUID(int=1)), mood="calm")
    assert (made.year, made.uid, made.mood, str(made.price)) == (2020, UUID(int=1), Mood.CALM, "1.50")


# -- assignment -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("year", 1000),
        ("year", "x"),
        ("title", "t" * 21),
        ("title", None),
        ("mood", "wild"),
        ("embedding", [1, 2]),
        ("embedding", [0, 0, 0]),
        ("embedding", None),
        ("listed", [float("nan"), 1]),
        ("image", "x"),
        ("extra", 5),
        ("nothing", 1),
    ],
)
def test_a_refused_assignment_leaves_the_old_value(db, name, value):
    made = article()
    before, given = dict(made.__dict__), set(made.model_fields_set)
    for _ in range(2):
        with pytest.raises(ValidationError):
            setattr(made, name, value)
        assert all(made.__dict__[each] is before[each] for each in before)
        assert made.__dict__.keys() == before.keys()
        assert made.model_fields_set == given
        assert not state_of(made).fresh
        made.save()
    assert Article.get(slug="a", with_vectors=True) == made


def test_a_refused_assignment_of_an_unread_vector_leaves_it_unread(db):
    article().save()
    found = Article.get(slug="a")
    with pytest.raises(ValidationError):
        found.embedding = [1, 2]
    with pytest.raises(VectorsNotLoaded):
        found.embedding
    assert "embedding=<not loaded>" in repr(found)


class Span(Model):
    key: Field[str] = field(key=True)
    low: Field[int]
    high: Field[int]
    tags: Field[list[str]] = field(default_factory=list)
    note: OptionalVector = VectorField(default=None, dims=2)

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def test_an_assignment_that_a_model_validator_refuses_is_undone(db):
    span = Span(key="a", low=1, high=2).save()
    before = dict(span.__dict__)
    with pytest.raises(ValidationError, match="low is above high"):
        span.low = 5
    assert span.__dict__ == before
    with pytest.raises(ValidationError):
        span.note = np.ones(3)
    span.save()
    assert Span.get(key="a").low == 1
    span.high = 9
    span.low = 5
    span.save()
    assert (Span.get(key="a").low, Span.get(key="a").high) == (5, 9)


@pytest.mark.parametrize("mode", ["before", "wrap"])
def test_model_validators_of_other_modes(db, mode):
    seen: list[Any] = []

    class A(Model):
        x: Field[int]
        y: Field[int] = field(default=0)

        if mode == "before":

            @model_validator(mode="before")
            @classmethod
            def _before(cls, data: Any) -> Any:
                seen.append(data)
                return {"x": data["n"]} if "n" in data else data

        else:

            @model_validator(mode="wrap")
            @classmethod
            def _around(cls, data: Any, handler: Any) -> Any:
                seen.append(data)
                made = handler({"x": data["n"]} if isinstance(data, dict) and "n" in data else data)
                if made.y < 0:
                    raise ValueError("below zero")
                return made

    A.model_validate({"n": 3}).save()
    count = len(seen)
    found = A.find().one()
    assert (found.x, len(seen)) == (3, count), "loading runs no validators"
    found.y = 4
    assert found.save().y == 4
    if mode == "wrap":
        with pytest.raises(ValidationError, match="below zero"):
            found.y = -1
        assert found.y == 4


class Counted(Model):
    x: Field[int]
    y: Annotated[
        int, BeforeValidator(lambda value: int(value) + 1), AfterValidator(lambda value: value * 2)
    ] = 0
    log: Field[list[str]] = field(default_factory=list)

    @field_validator("x", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return len(value) if isinstance(value, str) else value

    @field_validator("x")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("must be positive")
        return value

    @field_validator("x", mode="wrap")
    @classmethod
    def _around(cls, value: Any, handler: Any, info: ValidationInfo) -> int:
        made: int = handler(value)
        return made


def test_field_validators_run_on_construction_and_assignment_and_not_on_loading(db):
    made = Counted(x="abc", y=1)
    assert (made.x, made.y) == (3, 4)
    made.x = "ab"
    made.y = 2
    assert (made.x, made.y) == (2, 6)
    with pytest.raises(ValidationError, match="must be positive"):
        made.x = ""
    made.save()
    assert (Counted.find().one().x, Counted.find().one().y) == (2, 6)


def test_a_validator_may_make_a_vector(db):
    class A(Model):
        key: Field[str] = field(key=True)
        v: Vector = VectorField(dims=2)

        @field_validator("v", mode="before")
        @classmethod
        def _parsed(cls, value: Any) -> Any:
            return [float(part) for part in value.split(",")] if isinstance(value, str) else value

        @field_validator("v")
        @classmethod
        def _normalised(cls, value: Any) -> Any:
            return value / np.linalg.norm(value)

    made = A(key="a", v="3,4").save()
    assert np.allclose(A.get(key="a", with_vectors=True).v, [0.6, 0.8])
    assert np.allclose(made.v, [0.6, 0.8])


class Post(Model):
    x: Field[int] = field(key=True)
    v: OptionalVector = VectorField(default=None, dims=2)
    _made: list[str] = PrivateAttr(default_factory=list)
    _count: int = 7
    _unset: int

    def model_post_init(self, context: Any) -> None:
        self._made.append(f"saved: {self.is_saved}")
        if self.v is None:
            self.v = np.ones(2)


def test_private_attributes_and_model_post_init(db):
    made = Post(x=1)
    assert made._made == ["saved: False"]
    assert made.save().v is not None
    assert made.model_dump(exclude={"v"}) == {"x": 1}
    made._count = 8
    made._unset = 1
    assert made._count == 8
    found = Post.get(x=1, with_vectors=True)
    assert found == made
    assert found._count == 7
    assert found.v is not None
    assert found.v.tolist() == [1, 1]


def test_a_private_attribute_without_a_default_is_unset_after_loading(db):
    Post(x=1).save()
    for unset in (Post(x=2), Post.get(x=1)):
        with pytest.raises(AttributeError, match="_unset"):
            unset._unset


def test_private_attributes_of_two_loaded_records_are_their_own(db):
    Post(x=1).save()
    Post(x=2).save()
    one, other = Post.find().all()
    one._made.append("mine")
    assert "mine" not in other._made


class Computed(Model):
    name: Field[str] = field(key=True)
    v: OptionalVector = VectorField(default=None, dims=2)

    @computed_field
    @property
    def upper(self) -> str:
        return self.name.upper()

    @cached_property
    def slow(self) -> int:
        return len(self.name)


def test_computed_fields_are_shown_and_not_stored(db):
    made = Computed(name="ab").save()
    assert made.model_dump() == {"name": "ab", "v": None, "upper": "AB"}
    assert json.loads(made.model_dump_json())["upper"] == "AB"
    assert "upper='AB'" in repr(made)
    assert "upper" not in db.client.records.find({"labels": ["Computed"]}).data[0].data
    assert Computed.get(name="ab").upper == "AB"
    with pytest.raises(ValidationError):
        Computed(name="a", upper="A")


def test_cached_properties_do_not_count_in_equality_and_saves(db):
    one, other = Computed(name="ab"), Computed(name="ab")
    assert one.slow == 2
    assert one == other
    one.save()
    assert Computed.get(name="ab", with_vectors=True) == one
    assert one.clone() == other


def test_a_frozen_model(db):
    class Point(Model):
        model_config = ConfigDict(frozen=True)
        x: Field[int] = field(key=True)
        y: Field[int] = field(default=0)

    made = Point(x=1).save()
    assert made.is_saved
    with pytest.raises(ValidationError, match="frozen"):
        made.y = 2
    assert made.y == 0
    assert hash(made) == hash(Point(x=1))
    assert len({made, Point(x=1), Point.get(x=1)}) == 1
    changed = made.model_copy(update={"y": 5}).save()
    assert changed.record_id == made.record_id
    assert Point.get(x=1).y == 5
    assert made.refresh().y == 5


def test_a_frozen_field(db):
    class A(Model):
        x: Annotated[int, PydanticField(frozen=True)]

    made = A(x=1).save()
    with pytest.raises(ValidationError, match="frozen"):
        made.x = 2
    assert A.find().one().x == 1


def test_a_model_that_is_not_frozen_has_no_hash():
    with pytest.raises(TypeError, match="unhashable"):
        hash(article())


def test_without_validate_assignment_a_save_still_refuses(db):
    class Lax(Model):
        model_config = ConfigDict(validate_assignment=False)
        key: Field[str] = field(key=True)
        v: Vector = VectorField(dims=2)

    made = Lax(key="a", v=[1, 2]).save()
    made.v = [1, 2, 3]
    with pytest.raises(ValueError, match=r"Lax\.v: expected 2 numbers, got 3"):
        made.save()
    made.v = [3, 4]
    assert Lax.get(key="a", with_vectors=True).v.tolist() == [1, 2]
    made.save()
    assert Lax.get(key="a", with_vectors=True).v.tolist() == [3, 4]


def test_use_enum_values(db):
    """Pydantic then keeps the value and not the member; it is stored the same way."""

    class A(Model):
        model_config = ConfigDict(use_enum_values=True)
        key: Field[int] = field(key=True)
        mood: Field[Mood]
        moods: Field[list[Mood]] = field(default_factory=list)

    made = A(key=1, mood=Mood.CALM, moods=[Mood.CALM]).save()
    assert A.get(key=1) == made
    assert A.find(A.mood == Mood.CALM).count() == 1


def test_aliases_are_for_pydantic_and_not_for_storage(db):
    class Camel(Model):
        model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
        first_name: Field[str] = field(key=True)
        last_name: str = field(name="surname")
        the_vector: Vector = VectorField(dims=2)

    made = Camel.model_validate({"firstName": "Ada", "lastName": "L", "theVector": [1, 2]}).save()
    assert set(made.model_dump(by_alias=True)) == {"firstName", "lastName", "theVector"}
    stored = db.client.records.find({"labels": ["Camel"]}).data[0].data
    assert {"first_name", "surname", "the_vector"} <= set(stored)
    found = Camel.get(first_name="Ada", with_vectors=True)
    assert found == made
    found.first_name
    found.last_name = "Lovelace"
    found.save()
    assert Camel.find(Camel.first_name == "Ada").one().last_name == "Lovelace"
    assert "firstName" in Camel.model_json_schema()["properties"]


# -- dumps -----------------------------------------------------------------------------


def test_model_dump():
    made = article(extra={"a": [1, None]}, price=Decimal("1.50"), image=[1, 2, 3, 4])
    plain = made.model_dump()
    assert plain["embedding"] is made.embedding
    assert plain["embedding"].dtype == np.float32
    assert plain["listed"] == [0.5, 1.0]
    assert plain["price"] == Decimal("1.50")
    as_json = made.model_dump(mode="json")
    assert as_json["embedding"] == [1.0, 2.0, 3.0]
    assert as_json["image"] == [1.0, 2.0, 3.0, 4.0]
    assert as_json["listed"] == [0.5, 1.0]
    assert json.loads(made.model_dump_json()) == as_json
    assert set(made.model_dump(include={"slug", "embedding"})) == {"slug", "embedding"}
    assert "embedding" not in made.model_dump(exclude={"embedding"})
    assert set(made.model_dump(exclude_unset=True)) == {
        "slug",
        "title",
        "extra",
        "price",
        "image",
        "embedding",
        "listed",
    }
    assert set(article().model_dump(exclude_none=True)) == {
        "slug",
        "title",
        "year",
        "mood",
        "extra",
        "embedding",
        "listed",
    }
    assert set(article().model_dump(exclude={"embedding", "listed"}, exclude_defaults=True)) == {
        "slug",
        "title",
    }


def test_a_dump_validates_again():
    made = article(extra={"a": [1, None]}, price=Decimal("1.50"), image=[1, 2, 3, 4])
    assert Article.model_validate(made.model_dump()) == made
    assert Article.model_validate(made.model_dump(mode="json")) == made
    assert Article.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("mode", ["python", "json"])
def test_unread_vectors_are_left_out_of_dumps(db, mode):
    article(image=[1, 2, 3, 4]).save()
    found = Article.get(slug="a")
    names = set(Article.__pydantic_fields__) - {"embedding", "listed", "image"}
    assert set(found.model_dump(mode=mode)) == names
    assert set(json.loads(found.model_dump_json())) == names
    assert set(found.model_dump(mode=mode, include={"slug", "embedding"})) == {"slug"}
    assert set(found.model_dump(mode=mode, exclude={"embedding"})) == names
    assert set(TypeAdapter(list[Article]).dump_python([found], mode=mode)[0]) == names


def test_dumps_of_inline_vectors(db):
    made = Note(key="a", text="t", vectors={"text": [1, 2, 3]})
    assert made.model_dump()["vectors"]["text"] is made.vectors["text"]
    assert made.model_dump(mode="json")["vectors"] == {"text": [1.0, 2.0, 3.0]}
    assert Note.model_validate(made.model_dump()) == made
    assert Note.model_validate_json(made.model_dump_json()) == made
    made.save()
    found = Note.get(key="a")
    assert found.model_dump(mode="json") == {"key": "a", "text": "t", "vectors": {}}
    assert made.model_dump(exclude={"vectors"}) == {"key": "a", "text": "t"}


def test_record_ids_and_state_are_in_no_dump(db):
    made = article().save()
    assert not {name for name in made.model_dump() if name.startswith("_") or name == "record_id"}


def test_serializers(db):
    class A(Model):
        x: Field[int]
        v: OptionalVector = VectorField(default=None, dims=2)
        k: Field[str] = field(key=True)

        @field_serializer("x")
        def _shown(self, value: int) -> str:
            return f"<{value}>"

        @model_serializer(mode="wrap")
        def _wrapped(self, handler: Any) -> dict[str, Any]:
            return {"wrapped": handler(self)}

    made = A(k="a", x=3).save()
    assert made.model_dump() == {"wrapped": {"x": "<3>", "v": None, "k": "a"}}
    assert A.get(k="a").x == 3, "storage reads fields, not dumps"


def test_a_model_inside_a_pydantic_model():
    class Page(BaseModel):
        articles: list[Article]

    page = Page(articles=[article()])
    assert json.loads(page.model_dump_json())["articles"][0]["embedding"] == [1.0, 2.0, 3.0]
    assert "1.0, 2.0" not in repr(page)
    assert "1., 2." not in repr(page)
    assert page == Page(articles=[article()])


# -- JSON schema ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema(mode):
    schema = Article.model_json_schema(mode=mode)
    properties = schema["properties"]
    number = {"type": "number"}
    assert properties["embedding"] == {
        "description": "what it means",
        "items": number,
        "maxItems": 3,
        "minItems": 3,
        "title": "Embedding",
        "type": "array",
    }
    assert (properties["listed"]["minItems"], properties["listed"]["maxItems"]) == (2, 2)
    assert properties["image"]["anyOf"] == [
        {"items": number, "maxItems": 4, "minItems": 4, "type": "array"},
        {"type": "null"},
    ]
    assert properties["slug"]["description"] == "the key"
    assert properties["year"]["minimum"] == 1900
    if mode == "validation":
        assert schema["required"] == ["slug", "title", "embedding", "listed"]
    assert not {"record_id", "is_saved"} & set(properties)
    json.dumps(schema)


def test_json_schema_of_inline_vectors():
    vectors = Note.model_json_schema()["properties"]["vectors"]
    assert vectors["properties"]["text"] == {
        "items": {"type": "number"},
        "maxItems": 3,
        "minItems": 3,
        "type": "array",
    }
    assert Note.model_json_schema()["properties"]["text"]["type"] == "string"
    assert "vectors" not in Note.model_json_schema().get("required", [])


# -- repr --------------------------------------------------------------------------------


def test_no_repr_shows_a_vector(db):
    class Long(Model):
        key: Field[str] = field(key=True)
        text: Annotated[str, VectorField(dims=LONG)]
        v: Vector = VectorField(dims=LONG)
        listed: Vector[list[float]] = VectorField(dims=LONG)
        annotated: Annotated[list[float], VectorField(dims=LONG)]
        optional: OptionalVector = VectorField(dims=LONG, default=None)

    ones = [0.125] * LONG
    made = Long(key="a", text="t", v=ones, listed=ones, annotated=ones, optional=ones, vectors={"text": ones})
    made.save()
    hits = Long.search(made, on="v")
    read = Long.get(key="a", with_vectors=True)
    for shown in (
        made,
        read,
        hits,
        Long.get(key="a"),
        made.vectors,
        [made],
        made.clone(),
        Long.find(Long.key == "a"),
    ):
        for text in (repr(shown), str(shown), f"{shown}"):
            assert "0.125" not in text
            assert len(text) < 1500
    assert repr(read).count(f"<{LONG} float32>") == 5
    assert repr(Long.get(key="a")).count("<not loaded>") == 5


def test_repr_follows_pydantic():
    class A(Model):
        shown: Field[int]
        hidden: Field[int] = field(repr=False)

    assert repr(A(shown=1, hidden=2)) == "A(shown=1)"
    assert str(A(shown=1, hidden=2)) == "shown=1"


def test_model_construct_is_checked_at_save(db):
    made = Article.model_construct(slug="a", title="t", embedding=[1, 2], listed=[1, 2])
    with pytest.raises(ValueError, match=r"Article\.embedding: expected 3 numbers, got 2"):
        made.save()
    assert Article.find().count() == 0
    whole = Article.model_construct(slug="a", title="t", embedding=[1, 2, 3], listed=[1, 2]).save()
    assert Article.get(slug="a", with_vectors=True).embedding.tolist() == [1, 2, 3]
    assert whole.year == 2026


@pytest.mark.parametrize("missing", ["slug", "title"])
def test_model_construct_without_a_required_field_is_not_stored(db, missing):
    """Such a record could not be read back: a LoadError, later and elsewhere."""
    values = {"slug": "a", "title": "t", "embedding": [1, 2, 3], "listed": [1, 2]}
    del values[missing]
    made = Article.model_construct(None, **values)
    with pytest.raises(ValueError, match=f"Article.*{missing}"):
        made.save()
    assert Article.find().count() == 0

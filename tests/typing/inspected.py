"""Models of what a database holds, written by rushmodel's inspect."""

from __future__ import annotations

from datetime import date, datetime

from rushmodel import Edge, Field, Model, OptionalVector, Relation, Vector, VectorField, field, relation


class KNOWS(Edge):
    since: Field[float | None] = field(default=None)


class Record(Model, label=" "):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Or(Model, label="$or"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Record1(Model, label="1"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class LLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLL(Model, label="LLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLL"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Model_(Model, label="Model"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Text(Model):
    body: Field[str]
    never: Field[str | None] = field(default=None)
    class_: Field[str] = field(name="class")
    body_embedding_cosine_2: OptionalVector = VectorField(default=None, dims=2, similarity="cosine", source="external", property="body")
    body_embedding_cosine_3: OptionalVector = VectorField(default=None, dims=3, similarity="cosine", source="external", property="body")
    body_embedding_euclidean: OptionalVector = VectorField(default=None, dims=3, similarity="euclidean", source="external", property="body")
    class_embedding: Vector = VectorField(dims=2, similarity="cosine", source="external", property="class_")
    never_embedding: OptionalVector = VectorField(default=None, dims=2, similarity="cosine", source="external", property="never")


class Text2(Model):
    a_b: Field[str]
    self: Field[str]
    type: Field[str]
    year: Field[int]
    field_1st: Field[float] = field(name="1st")
    field_: Field[str] = field(name="Field")
    none_: Field[int] = field(name="None")
    person: Field[str] = field(name="Person")
    private: Field[str] = field(name="_private")
    a_b_: Field[str] = field(name="a b")
    a_import_os: Field[str] = field(name='a"""\n\'\\\nimport os\r\x85\u2028')
    a_b_2: Field[str] = field(name="a-b")
    class_: Field[int] = field(name="class")
    date_: Field[date] = field(name="date")
    field_2: Field[int] = field(name="field")
    model_config_: Field[bool] = field(name="model_config")
    save_: Field[bool] = field(name="save")
    str_: Field[str] = field(name="str")
    vectors_: Field[list[str]] = field(name="vectors")
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: Field[str] = field(name="xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
    field_3: Field[str] = field(name="\u044f")
    x: Field[str] = field(name="\u202ex")
    year_: Field[int] = field(name="\uff59ear")


class UserProfile(Model):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class X(Model, label="__x"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class AImportOs(Model, label='a"""\n\'\\\nimport os\r\x85\u2028'):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Class(Model, label="class"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")


class Person(Model, label="person"):
    at: Field[datetime]
    day: Field[date]
    f: Field[float]
    ls: Field[list[float]]
    maybe: Field[str | None] = field(default=None)
    n: Field[int]
    knows: Relation[list[Text]] = relation("KNOWS")
    knows_person: Relation[list[Person]] = relation("KNOWS", edge=KNOWS)
    text: Relation[list[Text]] = relation("RUSHDB_DEFAULT_RELATION")
    class_: Relation[list[Text]] = relation("class")
    # left out: property 'mixed': its values are of several types


class UserProfile_(Model, label="user profile"):
    name: Field[str]
    mixed_list: Field[list[str]] = field(name="mixed list")

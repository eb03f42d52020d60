"""Classes that cannot be models: each error names class and field, and says what to write instead."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from rushmodel import Model, ModelError, RushModelError, connect
from rushmodel.names import RESERVED
from rushmodel.registry import registered

TYPES = {  # the line, and what the message must say beside "Wrong.<field>"
    "x: dict[str, int]": "field(json=True)",
    "x: Field[dict[str, int]]": "field(json=True)",
    "x: Field[bytes]": "field(json=True)",
    "x: Field[tuple[int, int]]": "field(json=True)",
    "x: Field[set[int]]": "field(json=True)",
    "x: Field[Any]": "field(json=True)",
    "x: Field[object]": "field(json=True)",
    "x: Any": "field(json=True)",
    "x: Field[int | str]": "field(json=True)",
    "x: int | str | None": "field(json=True)",
    "x: Field[complex]": "field(json=True)",
    "x: Field[dt.timedelta]": "field(json=True)",
    "x: Field[Inner]": "field(json=True)",
    "x: Field[list[Inner]]": "field(json=True)",
    "x: Field[list[list[int]]]": "field(json=True)",
    "x: Field[None]": "field(json=True)",
    "x: Field[list]": "list[str]",
    "x: Field[list[int | None]]": "list[str]",
    "x: Optional[Field[int]]": "Field[int | None]",
    "x: Field[int] | None": "Field[int | None]",
    "x: Field[Field[int]]": "Field[int]",
    "x: Field": "Field[str]",
    "x: list[Field[int]]": "inside",
    "x: Field[Literal['a', 1]]": "one type",
    "x: Field[Literal[1, True]]": "one type",
    "x: Field[Literal['a', None]]": "None",
    "x: Field[Literal[b'a']]": "str or int",
    "x: Field[Mixed]": "one type",
    "x: Field[Tuples]": "str or int",
    "x: Field[NoMember]": "values",
}

OPTIONS = {
    "x: Field[float] = field(key=True)": "merge key",
    "x: Field[bool] = field(key=True)": "merge key",
    "x: Field[Decimal] = field(key=True)": "merge key",
    "x: Field[dt.datetime] = field(key=True)": "merge key",
    "x: Field[dt.time] = field(key=True)": "merge key",
    "x: Field[list[str]] = field(key=True)": "merge key",
    "x: Field[str | None] = field(key=True)": "Field[str]",
    "x: Field[Optional[int]] = field(key=True)": "Field[int]",
    "x: Any = field(key=True, json=True)": "merge key",
    "x: Any = field(index=True, json=True)": "index",
    "x: Field[str] = field(naive='utc')": "naive=",
    "x: Field[dt.date] = field(naive='utc')": "naive=",
    "x: Field[dt.datetime] = field(naive='local')": "'utc'",
    "x: Field[str] = field(as_number=True)": "as_number=",
    "x: Field[int] = field(as_number=True)": "as_number=",
    "x: Field[str] = field(name='')": "field(name=",
    "x: Field[str] = field(name='$gt')": "field(name=",
    "x: Field[str] = field(name='$a')": "field(name=",
    "x: Field[str] = field(name='__id')": "field(name=",
    "x: Field[str] = field(name='n' * 101)": "100",
    "x: Field[str] = field(name='a\\0b')": "NUL",
    "x: Field[str] = field(name='\\ud800')": "surrogates",
    "x: Field[str] = field(name='k')": "name=",
    "x: Field[int] = field(default='5')": "default",
    "x: Field[int] = field(default=2**53 + 1)": "2**53",
    "x: Field[int] = field(default=None)": "default",
    "x: Field[float] = field(default=float('nan'))": "finite",
    "x: Field[str] = field(default='\\ud800')": "surrogate",
    "x: Field[dt.datetime] = field(default=dt.datetime(2020, 1, 1))": "naive='utc'",
    "x: Field[Literal['a', 'b']] = field(default='c')": "default",
    "x: Field[list[int]] = field(default=['a'])": "default",
    "x: Field[Decimal] = field(default=Decimal('0.1000000000000000001'), as_number=True)": "default",
    "x: Field[Annotated[str, field(index=True)]]": "Annotated[",
}

VECTORS = {
    "x: Vector": "VectorField(dims=",
    "x: OptionalVector": "VectorField(dims=",
    "x: Vector | None": "VectorField(dims=",
    "x: Vector = field(description='d')": "VectorField(dims=",
    "x: Field[Vector]": "VectorField(dims=",
    "x: Annotated[Vector, field()]": "VectorField(dims=",
    "x: list[float] = VectorField(dims=0)": "1 to 4096",
    "x: Vector = VectorField(dims=4097)": "1 to 4096",
    "x: Vector = VectorField(dims=True)": "1 to 4096",
    "x: Vector = VectorField(dims=3.0)": "1 to 4096",
    "x: Vector = VectorField(dims='3')": "1 to 4096",
    "x: Vector = VectorField(dims=3, similarity='dot')": "'euclidean'",
    "x: Vector = VectorField(dims=3, similarity=())": "'euclidean'",
    "x: Vector = VectorField(dims=3, similarity=['cosine', 'euclidean'])": "tuple",
    "x: Vector = VectorField(dims=3, similarity=('cosine', 'cosine'))": "twice",
    "x: Vector = VectorField(dims=3, source='internal')": "'managed'",
    "x: Vector = VectorField(dims=3, source='managed')": "property=",
    "x: Annotated[str, VectorField(dims=3, source='managed')]": "source='managed'",
    "x: Vector = VectorField(dims=3, on_stale='ignore')": "'drop'",
    "x: Vector = VectorField(dims=3, on_stale='embed')": "embedder",
    "x: Vector = VectorField(dims=3, property='nothing')": "'k'",
    "x: Vector = VectorField(dims=3, property='number')": "str field",
    "x: Vector = VectorField(dims=3, property='tags')": "str field",
    "x: Vector = VectorField(dims=3, property='any')": "str field",
    "x: Vector = VectorField(dims=3, property='x')": "'k'",
    "x: Vector = VectorField(dims=3, property='k', name='y')": "name=",
    "x: Vector = VectorField(dims=3, name='k')": "name=",
    "x: Vector = VectorField(dims=3, name='$x')": "$",
    "x: Vector = VectorField(dims=3, default=None)": "OptionalVector",
    "x: Vector = VectorField(dims=3, default=[1.0, 2.0])": "default",
    "x: Vector[list[int]] = VectorField(dims=3)": "list[float]",
    "x: Field[str] = VectorField(dims=3)": "Annotated[str",
    "x: int = VectorField(dims=3)": "Vector",
    "x: Field[Annotated[str, VectorField(dims=3)]]": "Annotated[str",
    "x: Annotated[str, VectorField(dims=3, property='k')]": "property=",
    "x: Annotated[str, VectorField(dims=3, name='y')]": "name=",
    "x: Annotated[str, VectorField(dims=3), VectorField(dims=4)]": "VectorField",
}

CONTEXT = """
from pydantic import BaseModel
class Inner(BaseModel):
    n: int
class Mixed(enum.Enum):
    A = 1
    B = "b"
class Tuples(enum.Enum):
    A = (1, 2)
class NoMember(enum.Enum):
    pass
class Wrong(Model):
    k: Field[str] = field(key=True)
    number: Field[int] = field(default=0)
    tags: Field[list[str]] = field(default_factory=list)
    any: Any = field(json=True, default=0)
    {line}
"""


@pytest.mark.parametrize("future", [False, True], ids=["", "future"])
@pytest.mark.parametrize(("line", "says"), [*TYPES.items(), *OPTIONS.items(), *VECTORS.items()])
def test_a_wrong_line_is_refused_by_class_and_field(module, line, says, future):
    with pytest.raises(ModelError) as caught:
        module(CONTEXT.format(line=line), future=future)
    message = str(caught.value)
    assert "Wrong.x" in message
    assert says in message.partition("Wrong.x")[2]
    assert caught.value.field == "x"
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("name", sorted(RESERVED - {"model_config"}))
def test_a_field_named_like_an_attribute_of_every_model_is_refused_and_shown_the_way(module, name):
    with pytest.raises(ModelError) as caught:
        module(f"class Wrong(Model):\n    {name}: Field[str]")
    assert f"Wrong.{name}:" in str(caught.value)
    assert f"field(name={name!r})" in str(caught.value)
    line = str(caught.value).partition("stored name: ")[2].replace("...", "str")
    made = module(f"class Right(Model):\n    {line}")
    assert made.Right.__rush_schema__.properties[0].property == name


def test_the_reserved_names_are_all_that_a_model_has():
    public = {name for name in [*dir(Model), *dir(type(Model))] if not name.startswith("_")}
    inherited_by_the_metaclass = {"mro", "register"}
    assert public - inherited_by_the_metaclass <= RESERVED
    assert {name for name in dir(BaseModel) if not name.startswith("_")} <= RESERVED


def test_the_names_of_later_parts_are_reserved_already():
    assert {"search_many", "aggregate", "reembed", "stale", "find_raw", "vectors"} <= RESERVED


@pytest.mark.parametrize("kind", ["class Base:", "class Base(BaseModel):"])
def test_a_reserved_name_from_a_mixin_is_refused(module, kind):
    head = "from pydantic import BaseModel\n"
    with pytest.raises(ModelError, match=r"Wrong\.save"):
        module(f"{head}{kind}\n    save: Field[str]\nclass Wrong(Base, Model):\n    x: Field[int]")


@pytest.mark.parametrize("name", ["_state", "_get", "_save", "_check_key", "_delete_all", "_get_or_none"])
def test_private_attributes_do_not_meet_the_library_s_own(module, db, name):
    """A user may call a private attribute anything: either it works, or the class is refused."""
    source = (
        "from pydantic import PrivateAttr\n"
        f"class A(Model):\n    x: Field[int] = field(key=True)\n    {name}: int = PrivateAttr(7)"
    )
    try:
        made = module(source)
    except ModelError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert f"A.{name}" in refusal
        return
    record = made.A(x=1)
    assert getattr(record, name) == 7
    record.save()
    assert made.A.get(x=1) == record
    assert made.A.delete_all() == 1


NO_IDENTIFIERS = ["Ä", "a b", "1st", "a-b", "a\n", "x;--", "$a", "é"]


@pytest.mark.parametrize("label", NO_IDENTIFIERS)
def test_a_label_is_any_text(module, label):
    made = module(f"class Right(Model, label={label!r}):\n    x: Field[int] = field(key=True)")
    with connect("memory://", default=False) as db:
        record = made.Right(x=1).save()
        assert made.Right.find(made.Right.x == 1).all() == [record]
        assert list(db.schema().labels) == [label]
    db.close()


@pytest.mark.parametrize("label", NO_IDENTIFIERS)
def test_where_there_are_vectors_it_is_letters_digits_and_underscore(module, label):
    fields = "x: Field[int] = field(key=True)\n    v: Vector = VectorField(dims=2)"
    with pytest.raises(ModelError, match=r"Wrong: its label .* where there are vectors") as caught:
        module(f"class Wrong(Model, label={label!r}):\n    {fields}")
    assert 'label="..."' in str(caught.value)


@pytest.mark.parametrize("label", ["", "a\0", "\ud800", 5])
def test_a_label_is_a_text(module, label):
    with pytest.raises(ModelError, match=r"Wrong: a label is a text .* got") as caught:
        module(f"class Wrong(Model, label={label!r}):\n    x: Field[int]")
    assert 'label="..."' in str(caught.value)


def test_a_class_name_that_is_no_label_is_shown_label(module):
    fields = "x: Field[int] = field(key=True)\n    v: Vector = VectorField(dims=2)"
    with pytest.raises(ModelError, match=r'class Übung.*label="\.\.\."'):
        module(f"class Übung(Model):\n    {fields}")
    made = module(f"class Übung(Model, label='Uebung'):\n    {fields}")
    assert made.Übung.__rush_label__ == "Uebung"


@pytest.mark.parametrize("label", ["$a", "__id"])
def test_no_relation_leads_to_a_label_that_no_condition_can_name(module, label):
    target = f"class Other(Model, label={label!r}):\n    x: Field[int]"
    with pytest.raises(ModelError, match=r"Wrong\.to: no condition can name the label of Other"):
        module(f"{target}\n\nclass Wrong(Model):\n    x: Field[int]\n    to: Relation[Other] = relation('T')")


def test_an_abstract_model_has_no_label(module):
    with pytest.raises(ModelError, match=r"Wrong.*abstract.*label='X'"):
        module("class Wrong(Model, abstract=True, label='X'):\n    x: Field[int]")


def test_extra_allow_is_refused(module):
    with pytest.raises(ModelError, match=r"Wrong: extra='allow'.*json=True"):
        module("class Wrong(Model):\n    model_config = {'extra': 'allow'}\n    x: Field[int]")


@pytest.mark.parametrize(
    "lines",
    [
        "a: Field[str] = field(name='x')\n    b: Field[str] = field(name='x')",
        "b: Field[str]\n    a: Field[str] = field(name='b')",
        "b: Field[str]\n    a: Vector = VectorField(dims=3, name='b')",
        "a: Vector = VectorField(dims=3, name='b')\n    b: Vector = VectorField(dims=4)",
    ],
)
def test_two_fields_of_one_stored_name_are_refused(module, lines):
    with pytest.raises(ModelError, match=r"Wrong\.[ab].*name="):
        module(f"class Wrong(Model):\n    k: Field[str] = field(key=True)\n    {lines}")


@pytest.mark.parametrize(
    "lines",
    [
        "a: Vector = VectorField(dims=3, property='k')\n    b: Vector = VectorField(dims=3, property='k')",
        "a: Vector = VectorField(dims=3, property='k')\n"
        "    b: OptionalVector = VectorField(default=None, dims=3, property='k', "
        "similarity=('euclidean', 'cosine'))",
        "t: Annotated[str, VectorField(dims=3)]\n    b: Vector = VectorField(dims=3, property='t')",
    ],
)
def test_two_fields_of_one_policy_are_refused(module, lines):
    with pytest.raises(ModelError, match=r"Wrong\.\w+.*told apart.*Change dims, similarity or property"):
        module(f"class Wrong(Model):\n    k: Field[str] = field(key=True)\n    {lines}")


@pytest.mark.parametrize(
    "lines",
    [
        "a: Vector = VectorField(dims=3, property='k')\n    b: Vector = VectorField(dims=4, property='k')",
        "a: Vector = VectorField(dims=3, property='k')\n"
        "    b: Vector = VectorField(dims=3, property='k', similarity='euclidean')",
        "a: Vector = VectorField(dims=3, property='k')\n"
        "    b: Vector = VectorField(dims=3, property='k', source='managed')",
        "a: Vector = VectorField(dims=3)\n    b: Vector = VectorField(dims=3)",
    ],
)
def test_fields_that_can_be_told_apart_are_fine(module, lines):
    made = module(f"class Right(Model):\n    k: Field[str] = field(key=True)\n    {lines}")
    assert len(set(made.Right.__rush_schema__.signatures)) == 2


def test_an_unbound_generic_is_abstract_and_shown_how_to_bind_it(module, db):
    made = module("class Box(Model, Generic[T]):\n    item: Field[T]\nclass Loose(Box):\n    pass")
    for cls in (made.Box, made.Loose, made.Box[int]):
        with pytest.raises(ModelError, match=r"is abstract.*class IntBox\(Box\[int\]\)"):
            cls(item=1).save()


def test_a_generic_bound_to_what_cannot_be_stored_is_refused(module):
    with pytest.raises(ModelError, match=r"Box\[dict\]\.item: dict"):
        module("class Box(Model, Generic[T]):\n    item: Field[T]\nclass Wrong(Box[dict]):\n    pass")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("x: Field[str] = field(kee=True)", "kee"),
        ("x: Field[str] = field(indexed=True)", "indexed"),
        ("x: Field[str] = field(defualt='a')", "defualt"),
        ("x: Vector = VectorField(dims=3, simmilarity='euclidean')", "simmilarity"),
        ("x: Vector = VectorField(dims=3, key=True)", "key"),
        ("x: Vector = VectorField(dims=3, default_factory=list)", "default_factory"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_option_that_does_not_exist_is_refused(module, line, name):
    """Pydantic only deprecates it: the field would silently lack what was asked for."""
    with pytest.raises(TypeError, match=name):
        module(f"class Wrong(Model):\n    k: Field[str] = field(key=True)\n    {line}")


def test_a_refused_class_is_not_registered(module):
    with pytest.raises(ModelError):
        module("class Wrong(Model):\n    x: Field[bytes]", name="a_refused_module")
    assert all(each.__module__ != "a_refused_module" for each in registered())


def test_errors_about_a_class_have_the_common_root():
    assert issubclass(ModelError, RushModelError)
    assert ModelError.status == 422


@pytest.mark.parametrize("verb", ["find", "search", "get", "get_or_none", "delete_all", "save"])
def test_the_verbs_of_an_abstract_class_name_it_and_the_way_out(module, db, verb):
    made = module(
        "class Base(Model, abstract=True):\n    k: Field[str] = field(key=True)\n"
        "    v: Vector = VectorField(dims=2)"
    )
    calls = {
        "find": lambda: made.Base.find(),
        "search": lambda: made.Base.search([1, 2]),
        "get": lambda: made.Base.get(k="a"),
        "get_or_none": lambda: made.Base.get_or_none("an-id"),
        "delete_all": lambda: made.Base.delete_all(),
        "save": lambda: made.Base(k="a", v=[1, 2]).save(),
    }
    with pytest.raises(ModelError, match=r"Base is abstract.*subclass"):
        calls[verb]()


def test_overriding_a_field_under_another_stored_name_is_refused(module, db):
    """A condition of the base would silently look at a property that the subclass does not have."""
    source = (
        "class Dated(Model, abstract=True):\n    year: Field[int]\n"
        "class A(Dated):\n    year: Field[int] = field(name='jahr')"
    )
    try:
        made = module(source)
    except ModelError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "A.year" in refusal
        return
    made.A(year=3).save()
    assert made.A.find(made.Dated.year == 3).count() == 1

"""The source of model classes, out of whatever names and values there are: `rushmodel.inspection`."""

from __future__ import annotations

import ast
import itertools
import sys
import types
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushmodel import Edge, Model
from rushmodel.inspection.checking import CLASS_NAMES, check
from rushmodel.inspection.facts import LabelFacts, PolicyFacts, RelationFacts
from rushmodel.inspection.identifiers import Scope, class_name, field_name
from rushmodel.inspection.source import written
from rushmodel.inspection.tally import Tally
from rushmodel.metaclass import schema_of
from rushmodel.names import MOVED_ID, MOVED_TEXTS
from rushmodel.port import Coverage, Signature

_numbers = itertools.count()

HOSTILE = st.sampled_from(
    [
        '"',
        "'",
        '"""',
        "\\",
        "\n",
        "#",
        "class",
        "None",
        "Model",
        "Field",
        "save",
        "mro",
        "__class__",
        "a b",
        "é",
        "x",
    ]
)
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=100),
    st.lists(HOSTILE, min_size=1, max_size=4).map("".join),
)
PROPERTIES = NAMES.filter(
    lambda name: not name.startswith(("$", "__")) and name not in (MOVED_ID, MOVED_TEXTS)
)
LABELS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(
        ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789Z", "f32-" + "0" * 16]
    ),
)
VALUES = st.one_of(SCALARS, st.lists(st.text(max_size=3), max_size=2), st.lists(st.floats(-5, 5), max_size=2))
ROWS = st.lists(st.dictionaries(PROPERTIES, VALUES, min_size=1, max_size=4), max_size=4)
POLICIES = st.lists(
    st.tuples(
        PROPERTIES,
        st.sampled_from(["external", "managed"]),
        st.sampled_from(["cosine", "euclidean"]),
        st.integers(1, 3),
    ),
    unique=True,
    max_size=4,
)


def tallied(rows):
    tally = Tally()
    for row in rows:
        tally.add(row)
    return tally


def executed(source):
    """The classes of a source, by name."""
    module = types.ModuleType(f"written_{next(_numbers)}")
    sys.modules[module.__name__] = module
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).* has vectors and no merge key")
            exec(compile(source, "written", "exec"), vars(module))
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, (Model, Edge)) and each not in (Model, Edge):
                schema_of(each)
        return dict(vars(module))
    finally:
        del sys.modules[module.__name__]


@settings(max_examples=60)
@given(st.dictionaries(NAMES, ROWS, max_size=4))
def test_any_names_and_values(stored):
    source = written([LabelFacts(label, tallied(rows)) for label, rows in stored.items()], [])
    assert source.isascii()
    classes = executed(source)
    by_label = {each.__rush_label__: each for each in models(classes)}
    assert by_label.keys() == stored.keys()
    for label, rows in stored.items():
        properties = {each.property: each for each in schema_of(by_label[label]).properties}
        for row in rows:
            for name in row.keys() & properties.keys():
                properties[name].codec.decode(row[name])
            assert all(properties[name].optional for name in properties.keys() - row.keys())
        seen = tallied(rows).properties
        assert properties.keys() == {
            name for name, each in seen.items() if each.type and not each.are_origins
        }


def models(classes):
    found = [each for each in classes.values() if isinstance(each, type) and issubclass(each, Model)]
    return [each for each in found if each is not Model]


@settings(max_examples=60)
@given(LABELS, ROWS, POLICIES, st.booleans())
def test_any_policies(label, rows, policies, covered):
    tally = tallied(rows)
    facts = [
        PolicyFacts((Signature(label, *policy),), Coverage(len(rows), len(rows) if covered else 0))
        for policy in policies
    ]
    source = written([LabelFacts(label, tally, tuple(facts))], [])
    (model,) = models(executed(source))
    declared = set(schema_of(model).signatures)
    wanted = {each.signatures[0] for each in facts}
    assert declared <= wanted
    assert len(wanted - declared) == source.count("left out: the index policy")
    for each in wanted - declared:
        seen = tally.properties[each.property]
        assert not seen.is_text or seen.are_fingerprints
    if covered and rows:
        assert "OptionalVector" not in source


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES, ROWS), max_size=4, unique_by=lambda each: each[:3]))
def test_any_relationships(found):
    labels = sorted({each[0] for each in found} | {each[2] for each in found})
    relations = [RelationFacts(source, kind, target, tallied(rows)) for source, kind, target, rows in found]
    source = written([LabelFacts(label, tallied([{"a": 1}])) for label in labels], relations)
    executed(source)
    assert source.count(" = relation(") + source.count("left out: relationships") == len(found)


@given(st.lists(NAMES, max_size=6), NAMES)
def test_identifiers_are_free_and_each_once(names, fallback):
    scope = Scope(("int", "save"))
    taken = [scope.take(name, field_name(name)) for name in names]
    taken += [scope.take(class_name(name)) for name in names]
    assert len(set(taken)) == len(taken)
    for each in taken:
        assert each.isascii()
        assert each.isidentifier()
        assert each not in ("int", "save")
        assert isinstance(ast.parse(f"{each} = 1").body[0], ast.Assign)


def test_what_classes_have_by_themselves_is_known():
    names = {each for kind in (type(Model), type(Edge)) for each in dir(kind) if not each.startswith("_")}
    assert names == set(CLASS_NAMES)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Article", "Article"),
        ("article", "Article"),
        ("ARTICLE", "ARTICLE"),
        ("user profile", "UserProfile"),
        ("userProfile", "UserProfile"),
        ("HTTPServer", "HTTPServer"),
        ("1st", "Record1st"),
        ("\N{CYRILLIC SMALL LETTER YA}", "Record"),
        ("Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "Cafe"),
    ],
)
def test_class_names(label, name):
    assert class_name(label) == name


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int"),
        ([1, 2.0], "float"),
        ([True], "bool"),
        ([True, 1], None),
        (["a", 1], None),
        (["a", ["a"]], None),
        ([["a"], []], "list[str]"),
        ([[]], "list[str]"),
        ([[1], [1.5]], "list[float]"),
        (["2026-01-01"], "date"),
        (["2026-01-01T00:00:00Z"], "datetime"),
        (["2026-01-01T00:00:00Z", "2026-01-01"], "str"),
        (["2026-01-01T00:00:00.1234567Z"], "str"),
        ([["2026-01-01"]], "list[date]"),
        (["2026-02-30"], "str"),
    ],
)
def test_types(values, kind):
    assert tallied([{"x": value} for value in values]).properties["x"].type == kind


def test_texts_are_texts_whatever_they_look_like():
    tally = Tally()
    tally.add({"x": "2026-01-01"}, frozenset({"x"}))
    assert tally.properties["x"].type == "str"


GOOD = '''"""d"""
from rushmodel import Field, Model, field

class A(Model, label="a"):
    x: Field[int | None] = field(default=None)
'''


@pytest.mark.parametrize(
    "bad",
    [
        "import os",
        "from os import path",
        "from rushmodel import connect",
        "from rushmodel import Field as F",
        "x = 1",
        "print(1)",
        "class B(Model):\n    x = 1",
        "class B(Model):\n    def f(self): pass",
        "class B(Model):\n    x: Field[int] = print(1)",
        "class B(Model):\n    x: Field[int] = field(default=print(1))",
        "class B(Model):\n    x: Field[int] = field(default_factory=None)",
        "class B(Model):\n    x: Field[int] = field(**{})",
        "class B(Model):\n    x: Field[int] = field(1)",
        "class B(Model):\n    x: Field[eval('1')]",
        "class B(Model):\n    x: Field['int']",
        "class B(Model):\n    x: Unknown",
        "class B(Model):\n    _x: Field[int]",
        "class B(Model):\n    int: Field[int]",
        "class B(Model):\n    A: Field[int]",
        "class B(Model):\n    x: Field[int]\n    x: Field[int]",
        "class B(Model):\n    (x): Field[int]",
        "class B(Model):\n    x.y: Field[int]",
        "class B(Model):\n    x: Relation[list[A]] = relation('T', edge=Model)",
        "class B(Model, metaclass=A):\n    pass",
        "class B(Model, label=A):\n    pass",
        "class B(A):\n    pass",
        "class B(Model, Edge):\n    pass",
        "class B:\n    pass",
        "class A(Model):\n    pass",
        "class Field(Model):\n    pass",
        "@print\nclass B(Model):\n    pass",
        "if True: pass",
        "# \N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_what_is_no_model_class_is_refused(bad):
    check(GOOD)
    with pytest.raises(AssertionError):
        check(f"{GOOD}\n{bad}\n")

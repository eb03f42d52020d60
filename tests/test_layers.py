"""Nothing imports upwards, and public names are public in one place only."""

from __future__ import annotations

import ast
from pathlib import Path

import rushmodel

PACKAGE = Path(rushmodel.__file__).parent

# From the bottom up; a module may import from its own layer and from those before it.
# `backends` stands on the port alone: it knows no models.
LAYERS = [
    {"errors", "value"},
    {"embedding", "origins"},
    {"names", "port"},
    {"wire", "progress"},
    {"vectors", "codecs", "catalog", "plan", "results", "rows"},
    {"arithmetic", "inspection"},
    {"expressions"},
    {"relationcolumns"},
    {"aggregates"},
    {"fields", "relations"},
    {"vectorfields"},
    {"schema"},
    {"annotations"},
    {"vectorbuilding"},
    {"building", "inline", "registry"},
    {"namespaces", "targets", "ties"},
    {"metaclass", "instance", "loading"},
    {"batches", "edges"},
    {"flow"},
    {"effects"},
    {"operations"},
    {"backends"},
    {"opening", "embedders"},
    {"client"},
    {
        "current",
        "database",
        "destinations",
        "exports",
        "files",
        "imports",
        "inspecting",
        "ledger",
        "mending",
        "moving",
        "renaming",
        "sources",
        "steps",
        "transactions",
        "watching",
    },
    {"related"},
    {"query", "aggregation", "verbs", "where"},
    {"searched"},
    {"model"},
    {"cli", "serve", "testing", "mypy_plugin"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# A type may be named before it can be imported: current holds databases, relations give One and Many.
NAMED_BEFORE = {("current", "database"), ("relations", "related"), ("ties", "instance")}
BACKENDS_MAY_USE = {"errors", "names", "origins", "port", "value", "vectors", "wire"}
OPERATIONS_MAY_NOT_USE = {"backends", "opening", "client", "current", "database"}


def imports(path: Path) -> set[str]:
    """The rooms of the package that a module imports at run time or for its types."""
    package = ["rushmodel", *path.relative_to(PACKAGE).parent.parts]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")] if node.module else base
            if module[:1] != ["rushmodel"]:
                continue
            names = [".".join([*module, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "rushmodel"]
        found |= {name.split(".")[1] for name in names if "." in name}
    return found & LEVEL.keys()


def modules() -> dict[Path, str]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        found[path] = parts[0].removesuffix(".py")
    return found


def test_every_module_has_a_layer() -> None:
    assert {name for name in modules().values() if name != "__init__"} <= LEVEL.keys()


def test_nothing_imports_upwards() -> None:
    wrong = []
    for path, name in modules().items():
        if name == "__init__":
            continue
        for other in imports(path) - {name}:
            allowed = LEVEL[other] <= LEVEL[name]
            if name == "backends":
                allowed = other in BACKENDS_MAY_USE
            if name == "operations":
                allowed = allowed and other not in OPERATIONS_MAY_NOT_USE
            if (name, other) in NAMED_BEFORE:
                allowed = True
            if not allowed:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    assert not wrong


def test_modules_stay_small() -> None:
    sizes = {path.name: len(path.read_text().splitlines()) for path in modules()}
    assert {name: size for name, size in sizes.items() if size > 500} == {}


def test_all_is_sorted_and_complete() -> None:
    assert rushmodel.__all__ == sorted(rushmodel.__all__)
    for name in rushmodel.__all__:
        assert hasattr(rushmodel, name)
    public = {name for name in vars(rushmodel) if not name.startswith("_") and name[0].isupper()}
    public.remove("TYPE_CHECKING")
    assert public <= set(rushmodel.__all__)


def test_public_classes_say_where_they_are_found() -> None:
    for name in rushmodel.__all__:
        found = getattr(rushmodel, name)
        if isinstance(found, type):
            assert f"{found.__module__}.{found.__qualname__}" == f"rushmodel.{name}"


def test_every_public_name_of_model_is_reserved() -> None:
    from rushmodel.names import MODEL_NAMES, RESERVED

    assert {name for name in dir(rushmodel.Model) if not name.startswith("_")} <= RESERVED
    twins = {name for name in MODEL_NAMES if f"a{name}" in MODEL_NAMES}
    assert {"save", "get", "search", "delete_all"} <= twins


def test_errors_are_the_tree_that_is_drawn() -> None:
    from rushmodel import errors

    assert errors.__doc__ is not None
    for name, found in vars(errors).items():
        if isinstance(found, type) and issubclass(found, errors.RushModelError):
            line = next(
                line for line in errors.__doc__.splitlines() if line.strip(" ├└│─").split(" ")[0] == name
            )
            depth = (len(line) - len(line.lstrip(" ├└│─")) - 4) // 4
            assert depth == found.__mro__.index(errors.RushModelError), name
            assert 400 <= found.status < 600

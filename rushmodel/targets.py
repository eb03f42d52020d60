"""Where relations lead: from an annotation to the class it names, once that is defined."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ForwardRef, Union, get_args, get_origin

from .errors import ModelError
from .names import LABEL
from .registry import newest, registered
from .relationcolumns import RelationSpec, Target
from .relations import Relation, RelationOptions
from .value import Value


class Declared(Value, eq=False):
    """A relation as it stands in its class: ``annotation`` is a text, or what it evaluated to.

    ``names`` gives those around the class, where it was made in a function.
    """

    owner: type[Any]
    name: str
    annotation: Any
    options: RelationOptions
    names: Callable[[], Mapping[str, Any]]


class NotDefinedYet(ModelError):
    """The annotation names a class that does not exist (yet)."""


def spec_of(declared: Declared, model: type[Any], caller: Callable[[], Mapping[str, Any]]) -> RelationSpec:
    """The relation as ``model`` has it, which may have inherited it; its target is found when it is needed.

    ``caller`` gives the names of the function that first needs the target.
    """
    options = declared.options
    found: list[tuple[type[Any], bool]] = []

    def resolve(anywhere: bool) -> Target:
        if not found:
            found.append(_read(declared, model, _Names(declared, caller if anywhere else None)))
        target, many = found[0]
        target = newest(target)
        return Target(target, target.__dict__["__rush_label__"], many)

    return RelationSpec(model, declared.name, options.kind, options.direction, options.edge, resolve)


def check_relations(specs: tuple[RelationSpec, ...], *, concrete: bool) -> None:
    """Refuse what is wrong with a class's relations, when it is built.

    A target that is not defined yet may come later; that of an abstract class is seen to in its subclasses.
    """
    for spec in specs:
        if not (isinstance(spec.kind, str) and LABEL.match(spec.kind)):
            raise _wrong(spec, f"the type {spec.kind!r} is not letters, digits and '_' (rule R27)")
        if spec.direction not in ("in", "out"):
            raise _wrong(spec, f"direction is 'out' or 'in', got {spec.direction!r}")
        if spec.edge is not None and not getattr(spec.edge, "__rush_edge__", False):
            raise _wrong(spec, f"edge= is a class derived from Edge, got {_show(spec.edge)}")
        if concrete:
            with contextlib.suppress(NotDefinedYet):
                spec.resolve(False)


def _read(declared: Declared, model: type[Any], names: _Names) -> tuple[type[Any], bool]:
    where = f"{model.__name__}.{declared.name}"
    annotation = _evaluated(declared, where, declared.annotation, names)
    if get_origin(annotation) is not Relation:
        raise _error(
            declared,
            f"{where}: relation() is for Relation[Person] or Relation[list[Person]], not {_show(annotation)}",
        )
    target = _evaluated(declared, where, get_args(annotation)[0], names)
    many = get_origin(target) is list
    if many:
        target = _evaluated(declared, where, get_args(target)[0], names)
    if get_origin(target) is Union or type(target).__name__ == "UnionType":
        raise _error(
            declared,
            f"{where}: a relation leads to records of one class, and may always be empty; "
            "write Relation[Person] or Relation[list[Person]]",
        )
    if not (isinstance(target, type) and hasattr(target, "__rush_label__")):
        raise _error(declared, f"{where}: {_show(target)} is no model, so no relation can lead to it")
    if target.__dict__["__rush_label__"] is None:
        raise _error(
            declared,
            f"{where}: {target.__name__} is abstract: it has no label, and no records that a relation could "
            "lead to. Name a concrete model",
        )
    if target.__dict__["__rush_label__"].startswith(("$", "__")):
        raise _error(
            declared,
            f"{where}: no condition can name the label of {target.__name__}, as names that begin with '$' or "
            "'__' belong to RushDB",
        )
    return target, many


def _evaluated(declared: Declared, where: str, annotation: Any, names: _Names) -> Any:
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
    if not isinstance(text, str):
        return text
    try:
        # What Python itself does with annotations; all names, built-in ones too, are in ``names``.
        found = eval(text, {"__builtins__": {}}, names)
    except NameError as error:
        raise NotDefinedYet(
            f"{where}: its annotation {text!r} names {error.name!r}, which is not defined (yet)",
            model=declared.owner,
            field=declared.name,
        ) from error
    except (AttributeError, TypeError, SyntaxError) as error:
        if isinstance(error, ModelError):
            raise
        raise _error(declared, f"{where}: its annotation {text!r} cannot be read: {error}") from error
    # A text within a text: "Relation[Person]", in a module all of whose annotations are texts.
    return _evaluated(declared, where, found, names) if isinstance(found, str) else found


class _Names(Mapping[str, Any]):
    """The names that an annotation may use, nearest first.

    Where there is a ``caller``, its names come after those of the class, and last models by their name
    alone: of two modules whose classes lead to one another, one does not import the other when the
    program runs. While the class is built, the one that is meant may still come, later in its file.
    """

    def __init__(self, declared: Declared, caller: Callable[[], Mapping[str, Any]] | None) -> None:
        owner = declared.owner
        module = sys.modules.get(owner.__module__)
        self._declared = declared
        self._anywhere = caller is not None
        self._scopes: list[Mapping[str, Any]] = [
            declared.names(),
            {owner.__name__: owner},
            vars(module) if module is not None else {},
            vars(builtins),
            caller() if caller is not None else {},
        ]

    def __getitem__(self, name: str) -> Any:
        for scope in self._scopes:
            if name in scope:
                return scope[name]
        if self._anywhere:
            return self._model(name)
        raise KeyError(name)

    def _model(self, name: str) -> Any:
        owner = self._declared.owner
        named = [model for model in registered() if model.__name__ == name]
        beside = f"{owner.__qualname__.rpartition('.')[0]}.{name}".lstrip(".")
        near = [each for each in named if (each.__module__, each.__qualname__) == (owner.__module__, beside)]
        found = near or named
        if len(found) > 1:
            shown = ", ".join(f"{model.__module__}.{model.__qualname__}" for model in found)
            raise _error(
                self._declared,
                f"{owner.__name__}.{self._declared.name}: {name!r} could be any of {shown}; import the one "
                "that is meant",
            )
        if not found:
            raise KeyError(name)
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return (name for scope in self._scopes for name in scope)

    def __len__(self) -> int:
        return sum(map(len, self._scopes))


def _show(target: object) -> str:
    if isinstance(target, type) and not get_args(target):
        return target.__name__
    return str(target).replace("rushmodel.relations.", "")


def _wrong(spec: RelationSpec, reason: str) -> ModelError:
    return ModelError(f"{spec!r}: {reason}", model=spec.owner, field=spec.name)


def _error(declared: Declared, message: str) -> ModelError:
    return ModelError(message, model=declared.owner, field=declared.name)

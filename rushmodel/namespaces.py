"""Class bodies before pydantic sees them: their annotations, and the relations taken out of them."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from .errors import ModelError
from .relations import RelationOptions


def take_relations(
    model: str, bases: tuple[type[Any], ...], namespace: dict[str, Any]
) -> dict[str, tuple[Any, RelationOptions]]:
    """The relations of a class body by name, each with its annotation; they are gone from the body.

    Raises:
        ModelError: A relation without annotation, or one and a field of the same name.
    """
    inherited = {name for base in bases for name in getattr(base, "__rush_relations__", ())}
    options = {name: each for name, each in namespace.items() if isinstance(each, RelationOptions)}
    annotated = annotated_names(namespace) if options or inherited else []
    for name in annotated:
        if name in inherited and name not in options:
            raise ModelError(f"{model}.{name}: a base class has a relation of that name", field=name)
    for name in options:
        if name not in annotated:
            raise ModelError(
                f"{model}.{name}: say where the relation leads: {name}: Relation[Person] = relation(...)",
                field=name,
            )
        if name.startswith("_"):
            raise ModelError(f"{model}.{name}: names of relations do not begin with '_'", field=name)
        if any(name in getattr(base, "__pydantic_fields__", ()) for base in bases):
            raise ModelError(f"{model}.{name}: a base class has a field of that name", field=name)
        del namespace[name]
    taken = _take_annotations(namespace, options.keys()) if options else {}
    return {name: (taken[name], each) for name, each in options.items()}


def annotated_names(namespace: dict[str, Any]) -> list[str]:
    """The names that a class body annotates."""
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            made = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
            return list(made)
    return list(namespace.get("__annotations__", {}))


def _take_annotations(namespace: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Take some annotations out of a class body: each as text, or as Python has made it."""
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            texts = annotationlib.call_annotate_function(annotate, annotationlib.Format.STRING)

            def others(format: Any, /) -> dict[str, Any]:
                made = annotationlib.call_annotate_function(annotate, format)
                return {name: each for name, each in made.items() if name not in names}

            key = "__annotate__" if "__annotate__" in namespace else "__annotate_func__"
            namespace[key] = others
            return {name: texts[name] for name in names}
    annotations = dict(namespace["__annotations__"])
    namespace["__annotations__"] = {name: each for name, each in annotations.items() if name not in names}
    return {name: annotations[name] for name in names}

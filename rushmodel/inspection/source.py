"""`written`: the source of a module with a model class for every label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .checking import IMPORTS, TYPES, check
from .edges import EdgeSource
from .facts import LabelFacts, RelationFacts
from .identifiers import Scope, class_name
from .modelsource import ModelSource
from .text import ClassSource, remark

DOCSTRING = '"""Models of what a database holds, written by rushmodel\'s inspect."""'


def written(labels: Sequence[LabelFacts], relations: Sequence[RelationFacts]) -> str:
    """The module, in ASCII; it has been parsed, and holds nothing but classes and their fields.

    Names of the store are in it as literals, and as identifiers made of them; see `checking`.
    """
    scope = Scope((*IMPORTS, *TYPES))
    classes = _named(scope, [each.label for each in labels])
    edges = {_ends(each): EdgeSource(each) for each in relations}
    edge_of = {ends: each.take_name(scope) for ends, each in edges.items() if each.has_fields}
    taken = frozenset((*classes.values(), *edge_of.values()))
    parts = [edges[ends].source(name, taken) for ends, name in edge_of.items()]
    for facts in labels:
        made = ModelSource(classes[facts.label], facts, taken)
        for relation in relations:
            if relation.source == facts.label:
                made.relate(relation, classes.get(relation.target), edge_of)
        parts.append(made.source())
    text = _module(parts)
    check(text)
    return text


def _ends(facts: RelationFacts) -> tuple[str, str, str]:
    return facts.source, facts.type, facts.target


def _named(scope: Scope, labels: Iterable[str]) -> dict[str, str]:
    """A class name for each label; a label that can be one itself comes before those that need another."""
    names: dict[str, str] = {}
    order = sorted(labels, key=lambda label: (class_name(label) != label, label))
    for label in order:
        names[label] = scope.take(class_name(label))
    return names


def _module(parts: Sequence[ClassSource]) -> str:
    used = {name for part in parts for name in part.names}
    head = [DOCSTRING, "", "from __future__ import annotations", ""]
    for module in ("datetime", "rushmodel"):
        names = sorted(name for name in used if IMPORTS.get(name) == module)
        if names:
            head += [f"from {module} import {', '.join(names)}", ""]
    if not parts:
        head.append(remark("there are no records and no index policies"))
    blocks = ["\n".join(head).rstrip(), *(part.text for part in parts)]
    return "\n\n\n".join(blocks) + "\n"

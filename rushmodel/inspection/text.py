"""The source of one class, line by line."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from ..value import Value

INDENT = "    "
LONGEST_SHOWN = 60


class ClassSource(Value):
    """A class, and the names that it uses."""

    text: str
    names: frozenset[str]


def class_source(head: str, fields: Iterable[str], remarks: Iterable[str]) -> ClassSource:
    """``head`` and ``fields`` as code, ``remarks`` as comments at the end."""
    fields = list(fields)
    lines = [f"class {head}:", *(INDENT + line for line in fields or ["pass"])]
    text = "\n".join([*lines, *(INDENT + line for line in remarks)])
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return ClassSource(text, frozenset(names))


def call(function: str, *arguments: Any, **options: Any) -> str:
    """A call with literals for arguments, in ASCII: ``field(default=None)``."""
    given = [literal(each) for each in arguments]
    given += [f"{name}={literal(value)}" for name, value in options.items()]
    return f"{function}({', '.join(given)})"


def literal(value: object) -> str:
    """A value as code, in ASCII; texts in double quotes, unless there are some in them."""
    if isinstance(value, tuple):
        parts = ", ".join(map(literal, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return f"({parts})"
    shown = ascii(value)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def remark(text: str) -> str:
    """A comment: one line, in ASCII."""
    return "# " + " ".join(text.encode("ascii", "backslashreplace").decode().split())


def quoted(name: str) -> str:
    """A name that may be anything, for a comment."""
    return ascii(name if len(name) <= LONGEST_SHOWN else name[: LONGEST_SHOWN - 3] + "...")

"""A described store as Markdown tables, for language models to read: ``/ai/schema/md`` (trace 16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..port import DEFAULT_RELATIONSHIP, DEFAULT_RELATIONSHIP_NAMES, Description
from .catalog import schema_document

SHOWN_VALUES = 5
LONGEST_VALUE = 48
"""Characters of a value that are shown."""

_PROPERTIES = ("Property", "Type", "Values / Range", "Semantic Search")
_RELATIONSHIPS = ("Traversal", "Count:", "Edge Properties")
_NOTHING = "\u2014"


def schema_markdown(described: Description) -> str:
    """The tables; what a name or a value holds of Markdown's own signs is escaped."""
    items = schema_document(described)
    counts = [(_code(item["label"]), str(item["count"])) for item in items]
    parts = ["# Graph Schema", "## Labels\n\n" + _table(("Label", "Count:"), counts)]
    for item in items:
        count = item["count"]
        parts += ["---", f"## {_code(item['label'])} ({count} {'record' if count == 1 else 'records'})"]
        if item["properties"]:
            rows = [_property_cells(each) for each in item["properties"]]
            parts.append("### Properties\n\n" + _table(_PROPERTIES, rows))
        if item["relationships"]:
            rows = [_relationship_cells(item["label"], each) for each in item["relationships"]]
            parts.append("### Relationships\n\n" + _table(_RELATIONSHIPS, rows))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; the columns whose head ends in a colon are numbers, and stand right."""
    rules = ["-" * len(name) + ":" if name.endswith(":") else "-" * (len(name) + 2) for name in head]
    names = tuple(name.removesuffix(":") for name in head)
    lines = [_line(names), "|" + "|".join(rules) + "|", *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _property_cells(each: dict[str, Any]) -> tuple[str, ...]:
    indexes = ", ".join(
        f"{index['sourceType']} {index['similarityFunction']} {index['dimensions']}d [{index['status']}]"
        for index in each.get("vectorIndexes", ())
    )
    kind = each["type"] + ("[]" if each.get("isArray") else "")
    return _code(each["name"]), kind, _values(each), indexes or _NOTHING


def _values(each: dict[str, Any]) -> str:
    if "min" in each:
        return f"{_code(each['min'])}..{_code(each['max'])}"
    values: list[object] = each.get("values") or []
    more = len(values) - SHOWN_VALUES
    shown = ", ".join(map(_code, values[:SHOWN_VALUES])) or _NOTHING
    return f"{shown} (+{more} more)" if more > 0 else shown


def _relationship_cells(label: str, each: dict[str, Any]) -> tuple[str, ...]:
    # Where a traversal is written down, the type has its full name (trace 16).
    kind = DEFAULT_RELATIONSHIP if each["type"] in DEFAULT_RELATIONSHIP_NAMES else each["type"]
    step = f"-[:{kind}]->" if each["direction"] == "out" else f"<-[:{kind}]-"
    path = f"({label}){step}({each['label']})"
    properties = ", ".join(_code(f"{held['name']}:{held['type']}") for held in each.get("properties", ()))
    return _code(path), str(each["count"]), properties or _NOTHING


def _code(value: object) -> str:
    """A value between backticks, on one line, cut where it is long."""
    text = " ".join(str(value).split("\n"))
    if len(text) > LONGEST_VALUE and "-[:" not in text:
        text = text[:LONGEST_VALUE] + "\u2026"
    return "`" + text.replace("|", "\\|").replace("`", "\\`") + "`"

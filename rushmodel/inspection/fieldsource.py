"""A field as a line of source."""

from __future__ import annotations

from typing import Any

from .text import call, quoted, remark


def field_line(attribute: str, name: str, kind: str, *, is_optional: bool) -> str:
    """``year: Field[int]``: of a property called ``name``, which ``is_optional`` where a record lacks it."""
    options: dict[str, Any] = {"default": None} if is_optional else {}
    if attribute != name:
        options["name"] = name
    held = f"{kind} | None" if is_optional else kind
    line = f"{attribute}: Field[{held}]"
    return f"{line} = {call('field', **options)}" if options else line


def left_out(name: str, reason: str) -> str:
    """A comment about a property without a field."""
    return remark(f"left out: property {quoted(name)}: {reason}")

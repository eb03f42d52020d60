"""How errors are told: a line on stderr, an exit code, and with ``--json`` a document."""

from __future__ import annotations

import click

from ..errors import (
    BulkError,
    ConfigurationError,
    LoadError,
    ModelError,
    PolicyError,
    PropertyError,
    QueryError,
    RowError,
    RushModelError,
    VectorError,
)
from . import Code
from .output import Output, in_shell, shown

_CODES: list[tuple[type[RushModelError], Code]] = [
    (QueryError, Code.USAGE),
    (ConfigurationError, Code.CONFIGURATION),
    (ModelError, Code.CONFIGURATION),
    *(
        (each, Code.FINDINGS)
        for each in (BulkError, LoadError, PolicyError, PropertyError, RowError, VectorError)
    ),
]
"""Of every other error it is the store's."""

_AROUND = 60
"""Characters that are shown on either side of a place in a condition."""


def told(error: Exception) -> Code | None:
    """Tell an error; None where it is none that is foreseen: then its traceback is what helps."""
    if isinstance(error, click.ClickException):
        return None
    if isinstance(error, RushModelError):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.STORE)
        # An ExceptionGroup tells how many it has in its str.
        message = error.message if isinstance(error, BulkError) else str(error)
    elif isinstance(error, OSError) and error.strerror:
        code = Code.STORE
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        return None
    message = in_shell(message)
    click.echo(f"rushmodel: {shown(' '.join(message.split()))}", err=True)
    for line in _pointed_at(error):
        click.echo(f"    {line}", err=True)
    Output.current().failed(type(error).__name__, message, code)
    return code


def _pointed_at(error: Exception) -> list[str]:
    """The part of a condition that an error is about, and a mark below it."""
    details = vars(error)
    text, column = details.get("text"), details.get("column")
    if not isinstance(error, QueryError) or not isinstance(text, str) or not isinstance(column, int):
        return []
    start = max(0, column - 1 - _AROUND)
    before = shown(text[start : column - 1])
    return [before + shown(text[column - 1 : column - 1 + _AROUND]), " " * len(before) + "^"]

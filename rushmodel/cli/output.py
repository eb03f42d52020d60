"""`Output`: what a command prints. Results go to stdout, as tables or one JSON document; talk to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import click

from ..progress import Told, bar
from ..value import Value
from . import Code


class Column(Value):
    """A column of a table; ``number``: its cells stand to the right."""

    name: str
    number: bool = False


class Output:
    """Where a command prints, and how."""

    _current: ClassVar[Output]

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._done = False
        Output._current = self

    @classmethod
    def current(cls) -> Output:
        """That of the command which runs."""
        return cls._current

    def result(self, document: Any, drawn: Callable[[], None] | str) -> None:
        """What the command was asked for: the document with ``--json``, else a text, or what is drawn."""
        if self.as_json:
            self._write(document)
        elif isinstance(drawn, str):
            for line in drawn.splitlines():
                self.line(line)
        else:
            drawn()

    def failed(self, kind: str, message: str, code: Code) -> None:
        """With ``--json``, an error as a document."""
        if self.as_json and not self._done:
            self._write({"error": {"kind": kind, "message": message, "exit_code": int(code)}})

    def say(self, text: str) -> None:
        """A line of talk."""
        click.echo(f"rushmodel: {text}", err=True)

    def line(self, text: str) -> None:
        """A line of the result."""
        click.echo(shown(text))

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Any]],
        styles: Callable[[Sequence[str]], str] | None = None,
    ) -> None:
        """A table; what is too wide for a terminal is cut, in a file it is not.

        Args:
            columns: Their names and how they stand.
            rows: The cells of each; None is "?".
            styles: The style of a row, as rich has them: "green", "bold red".
        """
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        terminal = sys.stdout.isatty()
        table = Table(
            box=box.SIMPLE_HEAD if terminal else None,
            pad_edge=False,
            show_edge=False,
            padding=(0, 2, 0, 0),
            header_style="bold",
        )
        cells = [[_NOTHING if cell is None else shown(str(cell)) for cell in row] for row in rows]
        for at, column in enumerate(columns):
            widest = max([len(column.name), *(len(row[at]) for row in cells)])
            table.add_column(
                Text(column.name),
                justify="right" if column.number else "left",
                no_wrap=True,
                overflow="ellipsis",
                min_width=min(widest, _LEAST),
            )
        for row in cells:
            table.add_row(*map(Text, row), style=styles(row) if styles else None)
        if terminal:
            Console().print(table, crop=False)
            return
        console = Console(width=_NO_WIDTH, no_color=True, legacy_windows=False)
        with console.capture() as printed:
            console.print(table)
        for line in printed.get().splitlines():
            click.echo(line.rstrip())

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Generator[Told, None, None]:
        """What is called with the number of things done so far; a bar on stderr, if that is a terminal."""
        if not sys.stderr.isatty():
            yield lambda done: None
            return
        with bar(what, total, transient=True) as told:
            yield told

    def _write(self, document: Any) -> None:
        self._done = True
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        click.echo(json.dumps(document, indent=2, ensure_ascii=not unicode, default=str))


def shown(text: str) -> str:
    """Text for a terminal: what would move its cursor or turn its lines around is written as an escape."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_shell(text: str) -> str:
    """A text of the library with the calls that it advises as the commands that do the same."""
    for call, command in _COMMANDS.items():
        text = text.replace(call, command)
    return text


def size(count: int) -> str:
    """A number of bytes, for people."""
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{number:.1f} {unit}"


_COMMANDS = {
    "call db.sync()": "run rushmodel sync",
    "db.sync(prune=True, drop_vectors=True)": "rushmodel sync --prune --drop-vectors",
    "db.sync(prune=True)": "rushmodel sync --prune",
    "db.sync()": "rushmodel sync",
    "db.migrate()": "rushmodel migrate",
    "db.backfill()": "rushmodel backfill",
    "pass drop_vectors=True": "add --drop-vectors",
    "overwrite=True": "--overwrite",
    "without_vectors=True": "--without-vectors",
    "embedder= makes": "--embedder makes",
    "connect(..., embedder=...)": "--embedder",
}
_NOTHING = "?"
_NO_WIDTH = 100_000
_LEAST = 12
"""Letters of a cell that are shown in any case; lines may be longer then than a terminal is wide."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

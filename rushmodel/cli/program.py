"""`program`: the commands; `run`: one of them, with its errors as lines and exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from . import Code
from .errors import told
from .files import export_command, import_command
from .inspection import inspect
from .moving import pull, push
from .output import Output
from .policies import migrate, plan, sync
from .searching import search
from .serve import serve
from .staleness import backfill, reembed, stale
from .upkeep import backup, check, stats, vacuum


class Program(click.Group):
    """A group whose commands return an exit code, and whose errors become one."""

    def invoke(self, ctx: click.Context) -> Code:
        Output()
        try:
            code: Code | None = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            return _closed()
        except (KeyboardInterrupt, click.Abort):
            return _interrupted()
        except Exception as error:
            code = told(error)
            if code is None:
                raise
        return code or Code.DONE

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # as they are added below, not by their letters


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """RushDB records, index policies and vectors, as files and over HTTP.

    Exit codes: 0 done; 1 there are findings, or data was refused; 2 the command line makes no sense;
    3 settings, models or a token are missing or wrong; 4 the store or a file cannot be used;
    130 interrupted.
    """


for _command in (
    *(plan, sync, migrate, stale, reembed, backfill),
    *(search, import_command, export_command, push, pull),
    *(inspect, stats, check, backup, vacuum),
    serve,
):
    program.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> Code:
    """Run a command line, that of the process if none is given; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A title in Greek is no reason to stop on a terminal that speaks ASCII.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: Any = program.main(arguments, prog_name="rushmodel", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Code.USAGE
    except click.Abort:
        return _interrupted()
    return Code(code or 0)


def _interrupted() -> Code:
    # Who does not want to wait for what is left to do need not: the next one ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    before = "\n" if sys.stderr.isatty() else ""  # the terminal has written ^C
    click.echo(f"{before}rushmodel: interrupted", err=True)
    return Code.INTERRUPTED


def _closed() -> Code:
    """Keep the interpreter from complaining, at its end, of an output that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Code.CLOSED

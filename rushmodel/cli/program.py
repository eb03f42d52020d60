"""`program`: the commands, and how their errors are told."""

from __future__ import annotations

from typing import Any

import click

from .. import __version__
from ..errors import ConfigurationError, RushModelError
from .serve import serve


class Program(click.Group):
    """A group whose errors of this package are one line and an exit code, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RushModelError as error:
            click.echo(f"rushmodel: {' '.join(str(error).split())}", err=True)
            ctx.exit(2 if isinstance(error, ConfigurationError) else 1)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """RushDB records, index policies and vectors, as files and over HTTP."""


program.add_command(serve)

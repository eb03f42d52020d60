"""``rushmodel serve``."""

from __future__ import annotations

import logging
import os
import stat

import click

from ..errors import ConfigurationError
from ..opening import Durability
from . import leave_unless_installed

TOKEN_VARIABLE = "RUSHMODEL_SERVE_TOKEN"


@click.command()
@click.argument("file")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4000,
    show_default=True,
    help="0: the system chooses one.",
)
@click.option(
    "--token",
    help="What clients must send. Others on this machine can see it in the list of processes: "
    f"--token-file, or the environment variable {TOKEN_VARIABLE}, keep it out of there.",
)
@click.option("--token-file", metavar="PATH", help="A file that holds the token and only you can read.")
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages from this origin read answers, such as http://localhost:3000. May be repeated.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Answer to this name in the Host header, too. May be repeated.",
)
@click.option(
    "--durability",
    type=click.Choice(["full", "normal"]),
    default="full",
    show_default=True,
    help="full: what was acknowledged survives a power cut. normal: a killed process.",
)
@click.option(
    "--log-level",
    type=click.Choice(["critical", "error", "warning", "info", "debug"]),
    default="warning",
    show_default=True,
    help="What is told on stderr. info: every request.",
)
def serve(
    file: str,
    host: str,
    port: int,
    token: str | None,
    token_file: str | None,
    cors: tuple[str, ...],
    hosts: tuple[str, ...],
    durability: Durability,
    log_level: str,
) -> None:
    """Put RushDB's REST in front of FILE, which is made if it is not there, or of memory://.

    Without a token one is made and printed; that is for addresses of this machine only. SIGTERM and Ctrl+C
    finish what has begun and leave with exit code 0.
    """
    if token is not None and token_file is not None:
        raise click.UsageError("give --token or --token-file, not both")
    if token_file is not None:
        token = _read_token(token_file)
    elif token is None:
        token = os.environ.get(TOKEN_VARIABLE)
    leave_unless_installed("httptools", "starlette", "uvicorn", extra="serve")
    from ..serve.running import serve as run

    _log_to_stderr(log_level)
    run(file, host=host, port=port, token=token, cors=cors, hosts=hosts, durability=durability)


def _read_token(path: str) -> str:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4096)
    except OSError as error:
        raise ConfigurationError(f"--token-file {path}: {error.strerror}") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(f"--token-file {path}: others may read it; chmod 600 {path}")
    # One line ending goes: editors and `echo` write it. Anything else that no token has is refused later.
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not line.isascii():
        raise ConfigurationError(f"--token-file {path}: a token has ASCII characters only")
    return line.decode()


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("rushmodel", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level.upper())

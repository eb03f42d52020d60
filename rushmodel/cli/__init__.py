"""The command line: ``rushmodel``, also as ``python -m rushmodel``.

The exit codes of every command are those of `Code`.
"""

from __future__ import annotations

import enum
import sys
from importlib.util import find_spec


class Code(enum.IntEnum):
    """What a command leaves the process with."""

    DONE = 0
    FINDINGS = 1
    """It ran, and something is not as it should be: out of sync, damaged, refused by the store."""
    USAGE = 2
    """The command line makes no sense, or the extra that it needs is not installed."""
    CONFIGURATION = 3
    """What it needs besides: settings, models, a token."""
    STORE = 4
    """The store, or a file, cannot be used, or cannot do that."""
    INTERRUPTED = 130
    CLOSED = 141
    """Nobody reads its output any more."""


def main() -> None:
    """Run the command line and leave the process; works without the extras, too, to say what is missing."""
    leave_unless_installed("click")
    try:
        from .program import run
    except KeyboardInterrupt:
        sys.exit(Code.INTERRUPTED)
    sys.exit(run())


def leave_unless_installed(*modules: str, extra: str = "cli") -> None:
    """Leave the process with one line on stderr where a module of the extra is missing."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        sys.stderr.write(f'rushmodel: {", ".join(missing)} not installed: pip install "rushmodel[{extra}]"\n')
        sys.exit(Code.USAGE)

"""The command line: ``rushmodel``, also as ``python -m rushmodel``.

Exit codes: 0 where a command did what it was to do, 1 where a file or an address could not be used, 2
for a command line that makes no sense, and where the extra that a command needs is not installed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line and leave the process; works without the extras, too, to say what is missing."""
    leave_unless_installed("click")
    from .program import program

    program(prog_name="rushmodel")


def leave_unless_installed(*modules: str) -> None:
    """Leave the process with exit code 2 and one line on stderr where a module of the extra is missing."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"rushmodel: {', '.join(missing)} not installed: pip install 'rushmodel[serve]'\n")
        sys.exit(2)

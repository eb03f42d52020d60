"""A command in a terminal of its own, as somebody sits before it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.serve.process import COMMAND, SECONDS, environment


def in_terminal(
    *arguments: str | Path,
    cwd: Path,
    answers: Sequence[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """The exit code, and what was seen. ``answers``: what is typed once something was seen."""
    import pty

    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        command = [*COMMAND, *map(str, arguments)]
        os.execve(sys.executable, command, environment(TERM="xterm", COLUMNS="120", **(variables or {})))
    seen, waiting = b"", list(answers)
    while select.select([terminal], [], [], SECONDS)[0]:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # on Linux, its end
            break
        if not read:
            break
        seen += read
        if waiting and waiting[0][0].encode() in seen:
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), seen.decode()

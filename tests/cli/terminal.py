"""A command in a terminal of its own, as somebody sits before it."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.serve.process import COMMAND, SECONDS, environment

INTERRUPT = "\x03"


def in_terminal(
    *arguments: str | Path,
    cwd: Path,
    answers: Sequence[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """The exit code, and what was seen. ``answers``: what is typed once something was seen.

    Ctrl-C is typed again where nothing happens for a second: one that comes in the instant before a program
    begins to wait for a line is heard when the line is there.
    """
    import pty

    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        command = [*COMMAND, *map(str, arguments)]
        os.execve(sys.executable, command, environment(TERM="xterm", COLUMNS="120", **(variables or {})))
    seen, waiting, typed = b"", list(answers), ""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1.0)[0]:
            if typed == INTERRUPT:
                os.write(terminal, typed.encode())
            continue
        end = time.monotonic() + SECONDS
        try:
            read = os.read(terminal, 4096)
        except OSError:  # on Linux, its end
            break
        if not read:
            break
        seen += read
        if waiting and waiting[0][0].encode() in seen:
            typed = waiting.pop(0)[1]
            os.write(terminal, typed.encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), seen.decode()

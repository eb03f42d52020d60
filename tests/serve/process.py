"""`Process`: a server in a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import httpx
from typing_extensions import Self

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery-staple"
COMMAND = [sys.executable, "-W", "error", "-m", "rushmodel"]
SECONDS = 30.0
"""Longer than anything here takes: the end of a test that would hang."""


def environment(**more: str) -> dict[str, str]:
    """That of this process, without its settings of stores and servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUSH")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


class Process:
    """``rushmodel serve`` with these arguments, at a port that is free. ``lines``: what it printed on its start."""

    def __init__(self, *arguments: str | Path, token: str | None = TOKEN) -> None:
        given = {} if token is None else {"RUSHMODEL_SERVE_TOKEN": token}
        self._process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *map(str, arguments)],
            env=environment(**given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "serving" in line:
                break
        else:
            raise AssertionError(f"the server did not start: {self._process.communicate()}")
        found = re.search(r" on (http://\S+:(\d+)/api/v1)$", self.lines[-1])
        assert found, self.lines
        self.url, self.port = found[1], int(found[2])
        made = [line.removeprefix("rushmodel: token ") for line in self.lines[:-1]]
        self.token = token or made[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def client(self, **settings: float) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=SECONDS, **settings)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def head(self, path: str, *headers: str, method: str = "POST") -> bytes:
        """The head of a request with JSON, for sockets."""
        lines = [
            f"{method} /api/v1{path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            f"authorization: Bearer {self.token}",
            "content-type: application/json",
            *headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; the exit code, and what was printed after the start, on stdout and on stderr."""
        self.signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, out, err

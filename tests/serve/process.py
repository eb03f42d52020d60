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
    """``rushmodel serve`` with these arguments, at a port that is free.

    ``lines``: what it printed on its start. ``url``, ``port``, ``token``: what clients need.
    """

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
        try:
            self.lines = self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        found = re.fullmatch(r"rushmodel: serving .* on (http://\S+:(\d+)/api/v1)", self.lines[-1])
        assert found, self.lines
        self.url, self.port = found[1], int(found[2])
        made = [line.removeprefix("rushmodel: token ") for line in self.lines[:-1]]
        self.token = token or "".join(made)

    def _start(self) -> list[str]:
        assert self._process.stdout
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line.removesuffix("\n"))
            if line.startswith("rushmodel: serving "):
                return lines
        raise AssertionError(f"the server did not start: {lines}, {self._process.communicate()}")

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

    def client(self) -> httpx.Client:
        """One that sends the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=SECONDS)

    def clear(self) -> None:
        """Delete every record and policy."""
        with self.client() as client:
            while records := client.post("/records/search", json={"limit": 1000}).json()["data"]:
                ids = [record["__id"] for record in records]
                client.post("/records/delete", json={"where": {"$id": {"$in": ids}}}).raise_for_status()
            for policy in client.get("/ai/indexes").json()["data"]:
                client.delete(f"/ai/indexes/{policy['id']}").raise_for_status()

    def connect(self) -> socket.socket:
        """A connection on which nothing was sent."""
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

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; the exit code, and what was printed after the start, on stdout and on stderr."""
        self.tell(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        """Wait for the end; as `end`."""
        out, err = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, out, err

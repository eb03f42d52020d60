"""`Unkind`: the unkind server in a process of its own, and the fixture that gives it to tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from rushmodel import Database, connect

ROOT = Path(__file__).parents[2]
TOKEN = "kind-words-open-iron-gates"
SECONDS = 30.0
"""Longer than anything here takes: the end of a test that would hang."""

READS = ("/ai/search", "/records/search", "/records/vectors", "/relationships/search", "/graph/related")
"""Paths that are asked by POST and change nothing."""


class Request(NamedTuple):
    """A request as the server logged it.

    ``path`` is that below ``/api/v1``; ``body`` is parsed, and tells the size where it is large;
    ``fault`` is what struck, and ``status`` what was answered, or would have been, if anything.
    """

    method: str
    path: str
    body: Any
    time: float
    fault: str | None
    status: int | None

    @property
    def writes(self) -> bool:
        """Whether it asks to change anything."""
        return self.method != "GET" and self.path not in READS


class Unkind:
    """The server. ``url``, ``port``, ``token``: what clients need."""

    def __init__(self) -> None:
        self.token = TOKEN
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unkind.server", "--port", "0", "--token", TOKEN],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("RUSH")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        if "http://" not in line:
            self._process.kill()
            self._process.communicate()
            raise AssertionError(f"the unkind server did not start: {line!r}")
        self.url = line[line.index("http://") :].strip()
        self.port = int(self.url.rpartition(":")[2].partition("/")[0])
        self._control = httpx.Client(
            base_url=self.url.removesuffix("/api/v1"), trust_env=False, timeout=SECONDS, verify=False
        )

    def faults(self, **named: Any) -> dict[str, Any]:
        """Switch faults on and off, as `tests.unkind.faults` has them; all that are on then."""
        answer = self._control.post("/faults", json=named)
        document: dict[str, Any] = answer.json()
        assert answer.status_code == 200, document
        return document

    def reset(self, **named: Any) -> None:
        """No records, no policies, no log, and no faults but those named."""
        self.faults(reset=True, **named)
        self._control.post("/empty").raise_for_status()

    @property
    def requests(self) -> list[Request]:
        """All requests since the last reset."""
        return [Request(**each) for each in self._control.get("/requests").json()]

    @property
    def writes(self) -> list[Request]:
        """Those that ask to change anything."""
        return [each for each in self.requests if each.writes]

    def client(self) -> httpx.Client:
        """One that sends the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, timeout=SECONDS, verify=False
        )

    def close(self) -> None:
        """End the process, which holds nothing and may be in the middle of a silence."""
        self._control.close()
        self._process.kill()
        self._process.communicate()


_KEY = pytest.StashKey[Unkind]()


@pytest.fixture
def unkind(request: pytest.FixtureRequest) -> Unkind:
    """The server, empty and without faults. One process serves a whole session, whoever imports this."""
    session = request.session
    if _KEY not in session.stash:
        session.stash[_KEY] = server = Unkind()
        session.config.add_cleanup(server.close)
    server = session.stash[_KEY]
    server.reset()
    return server


@pytest.fixture
def db(unkind: Unkind) -> Iterator[Database]:
    """The default database, on the server as a RushDB server is."""
    unkind.faults(rushdb=True)
    with closing(connect(unkind.url, token=unkind.token, default=True)) as database:
        yield database

"""A `serve` application in this process to talk to, and what its store is asked to do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from rushmodel import __version__
from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.backends.embedded.committing import Pending
from rushmodel.port import Command
from rushmodel.serve.app import create_app
from rushmodel.serve.limits import Limits
from rushmodel.wire import routes
from rushmodel.wire.bodies import dumps
from rushmodel.wire.routes import PREFIX, Route

ROUTES = [each for each in vars(routes).values() if isinstance(each, Route)]
TOKEN = "a-token-for-tests"


class Heard(EmbeddedBackend):
    """An embedded store that keeps the commands it was given."""

    def __init__(self) -> None:
        super().__init__("memory://")
        self.commands: list[Command[Any]] = []

    def execute(self, command: Command[Any]) -> Any:
        self._hear(command)
        return super().execute(command)

    def pending(self, command: Command[Any]) -> Pending | None:
        self._hear(command)
        return super().pending(command)

    def _hear(self, command: Command[Any]) -> None:
        if not (self.commands and self.commands[-1] is command):
            self.commands.append(command)


class Server:
    """Sends requests to an application over an empty store."""

    def __init__(self, **limits: int) -> None:
        self.store = Heard()
        transport = httpx.ASGITransport(create_app(self.store, token=TOKEN, limits=Limits(**limits)))
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()
        self.store.close()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; a keyword ``if_match`` is the header ``if-match``."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content = b""
        if body is not None:
            content = body if isinstance(body, bytes) else dumps(body)
            given.setdefault("content-type", "application/json")
        request = self._client.request(
            method,
            path,
            headers={"authorization": f"Bearer {TOKEN}", **given},
            content=content,
        )
        return self._loop.run_until_complete(request)

    def ask(self, route: Route, body: Any = None, *ids: str, **headers: str) -> Any:
        """The ``data`` of an answer that must be the good one of that route."""
        response = self.send(route.method, PREFIX + route.at(*ids), body, **headers)
        assert response.status_code == route.status, response.text
        assert response.headers["x-rushmodel"] == __version__
        document = json.loads(response.content)
        assert document["success"] is True
        return document["data"]

    def refused(self, route: Route, body: Any = None, *ids: str, **headers: str) -> tuple[int, str]:
        """Status and message of an answer that must be a refusal, in the shape of R23."""
        response = self.send(route.method, PREFIX + route.at(*ids), body, **headers)
        document = json.loads(response.content)
        assert document.keys() == {"message", "error", "statusCode"}
        assert document["statusCode"] == response.status_code >= 400
        return response.status_code, str(document["message"])

    def heard(self, kind: type[Command[Any]]) -> Any:
        """The last command of that kind that the store was given."""
        return next(command for command in reversed(self.store.commands) if type(command) is kind)

"""A server on a real socket that does what a script says, request by request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

Step: TypeAlias = "Callable[[socket.socket], bool]"
"""Answers one request on its connection; whether the connection stays open."""


class Seen:
    """A request as it arrived."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        self.body = body


class Scripted:
    """The server: the steps in turn, the last one again and again; each connection in a thread.

    ``seen`` has the requests that arrived whole, ``connections`` counts those that were accepted.
    """

    def __init__(
        self,
        *steps: Step,
        reads: Literal["all", "slowly", "nothing"] = "all",
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.steps = list(steps)
        self.seen: list[Seen] = []
        self.connections = 0
        self._reads = reads
        self._context = context
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family, backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://{'[::1]' if ':' in host else host}:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._accepting.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while self._reads == "all":
                request = receive(connection)
                if request is None:
                    break
                with self._lock:
                    self.seen.append(request)
                    step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                if not step(connection):
                    break
            while self._reads == "slowly" and connection.recv(1 << 16):
                time.sleep(0.008)
            if self._reads == "nothing":
                return  # and keep the connection
        except OSError:
            pass
        connection.close()


def receive(connection: socket.socket) -> Seen | None:
    """The next request, None where there is none any more."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(1 << 16)
        if not piece:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    request = Seen(head, b"")
    length = int(request.headers.get("content-length", 0))
    pieces, size = [body], len(body)
    while size < length:
        piece = connection.recv(1 << 16)
        if not piece:
            return None
        pieces.append(piece)
        size += len(piece)
    request.body = b"".join(pieces)
    return request


def says(status: int = 200, document: object = None, *, body: bytes | None = None, **headers: str) -> Step:
    """An answer; ``retry_after="3"`` is a header."""
    content = json.dumps({"data": []} if document is None else document).encode() if body is None else body
    named = {"content_type": "application/json", "content_length": str(len(content)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return sends(f"HTTP/1.1 {status} Some\r\n{lines}\r\n".encode() + content)


def sends(raw: bytes, *, then_cut: bool = False) -> Step:
    """These bytes."""

    def step(connection: socket.socket) -> bool:
        connection.sendall(raw)
        return not then_cut

    return step


def drips(raw: bytes, every: float = 0.02) -> Step:
    """These bytes, one at a time."""

    def step(connection: socket.socket) -> bool:
        for place in range(len(raw)):
            connection.sendall(raw[place : place + 1])
            time.sleep(every)
        return True

    return step


def cut(connection: socket.socket) -> bool:
    """No answer: the connection is closed."""
    return False


def silent(connection: socket.socket) -> bool:
    """No answer, for as long as the other side waits."""
    connection.recv(1)
    return False

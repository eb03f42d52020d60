"""What of HTTP the parser leaves to `Connection`: limits of a head, and what follows a request."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rushmodel.serve.connections import MOST_HEAD, Connection

from .test_running import answer_on, served


class Short(Connection):
    SECONDS = 0.5


@pytest.fixture
def port() -> Iterator[int]:
    yield from served(Short)


def answers(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """The first status, and all that follows it, of what is sent in these pieces."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.005)
            return answer_on(connection)
        except ConnectionError:  # it was cut before all of it was sent
            return 0, b""


def request(*headers: str, line: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode()


HOST = "host: a"
LAST = request(HOST, "connection: close")


@pytest.mark.parametrize(
    "sent",
    [
        request(),
        request(HOST, "host: b"),
        request(HOST, "Host: a"),
        request(HOST, "x: " + "y" * MOST_HEAD),
        request(HOST, line=f"GET /{'y' * MOST_HEAD} HTTP/1.1"),
        request(HOST, *(f"x{number}: {'y' * 90}" for number in range(MOST_HEAD // 90))),
        request(HOST, "content-length: 1", "transfer-encoding: chunked"),
        request(HOST, "content-length: 1", "content-length: 2"),
    ],
    ids=["no host", "two hosts", "one twice", "a long header", "a long line", "many headers", "both", "two"],
)
def test_what_is_refused_by_400(port, sent):
    assert answers(port, sent)[0] == 400


@pytest.mark.parametrize("piece", [b"y" * 1000, b"y: z\r\n" * 200], ids=["one header", "many"])
def test_a_head_without_end_is_cut_off(port, piece):
    status, _ = answers(port, b"GET / HTTP/1.1\r\nhost: a\r\nx: ", *[piece] * 40)
    assert status in (0, 400)


def test_what_follows_the_chunks_of_a_body_without_end_is_cut_off(port):
    head = request(HOST, "transfer-encoding: chunked", line="POST / HTTP/1.1")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head + b"1\r\nx\r\n0\r\n")
        for number in range(100):
            try:
                connection.sendall(b"x-%d: " % number + b"y" * 1000 + b"\r\n")
            except ConnectionError:
                break
            time.sleep(0.005)
        else:
            pytest.fail("100 kB of them were taken")


def test_a_head_of_version_1_0_needs_no_host(port):
    assert answers(port, request(line="GET / HTTP/1.0"))[0] == 401


def test_who_asks_for_another_protocol_is_answered_in_this_one(port):
    sent = request(HOST, "connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AA")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        assert answer_on(connection)[0] == 401


def test_a_request_is_answered_whatever_comes_after_it(port):
    status, rest = answers(port, request(HOST) + b"\0nonsense")
    assert (status, rest) == (401, b"")


def test_empty_lines_are_no_reason_to_wait(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request(HOST))
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
        started = time.monotonic()
        connection.sendall(b"\r\n")
        assert connection.recv(1) == b""
        assert time.monotonic() - started < 5


def test_requests_in_bytes_of_their_own_are_read(port):
    status, rest = answers(port, *(LAST[at : at + 1] for at in range(len(LAST))))
    assert (status, rest) == (401, b"")


@pytest.mark.parametrize("extra", ["authorization: Bearer x", "host: b", "x-rushmodel: 1"])
def test_headers_after_a_body_are_passed_over(extra):
    found: list[Any] = []

    class Listening(Short):
        def on_message_complete(self) -> None:
            super().on_message_complete()
            found.extend(self.headers)

    head = request(HOST, "transfer-encoding: chunked", "connection: close", line="POST / HTTP/1.1")
    for port in served(Listening):
        assert answers(port, head + b"1\r\nx\r\n0\r\n" + extra.encode() + b"\r\n\r\n")[0] == 401
    assert [name for name, _ in found] == [b"host", b"transfer-encoding", b"connection"]

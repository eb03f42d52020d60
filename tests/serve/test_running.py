"""A server in a process of its own: how it starts, what clients can do to it, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import uvicorn

from rushmodel import ConfigurationError, RushDB, StoreError
from rushmodel.serve.addresses import Address
from rushmodel.serve.connections import Connection
from rushmodel.serve.running import serve

from .process import TOKEN, Process

signals = pytest.mark.skipif(
    sys.platform == "win32", reason="processes there end by no signal they can handle"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "articles.db"


@pytest.fixture
def server(path) -> Iterator[Process]:
    with Process(path) as process:
        yield process


def created(client: httpx.Client, number: int) -> str:
    answer = client.post("/records", json={"label": "A", "data": {"n": number}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["__id"])


def answer_on(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the rest of the one answer that comes before the connection is closed."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    return (int(head.split()[1]), rest) if head else (0, b"")


def cut_off_after(connection: socket.socket, sent: bytes, *, seconds: float, pause: float = 0) -> bool:
    """Whether the other side ends a connection on which the same is sent again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            connection.sendall(sent)
        except OSError:
            return True
        time.sleep(pause)
    return False


def numbers_in(path) -> list[Any]:
    with RushDB(str(path)) as db:
        pages = iter(lambda: db.records.find({"labels": ["A"], "limit": 1000, "skip": len(found)}).data, [])
        found: list[Any] = []
        for page in pages:
            found += [each["n"] for each in page]
        return sorted(found)


# -- the start


@signals
def test_the_lines_and_nothing_else(path):
    with Process(path) as server:
        with server.client() as client:
            created(client, 1)
            assert client.get("/nope").status_code == 404
        assert server.lines == [f"rushmodel: serving {path} on http://127.0.0.1:{server.port}/api/v1"]
        assert server.end() == (0, "", "")
    assert [each.name for each in path.parent.iterdir()] == ["articles.db"]  # closed: the log is in the file
    assert numbers_in(path) == [1]


@signals
def test_a_token_is_made_and_printed_once(path):
    with Process(path, token=None) as one, Process("memory://", token=None) as other:
        assert [line.split()[1] for line in one.lines] == ["token", "serving"]
        assert len(one.token) == 43
        assert one.token != other.token
        with one.client() as client:
            created(client, 1)
        wrong = httpx.get(f"{one.url}/ai/indexes", headers={"authorization": f"Bearer {other.token}"})
        assert wrong.status_code == 403
        assert httpx.get(f"{one.url}/ai/indexes").status_code == 401
        code, out, err = one.end()
        assert (code, out, err) == (0, "", "")


@signals
def test_what_is_logged_holds_no_token(path):
    with Process(path, "--log-level", "info") as server:
        with server.client() as client:
            created(client, 1)
        httpx.get(f"{server.url}/ai/indexes", headers={"authorization": "Bearer wrong-token"})
        code, out, err = server.end()
    assert (code, out) == (0, "")
    assert '"POST /api/v1/records HTTP/1.1" 201' in err
    assert TOKEN not in err
    assert "wrong-token" not in err


def test_headers_and_health(server):
    with server.client() as client:
        answer = client.get(f"http://127.0.0.1:{server.port}/health", headers={"authorization": ""})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert set(answer.headers) == {"content-length", "content-type", "date"}
        rebound = client.get("/ai/indexes", headers={"host": f"evil.example:{server.port}"})
        assert rebound.status_code == 421


@signals
def test_another_address_with_a_token(path):
    with Process(path, "--host", "0.0.0.0") as server:
        assert server.url == f"http://0.0.0.0:{server.port}/api/v1"
        url = f"http://127.0.0.1:{server.port}/api/v1/ai/indexes"
        headers = {"authorization": f"Bearer {TOKEN}", "host": "rush.example"}
        assert httpx.get(url, headers=headers).status_code == 200
    with Process(path, "--host", "0.0.0.0", "--allow-host", "rush.example") as server:
        url = f"http://127.0.0.1:{server.port}/api/v1/ai/indexes"
        assert httpx.get(url, headers=headers).status_code == 200
        assert httpx.get(url, headers={**headers, "host": "evil.example"}).status_code == 421


def test_ipv6(path):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Process(path, "--host", "::1") as server:
        assert server.url == f"http://[::1]:{server.port}/api/v1"
        with server.client() as client:
            created(client, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.3.4.5", "::1"])
def test_addresses_of_this_machine(host):
    assert Address.of(host, 0).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "::ffff:10.1.2.3", "fe80::1"])
def test_addresses_that_others_reach_need_a_token(host, path):
    assert not Address.of(host, 0).is_loopback
    with pytest.raises(ConfigurationError, match="can be reached from other machines"):
        serve(path, host=host, port=0)
    with pytest.raises(ConfigurationError, match="at least 16 characters, got 15"):
        serve(path, host=host, port=0, token="x" * 15)
    assert not path.exists()


@pytest.mark.parametrize("token", ["", "two words " * 3, "ü" * 20, "x" * 20 + "\n"])
def test_tokens_that_no_header_carries(token, path):
    with pytest.raises(ConfigurationError, match="token"):
        serve(path, port=0, token=token)
    assert not path.exists()


@pytest.mark.parametrize("location", ["https://api.rushdb.com/api/v1", "sqlite://x", ":memory:", ""])
def test_locations_that_cannot_be_served(location):
    with pytest.raises(ConfigurationError):
        serve(location, port=0)


@pytest.mark.parametrize("host", ["", "no such name", "x" * 300, "no-such-name.invalid"])
def test_hosts_that_have_no_address(host, path):
    with pytest.raises(ConfigurationError, match="no address to listen at"):
        serve(path, host=host, port=0, token=TOKEN)
    assert not path.exists()


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_are_none(port, path):
    with pytest.raises(ConfigurationError, match="from 0 to 65535"):
        serve(path, port=port, token=TOKEN)


def test_a_port_in_use_and_a_file_that_is_none(path, server):
    other = path.with_name("other.db")
    with pytest.raises(StoreError, match=f"cannot listen at 127.0.0.1, port {server.port}"):
        serve(other, port=server.port)
    assert not other.exists()
    with pytest.raises(StoreError, match="no folder"):
        serve(path / "x" / "y.db", port=0)


# -- clients


def test_fifty_at_once(server):
    with server.client() as client, ThreadPoolExecutor(50) as threads:
        ids = set(threads.map(lambda number: created(client, number), range(200)))
        assert len(ids) == 200
        found = client.post("/records/search", json={"labels": ["A"], "limit": 1000}).json()
    assert {each["__id"] for each in found["data"]} == ids
    assert sorted(each["n"] for each in found["data"]) == list(range(200))


def test_answers_do_not_wait_for_acknowledgements(server):
    """Head and body of an answer are two writes: without TCP_NODELAY, each answer takes 40 ms."""
    with server.client() as client:
        times = []
        for _ in range(20):
            started = time.perf_counter()
            assert client.get("/ai/indexes").status_code == 200
            times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.03


def test_a_chunked_body(server):
    body = json.dumps({"label": "A", "data": {"n": 1, "text": "x" * 100_000}}).encode()
    parts = (body[at : at + 7_000] for at in range(0, len(body), 7_000))
    with server.client() as client:
        answer = client.post("/records", content=parts, headers={"content-type": "application/json"})
        assert answer.request.headers["transfer-encoding"] == "chunked"
        assert answer.status_code == 201
        found = client.post("/records/search", json={"labels": ["A"]}).json()["data"]
    assert len(found[0]["text"]) == 100_000


def test_a_big_body(server):
    text = "x" * 20_000_000
    with server.client() as client:
        assert client.post("/records", json={"label": "A", "data": {"text": text}}).status_code == 201
        found = client.post("/records/search", json={"labels": ["A"]}).json()["data"]
    assert found[0]["text"] == text


def test_a_body_that_is_too_big_is_answered_at_once(server):
    with server.connect() as connection:
        connection.sendall(server.head("/records", "connection: close", f"content-length: {64 * 2**20 + 1}"))
        status, body = answer_on(connection)  # though not one byte of it was sent
        assert status == 413
        assert json.loads(body)["statusCode"] == 413


def test_a_body_without_an_end_is_cut_off(server):
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    with server.connect() as connection:
        connection.sendall(server.head("/records", "connection: close", "transfer-encoding: chunked"))
        assert cut_off_after(connection, chunk * 10, seconds=60)
    with server.client() as client:
        created(client, 1)


def test_no_token_and_a_body_that_is_not_wanted(server):
    with server.client() as client:
        answer = client.post("/records", content=b"x" * 5_000_000, headers={"authorization": "Bearer wrong"})
        assert answer.status_code == 403
        created(client, 1)


def test_a_client_that_waits_for_the_go_ahead(server):
    body = b'{"label":"A","data":{"n":1}}'
    with server.connect() as connection:
        connection.sendall(
            server.head(
                "/records", "connection: close", f"content-length: {len(body)}", "expect: 100-continue"
            )
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answer_on(connection)[0] == 201
    with server.connect() as connection:
        head = server.head("/records", "connection: close", "content-length: 9", "expect: 100-continue")
        connection.sendall(head.replace(TOKEN.encode(), b"wrong"))
        assert answer_on(connection)[0] == 403  # and no invitation to send the body


@signals
def test_uploads_that_are_cut_leave_nothing_behind(path, server):
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(server.head("/records", "content-length: 1000") + b'{"label":"A","da')
    with server.client() as client:
        created(client, 1)
    assert server.end() == (0, "", "")
    assert numbers_in(path) == [1]


def test_slow_uploads_hold_nobody_up(server):
    slow = [server.connect() for _ in range(40)]
    for connection in slow:
        connection.sendall(server.head("/records", "content-length: 1000") + b'{"label":"A","da')
    with server.client() as client:
        started = time.monotonic()
        created(client, 1)
        assert time.monotonic() - started < 5
    for connection in slow:
        connection.close()


def test_what_is_no_http_is_400(server):
    with server.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert answer_on(connection)[0] == 400
    with server.connect() as connection:  # which of two names is meant, nobody can say
        connection.sendall(server.head("/records", "host: evil.example", "content-length: 0"))
        assert answer_on(connection)[0] == 400


def test_two_requests_at_once_on_one_connection(server):
    body = b'{"label":"A","data":{"n":1}}'
    one = server.head("/records", f"content-length: {len(body)}") + body
    last = server.head("/records", f"content-length: {len(body)}", "connection: close") + body
    with server.connect() as connection:
        connection.sendall(one + last)
        status, rest = answer_on(connection)
    assert (status, rest.count(b"HTTP/1.1 201")) == (201, 1)


def served(protocol: type[Connection]) -> Iterator[int]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
    running = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        running.should_exit = True
        thread.join()


class Impatient(Connection):
    SECONDS = 0.3


@pytest.fixture
def impatient() -> Iterator[int]:
    yield from served(Impatient)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nhost: a\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nx",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT",
    ],
    ids=["nothing", "half a line", "half a head", "an answered body", "half of a second one"],
)
def test_what_a_client_owes_is_not_waited_for(impatient, sent):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        answer_on(connection)
        assert 0.2 < time.monotonic() - started < 5


def test_trickles_do_not_help(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        assert cut_off_after(connection, b"G", seconds=5, pause=0.05)


def test_between_requests_there_is_time(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 401")
            time.sleep(0.5)


# -- the end


@signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_on_its_way_is_finished(path, server, number):
    body = b'{"label":"A","data":{"n":1}}'
    with server.connect() as connection, server.connect() as idle, server.client() as client:
        created(client, 0)
        connection.sendall(server.head("/records", f"content-length: {len(body)}") + body[:10])
        time.sleep(0.3)  # the head must have been read: that is what makes the request an accepted one
        server.tell(number)
        time.sleep(0.7)
        assert server.is_running
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset
            server.connect()
        assert idle.recv(1) == b""
        connection.sendall(body[10:])
        status, answer = answer_on(connection)
        assert status == 201
        assert json.loads(answer)["data"]["n"] == 1
    assert server.ended() == (0, "", "")
    assert numbers_in(path) == [0, 1]


@signals
def test_requests_that_were_accepted_are_answered(path, server):
    """Every request that any answer came for is in the file, and every answer is whole."""
    stopping = threading.Event()

    def write(start: int) -> list[int]:
        done: list[int] = []
        with server.client() as client:
            for number in range(start, start + 100_000):
                try:
                    created(client, number)
                except httpx.TransportError:
                    assert stopping.is_set()
                    return done
                done.append(number)
        return done

    with ThreadPoolExecutor(8) as threads:
        writers = [threads.submit(write, number * 100_000) for number in range(8)]
        time.sleep(1)
        stopping.set()
        assert server.end() == (0, "", "")
        acknowledged = {number for writer in writers for number in writer.result()}
    assert len(acknowledged) > 8
    assert acknowledged <= set(numbers_in(path))


@signals
def test_an_upload_that_does_not_go_on_is_cut(server):
    with server.connect() as connection:
        connection.sendall(server.head("/records", "content-length: 1000") + b'{"label":"A","da')
        time.sleep(0.3)
        started = time.monotonic()
        assert server.end() == (0, "", "")
        assert 4 < time.monotonic() - started < 10


@signals
def test_idle_clients_do_not_delay_the_end(server):
    with server.client() as client, server.connect():
        created(client, 1)
        started = time.monotonic()
        assert server.end() == (0, "", "")
        assert time.monotonic() - started < 3


@signals
def test_the_next_server_may_have_the_port_at_once(path, server):
    with server.client() as client:
        created(client, 1)
        server.end()
    with Process(path, "--port", str(server.port)) as after:
        assert after.port == server.port


@signals
def test_the_second_ctrl_c_ends_everything(server):
    with server.connect() as connection:
        connection.sendall(server.head("/records", "content-length: 1000") + b'{"label":"A","da')
        time.sleep(0.3)
        started = time.monotonic()
        server.tell(signal.SIGINT)
        time.sleep(0.3)
        assert server.end(signal.SIGINT)[0] == 0
        assert time.monotonic() - started < 3

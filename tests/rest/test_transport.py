"""The transport against servers that misbehave, on real sockets; sync and async alike."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import threading
import time
import zlib
from email.utils import formatdate

import pytest
import stamina

from rushmodel import __version__
from rushmodel.backends.rest import answers
from rushmodel.backends.rest.calls import Answer, Call, Deadline
from rushmodel.backends.rest.location import Address, Token
from rushmodel.backends.rest.transport import (
    AsyncTransport,
    Timeouts,
    Transport,
    arun_exchange,
    run_exchange,
)
from rushmodel.errors import (
    AccessDenied,
    RushModelError,
    ServerError,
    ServerUnreachable,
    StoreBusy,
    StoreClosed,
    StoreTimeout,
)
from rushmodel.wire import routes

from .scripted import Scripted, cut, drips, says, sends, silent

SECRET = "tok-5ecret-5ecret"
READ = Call(routes.FIND_RECORDS, body=b"{}", repeatable=True, what="find of Article")
CREATE = Call(routes.CREATE_RECORD, body=b'{"label":"private"}', what="save of Article")
RAW = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"data": []}'


@pytest.fixture
def serving():
    """Starts scripted servers."""
    servers = []

    def start(*steps, **settings):
        servers.append(Scripted(*steps, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(params=["sync", "async"])
def talk(request):
    """Makes calls one after the other over one transport: their answers or errors."""

    def sync(url, *calls, timeout=20.0, timeouts=None):
        transport = Transport(Address.parse(url), Token(SECRET), timeouts=timeouts)
        heard: list[Answer | RushModelError] = []
        for call in calls:
            try:
                heard.append(transport.send(call, Deadline(timeout)))
            except RushModelError as error:
                heard.append(error)
        transport.close()
        return heard

    def aio(url, *calls, timeout=20.0, timeouts=None):
        async def main():
            transport = AsyncTransport(Address.parse(url), Token(SECRET), timeouts=timeouts)
            heard: list[Answer | RushModelError] = []
            for call in calls:
                try:
                    heard.append(await transport.send(call, Deadline(timeout)))
                except RushModelError as error:
                    heard.append(error)
            await transport.aclose()
            return heard

        return asyncio.run(main())

    return sync if request.param == "sync" else aio


@pytest.fixture
def no_pauses():
    """Retries come at once; there are as many as ever."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


def failed(heard, kind, *, sent, status=None):
    """The one error that was heard, which names what was done and tells no secret."""
    (error,) = heard
    assert type(error) is kind, repr(error)
    assert error.sent is sent
    if status is not None:
        assert error.status == status
    for shown in (str(error), repr(error), repr(error.__dict__)):
        assert SECRET not in shown
        assert "private" not in shown
    assert " of Article: " in str(error)
    assert "/api/v1/records" in str(error)
    return str(error)


# What is sent and what is made of an answer


def test_a_request_has_what_a_server_wants(serving, talk):
    server = serving(says())
    update = Call(routes.PATCH_RECORD, ("a/b",), b'{"data":{}}', version=7, what="x")
    talk(server.url, update, Call(routes.LIST_POLICIES))
    with_body, without = server.seen
    assert (with_body.method, with_body.target) == ("PATCH", "/api/v1/records/a%2Fb")
    assert with_body.body == b'{"data":{}}'
    assert with_body.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": f"Bearer {SECRET}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"rushmodel/{__version__}",
        "x-rushmodel": "1",
        "content-type": "application/json",
        "content-length": "11",
        "if-match": "7",
    }
    assert (without.method, without.target, without.body) == ("GET", "/api/v1/ai/indexes", b"")
    assert "content-length" not in without.headers
    assert "content-type" not in without.headers


def test_an_answer_has_what_the_server_said(serving, talk):
    document = {"data": [{"__id": "1"}], "total": 1, "success": True}
    server = serving(
        says(200, document, x_rushmodel="9", date="Mon, 23 Nov 2026 10:00:00 GMT"), says(204, body=b"")
    )
    first, second = talk(server.url, READ, READ)
    assert (first.status, first.data, first.total, first.document) == (200, document["data"], 1, document)
    assert (first.extensions, first.date, first.repeated) == (True, 1795428000.0, False)
    assert (second.status, second.document, second.extensions, second.date) == (204, None, False, None)
    with pytest.raises(ServerError, match="204 without 'data'"):
        second.data
    with pytest.raises(ServerError, match="no sound 'total'"):
        Answer(200, {"total": "1"}).total


@pytest.mark.parametrize("status", [400, 404, 409, 415, 422, 501])
def test_refusals_are_left_to_the_command(serving, talk, status):
    server = serving(says(status, {"message": ["one", "two"], "error": "Bad", "statusCode": status}))
    (answer,) = talk(server.url, CREATE)
    assert (answer.status, answer.remark) == (status, "one; two")
    assert len(server.seen) == 1


def test_a_large_body_arrives_whole(serving, talk):
    server = serving(says())
    body = json.dumps({"x": "y" * 3_000_000}).encode()
    talk(server.url, CREATE.replaced(body=body))
    assert server.seen[0].body == body


def test_ipv6(talk):
    try:
        server = Scripted(says(), host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    (answer,) = talk(server.url, READ)
    server.close()
    assert answer.status == 200
    assert server.seen[0].headers["host"] == f"[::1]:{server.port}"


# Connections


def test_connections_are_used_again(serving, talk):
    server = serving(says(200), says(404, {"message": "no"}), says(204, body=b""), says(200))
    heard = talk(server.url, READ, READ, READ, READ)
    assert [answer.status for answer in heard] == [200, 404, 204, 200]
    assert server.connections == 1


def test_a_connection_the_server_closed_meanwhile_is_not_used(serving):
    server = serving(sends(RAW, then_cut=True))
    transport = Transport(Address.parse(server.url), Token(SECRET))
    for _ in range(3):
        assert transport.send(CREATE, Deadline(10)).status == 200
        time.sleep(0.05)
    transport.close()
    assert (server.connections, len(server.seen)) == (3, 3)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_listens(talk, no_pauses, host):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = failed(talk(f"http://{host}:{port}", CREATE), ServerUnreachable, sent=False, status=503)
    assert "Connection refused" in message


def test_a_server_that_comes_up_meanwhile_is_reached(serving, talk):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    late = socket.socket()
    late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    late.bind(("127.0.0.1", port))

    def come():
        time.sleep(0.15)
        late.listen()
        connection, _ = late.accept()
        connection.recv(1 << 16)
        connection.sendall(RAW)
        connection.recv(1)
        connection.close()

    coming = threading.Thread(target=come)
    coming.start()
    (answer,) = talk(f"http://127.0.0.1:{port}", CREATE)
    coming.join()
    late.close()
    assert (answer.status, answer.repeated) == (200, False)


def test_a_name_that_nobody_has(talk, no_pauses):
    failed(talk("http://nobody.invalid", CREATE), ServerUnreachable, sent=False)


def test_a_place_that_swallows_everything(talk, no_pauses):
    """A full backlog: connections are neither taken nor refused."""
    with socket.socket() as full, socket.socket() as waiting, socket.socket() as more:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (waiting, more):
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        begun = time.monotonic()
        heard = talk(url, CREATE, timeouts=Timeouts(connect=0.1))
        failed(heard, ServerUnreachable, sent=False)
        failed(talk(url, CREATE, timeout=0.3), StoreTimeout, sent=False)
        assert time.monotonic() - begun < 10


def test_all_connections_are_in_use(serving):
    """Whoever waits for one waits as long as its verb may take: thousands can be begun at once."""
    server = serving(silent)
    address = Address.parse(server.url)

    async def main():
        transport = AsyncTransport(address, Token(SECRET), timeouts=Timeouts(pool=0.2))
        busy = [
            asyncio.create_task(transport.send(READ, Deadline(20))) for _ in range(answers.MOST_CONNECTIONS)
        ]
        await asyncio.sleep(0.3)
        with pytest.raises(StoreTimeout, match=r"0\.5 seconds") as caught:
            await transport.send(CREATE, Deadline(0.5))
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await transport.aclose()
        return caught.value

    assert asyncio.run(main()).sent is False


# Cut connections: what is sent again, and what never is


@pytest.mark.parametrize(
    "step",
    [
        cut,
        sends(RAW[:40], then_cut=True),
        sends(RAW[:-5], then_cut=True),
        sends(b"garbage\r\n\r\n", then_cut=True),
    ],
    ids=["no answer", "half of the head", "half of the body", "no HTTP"],
)
def test_a_cut_connection(serving, talk, no_pauses, step):
    server = serving(step)
    failed(talk(server.url, CREATE), ServerError, sent=True, status=502)
    assert len(server.seen) == 1

    server = serving(step, says())
    (answer,) = talk(server.url, READ)
    assert (answer.status, answer.repeated, len(server.seen)) == (200, True, 2)

    server = serving(step)
    failed(talk(server.url, READ), ServerError, sent=True)
    assert len(server.seen) == 5


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_that_fails(serving, talk, no_pauses, status):
    kind = StoreBusy if status == 503 else ServerError
    server = serving(says(status, body=b"<html>bad gateway</html>"))
    message = failed(talk(server.url, CREATE), kind, sent=True, status=status)
    assert "bad gateway" in message
    assert len(server.seen) == 1

    server = serving(says(status), says(status), says(200))
    (answer,) = talk(server.url, READ)
    assert (answer.status, answer.repeated, len(server.seen)) == (200, True, 3)
    assert server.connections == 1

    server = serving(says(status))
    failed(talk(server.url, READ), kind, sent=True, status=status)
    assert len(server.seen) == 5


def test_too_many_requests_was_not_carried_out(serving, talk, no_pauses):
    server = serving(says(429), says(200))
    (answer,) = talk(server.url, CREATE)
    assert (answer.status, answer.repeated, len(server.seen)) == (200, False, 2)

    server = serving(says(429, {"message": "slow down"}))
    message = failed(talk(server.url, CREATE), StoreBusy, sent=False, status=429)
    assert "slow down" in message
    assert len(server.seen) == 5


def test_an_error_does_not_deny_what_an_earlier_try_may_have_done(serving, talk, no_pauses):
    server = serving(cut, says(429))
    failed(talk(server.url, READ), StoreBusy, sent=True)
    server = serving(says(504), says(403))
    failed(talk(server.url, READ), AccessDenied, sent=True)


def test_pauses_are_made_and_grow(serving, talk):
    server = serving(says(502), says(502), says(200))
    begun = time.monotonic()
    talk(server.url, READ)
    assert 0.3 <= time.monotonic() - begun < 5


def test_retry_after_is_honoured(serving, talk):
    server = serving(says(429, retry_after="1"), says(200))
    begun = time.monotonic()
    (answer,) = talk(server.url, CREATE)
    assert answer.status == 200
    assert 1 <= time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "wanted",
    [
        {"retry_after": "7"},
        {"retry_after": formatdate(1e9 + 7, usegmt=True), "date": formatdate(1e9, usegmt=True)},
    ],
    ids=["seconds", "date"],
)
def test_a_pause_past_the_deadline_is_the_callers_to_make(serving, talk, wanted):
    server = serving(says(503, **wanted))
    begun = time.monotonic()
    heard = talk(server.url, READ, timeout=5)
    assert time.monotonic() - begun < 3
    failed(heard, StoreBusy, sent=True)
    assert heard[0].retry_after == 7
    assert len(server.seen) == 1


@pytest.mark.parametrize("given", ["soon", "nan", "inf", "-5", "", "Mon, 99 Foo 2026"])
def test_a_senseless_retry_after(serving, talk, no_pauses, given):
    server = serving(says(429, retry_after=given), says(200))
    (answer,) = talk(server.url, CREATE)
    assert answer.status == 200


def test_no_day_long_pause_without_a_deadline(serving, talk):
    server = serving(says(429, retry_after="86400"))
    heard = talk(server.url, CREATE, timeout=None)
    failed(heard, StoreBusy, sent=False)
    assert heard[0].retry_after == 86400


def test_retries_can_be_switched_off_by_the_program(serving, talk):
    server = serving(says(502))
    stamina.set_active(False)
    try:
        failed(talk(server.url, READ), ServerError, sent=True)
    finally:
        stamina.set_active(True)
    assert len(server.seen) == 1


# Deadlines


SLOW = {
    "silence": silent,
    "slow head": drips(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000),
    "slow body": drips(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n" + b" " * 9000, 0.001),
    "heartbeats": drips(b"HTTP/1.1 102 Processing\r\n\r\n" * 500, 0.001),
}


@pytest.mark.parametrize("step", SLOW.values(), ids=SLOW)
def test_a_deadline_holds(serving, talk, step):
    server = serving(step)
    begun = time.monotonic()
    heard = talk(server.url, READ, timeout=0.2)
    assert 0.15 < time.monotonic() - begun < 3
    failed(heard, StoreTimeout, sent=True, status=408)
    assert len(server.seen) == 1


@pytest.mark.parametrize("reads", ["slowly", "nothing"])
def test_a_deadline_holds_while_a_body_is_sent(serving, talk, reads):
    server = serving(silent, reads=reads)
    begun = time.monotonic()
    heard = talk(server.url, CREATE.replaced(body=b" " * 50_000_000), timeout=0.5)
    assert 0.4 < time.monotonic() - begun < 3
    failed(heard, StoreTimeout, sent=True)


def test_a_deadline_that_is_over_sends_nothing(serving, talk):
    server = serving(says())
    failed(talk(server.url, CREATE, timeout=0), StoreTimeout, sent=False)
    assert (server.seen, server.connections) == ([], 0)


def test_retries_end_with_the_deadline(serving, talk):
    server = serving(says(502))
    begun = time.monotonic()
    failed(talk(server.url, READ, timeout=1), ServerError, sent=True)
    assert time.monotonic() - begun < 2
    assert 1 < len(server.seen) < 5


def test_silence_is_not_asked_twice(serving, talk, no_pauses):
    server = serving(silent)
    heard = talk(server.url, READ, timeout=None, timeouts=Timeouts(read=0.2))
    message = failed(heard, StoreTimeout, sent=True)
    assert "did not answer in time" in message
    assert len(server.seen) == 1


# Answers that are errors, and answers that are none


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken(serving, talk, status):
    document = {"message": "Forbidden resource", "error": "Forbidden", "statusCode": status}
    server = serving(says(status, document))
    message = failed(talk(server.url, READ), AccessDenied, sent=False, status=status)
    assert "Forbidden resource" in message
    assert "token=" in message


@pytest.mark.parametrize(("status", "kind"), [(408, StoreTimeout), (500, ServerError), (599, ServerError)])
def test_other_failures(serving, talk, status, kind):
    server = serving(says(status, {"message": "a\n\x1b[31mb" + "c" * 1000}))
    message = failed(talk(server.url, READ), kind, sent=True, status=status)
    assert "a [31mbc" in message
    assert len(message) < 500
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"{}", b"", b"null"])
def test_a_500_without_a_word(serving, talk, body):
    message = failed(talk(serving(says(500, body=body)).url, READ), ServerError, sent=True, status=500)
    assert "answered 500 without a word" in message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(serving, talk, status):
    elsewhere = serving(says())
    location = elsewhere.url.replace("127.0.0.1", "localhost") + f"/api/v1/records?key={SECRET}"
    server = serving(says(status, body=b"", location=location))
    message = failed(talk(server.url, READ), ServerError, sent=True, status=status)
    assert "http://localhost" in message
    assert "key=" not in message
    assert elsewhere.connections == 0
    assert len(server.seen) == 1


@pytest.mark.parametrize("headers", [{}, {"location": "/other"}, {"location": "http://[x"}])
def test_redirects_to_nowhere(serving, talk, headers):
    failed(talk(serving(says(302, **headers)).url, READ), ServerError, sent=True, status=302)


@pytest.mark.parametrize("status", [200, 201, 404])
@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><title>Welcome</title>" + b"x" * 5000, b'{"data": [', b"\xff\xfe", b"NaN"]
)
def test_a_body_that_is_no_json(serving, talk, status, body):
    message = failed(talk(serving(says(status, body=body)).url, CREATE), ServerError, sent=status < 400)
    assert f"answered {status}, and the body is no JSON" in message
    assert len(message) < 350


def test_a_server_that_repeats_the_token_is_not_quoted(serving, talk):
    echo = f"bad header: Bearer {SECRET}"
    for step in (says(500, {"message": echo}), says(403, body=echo.encode())):
        (error,) = talk(serving(step).url, READ)
        assert "bad header: Bearer ***" in str(error)
        assert SECRET not in f"{error!r} {error.__dict__}"
    (answer,) = talk(serving(says(400, {"message": echo})).url, READ)
    assert answer.remark == "bad header: Bearer ***"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_body_that_is_too_large(serving, talk, monkeypatch, packed):
    monkeypatch.setattr(answers, "LARGEST_ANSWER", 1 << 20)
    large = b'"' + b" " * (1 << 20) + b'"'
    step = says(body=gzip.compress(large), content_encoding="gzip") if packed else says(body=large)
    message = failed(talk(serving(step).url, READ), ServerError, sent=True)
    assert "larger than 1 MiB" in message


def test_a_small_body_that_unpacks_to_a_huge_one_is_not_unpacked(serving, talk, monkeypatch):
    monkeypatch.setattr(answers, "LARGEST_ANSWER", 1 << 20)
    made = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, bits):
            self.real = real(bits)

        def __getattr__(self, name):
            return getattr(self.real, name)

        def decompress(self, data, most):
            made.append(self.real.decompress(data, most))
            return made[-1]

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    bomb = gzip.compress(b" " * 50_000_000)
    failed(talk(serving(says(body=bomb, content_encoding="gzip")).url, READ), ServerError, sent=True)
    assert sum(map(len, made)) <= (1 << 20) + 1


def test_packed_bodies(serving, talk):
    document = {"data": ["x" * 100_000], "total": 1}
    packed = gzip.compress(json.dumps(document).encode())
    half = b"HTTP/1.1 200 OK\r\ncontent-encoding: GZIP\r\ncontent-length: 5\r\n\r\n" + packed[:5]
    server = serving(
        says(body=packed, content_encoding="gzip"),
        says(204, body=b"", content_encoding="gzip"),
        sends(half),
        says(body=b"not packed at all", content_encoding="gzip"),
        says(body=b"xx", content_encoding="br"),
    )
    whole, empty, *broken = talk(server.url, READ, READ, READ, READ, READ)
    assert whole.document == document
    assert empty.document is None
    assert "badly packed" in failed(broken[:1], ServerError, sent=True)
    assert "badly packed" in failed(broken[1:2], ServerError, sent=True)
    assert "not asked for" in failed(broken[2:], ServerError, sent=True)


def test_bodies_in_chunks_and_until_the_end(serving, talk):
    head = b"HTTP/1.1 200 OK\r\n"
    server = serving(
        sends(head + b'transfer-encoding: chunked\r\n\r\n5\r\n{"dat\r\n7\r\na": []}\r\n0\r\n\r\n'),
        sends(head + b'\r\n{"data": []}', then_cut=True),
    )
    for answer in talk(server.url, READ, READ):
        assert answer.data == []


# Secrets


def test_nothing_shows_the_token(serving, talk, caplog):
    caplog.set_level(logging.DEBUG)
    server = serving(says(502), says(200))
    talk(server.url, READ)
    assert server.seen[0].headers["authorization"].endswith(SECRET)
    for record in caplog.records:
        assert SECRET not in f"{record.getMessage()} {record.__dict__}"
    token = Token(SECRET)
    for shown in (token, Transport(Address.parse(server.url), token), CREATE, Answer(200, {"x": SECRET})):
        assert SECRET not in f"{shown!r} {shown}"
        assert "private" not in repr(shown)


# Exchanges


def test_an_exchange_is_carried_out(serving):
    def exchange():
        with pytest.raises(ServerError, match="500"):
            yield CREATE
        first = yield READ
        second = yield READ
        return [first.data, second.data]

    def refused():
        yield CREATE

    steps = says(500), says(200, {"data": 1}), says(200, {"data": 2}), says(500)
    address = Address.parse(serving(*steps).url)
    transport = Transport(address, Token(SECRET))
    assert run_exchange(transport, exchange(), Deadline(20)) == [1, 2]
    with pytest.raises(ServerError, match="save of Article"):
        run_exchange(transport, refused(), Deadline(20))
    transport.close()

    async def main():
        transport = AsyncTransport(Address.parse(serving(*steps).url), Token(SECRET))
        assert await arun_exchange(transport, exchange(), Deadline(20)) == [1, 2]
        with pytest.raises(ServerError, match="save of Article"):
            await arun_exchange(transport, refused(), Deadline(20))
        await transport.aclose()
        with pytest.raises(StoreClosed):
            await arun_exchange(transport, refused(), Deadline(20))

    asyncio.run(main())


def test_an_exchange_that_is_left_is_closed(serving):
    ended = []

    def exchange():
        try:
            yield CREATE
        finally:
            ended.append(True)

    address = Address.parse(serving(silent).url)

    async def main():
        transport = AsyncTransport(address, Token(SECRET))
        task = asyncio.create_task(arun_exchange(transport, exchange(), Deadline(20)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
        await transport.aclose()

    asyncio.run(main())

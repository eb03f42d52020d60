"""Whose connections they are: threads, event loops, forks, closing; and proxies and certificates."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import ssl
import subprocess
import threading
import time
from importlib.util import find_spec

import pytest

from rushmodel.backends.rest.calls import Call, Deadline
from rushmodel.backends.rest.location import Address, Token
from rushmodel.backends.rest.transport import AsyncTransport, Transport
from rushmodel.errors import ConfigurationError, ServerUnreachable, StoreClosed
from rushmodel.wire import routes

from .scripted import Scripted, says

READ = Call(routes.FIND_RECORDS, body=b"{}", repeatable=True, what="find of Article")
TOKEN = Token("tok-5ecret")


@pytest.fixture
def server():
    """A server that is well."""
    server = Scripted(says())
    yield server
    server.close()


@pytest.fixture
def transport(server):
    transport = Transport(Address.parse(server.url), TOKEN)
    yield transport
    transport.close()


@pytest.fixture
def no_proxies(monkeypatch):
    """The environment names no proxies, until a test says otherwise."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def slowly(connection):
    time.sleep(0.3)
    return says()(connection)


def test_threads_share_a_transport(server, transport):
    statuses: list[int] = []

    def work():
        statuses.extend(transport.send(READ, Deadline(20)).status for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 400
    assert len(server.seen) == 400
    assert server.connections <= 16


def test_tasks_share_a_transport(server):
    async def main():
        transport = AsyncTransport(Address.parse(server.url), TOKEN)
        sent = [transport.send(READ, Deadline(20)) for _ in range(100)]
        assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
        await transport.aclose()

    asyncio.run(main())
    assert len(server.seen) == 100
    assert server.connections <= 32


def test_event_loops_come_and_go(server):
    transport = AsyncTransport(Address.parse(server.url), TOKEN)

    async def main():
        for _ in range(3):
            await transport.send(READ, Deadline(20))

    for _ in range(3):
        asyncio.run(main())
        gc.collect()  # connections left open would warn
    assert server.connections == 3
    elsewhere = threading.Thread(target=asyncio.run, args=(main(),))
    elsewhere.start()
    asyncio.run(main())
    elsewhere.join()
    assert server.connections == 5
    assert not transport._open  # pools go with their loops
    transport.close()
    with pytest.raises(StoreClosed):
        asyncio.run(main())


def test_a_transport_that_nobody_closes_leaves_nothing_open(server):
    async def main():
        await AsyncTransport(Address.parse(server.url), TOKEN).send(READ, Deadline(20))

    asyncio.run(main())
    gc.collect()


def test_close_from_another_thread_while_the_loop_goes_on(server):
    server.steps = [slowly]

    async def main():
        transport = AsyncTransport(Address.parse(server.url), TOKEN)
        begun = asyncio.create_task(transport.send(READ, Deadline(20)))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(transport.close)
        with pytest.raises(StoreClosed):
            await transport.send(READ, Deadline(20))
        assert (await begun).status == 200
        await asyncio.sleep(0.05)
        transport.close()

    asyncio.run(main())


def test_close_lets_go_of_loops_that_have_ended(server):
    transport = AsyncTransport(Address.parse(server.url), TOKEN)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(transport.send(READ, Deadline(20)))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    transport.close()
    assert not transport._open


def test_close_waits_for_what_was_begun(server):
    server.steps = [slowly]
    transport = Transport(Address.parse(server.url), TOKEN)
    answers = []
    begun = threading.Thread(target=lambda: answers.append(transport.send(READ, Deadline(20))))
    begun.start()
    time.sleep(0.1)
    transport.close()
    begun.join()
    assert answers[0].status == 200
    transport.close()
    with pytest.raises(StoreClosed, match="was closed"):
        transport.send(READ, Deadline(20))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_has_connections_of_its_own(server, transport):
    transport.send(READ, Deadline(20))
    child = os.fork()
    if child == 0:
        try:
            for _ in range(3):
                assert transport.send(READ, Deadline(10)).status == 200
            transport.close()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    transport.send(READ, Deadline(20))
    assert (server.connections, len(server.seen)) == (2, 5)


def test_a_far_server_is_reached_through_the_environments_proxy(server, no_proxies):
    no_proxies.setenv("http_proxy", f"http://us%65r:pw@127.0.0.1:{server.port}")
    address = Address.parse("http://rushdb.test")
    transport = Transport(address, TOKEN)
    assert transport.send(READ, Deadline(10)).status == 200
    transport.close()

    async def main():
        transport = AsyncTransport(address, TOKEN)
        assert (await transport.send(READ, Deadline(10))).status == 200
        await transport.aclose()

    asyncio.run(main())
    assert [each.target for each in server.seen] == ["http://rushdb.test/api/v1/records/search"] * 2
    assert {each.headers["proxy-authorization"] for each in server.seen} == {"Basic dXNlcjpwdw=="}
    assert {each.headers["accept-encoding"] for each in server.seen} == {"gzip"}


def test_a_near_server_is_reached_without_a_proxy(server, transport, no_proxies):
    no_proxies.setenv("http_proxy", "http://127.0.0.1:1")
    no_proxies.setenv("all_proxy", "http://127.0.0.1:1")
    near = Transport(Address.parse(server.url), TOKEN)
    assert near.send(READ, Deadline(10)).status == 200
    near.close()


def test_hosts_can_be_left_out_of_proxies(no_proxies):
    no_proxies.setenv("http_proxy", "ftp://nonsense")
    no_proxies.setenv("no_proxy", "rushdb.test")
    Transport(Address.parse("http://rushdb.test"), TOKEN).close()
    no_proxies.delenv("no_proxy")
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        Transport(Address.parse("http://rushdb.test"), TOKEN)
    assert "nonsense" not in str(caught.value)


@pytest.mark.skipif(find_spec("socksio") is not None, reason="socksio is there")
def test_a_proxy_that_needs_another_package(no_proxies):
    no_proxies.setenv("all_proxy", "socks5h://localhost")
    with pytest.raises(ConfigurationError, match="socksio"):
        Transport(Address.parse("http://rushdb.test"), TOKEN)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, to make a certificate")
def test_certificates_are_checked(tmp_path, no_proxies):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Scripted(says(), context=context)
    address = Address.parse(f"https://localhost:{server.port}")

    def sync():
        transport = Transport(address, TOKEN)
        try:
            return [transport.send(READ, Deadline(10)).status for _ in range(2)]
        finally:
            transport.close()

    async def aio():
        transport = AsyncTransport(address, TOKEN)
        try:
            return [(await transport.send(READ, Deadline(10))).status for _ in range(2)]
        finally:
            await transport.aclose()

    for go in (sync, lambda: asyncio.run(aio())):
        no_proxies.delenv("SSL_CERT_FILE", raising=False)
        begun = time.monotonic()
        with pytest.raises(ServerUnreachable, match="certificate is not trusted") as caught:
            go()
        assert caught.value.sent is False
        assert time.monotonic() - begun < 1  # and no further tries
        no_proxies.setenv("SSL_CERT_FILE", str(certificate))
        assert go() == [200, 200]
    assert len(server.seen) == 4
    no_proxies.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        sync()
    server.close()

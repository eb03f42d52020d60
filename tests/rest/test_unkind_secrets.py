"""The token goes to one server, and to nobody else: no other port, no message, no log, no repr."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import numpy as np
import pytest
import stamina

from rushmodel import RushDB, RushModelError, ServerError, connect
from tests.unkind.process import Unkind, unkind
from tests.verbs.models import Article, Page, Plain, article, page

__all__ = ["unkind"]


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Elsewhere:
    """Another port, which takes whatever comes."""

    def __init__(self) -> None:
        self.heard = b""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.settimeout(0.5)
                with suppress(OSError):
                    self.heard += connection.recv(1 << 16)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(unkind, code):
    with closing(Elsewhere()) as elsewhere:
        to = f"http://127.0.0.1:{elsewhere.port}/api/v1/records/search"
        unkind.faults(rushdb=True, redirect={"to": to, "code": code})
        with closing(connect(unkind.url, token=unkind.token, default=True)):
            for verb in (Article.find().all, article().save, Plain(name="x").save):
                with pytest.raises(ServerError, match=rf"{code}.*http://127\.0\.0\.1") as info:
                    verb()
                assert "connect to that URL" in str(info.value)
                assert info.value.status == code
        assert (elsewhere.connections, elsewhere.heard) == (0, b"")
    assert len(unkind.requests) == 3


ECHOES: dict[str, dict[str, Any]] = {
    **{
        str(code): {"status": {"code": code, "echo": True}}
        for code in (400, 401, 403, 404, 409, 422, 429, 500, 503)
    },
    **{f"html {code}": {"html": {"code": code, "echo": True}} for code in (200, 404, 502)},
    "cut": {"cut": True},
    "middle": {"after": {"how": "middle"}},
    "silent": {"silent": True},
    "redirect": {"redirect": {"to": "http://127.0.0.1:9/elsewhere"}},
}


def told(error: BaseException | None) -> Iterator[str]:
    """Everything that an error says, and those it came from."""
    while error is not None:
        yield from (str(error), repr(error), repr(vars(error)), repr(error.args))
        yield "".join(traceback.format_exception(error))
        for each in getattr(error, "exceptions", ()):
            yield from told(each)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("echo", ECHOES)
def test_the_token_is_not_told(unkind, caplog, capfd, echo):
    caplog.set_level(logging.DEBUG)
    for name in ("httpcore", "httpx", "stamina", "asyncio", "rushmodel"):
        caplog.set_level(logging.DEBUG, logger=name)
    vector = [0.123456, 0.234567, 0.345678]
    said: list[str] = []
    database = connect(unkind.url, token=unkind.token, timeout=0.3, default=True)
    with closing(database):
        said += map(repr, (database, database.aio, database.client, database.client.aio, database._store))
        page(embedding=vector).save()
        unkind.faults(rushdb=True, **ECHOES[echo])
        verbs = (
            Page.find().all,
            page("new", embedding=vector).save,
            Plain(name="x").save,
            lambda: Page.search(vector, similarity="cosine"),
            lambda: Page.save_many([page(str(number), embedding=vector) for number in range(2)]),
            lambda: database.client.records.create("Plain", {"name": "x"}),
            database.plan,
        )
        for verb in verbs if echo != "silent" else verbs[:2]:
            with pytest.raises(RushModelError) as info:
                verb()
            said += told(info.value)

        async def use() -> None:
            with pytest.raises(RushModelError) as info:
                await Page.find().aall()
            said.extend(told(info.value))

        asyncio.run(use())
    said += [record.getMessage() + repr(record.args) + repr(vars(record)) for record in caplog.records]
    said += [caplog.text, *capfd.readouterr()]
    assert len(said) > 20
    for each in said:
        assert unkind.token not in each
        assert "0.234567" not in each  # nor a vector


def test_a_client_does_not_tell_either(unkind):
    client = RushDB(unkind.token, base_url=unkind.url)
    with closing(client):
        assert unkind.token not in repr(client) + str(vars(client.records))
        unkind.faults(status={"code": 422, "echo": True})
        with pytest.raises(RushModelError) as info:
            client.records.create("Article", {"a": 1}, vectors=[{"propertyName": "a", "vector": np.ones(3)}])
        assert all(unkind.token not in each for each in told(info.value))


def test_a_token_is_no_part_of_what_is_logged_of_a_request(unkind, caplog):
    """There is something in the log, so that the test above means something."""
    caplog.set_level(logging.DEBUG, logger="httpcore")
    with closing(connect(unkind.url, token=unkind.token, default=True)):
        Plain.find().count()
    assert "send_request_headers" in caplog.text
    assert unkind.token not in caplog.text


def test_the_log_of_the_unkind_server_has_no_token(unkind: Unkind) -> None:
    with unkind.client() as client:
        client.get("/settings")
    assert unkind.token not in repr(unkind.requests)

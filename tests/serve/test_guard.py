"""Who may speak to the application: Host, health, CORS, token; and what comes out where it fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from rushmodel import ConfigurationError
from rushmodel.serve.guard import Guard
from rushmodel.serve.refusals import Refusal

TOKEN = "correct-horse-battery-staple"
BEARER = {"authorization": f"Bearer {TOKEN}"}
ORIGIN = "http://localhost:3000"


async def echo(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body())})


async def fail(request: Request) -> Response:
    await request.body()
    raise RuntimeError("a bug")


async def refuse(request: Request) -> Response:
    raise Refusal(413, "too large")


async def leave(request: Request) -> Response:
    raise ClientDisconnect


APP = Router(
    routes=[
        Route("/echo", echo, methods=["GET", "POST"]),
        Route("/fail", fail, methods=["POST"]),
        Route("/refuse", refuse, methods=["POST"]),
        Route("/leave", leave, methods=["POST"]),
    ]
)


def ask(
    method: str,
    path: str,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    host: str = "127.0.0.1:4000",
    content: bytes | None = None,
    app: Any = APP,
    **settings: Any,
) -> httpx.Response:
    guard = Guard(app, **{"token": TOKEN, "hosts": (), **settings})

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            pairs = [*(headers.items() if isinstance(headers, dict) else headers or ()), ("host", host)]
            return await client.request(method, path, headers=pairs, content=content)

    return asyncio.run(send())


# -- the token


def test_the_token_opens():
    answer = ask("POST", "/echo", BEARER, content=b"12345")
    assert (answer.status_code, answer.json()) == (200, {"size": 5})


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR", "Bearer "])
def test_the_scheme_may_be_written_as_one_likes(scheme):
    assert ask("GET", "/echo", {"authorization": f"{scheme} {TOKEN}"}).status_code == 200


def test_without_a_token_401_says_what_is_asked_for():
    answer = ask("GET", "/echo")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["statusCode"] == 401
    assert answer.json()["error"] == "Unauthorized"


def test_the_header_of_the_javascript_sdk_opens_too():
    assert ask("GET", "/echo", {"token": TOKEN}).status_code == 200
    assert ask("GET", "/echo", {"token": TOKEN[:-1]}).status_code == 403
    assert ask("GET", "/echo", [("token", TOKEN), ("token", "other")]).status_code == 403
    # What Authorization says counts alone.
    assert ask("GET", "/echo", {"authorization": "Bearer other", "token": TOKEN}).status_code == 403
    assert ask("GET", "/echo", {**BEARER, "token": "other"}).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN.upper()}",
        "Bearer ümlaut",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo",
    ],
)
def test_another_token_is_403_as_recorded(given):
    guard = Guard(APP, token=TOKEN, hosts=None)
    status, body = asyncio.run(spoken(guard, [(b"authorization", given.encode("latin-1"))]))
    assert status == 403
    assert b'"message":"Forbidden resource"' in body
    assert TOKEN.encode() not in body


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40))
def test_no_other_token_opens(given):
    guard = Guard(APP, token=TOKEN, hosts=None)
    status, _ = asyncio.run(spoken(guard, [(b"authorization", b"Bearer " + given.encode("latin-1"))]))
    assert status == (200 if given.strip() == TOKEN else 403)


def test_two_tokens_are_none():
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
    assert ask("GET", "/echo", headers).status_code == 403
    assert ask("GET", "/echo", headers[::-1]).status_code == 403


def test_no_body_is_read_before_the_token_was():
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    status, _ = asyncio.run(spoken(Guard(APP, token=TOKEN), [], receive=receive))
    assert status == 401


@pytest.mark.parametrize("token", ["", " ", "a b", "ü", "a\n", "\x7f"])
def test_tokens_that_no_header_carries_are_refused(token):
    with pytest.raises(ConfigurationError) as caught:
        Guard(APP, token=token)
    assert not token.strip() or token not in str(caught.value)


def test_the_token_is_in_no_repr():
    guard = Guard(APP, token=TOKEN)
    assert TOKEN not in repr(guard)


def test_what_is_no_route_is_404_without_a_token():
    def known(method: str, path: str) -> bool:
        return (method, path) == ("GET", "/echo")

    assert ask("GET", "/nope", known=known).status_code == 404
    assert ask("PUT", "/echo", known=known).status_code == 405  # what this application answers
    assert ask("GET", "/echo", known=known).status_code == 401
    assert ask("GET", "/nope").status_code == 401  # where nothing is said about routes, all need one


# -- health


def test_health_is_open_and_says_nothing_else():
    answer = ask("GET", "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert set(answer.headers) == {"content-length", "content-type"}
    assert ask("HEAD", "/health").status_code == 200
    assert ask("POST", "/health").status_code == 401
    assert ask("GET", "/health/").status_code == 401


# -- the Host header


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:4000",
        "LocalHost:1",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:4000",
        "127.8.9.1",
    ],
)
def test_names_of_this_machine(host):
    assert ask("GET", "/echo", BEARER, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:4000@evil.example",
        "evil.example#localhost",
        "10.0.0.1",
        "[::2]",
        "::1",
        "0.0.0.0",
        "localhost:port",
        "localhost/",
        "user@localhost",
        "",
    ],
)
def test_other_names_are_refused_with_a_token_too(host):
    guard = Guard(APP, token=TOKEN, hosts=())
    for headers in ([], [(b"authorization", f"Bearer {TOKEN}".encode())]):
        for path in ("/echo", "/health"):
            status, body = asyncio.run(spoken(guard, [(b"host", host.encode()), *headers], path=path))
            assert status == 421
            assert b"--allow-host" in body


def test_a_request_without_a_host_is_refused():
    assert asyncio.run(spoken(Guard(APP, token=TOKEN, hosts=()), []))[0] == 421


def test_names_that_are_given():
    assert ask("GET", "/echo", BEARER, host="Rush.Example:80", hosts=["rush.example"]).status_code == 200
    assert ask("GET", "/echo", BEARER, host="rush.example:80", hosts=["RUSH.example"]).status_code == 200
    assert ask("GET", "/echo", BEARER, host="localhost", hosts=["rush.example"]).status_code == 200
    assert ask("GET", "/echo", BEARER, host="sub.rush.example", hosts=["rush.example"]).status_code == 421
    assert ask("GET", "/echo", BEARER, host="anything", hosts=None).status_code == 200


# -- CORS

PREFLIGHT = {
    "origin": ORIGIN,
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization,content-type",
}


def cors_of(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control")}


@pytest.mark.parametrize("headers", [{}, BEARER, PREFLIGHT, {**PREFLIGHT, **BEARER}])
def test_without_origins_there_is_no_cors(headers):
    answer = ask("OPTIONS", "/echo", headers)
    assert (answer.status_code, answer.text) == (400, "Invalid Preflight Request")
    assert cors_of(answer) == set()
    for method, path in (("GET", "/echo"), ("GET", "/health"), ("POST", "/refuse")):
        assert cors_of(ask(method, path, headers)) == set()


def test_a_preflight_needs_no_token():
    answer = ask("OPTIONS", "/echo", PREFLIGHT, cors=[ORIGIN])
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_a_preflight_repeats_only_names():
    odd = {**PREFLIGHT, "access-control-request-headers": "a; b=<c>"}
    assert "access-control-allow-headers" not in ask("OPTIONS", "/echo", odd, cors=[ORIGIN]).headers


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3001", "https://localhost:3000", "http://localhost:3000.evil.example", "null", ""],
)
def test_another_origin_gets_nothing(origin):
    answer = ask("OPTIONS", "/echo", {**PREFLIGHT, "origin": origin}, cors=[ORIGIN])
    assert (answer.status_code, cors_of(answer)) == (400, set())
    assert cors_of(ask("GET", "/echo", {**BEARER, "origin": origin}, cors=[ORIGIN])) == set()


def test_a_page_of_an_origin_reads_answers_and_refusals():
    for path, headers, status in (
        ("/echo", BEARER, 200),
        ("/echo", {}, 401),
        ("/refuse", BEARER, 413),
        ("/fail", BEARER, 500),
    ):
        answer = ask("POST", path, {**headers, "origin": ORIGIN}, cors=["http://a.example", ORIGIN])
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "retry-after" in answer.headers["access-control-expose-headers"]


def test_an_origin_does_not_stand_for_the_token_or_the_host():
    assert ask("GET", "/echo", {"origin": ORIGIN}, cors=[ORIGIN]).status_code == 401
    assert (
        ask("GET", "/echo", {**BEARER, "origin": ORIGIN}, host="evil.example", cors=[ORIGIN]).status_code
        == 421
    )


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "localhost:3000",
        "http://localhost:3000/",
        "http://a.example/b",
        "HTTP://A",
        "http://a b",
    ],
)
def test_origins_that_are_none_are_refused(origin):
    with pytest.raises(ConfigurationError, match="an origin is"):
        Guard(APP, token=TOKEN, cors=[origin])


# -- what comes out


def test_a_refusal_is_answered():
    answer = ask("POST", "/refuse", BEARER)
    assert answer.status_code == 413
    assert answer.json() == {
        "message": "too large",
        "error": Refusal(413, "").document["error"],
        "statusCode": 413,
    }


def test_a_bug_is_logged_without_what_was_sent_and_answered_without_detail(caplog):
    with caplog.at_level(logging.DEBUG):
        answer = ask("POST", "/fail?a=b", BEARER, content=b'{"secret": 1}')
    assert answer.status_code == 500
    assert answer.json() == {
        "message": "Internal server error",
        "error": "Internal Server Error",
        "statusCode": 500,
    }
    (record,) = (each for each in caplog.records if each.name == "rushmodel.serve")
    assert record.getMessage() == "POST /fail failed"
    assert "RuntimeError: a bug" in caplog.text
    assert TOKEN not in caplog.text
    assert "secret" not in caplog.text


def test_a_client_that_left_is_no_bug(caplog):
    sent = asyncio.run(
        messages(Guard(leaving, token=TOKEN), [(b"authorization", f"Bearer {TOKEN}".encode())])
    )
    assert sent == []
    assert caplog.records == []


def test_an_answer_that_has_begun_is_not_followed_by_another(caplog):
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a bug")

    sent = asyncio.run(messages(Guard(half, token=TOKEN), [(b"authorization", f"Bearer {TOKEN}".encode())]))
    assert [each["type"] for each in sent] == ["http.response.start"]
    assert "a bug" in caplog.text


def test_websockets_are_refused():
    guard = Guard(APP, token=TOKEN)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(guard({"type": "websocket", "path": "/echo", "headers": []}, receive, send))
    assert [each["type"] for each in sent] == ["websocket.close"]


async def leaving(scope: Any, receive: Any, send: Any) -> None:
    raise ClientDisconnect


async def empty() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def messages(
    guard: Guard, headers: list[tuple[bytes, bytes]], *, path: str = "/echo", receive: Any = empty
) -> list[dict[str, Any]]:
    """What an application is sent that no client of HTTP would let through: headers as bytes."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }
    await guard(scope, receive, send)
    return sent


async def spoken(
    guard: Guard, headers: list[tuple[bytes, bytes]], *, path: str = "/echo", receive: Any = empty
) -> tuple[int, bytes]:
    start, *bodies = await messages(guard, headers, path=path, receive=receive)
    return start["status"], b"".join(each["body"] for each in bodies)

"""`Guard`: who may speak to the application at all."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
from collections.abc import Callable, Iterable, Sequence

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ConfigurationError
from .refusals import Refusal

HEALTH = "/health"

_logger = logging.getLogger("rushmodel.serve")


def every_route(method: str, path: str) -> bool:
    """Any method and path: a token is asked for everywhere."""
    return True


class Guard:
    """An ASGI application in front of another, which looks at headers only and never reads a body.

    In this order: the Host header, `HEALTH` (which is open), the preflights of CORS, the token.

    ``token``: what ``Authorization: Bearer`` must bring, or in its absence the header ``token``, in which
    RushDB's JavaScript SDK 1.8.0 sends it. A page in a browser can send neither without a preflight.
    ``hosts``: names that the Host header may have beside ``localhost`` and loopback addresses; None: any.
    A server on loopback needs it: a page in a browser could speak to it under the page's own name (DNS
    rebinding).
    ``cors``: origins whose pages may read answers, such as ``https://app.example.org``.
    ``known``: whether a method and a path are a route; what is none passes without a token, so that the
    application answers 404 as a RushDB server does.

    A `Refusal` that comes out of the application is answered. Whatever else comes out of it is logged,
    and answered by a 500 that says nothing.

    Raises:
        ConfigurationError: A token that no header can carry, or an origin that is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: Sequence[str] | None = None,
        cors: Sequence[str] = (),
        known: Callable[[str, str], bool] = every_route,
    ) -> None:
        self._app = app
        self._token = checked_token(token).encode()
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._origins = frozenset(_checked_origins(cors))
        self._known = known

    def __repr__(self) -> str:
        return f"Guard({self._app!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # To close before accepting is how a websocket is refused.
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        answer = _Answer(send, origin if origin in self._origins else None)
        try:
            response = self._answer(scope["method"], scope["path"], headers, answer.origin)
            await (response or self._app)(scope, receive, answer)
        except Refusal as refusal:
            await _refused(refusal)(scope, receive, answer)
        except ClientDisconnect:
            return  # nobody is left to be answered
        except Exception:
            # Neither headers nor the body: the one holds the token, the other what people store.
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            if not answer.begun:
                await _refused(Refusal(500, "Internal server error"))(scope, receive, answer)

    def _answer(self, method: str, path: str, headers: Headers, origin: str | None) -> Response | None:
        """The answer that needs no application; None: the application may speak."""
        self._check_host(headers)
        if path == HEALTH and method in ("GET", "HEAD"):
            return Response(b'{"status":"ok"}', media_type="application/json")
        if method == "OPTIONS":
            return _preflight(headers) if origin else PlainTextResponse("Invalid Preflight Request", 400)
        if not self._known(method, path):
            return None
        return self._check_token(headers)

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        name = _name_of(headers.get("host", ""))
        if name not in self._hosts and not is_loopback_name(name):
            raise Refusal(
                421, "this server answers to names of its own machine only; --allow-host NAME permits another"
            )

    def _check_token(self, headers: Headers) -> Response | None:
        given = headers.getlist("authorization")
        if not given:
            given = [f"Bearer {bare}" for bare in headers.getlist("token")]
        if not given:
            response = _refused(Refusal(401, "send the token: Authorization: Bearer TOKEN"))
            response.headers["www-authenticate"] = "Bearer"
            return response
        scheme, _, token = given[0].partition(" ")
        # Headers are latin-1; both sides as bytes, since compare_digest takes only ASCII in a str.
        same = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        if len(given) > 1 or scheme.lower() != "bearer" or not same:
            raise Refusal(403, "Forbidden resource")
        return None


def checked_token(token: str) -> str:
    """A token that a header can carry: printable ASCII without spaces.

    Raises:
        ConfigurationError: It is not; the message does not show it.
    """
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigurationError(
            "a token has printable ASCII characters only, without spaces, and is not empty"
        )
    return token


def is_loopback_name(name: str) -> bool:
    """Whether that is this machine by a name nobody else can give it: ``localhost`` or a loopback address."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Answer:
    """Sends what the application answers, with the headers that let an allowed origin read it."""

    def __init__(self, send: Send, origin: str | None) -> None:
        self._send = send
        self.origin = origin
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if self.origin is not None:
                headers = MutableHeaders(scope=message)
                headers["access-control-allow-origin"] = self.origin
                headers["access-control-expose-headers"] = "retry-after, x-rushmodel"
                headers.add_vary_header("Origin")
        await self._send(message)


def _refused(refusal: Refusal) -> Response:
    return Response(orjson.dumps(refusal.document), refusal.status, media_type="application/json")


def _preflight(headers: Headers) -> Response:
    if "access-control-request-method" not in headers:
        return PlainTextResponse("Invalid Preflight Request", 400)
    allowed = {
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-max-age": "600",
    }
    # The origin is trusted and the token is what counts: any header may come. Only its name is repeated here.
    asked = headers.get("access-control-request-headers", "")
    if re.fullmatch(r"[\w-]+(?:\s*,\s*[\w-]+)*", asked, re.ASCII):
        allowed["access-control-allow-headers"] = asked
    return Response(status_code=204, headers=allowed)


def _name_of(host: str) -> str:
    """The name in a Host header, without port, and an IPv6 address without brackets."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:@/\s]+))(?::\d*)?", host)
    return (found[1] or found[2]).lower() if found else ""


def _checked_origins(origins: Iterable[str]) -> Iterable[str]:
    for origin in origins:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d+)?", origin):
            raise ConfigurationError(
                f"an origin is scheme, name and port as browsers send them, all lower case, such as "
                f"'https://app.example.org' or 'http://localhost:3000'; got {origin!r}"
            )
        yield origin

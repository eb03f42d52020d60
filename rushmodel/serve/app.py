"""`create_app`: RushDB's REST over an embedded store, as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Router
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..backends.embedded import AsyncEmbedded, EmbeddedBackend
from ..errors import RushModelError
from ..wire import routes
from ..wire.routes import EXTENSIONS, PREFIX, Route
from . import imports, policies, records, searching, settings, vectors
from .answers import failed, failure
from .front import Front, Handler, extended
from .guard import Guard
from .limits import Limits
from .refusals import Refusal

_HANDLERS: dict[Route, Handler] = {
    routes.LIST_POLICIES: policies.list_policies,
    routes.CREATE_POLICY: policies.create_policy,
    routes.DELETE_POLICY: policies.delete_policy,
    routes.POLICY_STATS: policies.policy_stats,
    routes.UPSERT_VECTORS: policies.upsert_vectors,
    routes.SEARCH_VECTORS: searching.search_vectors,
    routes.CREATE_RECORD: records.create_record,
    routes.GET_RECORD: records.get_record,
    routes.PATCH_RECORD: records.patch_record,
    routes.PUT_RECORD: records.put_record,
    routes.DELETE_RECORD: records.delete_record,
    routes.FIND_RECORDS: records.find_records,
    routes.DELETE_RECORDS: records.delete_records,
    routes.IMPORT_JSON: imports.import_json,
    routes.GET_VECTORS: vectors.get_vectors,
    routes.SETTINGS: settings.sdk_settings,
    routes.DASHBOARD_SETTINGS: settings.dashboard_settings,
}

_LIMITS = Limits()


def create_app(
    backend: EmbeddedBackend,
    *,
    token: str,
    limits: Limits = _LIMITS,
    cors: Sequence[str] = (),
    hosts: Sequence[str] | None = None,
) -> ASGIApp:
    """The application. Whoever opened ``backend`` closes it, once the last request was answered.

    Args:
        backend: Open it with ``time_limit=limits.seconds``.
        token: What a client must send as ``Authorization: Bearer``.
        cors, hosts: See `Guard`.

    Raises:
        ConfigurationError: A token that no header can carry, or an origin that is none.
    """
    front = Front(AsyncEmbedded(backend), limits)
    mounted = [_Endpoint(route, handler, front) for route, handler in _HANDLERS.items()]
    router = Router(mounted, redirect_slashes=False, default=_not_there)

    def known(method: str, path: str) -> bool:
        scope = {"type": "http", "method": method, "path": path}
        return any(each.matches(scope)[0] is Match.FULL for each in mounted)

    return Guard(router, token=token, hosts=hosts, cors=cors, known=known)


class _Endpoint(StarletteRoute):
    """A route of the table. Another method at its path is no route at all, as on a RushDB server."""

    def __init__(self, route: Route, handler: Handler, front: Front) -> None:
        super().__init__(PREFIX + route.path, _answering(handler, front), methods=[route.method])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (match, child) if match is Match.FULL else (Match.NONE, {})


def _answering(handler: Handler, front: Front) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(front, request)
        except Refusal as refusal:
            response = failure(refusal.status, refusal.message)
        except RushModelError as error:
            response = failed(error, coded=extended(request))
        response.headers[EXTENSIONS] = __version__
        return response

    return endpoint


async def _not_there(scope: Scope, receive: Receive, send: Send) -> None:
    response = failure(404, f"Cannot {scope['method']} {scope['path']}")
    await response(scope, receive, send)

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
from . import (
    catalog,
    exports,
    graphs,
    imports,
    policies,
    records,
    relationships,
    searching,
    settings,
    transactions,
    vectors,
)
from .answers import failed, failure
from .front import Front, Handler, extended, transaction_named
from .guard import Guard
from .limits import Limits
from .open_transactions import Transactions
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
    routes.IMPORT_CSV: imports.import_csv,
    routes.EXPORT_CSV: exports.export_csv,
    routes.GET_VECTORS: vectors.get_vectors,
    routes.FIND_NEAR_RECORD: records.find_records,
    routes.FIND_RELATIONSHIPS: relationships.find_relationships,
    routes.CREATE_RELATIONSHIPS: relationships.create_relationships,
    routes.DELETE_RELATIONSHIPS: relationships.delete_relationships,
    routes.ATTACH: relationships.attach,  # after those that its path would take for an id
    routes.DETACH: relationships.detach,
    routes.SAVE_GRAPH: graphs.save_graph,
    routes.FIND_RELATED: graphs.find_related,
    routes.BEGIN: transactions.begin,
    routes.GET_TRANSACTION: transactions.get,
    routes.COMMIT: transactions.commit,
    routes.ROLLBACK: transactions.rollback,
    routes.SETTINGS: settings.sdk_settings,
    routes.DASHBOARD_SETTINGS: settings.dashboard_settings,
    routes.COUNT_LABELS: catalog.count_labels,
    routes.FIND_PROPERTIES: catalog.find_properties,
    routes.GET_PROPERTY: catalog.get_property,
    routes.LIST_VALUES: catalog.list_values,
    routes.DELETE_PROPERTY: catalog.delete_property,
    routes.GET_SCHEMA: catalog.get_schema,
    routes.GET_SCHEMA_MARKDOWN: catalog.get_schema_markdown,
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
    store = AsyncEmbedded(backend)
    front = Front(store, limits, Transactions(store, limits))
    mounted = [_Endpoint(route, handler, front) for route, handler in _HANDLERS.items()]
    router = Router(mounted, redirect_slashes=False, default=_not_there)
    # Of paths without an id there are few, and the busiest are among them: no pattern is tried for these.
    plain = {
        (route.method, PREFIX + route.path): _answering(handler, front)
        for route, handler in _HANDLERS.items()
        if "{" not in route.path
    }

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = plain.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await router(scope, receive, send)
        else:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

    def known(method: str, path: str) -> bool:
        if (method, path) in plain:
            return True
        scope = {"type": "http", "method": method, "path": path}
        return any(each.matches(scope)[0] is Match.FULL for each in mounted)

    return Guard(routed, token=token, hosts=hosts, cors=cors, known=known)


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
            response = await _answered(handler, front, request)
        except Refusal as refusal:
            response = failure(refusal.status, refusal.message)
        except RushModelError as error:
            response = failed(error, coded=extended(request))
        response.headers[EXTENSIONS] = __version__
        return response

    return endpoint


async def _answered(handler: Handler, front: Front, request: Request) -> Response:
    """By the handler, in the transaction that the request names: an error ends it (R22)."""
    named = transaction_named(request)
    if named is None or handler in _ABOUT_TRANSACTIONS:
        return await handler(front, request)
    async with front.transactions.use(named) as store:
        response = await handler(front.replaced(store=store), request)
        if response.status_code >= 400:
            await front.transactions.rollback(named)
        return response


_ABOUT_TRANSACTIONS = {transactions.begin, transactions.get, transactions.commit, transactions.rollback}


async def _not_there(scope: Scope, receive: Receive, send: Send) -> None:
    response = failure(404, f"Cannot {scope['method']} {scope['path']}")
    await response(scope, receive, send)

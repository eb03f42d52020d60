"""What clients ask for to see whether a server is there (trace 18)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .answers import answer
from .front import Front


async def sdk_settings(front: Front, request: Request) -> Response:
    return answer({**_SETTINGS, "customDb": False})


async def dashboard_settings(front: Front, request: Request) -> Response:
    return answer(_SETTINGS)


_SETTINGS = {
    "selfHosted": True,
    "dashboardUrl": "",
    "googleOAuthEnabled": False,
    "githubOAuthEnabled": False,
    "embeddingEnabled": False,
    "llmEnabled": False,
    "synxEnabled": False,
}

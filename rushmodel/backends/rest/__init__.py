"""A RushDB server, over HTTP."""

from __future__ import annotations

from .backend import AsyncRest, RestBackend
from .location import Address, Token, token_for

__all__ = ["Address", "AsyncRest", "RestBackend", "Token", "token_for"]

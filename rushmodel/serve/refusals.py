"""`Refusal`: a request that is answered without asking the store."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class Refusal(Exception):
    """What the client did wrong, or may not do, found before any operation ran.

    ``status``: the HTTP status of the answer. ``message``: one text, or one for each thing that is wrong.
    """

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def document(self) -> dict[str, Any]:
        """The body of the answer, in the shape of a RushDB server (rule R23)."""
        return {
            "message": self.message,
            "error": HTTPStatus(self.status).phrase,
            "statusCode": self.status,
        }

"""Endpoints of saves with relationships and of related records, which extend RushDB's REST."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_graphs
from ..wire.graphs import related_document, written_document
from .answers import answer
from .front import Front


async def save_graph(front: Front, request: Request) -> Response:
    """Everything or nothing: what became of each write, or how many relationships were made."""
    written, linked = await front.run(raw_graphs.save_graph(await front.body(request)))
    return answer({"written": [written_document(each) for each in written], "linked": linked})


async def find_related(front: Front, request: Request) -> Response:
    """The records one relationship away, each once, and what leads there."""
    return answer(related_document(await front.run(raw_graphs.find_related(await front.body(request)))))

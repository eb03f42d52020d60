"""Nested rows: put together again as RushDB's imports take them, and imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ...port import DEFAULT_RELATIONSHIP, ImportRecords, ImportRow, StoredRecord
from ...wire.bodies import import_body, inline_vectors
from ...wire.documents import read_records
from ...wire.routes import IMPORT_JSON
from .calls import Exchange
from .server import Server

Tree: TypeAlias = "tuple[dict[str, Any], int]"
"""A row with its children under their labels, and how many records it makes."""

MOST_ROWS = 1000
"""Rows of an import that still answers with its records (R19)."""


def trees_of(rows: Sequence[ImportRow]) -> list[tuple[str, list[Tree]]]:
    """Rows put together again, by the label of their roots: each tree, and how many rows it has."""
    nodes: list[dict[str, Any]] = []
    sizes = [1] * len(rows)
    for row in rows:
        node: dict[str, Any] = dict(row.data)
        if row.vectors:
            node["$vectors"] = inline_vectors(row.vectors)
        nodes.append(node)
        if row.parent is not None:
            nodes[row.parent].setdefault(row.label, []).append(node)
    for place in range(len(rows) - 1, -1, -1):
        parent = rows[place].parent
        if parent is not None:
            sizes[parent] += sizes[place]
    roots: list[tuple[str, list[Tree]]] = []
    for row, node, size in zip(rows, nodes, sizes, strict=True):
        if row.parent is None:
            if not roots or roots[-1][0] != row.label:
                roots.append((row.label, []))
            roots[-1][1].append((node, size))
    return roots


def import_trees(
    server: Server, label: str, trees: Sequence[Tree], command: ImportRecords
) -> Exchange[list[StoredRecord]]:
    """Import trees, as many in a request as have at most `MOST_ROWS` records together."""
    relationship = None if command.relationship == DEFAULT_RELATIONSHIP else command.relationship
    made: list[StoredRecord] = []
    waiting, count = list[dict[str, Any]](), 0
    for at, (tree, size) in enumerate(trees):
        waiting.append(tree)
        count += size
        if at + 1 < len(trees) and count + trees[at + 1][1] <= MOST_ROWS:
            continue
        answer = yield from server.ask(
            IMPORT_JSON,
            what=f"importing {count} records",
            body=import_body(
                label,
                waiting,
                merge_by=command.merge_by,
                rewrite=command.rewrite,
                relationship=relationship,
                types=not any(row.texts for row in command.rows),
            ),
        )
        made += read_records(answer.data)
        waiting, count = [], 0
    return made

"""qdrant-edge with the graph that `optimize` makes, all as it comes."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from ..engine import Work
from . import qdrant_edge_shard


class Store(qdrant_edge_shard.Store):
    works: frozenset[Work] = frozenset({"graph"})

    def __init__(self) -> None:
        super().__init__()
        self._params = edge.SearchParams()

    def optimizers(self) -> Any:
        return None

    def settle(self) -> None:
        self._shard.flush()
        self._shard.optimize()

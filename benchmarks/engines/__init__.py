"""The engines, each a module of its own with a class `Store`, which is loaded in a process of its own."""

from __future__ import annotations

import importlib
from typing import Final

from ..engine import Engine

OURS: Final = "rushmodel"
OURS_GRAPH: Final = "rushmodel graph"

MODULES: Final = {
    OURS: "rushmodel_file",
    "qdrant-edge": "qdrant_edge_shard",
    "zvec": "zvec_flat",
    "sqlite-vec": "sqlite_vec_table",
    "LanceDB": "lance_table",
    "Chroma": "chroma_collection",
    "qdrant local": "qdrant_local",
    "faiss flat": "faiss_flat",
    "numpy": "numpy_matrix",
    "float32 read": "numpy_read",
    "raw SQLite": "raw_sqlite",
    OURS_GRAPH: "rushmodel_graph",
    "qdrant-edge graph": "qdrant_edge_graph",
}


def load(name: str) -> Engine:
    """The engine of that name, imported and not yet open; `ImportError` where it is not installed."""
    module = importlib.import_module(f"{__name__}.{MODULES[name]}")
    engine: Engine = module.Store()
    return engine

"""`Limits`: how much one request may bring, ask for and take."""

from __future__ import annotations

from ..value import Value


class Limits(Value):
    """What `serve` takes from a client; the defaults leave room for the largest batch a client sends."""

    body_bytes: int = 64 * 2**20
    """Bytes of a body: some 4,500 vectors of 768 numbers in full length."""
    body_seconds: float = 60.0
    """Until a body has arrived, from its first byte to its last."""
    depth: int = 256
    """Objects and lists inside one another, the outermost included."""
    values: int = 30_000
    """Values of one ``$in`` or ``$nin``: as many as the store takes."""
    vectors: int = 10_000
    """Vectors in one request."""
    hits: int = 10_000
    """Results of one search."""
    seconds: float = 30.0
    """Until the store gives a command up."""
    transactions: int = 256
    """Open transactions."""
    transaction_seconds: float = 60.0
    """That a transaction may take, whatever its client asks for."""
    transaction_default: float = 55.0
    """That it may take where its client does not say (R22)."""

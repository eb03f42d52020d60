"""Searches that may use a graph: `BuildIndex`, `GetIndexStats`, `DropIndex`, and rows near a vector."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from ...errors import StoreError
from ...port import Float32, IndexStats
from .graphs import Graph, identity, read_graph, remove_graph
from .mirrors import Mirror, commit_token, last_seq
from .rowplaces import Rows
from .sidecar import Stamp

if TYPE_CHECKING:
    from .file import StoreFile
    from .policies import StoredPolicy
    from .session import Session


class Graphs:
    """The graphs of a store, read when they are first asked for, and again when another lies there."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file
        self._database = None if file.in_memory else file.path
        self._held: dict[int, tuple[object, Graph | None]] = {}
        self._refused: dict[int, float] = {}
        """When a graph that lies there was last not believed."""

    def get(self, session: Session, policy: StoredPolicy) -> Graph | None:
        """The graph of a policy, if there is one that can be believed."""
        held = self._held.get(policy.number)
        if self._database is None:
            return held[1] if held else None
        now = identity(self._database, policy.number)
        if held is None or held[0] != now or self._is_doubtful(policy.number):
            graph = None if now is None else read_graph(self._database, policy, session.connection)
            held = self._held[policy.number] = (now, graph)
            self._refused.pop(policy.number, None)
            if now is not None and graph is None:
                self._refused[policy.number] = time.monotonic()
        return held[1]

    def _is_doubtful(self, policy: int) -> bool:
        """Whether a graph that was not believed is to be looked at again.

        A snapshot of before it was noted does not know it: another process may just have built it.
        """
        refused = self._refused.get(policy)
        return refused is not None and time.monotonic() - refused > _AGAIN

    def keep(self, policy: StoredPolicy, graph: Graph) -> None:
        """Use a graph from now on, in every process; `StoreError` where it cannot be written."""
        if self._database is None:
            self._held[policy.number] = (None, graph)
            return
        stamp = Stamp(policy.id, secrets.token_bytes(16), graph.seq)
        try:
            if not commit_token(self._file, policy, stamp, graph=True):
                raise StoreError(
                    f"the index of {policy.signature} was built, and others kept the store, or dropped its "
                    "policy: build it again",
                    signature=policy.signature,
                )
            graph.write(self._database, stamp)
        except OSError as error:
            raise StoreError(
                f"the index of {policy.signature} cannot be written beside {self._database}: {error}",
                path=self._database,
            ) from error
        self._held[policy.number] = (identity(self._database, policy.number), graph)

    def drop(self, policy: int) -> None:
        """Forget and remove a graph."""
        self._held.pop(policy, None)
        if self._database is not None:
            remove_graph(self._database, policy)

    def nearest(
        self,
        session: Session,
        mirror: Mirror,
        vector: Float32,
        k: int,
        among: Rows | None,
        without: int | None,
    ) -> list[tuple[int, float]] | None:
        """As `VectorMatrix.nearest`, of the rows that a graph finds; None where an exact search is as good.

        That is so where there is no graph, where a condition leaves few rows, where much came after the
        graph, and where nearly all rows are wanted.
        """
        matrix = mirror.matrix
        kept = len(matrix) if among is None else len(among)
        if k * _OVER * _WORTH >= kept:
            return None
        graph = self.get(session, mirror.policy)
        if graph is None:
            return None
        later = graph.changed(session.connection, last_seq(session.connection))
        # Of what the graph proposes, a condition leaves its share.
        wanted = max(_LEAST, k * _OVER) * len(matrix) // kept
        if max(wanted, len(later)) * _WORTH >= kept:
            return None
        rows = np.setdiff1d(graph.near(vector, wanted), later)
        if among is not None:
            rows = np.intersect1d(rows, among)
            later = np.intersect1d(later, among)
        found = matrix.nearest(vector, k, among=rows, without=without, pause=session.pause)
        if len(found) < k:
            return None  # later rows must not fill the places of older ones that the graph did not propose
        if len(later):
            found += matrix.nearest(vector, k, among=later, without=without, pause=session.pause)
            found.sort(key=lambda hit: (-hit[1], hit[0]))
        return found[:k]


def stats_of(session: Session, graph: Graph) -> IndexStats:
    """How much a graph holds, as the session's snapshot shows it."""
    return graph.stats(session.connection, last_seq(session.connection))


_OVER: Final = 6
"""Rows that are scored exactly for each that is wanted. Ten in place of six find no more of the nearest
ten of 100,000 clustered vectors of 768 numbers."""

_LEAST: Final = 64

_AGAIN: Final = 0.5
"""Seconds; to read a damaged one again and again would cost every search."""

_WORTH: Final = 20
"""An exact scan reads a row in about a twentieth of the time that a step in the graph takes."""

"""`Searched`: the verbs of a model that are about its vectors, in both colours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from typing_extensions import Self

from . import verbs
from .current import current_database
from .expressions import Column, Condition, VectorColumn
from .instance import Instance
from .mending import amend, mend, mending_of
from .metaclass import schema_of
from .operations import embedding, searching, staleness
from .operations.fusing import Fusion
from .port import Similarity
from .progress import Progress, telling
from .query import Query
from .results import Hits
from .vectors import VectorLike
from .verbs import With

On: TypeAlias = "VectorColumn[Any] | Column[Any, Any] | str"
M = TypeVar("M")
Rerank: TypeAlias = Callable[[str | None, Hits[M]], Sequence[float] | Awaitable[Sequence[float]]]
"""Scores hits: one for each, the best the highest."""


class Searched(Instance, abstract=True, defer_build=True):
    """The part of `Model` that searches, and sees to it that there is something to search."""

    @classmethod
    def search(
        cls,
        query: VectorLike | Self | str | None = None,
        *,
        text: str | None = None,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        fusion: Fusion = "rrf",
        weight: float = 0.5,
        rerank: Rerank[Self] | None = None,
        with_: With[Self] = (),
        with_vectors: bool = False,
    ) -> Hits[Self]:
        """The records nearest to a vector, or that have some words, or both, best first.

        Args:
            query: A vector, or a text for the field's embedder, or a record to find others like it (it is
                left out itself).
            text: Words to search for, any of them; in double quotes a phrase. On the embedded store.
            on: The vector field, where the vector's length leaves several.
            similarity: "cosine" or "euclidean", where the field has both.
            where: Which records are looked at; decided before the nearest are.
            limit: At most so many hits, and as many if that many match.
            offset: Leave the first so many out.
            min_score: Leave hits below this score out.
            exact: False permits an approximate index; None: as `connect()` was told.
            fusion: How the rankings by query and by text become one: "rrf", by ranks, or "dbsf", by scores.
            weight: The share of the vectors in it, from 0 to 1.
            rerank: Is given the text (or None) and the best hits, and returns a score for each; sync or
                async.
            with_: Relations to read along, as in ``with_=[Article.author]``.
            with_vectors: Read the vectors of the hits along.

        Raises:
            VectorError: A vector that no field could hold.
            AmbiguousSearch: Several policies fit it.
            PolicyMissing: The store has no policy for it, and records of the label.
            CapabilityError: A text as query, and no field has an embedder; ``text``, on a server.
            EmbedderError: The embedder failed.
        """
        wanted = searching.Search(
            query,
            text,
            on,
            similarity,
            where,
            limit,
            offset,
            min_score,
            exact,
            with_vectors,
            fusion,
            weight,
            rerank,
        )
        return current_database().run(verbs.search(cls, wanted, with_))

    @classmethod
    async def asearch(
        cls,
        query: VectorLike | Self | str | None = None,
        *,
        text: str | None = None,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        fusion: Fusion = "rrf",
        weight: float = 0.5,
        rerank: Rerank[Self] | None = None,
        with_: With[Self] = (),
        with_vectors: bool = False,
    ) -> Hits[Self]:
        """As `search`."""
        wanted = searching.Search(
            query,
            text,
            on,
            similarity,
            where,
            limit,
            offset,
            min_score,
            exact,
            with_vectors,
            fusion,
            weight,
            rerank,
        )
        return await current_database().arun(verbs.search(cls, wanted, with_))

    @classmethod
    def search_many(
        cls,
        queries: Iterable[VectorLike | str],
        *,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        with_: With[Self] = (),
        with_vectors: bool = False,
    ) -> list[Hits[Self]]:
        """As `search`, for each of several vectors of one length, or texts: their hits, in that order.

        On the embedded store it is one pass over the vectors, and all see the same moment; a server is
        asked once for each.
        """
        wanted = searching.Search(
            (), None, on, similarity, where, limit, offset, min_score, exact, with_vectors
        )
        return current_database().run(verbs.search_many(cls, queries, wanted, with_))

    @classmethod
    async def asearch_many(
        cls,
        queries: Iterable[VectorLike | str],
        *,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        with_: With[Self] = (),
        with_vectors: bool = False,
    ) -> list[Hits[Self]]:
        """As `search_many`."""
        wanted = searching.Search(
            (), None, on, similarity, where, limit, offset, min_score, exact, with_vectors
        )
        return await current_database().arun(verbs.search_many(cls, queries, wanted, with_))

    # -- vectors that are not of their texts

    @classmethod
    def stale(cls, *, on: On | None = None) -> Query[Self]:
        """The records of which an embedder has to make a vector: it is of another text, embedder or version,
        or there is none; a `Query`, which reads nothing yet.

        On a RushDB server that is decided here, once all texts are read.

        Args:
            on: The vector field; None: all that have an embedder.

        Raises:
            QueryError: No field has an embedder.
        """
        schema = schema_of(cls)
        schema.concrete_label()
        return Query(cls, unmade=embedding.unmade(staleness.embedded_fields(schema, on)))

    @classmethod
    def reembed(cls, *, on: On | None = None, batch: int = 200, progress: Progress = None) -> int:
        """Make the vectors of all `stale` records anew; how many records that were.

        Others may read and write meanwhile. Where it is interrupted, it goes on from there when it is
        called again.

        Args:
            on: The vector field; None: all that have an embedder.
            batch: Records that are embedded and written at a time.
            progress: Called after every batch with the number of records done so far.

        Raises:
            EmbedderError: The embedder failed; what was made before is written.
            QueryError: No field has an embedder.
        """
        here, mending = mending_of(cls, on, batch)
        with telling(progress, f"embedding {cls.__name__}") as told:
            return mend(here, mending, told, "reembed")

    @classmethod
    async def areembed(cls, *, on: On | None = None, batch: int = 200, progress: Progress = None) -> int:
        """As `reembed`."""
        here, mending = mending_of(cls, on, batch)
        with telling(progress, f"embedding {cls.__name__}") as told:
            return await amend(here, mending, told, "reembed")

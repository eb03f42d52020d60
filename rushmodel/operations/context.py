"""What operations know of the database they run on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..embedding import Embedder, maker_of
from ..errors import ConfigurationError
from ..instance import Instance, state_of
from ..origins import origin_property
from ..port import Signature
from ..schema import ModelSchema, VectorProperty
from .journal import NO_TRANSACTION, Journal, Remembering


class Context:
    """Settings of one `Database`, and what it has seen.

    ``place`` tells stores apart: a URL, or for a store in memory a name of its own. ``scope`` are the
    models given to `connect()` (None: all concrete ones), ``embedder`` makes managed vectors. ``prepared``
    are those models whose policies and property indexes have been looked after here. ``switched`` are
    migrations that are known to be over, ``unswitched`` those that were not when it was ``asked``
    last (by the monotonic clock); ``former`` the policies of what fields were before, ``absent``
    those of them that are known to be gone. ``journal`` is that of a transaction.
    """

    def __init__(
        self,
        *,
        place: str = "",
        autosync: bool = True,
        exact: bool = True,
        scope: tuple[type[Any], ...] | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.place = place
        self.autosync = autosync
        self.exact = exact
        self.scope = scope
        self.embedder = embedder
        self._served: dict[type[Any], ModelSchema] = {}
        self.prepared: set[type[Any]] = set()
        self.switched: set[str] = set()
        self.unswitched: set[str] = set()
        self.asked = 0.0
        self.absent: set[Signature] = set()
        self.former: set[Signature] = set()
        self.journal: Journal | None = None

    def inside(self) -> Context:
        """The same for a transaction: what it prepares and changes can be undone."""
        made = Context(
            place=self.place,
            autosync=self.autosync,
            exact=self.exact,
            scope=self.scope,
            embedder=self.embedder,
        )
        made.prepared = set(self.prepared)
        made.switched, made.absent, made.former = set(self.switched), set(self.absent), set(self.former)
        made.unswitched, made.asked = set(self.unswitched), self.asked
        made.journal = Journal()
        return made

    def served(self, schema: ModelSchema) -> ModelSchema:
        """The schema, its managed vectors with the embedder of this database, if it has one.

        Raises:
            ConfigurationError: The embedder makes vectors of another length than a field declares.
        """
        if self.embedder is None or len(schema.external) == len(schema.vectors):
            return schema
        if schema.model not in self._served:
            vectors = tuple(self._with_embedder(schema, each) for each in schema.vectors)
            self._served[schema.model] = schema.replaced(vectors=vectors)
        return self._served[schema.model]

    def _with_embedder(self, schema: ModelSchema, spec: VectorProperty) -> VectorProperty:
        if not spec.managed:
            return spec
        assert self.embedder is not None
        assert spec.text_property is not None
        dims = getattr(self.embedder, "dims", None)
        if dims != spec.dims:
            raise ConfigurationError(
                f"{schema.name}.{spec.name} is managed and has dims={spec.dims}, and the embedder of "
                f"{self.place}, {self.embedder.name}, makes vectors of {dims} numbers"
            )
        origin = origin_property(
            spec.text_property, maker_of(self.embedder), spec.dims, ("managed", *spec.similarities)
        )
        return spec.replaced(embedder=self.embedder, origin=origin)

    def remembering(self, record: Instance) -> AbstractContextManager[None]:
        """``with context.remembering(record):`` goes around what changes an instance after an answer."""
        return NO_TRANSACTION if self.journal is None else Remembering(self.journal, record)

    def check_place(self, record: Instance) -> None:
        """Refuse a record of another store: its id means nothing here.

        Raises:
            ConfigurationError: It was read from, or saved to, another store.
        """
        place = state_of(record).place
        if place is not None and place != self.place:
            raise ConfigurationError(
                f"this {type(record).__name__} belongs to {place}, and the current database is {self.place}: "
                "select its own with `with db:`, or clone() it to save it here"
            )

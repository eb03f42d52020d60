"""What operations know of the database they run on."""

from __future__ import annotations

from typing import Any

from ..port import Capabilities


class Context:
    """Settings of one `Database`, and what it has seen.

    ``scope`` are the models given to `connect()` (None: all concrete ones). ``prepared`` are
    those whose policies and property indexes have been looked after here.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        *,
        autosync: bool = True,
        exact: bool = True,
        scope: tuple[type[Any], ...] | None = None,
    ) -> None:
        self.capabilities = capabilities
        self.autosync = autosync
        self.exact = exact
        self.scope = scope
        self.prepared: set[type[Any]] = set()

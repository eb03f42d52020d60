"""What operations know of the database they run on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..port import Capabilities


@dataclass
class Context:
    """Settings of one `Database`, and what it has seen.

    ``scope`` are the models given to `connect()` (None: all concrete ones). ``prepared`` are
    those whose policies and property indexes have been looked after here.
    """

    capabilities: Capabilities
    autosync: bool = True
    exact: bool = True
    scope: tuple[type[Any], ...] | None = None
    prepared: set[type[Any]] = field(default_factory=set[type[Any]])

"""``options`` of the methods that write records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import CapabilityError, QueryError
from .raw_documents import Document

RECORD_OPTIONS = ("suggestTypes", "returnResult", "skipEmptyValues", "mergeBy", "mergeStrategy")
ROWS_OPTIONS = (*RECORD_OPTIONS, "capitalizeLabels")
JSON_OPTIONS = (*ROWS_OPTIONS, "relationshipType")

DEFAULT_RELATIONSHIP = "__RUSHDB__RELATION__DEFAULT__"


class WriteOptions(NamedTuple):
    """How records are written.

    ``merge_by`` None creates; an empty tuple merges by all of a row's properties (R18).
    """

    merge_by: tuple[str, ...] | None = None
    rewrite: bool = False
    skip_empty: bool = False
    return_result: bool = True
    capitalize: bool = False
    relationship: str = DEFAULT_RELATIONSHIP

    def label(self, name: str) -> str:
        """The label that a record gets."""
        return name.upper() if self.capitalize else name


def read_options(given: object, what: str, keys: Sequence[str], *, merges: bool = False) -> WriteOptions:
    """The options of a method; ``merges`` is one that merges even without ``mergeBy``.

    ``mergeStrategy`` alone merges by all properties (trace 06).

    Raises:
        QueryError: An option that the method does not have, or a value that it cannot take.
        CapabilityError: ``suggestTypes: False``. Types are always told apart here (R14).
    """
    options = Document(f"{what} options", {} if given is None else given, keys, QueryError)
    if not options.flag("suggestTypes", True):
        raise CapabilityError(
            f"{what} options: suggestTypes: False would store every value as text; this store keeps types",
            key="suggestTypes",
        )
    merge_by: tuple[str, ...] | None = options.texts("mergeBy")
    strategy = options.choice("mergeStrategy", ("append", "rewrite"))
    if "mergeBy" not in options and strategy is None and not merges:
        merge_by = None
    return WriteOptions(
        merge_by,
        strategy == "rewrite",
        options.flag("skipEmptyValues", False),
        options.flag("returnResult", True),
        options.flag("capitalizeLabels", False),
        options.text("relationshipType") if "relationshipType" in options else DEFAULT_RELATIONSHIP,
    )

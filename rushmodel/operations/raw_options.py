"""``options`` of the methods that write records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import QueryError
from ..port import DEFAULT_RELATIONSHIP
from .raw_documents import Document

CHANGE_OPTIONS = ("suggestTypes", "returnResult", "skipEmptyValues")
RECORD_OPTIONS = (*CHANGE_OPTIONS, "mergeBy", "mergeStrategy")
ROWS_OPTIONS = (*RECORD_OPTIONS, "capitalizeLabels")
JSON_OPTIONS = (*ROWS_OPTIONS, "relationshipType", "convertNumericValuesToNumbers")
CSV_OPTIONS = ROWS_OPTIONS

UNIQUE_BY = "uniqueBy"


class Caller(NamedTuple):
    """Who asks: RushDB's Python client, or its REST, which takes some things otherwise.

    ``rest``: keys that no one reads are passed over, and a vector's entry that names no policy is
    answered as a policy that is missing (R5). ``extended``: it understands what RushDB has not: a
    vector of None takes the stored one away, and a text may be one (`rushmodel.wire.packing`);
    ``uniqueBy`` keeps values under some properties to one record.
    """

    rest: bool = False
    extended: bool = False


CLIENT = Caller()


class WriteOptions(NamedTuple):
    """How records are written.

    ``merge_by`` None creates; an empty tuple merges by all of a row's properties (R18).
    ``types`` False stores every value as text (R14). ``unique_by`` as in `Caller`.
    """

    merge_by: tuple[str, ...] | None = None
    rewrite: bool = False
    skip_empty: bool = False
    return_result: bool = True
    capitalize: bool = False
    relationship: str = DEFAULT_RELATIONSHIP
    types: bool = True
    unique_by: tuple[str, ...] = ()
    numbers: bool = False
    """Texts that are written as numbers become such."""

    def label(self, name: str) -> str:
        """The label that a record gets."""
        return name.upper() if self.capitalize else name


def read_options(
    given: object,
    what: str,
    keys: Sequence[str],
    *,
    merges: bool = False,
    types: bool = True,
    caller: Caller = CLIENT,
) -> WriteOptions:
    """The options of a method; ``merges`` is one that merges even without ``mergeBy``.

    ``mergeStrategy`` alone merges by all properties (trace 06). ``types``: what an absent
    ``suggestTypes`` means.

    Raises:
        QueryError: An option that the method does not have, or a value that it cannot take.
    """
    if caller.extended:
        keys = (*keys, UNIQUE_BY)
    options = Document(f"{what} options", {} if given is None else given, keys, QueryError)
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
        options.flag("suggestTypes", types),
        options.texts(UNIQUE_BY),
        options.flag("convertNumericValuesToNumbers", False),
    )

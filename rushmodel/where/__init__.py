"""`parse_where`: a condition that somebody typed, such as ``year > 2020 and not tags.contains("old")``.

Nothing of such a text is evaluated: Python parses it, and of what it may say only comparisons of fields
with values are known here. Everything else is refused, at its column.
"""

from __future__ import annotations

from typing import Any

from ..errors import QueryError
from ..expressions import Condition
from ..metaclass import schema_of
from .comparisons import read_comparisons
from .document import read_document
from .text import Text

LONGEST = 10_000
"""Characters of a condition."""


def parse_where(model: type[Any], text: str) -> Condition[Any]:
    """The condition on a model that a text means.

    It is a filter document of RushDB's (JSON: it begins with ``{``, and has stored names), or
    comparisons of the model's fields, joined by ``and``, ``or``, ``not`` and brackets::

        year > 2020 and (title.startswith("W") or not tags.contains("old"))
        1990 <= year < 2000 or year in (2010, 2020) or year is None
        published >= "2024-01-31" and author.has(name == "Ada")

    It means what the same expression means in Python, with ``&``, ``|`` and ``~``. Values that are no
    numbers, texts or booleans are written as text: dates, times, UUIDs, values of enums.

    Raises:
        QueryError: The text is no condition, or none on this model. ``column`` counts its characters from
            1, where one is to blame; ``text`` is what was given.
    """
    schema = schema_of(model)
    if len(text) > LONGEST:
        raise QueryError(f"a condition has at most {LONGEST:,} characters, got {len(text):,}")
    if text.lstrip().startswith("{"):
        return Condition(read_document(text), schema.model)
    return read_comparisons(Text(text), schema)

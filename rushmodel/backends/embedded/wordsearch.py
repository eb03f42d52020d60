"""`SearchText`: the records of a label that have some words, by its keyword index."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import PolicyMissing, QueryError
from ...port import SearchText, StoredRecord
from .keywords import index_of
from .querying import filter_of, page_of
from .records import Projection
from .values import well_formed

if TYPE_CHECKING:
    from .session import Session

MOST_WORDS = 1000
"""Different words and phrases of one search."""

_WORDS = re.compile(r'"([^"]*)"|(\S+)')


def search_text(session: Session, command: SearchText) -> list[StoredRecord]:
    query = command.query
    (label,) = query.labels
    table = session.names.table(label)
    if table is None:
        return []
    sought = [f"p{table.columns[name].name_id}" for name in command.properties if name in table.columns]
    if len(sought) < len(command.properties) or not table.keywords.issuperset(sought):
        raise PolicyMissing(f"{label} has no keyword index over {', '.join(command.properties)}")
    match = _match(command.text, sought)
    if match is None:
        return []
    index = index_of(table)
    projection = Projection(session, table, query.properties, query.vectors)
    found = filter_of(session, table, query.where, query.related_to, query.unmade)
    paged, page = page_of(query.limit, query.offset)
    rows = session.execute(
        f"SELECT {projection.columns}, -bm25({index}) FROM {index} JOIN {projection.source}"
        f" WHERE t.row = {index}.rowid AND {index} MATCH ? AND {found.sql}"
        f" ORDER BY bm25({index}), t.row{paged}",
        (match, *found.params, *page),
    ).fetchall()
    records = projection.build(rows)
    scores = (row[projection.width] for row in rows)
    return [record._replace(score=score) for record, score in zip(records, scores, strict=True)]


def _match(text: str, columns: list[str]) -> str | None:
    """What FTS5 is asked: any of the words or quoted phrases; None where there are none.

    Each is a string of FTS5's, in quotes: nothing that is in it is syntax.
    """
    if not well_formed(text):
        raise QueryError("the text to search for holds a lone surrogate")
    found = (phrase or word for phrase, word in _WORDS.findall(text.replace("\0", " ")))
    words = dict.fromkeys(each.strip('"') for each in found if any(map(str.isalnum, each)))
    if len(words) > MOST_WORDS:
        raise QueryError(f"a text search is for at most {MOST_WORDS:,} different words, got {len(words):,}")
    if not words:
        return None
    quoted = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
    return f"{{{' '.join(columns)}}} : ({quoted})"

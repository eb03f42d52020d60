"""`ExplainQuery`: SQLite's plans, in which tables and columns go by the names of labels and properties."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...port import ExplainQuery, RecordQuery
from .querying import filter_of, selection_of, tables_of
from .records import Projection
from .select_asking import Asker, Plan
from .select_rows import RowFinder

if TYPE_CHECKING:
    from .names import Names
    from .session import Session


def explain_query(session: Session, command: ExplainQuery) -> str:
    plans: list[Plan] = []
    asker = Asker(session, plans)
    query = command.query
    if isinstance(query, RecordQuery):
        _ask_for_records(asker, query)
    else:
        RowFinder(asker, query).rows()
    if not plans:
        return "NOTHING TO READ: no record has such a label"
    return "\n\n".join(_Words(session.names, plan).paragraph() for plan in plans)


def _ask_for_records(asker: Asker, query: RecordQuery) -> None:
    """The statements of `FindRecords`."""
    session, tables = asker.session, tables_of(asker.session, query)
    most = None if query.limit is None else query.limit + query.offset
    for table in tables:
        if len(tables) == 1 and query.limit is None and not query.offset and not query.order:
            found = filter_of(session, table, query.where, query.related_to, query.unmade)
            projection = Projection(session, table, query.properties, query.vectors)
            asker.ask(f"SELECT {projection.columns} FROM {projection.source} WHERE {found.sql}", found.params)
        else:
            page = (query.limit, query.offset) if len(tables) == 1 else (most, 0)
            selection = selection_of(session, table, query, *page)
            asker.ask(selection.sql, selection.params)


class _Words:
    """One plan, and what its words stand for: no name is part of an SQL text, so all its words are ours."""

    def __init__(self, names: Names, plan: Plan) -> None:
        self._names = names
        self._steps = plan.steps
        self._labels: dict[str, str] = {}
        for number, alias in re.findall(r"\br(\d+) (t\d*)\b", plan.sql):
            known = self._labels.setdefault(alias, names.name(int(number)))
            other = names.name(int(number))
            if other not in known.split(" or "):
                self._labels[alias] = f"{known} or {other}"  # in different parts of the statement

    def paragraph(self) -> str:
        """A line for each step, inside the step that it is a part of."""
        depth = {0: -1}
        lines: list[str] = []
        for step, parent, _, text in self._steps:
            depth[step] = depth.get(parent, -1) + 1
            lines.append(f"{'  ' * depth[step]}{_WORD.sub(self._word, text)}")
        return "\n".join(lines)

    def _word(self, found: re.Match[str]) -> str:
        word = found.group()
        if word in self._labels:
            return self._labels[word]
        if word in _OURS:
            return _OURS[word]
        if word.startswith("i") and (columns := re.findall(r"_p(\d+)", word)):
            return f"({', '.join(self._names.name(int(number)) for number in columns)})"
        if re.fullmatch(r"p\d+", word):
            return self._names.name(int(word[1:]))
        return _TABLES[word[0]] if re.fullmatch(r"[emoswcnf]\d*", word) else word


_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_OURS = {
    "r": "ids",
    "records": "ids",
    "x": "relationships",
    "edges": "relationships",
    "edges_once": "(source, target, type)",
    "edges_source": "(source, type)",
    "edges_target": "(target, type)",
    "j": "listed records",
    "q": "records above",
    "rowid": "row",
    "sqlite_autoindex_records_1": "(id)",
}
_TABLES = {
    "e": "relationships",
    "m": "related records",
    "o": "paths",
    "s": "pairs",
    "w": "paths",
    "c": "paths",
    "f": "paths",
    "n": "records",
}
"""What the tables in a statement's WITH hold (`traversals`, `select_joins`)."""

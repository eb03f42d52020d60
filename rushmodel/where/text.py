"""`Text`: what was typed, parsed, with the places of its parts."""

from __future__ import annotations

import ast
import re
import warnings

from ..errors import QueryError

DEEPEST = 50
"""Levels of brackets, ``not`` and relations, or of objects and lists in JSON."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SINGLE = re.compile(r"(?<![=!<>])=(?!=)")


class Text:
    """A condition as text; knows where the parts of its syntax tree stand."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lead = len(text) - len(text.lstrip(" \t"))
        self._body = text[self._lead :]

    def parsed(self) -> ast.expr:
        """Its syntax tree; `QueryError` where it has none."""
        body = self._body
        if not body.strip():
            raise QueryError("the condition is empty", text=self._text)
        control = _CONTROL.search(body)
        if control is not None:
            problem = "line breaks and control characters are written as escapes, in quotes"
            raise self.wrong_at(control.start(), problem)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # such as of "\d", which Python reads otherwise some day
                root = ast.parse(body, mode="eval").body
        except SyntaxError as error:
            # Without an offset, or with 0, the text ended too early.
            at = min(error.offset - 1 if error.offset else len(body), len(body))
            raise self.wrong_at(at, f"{error.msg}{self._hint()}") from None
        except (ValueError, RecursionError, MemoryError, Warning):
            raise QueryError("this is no condition that can be read", text=self._text) from None
        # What follows the expression, a comment, would be dropped in silence.
        rest = body[self._place(root.end_col_offset or 0) :].lstrip(" \t)")
        if rest:
            raise self.wrong_at(len(body) - len(rest), "nothing may follow the condition")
        return root

    def written(self, node: ast.expr) -> str:
        """How a part is written."""
        return ast.get_source_segment(self._body, node) or ""

    def wrong(self, node: ast.expr, problem: str) -> QueryError:
        """The error for a part."""
        return self.wrong_at(self._place(node.col_offset), problem)

    def wrong_at(self, at: int, problem: str) -> QueryError:
        """The error for a place, counted from 0 behind the leading blanks."""
        column = self._lead + at + 1
        return QueryError(f"column {column}: {problem}", text=self._text, column=column)

    def _place(self, offset: int) -> int:
        """Of an offset in UTF-8, as syntax trees have them, the place in the body."""
        return len(self._body.encode()[:offset].decode(errors="ignore"))

    def _hint(self) -> str:
        if any(sign in self._body for sign in ("&&", "||", "! ", "!(")):
            return "; write and, or, not"
        return "; equal is written ==" if _SINGLE.search(self._body) else ""

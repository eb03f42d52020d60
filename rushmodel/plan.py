"""What a sync would do, as a value."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from .port import Coverage, Signature
from .value import Value

ChangeKind: TypeAlias = Literal["create", "keep", "undeclared", "conflict", "drop"]


class PolicyChange(Value):
    """One policy: what the classes want of it, and what is there.

    ``create``: declared, not there. ``keep``: declared and there. ``undeclared``: there, of no
    class in scope; ``drop`` in a plan that ``sync(prune=True)`` carried out. ``conflict``: declared,
    and cannot be made, since records hold values of that property that are not text (rule R2).
    """

    kind: ChangeKind
    signature: Signature
    coverage: Coverage
    policy_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        signature = self.signature
        return {
            "change": self.kind,
            "label": signature.label,
            "property": signature.property,
            "source": signature.source,
            "similarity": signature.similarity,
            "dims": signature.dims,
            "records": self.coverage.records,
            "vectors": self.coverage.vectors,
            "policy_id": self.policy_id,
        }


class Plan(Value):
    """The policies of some classes against those of a store; print it for a table."""

    changes: tuple[PolicyChange, ...]
    done: bool = False
    """It has been carried out, by `Database.sync`."""

    @property
    def in_sync(self) -> bool:
        """Every declared policy is there; undeclared ones do not count."""
        return self.done or all(change.kind in ("keep", "undeclared") for change in self.changes)

    def of(self, kind: ChangeKind) -> tuple[PolicyChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"in_sync": self.in_sync, "changes": [change.as_dict() for change in self.changes]}

    def __str__(self) -> str:
        if not self.changes:
            return "No index policies are declared, and none are there."
        head = ("change", "label", "property", "source", "similarity", "dims", "records", "vectors")
        rows = [tuple(str(change.as_dict()[name]) for name in head) for change in self.changes]
        rows = [tuple("?" if cell == "None" else cell for cell in row) for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        numbers = {"dims", "records", "vectors"}

        def line(cells: tuple[str, ...]) -> str:
            padded = (
                cell.rjust(width) if name in numbers else cell.ljust(width)
                for cell, width, name in zip(cells, widths, head, strict=True)
            )
            return "  ".join(padded).rstrip()

        return "\n".join(
            [line(head), line(tuple("-" * width for width in widths)), *map(line, rows), self._summary()]
        )

    def _summary(self) -> str:
        if self.done:
            return f"Done: {len(self.of('create'))} created, {len(self.of('drop'))} dropped."
        conflicts = self.of("conflict")
        if conflicts:
            return (
                f"{len(conflicts)} cannot be created: records hold values of that property that are not text."
            )
        missing = self.of("create")
        spare = self.of("undeclared")
        said = f"{len(missing)} to create: db.sync()" if missing else "In sync."
        if spare:
            said += f" {len(spare)} undeclared, left alone unless db.sync(prune=True)."
        return said

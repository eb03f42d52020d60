"""What a sync would do, as a value."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from .port import Coverage, Signature
from .value import Value

ChangeKind: TypeAlias = Literal["create", "keep", "replaced", "undeclared", "conflict", "drop"]


class PolicyChange(Value):
    """One policy: what the classes want of it, and what is there.

    ``create``: declared, not there. ``keep``: declared and there. ``replaced``: there, and what a field
    was before: searched until its migration is over. ``undeclared``: there, of no class in scope; ``drop``
    in a plan that ``sync(prune=True)`` carried out. ``conflict``: declared, and cannot be made, since
    records hold values of that property that are not text (rule R2).
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


class Migration(Value):
    """How far a field with ``replaces=`` is on its way from the vectors it had to those it is to have.

    ``old`` are the policies of before that are there still. ``records`` have a text, of ``remaining`` the
    new vector has to be made: in so many ``requests`` to the embedder. Once it ``is_switched``, searches
    use the new vectors.
    """

    label: str
    field: str
    old: tuple[Signature, ...]
    new: tuple[Signature, ...]
    is_switched: bool
    records: int
    remaining: int
    requests: int

    @property
    def is_over(self) -> bool:
        """Searches use the new vectors, and there is one for every text."""
        return not self.remaining and (self.is_switched or not self.old)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "label": self.label,
            "field": self.field,
            "old": [str(each) for each in self.old],
            "new": [str(each) for each in self.new],
            "is_switched": self.is_switched,
            "records": self.records,
            "remaining": self.remaining,
            "requests": self.requests,
        }

    def __str__(self) -> str:
        steps: list[str] = []
        if self.remaining:
            steps.append(f"embed {self.remaining:,} texts of {self.records:,} ({self.requests:,} requests)")
        if not self.is_switched and self.old:
            steps.append("switch searches over")
        if steps:
            steps[-1] += ": db.migrate()"
        if self.old:
            steps.append("retire the old: db.sync(prune=True, drop_vectors=True)")
        if not steps:
            return f"{self.label}.{self.field}: its migration is done, replaces= can go."
        dims = {each.dims for each in self.old}, {each.dims for each in self.new}
        old, new = ("/".join(map(str, sorted(filter(None, each)))) for each in dims)
        return f"{self.label}.{self.field}, {old or 'none'} to {new}: {'; then '.join(steps)}."


class Rename(Value):
    """How far a field with ``renamed_from=`` is on its way from its ``old`` name to its ``new`` one.

    ``records`` have the old one; of ``remaining`` the new one is lacking, or is there alone. Once it
    ``is_switched``, the new one is read.
    """

    label: str
    field: str
    old: str
    new: str
    is_switched: bool
    records: int
    remaining: int

    @property
    def is_over(self) -> bool:
        """The new name is read."""
        return self.is_switched

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        where = f"{self.label}.{self.field}"
        if self.is_switched:
            return f"{where}: its renaming is done, renamed_from= can go."
        return (
            f"{where}, {self.old} to {self.new}: bring {self.remaining:,} records of {self.records:,} over; "
            "then read the new name: db.migrate()."
        )


class Plan(Value):
    """The policies of some classes against those of a store; print it for a table."""

    changes: tuple[PolicyChange, ...]
    done: bool = False
    """It has been carried out, by `Database.sync`."""
    migrations: tuple[Migration, ...] = ()
    renames: tuple[Rename, ...] = ()

    @property
    def in_sync(self) -> bool:
        """Every declared policy is there, and migrations are over; undeclared ones do not count."""
        there = all(change.kind in ("keep", "replaced", "undeclared") for change in self.changes)
        return (self.done or there) and self.is_over

    @property
    def is_over(self) -> bool:
        """Migrations and renamings are."""
        return all(each.is_over for each in self.migrations) and all(each.is_over for each in self.renames)

    def of(self, kind: ChangeKind) -> tuple[PolicyChange, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "in_sync": self.in_sync,
            "changes": [change.as_dict() for change in self.changes],
            "migrations": [each.as_dict() for each in self.migrations],
            "renames": [each.as_dict() for each in self.renames],
        }

    def __str__(self) -> str:
        if not self.changes:
            nothing = "No index policies are declared, and none are there."
            return "\n".join([nothing, *map(str, self.renames)])
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
        return "\n".join([self._of_policies(), *map(str, self.migrations), *map(str, self.renames)])

    def _of_policies(self) -> str:
        if self.done:
            return f"Done: {len(self.of('create'))} created, {len(self.of('drop'))} dropped."
        conflicts = self.of("conflict")
        if conflicts:
            return (
                f"{len(conflicts)} cannot be created: records hold values of that property that are not text."
            )
        missing = self.of("create")
        spare = self.of("undeclared")
        moving = "All policies are there." if self.migrations or self.renames else "In sync."
        said = f"{len(missing)} to create: db.sync()" if missing else moving
        if spare:
            said += f" {len(spare)} undeclared, left alone unless db.sync(prune=True)."
        return said

"""Managed policies: a vector goes when its text changes, and an embedder gives a policy its dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import PolicyError, PolicyExists, PropertyError
from ...port import SetDimensions, StoredValue
from .vectors import drop_vectors, in_chunks

if TYPE_CHECKING:
    from .names import Table
    from .session import Session


def drop_managed(
    session: Session,
    table: Table,
    rows: Sequence[int],
    data: Mapping[str, StoredValue],
    remove: Sequence[str],
) -> None:
    """Before these properties are written: the vectors of texts that change are those of other texts.

    External vectors are their program's to see to, and have guards; of managed ones the store takes care.
    """
    for policy in session.policies.managed(table.label):
        name = policy.signature.property
        column = table.columns.get(name)
        if column is None or not (name in data or name in remove):
            continue
        text = data.get(name)
        try:
            changing = [
                row
                for marks, chunk in in_chunks(rows)
                for (row,) in session.execute(
                    f"SELECT t.row FROM {table.sql} t WHERE t.row IN ({marks}) AND {column.sql} IS NOT ?",
                    (*chunk, text if isinstance(text, str) else None),
                )
            ]
        except UnicodeEncodeError:
            raise PropertyError(
                f"{table.label}.{name} cannot be stored: the text holds a lone surrogate",
                label=table.label,
                property=name,
            ) from None
        drop_vectors(session, policy, changing)


def set_dimensions(session: Session, command: SetDimensions) -> None:
    policy = session.policies.by_id(command.policy_id)
    if policy.signature.dims is not None:
        raise PolicyError(
            f"the index policy {policy.signature} has its dimensions", signature=policy.signature
        )
    wanted = policy.signature.replaced(dims=command.dims)
    if session.policies.find(wanted) is not None:
        raise PolicyExists(f"the index policy {wanted} exists", signature=wanted)
    session.execute("UPDATE policies SET dims = ? WHERE number = ?", (command.dims, policy.number))
    session.policies.forget()

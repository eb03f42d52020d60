"""Policies: what classes want, what there is, and making the two agree."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PolicyConflict, PolicyDrift, PolicyError, PolicyExists, PolicyMissing
from ..flow import Operation, ask
from ..plan import ChangeKind, Plan, PolicyChange
from ..port import (
    CountRecords,
    Coverage,
    CreatePolicy,
    DeletePolicy,
    EnsureIndexes,
    GetCoverage,
    ListPolicies,
    RecordQuery,
    Signature,
)
from ..schema import ModelSchema
from .context import Context
from .migrating import migrations
from .renaming import renames


def plan(schemas: Sequence[ModelSchema]) -> Operation[Plan]:
    """The policies of ``schemas`` against those of the store."""
    wanted = list(dict.fromkeys(one for schema in schemas for one in schema.signatures))
    labels = {schema.label for schema in schemas}
    policies = [each for each in (yield from ask(ListPolicies())) if each.signature.label in labels]
    coverages = yield from ask(GetCoverage(tuple(each.id for each in policies)))
    there = {each.signature: (each.id, coverage) for each, coverage in zip(policies, coverages, strict=True)}
    changes: list[PolicyChange] = []
    for signature in wanted:
        if signature in there:
            policy_id, coverage = there.pop(signature)
            changes.append(PolicyChange("keep", signature, coverage, policy_id))
        else:
            changes.append((yield from _missing(signature)))
    moving = yield from migrations(schemas, policies)
    before = {one for each in moving if not each.is_switched or each.remaining for one in each.old}
    for signature, (policy_id, coverage) in there.items():
        spare: ChangeKind = "replaced" if signature in before else "undeclared"
        changes.append(PolicyChange(spare, signature, coverage, policy_id))
    changes.sort(key=lambda each: (each.signature.label, each.signature.property, str(each.signature)))
    return Plan(tuple(changes), migrations=tuple(moving), renames=tuple((yield from renames(schemas))))


def sync(
    context: Context, schemas: Sequence[ModelSchema], *, prune: bool, drop_vectors: bool
) -> Operation[Plan]:
    """Carry a plan out, and return it. Nothing is changed if any of it is refused.

    Raises:
        PolicyConflict: A declared policy cannot be made.
        PolicyError: ``prune`` would drop a policy that holds vectors, without ``drop_vectors``.
    """
    made = yield from plan(schemas)
    conflicts = made.of("conflict")
    if conflicts:
        shown = "; ".join(str(each.signature) for each in conflicts)
        raise PolicyConflict(
            f"these properties hold values that are not text, so they cannot be indexed: {shown}. "
            "Change those records, or index another property",
            changes=conflicts,
        )
    spare = made.of("undeclared") if prune else ()
    holding = [each for each in spare if each.coverage.vectors]
    if holding and not drop_vectors:
        raise _holds_vectors(holding)
    for change in made.of("create"):
        yield from create(change.signature)
    for change in spare:
        assert change.policy_id is not None
        yield from ask(DeletePolicy(change.policy_id, only_empty=not drop_vectors))
    for schema in schemas:
        yield from _ensure_indexes(schema)
        context.prepared.add(schema.model)
    dropped = {change.policy_id for change in spare}
    changes = [each.replaced(kind="drop") if each.policy_id in dropped else each for each in made.changes]
    return Plan(tuple(changes), done=True, migrations=made.migrations, renames=made.renames)


def prepare(context: Context, schema: ModelSchema) -> Operation[None]:
    """Autosync: see to it, before the first save of a class, that its policies are there (promise 7).

    Raises:
        PolicyDrift: Label and property have other policies of that source type.
        PolicyMissing: Autosync is off, and a policy is not there.
    """
    if schema.signatures:
        missing = yield from _to_create(context, schema)
        if missing and not context.autosync:
            raise policy_missing(schema, missing[0])
        for signature in missing:
            yield from create(signature)
    yield from _ensure_indexes(schema)
    context.prepared.add(schema.model)


def _to_create(context: Context, schema: ModelSchema) -> Operation[list[Signature]]:
    """The policies a class lacks, where it is safe to create them without being asked.

    Those of what its fields were before may be there beside them.
    """
    policies = yield from ask(ListPolicies(schema.label))
    there = {each.signature: each.id for each in policies if each.signature not in schema.former_signatures}
    context.former |= schema.former_signatures
    context.absent |= schema.former_signatures - {each.signature for each in policies}
    missing = [each for each in schema.signatures if each not in there]
    beside = [
        each
        for each in there
        if any((each.property, each.source) == (one.property, one.source) for one in missing)
    ]
    drifted = [each for each in beside if each not in schema.signatures]
    if beside and not drifted:
        # Some of the class's own: made by somebody who is at it just now, or used for long?
        coverages = yield from ask(GetCoverage(tuple(there[each] for each in beside)))
        if any(each.vectors for each in coverages):
            again = yield from ask(ListPolicies(schema.label))
            missing = [each for each in missing if each not in {one.signature for one in again}]
            drifted = beside if missing else []
    if drifted:
        raise PolicyDrift(
            f"{schema.name} wants the policy {missing[0]}, and there are others for that property: "
            f"{', '.join(sorted(map(str, drifted)))}. db.sync() creates the new one beside them; "
            "VectorField(replaces=...) and db.migrate() move the vectors over",
            model=schema.model,
            signature=missing[0],
        )
    return missing


def policy_missing(schema: ModelSchema, signature: Signature) -> PolicyMissing:
    """The error for a declared policy that is not there."""
    return PolicyMissing(
        f"{schema.name} needs the policy {signature}, and the store has none: call db.sync()",
        model=schema.model,
        signature=signature,
    )


def _missing(signature: Signature) -> Operation[PolicyChange]:
    of_other_type = {
        signature.property: {"$exists": True},
        "$not": {signature.property: {"$type": "string"}},
    }
    conflicting = yield from ask(CountRecords(RecordQuery((), of_other_type)))
    kind: ChangeKind = "conflict" if conflicting else "create"
    having = yield from ask(
        CountRecords(RecordQuery((signature.label,), {signature.property: {"$exists": True}}))
    )
    return PolicyChange(kind, signature, Coverage(having, 0))


def create(signature: Signature) -> Operation[None]:
    """See to it that there is that policy."""
    try:
        yield from ask(CreatePolicy(signature))
    except PolicyExists:
        return  # somebody else was quicker: it is there, which is what was wanted


def _ensure_indexes(schema: ModelSchema) -> Operation[None]:
    if schema.indexes:
        yield from ask(EnsureIndexes(schema.concrete_label(), schema.indexes))


def _holds_vectors(holding: Sequence[PolicyChange]) -> PolicyError:
    shown = "; ".join(f"{each.signature} ({each.coverage.vectors} vectors)" for each in holding)
    return PolicyError(
        f"prune would drop policies that hold vectors: {shown}. "
        "Nothing was changed; pass drop_vectors=True if they are to go",
        changes=tuple(holding),
    )

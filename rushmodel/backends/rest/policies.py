"""Index policies over REST."""

from __future__ import annotations

from ...errors import PolicyError, PolicyMissing
from ...port import Coverage, CreatePolicy, DeletePolicy, GetCoverage, Policy
from ...wire.documents import read_policy, read_stats, signature_document
from ...wire.routes import CREATE_POLICY, DELETE_POLICY, POLICY_STATS
from .calls import Exchange
from .server import Server


def create_policy(server: Server, command: CreatePolicy) -> Exchange[Policy]:
    """A second try of one that was made already is a 409, which says so (R1)."""
    signature = command.signature
    body = {name: value for name, value in signature_document(signature).items() if value is not None}
    server.forget_policies()
    answer = yield from server.ask(
        CREATE_POLICY, what=f"creating the index policy {signature}", body=body, repeatable=True
    )
    return read_policy(answer.data)


def delete_policy(server: Server, command: DeletePolicy) -> Exchange[None]:
    what = f"deleting the index policy {command.policy_id}"
    if command.only_empty:
        (coverage,) = yield from get_coverage(server, GetCoverage((command.policy_id,)))
        if coverage.vectors:
            raise PolicyError(
                f"{what}: it holds {coverage.vectors:,} vectors, which would go with it",
                policy_id=command.policy_id,
                vectors=coverage.vectors,
            )
    server.forget_policies()
    yield from server.ask(DELETE_POLICY, command.policy_id, what=what)


def get_coverage(server: Server, command: GetCoverage) -> Exchange[list[Coverage]]:
    found: list[Coverage] = []
    for policy_id in command.policy_ids:
        what = f"the statistics of the index policy {policy_id}"
        answer = yield from server.ask(POLICY_STATS, policy_id, what=what, repeatable=True)
        found.append(read_stats(answer.data))
    # A server counts zeros for a policy that it does not have (R3).
    if Coverage(0, 0) in found:
        there = {policy.id for policy in (yield from server.policies("listing index policies"))}
        for policy_id in command.policy_ids:
            if policy_id not in there:
                raise PolicyMissing(f"there is no index policy with id {policy_id}", policy_id=policy_id)
    return found

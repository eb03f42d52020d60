"""Index policies over REST."""

from __future__ import annotations

from ...errors import PolicyError, PolicyExists, PolicyMissing
from ...port import Coverage, CreatePolicy, DeletePolicy, GetCoverage, Policy
from ...wire.documents import read_policy, read_stats, signature_document
from ...wire.routes import CREATE_POLICY, DELETE_POLICY, POLICY_STATS
from .calls import Exchange
from .server import Server


def create_policy(server: Server, command: CreatePolicy) -> Exchange[Policy]:
    """Where the answer to a first try was lost, a second one hears 409 of what the first one made (R1)."""
    signature, what = command.signature, f"creating the index policy {command.signature}"
    body = {name: value for name, value in signature_document(signature).items() if value is not None}
    server.forget_policies()
    try:
        answer = yield from server.ask(CREATE_POLICY, what=what, body=body, repeatable=True)
    except PolicyExists as error:
        if not error.repeated:
            raise
        for policy in (yield from server.policies(what)):
            if policy.signature == signature:
                return policy
        raise
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

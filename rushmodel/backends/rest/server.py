"""A RushDB server, as the commands' exchanges speak to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ...errors import PolicyMissing, ServerError
from ...port import Capabilities, GetCapabilities, ListPolicies, Policy, Signature
from ...wire.bodies import dumps
from ...wire.documents import read_policy
from ...wire.routes import LIST_POLICIES, SETTINGS, Route
from .calls import Answer, Call, Exchange
from .failures import failure


class Server:
    """What is known of a server: whether it is `rushmodel serve`, and the ids of its policies.

    Nothing here is relied on where it could have changed: an id that is not there is looked up
    again.
    """

    def __init__(self) -> None:
        self._extensions: bool | None = None
        self._ids: dict[Signature, str] = {}

    def ask(
        self,
        route: Route,
        *ids: str,
        what: str,
        body: object = None,
        repeatable: bool = False,
        version: int | None = None,
        grace: float | None = None,
    ) -> Exchange[Answer]:
        """Make a call; the answer, which is none of an error.

        To `rushmodel serve` vectors go packed, once it is known to be one.

        ``repeatable``: safe to send again although the server may have carried it out.

        Raises:
            RushModelError: What `failures.failure` makes of a refusal, or the transport of a failure.
        """
        call = Call(
            route,
            ids,
            None if body is None else dumps(body, packed=bool(self._extensions)),
            repeatable=repeatable,
            version=version,
            what=what,
            grace=grace,
        )
        answer = yield call
        self._extensions = answer.extensions
        if answer.status >= 400:
            raise failure(call, answer)
        return answer

    @property
    def is_known(self) -> bool:
        """Whether an answer has told what the server is."""
        return self._extensions is not None

    def extended(self) -> Exchange[bool]:
        """Whether the server is `rushmodel serve`; every answer tells, so it is rarely asked."""
        if self._extensions is None:
            yield from self.ask(SETTINGS, what="asking what the server can do", repeatable=True)
        return bool(self._extensions)

    def reads_vectors(self) -> Exchange[bool]:
        """Whether the server gives vectors back."""
        return (yield from self.extended())

    def capabilities(self, command: GetCapabilities) -> Exchange[Capabilities]:
        extended = yield from self.extended()
        return Capabilities(
            "rushmodel serve" if extended else "a RushDB server",
            reads_vectors=(yield from self.reads_vectors()),
            versions=extended,
            managed=False,
        )

    def policies(self, what: str) -> Exchange[list[Policy]]:
        """All policies as they are now, oldest first."""
        answer = yield from self.ask(LIST_POLICIES, what=what, repeatable=True)
        documents = answer.data
        if not isinstance(documents, list):
            raise ServerError(f"{what}: the server's answer is no list of index policies")
        found = [read_policy(each) for each in cast("list[object]", documents)]
        found.sort(key=lambda policy: policy.created_at)
        self._ids = {policy.signature: policy.id for policy in found}
        return found

    def list_policies(self, command: ListPolicies) -> Exchange[list[Policy]]:
        found = yield from self.policies("listing index policies")
        return [each for each in found if command.label in (None, each.signature.label)]

    def policy_ids(self, signatures: Sequence[Signature], what: str) -> Exchange[dict[Signature, str]]:
        """The ids of these policies; `PolicyMissing` for the first that is not there."""
        if any(each not in self._ids for each in signatures):
            yield from self.policies(what)
        for each in signatures:
            if each not in self._ids:
                raise PolicyMissing(f"{what}: there is no index policy {each}", signature=each)
        return {each: self._ids[each] for each in signatures}

    def known_policies(self, what: str, *, fresh: bool = False) -> Exchange[list[Signature]]:
        """The signatures of all policies, as they were when last read."""
        if fresh or not self._ids:
            yield from self.policies(what)
        return list(self._ids)

    def signature_of(self, policy_id: str, what: str, *, fresh: bool) -> Exchange[Signature | None]:
        """The signature of a policy, as it was when last read."""
        known = yield from self.known_policies(what, fresh=fresh)
        return next((each for each in known if self._ids[each] == policy_id), None)

    def forget_policies(self) -> None:
        """Something was said about policies that turned out not to be so."""
        self._ids = {}


def ids_condition(record_ids: Sequence[str]) -> dict[str, Any]:
    """The condition that a record is one of these (R26)."""
    return {"$id": {"$in": list(record_ids)}}

"""Index policies as RushDB's client manages them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..errors import PolicyError, VectorError
from ..flow import Operation, ask
from ..port import (
    Coverage,
    CreatePolicy,
    DeletePolicy,
    Float32,
    GetCoverage,
    ListPolicies,
    Policy,
    Signature,
    UpsertVectors,
)
from .raw_documents import Document, shown
from .raw_options import CLIENT, Caller
from .raw_search import SOURCES
from .raw_values import SIMILARITIES, read_numbers

MOST_DIMENSIONS = 4096

_KEYS = ("label", "propertyName", "sourceType", "external", "dimensions", "similarityFunction")


def list_policies() -> Operation[list[Policy]]:
    """All policies, oldest first."""
    return (yield from ask(ListPolicies()))


def create_policy(params: object) -> Operation[Policy]:
    """A policy; managed and cosine where nothing else is said, ``external: True`` is a ``sourceType`` (R1).

    A managed one may leave its dimensions to the embedder that is connected later (R28).

    Raises:
        PolicyExists: One with the same label, property, source, similarity and dimensions is there.
        PolicyConflict: The property holds values that are not text (R2).
        PolicyError: By key: missing, unknown, or of another type (400); no dimensions (422).
    """
    given = Document("indexes.create()", params, _KEYS, PolicyError)
    label, name = given.text("label"), given.text("propertyName")
    source = given.choice("sourceType", SOURCES) or "managed"
    if given.flag("external", False):
        source = "external"
    similarity = given.choice("similarityFunction", SIMILARITIES) or "cosine"
    dims = given.count("dimensions", 0, 1, MOST_DIMENSIONS) or None
    if dims is None and source == "external":
        raise given.wrong("dimensions", "how many numbers the vectors of an external index have", status=422)
    return (yield from ask(CreatePolicy(Signature(label, name, source, similarity, dims))))


def delete_policy(index_id: object) -> Operation[None]:
    """Remove a policy and its vectors; `PolicyMissing`."""
    yield from ask(DeletePolicy(_policy_id(index_id)))


def policy_coverage(index_id: object) -> Operation[Coverage]:
    """How many records a policy could index, and how many it does; `PolicyMissing` (R3)."""
    found = yield from ask(GetCoverage((_policy_id(index_id),)))
    return found[0]


def upsert_vectors(index_id: object, params: object, caller: Caller = CLIENT) -> Operation[int]:
    """Set vectors of existing records, all or none (R7); how many were given.

    Raises:
        PolicyMissing: No policy has that id.
        NotFound: A record is not there, or lacks label or property of the policy.
        VectorError: By item: what is no vector, or one that the policy cannot hold.
    """
    policy_id = _policy_id(index_id)
    given = Document("upsert_vectors()", params, ("items",), VectorError, status=422)
    items = given.get("items")
    if not isinstance(items, (list, tuple)):
        raise given.wrong("items", "a list of dicts with recordId and vector")
    ids: list[str] = []
    vectors: list[Float32] = []
    for index, item in enumerate(cast("Sequence[object]", items)):
        entry = Document(f"items[{index}]", item, ("recordId", "vector"), VectorError, status=422)
        ids.append(entry.text("recordId"))
        vectors.append(read_numbers(entry.get("vector"), f"items[{index}].vector", packed=caller.extended))
    return (yield from ask(UpsertVectors(policy_id, tuple(ids), vectors)))


def _policy_id(given: object) -> str:
    if not isinstance(given, str) or not given:
        raise PolicyError(
            f"index_id: expected the id of an index, a text, got {shown(given)}", key="index_id", status=400
        )
    return given

"""Managed vectors on a store that embeds nothing itself: made here, by the embedder of the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..embedding import maker_of
from ..errors import CapabilityError
from ..flow import Operation, ask
from ..instance import schema_of_instance
from ..origins import origin_of, origin_property
from ..port import GetCapabilities, ListPolicies, Policy, SetDimensions, VectorWrite
from ..schema import ModelSchema, VectorProperty
from .context import Context
from .drafts import Draft
from .embedding import embed, is_made_of, stored_by_key


def with_managed(context: Context, drafts: Sequence[Draft]) -> Operation[list[Draft]]:
    """The drafts, with the managed vectors of the texts that they write."""
    if context.embedder is None:
        return list(drafts)
    by_spec: dict[VectorProperty, list[tuple[int, str]]] = {}
    made = list(drafts)
    upserts = [each.record for each in drafts if each.write.key and each.write.record_id is None]
    known = yield from stored_by_key(context, [each for each in upserts if _managed(context, each)])
    for place, each in enumerate(drafts):
        for spec in _managed(context, each.record):
            text = each.write.data.get(str(spec.text_property))
            stored = known.get(id(each.record))
            if isinstance(text, str) and not (stored is not None and is_made_of(stored.data, spec, text)):
                by_spec.setdefault(spec, []).append((place, text))
    for spec, several in by_spec.items():
        assert spec.origin is not None
        assert spec.embedder is not None
        vectors = yield from embed(spec, [text for _, text in several])
        for (place, text), vector in zip(several, vectors, strict=True):
            made[place] = _with_vector(made[place], spec, spec.convert(vector), text)
    return made


def _managed(context: Context, record: Any) -> list[VectorProperty]:
    return [each for each in context.served(schema_of_instance(record)).vectors if each.managed]


def _with_vector(draft: Draft, spec: VectorProperty, vector: Any, text: str) -> Draft:
    assert spec.origin is not None
    assert spec.embedder is not None
    origin = {spec.origin: origin_of(text, maker_of(spec.embedder))}
    write = draft.write._replace(
        data={**draft.write.data, **origin},
        vectors=(*draft.write.vectors, *(VectorWrite(each, vector) for each in spec.signatures)),
    )
    return draft._replace(write=write, saved={**draft.saved, **origin})


def managed_fields(context: Context) -> Operation[list[tuple[ModelSchema, VectorProperty]]]:
    """What there is to embed for the managed policies of the store, whether a class declares them or not.

    Those without dimensions get the embedder's.

    Raises:
        CapabilityError: The database has no embedder, or is a server, which has its own.
    """
    if context.embedder is None:
        capabilities = yield from ask(GetCapabilities())
        raise CapabilityError(
            f"this is {capabilities.store} without an embedder, which managed vectors are made by: "
            "connect(..., embedder=...)"
        )
    dims: int = getattr(context.embedder, "dims", None) or 0
    found: list[tuple[ModelSchema, VectorProperty]] = []
    for policy in (yield from ask(ListPolicies())):
        signature = policy.signature
        if signature.source == "managed" and signature.dims in (None, dims):
            if signature.dims is None:
                yield from ask(SetDimensions(policy.id, dims))
            found.append(_field_of(context, policy, dims))
    return found


def _field_of(context: Context, policy: Policy, dims: int) -> tuple[ModelSchema, VectorProperty]:
    assert context.embedder is not None
    label, name, similarity = policy.signature.label, policy.signature.property, policy.signature.similarity
    spec = VectorProperty(
        name=name,
        property=name,
        text=name,
        dims=dims,
        similarities=(similarity,),
        source="managed",
        on_stale="embed",
        optional=True,
        as_list=False,
        inline=False,
        label=label,
        text_property=name,
        embedder=context.embedder,
        origin=origin_property(name, maker_of(context.embedder), dims, ("managed", similarity)),
    )
    model = type(label, (), {})
    context.prepared.add(model)
    return ModelSchema(model, label, (), (spec,), {}), spec

"""What is known of a store when its classes are written."""

from __future__ import annotations

from ..port import Coverage, Signature
from ..value import Value
from .tally import Tally


class PolicyFacts(Value):
    """Index policies of one property, source and dims, whose vectors are the same ones.

    So one field stands for them, although they may differ in similarity.
    """

    signatures: tuple[Signature, ...]
    coverage: Coverage


class LabelFacts(Value):
    """A label: the values of all its records, and its policies."""

    label: str
    tally: Tally
    policies: tuple[PolicyFacts, ...] = ()


class RelationFacts(Value):
    """The relationships of a type from one label to another, and the values of their properties."""

    source: str
    type: str
    target: str
    tally: Tally

"""The source of a `Model` class: the properties, policies and relationships of a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..names import LABEL, MOVED_ID, MOVED_TEXTS, RESERVED, property_name_error
from ..port import DEFAULT_RELATIONSHIP_NAMES, Signature
from .checking import CLASS_NAMES, IMPORTS, TYPES
from .facts import LabelFacts, PolicyFacts, RelationFacts
from .fieldsource import field_line, left_out
from .identifiers import Scope, field_name
from .tally import Seen
from .text import ClassSource, call, class_source, literal, quoted, remark


class ModelSource:
    """The class for a label."""

    def __init__(self, name: str, facts: LabelFacts, classes: Iterable[str]) -> None:
        self._name = name
        self._facts = facts
        self._scope = Scope((*RESERVED, *CLASS_NAMES, *IMPORTS, *TYPES, *classes))
        self._fields: list[str] = []
        self._relations: list[str] = []
        self._remarks: list[str] = []
        self._attributes: dict[str, str] = {}
        texts = {each.signatures[0].property for each in facts.policies if _is_text(self._seen(each))}
        standing = {each.signatures[0].property for each in facts.policies if _stands_alone(self._seen(each))}
        for property_name in sorted({*facts.tally.properties, *texts} - standing, key=self._order):
            self._property(property_name, must_be_text=property_name in texts)
        for policies in facts.policies:
            self._policy(policies)

    def relate(
        self,
        facts: RelationFacts,
        target: str | None,
        edge_of: Mapping[tuple[str, str, str], str],
    ) -> None:
        """Add relationships that lead from this label to the class ``target``; None: there is none."""
        what = f"relationships {quoted(facts.type)} to {quoted(facts.target)}"
        if not LABEL.match(facts.type):
            self._remarks.append(remark(f"left out: {what}: a relation's type is letters, digits and _"))
        elif target is None:
            self._remarks.append(remark(f"left out: {what}: that label was not asked for"))
        elif facts.target.startswith(("$", "__")):
            self._remarks.append(remark(f"left out: {what}: no condition can name that label"))
        else:
            to = field_name(facts.target, "record")
            kind = to if facts.type in DEFAULT_RELATIONSHIP_NAMES else field_name(facts.type, "relation")
            attribute = self._scope.take(kind, f"{kind}_{to}")
            line = call("relation", facts.type)
            edge = edge_of.get((facts.source, facts.type, facts.target))
            if edge is not None:
                line = f"{line[:-1]}, edge={edge})"
            self._relations.append(f"{attribute}: Relation[list[{target}]] = {line}")

    def source(self) -> ClassSource:
        """The class."""
        label = self._facts.label
        head = f"{self._name}(Model)"
        if label != self._name:
            head = f"{self._name}(Model, label={literal(label)})"
        return class_source(head, [*self._fields, *self._relations], self._remarks)

    def _seen(self, policies: PolicyFacts) -> Seen | None:
        return self._facts.tally.properties.get(policies.signatures[0].property)

    def _order(self, name: str) -> tuple[bool, str]:
        """Names that can be attributes come first: another one does not take theirs."""
        return not self._scope.is_free(name), name

    def _property(self, name: str, *, must_be_text: bool) -> None:
        seen = self._facts.tally.properties.get(name)
        problem = property_name_error(name)
        kind = "str" if must_be_text or seen is None else seen.type
        if name in (MOVED_ID, MOVED_TEXTS) or (seen is not None and seen.are_origins):
            return  # the library's own
        if problem is not None:
            self._remarks.append(left_out(name, problem))
        elif kind is None:
            self._remarks.append(left_out(name, "its values are of several types"))
        else:
            attribute = self._attributes[name] = self._scope.take(name, field_name(name))
            is_optional = seen is None or seen.records < self._facts.tally.records
            self._fields.append(field_line(attribute, name, kind, is_optional=is_optional))

    def _policy(self, policies: PolicyFacts) -> None:
        first, seen = policies.signatures[0], self._seen(policies)
        similarities = tuple(each.similarity for each in policies.signatures)
        options: dict[str, Any] = {
            "dims": first.dims,
            "similarity": similarities if len(similarities) > 1 else first.similarity,
            "source": first.source,
        }
        text = self._attributes.get(first.property)
        if first.dims is None:
            self._policy_left_out(first, "the server has not told yet how many numbers its vectors have")
            return
        if text is not None and _is_text(seen):
            options["property"] = text
            attribute = self._scope.take(*self._vector_names(policies))
        elif text is None and _stands_alone(seen) and first.source == "external":
            attribute = self._scope.take(first.property, field_name(first.property))
            self._attributes[first.property] = attribute
            if attribute != first.property:
                options["name"] = first.property
        else:
            self._policy_left_out(first, "its values are not texts, or stand for the vectors of another one")
            return
        covered = policies.coverage.vectors >= self._facts.tally.records > 0
        if not covered and first.source == "external":
            options = {"default": None, **options}
        kind = "Vector" if covered else "OptionalVector"
        self._fields.append(f"{attribute}: {kind} = {call('VectorField', **options)}")

    def _policy_left_out(self, signature: Signature, reason: str) -> None:
        self._remarks.append(remark(f"left out: the index policy {quoted(str(signature))}: {reason}"))

    def _vector_names(self, policies: PolicyFacts) -> list[str]:
        """What a vector may be called, the shortest first; of several with one text each says what it is."""
        one = policies.signatures[0]
        others = [each.signatures[0] for each in self._facts.policies if each is not policies]
        text = f"{self._attributes[one.property].rstrip('_')}_embedding"
        if not any(each.property == one.property for each in others):
            return [text] if others else ["embedding", text]
        kind = _kind(one)
        sized = f"{text}_{kind}_{one.dims}"
        if any((each.property, _kind(each)) == (one.property, kind) for each in others):
            return [sized]
        return [f"{text}_{kind}", sized]


def _kind(one: Signature) -> str:
    return "managed" if one.source == "managed" else one.similarity


def _is_text(seen: Seen | None) -> bool:
    """Whether a policy is about a text: also where no record has one yet."""
    return seen is None or (seen.is_text and not _stands_alone(seen))


def _stands_alone(seen: Seen | None) -> bool:
    """Whether the indexed property is nothing but a sign that there is a vector (rule R4)."""
    return seen is not None and (seen.are_fingerprints or seen.are_origins)

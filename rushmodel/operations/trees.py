"""Saving records together with what their changed relations lead to, as one thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..edges import edge_data
from ..errors import NotFound, RecordGone, RushModelError, StaleVector
from ..flow import Operation, ask
from ..instance import Instance, schema_of_instance, state_of
from ..metaclass import schema_of
from ..port import Direction, Link, RecordWrite, SaveGraph, Unlink, Written
from ..relationcolumns import RelationSpec
from ..ties import Ties, changed_ties
from .context import Context
from .drafts import Draft, SaveOptions, draft, stale_vector
from .embedding import NOTHING, Vectors, embed_texts
from .managing import with_managed
from .naming import about
from .planning import prepare
from .settling import settle


def is_tree(record: Instance) -> bool:
    """Whether a record has changed relations."""
    ties = state_of(record).ties
    return ties is not None and any(each.changed for each in ties.values())


def reachable(root: Instance) -> list[Instance]:
    """A record, and all that its changed relations lead to, each once."""
    found: dict[int, Instance] = {}
    pending = [root]
    for record in pending:  # which grows
        if id(record) not in found:
            found[id(record)] = record
            for _, ties in changed_ties(state_of(record)):
                pending += [tie.record for tie in ties.attached.values()]
    return list(found.values())


class _Node:
    """A record of a tree.

    ``place`` is that of its write, None where it is as stored. ``roots`` are the numbers of those
    that lead to it.
    """

    __slots__ = ("draft", "place", "record", "roots")

    def __init__(self, record: Instance, made: Draft | None) -> None:
        self.record = record
        self.draft = made
        self.place: int | None = None
        self.roots: set[int] = set()

    @property
    def end(self) -> str | int:
        """How links name it."""
        if self.place is not None:
            return self.place
        record_id = state_of(self.record).record_id
        assert record_id is not None  # what has none has a draft
        return record_id

    @property
    def is_new(self) -> bool:
        """Whether it is made by its write, so that nothing can be related to it yet."""
        return self.draft is not None and self.draft.write.record_id is None and not self.draft.write.key

    def changes(self) -> list[tuple[RelationSpec, Ties]]:
        """The relations of it that have changed."""
        relations = schema_of_instance(self.record).relation_by_name
        return [(relations[name], ties) for name, ties in changed_ties(state_of(self.record))]


class Tree:
    """Records, and all that their changed relations lead to: what is to be saved in one step."""

    def __init__(self, context: Context, embedded: Vectors) -> None:
        self._context = context
        self._embedded = embedded
        self._nodes: dict[int, _Node] = {}
        self._inverses: dict[RelationSpec, list[RelationSpec]] = {}

    def add(self, root: Instance, number: int, options: SaveOptions) -> None:
        """Add a record with all that its relations lead to; where that is refused, nothing is added.

        Raises:
            RushModelError: A record among them cannot be saved, as if it were saved alone.
        """
        found: dict[int, _Node] = {}
        for record in reachable(root):
            node = self._nodes.get(id(record))
            if node is None:
                each = options if record is root else SaveOptions(options.on_stale)
                node = self._node(record, each)
            found[id(record)] = node
            for _, ties in node.changes():
                for gone in ties.detached.values():
                    self._context.check_place(gone)
        for at, node in found.items():
            node.roots.add(number)
            self._nodes[at] = node

    def save(self) -> Operation[None]:
        """Write the tree, and bring its instances up to date.

        Raises:
            RushModelError: As `SaveGraph`; ``roots`` are the numbers of the records it is about.
        """
        nodes = list(self._nodes.values())
        if self._context.embedder is not None:
            drafted = [node for node in nodes if node.draft is not None]
            managed = yield from with_managed(self._context, [node.draft for node in drafted if node.draft])
            for node, made in zip(drafted, managed, strict=True):
                node.draft = made
        writes: list[tuple[str, RecordWrite]] = []
        for node in nodes:
            if node.draft is not None:
                node.place = len(writes)
                writes.append((schema_of_instance(node.record).concrete_label(), node.draft.write))
        links, unlinks = self._links(), self._unlinks()
        models = {type(node.record) for node in nodes if node.draft is not None}
        for model in models - self._context.prepared:
            yield from prepare(self._context, schema_of(model))
        written: list[Written] = []
        if writes or links or unlinks:
            try:
                written = yield from ask(SaveGraph(writes, links, unlinks))
            except RushModelError as error:
                explained = self._explained(error)
                if explained is error:
                    raise
                raise explained from error
        self._settle(written)

    def _node(self, record: Instance, options: SaveOptions) -> _Node:
        try:
            self._context.check_place(record)
            embedded = self._embedded.get(id(record), NOTHING)
            return _Node(record, draft(record, options, embedded, self._context.absent))
        except RushModelError as error:
            about(schema_of_instance(record), error)
            raise

    def _links(self) -> list[Link]:
        links: list[Link] = []
        for node in self._nodes.values():
            for spec, ties in node.changes():
                for record, edge in ties.attached.values():
                    ends = node.end, self._nodes[id(record)].end
                    source, target = ends if spec.direction == "out" else ends[::-1]
                    links.append(Link(source, target, spec.kind, None if edge is None else edge_data(edge)))
        return links

    def _unlinks(self) -> list[Unlink]:
        unlinks: list[Unlink] = []
        # Of related records whose own side is a relation to one: what else leads to them goes.
        kept: dict[tuple[str | int, str, Direction, str], list[str | int]] = {}
        for node in self._nodes.values():
            for spec, ties in node.changes():
                others = [self._nodes[at] for at in ties.attached]
                if ties.replaces and not node.is_new:
                    keep = tuple(each.end for each in others)
                    unlinks.append(Unlink(node.end, (spec.kind,), spec.direction, None, keep, spec.label))
                ids = tuple(each.record_id for each in ties.detached.values() if each.record_id is not None)
                if ids and not node.is_new:
                    unlinks.append(Unlink(node.end, (spec.kind,), spec.direction, ids, (), spec.label))
                for inverse in self._inverse(spec):
                    for other in others if not inverse.many else ():
                        if not other.is_new:
                            key = (other.end, inverse.kind, inverse.direction, inverse.label)
                            kept.setdefault(key, []).append(node.end)
        for (end, kind, direction, label), keeping in kept.items():
            unlinks.append(Unlink(end, (kind,), direction, None, tuple(keeping), label))
        return unlinks

    def _inverse(self, spec: RelationSpec) -> list[RelationSpec]:
        """The same relationships as the related records see them, where their class declares that."""
        found = self._inverses.get(spec)
        if found is None:
            label = schema_of(spec.owner).label
            found = self._inverses[spec] = [
                each
                for each in schema_of(spec.target).relations
                if each.kind == spec.kind and each.direction != spec.direction and each.label == label
            ]
        return found

    def _settle(self, written: list[Written]) -> None:
        changes = [(node, node.changes()) for node in self._nodes.values()]
        written_ties = {id(ties) for _, several in changes for _, ties in several}
        for node, several in changes:
            with self._context.remembering(node.record):
                if node.draft is not None and node.place is not None:
                    settle(node.draft, written[node.place], self._context.place)
                touched = [(spec, [*ties.attached], [*ties.detached.values()]) for spec, ties in several]
                for _, ties in several:
                    ties.settle()
            self._forget(touched, written_ties)

    def _forget(
        self, touched: list[tuple[RelationSpec, list[int], list[Instance]]], written: set[int]
    ) -> None:
        """What related records know of the other side is not what the store has any more."""
        for spec, attached, detached in touched:
            others = [*(self._nodes[at].record for at in attached), *detached]
            for inverse in self._inverse(spec):
                for record in others:
                    ties = (state_of(record).ties or {}).get(inverse.name)
                    if ties is not None and id(ties) not in written and ties.stored is not None:
                        with self._context.remembering(record):
                            ties.stored = None

    def _explained(self, error: RushModelError) -> RushModelError:
        """The error in the words of the class that it is about."""
        node = self._about(error)
        if node is None:
            return error
        schema, state = schema_of_instance(node.record), state_of(node.record)
        explained = error
        if isinstance(error, StaleVector):
            explained = stale_vector(schema, schema.vector_by_name[error.field], error.record_id)
        elif isinstance(error, NotFound) and not isinstance(error, RecordGone):
            explained = RecordGone(f"{schema.name} {state.record_id} was deleted", record_id=state.record_id)
        about(schema, explained)
        explained.__dict__["roots"] = frozenset(node.roots)
        return explained

    def _about(self, error: RushModelError) -> _Node | None:
        index, record_id = getattr(error, "index", None), getattr(error, "record_id", None)
        nodes: Iterator[_Node] = iter(self._nodes.values())
        if index is not None:
            return next((node for node in nodes if node.place == index), None)
        if record_id is not None:
            return next((node for node in nodes if state_of(node.record).record_id == record_id), None)
        return None


def save_tree(context: Context, root: Any, options: SaveOptions) -> Operation[None]:
    """Save a record with what its relations lead to.

    Raises:
        As `Tree.add` and `Tree.save`.
    """
    embedded = yield from embed_texts(context, reachable(root), options)
    tree = Tree(context, embedded)
    tree.add(root, 0, options)
    yield from options.check_store()
    yield from tree.save()

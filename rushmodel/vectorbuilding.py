"""The vector fields of a class: what `VectorField()` was told, checked, and as part of a `ModelSchema`."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from . import codecs
from .annotations import show
from .embedding import as_embedder, maker_of
from .errors import ModelError
from .names import property_name_error
from .origins import origin_property
from .schema import Property, VectorProperty
from .vectorfields import VectorKind, VectorOptions, VectorSpec, options_of

LARGEST_DIMS = 4096
SIMILARITIES = ("cosine", "euclidean")


def check_vector(
    cls: type[Any], name: str, kind: VectorKind | None, options: VectorOptions, info: FieldInfo
) -> VectorKind:
    if kind is None:
        way = "Vector, Vector[list[float]], OptionalVector, list[float], or Annotated[str, VectorField(...)]"
        raise field_error(cls, name, f"a VectorField is for {way}, not for {show(info.annotation)}")
    if sum(isinstance(each, VectorOptions) for each in info.metadata) > 1:
        raise field_error(cls, name, "one VectorField a field; for two policies give similarity a tuple")
    if not kind.text:
        if info.default_factory is not None:
            raise field_error(cls, name, "a vector has no default_factory; its only default is None")
        if info.default is not PydanticUndefined and info.default is not None:
            raise field_error(cls, name, "the only default of a vector is None, on an OptionalVector")
        makes = options.source == "managed" or options.factory is not None
        if info.default is None and not kind.optional and not makes:
            raise field_error(cls, name, "default=None is for an OptionalVector")
    _check_options(cls, name, kind, options)
    return kind


def _check_options(cls: type[Any], name: str, kind: VectorKind, options: VectorOptions) -> None:
    dims: Any = options.dims
    if dims is None:
        raise field_error(cls, name, "it needs dims=, the length of its vectors: its embedder does not tell")
    if type(dims) is not int or not 1 <= dims <= LARGEST_DIMS:
        raise field_error(cls, name, f"dims must be a whole number from 1 to {LARGEST_DIMS}, got {dims!r}")
    if not options.similarities or any(each not in SIMILARITIES for each in options.similarities):
        raise field_error(
            cls,
            name,
            f"similarity is 'cosine', 'euclidean', or both in a tuple, got {options.similarities!r}",
        )
    if len(set(options.similarities)) != len(options.similarities):
        raise field_error(cls, name, f"similarity names one twice: {options.similarities!r}")
    if options.source not in ("external", "managed"):
        raise field_error(cls, name, f"source is 'external' or 'managed', got {options.source!r}")
    if options.on_stale not in (None, "raise", "keep", "drop", "embed"):
        known = "'raise', 'keep', 'drop' or 'embed'"
        raise field_error(cls, name, f"on_stale is {known}, got {options.on_stale!r}")
    if options.on_stale == "embed" and options.factory is None:
        raise field_error(cls, name, "on_stale='embed' needs an embedder: give the field factory=...")
    if options.factory is not None:
        _check_factory(cls, name, kind, options)
    if options.source == "managed" and options.property is None and not kind.text:
        raise field_error(cls, name, "a managed vector is made of a text: name its field, property='...'")
    if options.source == "managed" and kind.text:
        raise field_error(
            cls,
            name,
            "declare a managed vector as a field of its own: Vector = VectorField(source='managed', ...)",
        )
    if kind.text and (options.property is not None or options.name is not None):
        raise field_error(
            cls, name, "the annotated text is the indexed property itself: drop property=, name="
        )
    if options.property is not None and options.name is not None and options.factory is None:
        raise field_error(cls, name, "name= is for a vector that stands for itself; with property= drop it")


def _check_factory(cls: type[Any], name: str, kind: VectorKind, options: VectorOptions) -> None:
    if options.source == "managed":
        raise field_error(cls, name, "the store makes managed vectors itself; drop factory=, or the source")
    if options.property is None and not kind.text:
        raise field_error(cls, name, "an embedder needs a text: name its field with property='...'")
    try:
        made = as_embedder(options.factory)
    except ValueError as error:
        raise field_error(cls, name, str(error)) from None
    of_embedder = getattr(made, "dims", None)
    if of_embedder is not None and of_embedder != options.dims:
        raise field_error(
            cls,
            name,
            f"dims={options.dims}, and vectors of the embedder {made.name} have {of_embedder} numbers",
        )


def vector_property(name: str, kind: VectorKind, options: VectorOptions, label: str | None) -> VectorProperty:
    made = None if options.factory is None else as_embedder(options.factory)
    return VectorProperty(
        name=name,
        property=options.name or options.property or name,
        text=name if kind.text else options.property,
        dims=options.dims,
        similarities=options.similarities,
        source=options.source,
        on_stale=options.on_stale or ("raise" if made is None else "embed"),
        optional=kind.optional,
        as_list=kind.as_list,
        inline=kind.text,
        label=label,
        embedder=made,
    )


def with_text(cls: type[Any], spec: VectorProperty, properties: list[Property]) -> VectorProperty:
    """The spec with the stored name of its text."""
    if spec.text is None:
        problem = property_name_error(spec.property)
        if problem:
            raise field_error(cls, spec.name, f"it would be stored as {spec.property!r}, and {problem}")
        return spec
    found = next((each for each in properties if each.name == spec.text), None)
    if found is None:
        known = ", ".join(repr(each.name) for each in properties if each.codec is codecs.TEXT) or "none"
        raise field_error(
            cls, spec.name, f"property={spec.text!r} is no field of the class; its str fields: {known}"
        )
    if found.codec is not codecs.TEXT:
        raise field_error(
            cls,
            spec.name,
            f"property={spec.text!r} must be a str field, and it is {found.codec.name} (rule R2)",
        )
    own = spec.property if spec.embedder is not None and spec.property != spec.text else None
    origin = own
    if spec.embedder is not None:
        origin = own or _origin_of(spec, found.property)
        problem = property_name_error(origin)
        if problem:
            raise field_error(cls, spec.name, f"its origin would be stored as {origin!r}, and {problem}")
    return spec.replaced(property=own or found.property, text_property=found.property, origin=origin)


def _origin_of(spec: VectorProperty, text_property: str) -> str:
    assert spec.embedder is not None
    return origin_property(text_property, maker_of(spec.embedder), spec.dims, spec.similarities)


def with_former(
    cls: type[Any], spec: VectorProperty, info: FieldInfo, properties: list[Property]
) -> VectorProperty:
    """The spec with what the field was before, if that is said.

    Where both would have one policy, the vectors of the new embedder are told apart by an indexed property
    of their own: the one that holds their origin.
    """
    options = options_of(info)[1]
    assert options is not None
    was: Any = options.replaces
    if was is None:
        return spec
    if not isinstance(was, VectorSpec):
        raise field_error(cls, spec.name, f"replaces= takes a VectorSpec(...), got {type(was).__name__}")
    if spec.embedder is None:
        raise field_error(cls, spec.name, "replaces= is for a field with an embedder: give it factory=...")
    try:
        maker = None if was.factory is None else as_embedder(was.factory)
    except ValueError as error:
        raise field_error(cls, spec.name, f"replaces=: {error}") from None
    dims = getattr(maker, "dims", None) or spec.dims if was.dims is None else was.dims
    similarities: Any = was.similarity if isinstance(was.similarity, tuple) else (was.similarity,)
    former = VectorOptions(
        dims,
        spec.similarities if was.similarity is None else similarities,
        "external",
        was.property or (None if spec.inline else spec.text),
        was.name,
        "drop" if maker is None else "embed",
        was.factory,
    )
    kind = VectorKind(text=spec.inline, as_list=spec.as_list, optional=True)
    _check_options(cls, spec.name, kind, former)
    before = with_text(cls, vector_property(spec.name, kind, former, spec.label), properties)
    if set(spec.signatures) & set(before.signatures):
        if maker is not None and maker_of(maker) == maker_of(spec.embedder):
            reason = "replaces= names a policy that the field has still, with the same embedder: drop it"
            raise field_error(cls, spec.name, reason)
        assert spec.origin is not None
        spec = spec.replaced(property=spec.origin)
    return spec.replaced(replaces=before)


def field_error(cls: type[Any], name: str, reason: str) -> ModelError:
    """The error for a field that cannot be."""
    return ModelError(f"{cls.__name__}.{name}: {reason}", model=cls, field=name)

"""The metaclass: ``class Article(Model, label=..., abstract=...)`` and ``Article.year``."""

from __future__ import annotations

import difflib
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, PydanticUndefinedAnnotation

# Pydantic has no public name for its metaclass: this is the one place that knows its private parts.
from pydantic._internal import _model_construction as construction
from pydantic._internal import _typing_extra as frames
from typing_extensions import dataclass_transform

from .building import VECTORS, read_schema, reserved_name_error, warn_without_key
from .errors import ModelError
from .fields import field
from .inline import vectors_field
from .names import MODEL_NAMES, RESERVED
from .namespaces import annotated_names, take_relations
from .registry import enter_renamed, register
from .relationcolumns import RelationSpec
from .relations import RelationOptions
from .schema import ModelSchema
from .targets import Declared, check_relations, spec_of
from .ties import STATE, assign
from .vectorfields import VectorField, give_default

# Pydantic probes a class and its bases with getattr while it builds one: a field of a base must
# then look as absent as pydantic left it.
_building: ContextVar[bool] = ContextVar("rushmodel_building", default=False)


@dataclass_transform(kw_only_default=True, field_specifiers=(field, VectorField))
class ModelMeta(construction.ModelMetaclass):
    """Pydantic's metaclass, and: labels, schemas, and class attributes that are expressions."""

    __rush_label__: str | None
    __rush_schema__: ModelSchema | None
    __rush_relations__: dict[str, Declared]

    __rush_reserved__ = RESERVED
    """The names that fields and relations cannot have."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        label: str | None = None,
        abstract: bool = False,
        **kwargs: Any,
    ) -> Any:
        root = not any(isinstance(base, ModelMeta) for base in bases)
        if not root:
            _check_names(name, namespace, mcs.__rush_reserved__)
        if abstract and label is not None:
            raise ModelError(f"{name}: an abstract model has no label; drop label={label!r}")
        if "__pydantic_reset_parent_namespace__" not in kwargs:
            # Pydantic looks for local names in the frame that called its metaclass, which would be this one.
            frame = frames.parent_frame_namespace(parent_depth=2)
            namespace["__pydantic_parent_namespace__"] = construction.build_lenient_weakvaluedict(frame)
            kwargs["__pydantic_reset_parent_namespace__"] = False
        if not root and "defer_build" not in namespace.get("model_config", {}):
            kwargs.setdefault("defer_build", False)  # only the bases wait; see Instance
        give_default(namespace)
        relations = take_relations(name, bases, namespace)
        if relations and "__init__" not in namespace:
            _see_to_constructor(bases, namespace)
        token = _building.set(True)
        try:
            cls: Any = super().__new__(mcs, name, bases, namespace, **kwargs)
        finally:
            _building.reset(token)
        _give_relations(cls, relations)
        generic = cls.__pydantic_generic_metadata__
        concrete = not (root or abstract or generic["origin"] or generic["parameters"])
        cls.__rush_label__ = (name if label is None else label) if concrete else None
        cls.__rush_schema__ = None
        if cls.__pydantic_complete__ and not root:
            complete(cls, stacklevel=2)
        if concrete:
            register(cls)
        return cls

    def __init__(
        cls,
        name: str,
        bases: tuple[type[Any], ...],
        namespace: dict[str, Any],
        *,
        label: str | None = None,
        abstract: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, bases, namespace, **kwargs)

    def __rush_check__(cls, schema: ModelSchema) -> None:
        """Refuse what no class of this kind may be."""
        check_relations(schema.relations, concrete=schema.label is not None)

    # Reached only when normal look-up fails, as it does for pydantic fields. Hidden from type
    # checkers, which must go by the annotations alone.
    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:
            if _building.get() or name not in cls.__dict__.get("__pydantic_fields__", ()):
                try:
                    return super().__getattr__(name)
                except AttributeError:
                    if _building.get() or name.startswith("_"):
                        raise
                    raise AttributeError(_unknown_attribute(cls, name)) from None
            return column_of(cls, name)


def _unknown_attribute(cls: Any, name: str) -> str:
    fields = list(cls.__dict__.get("__pydantic_fields__", ()))
    near = difflib.get_close_matches(name, [*fields, *MODEL_NAMES], 1)
    return f"{cls.__name__} has no attribute {name!r}" + (f"; is {near[0]!r} meant?" if near else "")


def column_of(cls: Any, name: str) -> Any:
    """``Article.year`` as an expression."""
    columns = schema_of(cls).columns
    if name not in columns:
        raise AttributeError(f"{cls.__name__}.{name} is no field that conditions can be made of")
    return columns[name]


def schema_of(cls: Any) -> ModelSchema:
    """The schema of a model; resolves names that came later in its file, once."""
    schema: ModelSchema | None = cls.__dict__.get("__rush_schema__")
    if schema is not None:
        return schema
    try:
        cls.model_rebuild(_types_namespace=_namespace_of_caller())
    except PydanticUndefinedAnnotation as error:
        raise ModelError(
            f"{cls.__name__}: its annotations name {error.name!r}, which is not defined (yet)", model=cls
        ) from error
    schema = cls.__dict__["__rush_schema__"]
    return schema if schema is not None else complete(cls, stacklevel=3)


def complete(cls: Any, *, stacklevel: int) -> ModelSchema:
    """Read the schema of a class whose annotations are all known."""
    fields = cls.__pydantic_fields__
    specs = tuple(spec_of(each, cls, _namespace_of_caller) for each in cls.__rush_relations__.values())
    schema = read_schema(cls, fields, cls.__rush_label__).replaced(relations=specs)
    cls.__rush_check__(schema)
    if schema.inline_vectors:
        fields[VECTORS] = vectors_field(schema.inline_vectors)
        token = _building.set(True)
        try:
            BaseModel.__dict__["model_rebuild"].__func__(cls, force=True, _parent_namespace_depth=0)
        finally:
            _building.reset(token)
    _check_bases(cls, schema)
    _uncover(cls, schema)
    cls.__rush_schema__ = schema
    if schema.label is not None and schema.renamed:
        enter_renamed(schema.label, cls)
    warn_without_key(schema, stacklevel + 1)
    return schema


def _check_bases(cls: Any, schema: ModelSchema) -> None:
    """A condition on a base holds for its subclasses, so a field keeps its name in the store."""
    for base in cls.__mro__[1:]:
        inherited: ModelSchema | None = base.__dict__.get("__rush_schema__")
        for each in inherited.properties if inherited is not None else ():
            own = schema.by_name.get(each.name)
            if own is not None and own.property != each.property:
                raise ModelError(
                    f"{cls.__name__}.{each.name} is stored as {own.property!r}, and by its base "
                    f"{base.__name__} as {each.property!r}: conditions on the base would "
                    "miss it. Use the same name",
                    model=cls,
                    field=each.name,
                )


class _Uncovered:
    """A class attribute that is an expression although a mixin, which is no model, has a default there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None or _building.get():
            raise AttributeError(self.name)  # as absent as pydantic leaves its fields
        return column_of(owner, self.name)


def _uncover(cls: Any, schema: ModelSchema) -> None:
    for name in schema.columns:
        if any(name in base.__dict__ for base in cls.__mro__ if not isinstance(base, ModelMeta)):
            setattr(cls, name, _Uncovered(name))


_LIBRARIES = ("rushmodel.", "pydantic.")


def _namespace_of_caller() -> dict[str, Any]:
    """The names of the function that uses a class whose annotations came before what they name."""
    frame = inspect.currentframe()
    assert frame is not None  # CPython and PyPy have frames
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_LIBRARIES):
        frame = frame.f_back
    return {**frame.f_globals, **frame.f_locals}


def begin_private(instance: Any) -> None:
    """Give an instance that was made without ``__init__`` its private attributes."""
    construction.init_private_attributes(instance, None)


class RelationAttribute:
    """``Article.author`` and ``article.author``: what a relation is on the class, and on an instance."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None:
            return owner.__rush_view__(instance, relations_of(owner)[self.name])
        if _building.get():
            raise AttributeError(self.name)  # as absent as pydantic leaves its fields
        return schema_of(owner).relation_columns[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        # Instances have a __setattr__ of their own, which knows relations; this makes it win over __dict__.
        setattr(instance, self.name, value)


def relations_of(cls: Any) -> dict[str, RelationSpec]:
    """The relations of a model, by name."""
    return schema_of(cls).relation_by_name


def _see_to_constructor(bases: tuple[type[Any], ...], namespace: dict[str, Any]) -> None:
    """Give a class with relations a constructor that pydantic calls to validate its instances, too.

    Where there is none of somebody's own already; without relations nobody pays for it.
    """
    inherited: Any = next((base.__init__ for base in bases if base.__init__ is not object.__init__), None)
    if getattr(inherited, "__pydantic_base_init__", False):

        def __init__(self: Any, /, **data: Any) -> None:
            cls: Any = self.__class__
            given: dict[str, Any] = {name: data.pop(name) for name in cls.__rush_relations__ if name in data}
            inherited(self, **data)
            if given:
                assign(cls, relations_of(cls), self.__pydantic_private__[STATE], given)

        namespace["__init__"] = __init__


def _give_relations(cls: Any, own: dict[str, tuple[Any, RelationOptions]]) -> None:
    found: dict[str, Declared] = {}
    for base in reversed(cls.__mro__[1:]):
        found.update(base.__dict__.get("__rush_relations__", {}))

    def names() -> dict[str, Any]:
        around = cls.__dict__.get("__pydantic_parent_namespace__")
        return construction.unpack_lenient_weakvaluedict(around) or {}

    for name, (annotation, options) in own.items():
        found[name] = Declared(cls, name, annotation, options, names)
        setattr(cls, name, RelationAttribute(name))
    cls.__rush_relations__ = found


def _check_names(model: str, namespace: dict[str, Any], reserved: frozenset[str]) -> None:
    for name in annotated_names(namespace):
        if name in reserved:
            raise reserved_name_error(model, name)

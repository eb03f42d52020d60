"""`Value`: immutable values with named fields, the way most of this package passes data around."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from typing_extensions import Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """What ``@dataclass(frozen=True)`` makes, without generating code for it.

    Dataclasses compile half a dozen functions a class when a program starts; some fifty of them
    were a fifth of this package's import time. Fields are the annotated names, in order; a base's
    come first. ``eq=False`` compares by identity, for values that hold arrays.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, *, eq: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = [name for name in cls.__annotations__ if not name.startswith("_")]
        fields = (*cls._fields, *(name for name in own if name not in cls._names))
        cls._fields = fields
        cls._names = frozenset(fields)
        cls._defaults = {name: getattr(cls, name) for name in fields if hasattr(cls, name)}
        if not eq and "__eq__" not in cls.__dict__:
            cls.__eq__ = object.__eq__  # type: ignore[method-assign]
            cls.__hash__ = object.__hash__  # type: ignore[method-assign]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cls = type(self)
        fields = cls._fields
        values = self.__dict__
        values.update(cls._defaults)
        values.update(zip(fields, args, strict=False))
        values.update(kwargs)
        twice = args and kwargs and not kwargs.keys().isdisjoint(fields[: len(args)])
        if values.keys() != cls._names or len(args) > len(fields) or twice:
            values.clear()
            raise TypeError(f"{cls.__name__} takes {', '.join(fields)}; got {len(args)} and {list(kwargs)}")

    def replaced(self, **changes: Any) -> Self:
        """The same value with some fields changed."""
        values = self.__dict__
        return type(self)(**{name: values[name] for name in self._fields} | changes)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        return all(mine[name] == others[name] for name in self._fields)

    def __hash__(self) -> int:
        values = self.__dict__
        return hash(tuple(values[name] for name in self._fields))

    def __repr__(self) -> str:
        values = self.__dict__
        shown = ", ".join(f"{name}={shown_short(values[name])}" for name in self._fields)
        return f"{type(self).__qualname__}({shown})"


def shown_short(value: object) -> str:
    """The repr of a value; an array by its shape, since no repr shows a whole vector."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return f"<{' x '.join(map(str, value.shape))} {dtype}>"  # type: ignore[attr-defined]
    return repr(value)

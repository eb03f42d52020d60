"""Which models there are."""

from __future__ import annotations

import weakref
from typing import Any

_renamed: weakref.WeakValueDictionary[str, type[Any]] = weakref.WeakValueDictionary()
_models: weakref.WeakValueDictionary[tuple[str, str], type[Any]] = weakref.WeakValueDictionary()


def register(model: type[Any]) -> None:
    """Enter a model; one of the same module and qualname is replaced, as a notebook cell run again does."""
    _models[model.__module__, model.__qualname__] = model


def registered() -> list[type[Any]]:
    """All concrete models that are alive, by module and name."""
    return [model for _, model in sorted(_models.items(), key=lambda item: item[0])]


def newest(model: type[Any]) -> type[Any]:
    """The model that took the place of this one, else the model itself."""
    return _models.get((model.__module__, model.__qualname__), model)


def enter_renamed(label: str, model: type[Any]) -> None:
    """Enter the model of a label as one whose properties had other names before."""
    _renamed[label] = model


def renamed() -> dict[str, type[Any]]:
    """The models whose properties had other names before, by label; the last one of each counts."""
    return dict(_renamed)


def has_renamed() -> bool:
    """Whether there are any."""
    return bool(_renamed)

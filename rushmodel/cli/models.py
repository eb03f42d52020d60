"""Finding what is the user's by name: models, as ``app.models`` or ``app.models:Article``, an embedder."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import click

from ..errors import ConfigurationError
from ..metaclass import schema_of
from ..model import Model
from ..registry import registered

_FRAMES = 10
"""Of a traceback, the last so many are shown."""


def look_in(*folders: Path) -> None:
    """Have imports look in these folders first, as ``python -m`` does in the working directory."""
    for folder in reversed(folders):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def load_models(names: Iterable[str]) -> list[type[Model]]:
    """The models that are named, each once. Their modules are imported, and so may do anything.

    Raises:
        ConfigurationError: There is no such module or model, or importing it failed; then the end of the
            traceback was shown.
        ModelError: A class that cannot be a model.
    """
    found: dict[type[Model], None] = {}
    for name in names:
        module, _, attribute = name.partition(":")
        if not _is_path(module) or (":" in name and not _is_path(attribute)):
            raise ConfigurationError(f"models are named as in app.models or app.models:Article, not {name!r}")
        imported = _imported(module)
        found.update(dict.fromkeys([_model(imported, attribute)] if attribute else _models(imported)))
    return list(found)


def load_embedder(name: str) -> Any:
    """What is named so, for `connect`, which looks at it; `ConfigurationError` where there is nothing."""
    module, _, attribute = name.partition(":")
    if not _is_path(module) or not _is_path(attribute):
        raise ConfigurationError(f"an embedder is named as in app.models:minilm, not {name!r}")
    found = _inside(_imported(module), attribute)
    if found is None:
        raise ConfigurationError(f"the module {module!r} has no {attribute}")
    return found


def one_of(models: Sequence[type[Model]], name: str) -> type[Model]:
    """The model of a name; `ConfigurationError` where there is none, or several have it."""
    named = [model for model in models if model.__name__ == name]
    if len(named) == 1:
        return named[0]
    if named:
        places = ", ".join(f"{model.__module__}:{model.__qualname__}" for model in named)
        raise ConfigurationError(f"several models are named {name}: {places}; write one of these")
    known = ", ".join(model.__name__ for model in models)
    raise ConfigurationError(f"there is no model {name} among {known}; write module:{name} for another one")


def _imported(name: str) -> ModuleType:
    try:
        # What it prints is no result of a command.
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            hint = f"; for the file {name} write {name[:-3]}" if name.endswith(".py") else ""
            raise ConfigurationError(f"there is no module {missing!r} here, in {os.getcwd()}{hint}") from None
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:  # it may raise whatever it likes
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> ConfigurationError:
    """Show where a module failed, without the way that led into it."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and _is_way(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace, limit=-_FRAMES)
    click.echo("".join(shown.format(chain=False)).rstrip(), err=True)
    return ConfigurationError(f"the module {name!r} cannot be imported: {type(error).__name__}")


def _is_way(file: str) -> bool:
    return file == __file__ or file == importlib.__file__ or file.startswith("<frozen importlib")


def _model(module: ModuleType, name: str) -> type[Model]:
    found = _inside(module, name)
    if not (isinstance(found, type) and issubclass(found, Model)):
        known = ", ".join(model.__name__ for model in _concrete(module)) or "none"
        raise ConfigurationError(f"{module.__name__} has no model {name}; it has {known}")
    schema_of(found).concrete_label()
    return found


def _inside(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _is_path(name: str) -> bool:
    return all(map(str.isidentifier, name.split(".")))


def _models(module: ModuleType) -> list[type[Model]]:
    """The concrete models that a module names, and those of the modules in it."""
    inner = [
        model
        for model in registered()
        if model.__module__ == module.__name__ or model.__module__.startswith(f"{module.__name__}.")
    ]
    found = list(dict.fromkeys([*_concrete(module), *inner]))
    if not found:
        raise ConfigurationError(f"the module {module.__name__!r} has no models")
    return found


def _concrete(module: ModuleType) -> list[type[Model]]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Model) and schema_of(each).label is not None
    ]

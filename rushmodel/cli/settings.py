"""``[tool.rushmodel]`` in pyproject.toml: the database and the models of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigurationError
from ..opening import MEMORY, is_server
from ..value import Value
from . import leave_unless_installed

KEYS = ("database", "models", "embedder")


class Settings(Value):
    """What a pyproject.toml says: a location (paths count from its folder), and names to be found."""

    file: Path | None = None
    database: str | None = None
    models: tuple[str, ...] = ()
    embedder: str | None = None


def read_settings(folder: Path) -> Settings:
    """The settings of the nearest pyproject.toml, in this folder or above it, that has some.

    Raises:
        ConfigurationError: It cannot be read, or says something that is not known.
    """
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if file.is_file():
            table = _table(file)
            if table is not None:
                return _settings(file, table)
    return Settings()


def _table(file: Path) -> dict[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        leave_unless_installed("tomli")
        import tomli as tomllib

    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    tools = document.get("tool")
    table = cast("dict[str, Any]", tools).get("rushmodel") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigurationError(f"{file}: [tool.rushmodel] is a table")
    return cast("dict[str, Any] | None", table)


def _settings(file: Path, table: dict[str, Any]) -> Settings:
    unknown = table.keys() - set(KEYS)
    if unknown:
        raise ConfigurationError(
            f"{file}: [tool.rushmodel] has {', '.join(KEYS)}, and no {', '.join(sorted(unknown))}"
        )
    database, models = table.get("database"), table.get("models", [])
    if database is not None and not isinstance(database, str):
        raise ConfigurationError(f'{file}: database is a path or a URL, as in database = "articles.db"')
    embedder = table.get("embedder")
    if embedder is not None and not isinstance(embedder, str):
        raise ConfigurationError(f'{file}: embedder is a name, as in embedder = "app.models:minilm"')
    named = cast("list[Any]", models if isinstance(models, list) else [None])
    if not all(isinstance(each, str) for each in named):
        raise ConfigurationError(f'{file}: models is a list of names, as in models = ["app.models"]')
    if database is not None and database != MEMORY and not is_server(database):
        database = str(file.parent / database)
    return Settings(file, database, tuple(named), embedder)

"""`Session`: the options that commands share, and the database and models that they mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeAlias

import click

from ..database import Database, connect
from ..errors import ConfigurationError, StoreError
from ..metaclass import schema_of
from ..model import Model
from ..opening import MEMORY, from_environment, is_server
from . import Code, leave_unless_installed
from .models import load_embedder, load_models, look_in, one_of
from .output import Output
from .settings import Settings, read_settings

Command: TypeAlias = "Callable[..., Code | None]"


def with_session(command: Command) -> Command:
    """Give a command the options that all have, and a `Session` of them as its first argument."""

    @click.option(
        "-d",
        "--database",
        metavar="URL",
        help="A file, or the URL of a server. Else: RUSHMODEL_URL, then RUSHDB_URL, then pyproject.toml.",
    )
    @click.option(
        "--token-env",
        metavar="NAME",
        help="The environment variable that holds a server's token. Else: RUSHDB_API_KEY.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @wraps(command)
    def run(
        *,
        database: str | None,
        token_env: str | None,
        as_json: bool,
        models: tuple[str, ...] = (),
        embedder: str | None = None,
        **rest: Any,
    ) -> Code | None:
        leave_unless_installed("rich")
        session = Session(database, token_env, models, Output(as_json=as_json), embedder)
        return command(session, **rest)

    return run


def with_models(command: Command) -> Command:
    """Give a command ``--models``; outside of `with_session`."""
    return click.option(
        "-m",
        "--models",
        multiple=True,
        metavar="NAME",
        help="app.models (all of a module) or app.models:Article. May be repeated. Else: pyproject.toml.",
    )(command)


def with_embedder(command: Command) -> Command:
    """Give a command ``--embedder``; outside of `with_session`."""
    return click.option(
        "--embedder",
        metavar="NAME",
        help="app.models:minilm makes the managed vectors of a file. Else: pyproject.toml.",
    )(command)


class Session:
    """What a command runs with."""

    def __init__(
        self,
        database: str | None,
        token_env: str | None,
        models: Sequence[str],
        output: Output,
        embedder: str | None = None,
    ) -> None:
        self.output = output
        self._embedder = embedder
        self._database = database
        self._token_env = token_env
        self._models = models

    @cached_property
    def models(self) -> list[type[Model]]:
        """The models that are named.

        Raises:
            ConfigurationError: None are, or one cannot be found.
        """
        names = self._names
        if not names:
            raise ConfigurationError(
                'no models are named: give --models app.models, or write models = ["app.models"] under '
                "[tool.rushmodel] in pyproject.toml"
            )
        return self._load(names)

    def model(self, name: str) -> type[Model]:
        """A model by its name alone, among those that are named, or as ``module:Name``."""
        return self._load([name])[0] if ":" in name else one_of(self.models, name)

    def at(self, location: str | None) -> Session:
        """The same with another database; None: its own. A file is given no token."""
        named = self._location if location is None else location
        if location is None and is_server(named):
            return self
        return Session(named, self._token_env if is_server(named) else None, self._models, self.output)

    def embedder(self, name: str | None) -> Any:
        """The embedder of a name, if there is one.

        Raises:
            ConfigurationError: It cannot be found.
        """
        if name is None:
            return None
        self._look(by_file=False)
        return load_embedder(name)

    @contextmanager
    def database(
        self,
        models: Sequence[type[Model]] | None = None,
        *,
        make: bool = False,
        pretend: bool = False,
        embeds: bool = False,
    ) -> Generator[Database, None, None]:
        """The database, open and current in the block.

        Args:
            models: Its scope.
            make: A file that is not there is made.
            pretend: In place of such a file, an empty store in memory.
            embeds: Managed vectors may have to be made, whatever the models say.

        Raises:
            StoreError: There is no such file, or the store cannot be opened.
            ConfigurationError: No database is named, or its token is missing.
        """
        location, token = self._location, self._token
        if not (make or location == MEMORY or is_server(location) or Path(location).exists()):
            if not pretend:
                raise StoreError(f"there is no file {location}")
            self.output.say(f"{location} is not there yet: taken as an empty store")
            location = MEMORY
        # Loading one may take long: where nothing is managed, it is left alone.
        embeds = embeds or self._embedder is not None or any(map(_is_managed, models or ()))
        embedder = self._loaded_embedder(location) if embeds else None
        opened = connect(location, token=token, models=models, embedder=embedder, default=True)
        try:
            yield opened
        finally:
            opened.close()

    @cached_property
    def _settings(self) -> Settings:
        return read_settings(Path.cwd())

    @cached_property
    def _names(self) -> Sequence[str]:
        return self._models or self._settings.models

    @cached_property
    def _location(self) -> str:
        given = self._database or from_environment()
        found = given or self._settings.database
        if found is None:
            raise ConfigurationError(
                "no database is named: give --database articles.db, set the environment variable "
                'RUSHMODEL_URL, or write database = "articles.db" under [tool.rushmodel] in pyproject.toml'
            )
        if self._token_env is None and is_server(found):
            _check_token(found, self._settings.file if given is None else None)
        return found

    @cached_property
    def _token(self) -> str | None:
        """The token that `connect` is given; None: it looks for one itself."""
        name = self._token_env
        if name is None:
            return None
        token = os.environ.get(name)
        if not token:
            raise ConfigurationError(f"--token-env: there is no environment variable {name}")
        return token

    def _load(self, names: Sequence[str]) -> list[type[Model]]:
        self._look(by_file=not self._models)
        return load_models(names)

    def _loaded_embedder(self, location: str) -> Any:
        if self._embedder is None and is_server(location):
            return None  # a server has its own; `connect` says so where one was asked for
        name = self._embedder or self._settings.embedder
        if name is None:
            return None
        self._look(by_file=self._embedder is None)
        return load_embedder(name)

    def _look(self, *, by_file: bool) -> None:
        """Where modules are looked for: here, and beside the file if that names them."""
        file = self._settings.file if by_file else None
        look_in(Path.cwd(), *([file.parent] if file is not None else []))


def _is_managed(model: type[Model]) -> bool:
    return any(each.managed for each in schema_of(model).vectors)


def _check_token(url: str, file: Path | None) -> None:
    """Whether the token of the environment may go to a server; ``file`` is what named that, else None.

    `connect` has the same rules, and words for programs.
    """
    from ..backends.rest.location import TOKEN_VARIABLE, Address

    address = Address.parse(url)
    if not os.environ.get(TOKEN_VARIABLE):
        raise ConfigurationError(
            f"{address.url} wants a token: set the environment variable {TOKEN_VARIABLE}, or name another "
            "one with --token-env"
        )
    if file is not None and not address.is_cloud:
        # Whoever wrote the file may never have seen the token.
        raise ConfigurationError(
            f"{file} names the server {address.url}, and no token goes where a file says: give --token-env "
            f"{TOKEN_VARIABLE} to send it all the same, or give the URL as --database or RUSHMODEL_URL"
        )
    if address.insecure:
        raise ConfigurationError(
            f"the token in {TOKEN_VARIABLE} is not sent to {address.url}, as others can read what goes over "
            f"plain http: use https, or give --token-env {TOKEN_VARIABLE} to send it all the same"
        )

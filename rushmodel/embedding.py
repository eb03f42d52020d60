"""Embedders: what makes vectors of texts, and how the store knows later which one made a vector."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from .value import Value

TextKind: TypeAlias = Literal["document", "query"]
"""What a text is: one that is stored, or one that is searched for. Some models want them told apart."""


@runtime_checkable
class Embedder(Protocol):
    """What makes vectors of texts.

    ``name`` and ``version`` say which model it is: vectors of another name or version are stale. Two
    attributes may be there besides: ``dims``, the length of its vectors, and ``batch_size``, how many
    texts it takes at once.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> Any:
        """A vector for each text, in that order: array-like of shape ``(n, dims)``, or an awaitable of it.

        One that has a coroutine function ``aembed`` besides is asked by that where a loop runs.
        """
        ...


EmbedFunction: TypeAlias = Callable[..., Any]
"""Texts in, vectors out: ``(n, dims)``, array-like or an awaitable of it."""


def embedder(
    function: EmbedFunction,
    *,
    name: str | None = None,
    version: str = "1",
    dims: int | None = None,
    batch_size: int | None = None,
    query: EmbedFunction | None = None,
) -> FunctionEmbedder:
    """An `Embedder` out of a plain function of a list of texts, sync or async.

    ::

        model = SentenceTransformer("all-MiniLM-L6-v2")
        minilm = embedder(model.encode, name="all-MiniLM-L6-v2", dims=384)

    Args:
        function: Is given a list of texts, and returns array-like of shape ``(n, dims)``.
        name: Of the model; None: the function's own, which only a plain function has.
        version: To be changed when its vectors change: those of another version are stale.
        dims: The length of its vectors, so that `VectorField` need not say it.
        batch_size: How many texts it takes at once; None: any number.
        query: Another function for the texts that are searched for.

    Raises:
        TypeError, ValueError: An argument makes no sense.
    """
    return FunctionEmbedder(function, name, version, dims, batch_size, query)


class FunctionEmbedder(Value):
    """What `embedder()` makes."""

    function: EmbedFunction
    name: str = ""
    version: str = "1"
    dims: int | None = None
    batch_size: int | None = None
    query: EmbedFunction | None = None

    def __init__(
        self,
        function: EmbedFunction,
        name: str | None,
        version: str,
        dims: int | None,
        batch_size: int | None,
        query: EmbedFunction | None,
    ) -> None:
        for each in (function, *(() if query is None else (query,))):
            if not callable(each):
                raise TypeError(f"embedder() takes a function of texts, got {type(each).__name__}")
        super().__init__(function, name or _name_of(function), version, dims, batch_size, query)
        problem = embedder_error(self)
        if problem:
            raise ValueError(f"embedder(): {problem}")

    @property
    def is_async(self) -> bool:
        """Whether calling its functions makes coroutines, and so takes no time."""
        functions = (self.function, self.query or self.function)
        return all(inspect.iscoroutinefunction(each) for each in functions)

    def embed(self, texts: Sequence[str], *, kind: TextKind) -> Any:
        """A vector for each text."""
        if kind == "query" and self.query is not None:
            return self.query(list(texts))
        return self.function(list(texts))

    def __repr__(self) -> str:
        return f"<embedder {self.name}@{self.version}>"


def as_embedder(given: object) -> Embedder:
    """What ``VectorField(factory=...)`` was given, as an embedder.

    Raises:
        ValueError: It is none, and no function that could be one.
    """
    if isinstance(given, type) or not (hasattr(given, "embed") or callable(given)):
        shown = given.__name__ + " itself" if isinstance(given, type) else type(given).__name__
        raise ValueError(
            f"factory= is an embedder (name, version, embed()) or a function of texts, got {shown}"
        )
    if not hasattr(given, "embed"):
        try:
            return embedder(cast("EmbedFunction", given))
        except (TypeError, ValueError) as error:
            raise ValueError(str(error)) from None
    found = cast("Embedder", given)
    problem = embedder_error(found)
    if problem:
        raise ValueError(f"factory={type(given).__name__}(...): {problem}")
    return found


def embedder_error(given: Embedder) -> str | None:
    """What is wrong with an embedder's name, version, dims or batch_size; None where they are right."""
    for name in ("name", "version"):
        value = getattr(given, name, None)
        if not isinstance(value, str) or not value or value.split() != [value]:
            return f"its {name} is a text without spaces, got {value!r}"
    if len(maker_of(given)) > 200:
        return f"its name and version are too long together, {len(maker_of(given))} letters of 200"
    for name in ("dims", "batch_size"):
        value = getattr(given, name, None)
        if value is not None and (type(value) is not int or value < 1):
            return f"its {name} is a whole number from 1, or None, got {value!r}"
    return None


def maker_of(given: Embedder) -> str:
    """An embedder as origins name it."""
    return f"{given.name}@{given.version}"


def _name_of(function: EmbedFunction) -> str:
    """The name of a plain function; others (bound methods, partials, lambdas) may be of any model."""
    if not inspect.isfunction(function) or "<lambda>" in function.__qualname__:
        raise ValueError("give it a name=, since vectors are known by the name of who made them")
    module = function.__module__
    return f"{_main_name() if module == '__main__' else module}.{function.__qualname__}".replace(
        ".<locals>", ""
    )


def _main_name() -> str:
    """What the program's main module is called where it is imported, so that its functions have one name."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return Path(file).stem if file else "__main__"


def is_awaitable(value: object) -> bool:
    """Whether an embedder's answer is to be awaited."""
    return isinstance(value, Awaitable)

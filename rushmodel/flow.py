"""Operations and the two drivers that run them.

An operation is a generator: it yields commands, is sent the replies and
returns its result. It does no I/O, so it is written once, runs sync and async,
and a test of it is a conversation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import Any, Generic, TypeAlias, TypeVar

from .errors import RushModelError
from .port import AsyncBackend, Backend, Command, ThreadedBackend

R = TypeVar("R")

Operation: TypeAlias = Generator[Command[Any], Any, R]


class Effect(Command[R]):
    """A command that no store carries out, but the driver itself: an embedder is asked, say.

    It holds up no store: where a store has a thread of its own, it is carried out elsewhere.
    """

    @abstractmethod
    def perform(self) -> R:
        """Carry it out, in the calling thread."""

    @abstractmethod
    async def aperform(self) -> R:
        """Carry it out, from an event loop."""


def ask(command: Command[R]) -> Operation[R]:
    """``reply = yield from ask(command)``: a yield whose reply is typed."""
    reply: R = yield command
    return reply


def run(backend: Backend, operation: Operation[R]) -> R:
    """Carry an operation out, in the calling thread."""
    execute = backend.verb()
    try:
        command = next(operation)
        while True:
            try:
                reply = command.perform() if isinstance(command, Effect) else execute(command)
            except RushModelError as error:
                command = operation.throw(error)
            else:
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()


async def arun(backend: AsyncBackend, operation: Operation[R]) -> R:
    """Carry an operation out, from an event loop."""
    if isinstance(backend, ThreadedBackend):
        return await _in_steps(backend, operation)
    execute = backend.verb()
    try:
        command = next(operation)
        while True:
            try:
                if isinstance(command, Effect):
                    reply = await command.aperform()
                else:
                    reply = await execute(command)
            except RushModelError as error:
                command = operation.throw(error)
            else:
                command = operation.send(reply)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        operation.close()


class _Done(Generic[R]):
    """The result of an operation."""

    __slots__ = ("result",)

    def __init__(self, result: R) -> None:
        self.result = result


async def _in_steps(backend: ThreadedBackend, operation: Operation[R]) -> R:
    """Carry an operation out on the store's thread, up to each effect, which is carried out here."""
    step = await backend.carry_out(_until_effect(operation, None, None), run)
    while not isinstance(step, _Done):
        reply, failure = None, None
        try:
            reply = await step.aperform()
        except RushModelError as error:
            failure = error
        except BaseException:
            operation.close()
            raise
        step = await backend.carry_out(_until_effect(operation, reply, failure), run)
    return step.result


def _until_effect(
    operation: Operation[R], reply: Any, error: RushModelError | None
) -> Operation[Effect[Any] | _Done[R]]:
    """What an operation does up to its next effect, or to its end."""
    try:
        while True:
            command = operation.send(reply) if error is None else operation.throw(error)
            if isinstance(command, Effect):
                return command
            reply = error = None
            try:
                reply = yield command
            except RushModelError as refused:
                error = refused
    except StopIteration as done:
        return _Done(done.value)
    except GeneratorExit:
        operation.close()
        raise

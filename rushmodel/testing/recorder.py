"""`Recorder`: the commands that a database is sent."""

from __future__ import annotations

from types import TracebackType

from typing_extensions import Self

from ..database import Database
from ..watching import Sent


class Recorder:
    """Keeps what a database is sent while it is entered; a hook given to `connect()` is told as well.

    ::

        with Recorder(db) as recorder:
            article.save()
        recorder.assert_sent("SaveRecords")
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._before = database.__dict__["_on_command"]
        self.commands: list[Sent] = []

    @property
    def names(self) -> list[str]:
        """The names of the commands, in their order."""
        return [each.name for each in self.commands]

    def count(self, name: str) -> int:
        """How many commands had that name."""
        return self.names.count(name)

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.commands.clear()

    def assert_sent(self, *names: str) -> None:
        """Fail unless these are the commands, all of them and in that order.

        Raises:
            AssertionError: With what was expected and what was sent.
        """
        if self.names != list(names):
            expected = "\n".join(f"    {name}" for name in names) or "    nothing"
            sent = "\n".join(f"    {each}" for each in self.commands) or "    nothing"
            raise AssertionError(f"expected these commands:\n{expected}\nand these were sent:\n{sent}")

    def __enter__(self) -> Self:
        self._database.__dict__["_on_command"] = self._take
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.__dict__["_on_command"] = self._before

    def _take(self, sent: Sent) -> None:
        self.commands.append(sent)
        if self._before is not None:
            self._before(sent)

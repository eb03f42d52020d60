"""For the tests of programs that use rushmodel: instances, what was sent, and whether policies are in sync.

The fixtures `memory_database` and `recorder` come with the package, as a pytest plugin.
"""

from .building import build, build_many
from .checking import assert_in_sync
from .recorder import Recorder

__all__ = ["Recorder", "assert_in_sync", "build", "build_many"]

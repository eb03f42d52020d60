"""A disk without room: an error that names the file, nothing lost, and work goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTES = 8


def test_a_small_disk(tmp_path: Path) -> None:
    run(tmp_path, "disk", mounted(tmp_path))


def test_a_limit_to_the_size_of_files(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="needs RLIMIT_FSIZE")
    run(tmp_path, "quota", [])


def run(folder: Path, how: str, before: list[str]) -> None:
    program = [sys.executable, "-W", "error", "-m", "tests.faults.full_disk", str(folder), how]
    done = subprocess.run([*before, *program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("acknowledged") == 4


def mounted(folder: Path) -> list[str]:
    """What to put in front of a command, so that the folder is a small disk for it alone."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare"):
        pytest.skip("needs Linux and its program unshare, to mount a small disk")
    mount = f'mount -t tmpfs -o size={MEGABYTES}m tmpfs "$0" && exec "$@"'
    before = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    tried = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {tried.stderr.strip()}")
    return before

"""The types of the face, as mypy and pyright see them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TYPING = Path(__file__).parent / "typing"
ROOT = TYPING.parent.parent


def marked(path: Path) -> set[int]:
    lines = path.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if re.search(r"# E\b", line)}


def mypy_errors(path: Path, tmp_path: Path, plugins: str = "") -> dict[int, str]:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\n{plugins}\n")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", tmp_path / "cache", path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = re.findall(rf"{path.name}:(\d+): error: (.*)", run.stdout)
    here = re.compile(rf"{path.name}:\d+: ")
    elsewhere = [line for line in run.stdout.splitlines() if "error:" in line and not here.search(line)]
    assert not elsewhere
    return {int(number): text for number, text in found}


def pyright_errors(path: Path, tmp_path: Path) -> dict[int, str]:
    settings = {"typeCheckingMode": "strict", "include": [path.name], "extraPaths": [str(ROOT)]}
    # A comparison on a line of its own is what must fail there, for its types.
    settings |= {"reportUnusedExpression": "none"}
    settings |= {"venvPath": str(Path(sys.prefix).parent), "venv": Path(sys.prefix).name}
    folder = tmp_path / "pyright"  # pyright looks at everything beside its configuration
    folder.mkdir(exist_ok=True)
    (folder / path.name).write_text(path.read_text())
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "-p", folder, "--outputjson"], capture_output=True, text=True
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    diagnostics = json.loads(run.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1: each["message"] for each in diagnostics}


def test_every_checker_passes_what_is_right(tmp_path: Path) -> None:
    good = TYPING / "good.py"
    assert mypy_errors(good, tmp_path) == {}
    assert pyright_errors(good, tmp_path) == {}


def test_every_checker_refuses_what_is_wrong(tmp_path: Path) -> None:
    bad = TYPING / "bad.py"
    wanted = marked(bad)
    assert len(wanted) > 25
    assert mypy_errors(bad, tmp_path).keys() == wanted
    assert pyright_errors(bad, tmp_path).keys() == wanted


@pytest.mark.parametrize(
    "plugins", ["plugins = rushmodel.mypy_plugin", "plugins = pydantic.mypy, rushmodel.mypy_plugin"]
)
def test_the_mypy_plugin_types_plain_annotations(tmp_path: Path, plugins: str) -> None:
    plain = TYPING / "plain.py"
    assert mypy_errors(plain, tmp_path, plugins).keys() == marked(plain)


def test_the_plugin_changes_nothing_for_typed_fields(tmp_path: Path) -> None:
    assert mypy_errors(TYPING / "good.py", tmp_path, "plugins = rushmodel.mypy_plugin") == {}


def test_what_is_right_runs() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-W", "error", TYPING / "good.py"], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr

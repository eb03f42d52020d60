"""The command line: arguments, where the token comes from, errors of one line, and missing extras."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import rushmodel

from .process import COMMAND, SECONDS, TOKEN, Process, environment

posix = pytest.mark.skipif(os.name != "posix", reason="there, a file says nothing about who may read it")


def run(
    *arguments: str | Path, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def refused(code: int, *arguments: str | Path, **variables: str) -> str:
    """The one line in which a command says why it did nothing."""
    done = run(*arguments, cwd=None, **variables)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("rushmodel: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_version_and_help():
    assert run("--version").stdout == f"rushmodel {rushmodel.__version__}\n"
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "serve" in done.stdout
    for option in ("--host", "--port", "--token", "--token-file", "--cors", "--allow-host", "--durability"):
        assert option in run("serve", "--help").stdout


def test_help_says_that_a_token_there_can_be_seen():
    text = " ".join(run("serve", "--help").stdout.split())
    assert "Others on this machine can see it in the list of processes" in text
    assert "RUSHMODEL_SERVE_TOKEN" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing-of-that-name"],
        ["serve"],
        ["serve", "a.db", "b.db"],
        ["serve", "a.db", "--port", "65536"],
        ["serve", "a.db", "--port", "x"],
        ["serve", "a.db", "--durability", "none"],
        ["serve", "a.db", "--token", "x" * 20, "--token-file", "y"],
    ],
)
def test_command_lines_that_make_no_sense(arguments, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: rushmodel" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_are_one_line(tmp_path):
    path = tmp_path / "articles.db"
    assert "give a token of at least 16" in refused(3, "serve", path, "--host", "0.0.0.0")
    assert "at least 16 characters" in refused(3, "serve", path, "--host", "0.0.0.0", "--token", "short")
    assert "only a file or memory://" in refused(3, "serve", "https://api.rushdb.com/api/v1")
    assert "an origin is" in refused(3, "serve", path, "--port", "0", "--cors", "*")
    assert "no address to listen at" in refused(3, "serve", path, "--host", "no-such-name.invalid")
    assert "there is no folder" in refused(4, "serve", path / "x" / "y.db", "--port", "0")


def test_a_file_of_another_program(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk")
    assert "not a rushmodel store" in refused(4, "serve", path, "--port", "0")
    assert path.read_text() == "Buy milk"


def test_a_port_in_use(tmp_path):
    path = tmp_path / "articles.db"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen at 127.0.0.1, port {port}" in refused(4, "serve", path, "--port", str(port))
    assert not path.exists()


# -- where the token comes from


def accepts(server: Process, token: str) -> bool:
    answer = httpx.get(f"{server.url}/ai/indexes", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 403)
    return answer.status_code == 200


@posix
def test_the_command_line_comes_before_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-the-file")
    file.chmod(0o600)
    with Process("memory://") as server:
        assert accepts(server, TOKEN)
    with Process("memory://", "--token", "from-the-line") as server:
        assert accepts(server, "from-the-line")
        assert not accepts(server, TOKEN)
        assert server.lines == [f"rushmodel: serving memory:// on {server.url}"]
    with Process("memory://", "--token-file", file) as server:
        assert accepts(server, "from-the-file")
        assert not accepts(server, TOKEN)


@posix
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_token_file_may_end_its_line(tmp_path, ending):
    file = tmp_path / "token"
    file.write_bytes(b"from-the-file" + ending.encode())
    file.chmod(0o400)
    with Process("memory://", "--token-file", file, token=None) as server:
        assert [line.split()[1] for line in server.lines] == ["serving"]
        server.token = "from-the-file"
        assert accepts(server, "from-the-file")


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_token_files_of_others_are_refused(tmp_path, mode):
    file = tmp_path / "token"
    file.write_text("from-the-file")
    file.chmod(mode)
    line = refused(3, "serve", "memory://", "--port", "0", "--token-file", file)
    assert f"chmod 600 {file}" in line
    assert "from-the-file" not in line


@posix
@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"two\nlines", b"line\n\n", "ümlaut".encode()])
def test_token_files_that_hold_none_are_refused(tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(0o600)
    line = refused(3, "serve", "memory://", "--port", "0", "--token-file", file)
    assert "ASCII" in line
    assert "words" not in line


def test_a_token_file_that_is_not_there(tmp_path):
    file = tmp_path / "token"
    assert str(file) in refused(3, "serve", "memory://", "--port", "0", "--token-file", file)


def test_an_empty_token_in_the_environment_is_an_error():
    assert "not empty" in refused(3, "serve", "memory://", "--port", "0", RUSHMODEL_SERVE_TOKEN="")


# -- what reaches the server


@posix
def test_options_reach_the_server(tmp_path):
    path = tmp_path / "articles.db"
    options = ["--cors", "http://a.example", "--cors", "http://b.example", "--allow-host", "rush.example"]
    with Process(path, *options, "--durability", "normal", "--log-level", "debug") as server:
        for origin in ("http://a.example", "http://b.example"):
            answer = httpx.get(f"{server.url}/ai/indexes", headers={"origin": origin, "host": "rush.example"})
            assert answer.status_code == 401
            assert answer.headers["access-control-allow-origin"] == origin
        assert server.end(signal.SIGTERM)[0] == 0


# -- missing extras


@pytest.mark.parametrize(
    ("missing", "extra", "arguments"),
    [
        ("click", "cli", ["--version"]),
        ("rich", "cli", ["stats"]),
        ("uvicorn", "serve", ["serve", "memory://"]),
        ("starlette", "serve", ["serve", "memory://"]),
    ],
)
def test_what_is_not_installed_is_named(tmp_path, missing, extra, arguments):
    """In an environment where everything is but that module: its finder says so."""
    program = f"""
import importlib.abc, importlib.util, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {missing!r} else real(name, package)
sys.meta_path.insert(0, Missing())
sys.argv = ["rushmodel", *{arguments!r}]
from rushmodel.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'rushmodel: {missing} not installed: pip install "rushmodel[{extra}]"\n'


def test_the_script_is_declared():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'rushmodel = "rushmodel.cli:main"' in text

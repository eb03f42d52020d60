"""The program as a whole: help, output that nobody reads, Ctrl-C, colours, JSON, odd terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest

import rushmodel
from rushmodel import connect
from rushmodel.cli.output import shown, size
from tests.serve.process import COMMAND, SECONDS, Process, environment

from .terminal import in_terminal

posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals are other ones there")

COMMANDS = """
    plan sync migrate stale reembed backfill search import export push pull inspect stats check backup
    vacuum serve
""".split()


def test_version_and_help(project):
    assert project.run("--version") == (0, f"rushmodel {rushmodel.__version__}\n", "")
    done = project.run("--help")
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"^  (\w+)  ", done.out, re.MULTILINE) == COMMANDS
    assert "Exit codes" in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_same_options(project, command):
    done = project.run(command, "-h")
    assert (done.code, done.err) == (0, "")
    if command != "serve":
        for option in ("--database", "--token-env", "--json"):
            assert option in done.out
    done = project.run(command, "--nonsense")
    assert (done.code, done.out) == (2, "")
    assert "--nonsense" in done.err


def test_command_lines_that_make_no_sense(project):
    assert "Usage: rushmodel" in "".join(map(str, project.run()))
    assert "No such command 'paln'" in project.run("paln").err
    assert project.run("search", "Article").code == 2
    assert project.run("search", "Article", "x", "--limit", "0").code == 2
    assert project.run("plan", "--min-coverage", "x").code == 2


# -- upkeep, which has a page of its own


def test_stats_check_backup_vacuum(project):
    project.write("a.jsonl", '{"slug": "a", "title": "A", "body": "x", "embedding": [1, 0]}')
    project.on("import", "a.jsonl", "--model", "Article")
    done = project.on("stats", "--json")
    assert done.document["records"] == {"Article": 1}
    assert done.document["vectors"][0]["held"] == 1
    done = project.on("stats")
    assert done.out.splitlines()[1].split() == ["Article", "1"]
    assert "format 1, SQLite" in done.out
    assert project.on("check") == (0, "ok\n", "")
    assert project.on("check", "--json").document == {"ok": True, "findings": []}
    done = project.on("backup", "b.db", "--json")
    assert done.document["bytes"] == (project.folder / "b.db").stat().st_size
    done = project.on("backup", "b.db")
    assert (done.code, "add --overwrite" in done.err) == (4, True)
    assert project.on("backup", "b.db", "--overwrite").code == 0
    done = project.on("vacuum", "--json")
    assert done.document.keys() == {"bytes_before", "bytes_after", "removed"}
    assert " before, " in project.on("vacuum").out


def test_a_damaged_file(project):
    project.on("sync")
    with open("a.db", "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    done = project.on("check")
    assert done.code in (1, 4)
    assert "Traceback" not in done.err
    done = project.on("check", "--json")
    assert done.code == 4 or done.document["ok"] is False


def test_a_file_of_another_program(project):
    project.write("notes.txt", "Buy milk")
    done = project.run("stats", "-d", "notes.txt")
    assert (done.code, "is not a rushmodel store" in done.err) == (4, True)


# -- searching


def test_search_without_an_embedder(project):
    project.on("sync")
    done = project.on("search", "Article", "words")
    assert (done.code, done.out) == (4, "")
    assert "Traceback" not in done.err


def test_a_condition_that_makes_no_sense_is_pointed_at(project):
    done = project.on("search", "Article", "words", "--where", "year > 2020 and yaer < 3")
    assert done.code == 2
    assert done.err.splitlines()[-3:] == [
        "rushmodel: --where: column 17: Article has no field yaer; is year meant?",
        "    year > 2020 and yaer < 3",
        "                    ^",
    ]


# -- terminals


def test_what_would_move_a_cursor_is_shown():
    assert shown("a\x1b[31m\n\u202eb\x07\x9b") == "a\\x1b[31m\\n\\u202eb\\x07\\x9b"
    assert shown("Ünïcode 😀") == "Ünïcode 😀"
    assert [size(each) for each in (0, 999, 1000, 2_500_000, 10**13)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "2.5 MB",
        "10000.0 GB",
    ]


def test_data_cannot_write_to_the_terminal(project):
    with connect("a.db", default=False) as db:
        db.client.records.create("A\x1b[2J", {"n": 1})
    db.close()
    done = project.on("stats")
    assert "\x1b" not in done.out
    assert "A\\x1b[2J" in done.out


@posix
def test_colours_are_for_terminals(project):
    arguments = ["plan", "-d", "a.db", "-m", project.module]
    code, seen = in_terminal(*arguments, cwd=project.folder)
    assert (code, "\x1b[32mcreate" in seen) == (0, True)
    code, seen = in_terminal(*arguments, cwd=project.folder, variables={"NO_COLOR": "1"})
    assert (code, re.search(r"\x1b\[\d*[34]\d", seen)) == (0, None)
    assert "\x1b" not in project.run(*arguments).out


def started(project, *arguments, **variables):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=project.folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_letters_that_a_terminal_does_not_know(project):
    project.write("a.jsonl", '{"slug": "é", "title": "A"}')
    project.on("import", "a.jsonl", "--model", "Article")
    with connect("a.db", default=False) as db:
        db.client.records.create("Ωmega", {"n": 1})
    db.close()
    with started(project, "stats", "-d", "a.db", PYTHONIOENCODING="latin-1") as process:
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, err) == (0, b"")
        assert b"\\u03a9mega" in out
    with started(project, "stats", "-d", "a.db", "--json", PYTHONIOENCODING="latin-1") as process:
        out, err = process.communicate(timeout=SECONDS)
        assert b'"\\u03a9mega": 1' in out


@posix
def test_output_that_nobody_reads(project):
    project.write("a.csv", "n,text\n" + "".join(f"{n},{'x' * 200}\n" for n in range(3000)))
    assert project.on("import", "a.csv", "--label", "A").code == 0
    with started(project, "export", "-d", "a.db") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(SECONDS)) == (b"", 141)


@posix
def test_ctrl_c(project):
    project.write(
        "slow.py", "import sys, time\nsys.stderr.write('begun')\nsys.stderr.flush()\ntime.sleep(60)\n"
    )
    with started(project, "plan", "-d", "a.db", "-m", "slow") as process:
        assert process.stderr
        assert process.stderr.read(5) == b"begun"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, out, err) == (130, b"", b"rushmodel: interrupted\n")


@posix
def test_ctrl_c_while_a_file_is_imported(project):
    project.write("a.csv", "n,text\n" + "".join(f"{n},{'x' * 20}\n" for n in range(300_000)))
    with started(project, "import", "a.csv", "--label", "A", "-d", "a.db") as process:
        while not (project.folder / "a.db-wal").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, out, err) == (130, b"", b"rushmodel: interrupted\n")
    assert project.on("stats", "--json").document["records"] == {}
    assert project.on("check").code == 0


# -- a server


def test_a_server(project, monkeypatch):
    with Process("memory://") as server:
        monkeypatch.setenv("RUSHDB_API_KEY", server.token)
        project.write("a.jsonl", '{"slug": "a", "title": "A", "body": "x", "embedding": [1, 0]}')
        arguments = ["-d", server.url, "-m", project.module]
        assert project.run("sync", *arguments).code == 0
        assert project.run("import", "a.jsonl", "--model", "Article", *arguments).code == 0
        assert project.run("plan", "--check", "--min-coverage", "1", *arguments).code == 0
        assert project.run("export", "-d", server.url).out.count("\n") == 1
        done = project.run("stats", "-d", server.url)
        assert (done.code, done.out) == (4, "")
        monkeypatch.setenv("RUSHDB_API_KEY", "a-guess-at-it")
        done = project.run("plan", "--json", *arguments)
        assert (done.code, done.document["error"]["kind"]) == (4, "AccessDenied")
        assert "a-guess-at-it" not in done.out + done.err
        monkeypatch.setenv("ANOTHER", server.token)
        assert project.run("plan", "--token-env", "ANOTHER", *arguments).code == 0

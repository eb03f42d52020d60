"""``rushmodel migrate``: what a plan says before and after, and Ctrl-C in the middle of it."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.serve.process import COMMAND, SECONDS, environment

posix = pytest.mark.skipif(os.name != "posix", reason="signals are other ones there")

MODELS = """
import time
from rushmodel import Field, Model, Vector, VectorField, VectorSpec, embedder, field

SLOW = False


def old(texts):
    return [[text.count("e") + 1, text.count("a") + 1] for text in texts]


def new(texts):
    if SLOW:
        time.sleep(0.05)
    return [[text.count("e") + 1, text.count("a") + 1, 1] for text in texts]


old, new = embedder(old, dims=2), embedder(new, dims=3, batch_size=10)


class Article(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: Vector = VectorField(factory=FIELD, property="body")
"""

BEFORE, AFTER = "old", 'new, replaces=VectorSpec(dims=2, similarity="cosine", factory=old)'


@pytest.fixture
def options(project):
    """The options of the model as it is now; 50 records were saved with what it was before."""
    old, new = (f"migrating_{project.module}_{when}" for when in ("old", "new"))
    project.write(f"{old}.py", MODELS.replace("FIELD", BEFORE))
    project.write(f"{new}.py", MODELS.replace("FIELD", AFTER))
    project.write("a.csv", "slug,body\n" + "".join(f"s{n},{'ea'[n % 2] * (n + 1)}\n" for n in range(50)))
    assert project.run("import", "a.csv", "--model", "Article", "-d", "a.db", "-m", old).code == 0
    return ["-d", "a.db", "-m", new]


def test_from_one_embedder_to_another(project, options):
    done = project.run("plan", "--check", *options)
    assert done.code == 1
    assert done.out.splitlines()[-2:] == [
        "1 to create: rushmodel sync",
        "Article.embedding, 2 to 3: embed 50 texts of 50 (5 requests); then switch searches over: rushmodel "
        "migrate; then retire the old: rushmodel sync --prune --drop-vectors.",
    ]
    done = project.run("migrate", "--batch", "20", "--json", *options)
    assert (done.code, done.err) == (0, "")
    (moved,) = done.document["migrations"]
    assert (moved["is_switched"], moved["remaining"]) == (True, 0)
    done = project.run("plan", "--check", "--min-coverage", "1", *options)
    assert (done.code, "db." in done.out) == (0, False)
    done = project.run("search", "Article", "eee", "--limit", "1", *options)
    assert (done.code, done.err) == (0, "")
    done = project.run("sync", "--prune", *options)
    assert (done.code, "add --drop-vectors" in done.err) == (1, True)
    done = project.run("sync", "--prune", "--drop-vectors", "--yes", *options)
    assert (done.code, "1 dropped" in done.out) == (0, True)
    assert project.run("migrate", *options).code == 0


def test_nothing_to_migrate(project):
    assert project.on("sync").code == 0
    done = project.on("migrate")
    assert (done.code, done.out.splitlines()[-1]) == (0, "In sync.")


@posix
def test_ctrl_c_in_the_middle(project, options):
    name = options[-1] + ".py"
    project.write(name, (project.folder / name).read_text().replace("SLOW = False", "SLOW = True"))
    with subprocess.Popen(
        [*COMMAND, "migrate", "--batch", "1", *options],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while project.run("stale", "--json", *options).document["stale"][0]["stale"] == 50:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, out, err) == (130, b"", b"rushmodel: interrupted\n")
    (left,) = project.run("plan", "--json", *options).document["migrations"]
    assert (0 < left["remaining"] < 50, left["is_switched"]) == (True, False)
    assert project.run("search", "Article", "eee", *options).out.count("\n") == 11  # by the old vectors
    assert project.run("migrate", *options).code == 0
    assert project.run("plan", "--check", *options).code == 0


RENAMED = """
from rushmodel import Field, Model, field


class Paper(Model, label="CliPaper"):
    slug: Field[str] = field(key=True)
    FIELD
"""


def test_a_property_gets_another_name(project):
    old, new = (f"renaming_{project.module}_{when}" for when in ("old", "new"))
    project.write(f"{old}.py", RENAMED.replace("FIELD", "headline: Field[str]"))
    renamed = 'title: Field[str] = field(renamed_from="headline")'
    project.write(f"{new}.py", RENAMED.replace("FIELD", renamed))
    project.write("papers.csv", "slug,headline\na,A\nb,B\n")
    assert project.run("import", "papers.csv", "--model", "Paper", "-d", "a.db", "-m", old).code == 0
    options = ["-d", "a.db", "-m", new]
    done = project.run("plan", "--check", *options)
    assert done.code == 1
    assert "CliPaper.title, headline to title: bring 2 records of 2 over; then read" in done.out
    assert done.out.endswith(": rushmodel migrate.\n")
    done = project.run("migrate", *options)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("CliPaper.title: its renaming is done, renamed_from= can go.\n")
    done = project.run("plan", "--check", "--json", *options)
    assert (done.code, done.document["renames"][0]["is_switched"]) == (0, True)

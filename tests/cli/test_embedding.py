"""Commands of models that have an embedder: ``search``, ``import``, ``stale`` and ``reembed``."""

from __future__ import annotations

import json

MODELS = """
from rushmodel import Field, Model, OptionalVector, VectorField, embedder, field


def letters(texts):
    return [[text.count("e") + 1, text.count("a") + 1] for text in texts]


maker = embedder(letters, dims=2, version="VERSION")


class Article(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
    year: Field[int | None] = field(default=None)
    embedding: OptionalVector = VectorField(factory=maker, property="body")


class Plain(Model):
    n: Field[int]
"""


def ready(project, version="1"):
    name = f"embedding_{project.module}_{version}"
    project.write(f"{name}.py", MODELS.replace("VERSION", version))
    return ["-d", "a.db", "-m", name]


def imported(project):
    options = ready(project)
    project.write("a.csv", "slug,body,year\na,eee,1999\nb,aaa,2021\nc,ea,\n")
    assert project.run("import", "a.csv", "--model", "Article", *options).code == 0
    return options


def test_rows_are_embedded_and_found_by_words(project):
    options = imported(project)
    assert project.run("plan", "--check", "--min-coverage", "1", *options).code == 0
    done = project.run("search", "Article", "banana", *options)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["score", "slug"],
        ["1.0000", "b"],
        ["0.9287", "c"],
        ["0.7353", "a"],
    ]
    done = project.run(
        "search",
        "Article",
        "banana",
        "--where",
        "year < 2020 or year is None",
        "--limit",
        "1",
        "--json",
        *options,
    )
    (hit,) = done.document["hits"]
    assert hit.keys() == {"score", "parts", "record_id", "record"}
    assert hit["record"] == {"slug": "c", "body": "ea", "year": None}
    assert project.run("search", "Article", "banana", "--min-score", "0.99", *options).out.count("\n") == 2
    assert project.run("search", "Article", "banana", "--offset", "3", *options).out.count("\n") == 1
    assert (
        project.run("search", "Article", "banana", "--where", '{"year": {"$gt": 2020}}', *options).out.count(
            "\n"
        )
        == 2
    )
    done = project.run("search", "Article", "banana", "--where", '{"year": {"$foo": 2020}}', *options)
    assert done.code == 2
    done = project.run("search", "Article", "banana", "--on", "nothing", *options)
    assert (done.code, "embedding" in done.err) == (2, True)


def test_stale_and_reembed(project):
    options = imported(project)
    done = project.run("stale", "--check", *options)
    assert (done.code, done.out.split()) == (0, "model field records stale Article embedding 3 0".split())
    newer = ready(project, "2")
    done = project.run("stale", "--check", "--json", *newer)
    assert done.code == 1
    assert done.document == {"stale": [{"model": "Article", "field": "embedding", "records": 3, "stale": 3}]}
    assert project.run("stale", *newer).code == 0
    assert project.run("reembed", "--batch", "2", *newer).out == "Article: 3 records embedded\n"
    assert project.run("stale", "--check", "Article", *newer).code == 0
    assert project.run("reembed", "--json", *newer).document == {"made": {"Article": 0}}


def test_without_an_embedder(project):
    options = imported(project)
    done = project.run("stale", "Plain", *options)
    assert (done.code, "Plain: no field has an embedder" in done.err) == (3, True)
    done = project.run("reembed", "-d", "a.db", "-m", options[-1] + ":Plain")
    assert (done.code, "Plain: no field has an embedder" in done.err) == (3, True)


def test_an_embedder_that_fails(project):
    options = ready(project)
    name = options[-1] + ".py"
    text = (
        (project.folder / name)
        .read_text()
        .replace("    return [[", "    raise OSError('no model')\n    return [[")
    )
    project.write(name, text)
    project.write("a.jsonl", json.dumps({"slug": "a", "body": "x"}))
    done = project.run("import", "a.jsonl", "--model", "Article", *options)
    assert (done.code, "no model" in done.err, "Traceback" in done.err) == (4, True, False)


def test_words_in_texts_and_both(project):
    options = imported(project)
    done = project.run("search", "Article", "--text", "eee", "--json", *options)
    assert (done.code, [hit["record"]["slug"] for hit in done.document["hits"]]) == (0, ["a"])
    both = ["search", "Article", "banana", "--text", "eee", *options]
    done = project.run(*both, "--weight", "0.1", "--json")
    assert done.document["hits"][0]["record"]["slug"] == "a"
    assert done.document["hits"][0]["parts"].keys() == {"vector", "text"}
    done = project.run(*both, "--fusion", "dbsf", "--weight", "1")
    assert (done.code, done.out.splitlines()[1].split()[1]) == (0, "b")
    for wrong in (
        ["search", "Article"],
        ["search", "Article", "x", "--weight", "1"],
        [*both, "--weight", "2"],
    ):
        assert project.run(*wrong, *options).code == 2


MANAGED = """
import sys
from rushmodel import Field, Model, OptionalVector, VectorField, embedder, field

sys.stderr.write("loaded")


def letters(texts):
    return [[text.count("e") + 1, text.count("a") + 1] for text in texts]


maker = embedder(letters, dims=2)


class Article(Model):
    slug: Field[str] = field(key=True)
    body: Field[str]
    embedding: OptionalVector = VectorField(source="managed", dims=2, property="body")
"""


def test_managed_vectors_of_a_file(project):
    name = f"managed_{project.module}"
    project.write(f"{name}.py", MANAGED)
    table = f'[tool.rushmodel]\nmodels = ["{name}"]\ndatabase = "a.db"\n'
    project.write("pyproject.toml", table)
    project.write("a.csv", "slug,body\na,eee\nb,aaa\n")
    assert project.run("sync").code == 0
    assert project.run("import", "a.csv", "--label", "Article").code == 0
    done = project.run("backfill")
    assert (done.code, "--embedder" in done.err) == (4, True)
    for given in (name, f"{name}:", "a b:c", 'x"'):
        assert "an embedder is named as in" in project.run("backfill", "--embedder", given).err
    done = project.run("backfill", "--embedder", f"{name}:nothing")
    assert (done.code, "has no nothing" in done.err) == (3, True)
    assert project.run("backfill", "--embedder", "json:dumps.__doc__").code == 3
    done = project.run("backfill", "--embedder", f"{name}:maker", "--json")
    assert (done.code, done.document) == (0, {"made": 2})
    project.write("pyproject.toml", f'{table}embedder = "{name}:maker"\n')
    assert project.run("backfill").out == "0 records embedded\n"
    done = project.run("search", "Article", "banana", "--limit", "1")
    assert (done.code, done.out.split()[-2:]) == (0, ["b", "aaa"])
    project.write("b.csv", "slug,body\nc,e\n")
    assert project.run("import", "b.csv", "--model", "Article").code == 0
    assert project.run("plan", "--min-coverage", "1").code == 0


def test_a_field_with_two_similarities(project):
    name = f"similar_{project.module}"
    declared = 'VectorField(factory=maker, similarity=("cosine", "euclidean"), property="body")'
    made = MODELS.replace('VectorField(factory=maker, property="body")', declared)
    project.write(f"{name}.py", made.replace("VERSION", "1"))
    options = ["-d", "a.db", "-m", name]
    project.write("a.csv", "slug,body,year\na,eeeeeeee,1999\nb,e,2021\n")
    assert project.run("import", "a.csv", "--model", "Article", *options).code == 0
    found = {}
    for similarity in ("cosine", "euclidean"):
        done = project.run("search", "Article", "ee", "--similarity", similarity, "--json", *options)
        assert done.code == 0
        found[similarity] = [(hit["record"]["slug"], round(hit["score"], 3)) for hit in done.document["hits"]]
    assert found == {
        "cosine": [("b", 0.995), ("a", 0.989)],
        "euclidean": [("b", 0.5), ("a", 0.027)],
    }
    assert project.run("search", "Article", "ee", "--similarity", "dot", *options).code == 2

"""Where a command finds its database, its token and its models, and what it says where it does not."""

from __future__ import annotations

import pytest


def configured(project, text, folder="."):
    return project.write(f"{folder}/pyproject.toml", f"[tool.rushmodel]\n{text}\n")


def test_pyproject_is_found_upwards(project, monkeypatch):
    configured(project, f'models = ["{project.module}"]\ndatabase = "data/a.db"')
    (project.folder / "data").mkdir()
    inner = project.folder / "some" / "where"
    project.write("some/pyproject.toml", "[project]\nname = 'another'\n")
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert project.run("sync").code == 0
    assert (project.folder / "data" / "a.db").exists()
    assert project.run("plan", "--check").code == 0


def test_what_is_given_comes_before_what_is_set(project, monkeypatch):
    configured(project, f'models = ["{project.module}:Person"]\ndatabase = "c.db"')
    monkeypatch.setenv("RUSHMODEL_URL", "b.db")
    assert project.run("sync", "-d", "a.db").code == 0
    assert project.run("sync", "-m", project.module).code == 0
    monkeypatch.delenv("RUSHMODEL_URL")
    assert project.run("sync").code == 0
    counts = [
        len(project.run("plan", "-d", name, "-m", project.module, "--json").document["changes"])
        for name in ("a.db", "b.db", "c.db")
    ]
    kinds = [
        project.run("plan", "-d", name, "-m", project.module, "--json").document["in_sync"]
        for name in ("a.db", "b.db", "c.db")
    ]
    assert (counts, kinds) == ([1, 1, 1], [False, True, False])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('model = ["a"]', "has database, models, embedder, and no model"),
        ('models = "a"', "models is a list of names"),
        ("models = [1]", "models is a list of names"),
        ("embedder = 1", "embedder is a name"),
        ("database = 1", "database is a path or a URL"),
        ("database", "pyproject.toml: "),
    ],
)
def test_settings_that_make_no_sense(project, text, problem):
    configured(project, text)
    done = project.run("plan")
    assert (done.code, done.out) == (3, "")
    assert problem in done.err


def test_nothing_named(project):
    done = project.run("plan")
    assert (done.code, "no models are named: give --models" in done.err) == (3, True)
    done = project.run("stats")
    assert (done.code, "no database is named: give --database" in done.err) == (3, True)


def test_a_name_that_is_mistyped_makes_no_file(project):
    for command in ("stats", "check", "vacuum", "export"):
        done = project.run(command, "-d", "artciles.db")
        assert (done.code, done.err) == (4, "rushmodel: there is no file artciles.db\n")
    assert not (project.folder / "artciles.db").exists()


# -- models


def test_models_that_are_not_there(project):
    for name, problem in {
        "nothing": "there is no module 'nothing' here, in ",
        "nothing.py": "for the file nothing.py write nothing",
        "nothing.at.all": "there is no module 'nothing' here",
        f"{project.module}:Nope": f"{project.module} has no model Nope; it has Person, Article",
        f"{project.module}:Field": "has no model Field",
        "a/b.py": "models are named as in app.models or app.models:Article, not 'a/b.py'",
        f"{project.module}:": "models are named",
        "json": "the module 'json' has no models",
    }.items():
        done = project.run("plan", "-d", "a.db", "-m", name)
        assert (done.code, done.out, done.err.count("\n")) == (3, "", 1), name
        assert problem in done.err


def test_a_module_that_fails_shows_where(project):
    project.write("failing.py", "import json\n\n\ndef load():\n    return json.loads('{')\n\n\nload()\n")
    done = project.run("plan", "-d", "a.db", "-m", "failing", "--json")
    assert done.code == 3
    assert 'failing.py", line 8, in <module>\n    load()\n' in done.err
    assert "importlib" not in done.err
    assert done.err.endswith("\nrushmodel: the module 'failing' cannot be imported: JSONDecodeError\n")
    assert done.document["error"]["kind"] == "ConfigurationError"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("x = = 1", "SyntaxError"),
        ("from rushmodel import Model\nclass A(Model):\n    save: int", "ModelError"),
    ],
)
def test_other_ways_to_fail(project, content, error):
    name = f"failing_{abs(hash(content))}"
    project.write(f"{name}.py", content)
    done = project.run("plan", "-d", "a.db", "-m", name)
    assert done.code == 3
    assert done.err.endswith(f"cannot be imported: {error}\n")


def test_what_a_module_prints_is_no_result(project):
    project.write("talking.py", f"print('hello')\nfrom {project.module} import *\n")
    done = project.run("plan", "-d", "a.db", "-m", "talking", "--json")
    assert done.document["in_sync"] is False
    assert "hello\n" in done.err


def test_packages_and_names_of_several(project):
    project.write("shop/__init__.py", "")
    project.write("shop/one.py", "from rushmodel import *\nclass Thing(Model):\n    n: Field[int]\n")
    project.write(
        "shop/two.py", "from shop.one import *\nclass Thing(Model, label='Two'):\n    n: Field[int]\n"
    )
    done = project.run("search", "Thing", "x", "-d", "a.db", "-m", "shop.one", "-m", "shop.two")
    assert done.code == 3
    assert "several models are named Thing: shop.one:Thing, shop.two:Thing" in done.err
    project.write("shop/__init__.py", "from . import one, two")


# -- servers


def test_a_server_without_a_token(project):
    done = project.run("export", "-d", "http://127.0.0.1:1/api/v1")
    assert (done.code, done.out) == (3, "")
    assert "set the environment variable RUSHDB_API_KEY, or name another one with --token-env" in done.err
    done = project.run("export", "-d", "http://127.0.0.1:1", "--token-env", "NOT_SET")
    assert (done.code, "there is no environment variable NOT_SET" in done.err) == (3, True)


def test_tokens_go_nowhere_a_file_says(project, monkeypatch):
    monkeypatch.setenv("RUSHDB_API_KEY", "a-secret-token")
    configured(project, 'database = "http://127.0.0.1:1/api/v1"')
    done = project.run("export")
    assert (done.code, "no token goes where a file says" in done.err) == (3, True)
    assert "a-secret-token" not in done.err
    assert project.run("export", "--token-env", "RUSHDB_API_KEY").code == 4


def test_tokens_go_not_over_plain_http(project, monkeypatch):
    monkeypatch.setenv("RUSHDB_API_KEY", "a-secret-token")
    done = project.run("export", "-d", "http://rush.example/api/v1")
    assert (done.code, "plain http" in done.err) == (3, True)


def test_nobody_answers(project, monkeypatch):
    monkeypatch.setenv("RUSHDB_API_KEY", "a-secret-token")
    done = project.run("plan", "-m", project.module, "-d", "http://127.0.0.1:1/api/v1", "--json")
    assert done.code == 4
    assert done.document["error"]["kind"] == "ServerUnreachable"
    assert "no connection to 127.0.0.1:1" in done.err
    assert "Traceback" not in done.err


def test_a_token_is_no_argument(project):
    for given in (["--token", "a-secret"], ["--token=a-secret"]):
        done = project.run("export", "-d", "http://127.0.0.1:1", *given)
        assert (done.code, "--token-env" in done.err) == (2, True)
        assert "a-secret" not in done.err
    done = project.run("export", "-d", "http://user:a-secret@127.0.0.1:1")
    assert (done.code, "a-secret" in done.err) == (3, False)

"""The examples, run as a person would, in a process of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DATA = EXAMPLES / "data"


def run(example: str, *arguments: str, cwd: Path) -> str:
    """What ``examples/<example>`` printed; any warning is an error in it."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / example), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"graph.py", "quickstart.py", "wordnet.py"}


def test_quickstart(tmp_path: Path) -> None:
    first, *others = run("quickstart.py", cwd=tmp_path).splitlines()
    assert first.split() == ["Alpha", "1.00"]
    assert sorted(line.split() for line in others) == [["Beta", "0.50"], ["Gamma", "0.50"]]  # (1 + cos) / 2
    assert list(tmp_path.iterdir()) == []  # memory:// leaves no file


def test_graph_says_what_python_says(tmp_path: Path) -> None:
    synsets, vectors, phrases, queries = data()
    rows = {row["synset"]: at for at, row in enumerate(synsets)}
    below: dict[str, set[str]] = {each: set() for each in rows}
    for row in synsets:
        for each in row["hypernyms"]:
            if each in below:
                below[each].add(row["synset"])
    (food,) = [row["synset"] for row in synsets if row["words"][0] == "food"]
    found, level = set[str](), {food}
    while level:
        level = {each for one in level for each in below[one]} - found
        found |= level
    cosines = vectors @ queries[phrases.index("hard cheese")]
    nearest = sorted(found, key=lambda each: -cosines[rows[each]])[:3]

    first, _, *others = run("graph.py", cwd=tmp_path).splitlines()
    assert first == f"{len(found)} synsets lie under food"
    for line, synset in zip(others, nearest, strict=False):
        score = (1 + cosines[rows[synset]]) / 2
        assert re.match(rf"  0\.\d\d {synsets[rows[synset]]['words'][0]} \(", line)
        assert float(line.split()[0]) == pytest.approx(score, abs=0.0051)
    for domain in ("animal", "food", "artifact"):
        broader = {
            each for row in synsets if row["domain"] == domain for each in row["hypernyms"] if each in rows
        }
        assert f"{domain}: {len(broader)} synsets with narrower ones" in others
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wordnet") / "wordnet.db"


@pytest.fixture(scope="module")
def printed(store: Path) -> str:
    return run("wordnet.py", str(store), cwd=store.parent)


def test_wordnet_finds_what_numpy_finds(printed: str) -> None:
    synsets, vectors, phrases, queries = data()
    animals = np.array([row["domain"] == "animal" for row in synsets])
    rows = table(printed)
    assert [row[0] for row in rows] == phrases
    for (_, nearest, score, animal, animal_score), cosines in zip(rows, queries @ vectors.T, strict=True):
        best = int(cosines.argmax())
        best_animal = int(np.where(animals, cosines, -2).argmax())
        assert [nearest, animal] == [synsets[row]["words"][0] for row in (best, best_animal)]
        scores = (1 + cosines[[best, best_animal]]) / 2
        np.testing.assert_allclose([float(score), float(animal_score)], scores, atol=0.0051)  # two digits


def test_wordnet_tells_its_plan_and_its_speed(printed: str) -> None:
    before, after = printed.split("20 phrases")
    policy = r"Synset +definition +external +cosine +384"
    assert re.search(rf"^create +{policy} +0 +0$", before, re.MULTILINE)
    assert re.search(rf"^keep +{policy} +2000 +2000$", after, re.MULTILINE)
    assert re.search(
        r"^Read, checked and saved [\d,]+ records/s; the store is .*wordnet\.db$", after, re.MULTILINE
    )
    assert re.search(r"^A search took [\d.]+ ms, among the animals [\d.]+ ms", after, re.MULTILINE)


def test_wordnet_again_is_the_same_records(printed: str, store: Path) -> None:
    again = run("wordnet.py", str(store), cwd=store.parent)
    assert table(again) == table(printed)
    assert len(re.findall(r"^keep .* 2000 +2000$", again, re.MULTILINE)) == 2  # before as after


def test_wordnet_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    run("wordnet.py", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_data_is_whole() -> None:
    synsets, vectors, phrases, queries = data()
    assert len(synsets) == len({row["synset"] for row in synsets}) == len(vectors) == 2000
    assert {row["domain"] for row in synsets} == {"animal", "food", "artifact"}
    assert len(phrases) == len(queries) == 20
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)  # float16
    assert "Princeton University" in DATA.joinpath("LICENSE").read_text("utf-8")
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 3_000_000


Floats = npt.NDArray[np.float32]


def data() -> tuple[list[dict[str, Any]], Floats, list[str], Floats]:
    """The synsets, their vectors (2000, 384), the phrases, theirs (20, 384)."""
    lines = DATA.joinpath("synsets.jsonl").read_text("utf-8").splitlines()
    phrases: list[str] = json.loads(DATA.joinpath("queries.json").read_text("utf-8"))
    vectors: Floats = np.load(DATA / "vectors.f16.npy").astype(np.float32)
    return [json.loads(line) for line in lines], vectors, phrases, np.load(DATA / "queries.npy")


def table(printed: str) -> list[list[str]]:
    """The cells of every row of the printed table, without its head."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]

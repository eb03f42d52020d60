"""The official JavaScript SDK (npm ``@rushdb/javascript-sdk``) against `rushmodel serve`.

    scripts/test tests/peers

``package.json`` names the version and ``package-lock.json`` its checksum, which npm compares. npm installs it
into a temporary folder, from its cache or the registry it is set up for. What a program does stands in
``sdk.mjs``; it prints what it saw, and the tests compare. It takes some five seconds, and is skipped without
Node.js 18, npm, or a registry that has the package.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rushdb  # type: ignore[import-untyped]

from tests.serve.process import SECONDS, Process

HERE = Path(__file__).parent
OLDEST_NODE = 18
UNREACHABLE = {
    *("ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ENOTFOUND", "ENETUNREACH", "EHOSTUNREACH"),
    *("ETIMEDOUT", "ERR_SOCKET_TIMEOUT", "E403", "E404", "E503", "ETARGET", "ENOTCACHED"),
}
"""What npm says where a registry cannot be had, or has no such package. Anything else is a failure."""

CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({"name": "Ada"}, "Ada"),
    ({"name": {"$ne": "Ada"}}, "Alan Edsger grace"),
    ({"born": {"$gte": 1906, "$lt": 1912}}, "grace"),
    ({"born": {"$in": [1815, 1912]}}, "Ada Alan"),
    ({"name": {"$nin": ["Ada", "Alan"]}}, "Edsger grace"),
    ({"name": {"$contains": "A"}}, "Ada Alan grace"),
    ({"name": {"$startsWith": "A"}}, "Ada Alan"),
    ({"name": {"$endsWith": "e"}}, "grace"),
    ({"born": {"$exists": False}}, "Edsger"),
    ({"born": {"$type": "number"}}, "Ada Alan grace"),
    ({"known": False}, "grace"),
    ({"tags": "math"}, "Ada Alan"),
    ({"$and": [{"known": True}, {"born": {"$gt": 1900}}]}, "Alan"),
    ({"$or": [{"name": "Ada"}, {"$not": {"known": True}}]}, "Ada grace"),
    ({"$xor": [{"known": True}, {"born": {"$gt": 1900}}]}, "Ada grace"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, in a folder in which the SDK is installed."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {OLDEST_NODE} is needed, and {version} is installed")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json", "sdk.mjs"):
        shutil.copy(HERE / name, folder)
    quickly = ["--prefer-offline", "--fetch-retries=0", "--fetch-timeout=15000"]
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *quickly]
    npm = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if npm.returncode:
        found = re.search(r"code (\w+)", npm.stderr)
        if found and found[1] in UNREACHABLE:
            pytest.skip(f"npm cannot get @rushdb/javascript-sdk: {found[1]}")
        raise AssertionError(npm.stdout + npm.stderr)
    return folder / "sdk.mjs"


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with Process("memory://") as process:
        yield process


@pytest.fixture(scope="module")
def saw(program: Path, server: Process) -> Any:
    """What the program saw; it ran once, against a server that was empty."""
    return json.loads(run(program, server, server.token))


def run(program: Path, server: Process, token: str) -> str:
    settings = {
        "PEER_URL": server.url,
        "PEER_TOKEN": token,
        "PEER_CONDITIONS": json.dumps([where for where, _ in CONDITIONS]),
    }
    node = subprocess.run(
        ["node", program.name],
        cwd=program.parent,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert node.returncode == 0, node.stderr[-2000:]  # before that node prints the SDK, which is one line
    return node.stdout


def test_the_worked_example_of_the_guide(saw: Any) -> None:
    policy = saw["policy"]
    assert (policy["status"], policy["vectorPropertyName"]) == ("awaiting_vectors", "_emb_external_cosine_3")
    assert saw["docs"] == [
        {"title": "Alpha", "content": "First article"},
        {"title": "Beta", "content": "Second article"},
        {"title": "Gamma", "content": "Third article"},
    ]
    titles, scores = zip(*saw["nearest"], strict=True)
    assert titles == ("Alpha", "Beta", "Gamma")
    assert scores == pytest.approx((1.0, 0.5, 0.5))
    assert [title for title, _ in saw["nearestBut"]] == ["Beta", "Gamma"]
    assert saw["stats"] == {"totalRecords": 3, "indexedRecords": 3}
    assert saw["listed"] == [[True, "ready"]]
    assert saw["duplicate"] == "409"


def test_vectors_are_set_and_outlive_updates(saw: Any) -> None:
    assert saw["upserted"] == {"updated": 1, "requested": 1}
    assert saw["moved"] == saw["kept"] == ["Delta", 1]


def test_records_come_back_as_they_were_given(saw: Any) -> None:
    given = {
        "name": 'Zoë "🚀"',
        "year": 2026,
        "rating": 4.5,
        "draft": False,
        "tags": ["a", "b"],
        "at": "2026-03-01T12:00:00.000Z",
    }
    assert saw["made"] == saw["found"] == given
    kinds = ["string", "number", "number", "boolean", "string", "datetime"]
    assert saw["types"] == dict(zip(given, kinds, strict=True))
    assert saw["date"] is True
    assert saw["updated"] == {**given, "year": 1994}
    assert saw["replaced"] == {"name": "Zoë"}
    assert saw["drafted"] == [
        {"name": "drafted", "code": "2026-01-01", "sizes": [1, 2, 3]},
        {"name": "string", "code": "string", "sizes": "number"},
    ]


def test_upserts_and_nested_rows(saw: Any) -> None:
    assert saw["upsert"] == [True, {"slug": "warp", "title": "Warp", "year": 1994}]
    assert saw["rewritten"] == {"slug": "warp"}
    assert saw["nested"] == {"Box": ["outer"], "Doll": ["inner", "other"], "Bead": ["red"]}


def test_labels_properties_and_values(saw: Any) -> None:
    assert saw["labels"] == {"Box": 1, "Doll": 2, "Bead": 1}
    assert (saw["property"], saw["again"]) == (["name", "string", 2], "name")
    assert saw["values"] == {"values": ["other", "inner"], "type": "string"}


def test_relationships(saw: Any) -> None:
    assert saw["edges"] == [["Wheel", "TURNS", "Wheel"]] * 2
    assert saw["edgesLeft"] == ["RUSHDB_DEFAULT_RELATION", "TURNS"]


def test_transactions(saw: Any) -> None:
    assert saw["transactions"] == [["one", "three", "two"], ["one", "two"], True]


def test_conditions_orders_and_pages(saw: Any) -> None:
    assert [(sorted(found), total) for found, total in saw["conditions"]] == [
        (sorted(names.split()), len(names.split())) for _, names in CONDITIONS
    ]
    assert saw["model"] == ["Ada", "Grete"]
    assert saw["oldest"] == "Ada"
    assert saw["unique"] == 1815
    assert saw["notUnique"] == "Expected a unique result but found 5 "
    assert saw["page"] == [["Alan", "Edsger"], 5]


def test_deletions_and_errors(saw: Any) -> None:
    assert saw["left"] == [["Delta", 0]]
    assert saw["survivors"] == ["Alan", "Edsger"]
    assert saw["errors"] == {
        "gone": "404",
        "noPolicy": "404",
        "noProperty": "404",
        "limit": "400",
        "everything": "You must specify criteria to delete records."
        " Empty criteria are not allowed. If this was intentional, use the Dashboard instead.",
        "findByIds": "400",
    }


def test_settings_are_what_the_python_sdk_gets(saw: Any, server: Process) -> None:
    assert saw["settings"] == rushdb.RushDB(server.token, url=server.url).settings.get()


def test_what_one_sdk_writes_the_other_reads(saw: Any, server: Process) -> None:
    found = rushdb.RushDB(server.token, url=server.url).records.find({"labels": ["Thing"]})
    assert sorted(record["name"] for record in found) == ["Zoë", "drafted"]


def test_another_token_is_refused(program: Path, server: Process) -> None:
    with pytest.raises(AssertionError, match="RushDB initialization failed: Error: 403"):
        run(program, server, "another-token")

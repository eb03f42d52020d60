"""Many clients of one server at once: no request fails, and what was acknowledged is there.

    scripts/test -m soak tests/serve/test_load.py

has 32 of them for a minute, and prints how long requests took; in every run a few are busy for some seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from rushmodel import RushDB

from .load import LABEL, POLICY, READS, SHARED, SHARED_KEYS, WRITES, Report, plain, vector_of
from .process import ROOT, Process, environment

BATCH = 500


def test_a_few_clients_for_some_seconds(tmp_path: Path) -> None:
    load(tmp_path / "load.db", processes=2, clients=2, seconds=3)


@pytest.mark.soak
def test_32_clients_for_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = load(tmp_path / "load.db", processes=4, clients=8, seconds=60)
    with capsys.disabled():
        print("", table(report, 60), sep="\n")


def load(path: Path, *, processes: int, clients: int, seconds: float) -> Report:
    """Keep a server on that file busy, then look at all that it acknowledged; what was done."""
    with Process(path) as server:
        with server.client() as client:
            policy = client.post("/ai/indexes", json=POLICY).raise_for_status().json()["data"]
        report = keep_busy(server, processes, clients, seconds)
        assert all(report["times"][kind] for kind in (*WRITES, *READS))
        with server.client() as client:
            check_records(client, report)
            check_vectors(client, report, policy)
        # It ends well, and has nothing to complain about.
        assert server.end() == (0, "", "")
    with RushDB(str(path)) as db:
        for label, count in ((LABEL, len(report["live"])), (SHARED, SHARED_KEYS)):
            assert db.records.find({"labels": [label], "limit": 1}).total == count
    return report


def keep_busy(server: Process, processes: int, clients: int, seconds: float) -> Report:
    command = [sys.executable, "-W", "error", "-m", "tests.serve.load", server.url, server.token]
    running = [
        subprocess.Popen(
            [*command, str(clients), str(seconds), str(1 + 100 * number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        )
        for number in range(processes)
    ]
    whole = Report(live={}, deleted=[], times={})
    try:
        for each in running:
            out, err = each.communicate(timeout=seconds + 120)
            assert each.returncode == 0, err.decode()
            part: Report = orjson.loads(out)
            whole["live"] |= part["live"]
            whole["deleted"] += part["deleted"]
            for kind, times in part["times"].items():
                whole["times"].setdefault(kind, []).extend(times)
    finally:
        for each in running:
            if each.poll() is None:
                each.kill()
                each.communicate()
    return whole


def check_records(client: httpx.Client, report: Report) -> None:
    """Every record that is to be there is, with its data, and none beside them."""
    found: dict[str, Any] = {}
    for ids in batches([*report["live"], *report["deleted"]]):
        body = {"where": {"$id": {"$in": ids}}, "limit": BATCH}
        for record in client.post("/records/search", json=body).raise_for_status().json()["data"]:
            found[record["__id"]] = plain(record)
    assert found == report["live"]
    all_of_them = client.post("/records/search", json={"labels": [LABEL], "limit": 1}).raise_for_status()
    assert all_of_them.json()["total"] == len(report["live"])
    shared = client.post("/records/search", json={"labels": [SHARED]}).raise_for_status().json()["data"]
    assert sorted(record["key"] for record in shared) == [f"k{number}" for number in range(SHARED_KEYS)]


def check_vectors(client: httpx.Client, report: Report, policy: dict[str, Any]) -> None:
    """The vector of every record is the last one that was acknowledged, to the last bit."""
    names = ("label", "propertyName", "sourceType", "similarityFunction", "dimensions")
    signature = {name: policy[name] for name in names}
    seen = 0
    for ids in batches(list(report["live"])):
        body = {"ids": ids, "policies": [signature]}
        for record in client.post("/records/vectors", json=body).raise_for_status().json()["data"]:
            (entry,) = record["vectors"]
            expected = vector_of(report["live"][record["__id"]]["seed"])
            assert np.array_equal(np.array(entry["vector"], dtype=np.float32), expected)
            seen += 1
    assert seen == len(report["live"])
    stats = client.get(f"/ai/indexes/{policy['id']}/stats").raise_for_status().json()["data"]
    assert stats == {"totalRecords": seen, "indexedRecords": seen}


def batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


def table(report: Report, seconds: float) -> str:
    """Milliseconds of each kind of request."""
    everything = [each for times in report["times"].values() for each in times]
    writes = sum(len(report["times"][kind]) for kind in WRITES)
    lines = [
        f"{len(everything):,} requests in {seconds:g} s, {len(everything) / seconds:.0f} a second, "
        f"{100 * writes / len(everything):.0f} % writes; {len(report['live']):,} records at the end, "
        f"{len(report['deleted']):,} deleted",
        f"{'ms':<16}{'requests':>10}{'p50':>9}{'p99':>9}{'most':>9}",
    ]
    for kind, times in [*report["times"].items(), ("all", everything)]:
        p50, p99, most = (1e3 * float(np.percentile(times, share)) for share in (50, 99, 100))
        lines.append(f"{kind:<16}{len(times):>10,}{p50:>9.1f}{p99:>9.1f}{most:>9.1f}")
    return "\n".join(lines)

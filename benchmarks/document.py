"""The tables of docs/benchmarks.md, out of benchmarks/results.json.

    python -m benchmarks.document

A run of the benchmarks ends with it. What stands outside of the marked parts is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results.json"


def tables(found: dict[str, Any]) -> dict[str, str]:
    """The marked parts by their names, as markdown."""
    sizes = found["sizes"]
    words = {name: f"{count:,}" for name, count in sizes.items()}
    goals = ["| work | goal | measured | |", "| --- | --- | --- | --- |"]
    for each in found["goals"]:
        verdict = {True: "met", False: "**falls short**", None: "not measured"}[each["met"]]
        goals.append(f"| {_sized(each['work'], words)} | {each['goal']} | {each['measured']} | {verdict} |")
    measured = [
        "| work | engine | median | least to greatest | times | recall |",
        "| --- | --- | --: | --- | --: | --: |",
    ]
    for each in found["results"]:
        recall = "" if each.get("recall") is None else f"{each['recall']:.3f}"
        median, spread = _number(each["median"]), f"{_number(each['low'])} to {_number(each['high'])}"
        work = _sized(each["work"], words)
        median = f"{median} {each['unit']}"
        measured.append(f"| {work} | {each['engine']} | {median} | {spread} | {each['n']} | {recall} |")
    machine = found["machine"]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        f"the run took {found['minutes']:g} minutes."
    )
    return {"machine": where, "goals": "\n".join(goals), "results": "\n".join(measured)}


def written(page: str, parts: dict[str, str]) -> str:
    """A page with its marked parts replaced; `ValueError` where one is not marked."""
    for name, text in parts.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, count = marks.subn(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page has {count} parts that are marked as {name!r}, not one")
    return page


def main() -> None:
    found = json.loads(RESULTS.read_text("utf-8"))
    PAGE.write_text(written(PAGE.read_text("utf-8"), tables(found)), "utf-8")
    print(PAGE)


def _sized(work: str, words: dict[str, str]) -> str:
    return re.sub(r"\b(most|many|some|few)(?= x )", lambda found: words[found[0]], work)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()

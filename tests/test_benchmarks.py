"""The page of the benchmarks says what the results say; the peers are not needed for that."""

from __future__ import annotations

import json

import pytest

from benchmarks.document import PAGE, RESULTS, tables, written


def test_the_page_is_that_of_the_results():
    found = json.loads(RESULTS.read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    assert written(page, tables(found)) == page
    assert all(each["work"] for each in found["goals"])
    short = sum(each["met"] is False for each in found["goals"])
    assert page.count("**falls short**") == short


def test_tables():
    made = tables(
        {
            "machine": {"processor": "P", "cores": 2, "system": "S", "python": "3.11"},
            "minutes": 1.5,
            "sizes": {"many": 100_000, "some": 20_000, "few": 2_000},
            "goals": [
                {"work": "top 10, many x 768", "goal": "2x A", "measured": "3x", "met": True},
                {"work": "save_many of some x 768", "goal": "2x B", "measured": "1x", "met": False},
                {"work": "other", "goal": "1", "measured": "-", "met": None},
            ],
            "results": [
                {"work": "w, few x 768", "engine": "E", "median": 1234.5, "low": 0.1234, "high": 9.0,
                 "unit": "ms", "n": 200, "recall": 0.99},
            ],
        }
    )  # fmt: skip
    assert made["machine"] == "P, 2 cores, S, Python 3.11; the run took 1.5 minutes."
    assert made["goals"].splitlines()[2:] == [
        "| top 10, 100,000 x 768 | 2x A | 3x | met |",
        "| save_many of 20,000 x 768 | 2x B | 1x | **falls short** |",
        "| other | 1 | - | not measured |",
    ]
    assert made["results"].splitlines()[-1] == "| w, 2,000 x 768 | E | 1,234 ms | 0.123 to 9 | 200 | 0.990 |"


def test_a_page_without_its_marks_is_refused():
    marked = "a <!-- x -->\nold\n<!-- end of x --> b"
    assert written(marked, {"x": "new"}) == "a <!-- x -->\nnew\n<!-- end of x --> b"
    with pytest.raises(ValueError, match="0 parts that are marked as 'y'"):
        written(marked, {"y": "new"})

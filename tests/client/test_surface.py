"""The face of the client is that of the official SDK: names, parameters, their order and defaults."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import rushdb as official  # type: ignore[import-untyped]
from rushdb.api.records import RecordsAPI as OfficialRecords  # type: ignore[import-untyped]

import rushmodel.client as ours

GUIDE = Path(__file__).with_name("byov_guide.txt").read_text(encoding="utf-8")

RECORDS = (
    "create create_many import_json import_csv export upsert set update find find_by_id find_one find_uniq"
    " delete delete_by_id vector_search attach detach"
).split()
INDEXES = "find create delete stats upsert_vectors".split()
RELATIONSHIPS = "find create_many delete_many".split()
LABELS = ["find"]
PROPERTIES = "find find_by_id values delete".split()
SPACES = "records relationships labels properties tx ai".split()
RECORD = (
    "id label proptypes score fields exists date timestamp get get_data to_dict keys values items"
    " set update attach detach delete"
).split()
RESULT = "data total search_query has_more skip limit to_dict get_page_info next delete_all".split()
PROTOCOLS = "__len__ __iter__ __getitem__ __bool__ __eq__ __repr__".split()


@pytest.fixture(scope="module")
def pair() -> Any:
    with ours.RushDB("memory://") as mine:
        yield official.RushDB("no-such-token"), mine


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each, ``self`` left out."""
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(function).parameters.values()
        if each.name != "self"
    ]


def method(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


PATHS = [
    *(f"records.{name}" for name in RECORDS),
    *(f"ai.indexes.{name}" for name in INDEXES),
    *(f"relationships.{name}" for name in RELATIONSHIPS),
    *(f"tx.{name}" for name in ("begin", "get", "commit", "rollback")),
    *(f"labels.{name}" for name in LABELS),
    *(f"properties.{name}" for name in PROPERTIES),
    "ai.search",
    "ai.get_schema",
    "ai.get_schema_markdown",
    "ping",
]


@pytest.mark.parametrize("path", PATHS)
def test_parameters(pair: Any, path: str) -> None:
    sdk, mine = pair
    assert parameters(method(mine, path)) == parameters(method(sdk, path))
    assert parameters(method(mine.aio, path)) == parameters(method(mine, path))
    assert inspect.iscoroutinefunction(method(mine.aio, path))


@pytest.mark.parametrize("name", ["set", "update", "attach", "detach", "delete"])
def test_parameters_of_records(name: str) -> None:
    theirs = parameters(getattr(official.Record, name))
    assert parameters(getattr(ours.Record, name)) == theirs
    assert parameters(getattr(ours.AsyncRecord, name)) == theirs


@pytest.mark.parametrize("name", ["next", "delete_all", "to_dict", "get_page_info"])
def test_parameters_of_results(name: str) -> None:
    theirs = parameters(getattr(official.RecordSearchResult, name))
    assert parameters(getattr(ours.RecordSearchResult, name)) == theirs
    assert parameters(getattr(ours.AsyncRecordSearchResult, name)) == theirs


@pytest.mark.parametrize("name", ["RushDB", "Record", "RecordSearchResult", "SearchResult", "ApiResponse"])
def test_constructors(name: str) -> None:
    theirs = [each[0] for each in parameters(getattr(official, name))]
    mine = [each[0] for each in parameters(getattr(ours, name))]
    assert mine == theirs[: len(mine)]
    assert mine


def test_the_guide_uses_what_is_there(pair: Any) -> None:
    sdk, mine = pair
    used = set(re.findall(r"\bdb\.([a-z_.]+)\(", GUIDE))
    assert used == {
        "ai.indexes.create",
        "ai.indexes.upsert_vectors",
        "ai.search",
        "records.create",
        "records.create_many",
        "records.find",
    }
    assert used <= set(PATHS)
    for path in used:
        assert callable(method(sdk, path))
        assert callable(method(mine, path))


def test_public_methods_are_the_sdks_own(pair: Any) -> None:
    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    sdk, mine = pair
    assert public(mine.records) == set(RECORDS)
    assert public(mine.records) <= public(OfficialRecords)
    assert public(mine.ai) == {"search", "get_schema", "get_schema_markdown", "indexes"}
    assert public(mine.ai.indexes) == set(INDEXES) == public(sdk.ai.indexes)
    for space, names in (("relationships", RELATIONSHIPS), ("labels", LABELS), ("properties", PROPERTIES)):
        assert public(getattr(mine, space)) == set(names)
    own = {"transactions", "ping", "aio", "close", "aclose", "over", "url"}
    assert public(mine) == {*SPACES, *own}
    for name in SPACES:
        assert public(getattr(mine.aio, name)) == public(getattr(mine, name))


def test_attributes_of_records_and_results() -> None:
    for name in (*RECORD, "__getitem__", "__eq__", "__repr__"):
        assert hasattr(official.Record, name)
        assert hasattr(ours.Record, name)
        assert hasattr(ours.AsyncRecord, name)
    for name in (*RESULT, *PROTOCOLS):
        assert hasattr(official.RecordSearchResult, name)
        assert hasattr(ours.RecordSearchResult, name)
        assert hasattr(ours.AsyncRecordSearchResult, name)
    assert issubclass(ours.RecordSearchResult, ours.SearchResult)
    response: Any
    for response in (official.ApiResponse({"a": 1}), ours.ApiResponse({"a": 1})):
        assert (response.data, response.success, response.total) == ({"a": 1}, True, None)


DOCUMENT = {
    "__id": "01a20643-5c32-787a-af20-d65ae2f594f3",
    "__label": "Doc",
    "title": "t",
    "__proptypes": {"title": "string"},
    "__score": 0.5,
}


@pytest.mark.parametrize("name", ["id", "label", "proptypes", "score", "fields", "exists", "timestamp"])
def test_records_tell_the_same(pair: Any, name: str) -> None:
    sdk, mine = pair
    theirs, own = official.Record(sdk, DOCUMENT), ours.Record(mine, DOCUMENT)
    assert getattr(own, name) == getattr(theirs, name)
    assert own.to_dict() == theirs.to_dict()
    assert own.get_data(exclude_internal=False) == theirs.get_data(exclude_internal=False)
    assert own.get("title") == theirs.get("title") == own["title"]
    assert own.get("none", 1) == theirs.get("none", 1) == 1
    assert dict(own) == dict(theirs) == DOCUMENT
    assert own.date.timestamp() == theirs.date.timestamp()
    assert str(own.date) == "2026-11-23 02:36:47.538000+00:00"  # ours has a time zone


def test_results_tell_the_same(pair: Any) -> None:
    sdk, mine = pair
    for total, query in ((None, None), (10, {"skip": 2, "limit": 2}), (4, {"skip": 2}), (2, {})):
        theirs: Any = official.RecordSearchResult([official.Record(sdk, DOCUMENT)] * 2, total, query)
        own = ours.RecordSearchResult([ours.Record(mine, DOCUMENT)] * 2, total, query)
        for name in ("total", "search_query", "has_more", "skip", "limit"):
            assert getattr(own, name) == getattr(theirs, name), name
        assert own.get_page_info() == theirs.get_page_info()
        assert own.to_dict().keys() == theirs.to_dict().keys() - {"warnings"}
        assert (len(own), bool(own), [each.id for each in own]) == (2, True, [DOCUMENT["__id"]] * 2)
        assert [each.id for each in own[:1]] == [own[0].id]

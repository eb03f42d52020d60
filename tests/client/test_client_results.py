"""Pages of results: the next one, all of them, and what they were found by."""

from __future__ import annotations

import pytest

from rushmodel import QueryError, Record, RecordSearchResult, RushDB, SearchResult


def test_page_by_page(db: RushDB) -> None:
    made = db.records.create_many("N", [{"n": n} for n in range(25)])
    page = db.records.find({"labels": ["N"], "orderBy": "asc", "limit": 10})
    seen = [*page]
    assert page.get_page_info() == {"total": 25, "loaded": 10, "has_more": True, "skip": 0, "limit": 10}
    while page.has_more:
        page = page.next()
        seen += page
    assert seen == made.data
    assert (page.skip, len(page), page.total) == (20, 5, 25)
    assert page.next().data == []


def test_pages_put_together(db: RushDB) -> None:
    made = db.records.create_many("N", [{"n": n} for n in range(25)])
    found = db.records.find({"labels": ["N"], "orderBy": "asc", "limit": 10, "skip": 1})
    while found.has_more:
        assert found.next(preserve_data=True) is found
    assert found.data == made.data[1:]
    assert (found.total, found.skip) == (25, 1)


def test_the_query_is_a_copy(db: RushDB) -> None:
    db.records.create_many("N", [{"n": n} for n in range(3)])
    query = {"labels": ["N"], "limit": 2}
    found = db.records.find(query)
    query["limit"] = 1
    assert found.search_query == {"labels": ["N"], "limit": 2}
    assert len(found.next()) == 1
    assert db.records.find().next().data == []  # without a query everything is meant, page by page


def test_the_next_page_of_a_search(db: RushDB) -> None:
    db.ai.indexes.create({"label": "A", "propertyName": "body", "external": True, "dimensions": 2})
    vectors = [[{"propertyName": "body", "vector": [1, n]}] for n in range(5)]
    db.records.create_many("A", [{"body": str(n)} for n in range(5)], vectors=vectors)
    query = {"labels": ["A"], "propertyName": "body", "queryVector": [1, 0], "limit": 2}
    first = db.ai.search(query)
    second = first.next()
    assert [hit["body"] for hit in (*first, *second, *second.next())] == ["0", "1", "2", "3", "4"]
    assert all(hit.score is not None for hit in second)


def test_delete_all(db: RushDB) -> None:
    made = db.records.create_many("N", [{"n": n} for n in range(5)])
    page = db.records.find({"labels": ["N"], "limit": 2})
    assert page.delete_all() == {"data": {"message": "2 records were deleted"}, "success": True}
    assert db.records.find({"labels": ["N"]}).data == made.data[2::-1]
    assert made.delete_all()["data"]["message"].startswith("3 ")
    assert db.records.find({"labels": ["N"]}).delete_all()["success"] is True


def test_results_without_a_query_or_a_client(db: RushDB) -> None:
    made = db.records.create_many("N", [{"n": 1}])
    with pytest.raises(QueryError, match="not found by a search query"):
        made.next()
    alone = RecordSearchResult(made.data, search_query={"labels": ["N"]})
    for ask in (alone.next, alone.delete_all):
        with pytest.raises(QueryError, match="without a client"):
            ask()
    assert repr(alone) == "RecordSearchResult(count=1, total=1)"
    plain = SearchResult([1, 2, 3])
    assert (plain[0], plain[1:], list(plain), plain.total, bool(SearchResult([]))) == (
        1,
        [2, 3],
        [1, 2, 3],
        3,
        False,
    )


def test_a_record_is_its_id(db: RushDB) -> None:
    record = db.records.create("N", {"n": 1})
    same = db.records.find_by_id(record)
    assert record is not same
    assert record == same
    assert len({record, same, db.records.create("N", {"n": 1})}) == 2
    assert record != record.id
    bare = Record(db, {"n": 1})
    assert not bare.exists
    assert bare == bare  # without an id it is equal to itself alone
    assert bare != Record(db, {"n": 1})
    assert hash(bare) != hash(Record(db, {"n": 1}))

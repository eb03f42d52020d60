"""``db.check``, ``backup``, ``vacuum`` and ``stats``, and their awaitable twins."""

from __future__ import annotations

import asyncio

import pytest

from rushmodel import CapabilityError, ConfigurationError, Health, Signature, StoreError, connect

from .models import Article, article


def test_an_embedded_store(embedded_db, tmp_path):
    for n in range(5):
        article(f"a{n}").save()
    assert embedded_db.check() == Health(())
    embedded_db.backup(tmp_path / "copy.db")
    Article.find(Article.slug == "a0").delete()
    stats = embedded_db.stats()
    assert stats.records == {"Article": 4}
    assert all(isinstance(signature, Signature) for signature in stats.vectors)
    assert embedded_db.vacuum().bytes_after > 0
    with pytest.raises(StoreError, match="overwrite"):
        embedded_db.backup(str(tmp_path / "copy.db"))
    embedded_db.backup(tmp_path / "copy.db", overwrite=True)
    other = connect(tmp_path / "copy.db", default=False)
    with other:
        assert Article.find().count() == 4
        assert other.check().ok
    other.close()


def test_awaited(embedded_db, tmp_path):
    async def talk():
        await asyncio.gather(*(article(f"a{n}").asave() for n in range(5)))
        await embedded_db.aio.backup(tmp_path / "copy.db")
        assert (await embedded_db.aio.vacuum()).removed == 0
        assert (await embedded_db.aio.stats()).total_records == 5
        return await embedded_db.aio.check()

    assert asyncio.run(talk()).ok


def test_not_in_a_transaction(embedded_db, tmp_path):
    with embedded_db.transaction():
        for verb in (embedded_db.check, embedded_db.vacuum, embedded_db.stats):
            with pytest.raises(CapabilityError, match="outside of it"):
                verb()
        with pytest.raises(CapabilityError, match="outside of it"):
            embedded_db.backup(tmp_path / "copy.db")


def test_paths_that_are_none(embedded_db):
    for path in ("", "a\0b"):
        with pytest.raises(ConfigurationError, match="path"):
            embedded_db.backup(path)


def test_a_server_has_none_of_it(db, request, tmp_path):
    if request.node.callspec.params["location"] in ("memory", "file"):
        pytest.skip("about servers")
    for verb in (db.check, db.vacuum, db.stats, lambda: db.backup(tmp_path / "copy.db")):
        with pytest.raises(CapabilityError, match="server"):
            verb()
    with pytest.raises(CapabilityError, match="server"):
        asyncio.run(db.aio.check())
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

import pytest

from .store import Store


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    """A store in memory, and one in a file."""
    location = "memory://" if request.param == "memory" else tmp_path / "store.db"
    store = Store(location)
    yield store
    store.close()


@pytest.fixture
def path(tmp_path):
    """Where a file can be made."""
    return tmp_path / "store.db"


@pytest.fixture
def opened(path):
    """Opens stores, on the one path unless another is given, and closes them all at the end."""
    stores = []

    def open_store(location=path, **settings):
        store = Store(location, **settings)
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.close()

"""What somebody makes of an address, with a PostgreSQL behind the pages: it refuses other things
than SQLite does, such as zero bytes and numbers beyond its own."""

import re

import pytest

from tests.security.test_hostile_addresses import CASES, TOLD, VALUES, opened, words  # noqa: F401
from trainers.store import Store, get_store
from trainers.store.engine import is_shared

OTHERS = ("zero", "zero alone", "a number", "a longer number", "unicode")  # that may differ here


@pytest.fixture
def on_postgres(home, monkeypatch):
    from tests.support.postgres import served

    with served() as server:
        monkeypatch.setenv(
            "THAW_DATABASE_URL", server.emptied(lambda url: Store(url).engine.dispose())
        )
        assert is_shared(get_store().engine)
        yield
        get_store().engine.dispose()
        get_store.cache_clear()


def test_no_value_breaks_a_page_there_either(on_postgres, opened):  # noqa: F811
    for where, names in CASES:
        for what in OTHERS:
            at = opened(where, **dict.fromkeys(names, VALUES[what]))
            said = words(at)
            assert not at.exception, (where, names, what, at.exception)
            assert said, (where, names, what)
            asked = TOLD.get((where, names[0]))
            if asked and where != "room.py":
                assert re.search(asked, said), (what, said[:300])
    assert get_store().list_history(None)[1] == 0

"""A store on an empty database of each kind."""

import pytest

from trainers.store import Store


@pytest.fixture
def store(database):
    opened = Store(database)
    yield opened
    opened.engine.dispose()

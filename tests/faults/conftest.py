"""Real processes, signals and file systems: each test makes its fault and looks at what is left."""

from collections.abc import Iterator

import pytest

from tests.support.forged import MAY_MOUNT, Forge, SmallDisk
from trainers import backbones, datasets
from trainers.store import get_store


@pytest.fixture(scope="session")
def the_forge() -> Iterator[Forge]:
    made = Forge()
    yield made
    made.close()


@pytest.fixture
def forge(the_forge) -> Iterator[Forge]:
    yield the_forge
    the_forge.end_workers()


@pytest.fixture
def toy(monkeypatch):
    """The registries hold toys alone, as they do in the workers."""
    from tests.support import toys

    monkeypatch.setattr(datasets.registry, "BUNDLED_DATASETS", toys.SAMPLES)
    monkeypatch.setattr(backbones, "BACKBONES", toys.BACKBONES)
    return toys


@pytest.fixture(params=["limit", *["tmpfs"] * MAY_MOUNT])
def small_disk(request, home) -> Iterator[SmallDisk]:
    made = SmallDisk(home, request.param)
    yield made
    if get_store.cache_info().currsize:
        get_store().engine.dispose()  # else the file system is busy
    made.close()

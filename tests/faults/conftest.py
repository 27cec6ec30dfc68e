"""Real processes, signals and file systems: each test makes its fault and looks at what is left."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forged import MAY_MOUNT, Forge, SmallDisk

from trainers import backbones, samples
from trainers.store import store

sys.path.append(str(Path(__file__).parents[1] / "trainers"))  # toys


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
    import toys

    monkeypatch.setattr(samples, "SAMPLES", toys.SAMPLES)
    monkeypatch.setattr(backbones, "BACKBONES", toys.BACKBONES)
    return toys


@pytest.fixture(params=["limit", *["tmpfs"] * MAY_MOUNT])
def small_disk(request, home) -> Iterator[SmallDisk]:
    made = SmallDisk(home, request.param)
    yield made
    if store.cache_info().currsize:
        store().engine.dispose()  # else the file system is busy
    made.close()

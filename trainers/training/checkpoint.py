"""Checkpoints: where a run stands, as tensors, enough to resume as if nothing had happened.

Only what learns is in it: its weights now and the best so far, the optimizer's state, the state of
the random generators, and how far phases, epochs and clock are. Never pickle.
"""

import errno
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trainers.events import Event, Notice
from trainers.system.atomic import atomic_write
from trainers.system.checkpoint_file import (
    CHECKPOINT_FILE,
    FORMAT_VERSION,
    read_checkpoint_header,
)

# Between two writes at the least: less is quickly made up for. Ours.
MIN_WRITE_INTERVAL_SECONDS = 3.0
MAX_WRITE_TIME_SHARE = 0.03  # of the time may go into writing, at most. Ours
DISK_BYTES_PER_SECOND = 200e6  # until a write was timed. Ours


class CheckpointError(ValueError):
    """A checkpoint cannot be read; the text says what to do."""


class Checkpoint(NamedTuple):
    """The state of a phase."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]  # JSON

    def section(self, name: str) -> dict[str, Tensor]:
        """The tensors below `name`."""
        start = f"{name}."
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}


Saver = Callable[[Callable[[], Checkpoint]], Iterator[Event]]


def with_prefix(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in tensors.items()}


def no_checkpoints(standing: Callable[[], Checkpoint]) -> Iterator[Event]:
    return iter(())


class CheckpointWriter:
    """Writes where a run stands into `folder`, seldom enough to cost little; nowhere where that
    is None."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._last_write_at = time.monotonic()
        self._write_seconds: float | None = None

    def save(self, standing: Callable[[], Checkpoint], seconds: float) -> Iterator[Event]:
        """Keep it where the last time is long enough ago. A disk that refuses stops no run."""
        passed = time.monotonic() - self._last_write_at
        if self.folder is None or passed < MIN_WRITE_INTERVAL_SECONDS:
            return
        tensors, facts = standing()
        likely = sum(value.nbytes for value in tensors.values()) / DISK_BYTES_PER_SECOND
        if passed < (self._write_seconds or likely) / MAX_WRITE_TIME_SHARE:
            return
        began = time.monotonic()
        told = json.dumps(facts | {"form": FORMAT_VERSION, "seconds": seconds})
        try:
            write_tensors(tensors, self.folder / CHECKPOINT_FILE, {"standing": told})
        except OSError as error:
            self.folder = None
            yield Notice(
                f"Where this run stands could not be kept on disk ({error.strerror}). It goes "
                "on; but if it is interrupted, it will have to start again.",
                seconds,
                is_limitation=False,
            )
        self._last_write_at = time.monotonic()
        self._write_seconds = self._last_write_at - began


def write_tensors(
    tensors: Mapping[str, Tensor], file: Path, facts: dict[str, str] | None = None
) -> None:
    """Leave `tensors` in `file`, whole or not at all: a cut cannot leave half a file."""
    try:
        with atomic_write(file) as draft:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, draft, facts)
    except SafetensorError as error:  # its word for a disk that refuses
        raise OSError(errno.EIO, str(error)) from None


def load_checkpoint(folder: Path | None) -> Checkpoint | None:
    """Return the checkpoint in `folder`; None if there is none. Raises `CheckpointError`."""
    if folder is None or (facts := read_checkpoint_header(folder)) is None:
        return None
    try:
        with safe_open(folder / CHECKPOINT_FILE, framework="pt") as file:
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"What was kept of the interrupted run cannot be read ({error}). Run it again from its "
            "start."
        ) from None


# --- parts of it ----------------------------------------------------------------------------------


def rng_state() -> dict[str, Tensor]:
    """The state of every generator that a run throws."""
    _, key, place, has_gauss, gauss = np.random.get_state()
    found = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(key.astype(np.int64)),
        "numpy_place": torch.tensor([place, has_gauss]),
        "numpy_gauss": torch.tensor(gauss, dtype=torch.float64),
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def set_rng_state(state: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(state["torch"])
    place, has_gauss = state["numpy_place"].tolist()
    key = state["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", key, place, has_gauss, state["numpy_gauss"].item()))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state of each parameter, by its number."""
    state = optimizer.state_dict()["state"]
    return {f"{n}.{what}": value for n, known in state.items() for what, value in known.items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    numbered = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, what = name.partition(".")
        like = numbered[int(number)]
        if value.shape == like.shape and what != "step":  # fused steps want the same strides
            value = torch.empty_like(like).copy_(value)
        state.setdefault(int(number), {})[what] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})

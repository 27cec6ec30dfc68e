"""Where the runs that belong together are made: those of a comparison, of learning curves, of a
bench. Here, one after the other; or, where trainers/workers/ray/fleet.py says so, at the same time on
the nodes of a cluster."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from trainers.events import Event
from trainers.plan import Plan
from trainers.training.features import ComputationCache
from trainers.training.run import run

SubtaskFunction = Callable[..., Generator[Event, None, Any]]  # called with (about, stop=…)


class LocalExecutor:
    """In this process. What comes out of a pool may be None: nothing new, but a moment in which
    to hear that nobody waits any more. This one never says that."""

    max_concurrent = 1  # runs

    def run(
        self,
        plan: Plan,
        *,
        stop: Callable[[], bool],
        shared: ComputationCache,
        folder: Path | None = None,
    ) -> Iterator[Event | None]:
        """The events of a run that is compared with others."""
        return run(plan, stop=stop, folder=folder, shared=shared)

    def submit(
        self, work: SubtaskFunction, about: Any, *, stop: Callable[[], bool]
    ) -> Generator[Event | None, None, Any]:
        """What `work` tells and hands back; `about` is the job or plan that says what it needs."""
        return work(about, stop=stop)

    def map_streams(
        self, streams: Sequence[Callable[[], Iterator[Any]]]
    ) -> Iterator[tuple[int, Any] | None]:
        """All that the streams tell, each with the number of its stream."""
        for number, begin in enumerate(streams):
            with closing(begin()) as stream:
                for told in stream:
                    yield number, told


_executor: LocalExecutor = LocalExecutor()


def get_executor() -> LocalExecutor:
    """This process's."""
    return _executor


def set_executor(other: Any) -> None:
    """Makes `other` this process's; it does what `Local` does."""
    global _executor
    _executor = other

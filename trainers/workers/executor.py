"""Where the runs of a comparison, of a learning curve or of a benchmark are executed.

`LocalExecutor` runs them one after another in this process; `trainers/workers/ray/fleet.py` runs
them at the same time on the nodes of a cluster.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainers.events import Event
from trainers.plan import Plan

if TYPE_CHECKING:
    from trainers.training.features import ComputationCache

SubtaskFunction = Callable[..., Generator[Event, None, Any]]  # called with (job, should_stop=…)


class LocalExecutor:
    """Execute runs in this process, one after another.

    An executor's streams may contain None: no news, but a moment at which the caller can check for
    Stop or Cancel. This one never yields None.
    """

    max_concurrent = 1  # runs

    def run(
        self,
        plan: Plan,
        *,
        should_stop: Callable[[], bool],
        cache: "ComputationCache",
        folder: Path | None = None,
    ) -> Iterator[Event | None]:
        """Return the events of one of the runs that are compared."""
        from trainers.training.run import run  # brings torch

        return run(plan, should_stop=should_stop, folder=folder, shared=cache)

    def submit(
        self, subtask: SubtaskFunction, job: Any, *, should_stop: Callable[[], bool]
    ) -> Generator[Event | None, None, Any]:
        """Return the stream of `subtask`; `job` says which files it needs."""
        return subtask(job, should_stop=should_stop)

    def map_streams(
        self, streams: Sequence[Callable[[], Iterator[Any]]]
    ) -> Iterator[tuple[int, Any] | None]:
        """Yield every item of all the streams, each with the index of its stream."""
        for index, start in enumerate(streams):
            with closing(start()) as stream:
                for item in stream:
                    yield index, item


_executor: Any = LocalExecutor()


def get_executor() -> Any:
    """Return this process's executor."""
    return _executor


def set_executor(executor: Any) -> None:
    """Use `executor` in this process; it has the methods of `LocalExecutor`."""
    global _executor
    _executor = executor

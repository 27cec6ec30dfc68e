"""How many runs the cluster executes at once, and several streams of events over free slots."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from queue import Empty, Queue
from typing import Any

POLL_SECONDS = 0.2


class RunAbandoned(KeyboardInterrupt):
    """Nobody waits for this run any more: it is cancelled and has not failed."""


_abandoned: ContextVar[threading.Event | None] = ContextVar("abandoned", default=None)


def raise_if_abandoned() -> None:
    """Raise `RunAbandoned` in a thread of `Slots.map_streams` whose caller has left."""
    if (event := _abandoned.get()) and event.is_set():
        raise RunAbandoned


class Slots:
    """A counter of the cluster's slots: each executes one run. Thread-safe."""

    def __init__(self, has_waiting_jobs: Callable[[], bool] = lambda: False) -> None:
        self.total = self.used = 0
        self._has_waiting_jobs = has_waiting_jobs
        self._lock = threading.Lock()

    def acquire(self) -> bool:
        """Take a slot; False if none is free."""
        with self._lock:
            is_free = self.used < self.total
            self.used += is_free
            return is_free

    def acquire_spare(self) -> bool:
        """Take a second slot for the same job, unless another job waits for one."""
        return self.used < self.total and not self._has_waiting_jobs() and self.acquire()

    def release(self) -> None:
        """Return a slot."""
        with self._lock:
            self.used -= 1

    def map_streams(
        self, streams: Sequence[Callable[[], Iterator[Any]]]
    ) -> Iterator[tuple[int, Any] | None]:
        """Yield every item of all the streams, each with the index of its stream; None: no news.

        The first stream uses the caller's own slot, further ones run in spare slots.
        """
        pending, items = deque(enumerate(streams)), Queue()
        abandoned, threads = threading.Event(), {}
        try:
            while pending or threads:
                while pending and (not threads or self.acquire_spare()):
                    index, start = pending.popleft()
                    threads[index] = threading.Thread(
                        target=_consume_stream, args=(index, start, items, abandoned), daemon=True
                    )
                    threads[index].start()
                try:
                    index, item, error = items.get(timeout=POLL_SECONDS)
                except Empty:
                    yield None
                    continue
                if item is not None:
                    yield index, item
                    continue
                del threads[index]
                if threads:  # acquired again for the next stream, unless a job waits by then
                    self.release()
                if error:
                    raise error
        finally:
            abandoned.set()
            for thread in threads.values():
                thread.join()
            for _ in range(len(threads) - 1):
                self.release()


def _consume_stream(
    index: int, start: Callable[[], Iterator], items: Queue, abandoned: threading.Event
) -> None:
    """Put the stream's items into the queue, then None with the error that ended it or None."""
    _abandoned.set(abandoned)
    error = None
    stream = start()
    try:
        for item in stream:
            if abandoned.is_set():
                break
            if item is not None:
                items.put((index, item, None))
    except RunAbandoned:
        pass
    except BaseException as raised:
        error = raised
    finally:
        stream.close()
        items.put((index, None, error))

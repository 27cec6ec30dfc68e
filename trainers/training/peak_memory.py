"""The memory that a run takes at its most."""

import threading

import psutil
import torch

SAMPLE_INTERVAL_SECONDS = 0.05


class PeakMemory:
    """Watches this process, or its graphics card, while a context lasts."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "PeakMemory":
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def now(self) -> int:
        """The most so far, in bytes: of the card where there is one, else of the process."""
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
        return self.bytes

    def _look(self) -> None:
        me = psutil.Process()
        while True:
            self.bytes = max(self.bytes, me.memory_info().rss)
            if self._over.wait(SAMPLE_INTERVAL_SECONDS):
                return

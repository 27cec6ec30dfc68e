"""The memory that a run takes at its most."""

import threading

import psutil
import torch

SAMPLE_INTERVAL_SECONDS = 0.05


class PeakMemory:
    """Watches this process, or its graphics card, while a context lasts."""

    def __init__(self) -> None:
        self.max_rss_bytes = 0
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_event.set()
        self._thread.join()

    def bytes_so_far(self) -> int:
        """The most so far, in bytes: of the card where there is one, else of the process."""
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
        return self.max_rss_bytes

    def _sample(self) -> None:
        me = psutil.Process()
        while True:
            self.max_rss_bytes = max(self.max_rss_bytes, me.memory_info().rss)
            if self._stop_event.wait(SAMPLE_INTERVAL_SECONDS):
                return

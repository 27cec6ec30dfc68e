"""The process that answers, as the app holds it: started when first asked, started anew when it
died, ended with the app. It is a child with a pipe in and a pipe out, so nobody else can ask it.
"""

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from trainers.serving import protocol

REPOSITORY_ROOT = Path(__file__).parents[2]
MAX_THREADS = 4  # one input keeps no more busy
MAX_ATTEMPTS = 2
MAX_TRACKED_LOADS = 100  # remembered
PROCESS_DIED_MESSAGE = (
    "The process that answers ended, most likely because the memory was full. It is started again "
    "with the next question: ask once more, with fewer or smaller inputs."
)


class InferenceError(RuntimeError):
    """A question without an answer; the text says why and what to do next."""


class PendingRequest:
    """A question on its way."""

    def __init__(self) -> None:
        self.progress: dict[str, Any] = {}
        self.result: list[dict[str, Any]] | None = None
        self.error = ""
        self.process_died = False
        self._done_event = threading.Event()

    @property
    def is_done(self) -> bool:
        return self._done_event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._done_event.wait(seconds)

    def finish(
        self, found: list[dict[str, Any]] | None, error: str = "", died: bool = False
    ) -> None:
        self.result, self.error, self.process_died = found, error, died
        self._done_event.set()


class InferenceClient:
    """Hands questions to the process and finds the answers; from any number of threads."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self._lock = threading.Lock()  # of what stands below, and of what is started
        self._write_lock = (
            threading.Lock()
        )  # a large question must not keep an answer from its owner
        self._pending: dict[int, tuple[subprocess.Popen, PendingRequest]] = {}
        self._last_id = 0
        self._loads: dict[str, PendingRequest] = {}
        self._reader_thread: threading.Thread | None = None
        atexit.register(self.close)

    def request(
        self, question: dict[str, Any], blobs: list[bytes], seconds: float
    ) -> list[dict[str, Any]]:
        """Return the response. Raises `InferenceError`."""
        until = time.monotonic() + seconds
        for attempt in range(MAX_ATTEMPTS):
            asked = self.submit(question, blobs)
            if not asked.wait(max(0.0, until - time.monotonic())):
                raise InferenceError(
                    f"There was no answer within {seconds:.0f} seconds. The computer may be very "
                    "busy, or the model large: try again, with fewer inputs."
                )
            if not asked.process_died or attempt == MAX_ATTEMPTS - 1:
                break
        if asked.error:
            raise InferenceError(asked.error)
        return asked.result or []

    def submit(self, question: dict[str, Any], blobs: list[bytes] | None = None) -> PendingRequest:
        """The question, handed on; at once. It ends with an error where that cannot be."""
        asked, number = PendingRequest(), -1
        try:
            with self._lock:
                process = self._ensure_process()
                self._last_id += 1
                number = self._last_id
                self._pending[number] = process, asked
            with self._write_lock:
                protocol.send(process.stdin, question | {"id": number}, blobs or [])
        except protocol.FrameError:
            self._drop_request(number)
            asked.finish(None, "That is too much at once. Ask in smaller parts.")
        except (OSError, ValueError) as error:  # it cannot be started, or died just now
            self._drop_request(number)
            logging.warning("The answering process took no question: %s", error)
            asked.finish(None, PROCESS_DIED_MESSAGE, died=True)
        return asked

    def start_loading(self, run: str) -> PendingRequest:
        """The question that has `run` loaded, as far as it is; asked again where the process that
        had it is gone."""
        known = self._loads.get(run)
        if known and known.is_done and not known.error and not self._is_running():
            known = None
        if known is None:
            known = self.submit({"verb": "open", "run": run, "inputs": [], "options": {}})
            while len(self._loads) >= MAX_TRACKED_LOADS:
                self._loads.pop(next(iter(self._loads)), None)
            self._loads[run] = known
        return known

    def forget_load(self, run: str) -> None:
        self._loads.pop(run, None)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
        self._reader_thread.join()
        self._loads.clear()

    def _is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _ensure_process(self) -> subprocess.Popen:
        if not self._is_running():
            self.process = start_process()
            self._reader_thread = threading.Thread(
                target=self._read_responses, args=(self.process,), daemon=True
            )
            self._reader_thread.start()
        return self.process

    def _read_responses(self, process: subprocess.Popen) -> None:
        """Hand each answer to who waits for it, until the process ends."""
        try:
            while frame := protocol.receive(process.stdout):
                message, _ = frame
                _, asked = self._pending.get(message["id"], (None, None))
                if asked and "progress" in message:
                    asked.progress = message["progress"]
                elif asked:
                    self._drop_request(message["id"])
                    asked.finish(message.get("found"), message.get("error", ""))
        except (protocol.FrameError, OSError) as error:
            logging.warning("The answering process was not understood: %s", error)
            process.kill()
        process.wait()
        process.stdout.close()
        with self._write_lock, suppress(OSError):  # what it had not read is lost
            process.stdin.close()
        with self._lock:
            lost = [number for number, (of, _) in self._pending.items() if of is process]
            died = [self._pending.pop(number)[1] for number in lost]
        for asked in died:
            asked.finish(None, PROCESS_DIED_MESSAGE, died=True)

    def _drop_request(self, number: int) -> None:
        with self._lock:
            self._pending.pop(number, None)


def start_process() -> subprocess.Popen:
    """The process, which imports torch now and then reads questions."""
    threads = min(MAX_THREADS, max(1, (os.cpu_count() or 1) // 2))
    command = [sys.executable, "-m", "trainers.serving.server", "--parent", str(os.getpid())]
    return subprocess.Popen(
        [*command, "--threads", str(threads)],
        cwd=REPOSITORY_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # As in trainers/__main__.py: threads that spin while they wait slow all others down.
        env={"GOMP_SPINCOUNT": "1000"} | os.environ,
        start_new_session=True,  # Ctrl-C in the terminal is the app's to hear
    )


@cache
def get_client() -> InferenceClient:
    """The one of this app."""
    return InferenceClient()

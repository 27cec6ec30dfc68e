"""The process that answers: `python -m trainers.serving.server`, started by the app. It loads the
models that are asked, keeps the last few, and never trains."""

import argparse
import io
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image

from trainers.datasets.uploads import images
from trainers.datasets.uploads.limits import MB
from trainers.serving import ENDPOINTS, protocol
from trainers.serving.model import LoadedModel, ProgressCallback, drop_deleted_detectors, has_data
from trainers.store import RunNotFound, get_store
from trainers.system.processes import wait_for_exit
from trainers.system.registry import look_up
from trainers.workers.execute import describe_failure

MAX_MODELS = 4
MAX_MODEL_BYTES = 1024 * MB  # of their weights together; the one that is asked is kept in any case
CLEANUP_INTERVAL_SECONDS = 30  # after so long nothing is left of what was deleted. Ours
NUM_WORKERS = 4  # questions at a time: one that loads must not keep others waiting
_decode_slots = threading.Semaphore(2)  # each may hold a picture of its limit, 350 MB

UNREADABLE_MESSAGE = (
    "This file could not be read as a picture: it is damaged, or something else under a picture's "
    "name. Open it to see, and save it as JPEG or PNG."
)


class UnreadableInput(ValueError):
    """An input that is none; the text says why."""


# --- models -------------------------------------------------------------------------------------


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.model: LoadedModel | None = None


class ModelCache:
    """The models asked last."""

    def __init__(self, max_models: int = MAX_MODELS, max_bytes: int = MAX_MODEL_BYTES) -> None:
        self.max_models, self.max_bytes = max_models, max_bytes
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    def get(self, run: str, tell: ProgressCallback) -> LoadedModel:
        """The model of the run, loaded if need be. Raises `NoSuchRun`, `NotKept`, and what loading
        raises."""
        try:
            found = get_store().get_run(run)
        except KeyError:  # deleted: nothing of it is to stay
            with self._lock:
                self._slots.pop(run, None)
            raise
        with self._lock:
            slot = self._slots.setdefault(run, _Slot())
            self._slots.move_to_end(run)
        with slot.lock:  # who asks for a model that is being loaded waits for it
            if slot.model is None:
                slot.model = LoadedModel(found, tell)
                self._evict()
        return slot.model

    def drop_deleted(self) -> None:
        """Drop models whose run or training data was deleted since they were loaded.

        Whoever asks for such a model again gets an answer without its data, or an error.
        """
        with self._lock:
            open_ = [(run, slot.model) for run, slot in self._slots.items() if slot.model]
        for run, opened in open_:
            if not _has_run(run) or (opened.detector and not has_data(opened.plan.data)):
                with self._lock:
                    self._slots.pop(run, None)
        drop_deleted_detectors()

    def _evict(self) -> None:
        """Lets go of those that were not asked for longest."""
        with self._lock:
            open_ = [(run, slot.model) for run, slot in self._slots.items() if slot.model]
            total = sum(opened.nbytes for _, opened in open_)
            while len(open_) > self.max_models or (total > self.max_bytes and len(open_) > 1):
                run, opened = open_.pop(0)
                total -= opened.nbytes
                del self._slots[run]

    def list_runs(self) -> list[str]:
        with self._lock:
            return [run for run, slot in self._slots.items() if slot.model]


def _has_run(run: str) -> bool:
    try:
        return bool(get_store().get_run(run))
    except RunNotFound:
        return False


# --- a question ---------------------------------------------------------------------------------


def handle_request(
    warm: ModelCache, question: dict[str, Any], blobs: Sequence[bytes], tell: ProgressCallback
) -> list[dict[str, Any]]:
    """Return the result for each input. Raises what opening a model raises, and `UnknownKey`."""
    opened = warm.get(question["run"], tell)
    if question["verb"] == "open":
        return []
    verb = look_up(ENDPOINTS, question["verb"], "kind of question")
    module, _, name = verb.load.partition(":")
    function, options = getattr(import_module(module), name), question["options"]
    given = [decode_input(one, blobs, opened.modality) for one in question["inputs"]]
    good = [one for one in given if not isinstance(one, UnreadableInput)]
    if verb.argument == "opened":
        told = function(opened, good, **options)
        if not given:
            return told
    else:
        told = [function(opened.saved_model, one, **options) for one in good]
    rest = iter(told)
    return [
        {"error": str(one)} if isinstance(one, UnreadableInput) else next(rest) for one in given
    ]


def decode_input(
    one: dict[str, Any], blobs: Sequence[bytes], modality: str
) -> str | np.ndarray | UnreadableInput:
    """The text, or the picture as uint8 (H, W, 3); or why it is none."""
    if ("text" in one) != (modality == "text"):
        kinds = {"text": "texts", "images": "pictures"}
        return UnreadableInput(f"This model reads {kinds[modality]}, and was given something else.")
    if "text" in one:
        return one["text"] if one["text"].strip() else UnreadableInput("There is no text in it.")
    try:
        with _decode_slots:
            picture, _ = images.open_image(io.BytesIO(blobs[one["picture"]]))
            return np.asarray(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = Image.MAX_IMAGE_PIXELS / 1e6
        return UnreadableInput(
            f"This picture has more than {most:.0f} million pixels (a HEIC more than "
            f"{images.MAX_HEIF_PX / 1e6:.0f}). Save it smaller."
        )
    except Exception:  # decoders raise nearly everything at bytes that are no picture
        return UnreadableInput(UNREADABLE_MESSAGE)


# --- the process --------------------------------------------------------------------------------


def serve(into: BinaryIO, out: BinaryIO) -> None:
    """Answers until `into` ends."""
    warm, writing = ModelCache(), threading.Lock()

    def say(message: dict[str, Any]) -> None:
        try:
            with writing:
                protocol.send(out, message)
        except protocol.FrameError:
            short = "The answer is too long to be handed over. Ask in smaller parts."
            with writing:
                protocol.send(out, {"id": message["id"], "error": short})

    def answer(question: dict[str, Any], blobs: list[bytes]) -> None:
        number = question["id"]

        def tell(text: str, share: float) -> None:
            say({"id": number, "progress": {"text": text, "share": share}})

        try:
            say({"id": number, "found": handle_request(warm, question, blobs, tell)})
        except OSError:  # nobody listens any more
            logging.exception("An answer was not taken.")
        except Exception as error:  # it must end with a word, whatever happened in it
            if not type(error).__module__.startswith("trainers"):  # those are said in words
                logging.exception("A question had no answer.")
            say({"id": number, "error": describe_failure(error)})

    def tidy() -> None:
        while True:
            time.sleep(CLEANUP_INTERVAL_SECONDS)
            try:
                warm.drop_deleted()
            except Exception:  # the database may be away for a while: the next round will do
                logging.exception("What was deleted could not be let go of.")

    threading.Thread(target=tidy, daemon=True).start()
    with ThreadPoolExecutor(NUM_WORKERS) as pool:
        while frame := protocol.receive(into):
            pool.submit(answer, *frame)


def exit_with_parent(parent: int) -> None:
    """End this process once the one numbered `parent` is gone, whatever is being answered."""
    wait_for_exit(parent)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, help="end when the process of this number ends")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    # What a library prints must not stand between the answers.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if given.parent is not None:
        threading.Thread(target=exit_with_parent, args=(given.parent,), daemon=True).start()
    torch.set_num_threads(given.threads)
    try:
        serve(sys.stdin.buffer, out)
    finally:
        os._exit(0)  # a question in flight has nobody to answer


if __name__ == "__main__":
    logging.captureWarnings(True)
    main()

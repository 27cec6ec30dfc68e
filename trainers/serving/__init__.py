"""Ask a trained model: `ask(run, inputs)`, from a page, of a process that keeps it warm.

That process is beside the training workers, so it answers while all of them are busy; it never
trains. This part imports no torch: pages read it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, MAX_TEXT_CHARS, MB
from trainers.serving.client import InferenceError, PendingRequest, get_client
from trainers.system.registry import look_up

__all__ = [
    "InferenceError",
    "LoadStatus",
    "Prediction",
    "batch_inputs",
    "call_endpoint",
    "poll_loading",
    "predict",
    "retry_loading",
]

MAX_INPUTS = 64  # inputs of one request; a long list is asked in parts. Ours
MAX_BATCH_BYTES = 32 * MB  # of a part with several pictures
TIMEOUT_SECONDS = 60.0

RawInput = str | bytes  # a text, or a picture's file as it came


class Endpoint(NamedTuple):
    """A kind of question to a trained model."""

    load: str  # "module:function", resolved where the model is: importing this file brings no torch
    # "opened": called once, function(opened, inputs, **options) -> a dict for each input.
    # "model": called for each input, function(kept, input, **options) -> a dict of plain values.
    argument: str


ENDPOINTS = {
    "answer": Endpoint("trainers.serving.model:predict_inputs", argument="opened"),
    "starters": Endpoint("trainers.serving.model:sample_test_inputs", argument="opened"),
    "explain": Endpoint("trainers.serving.attribution:explain_inputs", argument="opened"),
    "tested": Endpoint("trainers.serving.model:predict_test_inputs", argument="opened"),
}


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A trained model's prediction for one input."""

    # Of each class, calibrated where that was measured; without training likenesses, -1 to 1.
    sureness: list[float] = field(default_factory=list)
    unlike: bool | None = None  # anything that it learned from; None: cannot be told
    distance: float | None = None  # to the nearest that it learned from, 0 to 2
    limit: float | None = None  # above which it is `unlike`
    rarer: float | None = None  # share of the training examples as far from the others, or farther
    why: str = ""  # in words, where that cannot be told
    shown: str = ""  # of a picture: made small, as a data: URI
    error: str = ""  # why this one has no answer

    @property
    def label(self) -> int:
        """The class that is answered. Raises ValueError for an `error`."""
        return max(range(len(self.sureness)), key=self.sureness.__getitem__)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> "Prediction":
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})


def predict(
    run: str, inputs: Sequence[RawInput], timeout_seconds: float = TIMEOUT_SECONDS
) -> list[Prediction]:
    """Return a prediction for each of at most `AT_ONCE` inputs. Raises `InferenceError`."""
    return [
        Prediction.from_dict(found)
        for found in call_endpoint("answer", run, inputs, timeout_seconds)
    ]


def call_endpoint(
    verb: str,
    run: str,
    inputs: Sequence[RawInput] = (),
    timeout_seconds: float = TIMEOUT_SECONDS,
    **options: Any,
) -> list[dict[str, Any]]:
    """Return what `verb` computes for each input, as plain values.

    Raises `InferenceError`, and `UnknownKey` for an unknown verb.
    """
    look_up(ENDPOINTS, verb, "kind of question")
    told, blobs = pack_inputs(inputs)
    asked = {"verb": verb, "run": run, "inputs": told, "options": options}
    return get_client().request(asked, blobs, timeout_seconds)


def pack_inputs(inputs: Sequence[RawInput]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return the inputs as JSON with blobs beside it.

    Raises `InferenceError` if they are too large.
    """
    if len(inputs) > MAX_INPUTS:
        raise InferenceError(
            f"{len(inputs):,} inputs were asked at once; at most {MAX_INPUTS} are "
            "answered. Ask them "
            "in parts."
        )
    told: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for one in inputs:
        if isinstance(one, str):
            # Halves of characters, which a browser or JSON can spell, are no text.
            told.append({"text": one[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode()})
            continue
        if len(one) > MAX_IMAGE_BYTES:
            raise InferenceError(
                f"A picture's file has {len(one) / MB:,.0f} MB; at most {MAX_IMAGE_BYTES // MB} MB "
                "are read. Save it smaller."
            )
        told.append({"picture": len(blobs)})
        blobs.append(one)
    if len(blobs) > 1 and sum(map(len, blobs)) > MAX_BATCH_BYTES:
        raise InferenceError(
            f"The pictures have more than {MAX_BATCH_BYTES // MB} MB together. Ask them in parts."
        )
    return told, blobs


def batch_inputs(inputs: Sequence[RawInput]) -> Iterator[Sequence[RawInput]]:
    """The inputs, in order, in parts that `ask` takes."""
    start, size = 0, 0
    for place, one in enumerate(inputs):
        more = 0 if isinstance(one, str) else len(one)
        if place > start and (place - start == MAX_INPUTS or size + more > MAX_BATCH_BYTES):
            yield inputs[start:place]
            start, size = place, 0
        size += more
    if start < len(inputs):
        yield inputs[start:]


@dataclass(frozen=True)
class LoadStatus:
    """How far the loading of a model is."""

    ready: bool
    text: str = "Starting the process that answers"  # what is happening
    share: float = 0.0  # 0..1
    error: str = ""  # why it cannot be


def poll_loading(run: str) -> LoadStatus:
    """Has the model of `run` loaded, unless it is, and says at once how far that is. An error stays
    until `reopen`."""
    return _load_status(get_client().start_loading(run))


def retry_loading(run: str) -> None:
    """Forget what went wrong: the next `opening` tries again."""
    get_client().forget_load(run)


def _load_status(asked: PendingRequest) -> LoadStatus:
    if asked.error:
        return LoadStatus(False, error=asked.error)
    if asked.is_done:
        return LoadStatus(True, "Ready", 1.0)
    return LoadStatus(False, **asked.progress)

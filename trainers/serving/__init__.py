"""Ask a trained model: `ask(run, inputs)`, from a page, of a process that keeps it warm.

That process is beside the training workers, so it answers while all of them are busy; it never
trains. This part imports no torch: pages read it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from trainers.datasets.uploads.limits import KEPT_CHARS, MAX_IMAGE_BYTES, MB
from trainers.serving.client import Asked, CannotAnswer, answerer
from trainers.system.registry import pick_from

__all__ = ["Answer", "CannotAnswer", "Opening", "ask", "call", "in_parts", "opening", "reopen"]

AT_ONCE = 64  # inputs of one request; a long list is asked in parts. Ours
PART_BYTES = 32 * MB  # of a part with several pictures
TIMEOUT_SECONDS = 60.0

Input = str | bytes  # a text, or a picture's file as it came


class Verb(NamedTuple):
    """A kind of question to a trained model."""

    load: str  # "module:function", resolved where the model is: importing this file brings no torch
    # "opened": called once, function(opened, inputs, **options) -> a dict for each input.
    # "model": called for each input, function(kept, input, **options) -> a dict of plain values.
    takes: str


VERBS = {
    "answer": Verb("trainers.serving.model:answers", takes="opened"),
    "starters": Verb("trainers.serving.model:starters", takes="opened"),
    "explain": Verb("trainers.serving.attribution:explained", takes="opened"),
    "tested": Verb("trainers.serving.model:tested", takes="opened"),
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a trained model says to one input."""

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
    def best(self) -> int:
        """The class that is answered. Raises ValueError for an `error`."""
        return max(range(len(self.sureness)), key=self.sureness.__getitem__)

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Answer":
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})


def ask(
    run: str, inputs: Sequence[Input], timeout_seconds: float = TIMEOUT_SECONDS
) -> list[Answer]:
    """An answer to each of at most `AT_ONCE` inputs. Raises `CannotAnswer`."""
    return [Answer.of(found) for found in call("answer", run, inputs, timeout_seconds)]


def call(
    verb: str,
    run: str,
    inputs: Sequence[Input] = (),
    timeout_seconds: float = TIMEOUT_SECONDS,
    **options: Any,
) -> list[dict[str, Any]]:
    """What `verb` finds for each input, as plain values. Raises `CannotAnswer`, and `UnknownKey`
    for a verb that there is not."""
    pick_from(VERBS, verb, "kind of question")
    told, blobs = packed(inputs)
    asked = {"verb": verb, "run": run, "inputs": told, "options": options}
    return answerer().found(asked, blobs, timeout_seconds)


def packed(inputs: Sequence[Input]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The inputs as JSON with blobs beside it. Raises `CannotAnswer` where they are too many or too
    large."""
    if len(inputs) > AT_ONCE:
        raise CannotAnswer(
            f"{len(inputs):,} inputs were asked at once; at most {AT_ONCE} are answered. Ask them "
            "in parts."
        )
    told: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for one in inputs:
        if isinstance(one, str):
            # Halves of characters, which a browser or JSON can spell, are no text.
            told.append({"text": one[:KEPT_CHARS].encode("utf-8", "replace").decode()})
            continue
        if len(one) > MAX_IMAGE_BYTES:
            raise CannotAnswer(
                f"A picture's file has {len(one) / MB:,.0f} MB; at most {MAX_IMAGE_BYTES // MB} MB "
                "are read. Save it smaller."
            )
        told.append({"picture": len(blobs)})
        blobs.append(one)
    if len(blobs) > 1 and sum(map(len, blobs)) > PART_BYTES:
        raise CannotAnswer(
            f"The pictures have more than {PART_BYTES // MB} MB together. Ask them in parts."
        )
    return told, blobs


def in_parts(inputs: Sequence[Input]) -> Iterator[Sequence[Input]]:
    """The inputs, in order, in parts that `ask` takes."""
    start, size = 0, 0
    for place, one in enumerate(inputs):
        more = 0 if isinstance(one, str) else len(one)
        if place > start and (place - start == AT_ONCE or size + more > PART_BYTES):
            yield inputs[start:place]
            start, size = place, 0
        size += more
    if start < len(inputs):
        yield inputs[start:]


@dataclass(frozen=True)
class Opening:
    """How far it is that a model can be asked."""

    ready: bool
    text: str = "Starting the process that answers"  # what is happening
    share: float = 0.0  # 0..1
    error: str = ""  # why it cannot be


def opening(run: str) -> Opening:
    """Has the model of `run` loaded, unless it is, and says at once how far that is. An error stays
    until `reopen`."""
    return _told(answerer().opening(run))


def reopen(run: str) -> None:
    """Forgets what went wrong: the next `opening` tries again."""
    answerer().forget(run)


def _told(asked: Asked) -> Opening:
    if asked.error:
        return Opening(False, error=asked.error)
    if asked.over:
        return Opening(True, "Ready", 1.0)
    return Opening(False, **asked.progress)

"""Rows of the table `runs`: how they are made, and the objects they are read as."""

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from guide.approaches import APPROACHES
from trainers import datasets, jobs
from trainers.store.tables import END_STATES, QUEUED, runs
from trainers.system.registry import UnknownKey

HISTORY_KINDS = ("run", "compare")  # kinds of job in the history
MAX_NAME_CHARS, MAX_NOTE_CHARS = 80, 2000
# Control characters, and those that change the reading direction, which would make "exe.gnp" of a
# name. NUL is among them, which PostgreSQL does not store.
INVISIBLE_CHARS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class RunNotFound(KeyError):
    """No run has this id."""

    def __str__(self) -> str:
        return "There is no such run. It may have been deleted, or its link is incomplete."


@dataclass(frozen=True)
class Run:
    """A run, or another job. Times are seconds since 1970."""

    id: str
    visitor: str
    kind: str  # in trainers.jobs.KINDS
    job: Any  # a Plan, or the job of another kind
    state: str  # "queued", "running", "finished", "failed" or "cancelled"
    created_at: float
    started_at: float | None
    finished_at: float | None
    stop_requested: bool
    cancel_requested: bool
    result: dict | None  # the last event of a run that is over

    @property
    def is_over(self) -> bool:
        return self.state in END_STATES


@dataclass(frozen=True)
class RunSummary:
    """A line of the history. Reading it reads neither the job nor the events."""

    id: str
    kind: str  # in HISTORY_KINDS
    name: str  # "" until its visitor names it
    note: str
    pinned: bool
    data: str
    approach: str | None  # of a run
    state: str
    created_at: float
    score: float | None  # test accuracy, 0..1; of a comparison, its best
    low: float | None  # 95 % interval; of a run
    high: float | None
    outcome: str | None  # of a comparison: whether the advice was right
    seconds: float | None  # duration; None while it is not over

    @property
    def title(self) -> str:
        return self.name or default_title(self.kind, self.approach, self.data)


SUMMARY_COLUMNS = (
    *(runs.c[name] for name in ("id", "kind", "name", "note", "pinned", "approach", "state")),
    *(runs.c[name] for name in ("created_at", "score", "seconds")),
    runs.c.subject.label("data"),
    runs.c.result["test_accuracy_low"].as_float().label("low"),
    runs.c.result["test_accuracy_high"].as_float().label("high"),
    runs.c.result["outcome"].as_string().label("outcome"),
)


def default_title(kind: str, approach: str | None, data: str) -> str:
    """Return the title of a run or comparison without a name."""
    if kind == "compare":
        subject = "Every approach"
    else:  # a newer version that shares the database may know more approaches
        subject = APPROACHES[approach].title if approach in APPROACHES else "A run"
    return f"{subject} on {data_title(data)}"


def data_title(data: str) -> str:
    """Return the title of a data set, also of a deleted one."""
    try:
        return datasets.get_dataset(data).title
    except UnknownKey:
        return "data that is gone"


def run_from_row(row: Any) -> Run:
    names = Run.__dataclass_fields__.keys() - {"job"}
    return Run(**{name: row[name] for name in names}, job=jobs.from_json(row["kind"], row["job"]))


def new_run_id() -> str:
    """Return an id that cannot be guessed. No dash begins it: people type it in terminals."""
    while (run_id := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return run_id


def new_row(job: Any, visitor: str, parent_id: str | None) -> dict[str, Any]:
    """Return a new row, queued, with an id that cannot be guessed."""
    row = {"id": new_run_id(), "visitor": visitor, "job": job.as_json()}
    row |= {"created_at": time.time(), "state": QUEUED}
    row |= {"stop_requested": False, "cancel_requested": False}
    row |= {"kind": jobs.kind_of(job), "subject": jobs.subject_of(job), "parent_id": parent_id}
    return row | history_columns(row["kind"], row["job"])


def history_columns(
    kind: str, job: dict[str, Any], name: str = "", note: str = ""
) -> dict[str, Any]:
    """Return the columns that the history shows and searches.

    `job` is plain JSON: a job of an older version may no longer be valid.
    """
    if kind not in HISTORY_KINDS:
        return {}
    approach, data = job.get("approach"), job["data"]
    words = [name, note, default_title(kind, approach, data), data]
    return {"approach": approach, "search_text": " ".join(words).casefold()}


def result_columns(result: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that the history sorts by, from the last event of a run."""
    scores = [run["test_accuracy"] for run in result.get("runs", ()) if "test_accuracy" in run]
    return {
        "seconds": result["seconds"],
        "score": result.get("test_accuracy", max(scores, default=None)),
    }


def clean_name(name: str) -> str:
    return INVISIBLE_CHARS.sub("", " ".join(name.split()))[:MAX_NAME_CHARS]


def clean_note(note: str) -> str:
    return INVISIBLE_CHARS.sub("", note.strip())[:MAX_NOTE_CHARS]

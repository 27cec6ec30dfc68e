"""Finished runs, told to MLflow where `MLFLOW_TRACKING_URI` is set: a copy, for who has one.

Plan, curves and scores go there. Nothing that a visitor wrote, no title or key of their data, no
key of theirs and no link to the run. A server that does not answer costs a line in the log.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from guide.approaches import APPROACHES
from trainers.datasets.uploads import LOCAL_VISITOR
from trainers.events import Baseline, Event, JobDone, RunFinished, RunStarted, ValidationDone
from trainers.jobs import MlflowLog
from trainers.store import Run, Store, data_title, get_store
from trainers.system.settings import get_settings

EXPERIMENT = "Thaw"
BATCH_SIZE = 1000  # metrics in a request: MLflow takes no more
SCORE_FIELDS = ("test_accuracy", "test_accuracy_low", "test_accuracy_high", "macro_f1", "seconds")
COUNT_FIELDS = ("epochs", "train_examples", "test_examples", "trainable_parameters", "stored_bytes")
# Metrics that MLflow has under an older name, which dashboards may use.
METRIC_NAMES = {"trainable_parameters": "learnable_parameters"}
VALIDATION_METRICS = {
    "accuracy": "check_accuracy",
    "loss": "check_loss",
    "train_accuracy": "train_accuracy",
    "train_loss": "train_loss",
}
# Our defaults; who sets them is heard. Without them a server that is gone is asked for minutes, and
# MLflow tells its makers of its use.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def is_enabled() -> bool:
    return bool(get_settings().mlflow_tracking_uri)


def log_finished(runs: Store, run: str, end: Event) -> None:
    """Has a run that has its score told: by the light worker, so that no run waits for a server;
    one from a terminal at once. Raises nothing."""
    if not (is_enabled() and isinstance(end, RunFinished)):
        return
    try:
        visitor = runs.get_run(run).visitor
        if visitor == LOCAL_VISITOR:
            _log_run(runs, run)
        else:
            runs.enqueue(MlflowLog(key=run, visitor=visitor), visitor)
    except Exception:  # the run has its score: nothing may take that from it
        logging.exception("A run could not be handed on to MLflow.")


def track(
    job: MlflowLog, *, should_stop: Callable[[], bool], folder: Path | None = None
) -> Iterator[Event]:
    """The job of the light worker. `Done.found` is {"told": whether it worked}."""
    yield JobDone({"told": _log_run(get_store(), job.key)}, 0.0)


def _log_run(runs: Store, run: str) -> bool:
    """Sends a run; False, and one line in the log, where that does not work."""
    for name, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    where = urlsplit(get_settings().mlflow_tracking_uri)
    place = where.hostname or where.scheme  # never all of it: there may be a password in it
    try:
        found = runs.get_run(run)
        _send_run(found, [event for _, event in runs.read_events(run)])
    except ImportError as error:
        why = f'{error.name} is not installed. Install it: pip install "thaw[mlflow]"'
    except Exception as error:  # a server may answer anything
        why = f"{place} did not take it ({type(error).__name__})"
    else:
        return True
    logging.warning("A run was not told to MLflow: %s. The run itself is whole.", why)
    return False


def _send_run(run: Run, told: Sequence[Event]) -> None:
    # Imported only here: it takes over a second, and most have no use for it.
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client, began = MlflowClient(), round(1000 * (run.started_at or run.created_at))
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
    kept = client.create_run(
        experiment, start_time=began, tags=list_tags(run), run_name=run_title(run)
    ).info.run_id
    numbers = [
        Metric(name, value, began + round(1000 * seconds), step)
        for name, value, seconds, step in list_metrics(told)
    ]
    settings = [Param(name, value) for name, value in list_params(run, told).items()]
    client.log_batch(kept, params=settings)
    for first in range(0, len(numbers), BATCH_SIZE):
        client.log_batch(kept, metrics=numbers[first : first + BATCH_SIZE])
    client.set_terminated(kept, end_time=round(1000 * (run.finished_at or run.created_at)))


def run_title(run: Run) -> str:
    """Return the title of the run in MLflow: the visitor's own name for it stays here."""
    approach = APPROACHES[run.job.approach].title
    return f"{approach} on {list_tags(run)['data'].lower()}"


def list_params(run: Run, told: Sequence[Event]) -> dict[str, str]:
    """The plan, with the steps that the clock set, by which it can be repeated."""
    end = next(event for event in told if isinstance(event, RunFinished))
    plan = run.job.as_json() | {"pace": json.dumps(end.repeat_plan.get("pace"))}
    plan |= {"data": "own" if is_own_data(run) else plan["data"], "mends": ",".join(run.job.fixes)}
    return {name: "all" if value is None else str(value) for name, value in plan.items()}


def list_tags(run: Run) -> dict[str, str]:
    title = "Own data" if is_own_data(run) else data_title(run.job.data)
    return {"approach": run.job.approach, "backbone": run.job.backbone, "data": title}


def is_own_data(run: Run) -> bool:
    return run.job.data.startswith("own-")


def list_metrics(told: Sequence[Event]) -> Iterator[tuple[str, float, float, int]]:
    """Names, values, seconds on the run's clock, and steps, those of the phases in a row."""
    before, phase, last = 0, 0, 0
    for event in told:
        match event:
            case ValidationDone():
                if event.phase != phase:
                    before, phase = before + last, event.phase
                last = event.step
                for name, title in VALIDATION_METRICS.items():
                    if (value := getattr(event, name)) is not None:
                        yield title, value, event.seconds, before + last
            case Baseline():
                yield "without_training_accuracy", event.accuracy, event.seconds, 0
            case RunStarted() if event.estimated_seconds is not None:
                yield "predicted_seconds", event.estimated_seconds, 0.0, 0
            case RunFinished():
                for name in (*SCORE_FIELDS, *COUNT_FIELDS, "peak_memory_bytes"):
                    yield (
                        METRIC_NAMES.get(name, name),
                        float(getattr(event, name)),
                        event.seconds,
                        before + last,
                    )

"""A finished run in MLflow: what goes there, what stays here, and that it costs no run."""

import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import pytest

from trainers.events import JobDone, RunFinished
from trainers.jobs import run_job
from trainers.plan import Plan
from trainers.reports import mlflow
from trainers.store import FINISHED, get_store
from trainers.system.paths import run_dir
from trainers.training.run import run
from trainers.workers.execute import execute

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning:mlflow")
HYBRID = {"data": "colours", "approach": "hybrid", "examples_per_class": 10, "seconds": 20}


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in mlflow.MLFLOW_DEFAULTS.items():
        monkeypatch.setenv(name, value)


def ran(visitor="ann", **settings) -> str:
    key = get_store().enqueue(Plan(**HYBRID | settings), visitor, worker="test")
    *_, end = execute(get_store(), key, get_store().get_run(key).job, run, run_dir(key))
    assert isinstance(end, RunFinished)
    assert get_store().get_run(key).state == FINISHED
    return key


def worked_off() -> list[dict]:
    """What the light worker's jobs found."""
    found = []
    while job := get_store().claim("light", needs_torch=False):
        *_, done = execute(get_store(), job.id, job.job, run_job)
        assert isinstance(done, JobDone)
        found.append(done.result)
    return found


def test_a_run_is_told_with_its_plan_curves_and_scores(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'tracking.db'}")
    key = ran()
    assert worked_off() == [{"told": True}]
    from mlflow import MlflowClient

    client = MlflowClient()
    (experiment,) = [e for e in client.search_experiments() if e.name == "Thaw"]
    (kept,) = client.search_runs([experiment.experiment_id])
    end, plan = get_store().get_run(key).result, get_store().get_run(key).job
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "Hybrid on colours"
    assert kept.data.metrics["test_accuracy"] == end["test_accuracy"]
    assert kept.data.metrics["macro_f1"] == end["macro_f1"]
    params = kept.data.params
    assert (params["approach"], params["data"], params["per_class"]) == ("hybrid", "colours", "10")
    again = plan.as_json() | {"pace": json.loads(params["pace"])}
    assert again == end["repeat"]
    assert {"approach": "hybrid", "backbone": "eye", "data": "colours"}.items() <= (
        kept.data.tags.items()
    )
    looks = [e for _, e in get_store().read_events(key) if e.type == "validated"]
    curve = client.get_metric_history(kept.info.run_id, "check_accuracy")
    assert [m.value for m in curve] == [look.accuracy for look in looks]
    steps = [m.step for m in curve]
    assert steps == sorted(steps)  # those of the second phase after those of the first
    assert steps[-1] == looks[-1].step + max(look.step for look in looks if look.phase == 0)


def test_nothing_of_a_visitor_goes_there(toy, answering):
    key = ran("ann-with-a-secret-key")
    get_store().annotate(key, "ann-with-a-secret-key", name="My private name", note="a note")
    assert worked_off() == [{"told": True}]
    sent = "\n".join(answering)
    assert "test_accuracy" in sent
    for secret in ("ann-with-a-secret-key", "My private name", "a note", key):
        assert secret not in sent


def test_own_data_has_no_name_there(toy):
    plan = Plan(**HYBRID)
    object.__setattr__(plan, "data", "own-0123456789abcdef")
    key = ran()
    found = get_store().get_run(key)
    object.__setattr__(found, "job", plan)
    told = [event for _, event in get_store().read_events(key)]
    sent = json.dumps(
        [mlflow.list_tags(found), mlflow.list_params(found, told), mlflow.run_title(found)]
    )
    assert "own-" not in sent
    assert "Own data" in sent


class Answers(BaseHTTPRequestHandler):
    """As much of MLflow's REST as a run takes."""

    heard: list[str]
    INFO = MappingProxyType({"run_id": "r", "run_uuid": "r", "experiment_id": "1", "start_time": 1,
                             "status": "RUNNING", "lifecycle_stage": "active"})  # fmt: skip

    def do_GET(self):
        if "runs/get" in self.path:
            self.answer(200, {"run": {"info": dict(self.INFO), "data": {}}})
            return
        self.answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.heard.append(f"{self.path} {body}")
        if self.path.endswith("experiments/create"):
            self.answer(200, {"experiment_id": "1"})
        elif "runs/create" in self.path or "runs/update" in self.path:
            run = {"info": dict(self.INFO), "data": {}}
            self.answer(200, {"run": run, "run_info": dict(self.INFO)})
        else:
            self.answer(200, {})

    def answer(self, code, content):
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def answering(monkeypatch):
    heard = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Answers,), {"heard": heard}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield heard
    server.shutdown()
    server.server_close()


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_server_that_is_gone_costs_one_line_and_no_run(toy, monkeypatch, caplog):
    address = f"http://me:secret@127.0.0.1:{closed_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    ran()
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "root"):
        assert worked_off() == [{"told": False}]
    assert time.monotonic() - began < 60  # its own setting would be minutes
    (line,) = [r.getMessage() for r in caplog.records if r.name == "root"]
    assert line.startswith("A run was not told to MLflow: 127.0.0.1 did not take it")
    assert "secret" not in caplog.text


def test_mlflow_that_is_not_installed_is_said(toy, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    ran("terminal")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "root"]
    assert 'pip install "thaw[mlflow]"' in line


def test_a_terminals_run_is_told_at_once(toy, answering):
    ran("terminal")
    assert any("runs/create" in line for line in answering)
    assert not worked_off()


def test_without_the_setting_nothing_is_queued(toy, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    ran()
    assert not worked_off()

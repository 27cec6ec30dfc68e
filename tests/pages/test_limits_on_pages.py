"""Pages explain a refused action in a sentence and keep the visitor's settings."""

import pytest
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from tests.pages.test_sign_in_page import FRAME, words
from trainers.datasets.uploads import inbox
from trainers.store import get_store

ANN = "ann-the-visitor-1"


def page(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(FRAME, default_timeout=60)
    at.session_state["visitor"] = ANN
    at.run()
    for key, value in query.items():
        at.query_params[key] = value
    return at.switch_page(name).run()


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label.startswith(label)).click()
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize("button", ["Start", "Compare all approaches instead"])
def test_the_run_page_refuses_and_keeps_its_settings(button, monkeypatch):
    monkeypatch.setenv("THAW_MAX_QUEUED_JOBS", "1")
    press(page("run.py", seed="7"), "Start")
    at = press(page("run.py", seed="7"), button)
    assert "At most 1 of your jobs may wait" in words(at)
    assert at.number_input(key="seed").value == 7
    assert len(get_store().list_runs(ANN)) == 1
    assert not get_store().list_runs(ANN, kind="compare")


def test_a_refused_claim_test_is_explained(monkeypatch):
    monkeypatch.setenv("THAW_TRAINING_SECONDS_PER_DAY", "1")
    at = press(page("claims.py"), "Run it here")
    assert "Choose a shorter time budget" in words(at)
    assert not get_store().list_runs(ANN, kind="claim")


def test_pasted_rows_stay_when_the_upload_is_refused(monkeypatch):
    monkeypatch.setenv("THAW_UPLOADS_PER_DAY", "1")
    at = page("data.py", way="paste")
    at.session_state["way"] = "paste"
    at.run()
    for _ in range(2):
        at.text_area(key="pasted").set_value("one\tgood\ntwo\tbad").run()
        press(at, "Read these rows")
        if at.query_params.get("reading"):
            at = page("data.py")
            at.session_state["way"] = "paste"
            at.run()
    assert "At most 1 of your uploads a day" in words(at)
    assert at.text_area(key="pasted").value == "one\tgood\ntwo\tbad"
    assert len(get_store().list_runs(ANN, kind="read")) == 1


def test_data_is_shown_when_its_check_is_refused(monkeypatch):
    monkeypatch.setenv("THAW_TRAINING_SECONDS_PER_DAY", "1")
    at = page("data.py", data="digits")
    assert not at.exception
    assert "You may train for 1 second" in words(at)
    assert "What it holds" in words(at)


def test_the_upload_route_applies_the_quota_of_the_drafts_owner(monkeypatch):
    from starlette.applications import Starlette

    from pages.parts.widgets.data_upload import routes

    monkeypatch.setenv("THAW_DISK_MB", "1")
    client = TestClient(Starlette(routes=routes))
    draft = inbox.create_draft(ANN)
    assert client.put(f"/upload/{draft}", content=b"x" * 1000).status_code == 200
    refused = client.put(f"/upload/{draft}", content=b"x" * 1024**2)
    assert refused.status_code == 413
    assert "may take 1 MB here" in refused.json()["error"]

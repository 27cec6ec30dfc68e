"""A page survives what another process of Thaw does to its run, its data and its visitor."""

import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.own_data import own_texts
from trainers.datasets import uploads
from trainers.events import Notice
from trainers.plan import Plan
from trainers.store import CANCELLED, RunNotFound, get_store

ANN = "ann-the-visitor-1"
SCRIPT = """
import sys
from trainers.hosting import erase
from trainers.store import get_store
what, visitor, key = sys.argv[1:]
match what:
    case "cancel": get_store().request_cancel(key, visitor)
    case "data": erase.erase_data(key)
    case "run": get_store().delete([key], visitor)
    case "everything": erase.erase_visitor(visitor)
"""


@pytest.fixture
def other(root):
    def does(what: str, key: str = "-") -> None:
        """In a process of its own, on the same database and data folder."""
        command = [sys.executable, "-c", SCRIPT, what, ANN, key]
        subprocess.run(command, cwd=root, check=True, timeout=100)

    return does


@pytest.fixture
def opened(root):
    def page(name: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(root / "pages" / "frame.py"), default_timeout=60)
        at.session_state["visitor"] = ANN
        at.run()
        for key, value in query.items():
            at.query_params[key] = value
        return at.switch_page(name).run()

    return page


def said(at: AppTest) -> str:
    assert not at.exception, at.exception
    kinds = at.markdown, at.caption, at.error, at.warning, at.info
    return "\n".join(element.value for kind in kinds for element in kind)


def test_what_another_app_does_is_said_on_the_page(database, opened, other, tmp_path):
    key = own_texts(tmp_path / "a", ANN, marker="MARK-OF-DATA", title="mine.csv")
    run = get_store().enqueue(Plan(data=key, approach="simple"), ANN, worker="here")
    get_store().append(run, [Notice("at work", 0.1)])
    pages = [opened("run.py", run=run), opened("data.py", data=key), opened("run.py", data=key)]
    pages += [opened("runs.py")]
    assert "mine" in "".join(map(said, pages))

    other("cancel", run)
    assert get_store().read_flags(run)[1]
    for at in pages:
        said(at.run())
    waiting = get_store().enqueue(Plan(data=key, approach="simple"), ANN)
    page = opened("run.py", run=waiting)
    other("cancel", waiting)
    assert get_store().get_run(waiting).state == CANCELLED
    said(page.run())

    other("data", key)
    assert uploads.list_uploads(ANN) == []
    for at in (*pages, page):
        said(at.run())

    other("run", waiting)
    assert "There is no such run" in said(page.run())
    other("everything")
    with pytest.raises(RunNotFound):
        get_store().get_run(run)
    for at in (*pages, page):
        said(at.run())

"""Pages say so when the database cannot be reached, and recover by themselves."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures.markdown import escape_markdown
from tests.pages.test_pages import FRAME, words
from trainers.store import get_store
from trainers.system.errors import DATABASE_UNREACHABLE_TEXT

PAGES = Path(FRAME).parent
PAGES_WITH_QUERIES = ["run.py", "compare.py", "claims.py", "runs.py", "room.py"]


@pytest.fixture
def unreachable_database(monkeypatch, tmp_path):
    monkeypatch.setenv("THAW_DATABASE_URL", f"postgresql://thaw:secret@/thaw?host={tmp_path}")


@pytest.mark.parametrize("page", PAGES_WITH_QUERIES)
def test_a_page_reports_an_unreachable_database_and_recovers(
    page, unreachable_database, monkeypatch
):
    at = AppTest.from_file(FRAME, default_timeout=60).run()
    at.query_params["run" if page == "run.py" else "compare"] = "an-id"
    at.switch_page(page).run()
    assert not at.exception
    assert escape_markdown(DATABASE_UNREACHABLE_TEXT) in words(at)
    assert "secret" not in words(at)
    monkeypatch.delenv("THAW_DATABASE_URL")
    get_store.cache_clear()
    at.run()
    assert not at.exception
    assert escape_markdown(DATABASE_UNREACHABLE_TEXT) not in words(at)


def test_every_fragment_has_an_error_boundary():
    """Streamlit runs a fragment without the code around it."""
    fragments = [
        (file.name, call)
        for file in PAGES.rglob("*.py")
        for call in re.findall(r"st\.fragment\(\s*(.*)", file.read_text())
    ]
    assert len(fragments) > 10
    assert [row for row in fragments if not row[1].startswith("error_boundary()(")] == []

"""While the database cannot be reached, pages say so in words, and come back by themselves."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.figures.markdown import escape_markdown
from tests.pages.test_pages import FRAME, words
from trainers.store import get_store
from trainers.system.errors import DATABASE_UNREACHABLE_TEXT

PAGES = Path(FRAME).parent
ASKING = ["run.py", "compare.py", "claims.py", "runs.py", "room.py"]


@pytest.fixture
def away(monkeypatch, tmp_path):
    monkeypatch.setenv("THAW_DATABASE_URL", f"postgresql://thaw:secret@/thaw?host={tmp_path}")


@pytest.mark.parametrize("page", ASKING)
def test_a_page_says_it_plainly_and_works_when_the_database_is_back(page, away, monkeypatch):
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


def test_so_does_every_part_that_runs_alone():
    """Streamlit runs a fragment without what is around it."""
    found = [
        (file.name, said)
        for file in PAGES.rglob("*.py")
        for said in re.findall(r"st\.fragment(.*)", file.read_text())
    ]
    assert len(found) > 10
    assert [one for one in found if not one[1].startswith("(error_boundary()(")] == []

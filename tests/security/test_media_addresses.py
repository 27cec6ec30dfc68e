"""Pictures and files that Streamlit hands out have addresses of their own, for whoever has one: so
an address must not be found without what lies behind it, and must not outlive the visit."""

import random
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.runtime import media_file_manager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.web.server.starlette.starlette_routes import create_media_routes

PICTURE = random.Random(0).randbytes(5_000)  # noqa: S311 - stands for one that nobody else has


@pytest.fixture
def server(monkeypatch):
    """Streamlit's own keeper of such files, and a browser without any cookie."""
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    whose = ["ann"]
    monkeypatch.setattr(media_file_manager, "_get_session_id", lambda: whose[0])

    def shown(visitor: str, content: bytes) -> str:
        whose[0] = visitor
        return manager.add(content, "image/png", "1.2")

    with TestClient(Starlette(routes=create_media_routes(storage, None))) as browser:
        yield manager, shown, browser


def test_an_address_says_nothing_and_one_beside_it_leads_nowhere(server):
    _, shown, browser = server
    mine, beside = shown("ann", PICTURE), shown("ann", PICTURE[:-1] + b"x")
    for address in (mine, beside):
        assert re.fullmatch(r"/media/[0-9a-f]{32}\.png", address)  # 128 bits of what it holds
    alike = sum(a == b for a, b in zip(mine, beside, strict=True)) - len("/media/.png")
    assert alike < 16  # of 32
    assert browser.get(mine).content == PICTURE
    for at in range(7, 39):
        other = mine[:at] + ("0" if mine[at] != "0" else "1") + mine[at + 1 :]
        assert browser.get(other).status_code == 404
    assert browser.get("/media/").status_code == 404


def test_once_its_visitor_is_gone_it_is_gone(server):
    manager, shown, browser = server
    address = shown("ann", PICTURE)
    shown("bob", b"another")
    manager.clear_session_refs("ann")
    manager.remove_orphaned_files()
    assert browser.get(address).status_code == 404

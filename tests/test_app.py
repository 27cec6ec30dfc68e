"""The server around the pages: how it starts, and its repairs of Streamlit."""

import os

import pytest
from streamlit import config, net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.web.server import server_util

import app
from pages.parts.server import fragment_queue
from pages.parts.server.middleware import is_foreign


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("THAW_EXECUTOR", "spark"),
        ("THAW_WORKERS", "x"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(variable, value, monkeypatch, capsys):
    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match="2"):
        app.lifespan(None).__aenter__().send(None)  # up to its first await
    assert f"Thaw cannot start. {variable} is '{value}'. Set it to" in capsys.readouterr().err


# --- the repair of Streamlit's queue --------------------------------------------------------------


def delta(path: list[int], fragment: str = "", *, block: bool = False) -> ForwardMsg:
    """Return a message that puts a block or an element at `path`."""
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.fragment_id = fragment
    if block:
        message.delta.add_block.allow_empty = True
    else:
        message.delta.new_element.markdown.body = str(path)
    return message


def reference(path: list[int]) -> ForwardMsg:
    """Return a message that refers to one that the browser knows."""
    message = ForwardMsg(ref_hash="known")
    message.metadata.delta_path.extend(path)
    return message


UNSENT = [
    delta([0, 1], "outer", block=True),
    delta([0, 1, 0], "inner", block=True),
    delta([0, 1, 0, 0], "inner"),
    reference([0, 1, 1]),
]


def test_unsent_messages_keep_their_block_when_a_fragment_runs():
    queue = ForwardMsgQueue()
    for message in UNSENT:
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["outer"])
    again = delta([0, 1, 0, 0], "inner")
    started = ForwardMsg()
    started.new_session.name = "the fragment's run"
    for message in (started, again):
        queue.enqueue(message)
    assert queue.flush() == [*UNSENT, started, again]


def test_streamlit_still_drops_the_block_and_keeps_what_stands_in_it():
    """When this fails, pages/parts/server/fragment_queue.py can go."""
    queue = ForwardMsgQueue()
    for message in UNSENT:
        queue.enqueue(message)
    fragment_queue.original_clear(queue, True, ["outer"])
    assert queue._queue == UNSENT[1:]


def test_a_run_of_the_whole_page_replaces_unsent_messages():
    queue = ForwardMsgQueue()
    queue.enqueue(delta([0, 1]))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=None)
    assert queue.flush() == []


# --- whose pages may open a session ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        ("http://thaw.example:8501", False),
        ("http://localhost:3000", False),
        ("http://allowed.example", False),
        ("http://evil.example", True),
        ("http://thaw.example:9999", True),
        ("http://127.0.0.1.nip.io", True),
        ("null", True),
        ("", True),
    ],
)
def test_another_site_is_known_by_its_origin(origin, foreign, monkeypatch):
    monkeypatch.setattr(net_util, "get_internal_ip", lambda: "192.0.2.7")
    options = {"server.corsAllowedOrigins": ["http://allowed.example"], "server.enableCORS": True}
    get_option = config.get_option
    monkeypatch.setattr(
        config, "get_option", lambda key: options[key] if key in options else get_option(key)
    )
    assert is_foreign(origin, "thaw.example:8501") is foreign
    assert not is_foreign("http://192.0.2.7:8501", "thaw.example:8501")
    options["server.enableCORS"] = False
    assert not is_foreign(origin, "thaw.example:8501")


def test_streamlit_still_asks_the_internet_about_a_foreign_origin(monkeypatch):
    """When this fails, `OriginMiddleware` can go."""
    calls = []
    monkeypatch.setattr(net_util, "get_internal_ip", lambda: "192.0.2.7")
    monkeypatch.setattr(net_util, "get_external_ip", lambda: calls.append("asked"))
    assert not server_util.is_url_from_allowed_origins("http://evil.example")
    assert calls == ["asked"]

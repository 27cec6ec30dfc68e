"""The app that cannot start says why in words, and leaves nothing behind."""

import os

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

import app


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("THAW_EXECUTOR", "spark"),
        ("THAW_WORKERS", "x"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line(variable, value, monkeypatch, capsys):
    def ends(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", ends)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit, match="2"):
        app.lifespan(None).__aenter__().send(None)  # it waits for nothing before
    assert f"Thaw cannot start. {variable} is '{value}'. Set it to" in capsys.readouterr().err


def told(path: list[int], fragment: str = "", *, block: bool = False) -> ForwardMsg:
    """A message that puts a block or an element at `path`."""
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.fragment_id = fragment
    if block:
        message.delta.add_block.allow_empty = True
    else:
        message.delta.new_element.markdown.body = str(path)
    return message


def known(path: list[int]) -> ForwardMsg:
    """A message that names what the browser knows."""
    message = ForwardMsg(ref_hash="known")
    message.metadata.delta_path.extend(path)
    return message


def test_what_is_not_sent_yet_has_the_block_that_it_stands_in_when_a_fragment_runs():
    """Streamlit would drop the block and keep what stands in it: the page would go blank."""
    queue, whole = ForwardMsgQueue(), [
        told([0, 1], "outer", block=True),
        told([0, 1, 0], "inner", block=True),
        told([0, 1, 0, 0], "inner"),
        known([0, 1, 1]),
    ]  # fmt: skip
    for message in whole:
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["outer"])
    again = told([0, 1, 0, 0], "inner")
    begun = ForwardMsg()
    begun.new_session.name = "the fragment's run"
    for message in (begun, again):
        queue.enqueue(message)
    assert queue.flush() == [*whole, begun, again]


def test_what_is_not_sent_yet_gives_way_to_a_run_of_the_whole_page():
    queue = ForwardMsgQueue()
    queue.enqueue(told([0, 1]))
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=None)
    assert queue.flush() == []

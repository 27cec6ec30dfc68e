"""A repair of Streamlit 1.67: a fragment's run no longer blanks the page on a busy computer.

When a fragment runs, `ForwardMsgQueue.clear` drops that fragment's unsent blocks, but keeps what
stands in them and belongs to a nested fragment, or is a reference to a message that the browser
knows (since https://github.com/streamlit/streamlit/pull/9381). The browser finds no place for
those, and the whole page goes blank; seen when Cancel met a tick of a run. Nothing needs to be
dropped then: a later message replaces an earlier one at the same place.
"""

import inspect

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

EXPECTED_PARAMETERS = ("self", "retain_lifecycle_msgs", "fragment_ids_this_run")
original_clear = ForwardMsgQueue.clear


def apply() -> None:
    """Replace `ForwardMsgQueue.clear`. Raises `RuntimeError` if Streamlit has changed it."""
    parameters = tuple(inspect.signature(original_clear).parameters)
    if parameters != EXPECTED_PARAMETERS:
        raise RuntimeError(f"Streamlit has changed ForwardMsgQueue.clear{parameters}.")
    ForwardMsgQueue.clear = _clear_unless_fragment


def _clear_unless_fragment(
    queue: ForwardMsgQueue,
    retain_lifecycle_msgs: bool = False,
    fragment_ids_this_run: list[str] | None = None,
) -> None:
    if fragment_ids_this_run:
        queue._delta_index_map = {}  # new messages go behind the run's start, not before it
    else:
        original_clear(queue, retain_lifecycle_msgs)

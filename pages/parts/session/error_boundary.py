"""What goes wrong around Thaw, said on the page in place of what it would have shown."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from pages.parts.figures.markdown import escape_markdown
from trainers.system.errors import StoreUnavailable, user_message


@contextmanager
def error_boundary() -> Iterator[None]:
    """Around what a page draws; or, as a decorator, around a part that draws itself anew: that goes
    on asking, so it is back as soon as the trouble has passed."""
    try:
        yield
    except (OSError, SQLAlchemyError, StoreUnavailable) as error:
        text = str(error) if isinstance(error, StoreUnavailable) else user_message(error)
        if not text:
            raise
        st.error(escape_markdown(text), icon=":material/error:")

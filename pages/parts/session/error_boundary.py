"""Errors of disk and database become a message on the page."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from pages.parts.figures.markdown import escape_markdown
from trainers.system.errors import StoreUnavailable, user_message


@contextmanager
def error_boundary() -> Iterator[None]:
    """Draw an expected error in place of the block; unknown errors propagate.

    As a decorator of a fragment it lets the fragment recover: the next refresh tries again.
    """
    try:
        yield
    except (OSError, SQLAlchemyError, StoreUnavailable) as error:
        text = str(error) if isinstance(error, StoreUnavailable) else user_message(error)
        if not text:
            raise
        st.error(escape_markdown(text), icon=":material/error:")

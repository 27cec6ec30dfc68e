"""What a page says while the database cannot be reached."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from trainers.database import AWAY


@contextmanager
def plainly() -> Iterator[None]:
    """Says so in place of what is in here; around a page, and around each part that runs alone:
    `st.fragment(plainly()(watch))`."""
    try:
        yield
    except SQLAlchemyError:
        logging.exception("A page could not reach the database.")
        st.error(AWAY, icon=":material/cloud_off:")

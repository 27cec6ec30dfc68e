"""Who is looking: an unguessable key that the app gave their browser."""

import re
from secrets import token_urlsafe

import streamlit as st

from trainers.registry import UnknownKey
from trainers.samples import Sample

COOKIE = "thaw_visitor"


def visitor() -> str:
    """The key of this browser; of this session only, where it keeps no cookies."""
    given = str(st.context.cookies.get(COOKIE))
    if re.fullmatch(r"[\w-]{16,64}", given):  # a browser may send anything
        return given
    return st.session_state.setdefault("visitor", token_urlsafe(16))


def mine(sample: Sample) -> Sample:
    """The sample, where it is for everyone or this visitor's own. Raises `UnknownKey`."""
    if getattr(sample, "visitor", "") in ("", visitor()):  # "": downloaded, for all
        return sample
    if not sample.classes:
        raise UnknownKey("This data was deleted.")
    raise UnknownKey("This data belongs to another browser: only who added it can use it.")

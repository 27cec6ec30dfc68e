"""Delete everything of a visitor's, after they typed that they mean it."""

import streamlit as st

from pages.parts.session.error_boundary import error_boundary
from pages.parts.session.visitor import current_visitor
from trainers.hosting import erase

CONFIRMATION_TEXT = "delete everything"


def draw_delete_all() -> None:
    if st.session_state.pop("erased", False):
        st.success("Everything of yours was deleted.", icon=":material/check:")
    with st.expander("Delete everything of mine", icon=":material/delete_forever:"):
        st.markdown(
            "All your runs and comparisons with their models, all your own data, and the links "
            "that you shared. In rooms you are gone from the board; a room that you lead is closed "
            "for everybody. It cannot be undone. What is at work is cancelled, and gone within ten "
            "minutes. Your own files, and what you downloaded, are not touched."
        )
        st.text_input(
            f"To be sure, type: {CONFIRMATION_TEXT}",
            max_chars=2 * len(CONFIRMATION_TEXT),
            key="erase-typed",
        )
        st.button("Delete everything of mine", icon=":material/delete_forever:", key="erase",
                  on_click=delete_all)  # fmt: skip
        if st.session_state.pop("erase-unsure", False):
            st.warning(
                f"Nothing was deleted. Type “{CONFIRMATION_TEXT}” first.", icon=":material/info:"
            )


@error_boundary()
def delete_all() -> None:
    if " ".join(st.session_state["erase-typed"].casefold().split()) != CONFIRMATION_TEXT:
        st.session_state["erase-unsure"] = True
        return
    erase.erase_visitor(current_visitor())
    session_only = st.session_state.get("visitor")
    st.session_state.clear()  # it may hold examples
    if session_only:
        st.session_state["visitor"] = session_only
    st.session_state["erased"] = True

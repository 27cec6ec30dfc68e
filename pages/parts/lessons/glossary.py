"""The glossary as a page: search, and a card for each term."""

import streamlit as st

from guide.glossary import GLOSSARY, search
from pages.parts.widgets.glossary import link_marked_terms


def draw_glossary() -> None:
    st.markdown("## Words")
    st.markdown("On every page a word with dots under it explains itself: point at it, or tap it.")
    query = st.text_input(
        "Search",
        max_chars=80,
        key="asked",
        placeholder="frozen",
        icon=":material/search:",
        width=420,
    )
    hits = search(query)
    if not hits:
        st.markdown("No such word here. Try a part of it, or clear the search to see all.")
    with st.grid(3, min_column_width=260):
        for term in hits:
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{term.title}**  \n{term.definition}")
                links = ", ".join(f"[[{key}]]" for key in term.see_also if key in GLOSSARY)
                st.caption(link_marked_terms(f"See also {links}."))

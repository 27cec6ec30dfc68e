"""Your own data: add it, see whether it is fit, and what it says to the guide's questions."""

import streamlit as st

from pages.parts.data_view.add import draw_upload_page
from pages.parts.data_view.check import draw_check
from pages.parts.data_view.contents import draw_contents
from pages.parts.data_view.importing import draw_import_page, reset_page
from pages.parts.data_view.questions import draw_questions
from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.visitor import require_access
from pages.parts.widgets.glossary import link_marked_terms
from trainers import datasets
from trainers.datasets.uploads import UploadedDataset
from trainers.hosting import erase
from trainers.system.registry import UnknownKey


def draw_dataset_page(key: str) -> None:
    try:
        sample = require_access(datasets.get_dataset(key))
    except UnknownKey as error:
        st.title("Your own data")
        st.warning(escape_markdown(str(error)), icon=":material/link_off:")
        if st.button("Add data"):
            reset_page()
        return
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.page_link("data.py", label="All data", icon=":material/arrow_back:")
        if isinstance(sample, UploadedDataset):
            with st.popover("Delete", icon=":material/delete:"):
                draw_delete_form(sample)
    st.markdown(f"# {escape_markdown(sample.title)}")
    st.markdown(
        link_marked_terms(
            f"{escape_markdown(sample.description)} {sample.classes} [[class|classes]]."
        )
    )
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.markdown("## What it holds")
        draw_contents(sample)
    with right:
        st.markdown("## Is it fit?")
        check = draw_check(sample)
    if check and "found" in (check.result or {}):
        draw_questions(sample, check.result["found"])


def draw_delete_form(sample: UploadedDataset) -> None:
    st.markdown(
        "The copy that Thaw keeps is deleted, with the examples that runs on it show, and with "
        "models without a pre-trained part, which are made of its words. Other models and all "
        "scores stay. Your own files are not touched."
    )
    if st.button("Delete it for good", type="primary"):
        erase.erase_data(sample.key)
        reset_page()


if key := st.query_params.get("reading"):
    draw_import_page(key)
elif key := st.query_params.get("data"):
    draw_dataset_page(key)
else:
    draw_upload_page()

"""Ways to add data: files, the camera, pasted rows, a download; and the list of what is there."""

import time

import streamlit as st

from pages.parts.data_view.importing import get_or_create_draft, import_upload
from pages.parts.figures.markdown import escape_markdown
from pages.parts.session.visitor import current_visitor
from pages.parts.widgets.data_upload import Upload, draw_data_upload
from pages.parts.widgets.download_offer import draw_download_offer
from pages.parts.widgets.glossary import link_marked_terms
from trainers import datasets
from trainers.datasets import catalog
from trainers.datasets.uploads import BadUpload, UploadedDataset, inbox
from trainers.hosting import quotas, retention
from trainers.hosting.own_data import list_own_data
from trainers.system.paths import data_dir
from trainers.system.settings import is_hosted

MAX_PASTED_CHARS = 2_000_000
UPLOAD_METHODS = {
    "files": "A file or a folder",
    "classes": "Class by class, or the camera",
    "paste": "Paste rows",
    "download": "Download a data set",
}
MODALITY_ICONS = {"images": ":material/image:", "text": ":material/notes:"}
GROUPS_HELP = (
    "Where your examples come from different groups (places, devices, dialects, ages), a finished "
    "run can say how good the model is for each, and whether a gap is more than chance.\n"
    "- Pictures: call the folders `class@group`, such as `ants@day`, `ants@night`, `bees@day`. The "
    "class is what stands before the @.\n"
    "- Texts: a further column of the table says the group. Choose it under *Other columns*, once "
    "the table was read.\n\n"
    "The model is never told the group: it is used to look at the scores, for nothing else."
)


def draw_upload_page() -> None:
    st.title("Your own data")
    st.markdown(
        link_marked_terms(
            "Bring pictures or texts whose right answer (the [[label]]) you know. Thaw looks them "
            "over, answers its questions from them as far as that can be measured, and trains on "
            "them."
        )
    )
    folder = "" if is_hosted() else f", in its folder `{data_dir()}`"
    st.caption(
        f":material/lock: What you add stays on the computer that Thaw runs on{folder}. Nothing is "
        "sent anywhere else, no other visitor is shown it, and you can delete it at any time. Who "
        "gets a run's link from you sees that run, not your examples."
    )
    method = st.query_params.get("way", "")
    method = st.segmented_control(
        "How do you bring it?",
        list(UPLOAD_METHODS),
        default=method if method in UPLOAD_METHODS else "files",
        format_func=UPLOAD_METHODS.__getitem__,
        required=True,
        key="way",
        wrap=True,
    )
    if method == "paste":
        draw_paste_form()
    elif method == "download":
        draw_download_form()
    elif upload := draw_data_upload(method, draft=get_or_create_draft(), key=f"add-{method}"):
        import_upload(upload)
    with st.expander("Groups: is it as good for everyone?", icon=":material/balance:"):
        st.markdown(GROUPS_HELP)
    draw_dataset_list()


def draw_paste_form() -> None:
    # A widget that is not drawn forgets its value; pasted text stays until it is imported.
    st.session_state.setdefault("pasted", st.session_state.get("pasted-kept", ""))
    text = st.session_state["pasted-kept"] = st.text_area(
        "One example a line: the text, a tab, its label. Rows copied from a spreadsheet have that "
        "form.",
        height=220,
        max_chars=MAX_PASTED_CHARS,
        placeholder="Where is my parcel?\tdelivery\nI want my money back\trefund",
        key="pasted",
    )
    # Never disabled: the text arrives with the click, so a button that waited for it took two.
    if st.button("Read these rows", type="primary"):
        if not text.strip():
            st.warning("There is nothing to read yet. Paste some rows first.")
            return
        draft = inbox.find_draft(get_or_create_draft())
        try:
            file = quotas.new_file(draft, len(text.encode()))
        except BadUpload as error:
            st.warning(escape_markdown(str(error)), icon=":material/error:")
            return
        file.write_text(text, "utf-8")
        import_upload(Upload([[file.name, ["pasted rows.txt"]]], "Pasted rows"))


def draw_download_form() -> None:
    """Draw the choice of a well-known data set and the offer to download it."""
    key = st.selectbox(
        "Data set",
        list(catalog.CATALOG),
        format_func=lambda key: format_download_option(catalog.CATALOG[key]),
        key="online",
    )
    row = catalog.CATALOG[key]
    noun = "pictures" if row.modality == "images" else "texts"
    st.markdown(
        f"{row.about} {row.classes} classes; {row.train:,} {noun} to learn from and {row.test:,} "
        f"to test ({row.part})."
    )
    st.caption(f"Source: {row.source}. Licence: {row.licence}.")
    if catalog.is_downloaded(key):
        st.page_link(
            "data.py",
            label="Look it over",
            icon=MODALITY_ICONS[row.modality],
            query_params={"data": key},
        )
        return
    draw_download_offer(
        key,
        f"{catalog.format_size(row.download_bytes)} to download, kept in "
        f"`{catalog.dataset_dir(key)}`. Nothing "
        "else is sent or loaded; from then on it works without a network.",
    )


def format_download_option(row: catalog.CatalogEntry) -> str:
    place = "here" if catalog.is_downloaded(row.key) else catalog.format_size(row.download_bytes)
    return f"{row.title} ({'pictures' if row.modality == 'images' else 'texts'}, {place})"


def draw_dataset_list() -> None:
    st.markdown("## What you have here")
    uploads = list_own_data(current_visitor())
    if not uploads:
        st.caption("Nothing yet. The samples that come with Thaw can be looked over as well:")
    for upload in uploads:
        draw_upload_row(upload)
    if uploads:
        st.caption("The samples that come with Thaw can be looked over as well:")
    with st.container(horizontal=True):
        for sample in datasets.list_available():
            st.page_link(
                "data.py",
                label=sample.title,
                icon=MODALITY_ICONS[sample.modality],
                query_params={"data": sample.key},
            )


def draw_upload_row(upload: UploadedDataset) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "data.py",
            label=escape_markdown(upload.title),
            icon=MODALITY_ICONS[upload.modality],
            query_params={"data": upload.key},
        )
        expiry = ""
        if expires_at := retention.get_data_expiry(upload):
            text = " If it is not used, it is deleted on %d %b %Y."
            expiry = time.strftime(text, time.localtime(expires_at))
        added = format_added_time(upload.created_at)
        st.caption(
            f"{escape_markdown(upload.description)} {format_bytes(upload.size_bytes)}, "
            f"{added}.{expiry}"
        )


def format_bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def format_added_time(timestamp: float) -> str:
    return time.strftime("added %d %b, %H:%M", time.localtime(timestamp))

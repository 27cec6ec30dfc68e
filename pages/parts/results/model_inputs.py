"""What a visitor gives a model to answer: pictures, texts, a table, or an example of the test."""

import base64
from dataclasses import dataclass

import streamlit as st

from pages.parts.figures.markdown import plain
from trainers import serving
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import KEPT_CHARS, MAX_IMAGE_BYTES, MB
from trainers.serving import CannotAnswer
from trainers.serving.tables import MOST_ROWS, Read, lines, read
from trainers.store import Run

MOST_PICTURES = 200
CAMERA_PX = 480  # as wide as the page it would be higher than the screen, its button below it
MOST_TABLE_BYTES = 20 * MB
PICTURES = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "heic", "heif"]
TABLES = ["csv", "tsv", "txt", "xlsx", "jsonl", "json", "parquet"]
LINES_CHARS = 2_000_000  # of all lines together: 1,000 for each of `MOST_ROWS`. Ours
WAYS = {"one": "One text", "lines": "Many lines", "table": "A table"}


@dataclass(frozen=True)
class Given:
    name: str
    content: str | bytes  # a text, or a picture's file
    label: str = ""  # the right answer, where it is known
    columns: tuple[str, ...] = ()  # of the table that it came from
    row: tuple[str, ...] = ()


def given(run: Run, modality: str) -> list[Given]:
    """What there is to answer now; what was given last comes first."""
    with st.container(border=True):
        own = _pictures(run) if modality == "images" else _texts(run)
        starter = _starter(run)
    return [*starter, *own] if not own or not own[0].row else own


# --- an example of the test ---------------------------------------------------------------------


def _starter(run: Run) -> list[Given]:
    """One of a few test examples, at a click."""
    some = _starters(run)
    if not some:
        return []
    chosen = st.pills(
        "Or take an example of the test, which it has never learned from:",
        range(len(some)),
        format_func=lambda number: f"no. {number + 1}: {plain(some[number].label)}",
        key=f"starter-{run.id}",
    )
    return [] if chosen is None else [some[chosen]]


def _starters(run: Run) -> list[Given]:
    """In this visitor's session only: they may be their own."""
    kept: dict[str, list[Given]] = st.session_state.setdefault("tryit-starters", {})
    if run.id not in kept:
        try:
            found = serving.call("starters", run.id)
        except CannotAnswer:  # said where the model is asked
            return []
        kept[run.id] = [
            Given(
                f"Example {number} of the test",
                one["text"] if "text" in one else base64.b64decode(one["picture"]),
                one["label"],
            )
            for number, one in enumerate(found, 1)
        ]
    return kept[run.id]


# --- pictures -----------------------------------------------------------------------------------


def _pictures(run: Run) -> list[Given]:
    files = st.file_uploader(
        "Pictures: drag them here, one or many",
        type=PICTURES,
        accept_multiple_files=True,
        key=f"pictures-{run.id}",
        max_upload_size=MAX_IMAGE_BYTES // MB,
    )
    shot = None
    if st.toggle("Use the camera", key=f"camera-on-{run.id}"):
        shot = st.camera_input("Take a picture", key=f"camera-{run.id}", width=CAMERA_PX)
    given = [Given("From the camera", shot.getvalue())] if shot else []
    for file in files[:MOST_PICTURES]:
        if file.size > MAX_IMAGE_BYTES:
            st.warning(
                f"{plain(file.name)} has more than {MAX_IMAGE_BYTES // MB} MB and was left out. "
                "Save it smaller.",
                icon=":material/error:",
            )
        else:
            given.append(Given(file.name, file.getvalue()))
    if len(files) > MOST_PICTURES:
        st.warning(
            f"These are {len(files):,} pictures; the first {MOST_PICTURES} are answered. Take out "
            "some for the others.",
            icon=":material/error:",
        )
    return given


# --- texts --------------------------------------------------------------------------------------


def _texts(run: Run) -> list[Given]:
    way = st.segmented_control(
        "What to answer",
        list(WAYS),
        default="one",
        format_func=WAYS.__getitem__,
        required=True,
        key=f"way-{run.id}",
        wrap=True,
    )
    if way == "table":
        return _table(run)
    with st.form(f"texts-{run.id}", border=False):
        text = st.text_area(
            "A text" if way == "one" else "Texts, one on each line",
            key=f"{way}-{run.id}",
            height=100 if way == "one" else 200,
            max_chars=KEPT_CHARS if way == "one" else LINES_CHARS,
            placeholder="Type or paste",
        )
        st.form_submit_button("Answer", type="primary", icon=":material/question_answer:")
    found = [text.strip()] if way == "one" else list(lines(text))
    found = [one for one in found if one]
    if len(found) > MOST_ROWS:
        st.warning(
            f"These are {len(found):,} lines; the first {MOST_ROWS:,} are answered.",
            icon=":material/error:",
        )
    return [Given(f"Text {number}", one) for number, one in enumerate(found[:MOST_ROWS], 1)]


def _table(run: Run) -> list[Given]:
    file = st.file_uploader(
        "A table with a column of texts (CSV, TSV, XLSX, JSON lines, Parquet)",
        type=TABLES,
        key=f"table-{run.id}",
        max_upload_size=MOST_TABLE_BYTES // MB,
    )
    if file is None:
        return []
    try:
        table = read(file.name, file.getvalue())
    except BadUpload as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return []
    for notice in table.notices:
        st.caption(f":material/info: {plain(notice)}")
    column = st.selectbox(
        "The column with the texts",
        range(len(table.names)),
        index=table.guessed,
        format_func=table.names.__getitem__,
        key=f"column-{run.id}-{file.file_id}",
    )
    asked = f"asked-{run.id}-{file.file_id}-{column}"
    if st.button(
        f"Answer {len(table.rows):,} rows", type="primary", icon=":material/question_answer:"
    ):
        st.session_state[asked] = True
    return _rows(table, column) if st.session_state.get(asked) else []


def _rows(table: Read, column: int) -> list[Given]:
    names = tuple(table.names)
    return [
        Given(f"Row {number}", row[column], columns=names, row=tuple(row))
        for number, row in enumerate(table.rows, 1)
    ]

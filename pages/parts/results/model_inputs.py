"""What a visitor gives a model to answer: pictures, texts, a table, or an example of the test."""

import base64
from dataclasses import dataclass

import streamlit as st

from pages.parts.figures.markdown import escape_markdown
from trainers import serving
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, MAX_TEXT_CHARS, MB
from trainers.serving import InferenceError
from trainers.serving.tables import MAX_ROWS, TextTable, read_table, split_lines
from trainers.store import Run

MAX_IMAGES = 200
CAMERA_PX = 480  # as wide as the page it would be higher than the screen, its button below it
MAX_TABLE_BYTES = 20 * MB
IMAGE_EXTENSIONS = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "heic", "heif"]
TABLE_EXTENSIONS = ["csv", "tsv", "txt", "xlsx", "jsonl", "json", "parquet"]
MAX_LINES_CHARS = 2_000_000  # of all lines together: 1,000 for each of `MOST_ROWS`. Ours
INPUT_METHODS = {"one": "One text", "lines": "Many lines", "table": "A table"}


@dataclass(frozen=True)
class ModelInput:
    name: str
    content: str | bytes  # a text, or a picture's file
    label: str = ""  # the right answer, where it is known
    columns: tuple[str, ...] = ()  # of the table that it came from
    row: tuple[str, ...] = ()


def draw_inputs(run: Run, modality: str) -> list[ModelInput]:
    """What there is to answer now; what was given last comes first."""
    with st.container(border=True):
        own = _draw_image_input(run) if modality == "images" else _draw_text_input(run)
        starter = _choose_test_example(run)
    return [*starter, *own] if not own or not own[0].row else own


# --- an example of the test ---------------------------------------------------------------------


def _choose_test_example(run: Run) -> list[ModelInput]:
    """One of a few test examples, at a click."""
    some = _load_test_examples(run)
    if not some:
        return []
    chosen = st.pills(
        "Or take an example of the test, which it has never learned from:",
        range(len(some)),
        format_func=lambda number: f"no. {number + 1}: {escape_markdown(some[number].label)}",
        key=f"starter-{run.id}",
    )
    return [] if chosen is None else [some[chosen]]


def _load_test_examples(run: Run) -> list[ModelInput]:
    """In this visitor's session only: they may be their own."""
    kept: dict[str, list[ModelInput]] = st.session_state.setdefault("tryit-starters", {})
    if run.id not in kept:
        try:
            found = serving.call_endpoint("starters", run.id)
        except InferenceError:  # said where the model is asked
            return []
        kept[run.id] = [
            ModelInput(
                f"Example {number} of the test",
                one["text"] if "text" in one else base64.b64decode(one["picture"]),
                one["label"],
            )
            for number, one in enumerate(found, 1)
        ]
    return kept[run.id]


# --- pictures -----------------------------------------------------------------------------------


def _draw_image_input(run: Run) -> list[ModelInput]:
    files = st.file_uploader(
        "Pictures: drag them here, one or many",
        type=IMAGE_EXTENSIONS,
        accept_multiple_files=True,
        key=f"pictures-{run.id}",
        max_upload_size=MAX_IMAGE_BYTES // MB,
    )
    shot = None
    if st.toggle("Use the camera", key=f"camera-on-{run.id}"):
        shot = st.camera_input("Take a picture", key=f"camera-{run.id}", width=CAMERA_PX)
    given = [ModelInput("From the camera", shot.getvalue())] if shot else []
    for file in files[:MAX_IMAGES]:
        if file.size > MAX_IMAGE_BYTES:
            st.warning(
                f"{escape_markdown(file.name)} has more than {MAX_IMAGE_BYTES // MB} MB "
                "and was left out. "
                "Save it smaller.",
                icon=":material/error:",
            )
        else:
            given.append(ModelInput(file.name, file.getvalue()))
    if len(files) > MAX_IMAGES:
        st.warning(
            f"These are {len(files):,} pictures; the first {MAX_IMAGES} are answered. Take out "
            "some for the others.",
            icon=":material/error:",
        )
    return given


# --- texts --------------------------------------------------------------------------------------


def _draw_text_input(run: Run) -> list[ModelInput]:
    way = st.segmented_control(
        "What to answer",
        list(INPUT_METHODS),
        default="one",
        format_func=INPUT_METHODS.__getitem__,
        required=True,
        key=f"way-{run.id}",
        wrap=True,
    )
    if way == "table":
        return _draw_table_input(run)
    with st.form(f"texts-{run.id}", border=False):
        text = st.text_area(
            "A text" if way == "one" else "Texts, one on each line",
            key=f"{way}-{run.id}",
            height=100 if way == "one" else 200,
            max_chars=MAX_TEXT_CHARS if way == "one" else MAX_LINES_CHARS,
            placeholder="Type or paste",
        )
        st.form_submit_button("Answer", type="primary", icon=":material/question_answer:")
    found = [text.strip()] if way == "one" else list(split_lines(text))
    found = [one for one in found if one]
    if len(found) > MAX_ROWS:
        st.warning(
            f"These are {len(found):,} lines; the first {MAX_ROWS:,} are answered.",
            icon=":material/error:",
        )
    return [ModelInput(f"Text {number}", one) for number, one in enumerate(found[:MAX_ROWS], 1)]


def _draw_table_input(run: Run) -> list[ModelInput]:
    file = st.file_uploader(
        "A table with a column of texts (CSV, TSV, XLSX, JSON lines, Parquet)",
        type=TABLE_EXTENSIONS,
        key=f"table-{run.id}",
        max_upload_size=MAX_TABLE_BYTES // MB,
    )
    if file is None:
        return []
    try:
        table = read_table(file.name, file.getvalue())
    except BadUpload as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return []
    for notice in table.notices:
        st.caption(f":material/info: {escape_markdown(notice)}")
    column = st.selectbox(
        "The column with the texts",
        range(len(table.names)),
        index=table.text_column,
        format_func=table.names.__getitem__,
        key=f"column-{run.id}-{file.file_id}",
    )
    asked = f"asked-{run.id}-{file.file_id}-{column}"
    if st.button(
        f"Answer {len(table.rows):,} rows", type="primary", icon=":material/question_answer:"
    ):
        st.session_state[asked] = True
    return _table_inputs(table, column) if st.session_state.get(asked) else []


def _table_inputs(table: TextTable, column: int) -> list[ModelInput]:
    names = tuple(table.names)
    return [
        ModelInput(f"Row {number}", row[column], columns=names, row=tuple(row))
        for number, row in enumerate(table.rows, 1)
    ]

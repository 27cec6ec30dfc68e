"""A visitor's inputs for a model: pictures, texts, a table, or an example of the test."""

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
CAMERA_PX = 480  # at the page's full width, the button would be below the screen
MAX_TABLE_BYTES = 20 * MB
IMAGE_EXTENSIONS = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "heic", "heif"]
TABLE_EXTENSIONS = ["csv", "tsv", "txt", "xlsx", "jsonl", "json", "parquet"]
MAX_LINES_CHARS = 2_000_000  # of all lines together: 1,000 for each of `MAX_ROWS`
INPUT_METHODS = {"one": "One text", "lines": "Many lines", "table": "A table"}


@dataclass(frozen=True)
class ModelInput:
    name: str
    content: str | bytes  # a text, or the bytes of an image file
    label: str = ""  # the right answer, if known
    columns: tuple[str, ...] = ()  # header of the table that the row is from
    row: tuple[str, ...] = ()


def draw_inputs(run: Run, modality: str) -> list[ModelInput]:
    """Draw the input widgets and return the inputs; a chosen test example comes first."""
    with st.container(border=True):
        own = _draw_image_input(run) if modality == "images" else _draw_text_input(run)
        example = _choose_test_example(run)
    return [*example, *own] if not own or not own[0].row else own


def _choose_test_example(run: Run) -> list[ModelInput]:
    """Draw a choice of test examples and return the chosen one, or []."""
    examples = _load_test_examples(run)
    if not examples:
        return []
    chosen = st.pills(
        "Or take an example of the test, which it has never learned from:",
        range(len(examples)),
        format_func=lambda number: f"no. {number + 1}: {escape_markdown(examples[number].label)}",
        key=f"starter-{run.id}",
    )
    return [] if chosen is None else [examples[chosen]]


def _load_test_examples(run: Run) -> list[ModelInput]:
    """Return test examples; cached in this session only, since they may be the visitor's own."""
    cached: dict[str, list[ModelInput]] = st.session_state.setdefault("tryit-starters", {})
    if run.id not in cached:
        try:
            records = serving.call_endpoint("starters", run.id)
        except InferenceError:  # shown where the model answers
            return []
        cached[run.id] = [
            ModelInput(
                f"Example {number} of the test",
                record["text"] if "text" in record else base64.b64decode(record["picture"]),
                record["label"],
            )
            for number, record in enumerate(records, 1)
        ]
    return cached[run.id]


def _draw_image_input(run: Run) -> list[ModelInput]:
    files = st.file_uploader(
        "Pictures: drag them here, one or many",
        type=IMAGE_EXTENSIONS,
        accept_multiple_files=True,
        key=f"pictures-{run.id}",
        max_upload_size=MAX_IMAGE_BYTES // MB,
    )
    photo = None
    if st.toggle("Use the camera", key=f"camera-on-{run.id}"):
        photo = st.camera_input("Take a picture", key=f"camera-{run.id}", width=CAMERA_PX)
    inputs = [ModelInput("From the camera", photo.getvalue())] if photo else []
    for file in files[:MAX_IMAGES]:
        if file.size > MAX_IMAGE_BYTES:
            st.warning(
                f"{escape_markdown(file.name)} has more than {MAX_IMAGE_BYTES // MB} MB "
                "and was left out. Save it smaller.",
                icon=":material/error:",
            )
        else:
            inputs.append(ModelInput(file.name, file.getvalue()))
    if len(files) > MAX_IMAGES:
        st.warning(
            f"These are {len(files):,} pictures; the first {MAX_IMAGES} are answered. Take out "
            "some for the others.",
            icon=":material/error:",
        )
    return inputs


def _draw_text_input(run: Run) -> list[ModelInput]:
    method = st.segmented_control(
        "What to answer",
        list(INPUT_METHODS),
        default="one",
        format_func=INPUT_METHODS.__getitem__,
        required=True,
        key=f"way-{run.id}",
        wrap=True,
    )
    if method == "table":
        return _draw_table_input(run)
    with st.form(f"texts-{run.id}", border=False):
        text = st.text_area(
            "A text" if method == "one" else "Texts, one on each line",
            key=f"{method}-{run.id}",
            height=100 if method == "one" else 200,
            max_chars=MAX_TEXT_CHARS if method == "one" else MAX_LINES_CHARS,
            placeholder="Type or paste",
        )
        st.form_submit_button("Answer", type="primary", icon=":material/question_answer:")
    texts = [text.strip()] if method == "one" else split_lines(text)
    texts = [text for text in texts if text]
    if len(texts) > MAX_ROWS:
        st.warning(
            f"These are {len(texts):,} lines; the first {MAX_ROWS:,} are answered.",
            icon=":material/error:",
        )
    return [ModelInput(f"Text {number}", text) for number, text in enumerate(texts[:MAX_ROWS], 1)]


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
    state_key = f"asked-{run.id}-{file.file_id}-{column}"
    if st.button(
        f"Answer {len(table.rows):,} rows", type="primary", icon=":material/question_answer:"
    ):
        st.session_state[state_key] = True
    return _table_inputs(table, column) if st.session_state.get(state_key) else []


def _table_inputs(table: TextTable, column: int) -> list[ModelInput]:
    names = tuple(table.names)
    return [
        ModelInput(f"Row {number}", row[column], columns=names, row=tuple(row))
        for number, row in enumerate(table.rows, 1)
    ]

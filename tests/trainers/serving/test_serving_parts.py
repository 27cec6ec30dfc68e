"""The parts of "try it" that need no process: frames, tables, parts, likeness."""

import csv
import io
import struct

import numpy as np
import pytest

from trainers import serving
from trainers.datasets.uploads import BadUpload
from trainers.datasets.uploads.limits import MAX_IMAGE_BYTES, MAX_TEXT_CHARS
from trainers.serving import (
    MAX_BATCH_BYTES,
    MAX_INPUTS,
    InferenceError,
    batch_inputs,
    pack_inputs,
    protocol,
)
from trainers.serving.ood import INLIER_QUANTILE, KnnOod
from trainers.serving.tables import MAX_ROWS, escape_formula, read_table, split_lines, write_csv

# --- frames -------------------------------------------------------------------------------------


def test_what_goes_into_a_frame_comes_out():
    pipe = io.BytesIO()
    protocol.send(pipe, {"text": "ä\n{}"}, [b"", b"\x00\xff", b"third"])
    protocol.send(pipe, {"second": 2})
    pipe.seek(0)
    assert protocol.receive(pipe) == ({"text": "ä\n{}"}, [b"", b"\x00\xff", b"third"])
    assert protocol.receive(pipe) == ({"second": 2}, [])
    assert protocol.receive(pipe) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00",
        struct.pack(">II", 2**31, 0),
        struct.pack(">II", 2, 2**31),
        struct.pack(">II", 10, 0) + b"{}",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"{}",
        struct.pack(">II", 13, 1) + b'{"sizes":[2]}' + b"x",
        struct.pack(">II", 16, 1) + b'{"sizes":[-1,2]}' + b"x",
        struct.pack(">II", 15, 0) + b'{"sizes":["x"]}',
    ],
)
def test_what_is_no_frame_is_refused(raw):
    with pytest.raises(protocol.FrameError):
        protocol.receive(io.BytesIO(raw))


def test_too_long_a_frame_is_not_begun():
    pipe = io.BytesIO()
    with pytest.raises(protocol.FrameError):
        protocol.send(pipe, {"text": "x" * (protocol.MAX_MESSAGE_BYTES + 1)})
    assert pipe.getvalue() == b""


# --- requests -----------------------------------------------------------------------------------


def test_a_question_has_a_limit_of_inputs_and_of_bytes():
    with pytest.raises(InferenceError, match="at most"):
        pack_inputs(["x"] * (MAX_INPUTS + 1))
    with pytest.raises(InferenceError, match="Save it smaller"):
        pack_inputs([bytes(MAX_IMAGE_BYTES + 1)])
    with pytest.raises(InferenceError, match="in parts"):
        pack_inputs([bytes(MAX_BATCH_BYTES // 2), bytes(MAX_BATCH_BYTES // 2 + 1)])
    (text,), _ = pack_inputs(["y" * (MAX_TEXT_CHARS + 5)])
    assert len(text["text"]) == MAX_TEXT_CHARS
    assert pack_inputs(["\ud800"])[0] == [{"text": "?"}]  # half a character


def test_parts_hold_all_inputs_in_order_and_each_is_taken():
    big = bytes(MAX_BATCH_BYTES - 10)
    inputs = ["x"] * (MAX_INPUTS + 3) + [big, b"1" * 20, big, b"2"]
    parts = list(batch_inputs(inputs))
    assert [one for part in parts for one in part] == inputs
    for part in parts:
        pack_inputs(part)
    assert list(batch_inputs([])) == []


def test_a_kind_of_question_that_there_is_not_is_refused_without_a_process():
    with pytest.raises(KeyError, match="kind of question"):
        serving.call_endpoint("train", "run")


# --- tables -------------------------------------------------------------------------------------


def test_a_table_is_read_and_its_texts_are_found():
    found = read_table("a.csv", b'id,message\n1,"hello, you"\n2,\n')
    assert found.names == ["id", "message"]
    assert found.rows == [["1", "hello, you"], ["2", ""]]
    assert found.names[found.text_column] == "message"


def test_a_table_without_names_of_columns_loses_no_row():
    found = read_table("a.csv", b"a first text here,7\nanother text there,8\n")
    assert len(found.rows) == 2
    assert found.names == ["column 1", "column 2"]
    assert found.text_column == 0


def test_columns_of_the_same_name_are_told_apart():
    assert read_table("a.csv", b"text,text\nx y z,b\n").names == ["text", "text (2)"]


@pytest.mark.parametrize("raw", [b"", b"\x01\x02\x03" * 50, b'text\n"never closed\n'])
def test_what_is_no_table_is_refused_in_words(raw):
    with pytest.raises(BadUpload):
        read_table("../../a.csv", raw)


def test_a_long_table_is_cut_and_that_is_said():
    found = read_table("a.csv", b"text\n" + b"a longer line of words\n" * (MAX_ROWS + 1))
    assert len(found.rows) == MAX_ROWS
    assert str(f"{MAX_ROWS:,}") in found.notices[-1]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-cmd", "@sum", "\tx", "\r=1", "  =1", "＝1", "=HYPERLINK('x')"]
)
def test_no_cell_of_an_answered_table_is_a_formula(cell):
    ((name, value),) = csv.reader(io.StringIO(write_csv([cell, "b"], []), newline=""))
    assert name == f"'{cell}"
    assert value == "b"
    (_, row) = csv.reader(io.StringIO(write_csv(["a"], [[cell]]), newline=""))
    assert row == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["-5", "+1.5", "", "plain", "a=b", "5-3"])
def test_numbers_and_plain_words_stay_as_they_are(cell):
    assert escape_formula(cell) == cell


def test_lines_that_hold_nothing_are_passed_over():
    assert list(split_lines(" a \n\n\t\nb\r\n")) == ["a", "b"]


# --- like what was learned from -----------------------------------------------------------------


def cloud(count: int, towards: int, seed: int = 0) -> np.ndarray:
    """Features about one direction of ten."""
    rng = np.random.default_rng(seed)
    return np.eye(10)[towards] * 5 + rng.normal(size=(count, 10))


def test_most_of_the_same_kind_are_familiar_and_another_kind_is_not():
    known = KnnOod(np.concatenate([cloud(100, 0), cloud(100, 1, 1)]))
    assert (known.distances(cloud(200, 0, 2)) > known.threshold).mean() < 0.2
    assert (known.distances(cloud(200, 5, 3)) > known.threshold).mean() > 0.9


def test_the_limit_lets_its_share_of_the_training_examples_in():
    known = KnnOod(cloud(200, 0))
    assert (known.train_distances <= known.threshold).mean() == pytest.approx(
        INLIER_QUANTILE, abs=0.01
    )
    assert known.tail_probability(known.threshold) == pytest.approx(1 - INLIER_QUANTILE, abs=0.01)
    assert (known.tail_probability(-1.0), known.tail_probability(3.0)) == (1.0, 0.0)


def test_length_alone_makes_nothing_unlike():
    known = KnnOod(cloud(50, 0))
    asked = cloud(10, 0, 4)
    assert known.distances(9 * asked) == pytest.approx(known.distances(asked))
    assert np.isfinite(known.distances(np.zeros((1, 10)))).all()

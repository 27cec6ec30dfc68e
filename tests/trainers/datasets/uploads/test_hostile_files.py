"""What is hostile or broken is refused in words, within seconds and without filling the memory."""

import json
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from tests.support.upload_files import (
    BLUE,
    LABEL,
    LAUGHS,
    RED,
    ROWS,
    SECONDS,
    TEXT,
    VAST,
    a_file,
    a_zip,
    beside,
    bomb,
    book_bomb,
    columns,
    delimited,
    everything,
    far_cell,
    folder_with_links,
    foldered,
    heic,
    labelled,
    lines_of_json,
    locked,
    lying,
    macro_book,
    nested,
    overlapping,
    packed_cells,
    picture,
    shared_book,
    sixteen_bits,
    twice_named,
    two_classes,
    upload,
    vast_cells,
    with_links,
    workbook,
    zipped,
)
from tests.trainers.datasets.uploads.test_formats import TABLES
from trainers.datasets.uploads import BadUpload

REFUSED = {
    "zip bomb": (bomb, "would unpack to 300 MB"),
    "zip that lies about sizes": (lying, r"more than 4,096 MB"),
    "zip bombs in zips": (nested, "unpack them first"),
    "zip of overlapping entries": (overlapping, "would unpack to 2,000 MB"),
    "locked zip": (locked, "password"),
    "nothing there": (lambda tmp_path: tmp_path / "none.zip", "no file or folder"),
    "empty file": (a_file("a.csv", ""), "is empty"),
    "empty zip": (a_zip({}), "no pictures and no tables"),
    "empty folder": (lambda tmp_path: foldered(tmp_path / "up", {"a/b.md": b""}), "no pictures"),
    "only zips inside": (a_zip({"a.zip": b"PK", "b.zip": b"PK"}), "unpack them first"),
    "no zip": (a_file("a.zip", b"PK\x03\x04 and then nothing"), "damaged"),
    "cut zip": (lambda tmp_path: cut(zipped(tmp_path / "c.zip", two_classes())), "damaged"),
    "rar": (a_file("a.rar", b"Rar!"), "as a .zip"),
    "one class": (a_zip({f"red/{n}.png": picture(seed=n) for n in range(5)}), 
        "only one class, 'red'"),
    "no class": (a_zip({f"{n}.png": picture(seed=n) for n in range(5)}), "no folders that say"),
    "10,000 empty files": (
        a_zip({f"{'ab'[n % 2]}/{n}.jpg": b"" for n in range(10_000)}), "None of the 10,000"),
    "one picture alone": (a_file("a.png", picture()), "single picture"),
    "two each": (a_zip(two_classes(2)), "at least 3"),
    "only doubles": (
        a_zip({f"{c}/{n}.png": picture(v) for c, v in (("r", RED), ("b", BLUE)) for n in range(9)}),
        "too few to keep any for a test"),
    "1,001 classes": (
        a_file("a.csv", delimited(rows=[(f"text {n}", f"k{n // 2}") for n in range(2200)])),
        "more than 1,000 different labels"),
    "program named csv": (a_file("a.csv", b"MZ\x90\0\3\0\0\0\4\0" * 50), "not a table of text"),
    "quotation mark never closed": (
        a_file("a.csv", delimited() + '"open,ham\nand,more\n'), "line 14 is never closed"),
    "50 MB in one quoted cell": (
        a_file("a.csv", 'text,label\nfine,ham\n"' + "x" * 50_000_000), "never closed|characters"),
    "50 MB in one line": (a_file("a.csv", "x" * 50_000_000), "single column|characters"),
    "a document": (a_file("notes.pdf", "%PDF-1.4 some notes\n"), "is no table that Thaw can read"),
    "single column": (a_file("a.csv", "text\n" + "hello\nyou\n" * 20), "single column"),
    "header only": (a_file("a.csv", "text,label\n"), "no rows below"),
    "2,000 columns": (
        a_file("a.csv", "\n".join(",".join(f"c{n}" for n in range(2000)) for _ in range(5))),
        "2,000 columns; at most 500"),
    "every label differs": (
        a_file("a.csv", delimited(rows=[(f"text {n}", f"k{n}") for n in range(40)],
                                  header=("one", "two"))), "looks like the label"),
    "one label": (labelled("ham"), "only one class"),
    "no labels": (labelled(""), "no class"),
    "two tables": (
        a_zip({"a.csv": delimited().encode(), "b.csv": delimited().encode()}), 
        "2 tables: a.csv, b.csv"),
    "JSON cut": (a_file("a.jsonl", lines_of_json() + '{"text": "a'), "line 13 is not JSON"),
    "JSON of lists": (a_file("a.jsonl", "[1]\n[2]\n"), "sound JSON|should be an object"),
    "JSON nested for ever": (a_file("a.jsonl", '{"text":' + "[" * 200_000), "not JSON|too deeply"),
    "JSON with objects for texts": (
        a_file("a.jsonl", '{"text": {"a": 1}, "label": "x"}\n' * 5), "lists or objects"),
    "huge JSON number": (a_file("a.jsonl", '{"text": ' + "9" * 5000 + "}\n"), "not JSON"),
    "old Excel": (a_file("a.xls", b"\xd0\xcf\x11\xe0" + bytes(600)), "Save it as .xlsx"),
    "no Excel": (a_file("a.xlsx", b"hello, this is not Excel"), "damaged"),
    "Excel bomb": (book_bomb, "would unpack to 320 MB"),
    "Excel of one text many times": (shared_book("<si><t/></si>" * 10_000, 500), "never shrink"),
    "Excel of too many texts": (
        shared_book("".join(f"<si><t>{n}</t></si>" for n in range(100_000)), 11), "row by row"),
    "Excel with a billion laughs": (
        shared_book("<si><t>&j;</t></si>", doctype=f"<!DOCTYPE x [{LAUGHS}]>"), "damaged"),
    "2,000 columns in Excel": (
        a_file("a.xlsx", workbook([[f"v{n}" for n in range(2000)]] * 3)), "2,000 columns"),
    "2,000 columns in Parquet": (
        a_file("a.parquet", columns(**{f"c{n}": ["x"] for n in range(2000)})), "2,000 columns"),
    "2,000 columns in JSON": (
        a_file("a.jsonl", json.dumps({f"c{n}": "x" for n in range(2000)})), "2,000 columns"),
    "JSON list of millions of nothings": (
        a_file("a.json", "[" + "{}," * 5_000_000 + "{}]"), "single column"),
    "JSON list cut": (a_file("a.json", '[{"text": "a", "label": "b"}, {"te'), "not sound JSON"),
    "50 MB in one cell of JSON": (
        a_file("a.jsonl", '{"label": "x", "text": "' + "x" * 50_000_000 + '"}'), "characters"),
    "50 MB in one cell of a JSON list": (
        a_file("a.json", '[{"label": "x", "text": "' + "x" * 50_000_000 + '"}]'), "sound JSON"),
    "Parquet of vast cells, all one": (vast_cells, "too few to keep any for a test"),
    "Parquet that unpacks to much more": (packed_cells, "never shrink"),
    "cut Excel": (lambda tmp_path: cut(a_file("a.xlsx", workbook())(tmp_path)), "damaged"),
    "cut Parquet": (lambda tmp_path: cut(a_file("a.parquet", TABLES["columns.parquet"])(tmp_path)),
                    "damaged"),
    "Parquet of nested types": (
        a_file("a.parquet", columns(text=[["a"]] * 9, label=[{"b": 1}] * 9)), 
        "nested columns only"),
}  # fmt: skip

COLOURS, HAM = {"red", "blue"}, {"ham", "spam"}
READ = {
    "zip in a zip": (beside("red/more.zip", b"PK\x03\x04"), 10, COLOURS, "packed files"),
    "path out of the zip": (
        beside("../../red/out.png", picture()),
        10,
        COLOURS,
        "leads out of the zip",
    ),
    "absolute path": (beside("/etc/red/out.png", picture()), 10, COLOURS, "leads out"),
    "drive letter": (beside("C:\\red\\out.png", picture()), 10, COLOURS, "leads out"),
    "links in a zip": (with_links, 10, COLOURS, "links: red/link.png"),
    "links and pipes in a folder": (folder_with_links, 10, COLOURS, "things that are no files"),
    "1 x 1": (beside("red/a.png", picture(size=(1, 1))), 11, COLOURS, ""),
    "1 x 9,000": (beside("red/a.png", picture(size=(1, 9000))), 11, COLOURS, ""),
    **{
        f"30,000 x 30,000 as {kind}": (
            beside(f"red/a.{kind}", raw),
            10,
            COLOURS,
            f"could not be read as pictures: red/a.{kind}",
        )
        for kind, raw in VAST.items()
    },
    "HEIC that is larger than it says": (
        beside("red/a.heic", heic(64, (2000, 2000))),
        10,
        COLOURS,
        "could not be read",
    ),
    "truncated HEIC": (
        beside("red/a.heic", picture(kind="HEIF", size=(300, 300))[:-40]),
        10,
        COLOURS,
        "could not be read as pictures: red/a.heic",
    ),
    "HEIC of its name only": (
        beside("red/a.heic", picture(kind="HEIF")[:40]),
        10,
        COLOURS,
        "red/a.heic",
    ),
    "EXE named heic": (beside("red/a.heic", b"MZ\x90\0"), 10, COLOURS, "red/a.heic"),
    "HEIC named jpg": (beside("red/a.jpg", picture(kind="HEIF")), 11, COLOURS, ""),
    "JPEG named heic": (beside("red/a.heic", picture(kind="JPEG")), 11, COLOURS, ""),
    "TIFF named jpg": (beside("red/a.jpg", picture(kind="TIFF")), 10, COLOURS, "red/a.jpg"),
    "EXE named jpg": (beside("red/a.jpg", b"MZ\x90\0" + bytes(500)), 10, COLOURS, "red/a.jpg"),
    "SVG named heic": (beside("red/a.heic", b"<svg onload='x()'/>"), 10, COLOURS, "red/a.heic"),
    "16 bits": (beside("red/a.png", sixteen_bits()), 11, COLOURS, ""),
    "CMYK": (beside("red/a.jpg", picture(kind="JPEG", mode="CMYK")), 11, COLOURS, ""),
    "one bit": (beside("red/a.png", picture(mode="1")), 11, COLOURS, ""),
    "broken EXIF": (
        beside("red/a.jpg", picture(kind="JPEG", exif=b"Exif\0\0" + b"\xff" * 300)),
        11,
        COLOURS,
        "",
    ),
    "some empty files": (
        a_zip({**two_classes(), **{f"red/e{n}.jpg": b"" for n in range(2000)}}),
        10,
        COLOURS,
        "and 1,995 more",
    ),
    "picture 300 folders deep": (beside("red/" + "d/" * 300 + "a.png", picture()), 11, COLOURS, ""),
    "the same name twice": (twice_named, 10, COLOURS, ""),
    "truncated JPEG": (
        beside("red/a.jpg", picture(kind="JPEG", size=(300, 300))[:1500]),
        10,
        COLOURS,
        "could not be read as pictures: red/a.jpg",
    ),
    "SVG named jpg": (beside("red/a.jpg", b"<svg onload='x()'/>"), 10, COLOURS, "red/a.jpg"),
    "HTML named png": (beside("red/a.png", b"<html><script>"), 10, COLOURS, "red/a.png"),
    "EXE named gif": (beside("red/a.gif", b"MZ\x90\0"), 10, COLOURS, "red/a.gif"),
    "PostScript named png": (
        beside("red/a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        10,
        COLOURS,
        "red/a.png",
    ),
    "empty picture": (beside("red/a.png", b""), 10, COLOURS, "red/a.png"),
    "captions beside pictures": (
        a_zip({**two_classes(), **{f"red/{n}.txt": b"" for n in range(10)}}),
        10,
        COLOURS,
        "0.txt",
    ),
    "logo beside a table": (
        a_zip({"logo.png": picture(), "a.csv": delimited().encode()}),
        12,
        HAM,
        "logo.png",
    ),
    "hidden files": (beside("red/.b.png", picture()), 10, COLOURS, "hidden files"),
    "loose picture": (beside("a.png", picture()), 10, COLOURS, "outside a class's folder"),
    "file name with markup": (
        beside("red/<img src=x onerror=alert(1)>.md", b""),
        10,
        COLOURS,
        "no pictures",
    ),
    "file name that turns the writing": (
        beside("red/\u202egnp.exe", b""),
        10,
        COLOURS,
        "red/ gnp.exe",
    ),
    "class names with case": (
        a_zip(
            {
                f"{c}/{n}.png": picture(v, seed=n)
                for n, (c, v) in enumerate(
                    [("Red", RED), ("red", RED), ("RED", RED), ("blue", BLUE)] * 4
                )
            }
        ),
        16,
        {"Red", "blue"},
        "",
    ),
    "markup for a class folder": (
        a_zip(
            {
                f"{c}/{n}.png": picture(v, seed=n)
                for n in range(5)
                for c, v in (("<b>x", RED), ("**y**", BLUE))
            }
        ),
        10,
        {"<b>x", "**y**"},
        "",
    ),
    "labels that are numbers": (labelled(0, 1, 2.5), 30, {"0", "1", "2.5"}, ""),
    "labels that are dates": (labelled("2024-01-01", "1.2.24"), 20, {"2024-01-01", "1.2.24"}, ""),
    "labels some empty": (labelled("a", "b", "  "), 20, {"a", "b"}, "label empty: 10"),
    "labels of emoji": (labelled("👍🏽", "👎", "👩‍👩‍👧"), 30, {"👍🏽", "👎", "👩‍👩‍👧"}, ""),
    "labels from right to left": (labelled("مرحبا", "שלום"), 20, {"مرحبا", "שלום"}, ""),
    "labels with a turning mark": (labelled("a\u202ebc", "d"), 20, {"a bc", "d"}, ""),
    "labels of script": (
        labelled("<script>alert(1)</script>", "b"),
        20,
        {"<script>alert(1)</script>", "b"},
        "",
    ),
    "labels that look like dates in Excel": (
        a_file("a.xlsx", workbook([(f"text {n}", date(2024, 1 + n % 2, 1)) for n in range(10)])),
        10,
        {"2024-01-01", "2024-02-01"},
        "",
    ),
    "labels that are true and false": (
        a_file("a.jsonl", lines_of_json([(f"text {n}", n % 2 == 0) for n in range(10)])),
        10,
        {"True", "False"},
        "",
    ),
    "labels that no table has": (
        a_file(
            "a.jsonl", lines_of_json([(f"text {n}", ["a", "b", None][n % 3]) for n in range(15)])
        ),
        10,
        {"a", "b"},
        "label empty: 5",
    ),
    "labels of Markdown and LaTeX": (
        labelled("[a](http://x)", "$\\frac12$"),
        20,
        {"[a](http://x)", "$\\frac12$"},
        "",
    ),
    "labels of formulas": (labelled("=cmd()", "+1"), 20, {"=cmd()", "+1"}, ""),
    "labels too long to show": (
        labelled("x" * 200 + "1", "x" * 200 + "2"),
        20,
        {"x" * 79 + "…", "x" * 75 + "… (2)"},
        "",
    ),
    "labels with spaces around": (labelled("a", " a ", "b"), 30, {"a", "b"}, ""),
    "texts some empty": (
        a_file("a.csv", delimited(rows=[*ROWS, ("", "ham")])),
        12,
        HAM,
        "text empty: 1",
    ),
    "NUL bytes": (a_file("a.csv", delimited().replace("said", "sa\0id")), 12, HAM, ""),
    "ragged rows": (
        a_file("a.csv", delimited() + "alone\na,b,c,d\n"),
        12,
        HAM,
        "cells than columns: 1",
    ),
    "half of a character": (
        a_file("a.jsonl", lines_of_json([(t + "\ud83d", k) for t, k in ROWS])),
        12,
        HAM,
        "",
    ),
    "bad UTF-8": (a_file("a.csv", delimited().encode() + b"\xff\xfe\x80,ham\n"), 13, HAM, "UTF-8"),
    "UTF-16 cut in a letter": (a_file("a.csv", delimited().encode("utf-16")[:-3]), 12, None, ""),
    "texts of 30,000 letters": (
        a_file("a.csv", delimited(rows=[(f"{n} " + "x" * 30_000, "ab"[n % 2]) for n in range(8)])),
        8,
        {"a", "b"},
        "texts cut at 10,000 characters: 8",
    ),
    "commas in a table of semicolons": (
        a_file("a.csv", delimited(";", [(f"a, b, c, {n}, d", "xy"[n % 2]) for n in range(9)])),
        9,
        {"x", "y"},
        "",
    ),
    "formulas in Excel": (
        a_file("a.xlsx", workbook([*ROWS, ("=cmd|'/c calc'!A1", "ham")])),
        12,
        HAM,
        "empty",
    ),
    "macros and links in Excel": (macro_book, 12, HAM, ""),
    "shared texts in Excel": (shared_book(), 12, HAM, ""),
    "50 MB in one cell of Excel": (
        shared_book("<si><t>" + "x" * 50_000_000 + "</t></si>"),
        12,
        HAM,
        "",
    ),
    "nested columns beside plain ones in Parquet": (
        a_file("a.parquet", columns(text=TEXT, label=LABEL, odd=[[{"a": ["b"]}]] * len(ROWS))),
        12,
        HAM,
        "nested columns were passed over: odd",
    ),
    "two sheets": (a_file("a.xlsx", workbook(Other=["x", "y"])), 12, HAM, "not Other"),
    "numbers and dates for labels in Excel": (
        a_file("a.xlsx", workbook([(f"text {n}", n % 2) for n in range(10)])),
        10,
        {"0", "1"},
        "",
    ),
    "sorted by label": (
        a_file(
            "a.csv",
            delimited(
                rows=[(f"text {n}", "ab"[n // 1500]) for n in range(3000)],
                header=("first", "second"),
            ),
        ),
        3000,
        {"a", "b"},
        "",
    ),
}


def cut(path: Path) -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_said_in_a_sentence_that_helps(name, tmp_path, home):
    make, words = REFUSED[name]
    path = make(tmp_path)
    began = time.process_time()
    with pytest.raises(BadUpload, match=words) as caught:
        upload(path)
    assert time.process_time() - began < SECONDS
    told = str(caught.value)
    assert told.isprintable()
    assert told.endswith((".", "?"))
    assert len(told) < 700
    assert not list(home.rglob("*.bin")), "nothing of it is kept"


@pytest.mark.parametrize("name", READ)
def test_what_is_odd_is_read_sensibly(name, tmp_path):
    make, count, classes, words = READ[name]
    path = make(tmp_path)
    before = {file for file in tmp_path.rglob("*") if "home" not in file.parts}
    began = time.process_time()
    found = upload(path)
    assert time.process_time() - began < SECONDS
    assert {file for file in tmp_path.rglob("*") if "home" not in file.parts} == before
    assert sum(learn + test for _, learn, test in found.class_counts) == count
    assert classes is None or {kind for kind, _, _ in found.class_counts} == classes
    assert re.search(words, " ".join(found.notices))
    assert all(map(str.isprintable, found.notices))
    assert len(everything(found)) == count
    assert {label for _, label in found.preview()} == {kind for kind, _, _ in found.class_counts}


BOMBS = (
    "zip bomb",
    "zip bombs in zips",
    "zip of overlapping entries",
    "50 MB in one quoted cell",
    "50 MB in one cell of a JSON list",
    "JSON list of millions of nothings",
    "Excel bomb",
    "Excel of too many texts",
    "Excel with a billion laughs",
    "Parquet of vast cells, all one",
    "Parquet that unpacks to much more",
    "50 MB in one cell of Excel",
    *(name for name in READ if "30,000 x" in name or "HEIC" in name),
)
MEMORY_MB = 800  # measured: 500, for Parquet's cell of 50 MB; the next is 150


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak")
def test_bombs_do_not_fill_the_memory(tmp_path, root):
    paths = []
    for number, name in enumerate(BOMBS):
        (tmp_path / str(number)).mkdir()
        paths.append(str((REFUSED.get(name) or READ[name])[0](tmp_path / str(number))))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *paths], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < MEMORY_MB


PEAK = """
import re, sys
from trainers.datasets import uploads
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
for path in sys.argv[1:]:
    try:
        list(uploads.import_upload(path))
    except uploads.BadUpload:
        pass
print((peak() - before) / 1024)
"""


def test_a_cell_at_the_end_of_the_sheet_takes_no_time(tmp_path):
    path = far_cell(tmp_path)
    began = time.process_time()
    with pytest.raises(BadUpload, match="16,384 columns; at most 500"):
        upload(path)
    assert time.process_time() - began < SECONDS

"""Own data: every good format is read, and nothing hostile or broken does harm."""

import csv
import io
import json
import os
import re
import stat
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from trainers import datasets
from trainers.__main__ import main
from trainers.datasets import uploads
from trainers.datasets.uploads import BadUpload, UploadedDataset, images, storage
from trainers.plan import Plan
from trainers.store import get_store
from trainers.system.paths import run_dir
from trainers.system.registry import UnknownKey
from trainers.training.run import run

SECONDS = 5  # of computing: what anything bad may take
RED, BLUE = (220, 30, 30), (30, 30, 220)


def upload(path: Path, **settings) -> UploadedDataset:
    reading = uploads.import_upload(path, **settings)
    while True:
        try:
            progress = next(reading)
        except StopIteration as end:
            return datasets.get_dataset(f"own-{end.value}")
        assert 0 <= progress.fraction <= 1
        assert progress.text


def everything(sample: UploadedDataset) -> list[tuple]:
    """(example, class) of all that was kept."""
    data = sample.load_splits()
    return [
        (example, data.classes[label])
        for split in (data.train, data.test)
        for example, label in zip(split.inputs, split.labels, strict=True)
    ]


def picture(colour=RED, size=(40, 30), kind="PNG", mode="RGB", seed=0, **settings) -> bytes:
    """The bytes of a picture of one colour, and a corner by which to tell it from others."""
    image = Image.new("RGB", size, colour)
    image.paste((seed * 37 % 256, seed % 256, 90), (0, 0, max(1, size[0] // 8), 1))
    out = io.BytesIO()
    (image.quantize() if mode == "P" else image.convert(mode)).save(out, kind, **settings)
    return out.getvalue()


def two_classes(each: int = 5) -> dict[str, bytes]:
    return {
        f"{name}/{number}.png": picture(colour, seed=number)
        for name, colour in (("red", RED), ("blue", BLUE))
        for number in range(each)
    }


def zipped(path: Path, files: dict[str, bytes], **settings) -> Path:
    with zipfile.ZipFile(path, "w", **settings) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def foldered(path: Path, files: dict[str, bytes]) -> Path:
    for name, raw in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


PAIR = two_classes()
ROWS = [(f"{kind} number {n} said something", kind) for n in range(6) for kind in ("ham", "spam")]


def unlike(number: int) -> str:
    """A word for each number that has nothing in common with another's."""
    return f"{zlib.crc32(str(number).encode()):08x}"


def delimited(separator=",", rows=ROWS, header=("text", "label"), **settings) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, **settings).writerows([header, *rows] if header else rows)
    return out.getvalue()


# --- every good format ------------------------------------------------------------------------


def workbook(rows=ROWS, header=("text", "label"), **more_sheets) -> bytes:
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    for name, content in more_sheets.items():
        book.create_sheet(name).append(content)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def columns(**values) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(values), out)
    return out.getvalue()


def lines_of_json(rows=ROWS, **more) -> str:
    return "".join(json.dumps({"text": t, "label": lab, **more}) + "\n" for t, lab in rows)


TEXT, LABEL = [list(column) for column in zip(*ROWS, strict=True)]
UMLAUTS = [(f"{text} – schön, Größe {n}", label) for n, (text, label) in enumerate(ROWS)]
TABLES = {
    "comma.csv": delimited().encode(),
    "semicolon.csv": delimited(";").encode(),
    "tab.tsv": delimited("\t").encode(),
    "tab.csv": delimited("\t").encode(),
    "bar.txt": delimited("|").encode(),
    "crlf.csv": delimited(lineterminator="\r\n").encode(),
    "old-mac.csv": delimited(lineterminator="\r").encode(),
    "no-last-newline.csv": delimited().rstrip().encode(),
    "no-header.csv": delimited(header=None).encode(),
    "label-first.csv": delimited(header=("label", "text"), rows=[r[::-1] for r in ROWS]).encode(),
    "other-names.csv": delimited(
        header=("nr", "what was said", "box"), rows=[(n, *r) for n, r in enumerate(ROWS)]
    ).encode(),
    "upper.CSV": delimited(header=("Text", "LABEL")).encode(),
    "quoted.csv": delimited(quoting=csv.QUOTE_ALL).encode(),
    "utf8-bom.csv": delimited().encode("utf-8-sig"),
    "utf16.csv": delimited("\t").encode("utf-16"),
    "utf16-without-mark.csv": delimited().encode("utf-16-le"),
    "lines.jsonl": lines_of_json().encode(),
    "list.json": json.dumps([{"text": t, "label": lab} for t, lab in ROWS]).encode(),
    "book.xlsx": workbook(),
    "book-named.csv": workbook(),
    "columns.parquet": columns(text=TEXT, label=LABEL),
    "dictionary.parquet": columns(
        text=TEXT, label=pyarrow.array(LABEL).dictionary_encode(), odd=[[1]] * len(ROWS)
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_table_gives_the_same_rows(name, tmp_path):
    (tmp_path / name).write_bytes(TABLES[name])
    found = upload(tmp_path / name)
    assert found.modality == "text"
    assert sorted(everything(found)) == sorted(ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_letters_survive_the_encodings_of_spreadsheets(encoding, separator, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(delimited(separator, UMLAUTS).encode(encoding))
    found = upload(path)
    assert sorted(everything(found)) == sorted(UMLAUTS)
    assert ("read as Western European" in " ".join(found.notices)) == (encoding == "cp1252")


def test_columns_can_be_named_or_numbered(tmp_path):
    rows = [
        (f"a long title {n}", f"and body {n}, much longer", n % 3, "xy"[n % 2]) for n in range(12)
    ]
    path = tmp_path / "table.csv"
    path.write_text(delimited(rows=rows, header=("title", "text", "stars", "label")))
    assert upload(path).load_splits().classes == ("x", "y")
    by_name = upload(path, text_column="Title", label_column="stars")
    assert by_name.load_splits().classes == ("0", "1", "2")
    assert sorted(everything(by_name)) == sorted((row[0], str(row[2])) for row in rows)
    assert upload(path, label_column="3").load_splits().classes == ("0", "1", "2")
    with pytest.raises(BadUpload, match=r"no label column 'nope'\. There are: title, text, stars"):
        upload(path, label_column="nope")


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_tables_called_train_val_and_test_are_the_users_split(packed, tmp_path):
    def part(first):
        rows = [(f"{text} {unlike(first + n)}", label) for n, (text, label) in enumerate(ROWS)]
        return delimited(rows=rows).encode()

    files = {
        "d/train.csv": part(0),
        "d/val.csv": part(50),
        "d/Test.csv": part(99),
        "d/SOURCE.md": b"x",
    }
    found = upload(
        zipped(tmp_path / "d.zip", files) if packed else foldered(tmp_path / "in", files)
    )
    data = found.load_splits()
    assert len(data.train.labels) == 2 * len(ROWS)
    assert sorted(data.test.inputs) == sorted(
        f"{text} {unlike(99 + n)}" for n, (text, _) in enumerate(ROWS)
    )
    assert any("SOURCE.md" in notice for notice in found.notices)


LAYOUTS = {
    "classes": ("{c}/{n}.png", False),
    "wrapped": ("my photos/{c}/{n}.png", False),
    "wrapped twice": ("a/b/{c}/{n}.png", False),
    "train and test": ("{s}/{c}/{n}.png", True),
    "wrapped train and test": ("data/{s}/{c}/{n}.png", True),
    "mixed case": ("Data/{S}/{c}/{n}.PNG", True),
    "deeper": ("{c}/camera/{n}.png", False),
    "windows": ("data\\{s}\\{c}\\{n}.png", True),
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_folders_are_found_wherever_they_lie(layout, packed, tmp_path):
    pattern, own_split = LAYOUTS[layout]
    if not packed:
        pattern = pattern.replace("\\", "/")
    files = {}
    for number in range(12):
        side = ("train", "val", "test")[number % 3]
        for name, colour in (("Blue", BLUE), ("Red", RED)):
            place = pattern.format(c=name, n=number, s=side, S=side.title())
            files[place] = picture(colour, seed=number)
    files |= {"__MACOSX/Blue/._1.png": b"x", ".DS_Store": b"x", "Thumbs.db": b"x", "notes.md": b"x"}
    found = upload(
        zipped(tmp_path / "up.zip", files) if packed else foldered(tmp_path / "up", files)
    )
    data = found.load_splits()
    assert data.classes == ("Blue", "Red")
    assert len(data.test.labels) == (8 if own_split else 4)
    assert len(data.train.labels) + len(data.test.labels) == 24
    told = " ".join(found.notices)
    assert "notes.md" in told
    assert "Thumbs.db" in told
    for image, name in everything(found):
        assert image.dtype == np.uint8
        assert image.shape == (30, 40, 3)
        assert tuple(image[15, 20]) == (BLUE if name == "Blue" else RED)


KINDS = {
    "jpeg": picture(kind="JPEG", quality=95),
    "upper.JPEG": picture(kind="JPEG", quality=95),
    "png": picture(),
    "webp": picture(kind="WEBP", lossless=True),
    "bmp": picture(kind="BMP"),
    "gif": picture(kind="GIF"),
    "heic": picture(kind="HEIF", quality=90),
    "upper.HEIF": picture(kind="HEIF", quality=90),
    "alpha.heic": picture(kind="HEIF", mode="RGBA", quality=90),
    "palette": picture(mode="P"),
    "cmyk": picture(kind="JPEG", mode="CMYK", quality=95),
    "alpha": picture(mode="RGBA"),
    "large": picture(size=(1200, 800), kind="JPEG", quality=95),
}
SUFFIX = {"upper.JPEG": "JPEG", "upper.HEIF": "HEIF", "alpha.heic": "heic", "palette": "png",
          "cmyk": "jpg", "alpha": "png", "large": "jpg"}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_becomes_rgb(kind, tmp_path):
    name = f"red/it.{SUFFIX.get(kind, kind)}"
    blue = {f"blue/{n}.png": picture(BLUE, seed=n) for n in range(4)}
    found = upload(zipped(tmp_path / "up.zip", {name: KINDS[kind], **blue}))
    (image,) = [image for image, name in everything(found) if name == "red"]
    assert min(image.shape[:2]) <= 256
    assert image.shape[2] == 3
    middle = image[image.shape[0] // 2, image.shape[1] // 2].astype(int)
    assert abs(middle - RED).max() < 12


def kept_of(raw: bytes, name: str, tmp_path: Path) -> np.ndarray:
    blue = {f"blue/{n}.png": picture(BLUE, seed=n) for n in range(4)}
    found = upload(zipped(tmp_path / "up.zip", {f"it/{name}": raw, **blue}))
    (image,) = [image for image, label in everything(found) if label == "it"]
    return image


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("HEIF", "heic")])
def test_a_photo_is_turned_as_the_camera_says(kind, suffix, tmp_path):
    image = Image.new("RGB", (40, 30), BLUE)
    image.paste(RED, (0, 0, 40, 15))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter: up becomes right
    out = io.BytesIO()
    image.save(out, kind, exif=exif.tobytes(), quality=95)
    kept = kept_of(out.getvalue(), f"a.{suffix}", tmp_path)
    assert kept.shape == (40, 30, 3)
    assert abs(kept[20, 25].astype(int) - RED).max() < 12
    assert abs(kept[20, 5].astype(int) - BLUE).max() < 12


def test_a_photo_of_a_telephone_is_made_small_and_loses_what_it_tells(tmp_path, home):
    noise = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)
    image = Image.fromarray(noise).resize((1000, 750))
    exif = Image.Exif()
    exif[0x010E] = "at my house"
    out = io.BytesIO()
    image.save(out, "HEIF", exif=exif, quality=90)
    assert b"at my house" in out.getvalue()
    kept = kept_of(out.getvalue(), "a.heic", tmp_path)
    assert kept.shape == (256, 341, 3)
    there = np.asarray(image.resize((341, 256), Image.Resampling.BICUBIC)).astype(int)
    assert abs(kept.astype(int) - there).mean() < 8
    (blob,) = home.rglob("examples.bin")
    assert b"at my house" not in blob.read_bytes()


@pytest.mark.parametrize(("most", "kept"), [(1200, 11), (1199, 10)])
def test_heic_has_a_limit_of_its_own(most, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_HEIF_PX", most)
    found = upload(beside("red/a.heic", picture(kind="HEIF", size=(40, 30)))(tmp_path))
    assert sum(learn + test for _, learn, test in found.class_counts) == kept


def test_no_other_of_pils_decoders_is_ever_tried():
    for kind in ("TIFF", "PPM", "TGA", "ICO", "JPEG2000", "PCX", "SGI"):
        with pytest.raises(Image.UnidentifiedImageError):
            images.open_image(io.BytesIO(picture(kind=kind)))


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    out = io.BytesIO()
    Image.fromarray(np.full((20, 20), 32896, np.uint16)).save(out, "PNG")
    assert set(kept_of(out.getvalue(), "a.png", tmp_path).ravel()) == {128}


def test_behind_what_is_transparent_is_white(tmp_path):
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "PNG")
    assert set(kept_of(out.getvalue(), "a.png", tmp_path).ravel()) == {255}


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "HEIF"])
def test_of_an_animation_the_first_frame_is_taken(kind, tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], quality=95)
    kept = kept_of(out.getvalue(), f"a.{kind}", tmp_path)
    assert abs(kept[5, 5].astype(int) - RED).max() < 12


def test_what_a_photo_tells_about_its_place_is_not_kept(tmp_path, home):
    exif = Image.Exif()
    exif[0x010E] = "at my house"
    raw = picture(kind="JPEG", size=(300, 300), exif=exif, comment=b"at my house")
    assert raw.count(b"at my house") == 2
    kept_of(raw, "a.jpg", tmp_path)
    (blob,) = home.rglob("examples.bin")
    assert b"at my house" not in blob.read_bytes()


# --- hostile and broken -----------------------------------------------------------------------


def bomb(tmp_path: Path) -> Path:
    """300 MB of zeros in 300 KB."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out, out.open("red/a", "w") as file:
        for _ in range(300):
            file.write(bytes(1024**2))
    return path


def lying(tmp_path: Path) -> Path:
    """A zip whose directory declares 5 GB of what has a few bytes."""
    path = zipped(tmp_path / "lying.zip", two_classes())
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    second = raw.index(b"PK\x01\x02", at + 4)
    raw[second + 24 : second + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(raw)
    return path


def locked(tmp_path: Path) -> Path:
    path = zipped(tmp_path / "locked.zip", two_classes())
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            raw[at + offset] |= 1
    path.write_bytes(raw)
    return path


def with_links(tmp_path: Path) -> Path:
    path = tmp_path / "links.zip"
    zipped(path, two_classes())
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("red/link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return path


def folder_with_links(tmp_path: Path) -> Path:
    path = foldered(tmp_path / "links", two_classes())
    (path / "red" / "link.png").symlink_to("/etc/passwd")
    (path / "green").symlink_to(path / "red")
    os.mkfifo(path / "red" / "pipe.png")
    return path


def sixteen_bits() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160).save(out, "PNG")
    return out.getvalue()


def twice_named(tmp_path: Path) -> Path:
    path = zipped(tmp_path / "twice.zip", two_classes())
    raw = path.read_bytes().replace(b"red/1.png", b"red/0.png")
    path.write_bytes(raw)
    return path


def declared(width: int, height: int) -> bytes:
    """A PNG that says it is so large."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def patched(raw: bytes, mark: bytes, offset: int, form: str, *sides: int) -> bytes:
    """A picture that says it is so large, where its format says it."""
    at = raw.index(mark) + offset
    return raw[:at] + struct.pack(form, *sides) + raw[at + struct.calcsize(form) :]


def heic(declared_px: int, size=(64, 64)) -> bytes:
    return patched(picture(kind="HEIF", size=size), b"ispe", 8, ">II", declared_px, declared_px)


BIG = 30_000
VAST = {
    "png": declared(BIG, BIG),
    "jpg": patched(picture(kind="JPEG"), b"\xff\xc0", 5, ">HH", BIG, BIG),
    "gif": patched(picture(kind="GIF"), b"GIF8", 6, "<HH", BIG, BIG),
    "bmp": patched(picture(kind="BMP"), b"BM", 18, "<ii", BIG, BIG),
    "heic": heic(BIG),
}


def overlapping(tmp_path: Path) -> Path:
    """A zip of which 2,000 entries are the same megabyte of zeros."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("red/0000.png", bytes(1024**2))
    raw = inner.getvalue()
    at, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entries = [raw[at:end].replace(b"red/0000", b"red/%04d" % n) for n in range(2000)]
    told = b"".join(entries)
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2000, 2000, len(told), at, 0)
    (tmp_path / "overlap.zip").write_bytes(raw[:at] + told + tail)
    return tmp_path / "overlap.zip"


def nested(tmp_path: Path) -> Path:
    """Zips in zips: four layers of ten each, 10 TB in all, were they opened."""
    layer = bomb(tmp_path).read_bytes()
    for _ in range(4):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(10):
                archive.writestr(f"red/{number}.zip", layer)
        layer = out.getvalue()
    (tmp_path / "nested.zip").write_bytes(layer)
    return tmp_path / "nested.zip"


def a_zip(files: dict, **more) -> Callable[[Path], Path]:
    return lambda tmp_path: zipped(tmp_path / "up.zip", files, **more)


def beside(name: str, raw: bytes) -> Callable[[Path], Path]:
    """A zip of ten good pictures and one file more."""
    return a_zip({**two_classes(), name: raw})


def a_file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def made(tmp_path: Path) -> Path:
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (tmp_path / name).write_bytes(raw)
        return tmp_path / name

    return made


def labelled(*labels) -> Callable[[Path], Path]:
    rows = [
        (f"a sentence about {n} things", labels[n % len(labels)]) for n in range(10 * len(labels))
    ]
    return a_file("t.csv", delimited(rows=rows))


def macro_book(tmp_path: Path) -> Path:
    path = zipped(tmp_path / "macro.xlsm", {"xl/vbaProject.bin": b"macro"})
    with zipfile.ZipFile(io.BytesIO(workbook())) as book, zipfile.ZipFile(path, "a") as out:
        for name in book.namelist():
            out.writestr(name, book.read(name))
        out.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")
    return path


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PARTS = {  # openpyxl writes each text where it stands, Excel all of them in a part of their own
    "[Content_Types].xml": '<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
    "xl/_rels/workbook.xml.rels": f'<Relationship Id="shared" Type="{OFFICE}/sharedStrings" '
    'Target="sharedStrings.xml"/></Relationships>',
}


def shared_book(extra: str = "", times: int = 1, doctype: str = "") -> Callable[[Path], Path]:
    """A workbook whose shared texts are those of ROWS and `extra`, so many times."""
    rows = [("text", "label"), *ROWS]
    sheet = "".join(
        f'<row r="{n}"><c r="A{n}" t="s"><v>{2 * n - 2}</v></c>'
        f'<c r="B{n}" t="s"><v>{2 * n - 1}</v></c></row>'
        for n in range(1, len(rows) + 1)
    )
    texts = "".join(f"<si><t>{cell}</t></si>" for row in rows for cell in row)

    def made(tmp_path: Path) -> Path:
        path = tmp_path / "shared.xlsx"
        with (
            zipfile.ZipFile(io.BytesIO(workbook())) as book,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out,
        ):
            for name in book.namelist():
                raw = book.read(name).decode()
                if name == "xl/worksheets/sheet1.xml":
                    raw = f'<worksheet xmlns="{SHEETS}"><sheetData>{sheet}</sheetData></worksheet>'
                elif more := PARTS.get(name):
                    raw = raw[: raw.rindex("</")] + more
                out.writestr(name, raw)
            with out.open("xl/sharedStrings.xml", "w") as file:
                file.write(f'{doctype}<sst xmlns="{SHEETS}">{texts}'.encode())
                for _ in range(times):
                    file.write(extra.encode())
                file.write(b"</sst>")
        return path

    return made


LAUGHS = '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">'
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


def vast_cells(tmp_path: Path) -> Path:
    """Parquet of 2 MB whose 2,000 texts are 50 MB each: all the same one."""
    texts = pyarrow.array(["x" * 50_000_000]).dictionary_encode()
    path = tmp_path / "vast.parquet"
    parquet.write_table(
        pyarrow.table({"text": texts.take(pyarrow.array([0] * 2000)), "label": ["a", "b"] * 1000}),
        path,
    )
    return path


def packed_cells(tmp_path: Path) -> Path:
    """Parquet of 40 KB that would unpack to 300 MB."""
    path = tmp_path / "packed.parquet"
    table = pyarrow.table({"text": ["x" * 1_000_000] * 300, "label": ["a", "b"] * 150})
    parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    return path


def book_bomb(tmp_path: Path) -> Path:
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(workbook())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as out, out.open("xl/x.xml", "w") as file:
        for _ in range(320):
            file.write(bytes(1024**2))
    return path


def far_cell(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.active["XFD1048576"] = "far away"
    book.save(tmp_path / "far.xlsx")
    return tmp_path / "far.xlsx"


# What to read; then the words of the refusal, or (examples, classes, words of a notice).
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


# --- splits -----------------------------------------------------------------------------------


def test_doubles_stay_on_one_side(tmp_path):
    rows = [(f"sentence {n % 40} here".upper() if n % 2 else f"sentence {n % 40}  here",
             "ab"[n % 40 < 20]) for n in range(400)]  # fmt: skip
    path = tmp_path / "t.csv"
    path.write_text(delimited(rows=rows))
    data = upload(path).load_splits()
    train, test = (
        {" ".join(t.casefold().split()) for t in s.inputs} for s in (data.train, data.test)
    )
    assert not train & test
    assert len(data.train.labels) + len(data.test.labels) == 400
    assert np.bincount(data.test.labels).tolist() == [40, 40]


def test_the_same_text_under_two_labels_stays_on_one_side(tmp_path):
    rows = [(f"text {n // 2}", "ab"[n % 2]) for n in range(200)]
    rows += [(f"only here {n}", "b") for n in range(50)]
    (tmp_path / "t.csv").write_text(delimited(rows=rows))
    data = upload(tmp_path / "t.csv").load_splits()
    assert not set(data.train.inputs) & set(data.test.inputs)
    assert len(data.train.labels) + len(data.test.labels) == 250


def test_what_is_in_the_users_test_is_not_learned(tmp_path):
    test = delimited(rows=ROWS[:4]).encode()
    path = foldered(tmp_path / "t", {"train.csv": delimited().encode(), "test.csv": test})
    found = upload(path)
    assert len(found.load_splits().train.labels) == len(ROWS) - 4
    assert any("4 training examples are also in the test" in told for told in found.notices)


def test_each_class_of_three_is_tested_and_the_split_is_always_the_same(tmp_path):
    rows = [
        (f"{kind} {n}", kind) for kind, many in (("a", 3), ("b", 50), ("c", 2)) for n in range(many)
    ]
    (tmp_path / "t.csv").write_text(delimited(rows=rows))
    (tmp_path / "u.csv").write_text(delimited(rows=rows[::-1]))
    first, again = (upload(tmp_path / f"{name}.csv") for name in "tu")
    assert [(learn, test) for _, learn, test in first.class_counts] == [(2, 1), (40, 10), (2, 0)]
    assert sorted(first.load_splits().test.inputs) == sorted(again.load_splits().test.inputs)
    assert any("No examples to test on of: c" in told for told in first.notices)


def test_fewer_per_class_stay_inside_more(tmp_path):
    found = upload(zipped(tmp_path / "up.zip", two_classes(20)))
    few, many = found.load_splits(3), found.load_splits(9)
    assert np.bincount(few.train.labels).tolist() == [3, 3]
    assert {p.tobytes() for p in few.train.inputs} < {p.tobytes() for p in many.train.inputs}
    assert np.array_equal(few.test.labels, many.test.labels)


# --- kept, used, deleted ----------------------------------------------------------------------


def test_an_upload_can_be_deleted_and_runs_on_it_still_be_read(tmp_path, home):
    key = upload(zipped(tmp_path / "up.zip", two_classes())).key
    plan = Plan(data=key, approach="transfer")
    uploads.delete(key)
    assert not list(home.rglob("*.bin"))
    assert Plan.from_json(plan.as_json()) == plan
    with pytest.raises(BadUpload, match="deleted"):
        datasets.get_dataset(key).load_splits()


def test_a_visitor_finds_uploads_again_and_nobody_elses(tmp_path):
    table, pictures = a_file("t.csv", delimited())(tmp_path), zipped(tmp_path / "up.zip", PAIR)
    began = time.time()
    first, others, last = (
        upload(path, visitor=visitor)
        for path, visitor in ((table, "anna"), (table, "ben"), (pictures, "anna"))
    )
    assert [found.key for found in uploads.list_uploads("anna")] == [last.key, first.key]
    assert uploads.list_uploads("ben") == [others]
    assert began <= first.created_at <= last.created_at <= time.time()
    taken = sum(
        f.stat().st_size for f in storage.dataset_dir(last.key).iterdir() if f.suffix != ".json"
    )
    assert (last.visitor, last.size_bytes) == ("anna", taken)
    uploads.delete(last.key)
    assert uploads.list_uploads("anna") == [first]
    assert (
        uploads.list_uploads("")
        == uploads.list_uploads("carl")
        == uploads.list_uploads("terminal")
        == []
    )
    assert upload(table).visitor == "terminal"


def test_the_beginning_of_a_reading_is_nobodys(tmp_path):
    reading = uploads.import_upload(a_file("t.csv", delimited())(tmp_path), visitor="anna")
    next(reading)
    assert uploads.list_uploads("anna") == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"null", b'{"modality": 1}', b"\xff"])
def test_damaged_data_is_passed_over_and_can_be_deleted(damage, tmp_path, home):
    table = a_file("t.csv", delimited())(tmp_path)
    good, bad = (upload(table, visitor="anna") for _ in range(2))
    about = storage.dataset_dir(bad.key) / "about.json"
    about.write_bytes(damage)
    assert uploads.list_uploads("anna") == [good]
    with pytest.raises(UnknownKey, match="damaged"):
        datasets.get_dataset(bad.key)
    uploads.delete(bad.key)
    assert not about.parent.exists()


@pytest.mark.parametrize("key", ["own-", "own-../../x", "own-nothing-here", "own-" + "x" * 999])
def test_a_key_leads_nowhere_else(key):
    with pytest.raises(UnknownKey, match="is kept here"):
        datasets.get_dataset(key)


def test_closing_the_reading_keeps_nothing(tmp_path, home):
    reading = uploads.import_upload(zipped(tmp_path / "up.zip", two_classes()))
    next(reading)
    reading.close()
    assert not list((home / "data").iterdir())


@pytest.mark.parametrize("approach", ["transfer", "simple", "none"])
def test_runs_take_pictures_of_every_size(approach, tmp_path):
    files = {
        f"{name}/{n}.png": picture(colour, size=(20 + 9 * n, 90 - 5 * n), seed=n)
        for name, colour in (("red", RED), ("blue", BLUE))
        for n in range(10)
    }
    key = upload(zipped(tmp_path / "up.zip", files)).key
    finished = list(run(Plan(data=key, approach=approach, seconds=5)))[-1]
    assert finished.test_correct == finished.test_examples == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--data", "nowhere.csv", "--approach", "none"], "no file or folder nowhere.csv"),
        (["--data", "{table}", "--approach", "none", "--label-column", "x"], "no label column 'x'"),
        (["--data", "{table}", "--approach", "nun"], "No approach 'nun'"),
        (["--data", "{table}", "--approach", "none", "--backbone", "small_resnet"], "reads images"),
    ],
    ids=["no file", "column", "approach", "backbone"],
)
def test_bad_data_at_a_terminal_is_one_line_and_exit_2(wrong, words, tmp_path, capsys, home):
    table = a_file("t.csv", delimited())(tmp_path)
    assert main(["run", *(word.format(table=table) for word in wrong), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err.splitlines()[-1]
    read = list(home.rglob("*.bin"))  # what was read in vain is not read again
    assert len(read) == ("reads images" in words)


def test_a_terminal_reads_the_same_table_once(tmp_path, capsys):
    table = a_file("t.csv", delimited())(tmp_path)
    keys = []
    for approach in ("simple", "none"):
        assert main(["run", "--data", str(table), "--approach", approach, "--json"]) == 0
        told = capsys.readouterr()
        keys.append(json.loads(told.out.splitlines()[-1])["data"])
    assert keys[0] == keys[1]
    assert f"already imported as {keys[0]}" in told.err


def test_a_terminal_runs_on_a_table_and_forgets_it(tmp_path, capsys):
    table = a_file("t.csv", delimited())(tmp_path)
    assert main(["run", "--data", str(table), "--approach", "simple", "--json"]) == 0
    told = capsys.readouterr()
    last = [json.loads(line) for line in told.out.splitlines()][-1]
    assert last["type"] == "finished"
    assert "ham: 5 for training, 1 for" in told.err
    run = get_store().list_runs("terminal")[0].id
    assert (run_dir(run) / "words.json").exists()
    assert main(["delete-data", last["data"], "--yes"]) == 0
    assert not run_dir(run).exists(), "the words of the table are in it"
    assert main(["run", "--data", last["data"], "--approach", "simple"]) == 1
    assert "deleted" in capsys.readouterr().err


def test_reading_brings_no_training_library(tmp_path, root):
    table = a_file("t.csv", delimited())(tmp_path)
    code = (
        "import sys\nfrom trainers import datasets\nfrom trainers.datasets import uploads\n"
        "reading = uploads.import_upload(sys.argv[1])\n"
        "while True:\n    try: next(reading)\n    except StopIteration as over:\n"
        "        key = 'own-' + over.value\n        break\n"
        "datasets.get_dataset(key).load_splits(1)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, table], cwd=root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- real data --------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [("hymenoptera.zip", {"ants", "bees"}), ("sms-spam", {"ham", "spam"})],
    ids=["hymenoptera", "sms-spam"],
)
def test_real_data_is_read_and_learned(name, counts, real_data):
    found = upload(real_data / name)
    assert {kind for kind, _, _ in found.class_counts} == counts
    assert any("SOURCE.md" in notice for notice in found.notices)
    plan = Plan(data=found.key, approach="transfer", examples_per_class=5, seconds=5)
    finished = list(run(plan))[-1]
    assert finished.train_examples == 10
    assert 0 < finished.test_examples <= found.test_examples

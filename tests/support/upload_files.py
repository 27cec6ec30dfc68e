"""Files as visitors upload them: good ones, odd ones, and hostile ones."""

import csv
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow
from PIL import Image
from pyarrow import parquet

from trainers import datasets
from trainers.datasets import uploads
from trainers.datasets.uploads import UploadedDataset

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
TEXT, LABEL = [list(column) for column in zip(*ROWS, strict=True)]


def unlike(number: int) -> str:
    """A word for each number that has nothing in common with another's."""
    return f"{zlib.crc32(str(number).encode()):08x}"


def delimited(separator=",", rows=ROWS, header=("text", "label"), **settings) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, **settings).writerows([header, *rows] if header else rows)
    return out.getvalue()


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

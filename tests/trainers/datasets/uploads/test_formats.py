"""Every good format of tables and images is read to the same examples."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image

from tests.support.upload_files import (
    BLUE,
    LABEL,
    RED,
    ROWS,
    TEXT,
    beside,
    columns,
    delimited,
    everything,
    foldered,
    lines_of_json,
    picture,
    unlike,
    upload,
    workbook,
    zipped,
)
from trainers.datasets.uploads import BadUpload, images

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

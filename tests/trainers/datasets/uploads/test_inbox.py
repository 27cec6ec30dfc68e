"""What a browser brings lies under names of our own until it is read."""

import io
import json
import os
import shutil
import time
import zipfile
from types import SimpleNamespace

import pytest
from PIL import Image

from trainers.datasets import get_dataset, uploads
from trainers.datasets.uploads import BadUpload, inbox
from trainers.events import JobDone, Progress, Stage
from trainers.jobs import ImportData
from trainers.tasks.import_data import import_data


def never() -> bool:
    return False


@pytest.fixture
def place(home):
    return inbox.find_draft(inbox.create_draft())


def put(place, content: bytes) -> str:
    file = inbox.reserve_file(place, len(content))
    file.write_bytes(content)
    return file.name


def png(shade: int) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (40, 40), (shade, 10, 10))
    image.putpixel((shade % 40, shade // 40), (255, 255, 255))
    image.paste((0, 0, shade), (shade % 20, 3, 38, 5 + shade % 30))
    image.save(out, "PNG")
    return out.getvalue()


def job(place, title="what came") -> ImportData:
    return ImportData(path=str(place), title=title, visitor="ann")


def data_of(events):
    *_, last = events
    assert isinstance(last, JobDone)
    return get_dataset(last.result["data"])


def classes_of(place, names=("ants", "bees")):
    return [
        [put(place, png(20 * number + 100 * label)), [name, f"{number}.png"]]
        for label, name in enumerate(names)
        for number in range(5)
    ]


def test_pictures_class_by_class_become_a_sample_of_the_visitor(place):
    inbox.write_listing(place, classes_of(place))
    sample = data_of(import_data(job(place), should_stop=never))
    assert [name for name, _, _ in sample.class_counts] == ["ants", "bees"]
    assert sample.title == "what came"
    assert sample.visitor == "ann"
    assert [mine.key for mine in uploads.list_uploads("ann")] == [sample.key]
    assert uploads.list_uploads("bob") == []


@pytest.mark.parametrize("called", ["photos.zip", "photos"])
def test_a_zip_alone_is_opened_whatever_it_is_called(place, called):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(10):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png(20 * number))
    inbox.write_listing(place, [[put(place, out.getvalue()), [called]]])
    assert data_of(import_data(job(place, called), should_stop=never)).modality == "images"


def test_a_table_alone_is_read_by_the_name_it_had(place):
    rows = "text\tlabel\n" + "".join(f"words {n}\t{'ab'[n % 2]}\n" for n in range(20))
    inbox.write_listing(place, [[put(place, rows.encode()), ["notes.tsv"]]])
    sample = data_of(import_data(job(place), should_stop=never))
    assert sample.modality == "text"
    assert any("notes.tsv" in notice for notice in sample.notices)


def test_a_reading_tells_how_far_it_is(place, monkeypatch):
    monkeypatch.setattr("trainers.tasks.import_data.PROGRESS_INTERVAL_SECONDS", 0.0)
    inbox.write_listing(place, classes_of(place))
    events = list(import_data(job(place), should_stop=never))
    assert any(isinstance(event, Stage) and "pictures" in event.text for event in events)
    shares = [event.done / event.total for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_stopped_reading_keeps_nothing(place, home):
    inbox.write_listing(place, classes_of(place))
    list(import_data(job(place), should_stop=lambda: True))
    assert uploads.list_uploads("ann") == []
    assert list((home / "data").iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        [],
        [["0" * 24, ["a", "b.png"]]],
        [["../../thaw.db", ["a", "b.png"]]],
        [["not even a pair"]],
        [[None, None]],
        ["text"],
    ],
    ids=str,
)
def test_files_that_never_came_are_not_read(place, files):
    with pytest.raises(BadUpload, match="No file has arrived"):
        inbox.write_listing(place, files)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..", "a/b\\c", "", "x" * 5000])
def test_no_name_of_a_visitor_becomes_a_path(place, home, name):
    inbox.write_listing(
        place, [[put(place, b"x"), [name, name]], [put(place, b"y"), ["b", "y.png"]]]
    )
    ((file, parts), _) = inbox.read_listing(place)
    assert file.parent == place
    assert all("/" not in part and "\\" not in part and len(part) <= 255 for part in parts)
    assert {path.parent for path in home.rglob("*") if path.is_file()} == {place}


def test_what_is_not_listed_is_deleted(place):
    gone, stays = put(place, b"gone"), put(place, b"stays")
    inbox.write_listing(place, [[stays, ["notes.csv"]]])
    assert not (place / gone).exists()
    assert (place / stays).exists()


@pytest.mark.parametrize("key", ["", "..", "a" * 31, "../" + "a" * 29, "A" * 32, "b" * 32])
def test_a_draft_that_was_not_made_here_is_none(home, key):
    assert inbox.find_draft(key) is None


def test_what_is_too_much_is_refused_before_it_is_written(place, monkeypatch):
    with pytest.raises(BadUpload, match="MB"):
        inbox.reserve_file(place, inbox.MAX_BYTES + 1)
    free = SimpleNamespace(free=inbox.MIN_FREE_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(BadUpload, match="nearly full"):
        inbox.reserve_file(place, 1)
    monkeypatch.setattr(inbox, "MAX_FILES", 0)
    with pytest.raises(BadUpload, match="files"):
        inbox.reserve_file(place, 1)


def test_drafts_of_yesterday_are_cleared_away(place):
    (place / "names.json").write_text(json.dumps([]))
    long_ago = time.time() - inbox.MAX_DRAFT_AGE_SECONDS - 1
    os.utime(place, (long_ago, long_ago))
    inbox.create_draft()
    assert not place.exists()


def test_a_folder_of_a_terminal_is_no_draft(tmp_path):
    (tmp_path / "names.json").write_text("[]")
    assert inbox.read_listing(tmp_path) is None


# --- the same again -------------------------------------------------------------------------------


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.csv"
    words = ("refund", "parcel", "invoice", "login", "praise", "order", "meter", "lamp")
    rows = [f"{one} and {other},{'ab'[len(one) % 2]}" for one in words for other in words]
    path.write_text("\n".join(["text,label", *rows]))
    return path


def kept(path, **columns) -> str:
    reading = uploads.import_upload(path, **columns)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return f"own-{end.value}"


def test_what_has_not_changed_is_known_again(notes):
    assert uploads.find_previous_import(notes, None, None) is None
    key = kept(notes)
    assert uploads.find_previous_import(notes, None, None).key == key


@pytest.mark.parametrize("change", ["longer", "newer", "other columns", "deleted"])
def test_what_has_changed_is_read_anew(notes, change):
    key, columns = kept(notes), (None, None)
    match change:
        case "longer":
            with open(notes, "a") as file:
                file.write("\none more,a")
        case "newer":
            os.utime(notes, (1, 1))
        case "other columns":
            columns = ("label", None)
        case "deleted":
            uploads.delete(key)
    assert uploads.find_previous_import(notes, *columns) is None


def test_a_file_in_a_folder_that_changes_is_noticed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            (tmp_path / "photos" / name / f"{number}.png").write_bytes(png(20 * number))
    before = uploads.fingerprint_source(tmp_path / "photos")
    assert uploads.fingerprint_source(tmp_path / "photos") == before
    (tmp_path / "photos" / "a" / "0.png").write_bytes(png(250) + b"more")
    assert uploads.fingerprint_source(tmp_path / "photos") != before

"""Data sets of the catalog are downloaded completely, or not at all."""

import errno
import gc
import hashlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import huggingface_hub
import pytest
from pyarrow import parquet

from tests.support.publisher import SERVED, UNASKED
from trainers import datasets
from trainers.datasets import catalog, downloads, publishers, uploads
from trainers.datasets.uploads import writer
from trainers.events import JobDone, Progress, Stage
from trainers.jobs import Download
from trainers.networks.download import DownloadError
from trainers.plan import Plan
from trainers.tasks.download import run_download
from trainers.training.run import run

# --- whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", SERVED)
def test_what_a_publisher_has_becomes_a_sample_with_the_same_split(
    key, publisher, monkeypatch, home
):
    classes, train, test = SERVED[key](publisher, monkeypatch)
    events = list(downloads.download(key))
    assert isinstance(events[-1], JobDone)
    assert [type(event) for event in events].count(JobDone) == 1
    assert {type(event) for event in events} == {Stage, Progress, JobDone}
    assert all(0 <= e.done <= e.total for e in events if isinstance(e, Progress))
    row, found = catalog.CATALOG[key], datasets.get_dataset(key)
    data = found.load_splits()
    assert set(data.classes) == classes
    assert (len(data.train.labels), len(data.test.labels)) == (train, test)
    assert (found.key, found.modality, found.matching_answers) == (
        key,
        row.modality,
        row.matching_answers,
    )
    assert found in datasets.list_available()
    assert row.licence in found.origin
    asked = {path for path in publisher.files if not path.endswith(UNASKED)}
    assert set(publisher.asked) == asked, "only what is needed, and all of it"
    assert len(publisher.asked) == len(asked), "and once"
    assert not (home / "downloads" / key).exists(), "the download itself is gone"
    assert own_of_nobody()


def own_of_nobody() -> bool:
    return not uploads.list_uploads("") and not uploads.list_uploads("terminal")


def test_the_publishers_test_stays_the_test(publisher, monkeypatch):
    SERVED["emotion"](publisher, monkeypatch)
    list(downloads.download("emotion"))
    data = datasets.get_dataset("emotion").load_splits()
    table = publishers.HUB_TABLES["emotion"]
    at = f"/datasets/{table.repo}/resolve/{table.revision}/{table.files['test'][0]}"
    published = parquet.read_table(io.BytesIO(publisher.files[at])).to_pydict()
    assert sorted(data.test.inputs) == sorted(published["text"])
    told = dict(zip(data.test.inputs, data.test.labels, strict=True))
    for text, label in zip(published["text"], published["label"], strict=True):
        assert data.classes[told[text]] == table.class_names[label]


def test_of_a_larger_one_a_fixed_choice_is_kept_and_said(publisher, monkeypatch):
    SERVED["rotten_tomatoes"](publisher, monkeypatch)
    monkeypatch.setattr(publishers, "MAX_USED_EXAMPLES", {"images": (5, 3), "text": (6, 3)})
    kept = []
    for _ in range(2):
        list(downloads.download("rotten_tomatoes"))
        found = datasets.get_dataset("rotten_tomatoes")
        data = found.load_splits()
        kept.append((sorted(data.train.inputs), sorted(data.test.inputs)))
        catalog.delete("rotten_tomatoes")
    assert kept[0] == kept[1]
    assert (len(kept[0][0]), len(kept[0][1])) == (6, 3)
    assert "Of 16 examples to learn from, a fixed choice of 6 is kept" in " ".join(found.notices)


@pytest.mark.parametrize("key", ["flowers102", "eurosat", "fashion_mnist"])
def test_of_many_pictures_a_fixed_choice_is_kept_and_said(key, publisher, monkeypatch):
    SERVED[key](publisher, monkeypatch)
    monkeypatch.setattr(publishers, "MAX_USED_EXAMPLES", {"images": (4, 3), "text": (6, 3)})
    list(downloads.download(key))
    found = datasets.get_dataset(key)
    assert sum(learn + test for _, learn, test in found.class_counts) == 7
    assert "a fixed choice of" in " ".join(found.notices)


def test_what_was_downloaded_is_not_downloaded_again(publisher, monkeypatch):
    SERVED["emotion"](publisher, monkeypatch)
    list(downloads.download("emotion"))
    publisher.asked.clear()
    assert [type(event) for event in downloads.download("emotion")] == [JobDone]
    assert publisher.asked == []


def test_a_run_learns_on_it(publisher, monkeypatch):
    SERVED["emotion"](publisher, monkeypatch)
    list(downloads.download("emotion"))
    finished = list(run(Plan(data="emotion", approach="simple", seconds=5)))[-1]
    assert (finished.data, finished.test_examples) == ("emotion", 4)


def test_two_at_once_download_it_once(publisher, monkeypatch):
    SERVED["emotion"](publisher, monkeypatch)
    first = downloads.download("emotion")
    next(first)
    seen = []
    other = threading.Thread(target=lambda: seen.extend(downloads.download("emotion")))
    other.start()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.05)
    list(first)
    other.join()
    assert isinstance(seen[0], Stage)
    assert "Another download" in seen[0].text
    assert isinstance(seen[-1], JobDone)
    assert len(publisher.asked) == 3


def test_what_is_in_the_hubs_cache_is_used_and_left_there(publisher, monkeypatch, home):
    SERVED["ag_news"](publisher, monkeypatch)
    table = publishers.HUB_TABLES["ag_news"]
    for names in table.files.values():
        huggingface_hub.hf_hub_download(
            table.repo, names[0], repo_type="dataset", revision=table.revision
        )
    before = set((home / "hf").rglob("*"))
    publisher.asked.clear()
    list(downloads.download("ag_news"))
    assert publisher.asked == []
    assert set((home / "hf").rglob("*")) == before


def test_the_hubs_variables_are_honoured(publisher, monkeypatch, home, root):
    SERVED["emotion"](publisher, monkeypatch)
    env = os.environ | {"HF_ENDPOINT": publisher.address, "HF_HOME": str(home / "elsewhere")}
    code = "from trainers.datasets import downloads\nlist(downloads.download('emotion'))"
    off = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env | {"HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "HF_HUB_OFFLINE is set" in off.stderr
    assert publisher.asked == []
    code += "\nimport sys\nassert not {'torch', 'datasets'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(publisher.asked) == 3
    assert catalog.is_downloaded("emotion")


def test_the_job_of_a_page_downloads_it_in_a_process_of_its_own(publisher, monkeypatch, home):
    SERVED["emotion"](publisher, monkeypatch)
    monkeypatch.setenv("HF_ENDPOINT", publisher.address)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    path = next(path for path in publisher.files if "validation" in path)
    publisher.hangs = {path}
    job = Download(key="emotion")
    with pytest.raises(DownloadError, match="stopped"):
        for _ in run_download(job, should_stop=lambda: path in publisher.asked):
            pass
    assert not catalog.is_downloaded("emotion")
    publisher.hangs = set()
    events = list(run_download(job, should_stop=lambda: False))
    assert isinstance(events[-1], JobDone)
    assert len(datasets.get_dataset("emotion").load_splits().test.labels) == 4


# --- or not at all ----------------------------------------------------------------------------


def refused(key: str) -> str:
    """The sentence with which it ends."""
    with pytest.raises(catalog.DownloadError) as caught:
        list(downloads.download(key))
    told = str(caught.value)
    assert told.isprintable()
    assert re.search(r"need no network: [a-z, ]+\.$", told)
    assert not catalog.is_downloaded(key)
    assert not list(catalog.dataset_dir(key).parent.glob("*"))
    with pytest.raises(catalog.DatasetNotDownloaded):
        datasets.get_dataset(key)
    return told


ONE_OF_EACH = ["flowers102", "pets", "eurosat", "fashion_mnist", "dtd", "banking77", "ag_news"]


@pytest.mark.parametrize("key", ONE_OF_EACH)
def test_a_cut_leaves_nothing_half_and_the_next_time_is_whole(key, publisher, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DEFAULT_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    _, train, test = SERVED[key](publisher, monkeypatch)
    largest = max(publisher.files, key=lambda path: len(publisher.files[path]))
    publisher.cut = {largest}
    assert re.search("Try again", refused(key))
    publisher.cut = set()
    list(downloads.download(key))
    data = datasets.get_dataset(key).load_splits()
    assert (len(data.train.labels), len(data.test.labels)) == (train, test)


@pytest.mark.parametrize("key", ONE_OF_EACH)
def test_another_checksum_than_published_is_refused(key, publisher, monkeypatch, home):
    SERVED[key](publisher, monkeypatch)
    path = next(path for path in publisher.files if not path.endswith(UNASKED))
    publisher.etags[path] = hashlib.sha256(publisher.files[path]).hexdigest()
    if "resolve" not in path:  # torchvision names the sum itself
        publisher.files[path] += b"more"
    else:
        publisher.etags[path] = "f" * 64
    assert "checksum" in refused(key)
    assert not (home / "downloads" / key).exists()


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("pets", 404),
        ("fashion_mnist", 404),
        ("emotion", 404),
        ("dtd", 500),
        ("ag_news", 403),
        ("banking77", 500),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_the_publisher_answers_is_told(key, status, publisher, monkeypatch):
    SERVED[key](publisher, monkeypatch)
    publisher.files.clear()
    publisher.status = status
    assert f"error {status}" in refused(key)
    gc.collect()  # answers that torchvision leaves open


@pytest.mark.parametrize("key", SERVED)
def test_without_a_network_it_is_said_at_once(key, publisher, monkeypatch):
    SERVED[key](publisher, monkeypatch)
    publisher.shutdown()
    publisher.server_close()
    began = time.monotonic()
    assert "does not answer" in refused(key)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("key", ["dtd", "emotion"])
def test_a_network_that_swallows_everything_is_noticed_in_five_seconds(key, publisher, monkeypatch):
    assert publishers.CONNECT_TIMEOUT_SECONDS < 5
    monkeypatch.setattr(publishers, "CONNECT_TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        publisher.address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        SERVED[key](publisher, monkeypatch)
        began = time.monotonic()
        assert "does not answer" in refused(key)
        assert time.monotonic() - began < 2


def test_a_name_that_is_looked_up_for_ever_is_no_network(publisher, monkeypatch):
    monkeypatch.setattr(publishers, "CONNECT_TIMEOUT_SECONDS", 0.3)
    found = threading.Event()

    def looked_up(*_, **__):
        found.wait(5)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    began = time.monotonic()
    with pytest.raises(catalog.DownloadError, match=r"nowhere\.example does not answer"):
        publishers._require_reachable("http://nowhere.example/")
    assert time.monotonic() - began < 2
    found.set()


def test_that_there_is_no_network_is_known_before_torch_is_imported(root):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    code = (
        "import sys\nfrom trainers.datasets import catalog, downloads, publishers, uploads\n"
        f"publishers.URLS['pets'] = {address!r}\n"
        "try: list(downloads.download('pets'))\n"
        "except catalog.DownloadError as error: print(error)\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "does not answer" in done.stdout


def test_a_small_disk_is_told_before_anything_is_asked_for(publisher, monkeypatch):
    SERVED["pets"](publisher, monkeypatch)
    room = shutil.disk_usage("/")._replace(free=30_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    assert "this disk has 0.0 MB left" in refused("pets")
    assert publisher.asked == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_emptied(number, publisher, monkeypatch, home):
    SERVED["pets"](publisher, monkeypatch)

    def full(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(writer.DatasetWriter, "add", full)
    assert "The disk is full" in refused("pets")
    assert not (home / "downloads" / "pets").exists()


def test_a_killed_download_leaves_nothing_that_counts(publisher, monkeypatch, home, root):
    SERVED["emotion"](publisher, monkeypatch)
    path = next(path for path in publisher.files if "validation" in path)
    publisher.hangs = {path}
    code = "from trainers.datasets import downloads\nlist(downloads.download('emotion'))"
    env = os.environ | {"HF_ENDPOINT": publisher.address, "HF_HOME": str(home / "hf")}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=root, env=env)
    deadline = time.monotonic() + 60
    while path not in publisher.asked and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert path in publisher.asked
    assert not catalog.is_downloaded("emotion")
    publisher.hangs = set()
    publisher.asked.clear()
    list(downloads.download("emotion"))
    assert len(datasets.get_dataset("emotion").load_splits().test.labels) == 4
    assert len(publisher.asked) == 2, "what was whole is not asked for again"
    assert not (home / "downloads" / "emotion").exists()


def test_what_was_cut_while_it_was_unpacked_does_not_pass_for_whole(publisher, monkeypatch, home):
    SERVED["pets"](publisher, monkeypatch)
    for name in ("images", "annotations"):
        (home / "downloads" / "pets" / "oxford-iiit-pet" / name).mkdir(parents=True)
    (catalog.dataset_dir("pets").with_suffix(".part")).mkdir(parents=True)
    list(downloads.download("pets"))
    assert len(datasets.get_dataset("pets").load_splits().train.labels) == 8


def test_closing_it_keeps_nothing(publisher, monkeypatch):
    SERVED["emotion"](publisher, monkeypatch)
    reading = downloads.download("emotion")
    for event in reading:
        if isinstance(event, Stage) and event.key == "convert":
            break
    next(reading)
    reading.close()
    assert not list(catalog.dataset_dir("emotion").parent.glob("*"))
    list(downloads.download("emotion"))
    assert catalog.is_downloaded("emotion")

"""Data sets to download: from a stand-in for their publishers here, whole or not at all."""

import dataclasses
import errno
import gc
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import huggingface_hub
import numpy as np
import pyarrow
import pytest
import torchvision.datasets
from PIL import Image
from pyarrow import parquet
from scipy.io import savemat

from guide import Answers
from trainers import datasets
from trainers.__main__ import main
from trainers.datasets import catalog, downloads, publishers, uploads
from trainers.datasets.uploads import BadUpload, writer
from trainers.datasets.uploads.limits import MAX_USED_EXAMPLES
from trainers.events import JobDone, Progress, Stage
from trainers.jobs import Download
from trainers.networks.download import DownloadError
from trainers.plan import BadPlan, Plan
from trainers.system.paths import data_dir
from trainers.system.registry import UnknownKey
from trainers.tasks.download import run_download
from trainers.training.run import run

every_row = pytest.mark.parametrize("row", catalog.CATALOG.values(), ids=lambda row: row.key)
COMMIT = "c" * 40


class Publisher(ThreadingHTTPServer):
    """Serves `files` by their path; what it is asked for it notes in `asked`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.etags: dict[str, str] = {}
        self.cut: set[str] = set()  # paths of which half is sent, and then nothing more
        self.hangs: set[str] = set()  # ... and then nothing happens
        self.status = 404  # of what is not there
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}).start()


class _Always:
    """Every address is that of the stand-in."""

    def __init__(self, server: Publisher) -> None:
        self.server = server

    def __getitem__(self, _: str) -> str:
        return self.server.address


class _Answer(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answered()

    def do_GET(self) -> None:
        if self.headers.get("Method") == "HEAD":  # how torchvision looks for redirects
            self.answered()
            return
        if not self.path.startswith("/api/"):  # what a library asks on its own account
            self.server.asked.append(self.path)
        raw = self.answered()
        if self.path in self.server.cut | self.server.hangs:
            self.wfile.write(raw[: len(raw) // 2])
            self.wfile.flush()
            if self.path in self.server.hangs:
                time.sleep(60)
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(raw)

    def answered(self) -> bytes:
        raw = self.server.files.get(self.path)
        self.send_response(self.server.status if raw is None else 200)
        self.send_header("Content-Length", str(len(raw or b"")))
        if raw is not None:
            etag = self.server.etags.get(self.path, hashlib.sha256(raw).hexdigest())
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return raw or b""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(downloads, "POLL_SECONDS", 0.05)
    small = {k: dataclasses.replace(v, download_bytes=20_000) for k, v in catalog.CATALOG.items()}
    monkeypatch.setattr(catalog, "CATALOG", MappingProxyType(small))
    server = Publisher()
    monkeypatch.setattr(publishers, "URLS", _Always(server))
    yield server
    server.shutdown()
    server.server_close()


# --- what the publishers have, made small -----------------------------------------------------


def photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, raw in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(raw)
            archive.addfile(about, io.BytesIO(raw))
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def mat(**values) -> bytes:
    out = io.BytesIO()
    savemat(out, values)
    return out.getvalue()


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def serve_flowers102(publisher, monkeypatch):
    publisher.files |= {
        "/102flowers.tgz": tarred({f"jpg/image_{n:05d}.jpg": photo(n) for n in range(1, 13)}),
        "/imagelabels.mat": mat(labels=np.array([1, 2] * 6)),
        "/setid.mat": mat(trnid=np.arange(1, 5), valid=np.arange(5, 7), tstid=np.arange(7, 13)),
    }
    files = {
        "image": ("102flowers.tgz", md5(publisher.files["/102flowers.tgz"])),
        "label": ("imagelabels.mat", md5(publisher.files["/imagelabels.mat"])),
        "setid": ("setid.mat", md5(publisher.files["/setid.mat"])),
    }
    kind = torchvision.datasets.Flowers102
    monkeypatch.setattr(kind, "_download_url_prefix", f"{publisher.address}/")
    monkeypatch.setattr(kind, "_file_dict", files)
    return {"pink primrose", "hard-leaved pocket orchid"}, 6, 6


def serve_pets(publisher, monkeypatch):
    names = [f"{kind}_{n}" for n in range(1, 7) for kind in ("Abyssinian", "basset_hound")]
    told = [f"{name} {1 + n % 2} {1 + n % 2} 1" for n, name in enumerate(names)]
    publisher.files |= {
        "/images.tar.gz": tarred({f"images/{name}.jpg": photo(n) for n, name in enumerate(names)}),
        "/annotations.tar.gz": tarred(
            {
                "annotations/trainval.txt": "\n".join(told[:8]).encode(),
                "annotations/test.txt": "\n".join(told[8:]).encode(),
            }
        ),
    }
    resources = tuple((publisher.address + path, md5(raw)) for path, raw in publisher.files.items())
    monkeypatch.setattr(torchvision.datasets.OxfordIIITPet, "_RESOURCES", resources)
    return {"Abyssinian", "Basset Hound"}, 8, 4


def serve_eurosat(publisher, monkeypatch):
    raw = zipped(
        {
            f"2750/{kind}/{kind}_{n}.jpg": photo(n + 50 * (kind == "River"))
            for kind in ("Forest", "River")
            for n in range(5)
        }
    )
    publisher.files["/EuroSAT.zip"] = raw
    module = sys.modules["torchvision.datasets.eurosat"]
    real = module.download_and_extract_archive

    def redirected(url, **settings):
        return real(
            publisher.address + "/" + url.rpartition("/")[2], **settings | {"md5": md5(raw)}
        )

    monkeypatch.setattr(module, "download_and_extract_archive", redirected)
    return {"Forest", "River"}, 8, 2


def serve_dtd(publisher, monkeypatch):
    names = [f"{kind}/{kind}_{n:04d}.jpg" for n in range(6) for kind in ("banded", "woven")]
    files = {f"dtd/images/{name}": photo(n) for n, name in enumerate(names)}
    for side, part in (("train", names[:4]), ("val", names[4:8]), ("test", names[8:])):
        files[f"dtd/labels/{side}1.txt"] = "\n".join(part).encode()
    publisher.files["/dtd.tar.gz"] = tarred(files)
    kind = torchvision.datasets.DTD
    monkeypatch.setattr(kind, "_URL", f"{publisher.address}/dtd.tar.gz")
    monkeypatch.setattr(kind, "_MD5", md5(publisher.files["/dtd.tar.gz"]))
    return {"banded", "woven"}, 8, 4


def serve_fashion_mnist(publisher, monkeypatch):
    resources = []
    for side, count in (("train", 8), ("t10k", 4)):
        pixels = np.random.default_rng(count).integers(0, 255, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 2).astype(np.uint8)
        for name, head, values in (
            (f"{side}-images-idx3-ubyte.gz", struct.pack(">4i", 0x803, count, 28, 28), pixels),
            (f"{side}-labels-idx1-ubyte.gz", struct.pack(">2i", 0x801, count), labels),
        ):
            raw = gzip.compress(head + values.tobytes())
            publisher.files[f"/{name}"] = raw
            resources.append((name, md5(raw)))
    kind = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(kind, "mirrors", [f"{publisher.address}/"])
    monkeypatch.setattr(kind, "resources", resources)
    return {"T-shirt/top", "Trouser"}, 8, 4


def serve_hub(publisher, monkeypatch, key):
    """What the hub has of one data set, and beside it what nobody should ask for."""
    table = publishers.HUB_TABLES[key]
    number = 0
    for side, names in table.files.items():
        for name in names:
            rows = []
            for label in [0, 1] * (4 if side == "train" else 2):
                number += 1
                value = (
                    label + table.first_label
                    if table.class_names
                    else ("card_arrival", "lost_card")[label]
                )
                text = f"{key} {hashlib.sha256(bytes([number])).hexdigest()}"
                rows.append({table.text_column: text, table.label_column: value, "more": "x"})
            out = io.BytesIO()
            if name.endswith(".jsonl"):
                out.write("".join(json.dumps(row) + "\n" for row in rows).encode())
            else:
                parquet.write_table(pyarrow.Table.from_pylist(rows), out)
            path = f"/datasets/{table.repo}/resolve/{table.revision}/{name}"
            publisher.files[path] = out.getvalue()
    at = f"/datasets/{table.repo}/resolve/{table.revision}"
    publisher.files |= {f"{at}/README.md": b"x", f"{at}/script.py": b"raise SystemExit"}
    template = publisher.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", publisher.address)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(data_dir() / "hf"))
    classes = table.class_names[:2] or ("card arrival", "lost card")
    return set(classes), 8 * len(table.files["train"]), 4


SERVED = {
    "flowers102": serve_flowers102,
    "pets": serve_pets,
    "eurosat": serve_eurosat,
    "fashion_mnist": serve_fashion_mnist,
    "dtd": serve_dtd,
    **{key: partial(serve_hub, key=key) for key in publishers.HUB_TABLES},
}
UNASKED = ("README.md", "script.py")


def test_every_row_has_a_stand_in():
    assert list(SERVED) == list(catalog.CATALOG)


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


# --- known, here, forgotten -------------------------------------------------------------------


@every_row
def test_what_is_not_here_is_said_with_how_to_get_it_and_its_size(row):
    assert not catalog.is_downloaded(row.key)
    command = f"{catalog.format_size(row.download_bytes)}: thaw download {row.key}$"
    with pytest.raises(UnknownKey) as caught:
        datasets.get_dataset(row.key)
    assert re.search(command, str(caught.value))
    with pytest.raises(BadPlan, match=command):
        Plan(data=row.key, approach="transfer")


@every_row
def test_every_row_tells_what_a_visitor_should_know(row):
    Answers(modality=row.modality, **row.matching_answers)
    assert row.key not in datasets.BUNDLED_DATASETS
    assert row.description.endswith((".", "…"))
    assert min(len(row.source), len(row.licence), len(row.subset)) > 2
    most_train, most_test = MAX_USED_EXAMPLES[row.modality]
    assert 0 < row.train_examples <= most_train
    assert 0 < row.test_examples <= most_test


@pytest.mark.parametrize("key", publishers.HUB_TABLES)
def test_numbered_labels_have_as_many_names_as_there_are_classes(key):
    assert len(publishers.HUB_TABLES[key].class_names) in (0, catalog.CATALOG[key].classes)


def test_only_fixed_states_are_downloaded_where_they_are_known():
    loose = {
        k for k, t in publishers.HUB_TABLES.items() if not re.fullmatch("[0-9a-f]{40}", t.revision)
    }
    assert loose == {"medical_abstracts"}


def test_a_downloaded_one_can_be_deleted_and_runs_on_it_still_be_read(
    publisher, monkeypatch, capsys
):
    SERVED["emotion"](publisher, monkeypatch)
    assert main(["delete-data", "emotion", "--yes"]) == 2
    assert "thaw download emotion" in capsys.readouterr().err
    list(downloads.download("emotion"))
    assert main(["datasets"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("emotion"))
    assert "downloaded" in line
    plan = Plan(data="emotion", approach="simple")
    assert main(["delete-data", "emotion", "--yes"]) == 0
    assert not list(catalog.dataset_dir("emotion").glob("*.bin"))
    assert not catalog.is_downloaded("emotion")
    assert "emotion" not in [sample.key for sample in datasets.list_available()]
    assert Plan.from_json(plan.as_json()) == plan
    with pytest.raises(BadUpload, match="deleted"):
        datasets.get_dataset("emotion").load_splits()
    list(downloads.download("emotion"))
    assert len(datasets.get_dataset("emotion").load_splits().test.labels) == 4


def test_here_is_what_comes_with_thaw_and_what_was_downloaded():
    assert datasets.list_available() == list(datasets.BUNDLED_DATASETS.values())


def test_an_unknown_one_is_said():
    with pytest.raises(UnknownKey, match="Did you mean 'pets'"):
        list(downloads.download("pet"))

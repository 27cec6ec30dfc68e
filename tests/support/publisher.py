"""Publishers of data sets, made small: servers on this machine with the same files."""

import dataclasses
import gzip
import hashlib
import io
import json
import socket
import struct
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

from trainers.datasets import catalog, downloads, publishers
from trainers.system.paths import data_dir

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

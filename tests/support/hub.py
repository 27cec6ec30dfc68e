"""Publishers of models on this machine: a file server, and a Hugging Face hub with a tiny model."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 4096


@dataclass
class Publisher:
    """What it serves by path, and how; `asked` notes (method, path, Range)."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    json: dict[str, object] = field(default_factory=dict)
    statuses: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)  # bytes after which it hangs up, once
    slow_seconds: float = 0.0  # before each chunk of a file
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""

    def asked_for(self, path: str) -> list[str | None]:
        return [given for method, asked, given in self.asked if (method, asked) == ("GET", path)]


@contextmanager
def serving(publisher: Publisher) -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = urlsplit(self.path).path
            wanted = self.headers.get("Range")
            publisher.asked.append((self.command, path, wanted))
            if path in publisher.statuses:
                status, headers = publisher.statuses[path]
                self.reply(status, b"", headers)
            elif path in publisher.json:
                self.reply(200, json.dumps(publisher.json[path]).encode() * body, {})
            elif path in publisher.files:
                whole = publisher.files[path]
                start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
                headers = publisher.headers.get(path, {}) | {"Accept-Ranges": "bytes"}
                if start:
                    headers |= {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"}
                self.send(206 if start else 200, whole[start:], headers, body, path)
            else:
                self.reply(200 if path == "/" else 404, b"", {})

        def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send(status, content, headers, True, "")

        def send(self, status, content, headers, body, path) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not body:
                return
            cut = publisher.cuts.pop(path, None)
            try:
                for start in range(0, len(content[:cut]), CHUNK):
                    time.sleep(publisher.slow_seconds if path else 0)
                    self.wfile.write(content[:cut][start : start + CHUNK])
            except OSError:  # the one who asked has gone
                self.close_connection = True
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    publisher.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def publish(publisher: Publisher, repo: str, files: dict[str, bytes], **about: object) -> None:
    """Puts a model of the hub on offer, large files with their SHA-256 as git-lfs has them."""
    siblings, tree = [], []
    for name, content in files.items():
        lfs = name.endswith((".safetensors", ".bin"))
        sha256 = hashlib.sha256(content).hexdigest()
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()  # noqa: S324
        row = {"rfilename": name, "size": len(content), "blobId": blob}
        leaf = {"type": "file", "path": name, "size": len(content), "oid": blob}
        if lfs:
            sizes = {"size": len(content), "pointerSize": 130}
            row["lfs"], leaf["lfs"] = {"sha256": sha256, **sizes}, {"oid": sha256, **sizes}
        siblings.append(row)
        tree.append(leaf)
        path = f"/{repo}/resolve/{COMMIT}/{name}"
        publisher.files[path] = content
        etag = sha256 if lfs else blob
        publisher.headers[path] = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
    info = {"id": repo, "sha": COMMIT, "gated": False, "siblings": siblings, **about}
    publisher.json[f"/api/models/{repo}"] = info
    for name in ("main", COMMIT):
        publisher.json[f"/api/models/{repo}/revision/{name}"] = info
    publisher.json[f"/api/models/{repo}/tree/{COMMIT}"] = tree

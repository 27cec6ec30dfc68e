"""A server that speaks S3, on this machine: moto's."""

import socket
import subprocess
import sys
import time
import urllib.request

BUCKET = "thaw-of-the-tests"


class Server:
    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.process = f"http://127.0.0.1:{self.port}", None
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        if not self.process:
            self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-p", str(self.port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        until = time.monotonic() + 60
        while True:
            try:
                return self.ask("POST", "/moto-api/reset")
            except OSError:
                assert time.monotonic() < until, "moto's server did not come up."
                time.sleep(0.05)

    def stop(self) -> None:
        """What was kept there is gone: it keeps things in its memory."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, method: str, path: str) -> None:
        urllib.request.urlopen(
            urllib.request.Request(self.url + path, method=method), timeout=10
        ).close()

    def emptied(self) -> str:
        """The address of an empty bucket, which is the only one."""
        self.ask("POST", "/moto-api/reset")
        self.ask("PUT", f"/{BUCKET}")
        return f"s3://{BUCKET}/a/prefix"

"""Upload of data: a file or a folder, or class by class with files and the camera.

A component of our own, since `st.file_uploader` holds uploads in the app's memory; here the browser
sends each file to a route that streams it to the disk.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from trainers.datasets.uploads import BadUpload, inbox
from trainers.datasets.uploads.limits import MAX_BYTES
from trainers.hosting import quotas

_SCRIPT = Path(__file__).with_name("data_upload.js")
_STYLE = Path(__file__).with_name("data_upload.css")
_SCRIPT_URL = "assets/add_data.js"
_DEFAULT_BODY_BYTES = 1024  # limit for a request without a Content-Length


async def _serve_script(_: Request) -> FileResponse:
    return FileResponse(
        _SCRIPT, media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


async def receive_upload(request: Request) -> Response:
    """Write the body to a file of the draft; answer {"file": name} or {"error": sentence}."""
    place = inbox.find_draft(request.path_params["draft"])
    if place is None:
        return _error_response(
            404, "This page is from yesterday. Load it again, and add the files again."
        )
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else _DEFAULT_BODY_BYTES
    try:
        file = await to_thread.run_sync(quotas.new_file, place, size)
    except BadUpload as error:
        return _error_response(413, str(error))
    written = 0
    try:
        with open(file, "xb") as out:
            async for chunk in request.stream():
                written += len(chunk)
                if written > max(size, _DEFAULT_BODY_BYTES) or written > MAX_BYTES:
                    raise BadUpload("More came than was announced, so it was not kept.")
                out.write(chunk)
    except ClientDisconnect:
        file.unlink(missing_ok=True)
        return _error_response(400, "The connection broke off.")
    except BadUpload as error:
        file.unlink(missing_ok=True)
        return _error_response(413, str(error))
    except OSError as error:
        file.unlink(missing_ok=True)
        return _error_response(507, f"The file could not be written ({error.strerror}).")
    return JSONResponse({"file": file.name})


def _error_response(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)


routes = [
    Route("/upload/{draft:str}", receive_upload, methods=["PUT"]),
    Route(f"/{_SCRIPT_URL}", _serve_script),
]

_mount = st.components.v2.component(
    "add_data",
    html='<div class="add"></div>',
    css=_STYLE.read_text(encoding="utf-8"),
    # Short, since it is sent with every update; without the line break it would be read as a path.
    js=f"export default async component =>\n"
    f'  (await import(new URL("{_SCRIPT_URL}", document.baseURI))).default(component)',
)


class Upload(NamedTuple):
    """A finished upload: all files are on the disk. From the browser, so not yet checked."""

    files: list  # [file, [path part, …]] each
    title: str


def draw_data_upload(mode: Literal["files", "classes"], *, draft: str, key: str) -> Upload | None:
    """Draw the form, which sends files to `draft`; return the upload once, when all arrived."""
    state = _mount(key=key, data={"mode": mode, "draft": draft}, on_ready_change=lambda: None)
    match state.ready:
        case {"files": [*files], "title": str(title)}:
            return Upload(files, title)
    return None

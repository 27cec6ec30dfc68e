"""Bringing data of one's own: a file or a folder, or class by class with files and the camera.

A component, since `st.file_uploader` holds what it is given in the memory of the app; here the
browser sends each file to a route that writes it to the disk as it comes.
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
_DEFAULT_BODY_BYTES = 1024  # bytes of a request that are not known beforehand


async def _serve_script(_: Request) -> FileResponse:
    return FileResponse(
        _SCRIPT, media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


async def receive_upload(request: Request) -> Response:
    """Writes the body to a file of the draft; 200 and {"file": …}, or {"error": a sentence}."""
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
    # One line, since it is sent with every update; the line break keeps it from being a path.
    js=f"export default async component =>\n"
    f'  (await import(new URL("{_SCRIPT_URL}", document.baseURI))).default(component)',
)


class Upload(NamedTuple):
    """What the visitor has sent: all files are on the disk."""

    files: list  # [file, [part, …]] each, as inbox.named takes it; not yet checked
    title: str  # what they called it


def draw_data_upload(mode: Literal["files", "classes"], *, draft: str, key: str) -> Upload | None:
    """Draw where `key` was drawn before; files go to the draft. Not None once: when all came."""
    told = _mount(key=key, data={"mode": mode, "draft": draft}, on_ready_change=lambda: None)
    match told.ready:
        case {"files": [*files], "title": str(title)}:
            return Upload(files, title)
    return None

"""A Plotly chart that is updated in place: no remount, no blank frame, zoom kept.

`st.plotly_chart` remounts its DOM on every change of the data (24 of 24 updates measured); this
keeps one element and calls `Plotly.react`. plotly.js comes from the installed package.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from plotly.offline import get_plotlyjs_version
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

_SCRIPT = Path(__file__).with_name("live_plot.js")
_LIBRARY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_LIBRARY_URL = f"assets/plotly-{get_plotlyjs_version()}.min.js"
_SCRIPT_URL = "assets/live_plot.js"
_IMMUTABLE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable"
}  # its URL has its version


async def _serve_library(_: Request) -> FileResponse:
    return FileResponse(_LIBRARY, media_type="text/javascript", headers=_IMMUTABLE_HEADERS)


async def _serve_script(_: Request) -> FileResponse:
    return FileResponse(
        _SCRIPT, media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


routes = [Route(f"/{_LIBRARY_URL}", _serve_library), Route(f"/{_SCRIPT_URL}", _serve_script)]

_mount = st.components.v2.component(
    "live_plot",
    html='<figure style="margin:0"><div class="thaw-plot" role="img"></div>'
    '<figcaption class="thaw-words"></figcaption></figure>',
    css=".thaw-words { position:absolute; width:1px; height:1px; overflow:hidden;\n"
    " clip-path: inset(50%); white-space:nowrap }\n"
    ".thaw-plot.clickable .nsewdrag { cursor:pointer }",
    # One line, since it is sent with every update; the line break keeps it from being a path.
    js=f"export default async component =>\n"
    f'  (await import(new URL("{_SCRIPT_URL}", document.baseURI))).default(component)',
    isolate_styles=False,  # Plotly writes its styles to the document's head
)


def draw_live_plot(
    figure: dict, *, key: str, alt: str, on_click: Callable[[Any], None] | None = None
) -> None:
    """Draw `figure` (plain Plotly JSON with a height) where it was drawn before under `key`.

    `alt` says in words what it shows now, for those who do not see it. `on_click` is called with
    Plotly's number of the mark that was clicked ([row, column] in a heatmap), before the page runs
    again. It is what a browser sent: to be checked. What it does must also work by keyboard.
    """
    data = {"figure": figure, "alt": alt, "library": _LIBRARY_URL, "clickable": bool(on_click)}
    if on_click is None:
        _mount(key=key, data=data)
        return
    _mount(
        key=key,
        data=data,
        on_clicked_change=lambda: on_click(st.session_state[key].get("clicked")),
    )

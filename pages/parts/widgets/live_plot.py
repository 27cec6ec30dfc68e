"""A Plotly chart that updates in place: no remount, no blank frame, and the zoom stays.

`st.plotly_chart` remounts its DOM whenever the data changes (measured: 24 of 24 updates). This
component keeps one element and calls `Plotly.react`; plotly.js comes from the installed package.
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
# The URL contains the version.
_IMMUTABLE_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}


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
    # Short, since it is sent with every update; without the line break it would be read as a path.
    js=f"export default async component =>\n"
    f'  (await import(new URL("{_SCRIPT_URL}", document.baseURI))).default(component)',
    isolate_styles=False,  # Plotly writes its styles to the document's head
)


def draw_live_plot(
    figure: dict, *, key: str, alt: str, on_click: Callable[[Any], None] | None = None
) -> None:
    """Draw `figure` (Plotly JSON with a height), or update the chart with the same `key`.

    `alt` describes what it shows now, for screen readers. `on_click` is called before the rerun
    with Plotly's point number of the clicked mark ([row, column] in a heatmap); check it, since it
    comes from a browser. Whatever it does must also be possible by keyboard.
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

"""Thaw: `streamlit run app.py`. The process around the pages: workers, routes, headers."""

import os
import sys
from contextlib import asynccontextmanager
from secrets import token_urlsafe

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import net_util
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from pages.parts.session.content_security import POLICY
from pages.parts.session.visitor import COOKIE
from pages.parts.widgets.data_upload import routes as upload_routes
from pages.parts.widgets.live_plot import routes as plot_routes
from trainers.hosting.retention import Tidying
from trainers.store import store
from trainers.system import settings
from trainers.system.errors import NoStore, in_full, said
from trainers.system.processes import open_more
from trainers.workers.supervisor import Workers

HEAVY = ("torch", "torchvision", "transformers", "peft")  # only workers import these
A_YEAR_SECONDS = 365 * 24 * 3600

# At each request of another site's page Streamlit would ask a service on the internet for our
# address, to compare it with the request's Origin, and answer nobody else meanwhile. Whoever is
# reached by such an address names it: `browser.serverAddress` or `server.corsAllowedOrigins`.
net_util.get_external_ip = lambda: None

_clear = ForwardMsgQueue.clear


def _cleared(
    queue: ForwardMsgQueue,
    retain_lifecycle_msgs: bool = False,
    fragment_ids_this_run: list[str] | None = None,
) -> None:
    """As Streamlit clears what is not sent yet, but for a fragment's run: nothing is dropped then.

    It would drop that fragment's blocks, and keep what stands in them and belongs to a fragment of
    its own, or is only named since the browser knows it. The browser finds no place for those, and
    the whole page goes blank, as seen on a busy computer when Cancel met a tick of the run."""
    if fragment_ids_this_run:
        queue._delta_index_map = {}  # what comes next stands after the run's begin, not before it
    else:
        _clear(queue, retain_lifecycle_msgs)


ForwardMsgQueue.clear = _cleared


@asynccontextmanager
async def lifespan(_):
    """The workers live as long as the app."""
    try:
        settings.checked()
        workers = Workers(store())
    except (settings.BadSetting, NoStore) as error:
        # What the server makes of an error here is a page of traceback; nothing has begun yet.
        print(f"\nThaw cannot start. {error}", file=sys.stderr, flush=True)
        os._exit(2)
    open_more()
    with workers, Tidying():
        yield


def health(_: Request) -> JSONResponse:  # no coroutine: it may wait for the database
    """Whether runs can start, and that this process stays light."""
    try:
        ready = store().ready_workers()
    except SQLAlchemyError as error:
        problem = (said if settings.hosted() else in_full)(error)
        return JSONResponse({"ready_workers": 0, "problem": problem}, 503)
    return JSONResponse(
        {
            "ready_workers": ready,
            "heavy_modules": [name for name in HEAVY if name in sys.modules],
        }
    )


class Headers:
    """Gives a new visitor a key of their own, and tells browsers what pages may not do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        known = COOKIE in request.cookies
        # A proxy says how it was reached; who says so untruly harms their own cookie alone.
        secure = "https" in (scope["scheme"], request.headers.get("x-forwarded-proto"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFETY_HEADERS]
                if not known and scope["path"].rpartition("/")[2] in PAGES:
                    cookie = f"{COOKIE}={token_urlsafe(16)}; Path=/; Max-Age={A_YEAR_SECONDS}"
                    value = f"{cookie}; HttpOnly; SameSite=Lax{'; Secure' * secure}"
                    message["headers"].append((b"set-cookie", value.encode()))
            await send(message)

        await self.app(scope, receive, send_with_headers)


SAFETY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),  # a run's link is its key: do not hand it to others
    (b"content-security-policy", POLICY.encode()),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
PAGES = ("", "data", "run", "compare", "claims", "runs", "room", "learn")

app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=[*plot_routes, *upload_routes, Route("/health", health)],
    middleware=[Middleware(Headers)],
)

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

from pages.parts.session.content_security import CONTENT_SECURITY_POLICY
from pages.parts.session.visitor import VISITOR_COOKIE
from pages.parts.widgets.data_upload import routes as upload_routes
from pages.parts.widgets.live_plot import routes as plot_routes
from trainers.hosting.retention import CleanupThread
from trainers.hosting.rooms import Rooms
from trainers.store import get_store
from trainers.system import settings
from trainers.system.errors import StoreUnavailable, operator_message, user_message
from trainers.system.processes import raise_open_file_limit
from trainers.workers.supervisor import WorkerSupervisor

HEAVY_MODULES = ("torch", "torchvision", "transformers", "peft")  # only workers import these
YEAR_SECONDS = 365 * 24 * 3600

# At each request of another site's page Streamlit would ask a service on the internet for our
# address, to compare it with the request's Origin, and answer nobody else meanwhile. Whoever is
# reached by such an address names it: `browser.serverAddress` or `server.corsAllowedOrigins`.
net_util.get_external_ip = lambda: None

_original_clear = ForwardMsgQueue.clear


def _clear_unless_fragment(
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
        _original_clear(queue, retain_lifecycle_msgs)


ForwardMsgQueue.clear = _clear_unless_fragment


@asynccontextmanager
async def lifespan(_):
    """The workers live as long as the app."""
    try:
        settings.get_settings()
        store = get_store()
        workers = WorkerSupervisor(store, sweepers=[Rooms(store).purge_expired])
    except (settings.BadSetting, StoreUnavailable) as error:
        # What the server makes of an error here is a page of traceback; nothing has begun yet.
        print(f"\nThaw cannot start. {error}", file=sys.stderr, flush=True)
        os._exit(2)
    raise_open_file_limit()
    with workers, CleanupThread():
        yield


def check_health(_: Request) -> JSONResponse:  # no coroutine: it may wait for the database
    """Whether runs can start, and that this process stays light."""
    try:
        ready = get_store().count_ready_workers()
    except SQLAlchemyError as error:
        problem = (user_message if settings.is_hosted() else operator_message)(error)
        return JSONResponse({"ready_workers": 0, "problem": problem}, 503)
    return JSONResponse(
        {
            "ready_workers": ready,
            "heavy_modules": [name for name in HEAVY_MODULES if name in sys.modules],
        }
    )


class HeadersMiddleware:
    """Gives a new visitor a key of their own, and tells browsers what pages may not do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        known = VISITOR_COOKIE in request.cookies
        # A proxy says how it was reached; who says so untruly harms their own cookie alone.
        secure = "https" in (scope["scheme"], request.headers.get("x-forwarded-proto"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
                if not known and scope["path"].rpartition("/")[2] in PAGE_PATHS:
                    cookie = f"{VISITOR_COOKIE}={token_urlsafe(16)}; Path=/; Max-Age={YEAR_SECONDS}"
                    value = f"{cookie}; HttpOnly; SameSite=Lax{'; Secure' * secure}"
                    message["headers"].append((b"set-cookie", value.encode()))
            await send(message)

        await self.app(scope, receive, send_with_headers)


SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),  # a run's link is its key: do not hand it to others
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
PAGE_PATHS = ("", "data", "run", "compare", "claims", "runs", "room", "learn")

app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=[*plot_routes, *upload_routes, Route("/health", check_health)],
    middleware=[Middleware(HeadersMiddleware)],
)

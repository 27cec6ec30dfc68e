"""Thaw: `thaw`, or `streamlit run app.py`. Starts the workers and serves the pages.

The pages are listed in pages/frame.py.
"""

import os
import sys
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from pages.parts.server import fragment_queue
from pages.parts.server.health import check_health
from pages.parts.server.middleware import HeadersMiddleware, OriginMiddleware
from pages.parts.widgets.data_upload import routes as upload_routes
from pages.parts.widgets.live_plot import routes as plot_routes
from trainers.hosting.cleanup import CleanupThread
from trainers.hosting.rooms import Rooms
from trainers.store import get_store
from trainers.system.errors import StoreUnavailable
from trainers.system.processes import raise_open_file_limit
from trainers.system.settings import BadSetting, get_settings
from trainers.workers.supervisor import WorkerSupervisor


@asynccontextmanager
async def lifespan(_):
    """Keep the workers running for as long as the app."""
    try:
        get_settings()
        store = get_store()
        workers = WorkerSupervisor(store, sweepers=[Rooms(store).purge_expired])
    except (BadSetting, StoreUnavailable) as error:
        # Raised here, it would be a page of traceback. Nothing has been started yet.
        print(f"\nThaw cannot start. {error}", file=sys.stderr, flush=True)
        os._exit(2)
    raise_open_file_limit()
    with workers, CleanupThread():
        yield


fragment_queue.apply()
app = st.App(
    "pages/frame.py",
    lifespan=lifespan,
    routes=[*plot_routes, *upload_routes, Route("/health", check_health)],
    middleware=[Middleware(OriginMiddleware), Middleware(HeadersMiddleware)],
)

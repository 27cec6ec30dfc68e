"""The health check, for whoever watches the server."""

import sys

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse

from trainers.store import get_store
from trainers.system.errors import operator_message, user_message
from trainers.system.settings import is_hosted

HEAVY_MODULES = ("torch", "torchvision", "transformers", "peft")  # only workers import these


def check_health(_: Request) -> JSONResponse:  # not a coroutine: it may wait for the database
    """Answer whether runs can start, and which heavy modules this process has loaded (none)."""
    try:
        ready = get_store().count_ready_workers()
    except SQLAlchemyError as error:
        problem = (user_message if is_hosted() else operator_message)(error)
        return JSONResponse({"ready_workers": 0, "problem": problem}, 503)
    loaded = [name for name in HEAVY_MODULES if name in sys.modules]
    return JSONResponse({"ready_workers": ready, "heavy_modules": loaded})

"""ASGI middleware: who may open a session, the visitor's cookie, and the security headers."""

from secrets import token_urlsafe
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, net_util

from pages.parts.session.content_security import CONTENT_SECURITY_POLICY
from pages.parts.session.visitor import VISITOR_COOKIE

YEAR_SECONDS = 365 * 24 * 3600
LOCAL_HOSTS = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - as Streamlit has them
PAGE_PATHS = ("", "data", "run", "compare", "claims", "runs", "room", "learn")
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),  # a run's address is its key: other sites must not see it
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class OriginMiddleware:
    """Refuse a websocket that a page of another site opens, with 403.

    Streamlit 1.67 refuses it too. But first it asks checkip.amazonaws.com for this computer's
    address, to compare it with the Origin, and blocks every session meanwhile
    (https://github.com/streamlit/streamlit/issues/7721). Whoever is reached at such an address
    names it: `browser.serverAddress` or `server.corsAllowedOrigins`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if any(is_foreign(origin, host) for origin in headers.getlist("origin")):
                await receive()  # the request to connect
                await send({"type": "websocket.close", "code": 1008})  # the server answers 403
                return
        await self.app(scope, receive, send)


def is_foreign(origin: str, host: str) -> bool:
    """Return whether `origin` is another site than `host`, by Streamlit's own settings."""
    if urlsplit(origin).netloc == host or not config.get_option("server.enableCORS"):
        return False
    allowed = [*LOCAL_HOSTS, net_util.get_internal_ip()]
    if config.is_manually_set("browser.serverAddress"):
        allowed.append(_hostname(config.get_option("browser.serverAddress")))
    allowed += [_hostname(url) for url in config.get_option("server.corsAllowedOrigins")]
    return not (site := _hostname(origin)) or site not in allowed


def _hostname(address: str) -> str | None:
    address = address.strip()
    return urlsplit(address if "://" in address else f"//{address}").hostname


class HeadersMiddleware:
    """Give a new visitor a cookie, and tell browsers what pages may not do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        is_new = VISITOR_COOKIE not in request.cookies
        # The proxy's word. A visitor who forges it harms only their own cookie.
        secure = "https" in (scope["scheme"], request.headers.get("x-forwarded-proto"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
                if is_new and scope["path"].rpartition("/")[2] in PAGE_PATHS:
                    cookie = f"{VISITOR_COOKIE}={token_urlsafe(16)}; Path=/; Max-Age={YEAR_SECONDS}"
                    value = f"{cookie}; HttpOnly; SameSite=Lax{'; Secure' * secure}"
                    message["headers"].append((b"set-cookie", value.encode()))
            await send(message)

        await self.app(scope, receive, send_with_headers)

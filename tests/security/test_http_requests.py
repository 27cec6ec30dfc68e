"""Requests that no browser of a visitor would make, sent to a started app."""

import contextlib
import json
import re
import socket
import urllib.error
import urllib.request
from http.cookies import SimpleCookie

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.hostile import at_home
from trainers.datasets.uploads import inbox

PAGES = ("", "data", "run", "compare", "claims", "runs", "room", "learn")
EVIL = "http://evil.example"


def asked(app, path: str, method="GET", body=None, **headers) -> tuple[int, dict, bytes]:
    """Status, headers and body, of a path that is sent as it stands."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(app.url, data=body, method=method, headers=given)
    request.selector = path
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


# --- what every answer says -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, "health", "assets/live_plot.js", "no/such/page"])
def test_every_answer_tells_the_browser_what_it_may_not_do(app, path):
    _, told, _ = asked(app, f"/{path}")
    assert told["x-content-type-options"] == "nosniff"
    assert told["x-frame-options"] == "SAMEORIGIN"
    assert told["referrer-policy"] == "same-origin"
    assert told["cross-origin-opener-policy"] == "same-origin"
    assert "geolocation=()" in told["permissions-policy"]
    rules = dict(one.strip().split(" ", 1) for one in told["content-security-policy"].split(";"))
    assert rules["default-src"] == "'self'"
    assert rules["object-src"] == "'none'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'self'"
    for what, whence in rules.items():
        assert "http" not in whence
        assert "*" not in whence
        assert "unsafe-eval" not in whence
        assert what == "style-src" or "unsafe-inline" not in whence
    assert "access-control-allow-origin" not in told


def test_a_visitor_s_key_is_new_and_for_no_script(app):
    keys = []
    for _ in range(2):
        _, told, _ = asked(app, "/")
        ((name, morsel),) = SimpleCookie(told["set-cookie"]).items()
        assert (name, morsel["httponly"], morsel["samesite"]) == ("thaw_visitor", True, "Lax")
        assert not morsel["secure"]  # plain http, on somebody's own computer
        keys.append(morsel.value)
    assert len(set(keys)) == 2
    assert all(re.fullmatch(r"[\w-]{22}", key) for key in keys)


def test_behind_https_the_key_is_sent_by_https_alone(app):
    _, told, _ = asked(app, "/", X_Forwarded_Proto="https")
    assert "; Secure" in told["set-cookie"]


# --- pages of other sites -------------------------------------------------------------------------


def stream(app, **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(
        f"ws://localhost:{app.port}/_stcore/stream",
        additional_headers=given,
        subprotocols=["streamlit"],
        open_timeout=30,
    )


def test_a_page_of_this_server_may_open_a_session(app):
    with stream(app, Origin=app.url) as socket_:
        assert socket_.subprotocol == "streamlit"


@pytest.mark.parametrize(
    "origin", [EVIL, "https://share.streamlit.io", "http://127.0.0.1.nip.io", "null"]
)
def test_a_page_of_another_site_may_not(app, origin):
    with pytest.raises(InvalidStatus) as caught, stream(app, Origin=origin):
        pass
    assert caught.value.response.status_code == 403
    # Streamlit's own way to find out whether that is this computer.
    assert not [line for line in app.noted() if line.split()[1] != "watched"]


def test_no_other_site_may_read_an_answer_or_send_a_file(app):
    for path in ("/", "/health", "/_stcore/health", "/_stcore/host-config"):
        _, told, _ = asked(app, path, Origin=EVIL)
        assert told.get("access-control-allow-origin") in (None, "http://localhost:8501")
    with at_home(app.home):
        draft = inbox.create_draft("somebody-of-the-tests")
    code, told, _ = asked(app, f"/upload/{draft}", "OPTIONS", Origin=EVIL,
                          Access_Control_Request_Method="PUT")  # fmt: skip
    assert code == 405  # and so no browser sends the PUT
    assert "access-control-allow-origin" not in told


def test_a_file_without_the_token_is_refused(app):
    body = (
        b'--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nhello\r\n--x--\r\n'
    )
    kind = "multipart/form-data; boundary=x"
    code, _, said = asked(app, "/_stcore/upload_file/some-session/some-file", "PUT", body,
                          Content_Type=kind)  # fmt: skip
    assert code == 403
    assert b"XSRF" in said
    code, _, _ = asked(app, "/_stcore/upload_file/some-session/some-file", "DELETE")
    assert code == 403
    code, _, _ = asked(app, "/_stcore/upload_file/s/f", "PUT", body, Content_Type=kind,
                       Cookie="_streamlit_xsrf=2|aaaaaaaa|bbbb|1", X_Xsrftoken="guess")  # fmt: skip
    assert code == 403


def test_the_interface_for_programs_is_off(app):
    for path in ("interact", "mcp"):
        code, _, said = asked(app, f"/_stcore/agent/{path}", "POST", b"{}",
                              Content_Type="application/json")  # fmt: skip
        assert code >= 400
        assert b"does not serve the agent API" in said


# --- files ----------------------------------------------------------------------------------------

OUTSIDE = [
    "/../app.py", "/..%2fapp.py", "/%2e%2e/%2e%2e/etc/passwd", "/static/../../../../etc/passwd",
    "/static/..%2f..%2f..%2fetc%2fpasswd", "/static//etc/passwd", "//etc/passwd", "/app/static/",
    "/static/%00", "/assets/../app.py", "/assets/..%2f..%2fapp.py", "/media/../../etc/passwd",
    "/component/..%2f..%2fetc%2fpasswd", "/.streamlit/config.toml", "/.git/config", "/app.py",
    "/pages/run.py", "/thaw.db", "/static/..\\..\\app.py", "/_stcore/../app.py", "/inbox/",
    "/\\\\evil.example\\share",
]  # fmt: skip
SECRETS = (b"root:", b"st.App(", b"[server]", b"[core]", b"SQLite format", b"import streamlit")


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_to_a_file_that_is_not_served(app, path):
    code, told, body = asked(app, path)
    assert not [one for one in SECRETS if one in body]
    # The app's own page stands for any address that nothing else has.
    assert code in (400, 403, 404, 405) or told["content-type"].startswith("text/html")


@pytest.mark.parametrize("folder", ["/static/", "/static/js/", "/assets/", "/media/", "/upload/"])
def test_no_folder_is_listed(app, folder):
    _, _, body = asked(app, folder)
    assert b'live_plot.js"' not in body
    assert b"Directory listing" not in body
    assert b"Index of" not in body


@pytest.mark.parametrize("draft", ["x", "0" * 32, "..%2f..%2fetc", "%00", "a" * 5000, "../../x"])
def test_a_file_goes_to_a_draft_of_a_page_or_nowhere(app, draft):
    before = sorted(app.home.rglob("*"))
    code, _, _ = asked(app, f"/upload/{draft}", "PUT", b"hello")
    assert code in (400, 404, 405, 414, 431)
    new = set(app.home.rglob("*")) - set(before)
    assert not [file for file in new if "thaw.db" not in file.name]


def test_more_than_was_announced_is_not_kept(app):
    """A request may lie about its length: as chunks it says none."""
    with at_home(app.home):
        draft = inbox.create_draft("somebody-of-the-tests")
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as line:
        head = (
            f"PUT /upload/{draft} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        line.sendall(head.encode() + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n")
        answer = line.recv(65536)
    assert b" 413 " in answer.split(b"\r\n", 1)[0]
    place = app.home / "inbox" / draft
    assert not [file for file in place.iterdir() if inbox.FILE_KEY.fullmatch(file.name)]


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/upload/x", "/health?x=%ff%00", "/media/nothing.png", "/run?run=%00"]
)
def test_no_answer_has_a_traceback(app, path):
    for method in ("GET", "POST", "PUT", "HEAD"):
        code, _, body = asked(app, path, method, b"x" if method in ("POST", "PUT") else None)
        assert code != 500
        assert b"Traceback" not in body


def test_what_is_told_of_the_server_names_no_place_on_it(app):
    for path in ("/health", "/_stcore/health", "/_stcore/host-config"):
        _, _, body = asked(app, path)
        assert str(app.home).encode() not in body
        assert b"/home/" not in body
    assert json.loads(asked(app, "/health")[2]).keys() == {"ready_workers", "heavy_modules"}


# --- requests that are no requests ----------------------------------------------------------------

HOST = b"Host: localhost\r\nConnection: close\r\n"
LONG = b"1" + b"0" * 400
WEBSOCKET = (
    b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
    b"Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
MALFORMED = {
    "a header of 2 MB": (b"GET / HTTP/1.1\r\nX: " + b"a" * 2_000_000 + b"\r\n" + HOST, 400),
    "20,000 headers": (
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + HOST, 400),
    "a cookie that is no text": (
        b'GET / HTTP/1.1\r\nCookie: thaw_visitor=\xff\xfe"; Path\r\n' + HOST, 200),
    "a negative length": (b"PUT /upload/x HTTP/1.1\r\nContent-Length: -5\r\n" + HOST, 400),
    "a length of 401 figures": (
        b"PUT /upload/x HTTP/1.1\r\nContent-Length: " + LONG + b"\r\n" + HOST, 400),
    "two lengths": (
        b"PUT /upload/x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 50\r\n" + HOST, 400),
    "a part that begins at a number of 401 figures": (
        b"GET /media/x.png HTTP/1.1\r\nRange: bytes=" + LONG + b"-\r\n" + HOST, 404),
    "a picture of that number": (b"GET /media/" + LONG + b" HTTP/1.1\r\n" + HOST, 404),
    "a run of that number": (b"GET /run?run=" + LONG + b" HTTP/1.1\r\n" + HOST, 200),
    "a component's file up": (
        b"GET /component/x/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1\r\n" + HOST, 400),
    "a component's file up, newer": (
        b"GET /_stcore/bidi-components/every_page/%2e%2e%2fpage.py HTTP/1.1\r\n" + HOST, 400),
    "a file without a session": (
        b"PUT /_stcore/upload_file/x/y HTTP/1.1\r\nContent-Length: 0\r\n" + HOST, 403),
    "a websocket of two origins": (
        WEBSOCKET + b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_request_is_refused_and_the_next_is_answered(what, app):
    request, code = MALFORMED[what]
    answer = b""
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as line:
        with contextlib.suppress(ConnectionError):  # it hears the end no more
            line.sendall(request + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while more := line.recv(65536):
                answer += more
    # Who is cut off in the middle of 2 MB may not hear why.
    assert answer.startswith(b"HTTP/1.1 %d " % code) or (not answer and code == 400)
    assert not [one for one in (*SECRETS, b"Traceback", b"def ") if one in answer]
    assert asked(app, "/_stcore/health")[0] == 200
    assert "Traceback" not in app.log.read_text()

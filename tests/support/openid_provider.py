"""A provider of OpenID Connect on this machine, for tests: it signs everybody in who comes, as the
person that it was told to expect."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "thaw-of-the-tests", "not-a-secret-of-anybody"


class Provider(ThreadingHTTPServer):
    """`person` is who the next visitor turns out to be: claims of an ID token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "tests", "use": "sig"})
        self.person = {"sub": "1", "name": "Ann", "email": "ann@example.org"}
        self.codes: dict[str, dict] = {}

    def token(self, asked: dict) -> str:
        now = int(time.time())
        claims = self.person | {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 600}
        if "nonce" in asked:
            claims["nonce"] = asked["nonce"]
        return jwt.encode({"alg": "RS256", "kid": "tests"}, claims, self.key)


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        match at.path:
            case "/.well-known/openid-configuration":
                url = self.server.url
                self._say(
                    {
                        "issuer": url,
                        "authorization_endpoint": f"{url}/authorize",
                        "token_endpoint": f"{url}/token",
                        "jwks_uri": f"{url}/keys",
                        "response_types_supported": ["code"],
                        "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                    }
                )
            case "/keys":
                self._say({"keys": [self.server.key.as_dict(private=False)]})
            case "/authorize":
                asked = {name: values[0] for name, values in parse_qs(at.query).items()}
                code = secrets.token_urlsafe(8)
                self.server.codes[code] = asked
                back = urlencode({"code": code, "state": asked["state"]})
                self.send_response(302)
                self.send_header("Location", f"{asked['redirect_uri']}?{back}")
                self.end_headers()
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = self.server.codes.pop(sent["code"][0])
        if challenge := asked.get("code_challenge"):
            proof = hashlib.sha256(sent["code_verifier"][0].encode()).digest()
            assert base64.urlsafe_b64encode(proof).decode().rstrip("=") == challenge
        token = {"access_token": "a", "token_type": "Bearer", "expires_in": 600}
        self._say(token | {"id_token": self.server.token(asked)})

    def _say(self, what: dict) -> None:
        content = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def secrets_toml(server: Provider, app: str) -> str:
    return f"""
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "a-cookie-secret-of-the-tests-0123456789"
client_id = "{CLIENT}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "{server.url}/.well-known/openid-configuration"
"""

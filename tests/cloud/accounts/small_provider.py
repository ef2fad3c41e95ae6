"""A small identity provider of the tests: conforming as it stands, and lying where a test tells it to.

It checks what a strict provider checks (client, redirect address, PKCE) and signs ID tokens by RS256.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "sonorelay-console"
SECRET = "only between us"
Claims = dict[str, Any]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _joined(header: Claims, claims: Claims) -> str:
    return ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))


def new_key() -> RSAKey:
    """A key that signs."""
    return RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})


@functools.cache
def _usual_key() -> RSAKey:
    return new_key()


class SmallProvider:
    """One provider on a free port of this machine. `person` signs in at it; `lie` alters what it then says."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.person: Claims = {}
        self.lie: Callable[[Claims], None] = lambda _: None
        self.sign: Callable[[Claims], str] = self.signed
        self.description_lie: Mapping[str, Any] = {}
        self.user_info: Claims = {}
        self.key = _usual_key()
        self.asked: list[str] = []
        self._codes: dict[str, Claims] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://{host}:{self._server.server_port}"

    def sign_in(self, address: str) -> tuple[str, str]:
        """The person signs in at `address`: state and code that they come back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (CLIENT, "code", "S256") == (
            query["client_id"],
            query["response_type"],
            query["code_challenge_method"],
        )
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = query
        return query["state"], code

    def signed(self, claims: Claims) -> str:
        """An ID token as it should be."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def unsigned(self, claims: Claims) -> str:
        """An ID token with alg none."""
        return f"{_joined({'alg': 'none', 'typ': 'JWT'}, claims)}."

    def signed_by_the_public_key(self, claims: Claims) -> str:
        """The classic confusion: HS256 with the public key, which everybody has, as the secret."""
        text = _joined({"alg": "HS256", "kid": "one"}, claims)
        digest = hmac.digest(self.key.as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{_b64(digest)}"

    def _token(self, form: Mapping[str, str], authorization: str) -> tuple[int, Claims]:
        wanted = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '%20')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        query = self._codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = _b64(challenge)
        if authorization.removeprefix("Basic ") not in (wanted, plain):
            return 401, {"error": "invalid_client"}
        if (
            query is None
            or proof != query["code_challenge"]
            or form.get("redirect_uri") != query["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"]}
        if query.get("max_age") == "0":
            claims["auth_time"] = now
        claims.update(self.person)
        self.lie(claims)
        token = {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}
        return 200, token

    def _described(self) -> Claims:
        made = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/leave",
            **({"userinfo_endpoint": f"{self.issuer}/me"} if self.user_info else {}),
        }
        return {**made, **self.description_lie}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                if self.path.startswith("/authorize?"):
                    self._lead_back()
                    return
                answers = {
                    "/.well-known/openid-configuration": provider._described,
                    "/jwks": lambda: {"keys": [provider.key.as_dict(private=False)]},
                    "/me": lambda: provider.user_info,
                }
                found = answers.get(self.path)
                self._say(404, {}) if found is None else self._say(200, found())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._say(*provider._token(form, self.headers.get("Authorization", "")))

            def _lead_back(self) -> None:
                """The person signs in at once."""
                state, code = provider.sign_in(self.path)
                back = parse_qs(urlsplit(self.path).query)["redirect_uri"][0]
                self.send_response(303)
                self.send_header("Location", f"{back}?{urlencode({'state': state, 'code': code})}")
                self.end_headers()

            def _say(self, status: int, body: Claims) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler

    @contextmanager
    def running(self) -> Iterator[SmallProvider]:
        """Answers until the block ends."""
        thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(timeout=5)

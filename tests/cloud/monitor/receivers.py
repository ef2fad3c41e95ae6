"""Real receivers of alarms: an HTTP server that can be told to fail, and a mail server with TLS and sign-in."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass(slots=True, kw_only=True)
class Posted:
    """One POST as it came."""

    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    """The body."""


@dataclass(slots=True, kw_only=True)
class Hook:
    """A webhook's receiver. `answers` are the statuses of the next answers; 204 once they are used up."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wait(self) -> None:
        """Until one more POST has come."""
        assert self.came.acquire(timeout=20)


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """A running receiver on a free port, or on this one."""
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.posted.append(Posted(headers=headers, body=body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            made.came.release()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/alarms"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(slots=True, kw_only=True)
class MailBox:
    """What a mail server took. `answers` are what it says to the next mails; 250 once they are used up."""

    port: int = 0
    answers: list[str] = field(default_factory=list)
    mails: list[Envelope] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Takes a mail, or says what it was told to say."""
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("2"):
            self.mails.append(envelope)
        self.came.release()
        return answer

    def wait(self) -> None:
        """Until one more mail was offered."""
        assert self.came.acquire(timeout=20)


def _sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"alarms", b"a mail password")
    return AuthResult(success=right, handled=False)


@contextmanager
def mail_box(*, certificate: Path | None = None, key: Path | None = None) -> Iterator[MailBox]:
    """A running mail server; with a certificate it insists on STARTTLS and sign-in."""
    made = MailBox()
    options: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        options = {
            "tls_context": context,
            "require_starttls": True,
            "authenticator": _sign_in,
            "auth_required": True,
        }
    made.port = free_port()
    controller = Controller(made, hostname="127.0.0.1", port=made.port, **options)
    controller.start()
    try:
        yield made
    finally:
        controller.stop()

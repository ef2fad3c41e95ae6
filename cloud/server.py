"""The cloud server's process: gRPC for agents and HTTP for browsers in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import uvicorn
from fastapi import FastAPI

from cloud.config import Config, is_loopback, split_address
from cloud.errors import ConfigInvalid
from cloud.ingest.guard import Guard
from cloud.ingest.servicer import AgentServicer, IngestServicer, LedgerServicer
from cloud.log import Log
from cloud.models.servicer import ModelServicer
from cloud.publish.hub import Hub
from cloud.store import durable
from sonorelay.agent.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from sonorelay.contract.limits import KEEPALIVE_SERVER_OPTIONS
from sonorelay.ingest.v1.ingest_service_pb2_grpc import add_IngestServiceServicer_to_server
from sonorelay.ledger.v1.ledger_service_pb2_grpc import add_LedgerServiceServicer_to_server
from sonorelay.models.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server

GRACE_S: Final = 3.0
"""How long calls under way may take to end when the server stops."""
_BACKLOG: Final = 128
FIRST_LINK_FILE: Final = "first-administrator.link"
"""In the data folder while the site has no user: the link that makes the first administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a started server consists of; `build.py` makes it."""

    guard: Guard
    """Stands before every gRPC call."""
    ingest: IngestServicer
    """Takes captures."""
    ledger: LedgerServicer
    """Answers about the log."""
    agent: AgentServicer
    """Sends results."""
    models: ModelServicer
    """Takes and exchanges versions of models."""
    app: FastAPI
    """The console."""
    loops: tuple[Callable[[], Awaitable[None]], ...]
    """Run until they are cancelled: worker and watches."""
    publish_until: Callable[[asyncio.Event], Awaitable[None]]
    """Publishes the ledger's files until the event is set, and a last time."""
    hub: Hub
    """Its readers end when the server stops."""
    log_verifier_key: str
    """Key of the site's log."""
    begin_first: Callable[[], Awaitable[str | None]]
    """A new secret for the link of the first administrator; None where there is a user."""
    close: Callable[[], Awaitable[None]]
    """Closes engine, store and database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a running server can be reached."""

    grpc: str
    """host:port for agents."""
    http: str
    """host:port for browsers."""
    log_verifier_key: str
    """Verifier key of the site's log, for agents to pin."""
    first_link: str | None = None
    """One-time link that makes the first administrator; None where there is a user. Never logged, never in
    endpoints.json: it lies in a file of its own that only the owner may read."""


class Server:
    """One server on one data folder. `run` starts it, serves until told to stop, and stops it cleanly."""

    def __init__(
        self, config: Config, log: Log, open_parts: Callable[[asyncio.Event], Awaitable[Parts]]
    ) -> None:
        self._config = config
        self._log = log
        self._open_parts = open_parts
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Asks the running server to stop; returns at once."""
        self._stop.set()

    async def run(self, on_ready: Callable[[Endpoints], None] = lambda _: None) -> None:
        """Serves until `stop`, SIGTERM or SIGINT.

        Once every call is answered, data/endpoints.json is there and `on_ready` is called.

        Raises ConfigInvalid where the data folder or an address is in use or a setting cannot be used, and
        LedgerDamaged where the log must be looked at by a person.
        """
        # Hashes of passwords, keys and images lie in it: a new one is its owner's alone.
        self._config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked_folder(), self._signals():
            draining = asyncio.Event()
            parts = await self._open_parts(draining)
            try:
                await self._serve(parts, draining, on_ready)
            finally:
                await parts.close()

    async def _serve(
        self, parts: Parts, draining: asyncio.Event, on_ready: Callable[[Endpoints], None]
    ) -> None:
        web, listener, http_address = self._make_web(parts.app)
        try:
            grpc_server, grpc_address = await self._start_grpc(parts)
        except ConfigInvalid:
            listener.close()
            raise
        publishing_ends = asyncio.Event()
        publisher = asyncio.ensure_future(parts.publish_until(publishing_ends))
        loops = [asyncio.ensure_future(loop()) for loop in parts.loops]
        web_task = asyncio.ensure_future(web.serve(sockets=[listener]))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await _until_started(web, web_task)
            endpoints = Endpoints(
                grpc=grpc_address,
                http=http_address,
                log_verifier_key=parts.log_verifier_key,
                first_link=await self._first_link(parts, http_address),
            )
            self._write_endpoints(endpoints)
            self._log.info("server_ready", address=f"{endpoints.grpc} {endpoints.http}")
            on_ready(endpoints)
            # A loop that ends by itself has failed: better no server than half of one.
            running = [stopping, publisher, web_task, *loops]
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for failed in ended - {stopping}:
                await failed
        finally:
            self._log.info("server_stopping", calls=dict(parts.guard.calls))
            self._endpoints_file.unlink(missing_ok=True)
            draining.set()
            parts.hub.close()
            web.should_exit = True
            await asyncio.gather(grpc_server.stop(GRACE_S), web_task, return_exceptions=True)
            for task in (*loops, stopping):
                task.cancel()
            await asyncio.gather(*loops, stopping, return_exceptions=True)
            publishing_ends.set()
            await asyncio.gather(publisher, return_exceptions=True)
            self._log.info("server_stopped")

    async def _first_link(self, parts: Parts, http_address: str) -> str | None:
        """The one-time link for the first administrator, also in a file; None, and no file, where there is a user.

        The secret stands behind #: browsers do not send that part, so no access log and no proxy sees it.
        """
        file = self._config.data_dir / FIRST_LINK_FILE
        secret = await parts.begin_first()
        if secret is None:
            file.unlink(missing_ok=True)
            return None
        scheme = "http" if is_loopback(split_address("http_address", http_address)[0]) else "https"
        link = f"{scheme}://{http_address}/welcome#first={secret}"
        durable.write(file, link.encode() + b"\n", mode=0o600)
        return link

    async def _start_grpc(self, parts: Parts) -> tuple[grpc.aio.Server, str]:
        host, port = split_address("grpc_address", self._config.grpc_address)
        server = grpc.aio.server(interceptors=[parts.guard], options=list(KEEPALIVE_SERVER_OPTIONS))
        # Generated code has no types for these four.
        add_IngestServiceServicer_to_server(parts.ingest, server)
        add_LedgerServiceServicer_to_server(parts.ledger, server)
        add_AgentServiceServicer_to_server(parts.agent, server)
        add_ModelServiceServicer_to_server(parts.models, server)
        address = _joined(host, port)
        try:
            if self._config.tls:
                bound = server.add_secure_port(address, self._credentials())
            else:
                bound = server.add_insecure_port(address)
        except RuntimeError as exc:
            raise ConfigInvalid(f"grpc_address: cannot listen on {address}; is it in use?") from exc
        await server.start()
        return server, _joined(host, bound)

    def _credentials(self) -> grpc.ServerCredentials:
        certificate, key, clients = self._tls_files()
        return grpc.ssl_server_credentials(
            [(key.read_bytes(), certificate.read_bytes())], clients.read_bytes(), require_client_auth=True
        )

    def _make_web(self, app: FastAPI) -> tuple[_Web, socket.socket, str]:
        host, port = split_address("http_address", self._config.http_address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as exc:
            listener.close()
            raise ConfigInvalid(f"http_address: cannot listen on {host}:{port} ({exc.strerror})") from exc
        listener.listen(_BACKLOG)
        settings = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(GRACE_S),
        )
        if not is_loopback(host):
            certificate, key, clients = self._tls_files()
            settings.ssl_certfile, settings.ssl_keyfile = str(certificate), str(key)
            settings.ssl_ca_certs, settings.ssl_cert_reqs = str(clients), ssl.CERT_REQUIRED
        return _Web(settings), listener, _joined(host, listener.getsockname()[1])

    def _tls_files(self) -> tuple[Path, Path, Path]:
        config = self._config
        files = (config.tls_certificate_file, config.tls_key_file, config.tls_client_ca_file)
        certificate, key, clients = files
        if certificate is None or key is None or clients is None:
            raise ConfigInvalid("certificate files are not configured")
        return certificate, key, clients

    @property
    def _endpoints_file(self) -> Path:
        return self._config.data_dir / "endpoints.json"

    def _write_endpoints(self, endpoints: Endpoints) -> None:
        text = json.dumps(
            {
                "grpc": endpoints.grpc,
                "http": endpoints.http,
                "log_verifier_key": endpoints.log_verifier_key,
            }
        )
        durable.write(self._endpoints_file, text.encode() + b"\n")

    @contextlib.contextmanager
    def _locked_folder(self) -> Iterator[None]:
        """One server per data folder: the lock ends with the process, however it ends."""
        with open(self._config.data_dir / "server.lock", "wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise ConfigInvalid(
                    f"data_dir: another server runs on {self._config.data_dir}; stop it, or use another one"
                ) from exc
            # Left behind by a process that was killed; where it pointed is not where this one will be.
            self._endpoints_file.unlink(missing_ok=True)
            yield

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        names = (signal.SIGTERM, signal.SIGINT)
        for name in names:
            loop.add_signal_handler(name, self.stop)
        try:
            yield
        finally:
            for name in names:
                loop.remove_signal_handler(name)


class _Web(uvicorn.Server):
    """Serves the console; the process's signals belong to `Server`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


async def _until_started(web: _Web, task: asyncio.Future[None]) -> None:
    while not web.started:
        if task.done():
            await task
            raise ConfigInvalid("the console did not start; see the log")
        await asyncio.sleep(0.005)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

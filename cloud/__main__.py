"""The command `sonorelay-cloud`: serve, models, mpr, protocol, tokens, audit, ledger verify, doctor."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from cloud import config as settings
from cloud.accounts import command as accounts
from cloud.build import build_server, installed_version, open_engine
from cloud.config import Config
from cloud.console.api.page import STATIC_DIR
from cloud.errors import CloudError, ConfigInvalid
from cloud.examinations import command as protocol
from cloud.infer.pipeline import MODELS
from cloud.ledger import verify
from cloud.log import start_logging
from cloud.models import command as models
from cloud.server import FIRST_LINK_FILE, Endpoints

NOTICE = "research use, not for diagnosis"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0: done, 1: something is wrong and was named, 2: wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:2] == ["ledger", "verify"]:
        return verify.main(given[2:])
    if given[:1] == ["models"]:
        return models.main(given[1:])
    if given[:1] == ["mpr"]:
        # Imported here: SimpleITK takes long to load, and the server does without it.
        from cloud.series import command as mpr

        return mpr.main(given[1:])
    if given[:1] == ["protocol"]:
        return protocol.main(given[1:])
    if given[:1] in (["tokens"], ["audit"]):
        return accounts.main(given)
    options = _parser().parse_args(given)
    try:
        config = settings.load(options.config, _overrides(options))
        if options.command == "doctor":
            return asyncio.run(_doctor(config))
        return _serve(config)
    except CloudError as error:
        print(f"sonorelay-cloud: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sonorelay-cloud",
        description="The cloud server: takes images from agents, reads them, shows results. "
        + NOTICE.capitalize()
        + ".",
    )
    parser.add_argument("--version", action="version", version=installed_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description="Runs the server until SIGTERM or Ctrl-C. Once ready it prints one line of JSON with "
        "its addresses and the log's verifier key, and writes the same to DIR/endpoints.json. "
        "Logs go to standard error as JSON lines.",
    )
    doctor = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Checks settings, disk, models and the built page; says what is missing.",
    )
    for command in (serve, doctor):
        command.add_argument("--config", type=Path, metavar="FILE", help="settings, TOML")
        command.add_argument("--data", type=Path, metavar="DIR", help="data folder (setting data_dir)")
        command.add_argument(
            "--grpc", metavar="ADDR", help="where agents call, host:port; port 0: a free one"
        )
        command.add_argument(
            "--http", metavar="ADDR", help="where browsers call, host:port; port 0: a free one"
        )
        command.add_argument("--models", type=Path, metavar="DIR", help="model repository")
        command.add_argument(
            "--engine",
            choices=settings.ENGINES,
            help="what runs the models: ONNX Runtime here (default), OpenVINO here (extra `openvino`), a Triton "
            "server",
        )
        command.add_argument(
            "--triton", metavar="ADDR", help="where Triton answers gRPC, host:port (default 127.0.0.1:8001)"
        )
        command.add_argument(
            "--no-inference", action="store_true", help="take and keep images, read none of them"
        )
    ledger = commands.add_parser("ledger", help="check receipts and logs, offline")
    ledger.add_argument("what", choices=["verify"], help="`ledger verify --help` says more")
    commands.add_parser("models", help="versions of models: list, show, push, promote, rollback, shadow")
    commands.add_parser("mpr", help="planes through the series of one image: `mpr --help` says more")
    commands.add_parser("protocol", help="what an examination has to show: check a file")
    commands.add_parser("tokens", help="tokens of machines: create, list, revoke")
    commands.add_parser("audit", help="the audit: verify")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    return {
        "data_dir": options.data,
        "grpc_address": options.grpc,
        "http_address": options.http,
        "model_repository": options.models,
        "engine": options.engine,
        "triton_address": options.triton,
        "inference": False if options.no_inference else None,
    }


def _serve(config: Config) -> int:
    log = start_logging(sys.stderr)

    def on_ready(endpoints: Endpoints) -> None:
        # What the start has made stays: collections from here on need not look at it again.
        gc.collect()
        gc.freeze()
        line = {
            "grpc": endpoints.grpc,
            "http": endpoints.http,
            "log_verifier_key": endpoints.log_verifier_key,
        }
        print(json.dumps(line), flush=True)
        if endpoints.first_link is not None:
            _tell_first_link(endpoints.first_link, config.data_dir / FIRST_LINK_FILE)

    async def serve() -> None:
        await build_server(config, log).run(on_ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0


def _tell_first_link(link: str, file: Path) -> None:
    """Tells how the first administrator is made. Where standard output goes to a file or to a journal it would stay
    there: then only the file is named."""
    if sys.stdout.isatty():
        print(f"No user yet. The first administrator opens this link, once:\n  {link}", flush=True)
    else:
        print(f"No user yet. The first administrator opens, once, the link in {file}", flush=True)


async def _doctor(config: Config) -> int:
    """Prints a line per check; 1 where one failed."""
    failed = False

    def say(good: bool, text: str) -> None:
        nonlocal failed
        failed = failed or not good
        print(f"{'ok     ' if good else 'MISSING'} {text}")

    say(
        True,
        f"settings: data in {config.data_dir}, agents {config.grpc_address}, browsers {config.http_address}",
    )
    existing = next(
        folder
        for folder in (config.data_dir.absolute(), *config.data_dir.absolute().parents)
        if folder.exists()
    )
    free_bytes = shutil.disk_usage(existing).free
    say(
        free_bytes > config.free_min_bytes,
        f"disk: {free_bytes // 1024**2} MiB free; uploads stop below {config.free_min_bytes // 1024**2} MiB",
    )
    try:
        engine = await open_engine(config)
    except ConfigInvalid as exc:
        say(not config.inference, f"models: {exc}")
    else:
        names = ", ".join(f"{model} {engine.describe(model).version}" for model in MODELS)
        away = [model for model in MODELS if not await engine.ready(model)]
        say(not away, f"models: {names}; engine {config.engine}")
        if away:
            say(False, f"engine: {', '.join(away)} not ready at {config.triton_address}")
        await engine.close()
    say((STATIC_DIR / "index.html").is_file(), "page: built (else run `make setup` in the project's folder)")
    print(f"{NOTICE}.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

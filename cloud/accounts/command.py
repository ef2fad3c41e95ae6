"""Accounts: the commands `sonorelay-cloud tokens` and `sonorelay-cloud audit`, on a data folder.

They work while the server runs and before its first start: whoever may write to the data folder owns it anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.anchor import AuditCheck, check_audit
from cloud.accounts.audit import COMMAND, LOCAL, ChainBroken
from cloud.accounts.passwords import Passwords
from cloud.accounts.roles import Role
from cloud.accounts.seal import open_seal
from cloud.accounts.services import AccountServices
from cloud.accounts.tenants import Home
from cloud.db import migrate
from cloud.db.sqlite import SqliteDatabase
from cloud.db.times import utc_now
from cloud.errors import CloudError, ConfigInvalid
from cloud.ledger import rows as ledger_rows
from cloud.ledger.verify import CheckFailed, check_log
from sonorelay.contract.notes import NoteInvalid, Verifier

T = TypeVar("T")

STATE_FILE: Final = "state.db"
LEDGER_FOLDER: Final = "ledger"


def main(arguments: Sequence[str]) -> int:
    """Runs `tokens ...` or `audit ...`; 0: done, 1: refused or not as it should be, 2: wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (CloudError, CheckFailed, ChainBroken, ValueError) as error:
        print(f"sonorelay-cloud: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sonorelay-cloud", description="Tokens of machines, and the audit.")
    areas = parser.add_subparsers(dest="area", required=True, metavar="COMMAND")
    tokens = areas.add_parser("tokens", help="tokens of machines: create, list, revoke")
    of_tokens = tokens.add_subparsers(dest="command", required=True, metavar="COMMAND")
    create = of_tokens.add_parser("create", help="make a token and print it: it is shown only once")
    create.add_argument("--role", required=True, choices=[role.value for role in Role], help="what it may do")
    create.add_argument("--name", required=True, help="what the machine is called")
    create.add_argument("--days", type=int, metavar="N", help="valid for N days (default: until revoked)")
    create.add_argument(
        "--tenant",
        metavar="NAME",
        help="short name of the tenant whose data it sees; empty: of the whole site",
    )
    create.set_defaults(run=_create)
    listing = of_tokens.add_parser("list", help="list the tokens, without their values")
    listing.set_defaults(run=_list)
    revoke = of_tokens.add_parser("revoke", help="make a token useless from now on")
    revoke.add_argument("token_id", help="id, as `list` shows it")
    revoke.set_defaults(run=_revoke)
    audit = areas.add_parser("audit", help="the audit: verify")
    of_audit = audit.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = of_audit.add_parser(
        "verify",
        help="check every row of the audit, and against its anchors in the ledger",
        description="Checks that no row of the audit was altered, left out or put in, and that the rows up to each "
        "anchor in the ledger are the ones that were anchored. With --log the anchors come from a copy of the "
        "ledger's files that somebody else kept.",
    )
    verify.add_argument(
        "--log", type=Path, metavar="DIR", help="copy of the ledger's files (default: DIR/ledger)"
    )
    verify.add_argument("--log-key", metavar="KEY", help="verifier key of the log (default: the folder's)")
    verify.set_defaults(run=_verify)
    for command in (create, listing, revoke, verify):
        command.add_argument(
            "--data", type=Path, required=True, metavar="DIR", help="data folder of the server"
        )
    return parser


def _create(options: argparse.Namespace) -> int:
    async def work(accounts: Accounts) -> str:
        _, value = await accounts.tokens.create(
            options.name,
            Role(options.role),
            options.days,
            actor=COMMAND,
            origin=LOCAL,
            wanted=None if options.tenant is None else Home(tenant_id=options.tenant or None),
        )
        return value

    options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    print(_on(options.data, work))
    return 0


def _list(options: argparse.Namespace) -> int:
    for token in _on(options.data, lambda accounts: accounts.tokens.tokens()):
        state = "valid" if token.is_valid(utc_now()) else "not valid"
        used = "never" if token.last_used_time is None else _time(token.last_used_time)
        until = "it is revoked" if token.expires_time is None else _time(token.expires_time)
        whose = token.tenant_id or "whole site"
        words = (token.token_id, token.role.value, state, f"until {until}", f"used {used}", whose, token.name)
        print("  ".join(words))
    return 0


def _revoke(options: argparse.Namespace) -> int:
    async def work(accounts: Accounts) -> None:
        await accounts.tokens.revoke(options.token_id, actor=COMMAND, origin=LOCAL)

    _on(options.data, work)
    return 0


def _verify(options: argparse.Namespace) -> int:
    log_dir = options.log or options.data / LEDGER_FOLDER
    given = None if options.log_key is None else _key(options.log_key)
    checkpoint = check_log(log_dir, given).checkpoint

    def work(database: SqliteDatabase) -> AuditCheck:
        with database.begin() as tx:
            log = given or _key(ledger_rows.require_state(tx, checkpoint.origin).verifier_key)
            if given is None:
                check_log(log_dir, log)
            return check_audit(tx, log_dir, checkpoint.size, log)

    found = _with_database(options.data, work)
    print(f"OK: {found.rows} rows, each fits the one before.")
    print(f"    {found.anchors} anchors in the ledger fit; they cover the rows up to {found.anchored_rows}.")
    return 0


def _key(text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except NoteInvalid as error:
        raise ConfigInvalid(f"--log-key: {error}") from error


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%MZ")


def _with_database(data: Path, work: Callable[[SqliteDatabase], T]) -> T:
    if not data.is_dir():
        raise ConfigInvalid(f"--data: {data} is not a folder")
    path = data / STATE_FILE
    migrate.upgrade(path)
    database = SqliteDatabase(path)
    try:
        return work(database)
    finally:
        database.close()


def _on(data: Path, work: Callable[[Accounts], Coroutine[Any, Any, T]]) -> T:
    def run(database: SqliteDatabase) -> T:
        passwords = Passwords()
        services = AccountServices(
            database=database,
            clock=utc_now,
            random=secrets.token_bytes,
            passwords=passwords,
            seal=open_seal(data, database, secrets.token_bytes),
        )
        try:
            return asyncio.run(work(make_accounts(services)))
        finally:
            passwords.close()

    return _with_database(data, run)

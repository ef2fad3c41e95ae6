"""Accounts: anchors of the audit: its head as an entry of the ledger, so that rows cannot be made anew unseen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from cloud.accounts.audit import ChainBroken, Head, check_chain, head
from cloud.db import Database, Tx
from cloud.errors import LedgerBusy, RetryLater
from cloud.ledger import Ledger
from cloud.ledger.verify import entries_of
from cloud.log import Log
from sonorelay.contract.notes import NoteInvalid, Signer, Verifier, open_note

HEADER: Final = "sonorelay.org/audit@v1"
INTERVAL_S: Final = 300.0
"""Rows younger than this may not be anchored yet."""
_FORM: Final = re.compile(
    rf"{re.escape(HEADER)}\nrows ([1-9]\d{{0,17}})\nhead ([0-9a-f]{{64}})\ntime [^\n]+\n"
)


def entry(of: Head, signer: Signer) -> bytes:
    """The entry: a note signed by the log's own key (SPEC.md, section 10). The same head, the same bytes."""
    time = of.time.astimezone(UTC).isoformat(timespec="microseconds")
    return signer.sign(f"{HEADER}\nrows {of.number}\nhead {of.digest.hex()}\ntime {time}\n")


class Anchors:
    """Enters the audit's head in the ledger while the server runs, and once more when it stops."""

    def __init__(
        self, database: Database, ledger: Ledger, signer: Signer, log: Log, interval_s: float = INTERVAL_S
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._signer = signer
        self._log = log
        self._interval_s = interval_s

    async def anchor(self) -> None:
        """Enters the head of now; where it stands in the ledger already, nothing changes. Errors: RetryLater."""

        def work(tx: Tx) -> None:
            last = head(tx)
            if last is not None:
                self._ledger.append(tx, [entry(last, self._signer)])

        await self._database.write(work)

    async def run(self) -> None:
        """Anchors every `interval_s` seconds until it is cancelled, and then a last time."""
        try:
            while True:
                await asyncio.sleep(self._interval_s)
                await self._try()
        finally:
            await self._try()

    async def _try(self) -> None:
        try:
            await self.anchor()
        except (LedgerBusy, RetryLater) as error:
            # The rows are safe and chained; the next anchor covers them too.
            self._log.warning("audit_anchor_delayed", after_s=error.after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """Outcome of a whole audit's check."""

    rows: int
    """Rows in the chain."""
    anchors: int
    """Anchors in the ledger, each of which fits."""
    anchored_rows: int
    """Rows that an anchor covers; those after it are chained only."""


def check_audit(tx: Tx, ledger_dir: Path, size: int, log: Verifier) -> AuditCheck:
    """Checks every row and compares it with the anchors in the published log of `size` entries.

    Raises ChainBroken where a row was altered, left out, put in, or made anew after it was anchored.
    """
    wanted = dict(_anchors(ledger_dir, size, log))
    rows = 0
    for row in check_chain(tx):
        rows = row.number
        if wanted.get(rows, row.digest) != row.digest:
            raise ChainBroken(
                f"row {rows} is not the one that the ledger holds: rows up to it were made anew"
            )
    newest = max(wanted, default=0)
    if newest > rows:
        raise ChainBroken(f"the ledger holds an anchor of {newest} rows, and only {rows} are left")
    return AuditCheck(rows=rows, anchors=len(wanted), anchored_rows=newest)


def _anchors(ledger_dir: Path, size: int, log: Verifier) -> Iterator[tuple[int, bytes]]:
    """Row number and digest of each anchor."""
    for each in entries_of(ledger_dir, size):
        if not each.startswith(HEADER.encode() + b"\n"):
            continue
        try:
            text, _ = open_note(each, [log])
        except NoteInvalid as error:
            raise ChainBroken("the ledger holds an anchor that its own key did not sign") from error
        form = _FORM.fullmatch(text)
        if form is None:
            raise ChainBroken("the ledger holds an anchor of an unknown form")
        yield int(form[1]), bytes.fromhex(form[2])

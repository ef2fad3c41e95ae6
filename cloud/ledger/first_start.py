"""Opens a site's log, or begins it on the very first start. Killed at any moment, the next start goes on."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.db import Database, Tx
from cloud.db.tables import ledger_state
from cloud.errors import LedgerDamaged
from cloud.ledger import rows
from cloud.ledger.file_log import FileLedger
from cloud.ledger.keys import load_key, save_key


async def open_or_begin(root: Path, database: Database, origin: str, key_path: Path) -> FileLedger:
    """The open log `origin`: its files under `root`, its entries in `database`, its key in `key_path`.

    When a log begins, the key file is written after its row and before anything is signed; so where the file
    is, a log exists and must be found whole, and where it is not, only an empty, unpublished beginning may be
    found. Anything else raises LedgerDamaged.
    """
    if not key_path.exists():
        await _begin(root, database, origin, key_path)
    ledger = FileLedger(root, database, origin, load_key(key_path))
    await ledger.open()
    return ledger


async def _begin(root: Path, database: Database, origin: str, key_path: Path) -> None:
    def forget_unfinished(tx: Tx) -> None:
        row = rows.state(tx, origin)
        if (row is not None and row.size) or rows.next_index(tx):
            raise LedgerDamaged(f"the log's key {key_path.name} is missing: restore it from the backup")
        tx.execute(sa.delete(ledger_state).where(ledger_state.c.origin == origin))

    await database.write(forget_unfinished)
    key = Ed25519PrivateKey.generate()
    await FileLedger(root, database, origin, key).create()
    save_key(key_path, key)

"""Step 10 of 13: ledger. Ledger seam: a tamper-evident append-only log in the C2SP formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloud.db import Tx
from sonorelay.contract.notes import Proof, Verifier


class Ledger(Protocol):
    """The index is final once the transaction commits; the same entry always has the same index."""

    @property
    def verifier(self) -> Verifier:
        """Key that signs the log's checkpoints."""
        ...

    def append(self, tx: Tx, entries: Sequence[bytes]) -> list[int]:
        """Indices of `entries` (each at most 1 KiB), appended in `tx` where they are new.

        Errors: `LedgerBusy(after_s)` where another sequencer moved on in between.
        """
        ...

    async def checkpoint(self) -> bytes:
        """Newest signed checkpoint; it covers everything committed before the call."""
        ...

    async def prove(self, indices: Sequence[int]) -> list[Proof]:
        """Inclusion proofs against one checkpoint not older than the call. Errors: `LedgerIndexUnknown`."""
        ...

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the log of old_size begins the log of new_size. Errors: `LedgerIndexUnknown`."""
        ...

    async def entry(self, index: int) -> bytes:
        """The entry at `index`, byte for byte. Errors: `LedgerIndexUnknown`."""
        ...

    async def entries(self, first: int, end: int) -> list[bytes]:
        """The entries `first` (from 0) up to `end`, without it; fewer where the log is shorter."""
        ...

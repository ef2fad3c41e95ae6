"""Step 10 of 13: ledger. Entries in the database, proofs from memory, the public log as files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.db import Database, Tx
from cloud.errors import LedgerBusy, LedgerDamaged, LedgerIndexUnknown
from cloud.ledger import Ledger, rows
from cloud.ledger.files import LogFiles, TileKey
from cloud.ledger.layout import TILE_WIDTH
from cloud.ledger.rows import SequencerRow
from cloud.ledger.tree import Frontier, TileTree
from sonorelay.contract.limits import BLOCK_MAX_BYTES
from sonorelay.contract.merkle import consistency_path, inclusion_path, leaf_hash
from sonorelay.contract.notes import Checkpoint, NoteInvalid, Proof, Signer, Verifier, open_note

T = TypeVar("T")

_BUSY_AFTER_S: Final = 0.05


class FileLedger:
    """The index is final once the transaction commits; the same entry always has the same index.

    The database holds every entry and, in one row, the log's size and root; that row is the sequencer.
    Proofs come from a tree in memory that follows the committed rows. `publish` writes the files that
    readers and witnesses fetch; they lag and can be rebuilt, but they may never be ahead of the database.
    Call `open` before anything else and, once in a log's life, `create` before that.
    """

    def __init__(self, root: Path, database: Database, origin: str, key: Ed25519PrivateKey) -> None:
        self._database = database
        self._origin = origin
        self._signer = Signer(origin, key)
        self._files = LogFiles(root)
        # Over the tree, the signed checkpoint and the published size: threads of the database share them.
        self._lock = threading.RLock()
        self._tree = TileTree(self._files.tile)
        self._signed: tuple[Checkpoint, bytes] | None = None
        self._published_size: int | None = None
        self._publishing = asyncio.Lock()
        # Only a shortcut for `append`; the database row says whether it still holds.
        self._tip = Frontier(size=0, peaks=())

    @property
    def verifier(self) -> Verifier:
        """Key that signs the log's checkpoints."""
        return self._signer.verifier

    async def create(self) -> None:
        """Begins a new log of size 0 in the database; `open` then publishes its first checkpoint.

        Raises LedgerDamaged where there is a log already, in the database or in the files.
        """
        if self._files.checkpoint() is not None:
            raise LedgerDamaged("a checkpoint was published here already: this folder belongs to a log")

        def work(tx: Tx) -> None:
            if rows.state(tx, self._origin) is not None or rows.next_index(tx):
                raise LedgerDamaged("the database holds a log already")
            rows.create(tx, self._origin, str(self.verifier))

        await self._database.write(work)

    async def open(self) -> None:
        """Takes up an existing log; brings the files up to the database where they lag.

        Raises LedgerDamaged where row, entries, key and files contradict each other.
        """
        await asyncio.to_thread(self._files.remove_leftovers)
        await self._database.read(self._open)
        await self.publish()

    def append(self, tx: Tx, entries: Sequence[bytes]) -> list[int]:
        """Indices of `entries` (each 1 to 1024 bytes), appended in `tx` where they are new.

        Errors: `LedgerBusy` where another sequencer moved on in between; ValueError for an entry too long.
        """
        for entry in entries:
            if not 1 <= len(entry) <= BLOCK_MAX_BYTES:
                raise ValueError(f"an entry has 1 to {BLOCK_MAX_BYTES} bytes, not {len(entry)}")
        hashes = [leaf_hash(entry) for entry in entries]
        # The row first: once it is swapped from this size, nobody appended since, so these are all there are.
        state = rows.require_state(tx, self._origin)
        index_of = rows.known(tx, hashes)
        new: list[tuple[bytes, bytes]] = []
        for entry, digest in zip(entries, hashes, strict=True):
            if digest not in index_of:
                index_of[digest] = state.size + len(new)
                new.append((entry, digest))
        if new:
            self._append_new(tx, state, new)
        return [index_of[digest] for digest in hashes]

    async def checkpoint(self) -> bytes:
        """Newest signed checkpoint; it covers everything committed before the call."""
        return await self._with_tree(lambda: self._sign()[1])

    async def prove(self, indices: Sequence[int]) -> list[Proof]:
        """Inclusion proofs against one checkpoint not older than the call. Errors: `LedgerIndexUnknown`."""

        def work() -> list[Proof]:
            signed, note = self._sign()
            for index in indices:
                self._require_index(index)
            return [
                Proof(
                    index=index,
                    path=tuple(inclusion_path(index, signed.size, self._tree.subtree)),
                    checkpoint=note,
                )
                for index in indices
            ]

        return await self._with_tree(work)

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Proof that the log of old_size begins the log of new_size. Errors: `LedgerIndexUnknown`."""

        def work() -> list[bytes]:
            if not 0 <= old_size <= new_size <= self._tree.size:
                raise LedgerIndexUnknown(f"no proof from {old_size} to {new_size}: log of {self._tree.size}")
            return consistency_path(old_size, new_size, self._tree.subtree)

        return await self._with_tree(work)

    async def entry(self, index: int) -> bytes:
        """The entry at `index`, byte for byte. Errors: `LedgerIndexUnknown`, `LedgerDamaged`."""

        def work(tx: Tx) -> bytes:
            with self._lock:
                self._follow(tx)
                self._require_index(index)
                expected = self._tree.leaf(index)
            found = rows.entry(tx, index)
            if leaf_hash(found) != expected:
                raise LedgerDamaged(f"entry {index} was altered in the database")
            return found

        return await self._database.read(work)

    async def entries(self, first: int, end: int) -> list[bytes]:
        """The entries `first` (from 0) up to `end`, without it; fewer where the log is shorter.

        Errors: `LedgerDamaged`.
        """

        def work(tx: Tx) -> list[bytes]:
            with self._lock:
                self._follow(tx)
                indices = range(max(first, 0), min(end, self._tree.size))
                expected = [self._tree.leaf(index) for index in indices]
            found = rows.entries(tx, indices.start, indices.stop)
            if [leaf_hash(entry) for entry in found] != expected:
                raise LedgerDamaged(f"an entry from {indices.start} on was altered in the database")
            return found

        return await self._database.read(work)

    async def publish(self) -> int:
        """Writes what was committed since the last time: tiles, bundles, then the checkpoint; the log's size.

        When it returns the files are durable. Does nothing where nothing is new. Errors: StoreFull.
        """
        async with self._publishing:
            tiles, signed, note = await self._with_tree(self._unpublished)
            start = self._published_size
            if start == signed.size:
                return signed.size
            first = (start or 0) // TILE_WIDTH
            for number in range(first, -(-signed.size // TILE_WIDTH), rows.BUNDLES_AT_ONCE):
                bundles = await self._database.read(rows.bundles_from(number, signed.size))
                await asyncio.to_thread(self._files.write_tiles, bundles)
                await asyncio.to_thread(self._files.remove_partials, bundles)
            await asyncio.to_thread(self._files.write_tiles, tiles)
            await asyncio.to_thread(self._files.write_checkpoint, note)
            await asyncio.to_thread(self._files.remove_partials, tiles)
            with self._lock:
                self._tree.written([(key[0], key[1]) for key in tiles if isinstance(key[0], int)])
                self._published_size = signed.size
            return signed.size

    # -- on threads of the database ----------------------------------------------------------------------

    def _append_new(self, tx: Tx, state: SequencerRow, new: Sequence[tuple[bytes, bytes]]) -> None:
        tip = self._tip
        if tip.size != state.size or tip.root() != state.root:
            # First append, or the transaction of the last one was undone, or another sequencer was here.
            tip = self._frontier(tx, state)
        grown = tip.extended(digest for _, digest in new)
        if not rows.move_on(tx, self._origin, state.size, grown.size, grown.root()):
            raise LedgerBusy("another sequencer moved the log on", _BUSY_AFTER_S)
        rows.insert(tx, state.size, new)
        self._tip = grown

    def _frontier(self, tx: Tx, state: SequencerRow) -> Frontier:
        with self._lock:
            frontier = self._tree.frontier()
        for hashes in rows.leaf_hashes(tx, frontier.size, state.size):
            frontier = frontier.extended(hashes)
        if frontier.root() != state.root:
            raise LedgerDamaged("the entries in the database do not give the root beside them")
        return frontier

    def _open(self, tx: Tx) -> None:
        state = rows.require_state(tx, self._origin)
        if state.verifier_key != str(self.verifier):
            raise LedgerDamaged(
                "the key is not the one that this log was created with: restore the log's key"
            )
        if rows.next_index(tx) != state.size:
            raise LedgerDamaged(f"the database says {state.size} entries and holds {rows.next_index(tx)}")
        note = self._files.checkpoint()
        with self._lock:
            if note is not None:
                self._take_up(note, state)
            self._follow(tx)

    def _take_up(self, note: bytes, state: SequencerRow) -> None:
        """Loads the tree as it was published; checks it against the signature."""
        try:
            text, _ = open_note(note, [self.verifier])
            published = Checkpoint.parse(text)
        except NoteInvalid as error:
            raise LedgerDamaged(f"the published checkpoint does not verify: {error}") from error
        if published.origin != self._origin:
            raise LedgerDamaged("the published checkpoint belongs to another log")
        if published.size > state.size:
            raise LedgerDamaged(
                f"the published checkpoint covers {published.size} entries, the database holds {state.size}: "
                "the database was set back; restore its newest copy, never continue with this one"
            )
        tree = TileTree.restored(published.size, self._files.tile)
        if tree.root() != published.root:
            raise LedgerDamaged("the published tiles do not give the root of the published checkpoint")
        self._tree, self._signed, self._published_size = tree, (published, note), published.size

    def _follow(self, tx: Tx) -> None:
        """Takes the rows committed since the last time into the tree; lock held."""
        state = rows.require_state(tx, self._origin)
        if state.size <= self._tree.size:
            # A reader that began earlier may see less than the tree has; less than that was never promised.
            if state.size == self._tree.size and state.root != self._tree.root():
                raise LedgerDamaged("the database's root is not the root of the log that was published")
            return
        fresh = [digest for hashes in rows.leaf_hashes(tx, self._tree.size, state.size) for digest in hashes]
        if self._tree.frontier().extended(fresh).root() != state.root:
            raise LedgerDamaged("the entries in the database do not continue the log that was published")
        self._tree.extend(fresh)

    def _sign(self) -> tuple[Checkpoint, bytes]:
        """The checkpoint of the whole tree, signed once per size; lock held."""
        last = self._signed
        if last is not None and last[0].size == self._tree.size:
            return last
        if last is not None and self._tree.root(last[0].size) != last[0].root:
            # Two roots for one size would be proof that the log lies; nothing may be signed any more.
            raise LedgerDamaged(f"the log no longer continues its own checkpoint of size {last[0].size}")
        checkpoint = Checkpoint(origin=self._origin, size=self._tree.size, root=self._tree.root())
        self._signed = (checkpoint, self._signer.sign(checkpoint.text()))
        return self._signed

    def _unpublished(self) -> tuple[dict[TileKey, bytes], Checkpoint, bytes]:
        signed, note = self._sign()
        tiles: dict[TileKey, bytes] = {
            (level, number, TILE_WIDTH): data for (level, number), data in self._tree.unwritten.items()
        }
        for level, number, data in self._tree.edge_tiles():
            tiles[level, number, len(data) // 32] = data
        return tiles, signed, note

    def _require_index(self, index: int) -> None:
        if not 0 <= index < self._tree.size:
            raise LedgerIndexUnknown(f"no entry {index} in a log of {self._tree.size}")

    async def _with_tree(self, work: Callable[[], T]) -> T:
        def locked(tx: Tx) -> T:
            with self._lock:
                self._follow(tx)
                return work()

        return await self._database.read(locked)


_file: type[Ledger] = FileLedger

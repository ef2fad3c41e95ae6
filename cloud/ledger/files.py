"""The log's public files: tiles and entry bundles first, the checkpoint last."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from cloud.errors import LedgerDamaged
from cloud.ledger.layout import CHECKPOINT_PATH, ENTRIES, TILE_WIDTH, split_hashes, tile_path
from cloud.store import durable

TileKey = tuple[int | str, int, int]
"""Level ("entries" for a bundle), number, width."""


class LogFiles:
    """What a reader of the log sees. Any moment's files agree with the checkpoint that lies beside them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def checkpoint(self) -> bytes | None:
        """The published checkpoint, or None where nothing was published."""
        try:
            return (self._root / CHECKPOINT_PATH).read_bytes()
        except FileNotFoundError:
            return None

    def tile(self, level: int, number: int, width: int) -> list[bytes]:
        """The hashes of a tile. Raises LedgerDamaged where it is missing or has another width."""
        name = tile_path(level, number, width)
        try:
            hashes = split_hashes((self._root / name).read_bytes())
        except (FileNotFoundError, ValueError) as error:
            raise LedgerDamaged(f"the log's file {name} is missing or cut") from error
        if len(hashes) != width:
            raise LedgerDamaged(f"the log's file {name} has {len(hashes)} hashes, not {width}")
        return hashes

    def write_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Writes tiles and bundles durably. Errors: StoreFull, OSError."""
        durable.write_all({self._root / tile_path(*key): data for key, data in tiles.items()})

    def write_checkpoint(self, checkpoint: bytes) -> None:
        """Publishes: every tile that it needs must have been written before. Errors: StoreFull, OSError."""
        durable.write(self._root / CHECKPOINT_PATH, checkpoint)

    def remove_partials(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Removes the partial tiles that full ones of `tiles` replaced (tlog-tiles: they may go then)."""
        for level, number, width in tiles:
            if width == TILE_WIDTH:
                full = self._root / tile_path(level, number)
                shutil.rmtree(full.with_name(f"{full.name}.p"), ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Removes what a killed writer left half-written."""
        for leftover in self._root.rglob(f"*{durable.TEMPORARY_SUFFIX}"):
            leftover.unlink()


def bundle_key(number: int, width: int) -> TileKey:
    """Key of an entry bundle."""
    return (ENTRIES, number, width)

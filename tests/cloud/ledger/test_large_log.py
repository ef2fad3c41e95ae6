"""A log of 70,000 entries: three levels of tiles."""

from __future__ import annotations

from typing import Any

from pymerkle import InmemoryTree  # type: ignore[import-untyped]

from cloud.ledger.layout import tile_path, tiles_of
from cloud.ledger.verify import check_log
from sonorelay.contract.merkle import consistency_holds
from sonorelay.contract.notes import Checkpoint, open_note

_COUNT = 70_000


async def test_seventy_thousand_entries(site: Any) -> None:
    """Appended in batches, published and opened again: root as by pymerkle, proofs of old and new entries,
    consistency with an earlier size, every tile in its place.
    """
    ledger = await site.start()
    entries = [f"entry {n}".encode() for n in range(_COUNT)]
    for lo in range(0, _COUNT, 10_000):
        assert list(range(lo, lo + 10_000)) == await site.append(ledger, entries[lo : lo + 10_000])
        if lo == 30_000:
            old = Checkpoint.parse(open_note(await ledger.checkpoint(), [ledger.verifier])[0])
            await ledger.publish()
    await ledger.publish()
    again = await site.start()
    new = Checkpoint.parse(open_note(await again.checkpoint(), [again.verifier])[0])
    theirs = InmemoryTree(algorithm="sha256")
    for entry in entries:
        theirs.append_entry(entry)
    assert theirs.get_state() == new.root
    indices = [0, 255, 256, 39_999, 65_535, 65_536, 69_999]
    for proof, index in zip(await again.prove(indices), indices, strict=True):
        assert proof.verify(entries[index], again.verifier) == new
    path = await again.consistency(old.size, new.size)
    assert consistency_holds(old.size, old.root, new.size, new.root, path)
    for level, number, width in tiles_of(_COUNT):
        assert width * 32 == (site.log / tile_path(level, number, width)).stat().st_size
    assert check_log(site.log, again.verifier).checkpoint == new

"""Checks a receipt or a whole log offline, with nothing but its files: `python -m cloud.ledger.verify`."""

from __future__ import annotations

import argparse
import base64
import binascii
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.ledger.layout import (
    CHECKPOINT_PATH,
    ENTRIES,
    TILE_WIDTH,
    decode_bundle,
    encode_bundle,
    tile_path,
)
from sonorelay.contract.merkle import leaf_hash, root_of_hashes
from sonorelay.contract.notes import Checkpoint, NoteInvalid, Proof, Verifier, open_note


class CheckFailed(Exception):
    """What was checked is not as it should be; the message says what, in plain words."""


def check_receipt(receipt: bytes, block: bytes, log: Verifier) -> tuple[int, Checkpoint]:
    """Index of `block` and the signed checkpoint that holds it. Raises CheckFailed."""
    _require_plain(receipt, "the receipt")
    try:
        proof = Proof.parse(receipt)
        return proof.index, proof.verify(block, log)
    except NoteInvalid as error:
        raise CheckFailed(f"the receipt does not prove this block: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCheck:
    """Outcome of a whole log's check."""

    checkpoint: Checkpoint
    """What the log signed, and what its entries give."""
    uncovered: tuple[str, ...]
    """Files that the checkpoint says nothing about: written ahead of the next one, or strange."""


def check_log(root: Path, log: Verifier | None) -> LogCheck:
    """Recomputes every file of the log under `root` from its entries and compares them. Raises CheckFailed.

    Without `log` the checkpoint's signature is not checked.
    """
    checkpoint = _read_checkpoint(root, log)
    covered: set[Path] = {root / CHECKPOINT_PATH}
    hashes = _check_bundles(root, checkpoint.size, covered)
    if root_of_hashes(hashes) != checkpoint.root:
        raise CheckFailed("the entries do not give the root of the checkpoint: one of them was altered")
    level = 0
    while hashes:
        hashes = _check_level(root, level, hashes, covered)
        level += 1
    strange = sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path not in covered
    )
    return LogCheck(checkpoint=checkpoint, uncovered=tuple(strange))


def _read_checkpoint(root: Path, log: Verifier | None) -> Checkpoint:
    try:
        note = (root / CHECKPOINT_PATH).read_bytes()
    except FileNotFoundError as error:
        raise CheckFailed("there is no checkpoint: this is no folder of a log") from error
    _require_plain(note, "the checkpoint")
    try:
        if log is not None:
            text, _ = open_note(note, [log])
        else:
            text = note.decode("utf-8").rpartition("\n\n")[0] + "\n"
        return Checkpoint.parse(text)
    except (NoteInvalid, UnicodeDecodeError) as error:
        raise CheckFailed(f"the checkpoint is not valid: {error}") from error


def _require_plain(data: bytes, what: str) -> None:
    """Base64 has spare bits at its end that a decoder ignores; altered ones are alterations all the same."""
    for token in data.split():
        if not token.endswith(b"="):
            continue
        try:
            decoded = base64.b64decode(token, validate=True)
        except binascii.Error as error:
            raise CheckFailed(f"{what} holds text that is not base64") from error
        if base64.b64encode(decoded) != token:
            raise CheckFailed(f"{what} was altered: spare bits of its base64 are set")


def _widths(count: int) -> Iterator[tuple[int, int]]:
    """Number and width of the tiles over `count` elements."""
    full, rest = divmod(count, TILE_WIDTH)
    for number in range(full):
        yield number, TILE_WIDTH
    if rest:
        yield full, rest


def entries_of(root: Path, size: int) -> Iterator[bytes]:
    """The first `size` entries of the log under `root`, as they lie there. Raises CheckFailed.

    Only `check_log` says whether they are those that the log signed.
    """
    for number, width in _widths(size):
        path = _tile_file(root, ENTRIES, number, width)
        try:
            yield from decode_bundle(path.read_bytes())[:width]
        except ValueError as error:
            raise CheckFailed(f"the file {path.relative_to(root)} was altered: {error}") from error


def _check_bundles(root: Path, size: int, covered: set[Path]) -> list[bytes]:
    """Leaf hashes of all entries."""
    hashes: list[bytes] = []
    for number, width in _widths(size):
        path = _tile_file(root, ENTRIES, number, width)
        name = path.relative_to(root)
        try:
            entries = decode_bundle(path.read_bytes())
        except ValueError as error:
            raise CheckFailed(f"the file {name} was altered: {error}") from error
        if len(entries) < width or (len(entries) > width and path.parent.suffix == ".p"):
            raise CheckFailed(f"the file {name} holds {len(entries)} entries, not {width}")
        hashes.extend(leaf_hash(entry) for entry in entries[:width])
        covered.add(path)
        _check_partials(root, ENTRIES, number, [encode_bundle([e]) for e in entries[:width]], covered)
    return hashes


def _check_level(root: Path, level: int, hashes: list[bytes], covered: set[Path]) -> list[bytes]:
    """Compares the tiles of one level with `hashes`; the hashes of the next level."""
    above: list[bytes] = []
    for number, width in _widths(len(hashes)):
        of_tile = hashes[number * TILE_WIDTH : number * TILE_WIDTH + width]
        path = _tile_file(root, level, number, width)
        data, wanted = path.read_bytes(), b"".join(of_tile)
        if not data.startswith(wanted) or (len(data) > len(wanted) and path.parent.suffix == ".p"):
            raise CheckFailed(f"the file {path.relative_to(root)} was altered: the entries give another")
        covered.add(path)
        _check_partials(root, level, number, of_tile, covered)
        if width == TILE_WIDTH:
            above.append(root_of_hashes(of_tile))
    return above


def _tile_file(root: Path, level: int | str, number: int, width: int) -> Path:
    """The file of a tile; where a partial one is gone, the full one that took its place (tlog-tiles)."""
    for path in (root / tile_path(level, number, width), root / tile_path(level, number)):
        if path.is_file():
            return path
    raise CheckFailed(f"the file {tile_path(level, number, width)} is missing")


def _check_partials(
    root: Path, level: int | str, number: int, elements: Sequence[bytes], covered: set[Path]
) -> None:
    """Older, narrower files of a tile must be its beginning."""
    folder = (root / tile_path(level, number, 1)).parent
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if not path.name.isdecimal() or int(path.name) > len(elements):
            continue
        if path.read_bytes() != b"".join(elements[: int(path.name)]):
            raise CheckFailed(f"the file {path.relative_to(root)} is not the beginning of its tile")
        covered.add(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks named on the command line; 0 where all is well, 1 where not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m cloud.ledger.verify", description=__doc__)
    parser.add_argument("--receipt", type=Path, help="receipt file")
    parser.add_argument("--block", type=Path, help="the block that the receipt is for")
    parser.add_argument("--log", type=Path, help="folder with the log's files: recompute all of it")
    parser.add_argument("--log-key", help="verifier key of the log")
    given = parser.parse_args(arguments)
    if (given.receipt is None) == (given.log is None):
        parser.error("give either --receipt with --block, or --log")
    if given.receipt is not None and (given.block is None or given.log_key is None):
        parser.error("--receipt needs --block and --log-key")
    try:
        log = None if given.log_key is None else Verifier.parse(given.log_key)
    except NoteInvalid as error:
        parser.error(f"--log-key: {error}")
    try:
        if given.log is not None:
            _report_log(check_log(given.log, log), signed=log is not None)
        elif log is not None:
            index, checkpoint = check_receipt(given.receipt.read_bytes(), given.block.read_bytes(), log)
            print(f"OK: the block is entry {index} of the log {checkpoint.origin}, which signed for it")
            print(f"    when the log had {checkpoint.size} entries.")
    except CheckFailed as error:
        print(f"NOT OK: {error}.")
        return 1
    except OSError as error:
        print(f"NOT OK: a file cannot be read: {error}.")
        return 1
    return 0


def _report_log(found: LogCheck, *, signed: bool) -> None:
    checkpoint = found.checkpoint
    print(
        f"OK: all {checkpoint.size} entries and every tile of the log {checkpoint.origin} fit its checkpoint."
    )
    print("    Its signature is good." if signed else "    Its signature was not checked: give --log-key.")
    for name in found.uncovered:
        print(f"    Not covered by this checkpoint: {name}")


if __name__ == "__main__":
    sys.exit(main())

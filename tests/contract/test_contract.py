"""Contract: identity, shards, sub-files, blocks, notes, reasons; golden vectors; drift of generated code."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protos import generate, make_vectors
from sonorelay.contract import blocks, limits, notes, reasons, shards
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage, SubFileIndex

PROTOS = Path(generate.__file__).parent
SPEC = (PROTOS / "SPEC.md").read_text()


@pytest.mark.parametrize("name", sorted(make_vectors.vectors()))
def test_golden_vectors_have_not_moved(name: str) -> None:
    """v1 never changes: today's code gives the committed vectors."""
    assert json.loads((PROTOS / "vectors" / name).read_text()) == make_vectors.vectors()[name]


def test_generated_code_is_fresh() -> None:
    """The committed code is what the .proto files give."""
    assert [] == generate.drift()


@pytest.mark.req("TX-06")
@given(st.lists(st.binary(max_size=50)), st.integers(1, 37))
def test_cut_loses_nothing_however_the_bytes_come(pieces: list[bytes], size: int) -> None:
    """Shards are the bytes in order, each of the shard size but the last, none empty."""
    cut = list(shards.cut(pieces, size))
    assert b"".join(pieces) == b"".join(cut)
    assert all(len(s) == size for s in cut[:-1])
    assert all(cut)
    assert len(cut) == shards.shard_count(sum(map(len, pieces)), size)


def index_of(sizes: list[int]) -> SubFileIndex:
    """An index of images of these sizes."""
    index, position = SubFileIndex(image_type="brain"), 0
    for number, size in enumerate(sizes):
        image = SubFileImage(image_id=str(number), offset_bytes=position, size_bytes=size, sha256=bytes(32))
        index.images.append(image)
        position += size
    return index


def test_a_sub_file_reads_back() -> None:
    """What encode_head wrote, read_index reads, and says where the images begin."""
    index = index_of([3, 4])
    head = shards.encode_head(index)
    assert (index, len(head)) == shards.read_index(io.BytesIO(head + b"abcdefg"))
    shards.check_index(index, 7)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "12 bytes"),
        (b"PK\x03\x04" + bytes(20), "not a sub-file"),
        (shards.MAGIC + b"\xff\xff\xff\xff", "too long"),
        (shards.MAGIC + b"\x00\x00\x00\x09abc", "too early"),
        (shards.MAGIC + b"\x00\x00\x00\x02\x0a\xff", "cannot be read"),
    ],
)
def test_foreign_bytes_are_not_a_sub_file(head: bytes, words: str) -> None:
    """Bytes that are not a sub-file are refused with the reason."""
    with pytest.raises(shards.SubFileInvalid, match=words):
        shards.read_index(io.BytesIO(head))


def _gap(index: SubFileIndex) -> None:
    index.images[1].offset_bytes += 1


def _twice(index: SubFileIndex) -> None:
    index.images[1].image_id = index.images[0].image_id


def _none(index: SubFileIndex) -> None:
    del index.images[:]


def _short(index: SubFileIndex) -> None:
    index.images[1].size_bytes -= 1


@pytest.mark.parametrize("spoil", [_gap, _twice, _none, _short])
def test_an_index_must_fill_the_sub_file(spoil: Callable[[SubFileIndex], None]) -> None:
    """Images follow each other, fill the rest exactly, and have an id each."""
    index = index_of([3, 4])
    spoil(index)
    with pytest.raises(shards.SubFileInvalid):
        shards.check_index(index, 7)


def golden() -> dict[str, Any]:
    """The signed vectors."""
    loaded: dict[str, Any] = json.loads((PROTOS / "vectors" / "block_and_receipt.json").read_text())
    return loaded


@pytest.mark.req("TX-07")
def test_a_block_opens_only_unaltered() -> None:
    """Altering any byte of a signed block is found."""
    vector = golden()
    device = notes.Verifier.parse(vector["device_verifier_key"])
    note = vector["block"].encode()
    assert "brain" == blocks.Block.open(note, device).image_type
    for place in range(len(note)):
        altered = bytearray(note)
        altered[place] ^= 0x01
        with pytest.raises(notes.NoteInvalid):
            blocks.Block.open(bytes(altered), device)


def test_a_block_with_a_foreign_field_cannot_be_signed() -> None:
    """Only ids and types of the contract enter a block: there is no room for patient data."""
    vector = golden()
    block = blocks.Block.open(vector["block"].encode(), notes.Verifier.parse(vector["device_verifier_key"]))
    signer = notes.Signer("room-3", Ed25519PrivateKey.generate())
    for change in ({"device_id": "Wang Fang"}, {"capture_id": "x"}, {"image_type": "Wang"}):
        with pytest.raises(notes.NoteInvalid):
            replace(block, **change).sign(signer)


@pytest.mark.req("BEY-03")
def test_a_receipt_verifies_only_unaltered() -> None:
    """Altering any byte of index, path, checkpoint or entry is found, padding bits included."""
    vector = golden()
    log = notes.Verifier.parse(vector["log_verifier_key"])
    receipt, entry = vector["receipt"].encode(), vector["block"].encode()
    assert 3 == notes.Proof.parse(receipt).verify(entry, log).size
    for place in range(len(receipt)):
        for bit in range(8):
            altered = bytearray(receipt)
            altered[place] ^= 1 << bit
            with pytest.raises(notes.NoteInvalid):
                notes.Proof.parse(bytes(altered)).verify(entry, log)
    with pytest.raises(notes.NoteInvalid, match="not in the log"):
        notes.Proof.parse(receipt).verify(entry + b"x", log)


def test_unknown_signatures_are_ignored_and_a_known_bad_one_rejects() -> None:
    """A note needs one known good signature and no known bad one."""
    one, two = (notes.Signer(name, Ed25519PrivateKey.generate()) for name in ("one", "two"))
    text = "hello\n"
    both = one.sign(text) + two.sign(text).split(b"\n\n", 1)[1]
    assert ("hello\n", ("one",)) == notes.open_note(both, [one.verifier])
    assert ("hello\n", ("one", "two")) == notes.open_note(both, [one.verifier, two.verifier])
    with pytest.raises(notes.NoteInvalid, match="known key"):
        notes.open_note(one.sign(text), [two.verifier])
    mixed = one.sign(text) + two.sign("other\n").split(b"\n\n", 1)[1]
    with pytest.raises(notes.NoteInvalid, match="does not verify"):
        notes.open_note(mixed, [one.verifier, two.verifier])


@pytest.mark.parametrize("key", ["", "a+b", "log+00000000+AAAA", "a b+00000000+" + "A" * 44])
def test_a_malformed_verifier_key_is_refused(key: str) -> None:
    """A verifier key is read completely or not at all."""
    with pytest.raises(notes.NoteInvalid):
        notes.Verifier.parse(key)


def test_reasons_are_complete_and_documented() -> None:
    """Every reason has a rule with a real status code, and SPEC.md's table has each with its code."""
    assert set(reasons.WireReason) == set(reasons.WIRE_RULES)
    assert set(reasons.EdgeReason) == set(reasons.EDGE_RULES)
    for reason, rule in reasons.WIRE_RULES.items():
        assert rule.code in grpc.StatusCode.__members__
        assert re.search(rf"^\| {reason} \| {rule.code} \|", SPEC, re.M), reason


def test_limits_are_documented() -> None:
    """SPEC.md states the limits that the code keeps."""
    assert limits.SHARD_SIZE_BYTES == 262_144
    assert "262,144 bytes" in SPEC
    assert f"| block, and any ledger entry | {limits.BLOCK_MAX_BYTES // 1024} KiB |" in SPEC
    assert f"| parts per capture | {limits.PARTS_MAX} |" in SPEC
    assert f"at most {limits.WINDOW_MAX_BYTES >> 20} MiB" in SPEC

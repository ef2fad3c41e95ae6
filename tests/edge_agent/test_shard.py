"""Step 6: sub-files, shards, blocks."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.items import CleanImage, PrepareRequest
from edge_agent.shard import ShardOrder, shard, sub_file_path
from sonorelay.contract.blocks import Block
from sonorelay.contract.limits import SHARD_SIZE_BYTES
from sonorelay.contract.merkle import part_root
from sonorelay.contract.notes import Signer
from sonorelay.contract.shards import check_index, cut, digest_part, read_index
from tests.edge_agent.bench_parts import PlainPreparer

CAPTURE_ID = "6dd5c1f4-6d5f-4f0c-9a60-0d5f8a3a8d11"
TIME = datetime(2026, 3, 1, 8, 30, 15, 123456, tzinfo=UTC)
SIGNER = Signer("edge-test", Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def clean_images(folder: Path, data: bytes) -> tuple[CleanImage, ...]:
    (folder / "raw").write_bytes(data)
    out_dir = folder / "images"
    out_dir.mkdir(exist_ok=True)
    request = PrepareRequest(
        capture_id=CAPTURE_ID,
        raw_path=folder / "raw",
        out_dir=out_dir,
        pixels="guard",
        key_path=folder / "key",
        received_time=TIME,
        mm_per_pixel=0.25,
    )
    return PlainPreparer().prepare(request).images


def order(folder: Path, data: bytes, *, batch: bool = False) -> ShardOrder:
    images = clean_images(folder, data)
    return ShardOrder(capture_id=CAPTURE_ID, received_time=TIME, images=images, batch=batch, out_dir=folder)


@pytest.mark.req("TX-05")
@pytest.mark.req("TX-06")
def test_each_type_becomes_a_sub_file_that_the_contract_reads(tmp_path: Path) -> None:
    """One part per type; its bytes, index and digests are those of the contract."""
    made = shard(order(tmp_path, b"two" + b"x" * 600_000), SIGNER)
    assert [part.image_type for part in made.manifest.parts] == ["brain", "abdomen"]
    for part in made.manifest.parts:
        data = sub_file_path(tmp_path, part.part_index).read_bytes()
        digests = digest_part([data])
        assert digests.size_bytes == part.size_bytes == len(data)
        assert digests.shard_sha256 == tuple(part.shard_sha256)
        assert digests.root == part.root == part_root(list(part.shard_sha256))
        assert [len(s) for s in cut([data])][:-1] == [SHARD_SIZE_BYTES] * (len(part.shard_sha256) - 1)
        index, first = read_index(io.BytesIO(data))
        check_index(index, len(data) - first)
        assert index.images[0].mm_per_pixel == 0.25
        assert index.images[0].capture_time.ToDatetime(tzinfo=UTC) == TIME


@pytest.mark.req("TX-04")
def test_unsorted_images_have_a_sub_file_of_their_own(tmp_path: Path) -> None:
    """An image without a sure type shares no sub-file with a sorted one; its probabilities, the reason, go
    along."""
    first, second = clean_images(tmp_path, b"two" + b"x" * 1000)
    torn = {"brain": 0.4, "femur": 0.35, "other": 0.25}
    images = (first, replace(second, image_type="unsorted", type_probabilities=torn))
    given = ShardOrder(
        capture_id=CAPTURE_ID, received_time=TIME, images=images, batch=False, out_dir=tmp_path
    )
    parts = shard(given, SIGNER).manifest.parts
    assert ["brain", "unsorted"] == [part.image_type for part in parts]
    assert "unsorted" == Block.open(parts[1].block, SIGNER.verifier).image_type
    index, _ = read_index(io.BytesIO(sub_file_path(tmp_path, 1).read_bytes()))
    (image,) = index.images
    assert torn == {each.image_type: each.probability for each in image.type_probabilities}


@pytest.mark.req("TX-07")
def test_the_block_is_signed_by_the_device_and_says_what_the_part_is(tmp_path: Path) -> None:
    """Digest, type, counts, device, time: all under the device's signature."""
    part = shard(order(tmp_path, b"femur" * 100), SIGNER).manifest.parts[0]
    block = Block.open(part.block, SIGNER.verifier)
    assert (block.image_type, block.image_count, block.size_bytes) == ("femur", 1, part.size_bytes)
    assert (block.device_id, block.capture_id, block.root) == ("edge-test", CAPTURE_ID, part.root)
    assert block.block_time == TIME.replace(microsecond=0)


def test_a_repeat_gives_the_same_bytes(tmp_path: Path) -> None:
    """After a crash step 6 repeats: same hashes, same blocks, so that the cloud sees the same capture."""
    first = shard(order(tmp_path, b"two" * 1000), SIGNER)
    second = shard(order(tmp_path, b"two" * 1000), SIGNER)
    assert first.manifest.SerializeToString() == second.manifest.SerializeToString()


def test_batches_are_less_urgent_than_stills(tmp_path: Path) -> None:
    """Priority 0 for a still, 2 for a batch order."""
    assert shard(order(tmp_path, b"x"), SIGNER).priority == 0
    assert shard(order(tmp_path, b"x", batch=True), SIGNER).priority == 2

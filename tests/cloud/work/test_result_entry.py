"""The ledger entry of a result."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.work.result_entry import ReadImage, entry
from sonorelay.contract.limits import BLOCK_MAX_BYTES
from sonorelay.contract.notes import Signer, open_note

TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def _read(model_count: int) -> ReadImage:
    """An image read by so many models of the longest names in use."""
    models = {
        f"fetal_ventricle_seg_{number}": {
            "version": "12",
            "sha256": hashlib.sha256(bytes([number])).hexdigest(),
        }
        for number in range(model_count)
    }
    return ReadImage(
        image_id="0b7e2f6c-6f0e-4b0a-9a3e-2f3c4d5e6f70",
        sha256=hashlib.sha256(b"still").digest(),
        reason=None,
        reading={"models": models},
        pictures={name: hashlib.sha256(name.encode()).digest() for name in ("heatmap.png", "mask.png")},
        infer_ms=1.0,
    )


def test_ten_models_fit_into_an_entry() -> None:
    """However many models a reading is likely to meet, its result can be entered."""
    signer = Signer("sonorelay.example/site-log", Ed25519PrivateKey.generate())
    assert len(entry(_read(10), TIME, signer)) <= BLOCK_MAX_BYTES


def test_the_entry_commits_to_each_model() -> None:
    """It names each model with its version, and anybody with the reading can compute the one digest of them all."""
    signer = Signer("sonorelay.example/site-log", Ed25519PrivateKey.generate())
    read = _read(2)
    text, _ = open_note(entry(read, TIME, signer), [signer.verifier])
    assert read.reading is not None
    lines = "".join(
        f"{name} {used['version']} {used['sha256']}\n"
        for name, used in sorted(read.reading["models"].items())
    )
    assert f"models {hashlib.sha256(lines.encode()).hexdigest()}\n" in text
    assert "model fetal_ventricle_seg_0 12\nmodel fetal_ventricle_seg_1 12\n" in text
    assert text.endswith("time 2026-01-02T03:04:05.678+00:00\n")


@pytest.mark.parametrize("key", ["version", "sha256"])
def test_another_model_gives_another_entry(key: str) -> None:
    """A changed version or digest of one model changes the digest of the models."""
    signer = Signer("sonorelay.example/site-log", Ed25519PrivateKey.generate())
    read, other = _read(2), _read(2)
    assert other.reading is not None
    other.reading["models"]["fetal_ventricle_seg_1"][key] = "9" * 64
    texts = [open_note(entry(each, TIME, signer), [signer.verifier])[0] for each in (read, other)]
    digests = [next(line for line in text.splitlines() if line.startswith("models ")) for text in texts]
    assert digests[0] != digests[1]

"""The offline checker finds every alteration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloud.ledger.verify import CheckFailed, check_log, check_receipt, main
from sonorelay.contract.notes import Verifier

_ENTRIES = [f"entry {n}".encode() for n in range(300)]


def _passes(root: Path, log: Verifier) -> bool:
    try:
        check_log(root, log)
    except CheckFailed:
        return False
    return True


def _altered_and_believed(root: Path, log: Verifier, step: int) -> list[str]:
    """Alters one byte after the other in every file; those alterations that the checker did not find."""
    believed: list[str] = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        whole = path.read_bytes()
        for position in range(0, len(whole), step):
            altered = bytearray(whole)
            altered[position] ^= 1 << position % 8
            path.write_bytes(altered)
            if _passes(root, log):
                believed.append(f"{path.relative_to(root)}:{position}")
        path.write_bytes(whole)
    return believed


@pytest.mark.parametrize(("size", "step"), [(9, 1), (300, 211)])
async def test_any_altered_byte_of_the_log_is_found(site: Any, size: int, step: int) -> None:
    """One byte in a tile, a bundle or the checkpoint, whichever: the check fails. Untouched it passes."""
    ledger = await site.start()
    for part in (_ENTRIES[: size // 2], _ENTRIES[size // 2 : size]):
        await site.append(ledger, part)
        await ledger.publish()
    assert _altered_and_believed(site.log, ledger.verifier, step) == []
    assert _passes(site.log, ledger.verifier)


async def test_a_missing_or_cut_file_is_found(site: Any) -> None:
    """Every file of the checkpoint must be there, whole."""
    ledger = await site.start()
    await site.append(ledger, _ENTRIES)
    await ledger.publish()
    for path in sorted(p for p in site.log.rglob("*") if p.is_file()):
        whole = path.read_bytes()
        path.unlink()
        assert not _passes(site.log, ledger.verifier)
        path.write_bytes(whole[:-1])
        assert not _passes(site.log, ledger.verifier)
        path.write_bytes(whole)
    assert _passes(site.log, ledger.verifier)


async def test_any_altered_bit_of_a_receipt_is_found(site: Any) -> None:
    """Also the spare bits of its base64."""
    ledger = await site.start()
    await site.append(ledger, _ENTRIES[:5])
    [proof] = await ledger.prove([3])
    receipt = proof.encode()
    assert check_receipt(receipt, _ENTRIES[3], ledger.verifier)[0] == 3
    for position in range(len(receipt)):
        for bit in range(8):
            altered = bytearray(receipt)
            altered[position] ^= 1 << bit
            with pytest.raises(CheckFailed):
                check_receipt(bytes(altered), _ENTRIES[3], ledger.verifier)
    with pytest.raises(CheckFailed):
        check_receipt(receipt, _ENTRIES[2], ledger.verifier)


async def test_the_command_says_it_in_words(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and OK, 1 and NOT OK, 2 for wrong usage."""
    ledger = await site.start()
    await site.append(ledger, _ENTRIES)
    await ledger.publish()
    [proof] = await ledger.prove([3])
    receipt, block, key = site.folder / "receipt.txt", site.folder / "block", str(ledger.verifier)
    receipt.write_bytes(proof.encode())
    block.write_bytes(_ENTRIES[3])
    arguments = ["--receipt", str(receipt), "--block", str(block), "--log-key", key]
    assert main(arguments) == 0
    assert "OK: the block is entry 3" in capsys.readouterr().out
    block.write_bytes(b"other")
    assert main(arguments) == 1
    assert "NOT OK" in capsys.readouterr().out
    assert main(["--log", str(site.log)]) == 0
    assert "not checked" in capsys.readouterr().out
    (site.log / "strange").write_bytes(b"?")
    assert main(["--log", str(site.log), "--log-key", key]) == 0
    assert "Not covered by this checkpoint: strange" in capsys.readouterr().out
    assert main(["--log", str(site.folder / "absent")]) == 1
    for wrong in ([], ["--receipt", str(receipt)], ["--log", str(site.log), "--log-key", "no key"]):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2

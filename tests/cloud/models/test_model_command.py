"""The command `sonorelay-cloud models`: clear tables, reasons, exit codes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloud.__main__ import main

BRAIN = "fetal_brain_cls"


async def run(capsys: Any, *arguments: str | Path) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, standard error."""
    code = await asyncio.to_thread(main, ["models", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


@pytest.mark.req("READ-10")
async def test_the_whole_life_of_a_version_by_command(reading: Any, make_version: Any, capsys: Any) -> None:
    """List, push, shadow, promote, show and rollback each say what they did, in a table."""
    server = ("--server", reading.endpoints.grpc)
    code, listed, _ = await run(capsys, "list", *server)
    assert code == 0
    assert ["model", "live", "previous", "shadow", "versions", "changed", "sha256", "(live)"] == listed[
        0
    ].split()
    assert [BRAIN, "1", "-", "-", "1"] == next(r.split()[:5] for r in listed if r.startswith(BRAIN))
    code, pushed, progress = await run(capsys, "push", make_version("2"), *server)
    assert (code, pushed[0].split(",")[0]) == (0, f"accepted: {BRAIN} 2")
    assert progress.splitlines()[-1].startswith("sent 100 %")
    code, shadowed, _ = await run(capsys, "shadow", BRAIN, "2", *server)
    assert (code, shadowed[1].split()[:5]) == (0, [BRAIN, "1", "-", "2", "2"])
    code, off, _ = await run(capsys, "shadow", BRAIN, "--off", *server)
    assert (code, off[1].split()[:5]) == (0, [BRAIN, "1", "-", "-", "2"])
    code, promoted, _ = await run(capsys, "promote", BRAIN, "2", *server)
    assert (code, promoted[1].split()[:5]) == (0, [BRAIN, "2", "1", "-", "2"])
    code, shown, _ = await run(capsys, "show", BRAIN, "--card", *server)
    assert code == 0
    history = [line for line in shown if "loopback" in line and ":" in line]
    assert sum("promoted" in line for line in history) == 1
    assert 'name = "fetal_brain_cls"' in shown
    code, back, _ = await run(capsys, "rollback", BRAIN, *server)
    assert (code, back[1].split()[:5]) == (0, [BRAIN, "1", "-", "-", "2"])


async def test_a_refusal_is_said_with_its_reason(reading: Any, make_version: Any, capsys: Any) -> None:
    """Exit code 1 and the server's reason, or why it was not reached; nothing on standard output."""
    server = ("--server", reading.endpoints.grpc)
    folder = make_version("2")
    (folder / "card.toml").unlink()
    code, out, err = await run(capsys, "push", folder, *server)
    assert (code, out) == (1, [])
    assert "MODEL_REFUSED: card: the push has no card.toml" in err
    code, _, err = await run(capsys, "promote", BRAIN, "9", *server)
    assert (code, "MODEL_UNKNOWN" in err) == (1, True)
    code, _, err = await run(capsys, "list", "--server", "127.0.0.1:1")
    assert (code, "UNAVAILABLE" in err) == (1, True)
    code, _, err = await run(capsys, "list", "--server", "cloud.example:50551")
    assert (code, "--tls-ca" in err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [[], ["list", "--tls-ca", "x"], ["shadow", BRAIN], ["promote", BRAIN], ["fly"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    """What cannot be meant is wrong usage, before anything is called."""
    with pytest.raises(SystemExit) as caught:
        main(["models", *arguments])
    assert caught.value.code == 2


def test_help_names_every_command(capsys: Any) -> None:
    """`--help` lists the six commands and bears the notice."""
    with pytest.raises(SystemExit) as caught:
        main(["models", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in ("list", "show", "push", "promote", "rollback", "shadow"))
    assert "Research use, not for diagnosis." in text

"""A small real world for the monitor: database, ledger, hub, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cloud.console.world import World, close_world, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An empty world with a monitor whose loops nobody runs."""
    (tmp_path / "world").mkdir()
    made = await open_world(tmp_path / "world")
    yield made
    await close_world(made)

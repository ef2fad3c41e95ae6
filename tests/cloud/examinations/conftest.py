"""A running console over an empty world, as for the console's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.console.conftest import Get, built_page, getter, running_console
from tests.cloud.console.running import RunningConsole


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A running console over an empty world."""
    with running_console(tmp_path, built_page(tmp_path)) as running:
        yield running


@pytest.fixture
def get(console: RunningConsole) -> Get:
    """Sends one GET to the running console."""
    return getter(console)

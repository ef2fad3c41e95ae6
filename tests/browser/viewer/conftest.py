"""One server with one stored body for all tests of a file: planes are cut, nothing of the body is changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from cloud.accounts.roles import Role
from tests.browser.conftest import sign_in
from tests.browser.viewer.bodies import uploaded, volume_files
from tests.cloud.console.running import RunningConsole

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """The console with the built page."""
    running = RunningConsole(tmp_path_factory.mktemp("console"))
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def series(console: RunningConsole, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The body, stored; its id."""
    return uploaded(console, volume_files(tmp_path_factory.mktemp("body")))


@pytest.fixture
def page(stranger: Page, console: RunningConsole) -> Page:
    """A page with a doctor of its own signed in."""
    sign_in(stranger, console, Role.DOCTOR, f"doctor-{next(_NUMBERS)}")
    return stranger

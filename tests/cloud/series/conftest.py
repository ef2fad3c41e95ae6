"""For tests of volumes: one thread, so that they leave the machine to others and take the same way each time."""

from __future__ import annotations

import pytest
import SimpleITK as sitk


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """SimpleITK takes every core that it finds."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)

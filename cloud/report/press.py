"""Beside the thirteen steps: report: sets reports in processes of their own: none of them can hold the server up.

When `print` returns, the process and its folder are gone, whatever came of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cloud.report.errors import ReportUnavailable
from cloud.report.fonts import BOLD, FONTS_DIR, REGULAR
from cloud.report.render import lay_out
from cloud.report.sheet import Sheet
from cloud.report.typeset import REPORT

LIMIT_S: Final = 20.0
"""Far beyond what the longest report takes."""
AT_ONCE: Final = 2
"""More reports wait for their turn."""


class Press:
    """Makes PDFs of sheets."""

    def __init__(self, limit_s: float = LIMIT_S, at_once: int = AT_ONCE, fonts: Path = FONTS_DIR) -> None:
        self._limit_s = limit_s
        self._turn = asyncio.Semaphore(at_once)
        self._fonts = fonts

    async def print(self, sheet: Sheet, pictures: Mapping[str, bytes]) -> bytes:
        """The PDF of a sheet with its pictures (render.py names them). Raises ReportUnavailable."""
        if not all((self._fonts / name).is_file() for name in (REGULAR, BOLD)):
            raise ReportUnavailable("the fonts of reports are missing: run make setup in the project's root")
        async with self._turn:
            with tempfile.TemporaryDirectory(prefix="sonorelay-report-") as name:
                folder = Path(name)
                await asyncio.to_thread(lay_out, folder, sheet, pictures)
                await self._set(folder)
                return await asyncio.to_thread((folder / REPORT).read_bytes)

    async def _set(self, folder: Path) -> None:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cloud.report.typeset", str(folder)),
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
        )
        try:
            code = await asyncio.wait_for(process.wait(), self._limit_s)
        except TimeoutError as exc:
            raise ReportUnavailable(f"the report took longer than {self._limit_s:g} s") from exc
        finally:
            # Also where whoever asked has gone away.
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            raise ReportUnavailable("the report could not be set")

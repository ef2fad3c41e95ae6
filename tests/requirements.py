"""`make requirements`: runs the tests and prints which requirement has a passing one."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Ledger:
    """Pytest plugin: counts passed and failed tests per requirement."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._marks: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remembers the requirements of each test; tests that prove none are not run."""
        for item in items:
            self._marks[item.nodeid] = [str(mark.args[0]) for mark in item.iter_markers("req")]
        items[:] = [item for item in items if self._marks[item.nodeid]]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts an outcome."""
        for requirement in self._marks.get(report.nodeid, []):
            if report.failed:
                self.failed[requirement] += 1
            elif report.when == "call" and report.passed:
                self.passed[requirement] += 1


def main() -> int:
    """Prints a row per requirement of docs/REQUIREMENTS.md."""
    ledger = Ledger()
    pytest.main(["-q", str(ROOT / "tests")], plugins=[ledger])
    rows = re.findall(r"^\| ([A-Z]+-\d\d) \| (.+?) \|", (ROOT / "docs/REQUIREMENTS.md").read_text(), re.M)
    for requirement, title in rows:
        passed, failed = ledger.passed[requirement], ledger.failed[requirement]
        mark = "failing" if failed else f"{passed} tests" if passed else "-"
        print(f"{requirement:<9} {mark:<9} {title}")
    return 1 if ledger.failed else 0


if __name__ == "__main__":
    sys.exit(main())

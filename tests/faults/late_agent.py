"""An agent whose wall clock is an hour behind: `python -m tests.faults.late_agent run ...`"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from edge_agent import __main__ as program
from edge_agent import build


def an_hour_late() -> datetime:
    """The wrong time."""
    return datetime.now(UTC) - timedelta(hours=1)


def main() -> None:
    """Runs the agent's own command with the wrong clock."""
    build.build_agent = partial(build.build_agent, now=an_hour_late)
    program.main()


if __name__ == "__main__":
    main()

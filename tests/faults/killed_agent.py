"""An agent that kills itself (SIGKILL) just before a step: `python -m tests.faults.killed_agent STEP run ...`"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

from edge_agent import __main__ as program
from edge_agent import build


def main() -> None:
    """Runs the agent's own command with a hook that ends the process before STEP is begun."""
    step = int(sys.argv[1])

    def die(number: int, _capture_id: str) -> None:
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    build.build_agent = partial(build.build_agent, before_step=die)
    sys.argv = [sys.argv[0], *sys.argv[2:]]
    program.main()


if __name__ == "__main__":
    main()

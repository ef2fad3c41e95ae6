"""A server that kills itself (SIGKILL) just before a step: `python -m tests.faults.killed_cloud STEP serve ...`"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

from cloud import __main__ as program
from cloud.build import build_server


def main() -> None:
    """Runs the server's own command with a hook that ends the process before STEP is begun."""
    step = int(sys.argv[1])

    def die(number: int, _name: str) -> None:
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    vars(program)["build_server"] = partial(build_server, before_step=die)
    sys.exit(program.main(sys.argv[2:]))


if __name__ == "__main__":
    main()

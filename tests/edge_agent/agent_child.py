"""An agent as a process of its own that kills itself just before a step; run by the kill tests.

Arguments: data folder, cloud address, step number (0: never), files to take in (they may be known already).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from edge_agent.build import build_agent, folders_of
from edge_agent.capture.take import take_file
from edge_agent.config import Config
from edge_agent.spool.owner import OwnerLock
from tests.edge_agent.bench_parts import PlainPreparer


def main() -> None:
    data, cloud, step, *names = sys.argv[1:]
    config = Config(data=Path(data), cloud=cloud, retry_first_s=0.02, retry_max_s=0.2, free_min_bytes=0)

    def die_before(number: int, _capture_id: str) -> None:
        if number == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    with OwnerLock(folders_of(config).lock):
        agent = build_agent(config, before_step=die_before, preparer=PlainPreparer())
        agent.start()
        for name in names:
            take_file(Path(name), agent.spool, input_name="folder")
        while not agent.all_sent:
            time.sleep(0.01)
        agent.stop()


if __name__ == "__main__":
    main()

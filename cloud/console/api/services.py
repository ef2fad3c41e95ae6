"""Step 13 of 13: console. What the API needs from the server: handed in once, never looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from cloud.accounts.all import Accounts
from cloud.db import Database
from cloud.infer import DescribingEngine
from cloud.infer.thresholds import ThresholdScheme
from cloud.ledger import Ledger
from cloud.monitor.all import Monitor
from cloud.publish.hub import Hub
from cloud.store import BlobStore

HEARTBEAT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleServices:
    """What the console's API works on."""

    database: Database
    """State of the server."""
    accounts: Accounts
    """Who may do what, and what they did."""
    hub: Hub
    """Tells what changed."""
    store: BlobStore
    """Holds the stills and the pictures of results."""
    ledger: Ledger
    """Gives receipts."""
    ledger_dir: Path
    """Folder of the published tiles and the checkpoint."""
    engine: DescribingEngine | None
    """Runs the models; None where this server does not read images."""
    monitor: Monitor
    """Resources, agents and alarms."""
    clock: Callable[[], datetime]
    """Now, as aware UTC."""
    version: str
    """Version of the software."""
    thresholds: ThresholdScheme = field(default_factory=ThresholdScheme)
    """The site's limits, for what is asked about stored lengths."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names accepted besides the loopback ones, lower case, without port."""
    heartbeat_s: float = HEARTBEAT_S
    """A quiet event stream says that it lives this often, seconds."""


def current_services(request: Request) -> ConsoleServices:
    """The services that this request's app was created with."""
    services: ConsoleServices = request.app.state.services
    return services


Injected = Annotated[ConsoleServices, Depends(current_services)]
"""Type of a route's parameter that FastAPI fills with the services."""

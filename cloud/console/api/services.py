"""Step 13 of 13: console. What the API needs from the server: handed in once, never looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request

from cloud.accounts.all import Accounts
from cloud.console.api.limits import Limits
from cloud.console.api.site import Site
from cloud.db import Database
from cloud.examinations.all import Examinations
from cloud.infer import DescribingEngine
from cloud.ledger import Ledger
from cloud.models.life import ModelLife
from cloud.publish.hub import Hub
from cloud.report.press import Press
from cloud.series.service import SeriesService
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
    series: SeriesService
    """Uploads, series, planes cut through them."""
    ledger: Ledger
    """Gives receipts."""
    ledger_dir: Path
    """Folder of the published tiles and the checkpoint."""
    examinations: Examinations
    """What persons do with examinations."""
    engine: DescribingEngine | None
    """Runs the models; None where this server does not read images."""
    clock: Callable[[], datetime]
    """Now, as aware UTC."""
    version: str
    """Version of the software."""
    site: Site = field(default_factory=Site)
    """What the site has decided about what is shown."""
    life: ModelLife | None = None
    """Exchanges versions of models; None where this server keeps none."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names accepted besides the loopback ones, lower case, without port."""
    limits: Limits | None = None
    """How often somebody may ask; None: as often as they like."""
    public_url: str = ""
    """The console's address as browsers see it; empty: as each request names it."""
    heartbeat_s: float = HEARTBEAT_S
    """A quiet event stream says that it lives this often, seconds."""
    site_name: str = ""
    """What the site calls itself in reports."""
    time_zone: str = "UTC"
    """IANA name of the zone that reports print times in."""
    press: Press = field(default_factory=Press)
    """Makes reports as PDF."""


def current_services(request: Request) -> ConsoleServices:
    """The services that this request's app was created with."""
    services: ConsoleServices = request.app.state.services
    return services


Injected = Annotated[ConsoleServices, Depends(current_services)]
"""Type of a route's parameter that FastAPI fills with the services."""

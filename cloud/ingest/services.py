"""Part of steps 2 and 7 to 10: what the ingest functions work on, handed in once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cloud.db import Database
from cloud.db.jobs import Jobs
from cloud.db.times import Clock
from cloud.ingest.budget import Budget
from cloud.ingest.presence import Presence
from cloud.ingest.uploads import Uploads
from cloud.ledger import Ledger
from cloud.log import Log
from cloud.publish import Bus
from cloud.publish.timings import LateTimings
from cloud.store import BlobStore

BeforeStep = Callable[[int, str], None]
"""Called with a step's number and name just before it begins; fault tests end the process there."""

Admit = Callable[[int], Awaitable[None]]
"""Lets an upload of so many bytes in, or raises StoreFull."""

StoreOf = Callable[[str], BlobStore]
"""The blobs of a tenant: it learns nothing of what others have stored."""

OfferPart = Callable[[bytes], None]
"""Takes the bytes of a part that came whole, unchecked: its still may be read ahead. Nothing depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestServices:
    """Everything outside that ingest touches."""

    database: Database
    """State of the server."""
    store: BlobStore
    """Gives shards, whoever stored them."""
    store_of: StoreOf
    """Keeps shards, each tenant's apart."""
    ledger: Ledger
    """Takes blocks, gives receipts."""
    jobs: Jobs
    """Queue of the images to be read."""
    bus: Bus
    """Wakes the hub and the worker."""
    uploads: Uploads
    """Uploads under way."""
    budget: Budget
    """Memory that fragments may use."""
    offer_part: OfferPart
    """Lets a still be read beside the steps 8 to 10."""
    admit: Admit
    """Refuses uploads while the server is full."""
    presence: Presence
    """Knows which agents are there."""
    late_timings: LateTimings
    """Durations that a later transaction stores."""
    draining: asyncio.Event
    """Set when the server stops."""
    clock: Clock
    """Now, aware UTC."""
    stopwatch: Callable[[], float]
    """Seconds of a clock that never goes back."""
    before_step: BeforeStep
    """Called before each step."""
    log: Log
    """Where events are written."""
    missing_after_s: float
    """After how many seconds an announced capture is missing."""
    examination_gap_s: float
    """A print after a longer pause on its device begins a new examination, seconds."""

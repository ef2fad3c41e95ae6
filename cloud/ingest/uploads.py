"""Part of step 7: uploads under way: what is known of each, in memory while it is busy."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cloud.db import Database
from cloud.errors import CallRefused
from cloud.ingest import statements
from cloud.ingest.manifest import PartPlan, plan
from cloud.store import BlobStore
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import MissingShards, OpenUploadRequest, ShardRange


@dataclass(slots=True, kw_only=True, eq=False)
class Upload:
    """One upload. Its plan never changes; what has arrived does."""

    session_id: str
    """Its name."""
    capture_id: str
    """UUID of the capture."""
    device_id: str
    """Device number."""
    tenant_id: str
    """Whose the capture is: of what others have stored it knows nothing."""
    parts: tuple[PartPlan, ...]
    """What is to come."""
    fencing_token: int
    """Newest token that was handed out."""
    committed: bool = False
    """Whether it is committed."""
    durable: list[bytearray] = field(default_factory=list)
    """One byte per shard of each part, 1 where it is known to be durable."""
    commit_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a commit runs, so that a hasty repeat waits for its answer."""
    store_s: float = 0.0
    """Time in which at least one shard was on its way into the store, seconds."""
    _puts: int = 0
    _puts_since_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.durable:
            self.durable = [bytearray(len(part.shard_digests)) for part in self.parts]

    @property
    def size_bytes(self) -> int:
        """Length of all parts, bytes."""
        return sum(part.size_bytes for part in self.parts)

    def absent(self) -> Iterator[bytes]:
        """Digests of the shards that are not known to be durable."""
        for part, flags in zip(self.parts, self.durable, strict=True):
            if not all(flags):
                yield from (d for d, known in zip(part.shard_digests, flags, strict=True) if not known)

    def put_began(self, now_s: float) -> None:
        """A shard is on its way into the store."""
        if not self._puts:
            self._puts_since_s = now_s
        self._puts += 1

    def put_ended(self, now_s: float) -> None:
        """It is there, or failed."""
        self._puts -= 1
        if not self._puts:
            self.store_s += now_s - self._puts_since_s

    async def look(self, store: BlobStore, digests: list[bytes] | None = None) -> None:
        """Asks the store, which is the truth, about `digests` (None: all of them) and notes the answer."""
        asked = digests if digests is not None else [d for part in self.parts for d in part.shard_digests]
        if not asked:
            return
        missing = set(await store.missing(asked))
        known = set(asked)
        for part, flags in zip(self.parts, self.durable, strict=True):
            for index, digest in enumerate(part.shard_digests):
                if digest in known:
                    flags[index] = digest not in missing

    def missing(self) -> list[MissingShards]:
        """Shards that are not durable, as the contract spells them; nothing is missing once committed."""
        if self.committed:
            return []
        found = [
            MissingShards(part_index=part.part_index, ranges=_ranges(flags))
            for part, flags in zip(self.parts, self.durable, strict=True)
            if not all(flags)
        ]
        return found


class Uploads:
    """Finds uploads by their session id: in memory, else in the database. Keeps the `limit` used last."""

    def __init__(self, database: Database, store_of: Callable[[str], BlobStore], limit: int) -> None:
        self._database = database
        self._store_of = store_of
        self._limit = limit
        self._known: OrderedDict[str, Upload] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Upload]] = {}

    async def get(self, session_id: str) -> Upload:
        """The upload; refuses UPLOAD_UNKNOWN where none was opened under this name."""
        known = self._known.get(session_id)
        if known is not None:
            self._known.move_to_end(session_id)
            return known
        loading = self._loading.get(session_id)
        if loading is None:
            loading = asyncio.create_task(self._load(session_id))
            self._loading[session_id] = loading
            loading.add_done_callback(lambda _: self._loading.pop(session_id, None))
        return await asyncio.shield(loading)

    def opened(self, session_id: str, fencing_token: int, make: Callable[[], Upload]) -> Upload:
        """The upload that was opened (again) just now, with its newest token."""
        known = self._known.get(session_id) or make()
        # Two openings may end in either order; the newer token is the larger one.
        known.fencing_token = max(known.fencing_token, fencing_token)
        return self._keep(known)

    def _keep(self, known: Upload) -> Upload:
        self._known[known.session_id] = known
        self._known.move_to_end(known.session_id)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        return known

    async def _load(self, session_id: str) -> Upload:
        row = await self._database.read(lambda tx: statements.LOAD_UPLOAD.first(tx, {"session": session_id}))
        if row is None:
            raise CallRefused(WireReason.UPLOAD_UNKNOWN, "no upload was opened under this session_id")
        request = OpenUploadRequest.FromString(row.manifest)
        loaded = Upload(
            session_id=session_id,
            capture_id=request.capture_id,
            device_id=row.device_id,
            tenant_id=row.tenant_id,
            parts=plan(request),
            fencing_token=row.fencing_token,
            committed=row.committed_time is not None,
        )
        await loaded.look(self._store_of(row.tenant_id))
        # It may have been opened anew while the store was asked.
        return self._known.get(session_id) or self._keep(loaded)


def _ranges(flags: bytearray) -> list[ShardRange]:
    """Runs of zeros, ascending, not touching."""
    ranges: list[ShardRange] = []
    end = 0
    while (first := flags.find(0, end)) >= 0:
        end = flags.find(1, first)
        end = end if end >= 0 else len(flags)
        ranges.append(ShardRange(first=first, count=end - first))
    return ranges

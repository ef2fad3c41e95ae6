"""A small real world for the console's tests: database, store, ledger and hub, filled by hand.

Rows are written as the ingest and the worker write them; pictures come from the virtual scanner.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.audit import COMMAND, LOCAL
from cloud.accounts.oidc import OidcRules
from cloud.accounts.passwords import Parameters, Passwords
from cloud.accounts.provider import Provider
from cloud.accounts.roles import Role
from cloud.accounts.seal import open_seal
from cloud.accounts.services import AccountServices
from cloud.console.api.services import ConsoleServices
from cloud.console.api.site import Site
from cloud.db import Tx
from cloud.db.insert import insert_once
from cloud.db.job_table import JobTable
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import capture, device, image, part, result, upload
from cloud.examinations.all import make_examinations
from cloud.examinations.binding import UNBOUND, Identity, bind
from cloud.examinations.protocol import shipped_protocol
from cloud.examinations.services import ExaminationServices
from cloud.infer import DescribingEngine
from cloud.ingest import captures
from cloud.items import CaptureState
from cloud.ledger.first_start import open_or_begin
from cloud.ledger.keys import load_key
from cloud.monitor.channels import Channel, Sender
from cloud.policy.sex import FetalSex, SexPolicy
from cloud.publish import outbox
from cloud.publish.hub import Hub
from cloud.publish.topic import OUTBOX_TOPIC, TopicBus
from cloud.series.service import SeriesSettings
from cloud.store.disk import DiskBlobStore
from edge_agent.simulator.exam import Shot
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.readings import Verdict as Verdict
from tests.cloud.console.readings import brain_shot as brain_shot
from tests.cloud.console.readings import made_reading as made_reading
from tests.cloud.console.readings import png_of as png_of
from tests.cloud.console.readings import spread
from tests.cloud.monitor.made import made_monitor
from tests.cloud.series_site import SETTINGS, open_test_series

DEVICE = "us-room-3"
ORIGIN = "test.example/log"
GAP_S = 900.0
EDGE_MS = {
    "capture": 6.1,
    "pre-notify": 3.4,
    "filter": 9.8,
    "de-identify": 21.5,
    "split by type": 2.2,
    "shard + hash": 3.9,
    "upload": 12.7,
}
CLOUD_MS = {"verify": 1.9, "store": 4.6, "ledger": 1.4}


PASSWORD = "a quiet room with a view"
"""Of every made-up user."""
CHEAP = Parameters(memory_kib=64, passes=1)
"""Hashes that cost next to nothing: far below what a site has."""


class MadeClock:
    """This machine's time, which a test can move on."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def forward(self, **by: float) -> None:
        """Moves the time on, never back."""
        self._ahead += timedelta(**by)


@dataclass(slots=True)
class World:
    """Everything that the console stands on, and the moves of a capture."""

    services: ConsoleServices
    clock: MadeClock
    passwords: Passwords
    database: SqliteDatabase
    store: DiskBlobStore
    bus: TopicBus
    pictures_of: dict[str, Shot] = field(default_factory=dict)

    @property
    def accounts(self) -> Accounts:
        """Who may do what."""
        return self.services.accounts

    async def add_user(self, name: str, role: Role) -> str:
        """A user whose password is PASSWORD; their id."""
        tokens = self.accounts.tokens
        _, value = await tokens.create("maker", Role.ADMINISTRATOR, None, actor=COMMAND, origin=LOCAL)
        maker = await self.accounts.sign_in.principal(None, value, "test")
        user, link = await self.accounts.people.create(maker, name, role)
        await self.accounts.people.set_password(link, PASSWORD, "test")
        return user.user_id

    async def add_token(self, role: Role, name: str = "machine") -> str:
        """A machine's token."""
        _, value = await self.accounts.tokens.create(name, role, None, actor=COMMAND, origin=LOCAL)
        return value

    async def announce(
        self,
        *,
        size_bytes: int = 431_872,
        images: int = 1,
        device_id: str = DEVICE,
        identity: Identity | None = None,
    ) -> str:
        """Step 2: a capture is on its way; its id. With `identity` its upload was opened too."""
        capture_id, now = str(uuid.uuid4()), self.services.clock()

        def work(tx: Tx) -> None:
            known = tx.execute(sa.select(device.c.device_id).where(device.c.device_id == device_id)).first()
            if known is None:
                seen = {"first_seen_time": now, "last_seen_time": now, "clock_offset_ms": 0.0}
                tx.execute(
                    sa.insert(device).values(device_id=device_id, verifier_key="k", revoked=False, **seen)
                )
            captures.insert(
                tx,
                capture_id=capture_id,
                device_id=device_id,
                now=now,
                missing_after_s=60,
                gap_s=GAP_S,
                expected_image_count=images,
                size_bytes=size_bytes,
            )
            self._tell(tx, capture_id, device_id)

        await self._write(work)
        if identity is not None:
            await self.open_upload(capture_id, identity)
        return capture_id

    async def open_upload(self, capture_id: str, identity: Identity | None = None) -> None:
        """Step 7 begins: the manifest is there, and says which study the capture is of where it has an identity."""
        now = self.services.clock()

        def work(tx: Tx) -> None:
            row = tx.execute(sa.select(capture).where(capture.c.capture_id == capture_id)).one()
            insert_once(
                tx,
                upload,
                (upload.c.capture_id,),
                {
                    "session_id": capture_id,
                    "capture_id": capture_id,
                    "device_id": row.device_id,
                    "fencing_token": 1,
                    "manifest": b"",
                    "manifest_digest": bytes(32),
                    "opened_time": now,
                },
            )
            bound = bind(tx, capture_id, identity, now) if identity else UNBOUND
            for each in bound.captures:
                outbox.append(
                    tx, capture_id=each, device_id=row.device_id, time=now, examination_id=bound.left
                )

        await self._write(work)

    async def store_images(
        self,
        capture_id: str,
        files: list[bytes],
        shots: list[Shot],
        media_type: str = "image/png",
        frame_count: int = 1,
    ) -> list[str]:
        """Steps 7 to 10: the bytes are kept and in the ledger; the capture is analysing. Image ids."""
        await self.store.put(_digest(b"".join(files)), b"".join(files))
        image_ids = [str(uuid.uuid5(uuid.UUID(capture_id), str(n))) for n in range(len(files))]

        def work(tx: Tx) -> None:
            (index,) = self.services.ledger.append(tx, [f"part of {capture_id}\n".encode()])
            whole = b"".join(files)
            tx.execute(
                sa.insert(part).values(
                    capture_id=capture_id,
                    part_index=0,
                    image_type="brain",
                    size_bytes=len(whole),
                    shard_size_bytes=len(whole),
                    shard_sha256=_digest(whole),
                    root=_digest(whole),
                    ledger_index=index,
                )
            )
            start = 0
            for n, (image_id, data, shot) in enumerate(zip(image_ids, files, shots, strict=True)):
                truth = shot.still.truth
                tx.execute(
                    sa.insert(image).values(
                        image_id=image_id,
                        capture_id=capture_id,
                        part_index=0,
                        index_in_capture=n,
                        image_type=truth.type,
                        type_probabilities=spread(truth.type, 0.91, ("brain", "abdomen", "femur", "thorax")),
                        media_type=media_type,
                        start_bytes=start,
                        size_bytes=len(data),
                        sha256=_digest(data),
                        width_px=truth.width_px,
                        height_px=truth.height_px,
                        frame_count=frame_count,
                        mm_per_pixel=truth.mm_per_pixel,
                        scale_source="given",
                        source_format="png" if media_type == "image/png" else "dicom",
                        capture_time=self.services.clock(),
                    )
                )
                start += len(data)
            self._set(
                tx, capture_id, CaptureState.ANALYSING, edge_timings_ms=EDGE_MS, cloud_timings_ms=CLOUD_MS
            )

        await self._write(work)
        return image_ids

    async def conclude(self, capture_id: str, image_id: str, shot: Shot, verdict: Verdict) -> None:
        """Steps 11 and 12: the image has a result."""
        reading, pictures = made_reading(shot, verdict)
        for data in pictures.values():
            await self.store.put(_digest(data), data)
        names = {name: _digest(data).hex() for name, data in pictures.items()}
        await self._conclude(
            capture_id, image_id, {"ok": True, "reading": reading.to_json(), "pictures": names}
        )

    async def fail(self, capture_id: str, image_id: str) -> None:
        """Step 11 could not read the image."""
        reason = EdgeReason.IMAGE_UNREADABLE.value
        await self._conclude(capture_id, image_id, {"ok": False, "reason": reason, "pictures": {}})

    async def stop(self, capture_id: str, state: CaptureState, reason: EdgeReason) -> None:
        """The capture ends before a result."""
        await self._write(lambda tx: self._set(tx, capture_id, state, reason=reason.value))

    async def result(
        self, seed: int, verdict: Verdict, *, device_id: str = DEVICE, identity: Identity | None = None
    ) -> str:
        """The whole way of one print of the scanner; the capture's id."""
        shot = brain_shot(seed)
        data = png_of(shot)
        capture_id = await self.announce(size_bytes=len(data), device_id=device_id, identity=identity)
        (image_id,) = await self.store_images(capture_id, [data], [shot])
        await self.conclude(capture_id, image_id, shot, verdict)
        return capture_id

    async def _conclude(self, capture_id: str, image_id: str, values: dict[str, Any]) -> None:
        def work(tx: Tx) -> None:
            (index,) = self.services.ledger.append(tx, [f"result of {image_id}\n".encode()])
            row = {"image_id": image_id, "ledger_index": index, "result_time": self.services.clock()}
            timings = {"queue": 1.2, "infer": 131.0}
            tx.execute(sa.insert(result).values(**row, **values, timings_ms=timings))
            of_capture = sa.select(sa.func.count()).select_from(image).where(image.c.capture_id == capture_id)
            done = of_capture.where(image.c.image_id.in_(sa.select(result.c.image_id)))
            if tx.execute(of_capture).scalar() == tx.execute(done).scalar():
                times = {**CLOUD_MS, "queue": 1.2, "infer": 131.0, "publish": 2.3}
                self._set(tx, capture_id, CaptureState.RESULT, cloud_timings_ms=times)
            else:
                self._tell(tx, capture_id, DEVICE)

        await self._write(work)

    def _set(self, tx: Tx, capture_id: str, state: CaptureState, **values: Any) -> None:
        now = self.services.clock()
        changed = sa.update(capture).where(capture.c.capture_id == capture_id)
        tx.execute(changed.values(state=state.value, updated_time=now, **values))
        self._tell(tx, capture_id, DEVICE)

    def _tell(self, tx: Tx, capture_id: str, device_id: str) -> None:
        outbox.append(tx, capture_id=capture_id, device_id=device_id, time=self.services.clock())

    async def _write(self, work: Any) -> None:
        await self.database.write(work)
        await self.bus.publish(OUTBOX_TOPIC)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


async def open_world(
    folder: Path,
    *,
    engine: DescribingEngine | None = None,
    heartbeat_s: float = 5.0,
    fetal_sex: FetalSex = FetalSex.WITHHOLD,
    settings: SeriesSettings = SETTINGS,
    provider: tuple[Provider, OidcRules] | tuple[None, None] = (None, None),
    senders: Mapping[Channel, Sender] | None = None,
    **more: Any,
) -> World:
    """An empty world in `folder`; with `provider` people come through it too."""
    upgrade(folder / "state.sqlite")
    database = SqliteDatabase(folder / "state.sqlite")
    store = DiskBlobStore(folder / "blobs", free_min_bytes=0)
    ledger_dir = folder / "ledger"
    ledger_dir.mkdir(exist_ok=True)
    ledger = await open_or_begin(ledger_dir, database, ORIGIN, folder / "log.key")
    bus = TopicBus()
    hub = Hub(database, bus)
    clock, passwords = MadeClock(), Passwords(CHEAP)
    accounts = AccountServices(
        database=database,
        clock=clock,
        random=secrets.token_bytes,
        passwords=passwords,
        seal=open_seal(folder, database, secrets.token_bytes),
    )
    sex = SexPolicy(fetal_sex)
    examinations = ExaminationServices(
        database=database,
        ledger=ledger,
        signer=Signer(ORIGIN, load_key(folder / "log.key")),
        bus=bus,
        clock=clock,
        sex=sex,
        protocol=shipped_protocol().without_sex(sex),
    )
    series = open_test_series(folder, ORIGIN, database, store, ledger, clock, settings)
    services = ConsoleServices(
        database=database,
        accounts=make_accounts(accounts, *provider),
        hub=hub,
        store=store,
        series=series,
        ledger=ledger,
        ledger_dir=ledger_dir,
        examinations=make_examinations(examinations, JobTable(clock)),
        engine=engine,
        site=Site(sex=sex),
        monitor=await made_monitor(folder, database, ledger, hub, bus, clock, senders or {}),
        clock=clock,
        version="0.1.0",
        heartbeat_s=heartbeat_s,
        **more,
    )
    return World(services=services, clock=clock, passwords=passwords, database=database, store=store, bus=bus)


async def close_world(world: World) -> None:
    """Ends readers and worker processes and closes the files."""
    world.services.hub.close()
    await world.services.series.close()
    world.passwords.close()
    world.store.close()
    world.database.close()

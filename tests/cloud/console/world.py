"""A small real world for the console's tests: database, store, ledger and hub, filled by hand.

Rows are written as the ingest and the worker write them; pictures come from the virtual scanner.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import sqlalchemy as sa

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.audit import COMMAND, LOCAL
from cloud.accounts.passwords import Parameters, Passwords
from cloud.accounts.roles import Role
from cloud.accounts.services import AccountServices
from cloud.console.api.services import ConsoleServices
from cloud.db import Tx
from cloud.db.migrate import upgrade
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import capture, device, image, part, result
from cloud.infer import DescribingEngine
from cloud.infer.annotate import Ellipse, annotate, fill
from cloud.infer.assess import Context
from cloud.infer.heatmap import heat_map, palette
from cloud.infer.measure import Length, Scale, measure
from cloud.infer.pictures import indexed_png, mask_png, small_png
from cloud.infer.preprocess import crop_box
from cloud.infer.reading import HeadReading, ModelUsed, Reading, SubPlane
from cloud.infer.reasons import AbstainReason
from cloud.infer.ventricle import NoWidth, VentricleReading
from cloud.items import CaptureState
from cloud.ledger.first_start import open_or_begin
from cloud.monitor.channels import Channel, Sender
from cloud.publish import outbox
from cloud.publish.hub import Hub
from cloud.publish.topic import OUTBOX_TOPIC, TopicBus
from cloud.store.disk import DiskBlobStore
from edge_agent.simulator.exam import Shot, draw_examination
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.made import made_ventricles
from tests.cloud.monitor.made import made_monitor

DEVICE = "us-room-3"
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
MODELS = {
    name: ModelUsed(version="1", sha256=hashlib.sha256(name.encode()).hexdigest())
    for name in ("fetal_head_seg", "fetal_plane_cls", "fetal_brain_cls")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the made-up reading of a picture says."""

    finding: str | None = "normal"
    """normal, ventriculomegaly or other; None where no brain was classified."""
    probability: float = 0.973
    """Of the finding."""
    plane: str = "brain"
    """Most probable plane."""
    reasons: tuple[AbstainReason, ...] = ()
    """Why it abstains."""
    scaled: bool = True
    """Whether the scale is known."""
    ventricle_mm: float | None = None
    """Width of the lateral ventricle, where one was found."""
    no_width: NoWidth | None = None
    """Why it was not measured all the same."""
    subplane: SubPlane | None = None
    """Which standard plane of the brain."""
    context: Context = field(default_factory=Context)
    """Gestational age by the examination, and limits."""


def brain_shot(seed: int) -> Shot:
    """A still of a fetal head without texts."""
    shots = draw_examination(seed, 0, banner=False, cines=False)
    return next(shot for shot in shots if shot.still.truth.ellipse is not None)


def png_of(shot: Shot) -> bytes:
    """The still as PNG."""
    pixels = shot.still.pixels
    ordered = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    return small_png(np.asarray(ordered, np.uint8))


def _spread(top: str, share: float, names: Iterable[str]) -> dict[str, float]:
    others = [name for name in names if name != top]
    weights = [2.0**-n for n in range(len(others))]
    rest = {name: (1 - share) * w / sum(weights) for name, w in zip(others, weights, strict=True)}
    return {top: share, **rest}


def made_reading(shot: Shot, verdict: Verdict) -> tuple[Reading, dict[str, bytes]]:
    """A reading with the scanner's truth for an outline, and its pictures, made by the real functions."""
    truth = shot.still.truth
    height_px, width_px = truth.height_px, truth.width_px
    head, box, heat, measured = None, None, None, None
    ventricles: VentricleReading | None = None
    pictures: dict[str, bytes] = {}
    if truth.ellipse is not None:
        e = truth.ellipse
        ellipse = Ellipse(cx=e.cx, cy=e.cy, a=e.a, b=e.b, angle_deg=e.angle_deg % 180)
        mask = fill(ellipse, (height_px, width_px))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = np.asarray(contours[0][:, 0, :], np.float32)
        head = HeadReading(annotation=annotate(ellipse, outline, (height_px, width_px)), confidence=0.981)
        if verdict.ventricle_mm is not None:
            ventricles = made_ventricles(ellipse, verdict.ventricle_mm / truth.mm_per_pixel, verdict.no_width)
        width = ventricles.measured if ventricles else None
        midline = ventricles.midline if ventricles else None
        measured = measure(
            ellipse,
            Scale(mm_per_pixel=truth.mm_per_pixel, source="given") if verdict.scaled else None,
            outline_sd_px=1.6,
            ventricle_width=Length(px=width.width_px, sd_px=width.width_sd_px) if width else None,
            midline_shift=Length(px=abs(midline.shift_px)) if midline else None,
        )
        pictures["mask.png"] = mask_png(mask)
        if verdict.finding is not None:
            box = crop_box(ellipse, (height_px, width_px))
            rows, columns = np.mgrid[0:7, 0:7].astype(np.float32)
            evidence = np.exp(-((columns - 4.4) ** 2 + (rows - 3.6) ** 2) / 2.2) * 6 - 0.4
            made = heat_map(evidence, verdict.finding, box, (height_px, width_px))
            pictures["heatmap.png"] = indexed_png(made.levels, palette(verdict.probability))
            heat = made.heat
    finding = verdict.finding
    reading = Reading(
        width_px=width_px,
        height_px=height_px,
        plane=verdict.plane,
        plane_probabilities=_spread(verdict.plane, 0.962, ("brain", "abdomen", "femur", "thorax")),
        subplane=verdict.subplane,
        finding=finding,
        finding_probabilities=_spread(finding, verdict.probability, ("normal", "ventriculomegaly", "other"))
        if finding
        else None,
        abstain_reasons=verdict.reasons,
        head=head,
        crop=box,
        measurements=measured,
        ventricles=ventricles,
        heat=heat,
        models=MODELS,
        timings_ms={"decode": 4.2, "segment": 38.0, "classify": 44.0},
        context=verdict.context,
    )
    return reading, pictures


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

    async def announce(self, *, size_bytes: int = 431_872, images: int = 1, device_id: str = DEVICE) -> str:
        """Step 2: a capture is on its way; its id."""
        capture_id, now = str(uuid.uuid4()), self.services.clock()

        def work(tx: Tx) -> None:
            known = tx.execute(sa.select(device.c.device_id).where(device.c.device_id == device_id)).first()
            if known is None:
                seen = {"first_seen_time": now, "last_seen_time": now, "clock_offset_ms": 0.0}
                tx.execute(
                    sa.insert(device).values(device_id=device_id, verifier_key="k", revoked=False, **seen)
                )
            tx.execute(
                sa.insert(capture).values(
                    capture_id=capture_id,
                    device_id=device_id,
                    state=CaptureState.INCOMING.value,
                    expected_image_count=images,
                    size_bytes=size_bytes,
                    received_time=now,
                    notified_time=now,
                    deadline_time=now + timedelta(seconds=60),
                    updated_time=now,
                    edge_timings_ms={},
                    cloud_timings_ms={},
                )
            )
            self._tell(tx, capture_id, device_id)

        await self._write(work)
        return capture_id

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
                        type_probabilities=_spread(truth.type, 0.91, ("brain", "abdomen", "femur", "thorax")),
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

    async def result(self, seed: int, verdict: Verdict, *, device_id: str = DEVICE) -> str:
        """The whole way of one print of the scanner; the capture's id."""
        shot = brain_shot(seed)
        data = png_of(shot)
        capture_id = await self.announce(size_bytes=len(data), device_id=device_id)
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
    senders: Mapping[Channel, Sender] | None = None,
) -> World:
    """An empty world in `folder`."""
    upgrade(folder / "state.sqlite")
    database = SqliteDatabase(folder / "state.sqlite")
    store = DiskBlobStore(folder / "blobs", free_min_bytes=0)
    ledger_dir = folder / "ledger"
    ledger_dir.mkdir(exist_ok=True)
    ledger = await open_or_begin(ledger_dir, database, "test.example/log", folder / "log.key")
    bus = TopicBus()
    hub = Hub(database, bus)
    clock, passwords = MadeClock(), Passwords(CHEAP)
    accounts = AccountServices(
        database=database, clock=clock, random=secrets.token_bytes, passwords=passwords
    )
    services = ConsoleServices(
        database=database,
        accounts=make_accounts(accounts),
        hub=hub,
        store=store,
        ledger=ledger,
        ledger_dir=ledger_dir,
        engine=engine,
        monitor=await made_monitor(folder, database, ledger, hub, bus, clock, senders or {}),
        clock=clock,
        version="0.1.0",
        heartbeat_s=heartbeat_s,
    )
    return World(services=services, clock=clock, passwords=passwords, database=database, store=store, bus=bus)


def close_world(world: World) -> None:
    """Ends readers and closes the files."""
    world.services.hub.close()
    world.passwords.close()
    world.store.close()
    world.database.close()

"""What the edge's tests share: a preparer without parsing, files, waiting for a condition."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.capture import Intake
from edge_agent.items import Arrival, CleanImage, Identity, PrepareReply, PrepareRequest
from sonorelay.contract.reasons import EdgeReason

IDENTITY = Identity(examination_key="e" * 64, patient_key="S0123456789ABCDE", gestational_age_days=147.0)
"""Of every capture that the plain preparer keeps."""


class PlainPreparer:
    """Steps 3 to 5 without parsing: the bytes are the image, the first ones say what becomes of it.

    `refuse...` is refused, `hold...` is held, `femur...` is a femur, `two...` becomes a brain and an abdomen.
    """

    def __init__(self) -> None:
        self.requests: list[PrepareRequest] = []
        self.warmed = threading.Event()

    def warm(self) -> None:
        self.warmed.set()

    def close(self) -> None:
        pass

    def prepare(self, request: PrepareRequest) -> PrepareReply:
        self.requests.append(request)
        data = request.raw_path.read_bytes()
        if data.startswith(b"refuse"):
            return PrepareReply(outcome="refused", reason=EdgeReason.BLANK, detail="flat", images=())
        if data.startswith(b"hold") and request.pixels == "guard":
            return PrepareReply(outcome="held", reason=EdgeReason.SECTOR_NOT_FOUND, detail="", images=())
        types = ["brain", "abdomen"] if data.startswith(b"two") else ["brain"]
        if data.startswith(b"femur"):
            types = ["femur"]
        images = tuple(self._image(request, data, index, kind) for index, kind in enumerate(types))
        timings = {"filter": 1.0, "de-identify": 1.0, "split by type": 1.0}
        return PrepareReply(
            outcome="kept", reason=None, detail="", images=images, timings_ms=timings, identity=IDENTITY
        )

    @staticmethod
    def _image(request: PrepareRequest, data: bytes, index: int, kind: str) -> CleanImage:
        clean = b"clean" + bytes([index]) + data
        path = request.out_dir / f"{index}.png"
        path.write_bytes(clean)
        return CleanImage(
            image_id=str(uuid.uuid5(uuid.UUID(request.capture_id), str(index))),
            path=path,
            media_type="image/png",
            size_bytes=len(clean),
            sha256=hashlib.sha256(clean).digest(),
            width_px=8,
            height_px=8,
            frame_count=1,
            mm_per_pixel=request.mm_per_pixel,
            scale_source="given" if request.mm_per_pixel else None,
            source_format="png",
            index_in_capture=index,
            image_type=kind,
            type_probabilities={kind: 1.0},
        )


def arrival(
    intake: Intake,
    data: bytes,
    name: str = "print.png",
    *,
    input_name: str = "folder",
    label: str | None = None,
) -> Arrival:
    """An own copy in the spool's incoming folder, as an input makes it."""
    path = intake.incoming / uuid.uuid4().hex
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return Arrival(
        input_name=input_name,
        source_name=name,
        copy_path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).digest(),
        received_time=datetime.now(UTC),
        monotonic_ns=time.monotonic_ns(),
        label=label,
    )


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Returns as soon as the condition holds; fails the test after `timeout_s` seconds."""
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen in time"
        time.sleep(0.005)


def data_files(folder: Path) -> list[str]:
    """Names of the plain files in a folder."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())

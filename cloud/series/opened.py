"""Beside the thirteen steps: series: one stored series, open in a worker process: headers and plan, then its volume."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO, Final

from cloud.series.errors import HeaderRefused, SeriesRefused
from cloud.series.found import LeftOut
from cloud.series.gaps import Search, missing
from cloud.series.geometry import Plan, understand
from cloud.series.group import group
from cloud.series.header import Header
from cloud.series.messages import StoredBytes, StoredSeries
from cloud.series.read_header import read_header
from cloud.series.reasons import Refusal, RefusalReason
from cloud.series.reconstruct import Series, reconstruct
from cloud.series.stored import Kind
from cloud.series.volume import Volume, needed_bytes

_MIB: Final = 1024**2


class OpenSeries:
    """Headers and plan of a series; the volume once `build` was called. Not for several threads at once."""

    def __init__(self, stored: StoredSeries) -> None:
        """Reads every header. Errors: HeaderRefused where no image has one."""
        self.stored = stored
        by_path = {each.path: each for each in (*stored.images, *stored.strangers)}
        headers: list[Header] = []
        left_out: list[LeftOut] = []
        for path, each in by_path.items():
            try:
                headers.append(read_header(path, open_bytes=each.open))
            except HeaderRefused as refused:
                left_out.append(LeftOut(path=path, reason=refused.reason))
        own = {each.path for each in stored.images}
        current = next((header for header in headers if header.path in own), None)
        if current is None:
            raise HeaderRefused(left_out[0].reason)
        grouped = group(current, headers)
        self.members: tuple[Header, ...] = grouped.members
        """By instance number."""
        self.bytes_of = {header.path: by_path[header.path] for header in self.members}
        """Where each member lies."""
        geometry = understand(self.members, current, threshold=stored.threshold)
        gaps = Search(
            found=(), missing=missing(self.members), left_out=(), folder_count=0, is_timed_out=False
        )
        self.series = Series(
            current=current,
            members=self.members,
            left_out=(*left_out, *grouped.left_out, *geometry.left_out),
            gaps=gaps,
            is_whole=True,
            plan=_affordable(geometry.result, stored.cap_bytes),
        )
        self.volume: Volume | None = None

    @property
    def plan(self) -> Plan | Refusal:
        """The stack, or why there is none."""
        return self.series.plan

    @property
    def kind(self) -> Kind:
        """What the series is shown as."""
        if isinstance(self.plan, Plan):
            return Kind.VOLUME
        is_moving = any(each.frame_count > 1 for each in self.members)
        return Kind.LOOP if is_moving else Kind.STACK

    @property
    def frame_count(self) -> int:
        """Frames of the image that has most."""
        return max(each.frame_count for each in self.members)

    @property
    def need_bytes(self) -> int:
        """Memory that `build` takes."""
        return needed_bytes(self.plan) if isinstance(self.plan, Plan) else 0

    def build(self) -> Volume:
        """The volume, built at the first call. Errors: SeriesRefused."""
        if self.volume is None:
            self.series, self.volume = reconstruct(
                self.series, threshold=self.stored.threshold, cap_bytes=self.stored.cap_bytes
            )
        if self.volume is None:
            assert isinstance(self.series.plan, Refusal)
            raise SeriesRefused(self.series.plan)
        return self.volume

    def image(self, index: int) -> tuple[Header, partial[BinaryIO]]:
        """Header of the member at `index`, and what opens its bytes. Raises IndexError."""
        if not 0 <= index < len(self.members):
            raise IndexError(index)
        header = self.members[index]
        return header, partial(StoredBytes.open, self.bytes_of[header.path])


def _affordable(result: Plan | Refusal, cap_bytes: int) -> Plan | Refusal:
    """The plan, or a refusal where its volume would be too large: known before a pixel is read."""
    if isinstance(result, Refusal) or needed_bytes(result) <= cap_bytes:
        return result
    values = {"need_mib": -(-needed_bytes(result) // _MIB), "cap_mib": cap_bytes // _MIB}
    return Refusal(reason=RefusalReason.TOO_LARGE, values=values)

"""Part of steps 2 and 7: devices. The key of a device's first word is the only one it may use ever after."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.tables import capture, device
from cloud.errors import CallRefused
from cloud.ingest import statements
from cloud.tenants import within
from sonorelay.contract.notes import NoteInvalid, Verifier
from sonorelay.contract.reasons import WireReason

_DEVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDevice:
    """A device that gave its first word, as an administrator sees it."""

    device_id: str
    """Device number."""
    verifier_key: str
    """Its pinned key."""
    first_seen_time: datetime
    """When it gave its first word (aware UTC)."""
    last_seen_time: datetime
    """When it last announced or opened something (aware UTC)."""
    clock_offset_ms: float
    """Its clock minus this server's at that moment, milliseconds."""
    print_count: int
    """Captures that it announced."""
    revoked: bool
    """Whether it is refused."""
    tenant_id: str
    """Whose it is."""


def check_device_id(device_id: str) -> None:
    """Refuses what is no device number as MANIFEST_INVALID."""
    if not _DEVICE_ID.fullmatch(device_id):
        raise CallRefused(WireReason.MANIFEST_INVALID, "device_id is not of the form [a-z0-9][a-z0-9-]{0,62}")


def check_uuid(field: str, value: str) -> None:
    """Refuses what is no lower-case UUID as MANIFEST_INVALID."""
    if not _UUID.fullmatch(value):
        raise CallRefused(WireReason.MANIFEST_INVALID, f"{field} is not a lower-case UUID")


def parse_verifier(device_id: str, verifier_key: str) -> Verifier:
    """The device's key; refuses one that cannot be read or bears another name as DEVICE_UNKNOWN."""
    try:
        verifier = Verifier.parse(verifier_key)
    except NoteInvalid as exc:
        raise CallRefused(WireReason.DEVICE_UNKNOWN, f"the device's verifier key is unusable: {exc}") from exc
    if verifier.name != device_id:
        raise CallRefused(WireReason.DEVICE_UNKNOWN, "the verifier key bears another name than the device")
    return verifier


def pin_device(tx: Tx, verifier: Verifier, now: datetime, sent_time: datetime | None = None) -> None:
    """Pins a new device's key; refuses a known device with another key, or a revoked one.

    `sent_time` is the device's clock, for the offset that is stored; None leaves the offset as it is.
    """
    row = statements.DEVICE_KEY.first(tx, {"device": verifier.name})
    offset_ms = None if sent_time is None else (sent_time - now).total_seconds() * 1000
    if row is None:
        new = {
            "device_id": verifier.name,
            "verifier_key": str(verifier),
            "first_seen_time": now,
            "last_seen_time": now,
            "clock_offset_ms": offset_ms or 0.0,
            "revoked": False,
        }
        prepared.insert(device, *new).run(tx, new)
        return
    if row.revoked:
        raise CallRefused(WireReason.DEVICE_REVOKED, "this device was revoked")
    if row.verifier_key != str(verifier):
        raise CallRefused(WireReason.DEVICE_UNKNOWN, "this device is known by another key")
    if offset_ms is not None:
        seen = {"last_seen_time": now, "clock_offset_ms": offset_ms}
        prepared.change(tx, device.c.device_id, verifier.name, seen)


def note_heard(tx: Tx, heard: Mapping[str, datetime]) -> None:
    """Notes when devices that are known were last there; an older time than the stored one changes nothing."""
    for device_id, time in heard.items():
        statements.DEVICE_HEARD.run(tx, {"device": device_id, "time": time})


def check_known(tx: Tx, device_id: str) -> None:
    """Refuses a device that never gave its first word, or was revoked."""
    row = statements.DEVICE_KEY.first(tx, {"device": device_id})
    if row is None:
        raise CallRefused(WireReason.DEVICE_UNKNOWN, "this device is not known here")
    if row.revoked:
        raise CallRefused(WireReason.DEVICE_REVOKED, "this device was revoked")


def known_devices(tx: Tx, tenant_id: str | None) -> list[KnownDevice]:
    """Every device of the tenant (None: of the site), by number; of its prints those that the tenant has."""
    own = within(capture.c.tenant_id, tenant_id)
    is_print = (capture.c.device_id == device.c.device_id) & capture.c.series_label.is_(None)
    prints = sa.select(sa.func.count()).where(is_print, own)
    counted = prints.scalar_subquery().label("print_count")
    query = sa.select(*device.c, counted).where(within(device.c.tenant_id, tenant_id))
    query = query.order_by(device.c.device_id)
    return [KnownDevice(**row._mapping) for row in tx.execute(query)]


def device_keys(tx: Tx, device_ids: Collection[str]) -> dict[str, str]:
    """The pinned keys of those of these devices that are known."""
    query = sa.select(device.c.device_id, device.c.verifier_key).where(device.c.device_id.in_(device_ids))
    return {row.device_id: row.verifier_key for row in tx.execute(query)}


def set_revoked(tx: Tx, device_id: str, revoked: bool) -> bool | None:
    """Revokes a device or allows it again: from the next call on it is refused, or taken.

    Whether that changed anything; None where the device is not known.
    """
    row = statements.DEVICE_KEY.first(tx, {"device": device_id})
    if row is None:
        return None
    prepared.change(tx, device.c.device_id, device_id, {"revoked": revoked})
    return bool(row.revoked) is not revoked

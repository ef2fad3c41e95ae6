"""Accounts: roles, and the table of what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person or a machine is to the site; each has exactly one."""

    DOCTOR = "doctor"
    SONOGRAPHER = "sonographer"
    RESEARCHER = "researcher"
    IT = "it"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What can be allowed to a role."""

    SEE_IMAGES = "see_images"
    """Worklist, stills, readings, receipts and their changes."""
    SEE_SYSTEM = "see_system"
    """Version, counts, models, key of the ledger, resources, agents, alarms."""
    REVIEW = "review"
    """Say of an image whether its reading is right."""
    SIGN = "sign"
    """Sign an examination."""
    ARRANGE = "arrange"
    """Move prints between examinations, give a gestational age, tick what was seen."""
    REANALYSE = "reanalyse"
    """Have images read again by the models that are live."""
    DELETE = "delete"
    """Delete an examination so that it can be restored, and restore it."""
    SEE_LOOKS = "see_looks"
    """Who looked at one examination, and what was done with it."""
    ACKNOWLEDGE_ALARMS = "acknowledge_alarms"
    """Say that one takes care of an alarm."""
    MANAGE_ALARMS = "manage_alarms"
    """Change thresholds, send test messages."""
    READ_AUDIT = "read_audit"
    """Search who did what."""
    UPLOAD = "upload"
    """Upload series, and store reconstructions."""
    MANAGE_USERS = "manage_users"
    """List, invite, disable, change the role, reset."""
    MANAGE_TOKENS = "manage_tokens"
    """List, create and revoke the tokens of machines."""
    MANAGE_MODELS = "manage_models"
    """See versions of models with their cards, promote, roll back, choose a shadow."""
    MANAGE_DEVICES = "manage_devices"
    """List, revoke and allow again the devices at the edge."""
    MANAGE_TENANTS = "manage_tenants"
    """Make and rename tenants, and say which device belongs to which."""
    READ_METRICS = "read_metrics"
    """Metrics of the whole server for Prometheus."""


PERMITTED: Final[Mapping[Role, Mapping[Action, bool]]] = {
    # At night a doctor may be the only one there: acknowledges, and leaves the thresholds alone.
    Role.DOCTOR: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.REVIEW: True,
        Action.SIGN: True,
        Action.ARRANGE: True,
        Action.REANALYSE: True,
        Action.DELETE: True,
        Action.SEE_LOOKS: True,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.UPLOAD: True,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
        Action.MANAGE_MODELS: False,
        Action.MANAGE_DEVICES: False,
        Action.MANAGE_TENANTS: False,
        Action.READ_METRICS: False,
    },
    Role.SONOGRAPHER: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.REVIEW: False,
        Action.SIGN: False,
        Action.ARRANGE: True,
        Action.REANALYSE: False,
        Action.DELETE: False,
        Action.SEE_LOOKS: False,
        Action.ACKNOWLEDGE_ALARMS: False,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.UPLOAD: True,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
        Action.MANAGE_MODELS: False,
        Action.MANAGE_DEVICES: False,
        Action.MANAGE_TENANTS: False,
        Action.READ_METRICS: False,
    },
    Role.RESEARCHER: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.REVIEW: False,
        Action.SIGN: False,
        Action.ARRANGE: False,
        Action.REANALYSE: True,
        Action.DELETE: False,
        Action.SEE_LOOKS: False,
        Action.ACKNOWLEDGE_ALARMS: False,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.UPLOAD: True,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
        Action.MANAGE_MODELS: False,
        Action.MANAGE_DEVICES: False,
        Action.MANAGE_TENANTS: False,
        Action.READ_METRICS: False,
    },
    # Keeps the machines running and looks for misuse; has no business with images, and gives nobody rights.
    Role.IT: {
        Action.SEE_IMAGES: False,
        Action.SEE_SYSTEM: True,
        Action.REVIEW: False,
        Action.SIGN: False,
        Action.ARRANGE: False,
        Action.REANALYSE: False,
        Action.DELETE: False,
        Action.SEE_LOOKS: False,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: True,
        Action.READ_AUDIT: True,
        Action.UPLOAD: False,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
        Action.MANAGE_MODELS: False,
        Action.MANAGE_DEVICES: True,
        Action.MANAGE_TENANTS: False,
        Action.READ_METRICS: True,
    },
    Role.ADMINISTRATOR: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.REVIEW: True,
        Action.SIGN: False,
        Action.ARRANGE: True,
        Action.REANALYSE: True,
        Action.DELETE: True,
        Action.SEE_LOOKS: True,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: True,
        Action.READ_AUDIT: True,
        Action.UPLOAD: True,
        Action.MANAGE_USERS: True,
        Action.MANAGE_TOKENS: True,
        Action.MANAGE_MODELS: True,
        Action.MANAGE_DEVICES: True,
        Action.MANAGE_TENANTS: True,
        Action.READ_METRICS: True,
    },
}
"""Every role and every action; a test checks that none is left out."""


SITE_ACTIONS: Final = frozenset(
    {Action.MANAGE_MODELS, Action.MANAGE_ALARMS, Action.MANAGE_TENANTS, Action.READ_METRICS}
)
"""What concerns all tenants: allowed to nobody who belongs to one of them."""


def mapped_role(text: str) -> tuple[str, Role]:
    """Value of an identity provider's claim, and the role here, of `value=role`. Raises ValueError."""
    value, separator, role = text.rpartition("=")
    if not separator or not value:
        raise ValueError(f"{text!r} is not value=role")
    return value, Role(role)


def mapped_tenant(text: str) -> tuple[str, str]:
    """Value of an identity provider's claim, and the tenant here, empty for the whole site, of `value=tenant`.
    Raises ValueError."""
    value, separator, tenant_id = text.rpartition("=")
    if not separator or not value:
        raise ValueError(f"{text!r} is not value=tenant")
    return value, tenant_id


def may(role: Role, action: Action) -> bool:
    """Whether `role` may do `action`."""
    return PERMITTED[role][action]

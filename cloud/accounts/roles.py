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
    ACKNOWLEDGE_ALARMS = "acknowledge_alarms"
    """Say that one takes care of an alarm."""
    MANAGE_ALARMS = "manage_alarms"
    """Change thresholds, send test messages."""
    READ_AUDIT = "read_audit"
    """Search who did what."""
    MANAGE_USERS = "manage_users"
    """List, invite, disable, change the role, reset."""
    MANAGE_TOKENS = "manage_tokens"
    """List, create and revoke the tokens of machines."""


PERMITTED: Final[Mapping[Role, Mapping[Action, bool]]] = {
    # At night a doctor may be the only one there: acknowledges, and leaves the thresholds alone.
    Role.DOCTOR: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
    },
    Role.SONOGRAPHER: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.ACKNOWLEDGE_ALARMS: False,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
    },
    Role.RESEARCHER: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.ACKNOWLEDGE_ALARMS: False,
        Action.MANAGE_ALARMS: False,
        Action.READ_AUDIT: False,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
    },
    # Keeps the machines running and looks for misuse; has no business with images, and gives nobody rights.
    Role.IT: {
        Action.SEE_IMAGES: False,
        Action.SEE_SYSTEM: True,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: True,
        Action.READ_AUDIT: True,
        Action.MANAGE_USERS: False,
        Action.MANAGE_TOKENS: False,
    },
    Role.ADMINISTRATOR: {
        Action.SEE_IMAGES: True,
        Action.SEE_SYSTEM: True,
        Action.ACKNOWLEDGE_ALARMS: True,
        Action.MANAGE_ALARMS: True,
        Action.READ_AUDIT: True,
        Action.MANAGE_USERS: True,
        Action.MANAGE_TOKENS: True,
    },
}
"""Every role and every action; a test checks that none is left out."""


def may(role: Role, action: Action) -> bool:
    """Whether `role` may do `action`."""
    return PERMITTED[role][action]


def permitted(role: Role) -> list[Action]:
    """Everything that `role` may do."""
    return [action for action, allowed in PERMITTED[role].items() if allowed]

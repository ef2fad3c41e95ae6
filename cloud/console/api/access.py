"""Step 13 of 13: console. Who may reach which address: one table. What does not stand in it is not answered."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.routing import compile_path

from cloud.accounts.audit import Act
from cloud.accounts.roles import Action
from cloud.tenants.owner import Kind


class Standing(StrEnum):
    """What a request must come with."""

    OPEN = "open"
    """Nothing."""
    ANYBODY = "anybody"
    """Nothing; but the address wants to know whose session it is, where there is one."""
    SIGNED_IN = "signed_in"
    """A session that is not locked, or a token."""
    PERSON = "person"
    """A session that is not locked: a machine has no business there."""
    SESSION = "session"
    """A session, locked or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one address asks of a request."""

    standing: Standing
    """What it must come with."""
    action: Action | None = None
    """What the role must allow; None: every role may."""
    look: Act | None = None
    """What goes into the audit before the answer; None: nothing, or the address itself does it."""
    looked_at: str | None = None
    """Name of the part of the path that holds the object's UUID; None: there is no single object."""
    export: bool = False
    """Whether it takes much out at once, or costs much: it may be asked for less often."""
    many: bool = False
    """One act of a person sends many of these, a folder's files: each is limited as a look is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A request's rule."""

    template: str
    """The address as the table has it."""
    rule: Rule
    """Its rule."""
    object_id: str | None
    """What is looked at, as a UUID; None where the rule names nothing or the path holds no UUID."""
    objects: Mapping[Kind, str]
    """Everything that the path names and that belongs to somebody, as it stands there."""


OBJECTS: Final[Mapping[str, Kind]] = {
    "capture_id": Kind.CAPTURE,
    "image_id": Kind.IMAGE,
    "examination_id": Kind.EXAMINATION,
    "study_id": Kind.EXAMINATION,
    "review_id": Kind.REVIEW,
    "series_id": Kind.SERIES,
    "upload_id": Kind.UPLOAD,
    "device_id": Kind.DEVICE,
    "user_id": Kind.USER,
    "token_id": Kind.TOKEN,
    "alarm_id": Kind.ALARM,
}
"""Parts of paths that name what belongs to somebody; whose it is is asked before anything else."""
NOBODYS: Final = frozenset(
    # Of the object before them in the path.
    {"part", "picture", "item", "signature_id", "ledger_index"}
    # Of the whole site: the ledger, models, rules of alarms, ways out, growth charts, tenants, the page's files.
    | {"index", "model", "rule", "channel", "measure", "tenant_id", "path:path"}
)
"""Parts of paths that name nothing of anybody's own; a test knows no third kind. An index is the ledger's, or in the
series before it."""
UNLIMITED: Final = ("/api/health/", "/assets/")
"""Addresses that may be asked for as often as one likes: who watches the server must always get an answer."""
_OPEN: Final = Rule(standing=Standing.OPEN)
_ANYBODY: Final = Rule(standing=Standing.ANYBODY)
_SIGNED_IN: Final = Rule(standing=Standing.SIGNED_IN)
_PERSON: Final = Rule(standing=Standing.PERSON)
_SESSION: Final = Rule(standing=Standing.SESSION)
_SYSTEM: Final = Rule(standing=Standing.SIGNED_IN, action=Action.SEE_SYSTEM)
_USERS: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_USERS)
_ARRANGE: Final = Rule(standing=Standing.PERSON, action=Action.ARRANGE)
_TOKENS: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_TOKENS)
_UPLOAD: Final = Rule(standing=Standing.SIGNED_IN, action=Action.UPLOAD)

_EXPORT: Final = Rule(standing=Standing.SIGNED_IN, action=Action.SEE_SYSTEM, export=True)
_MODELS: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_MODELS)
_DEVICES: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_DEVICES)
_TENANTS: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_TENANTS)
_ALARMS: Final = Rule(standing=Standing.SIGNED_IN, action=Action.MANAGE_ALARMS)
# Who takes care is a person: a machine's acknowledgement would silence an alarm that nobody has seen.
_ACKNOWLEDGE: Final = Rule(standing=Standing.PERSON, action=Action.ACKNOWLEDGE_ALARMS)


def _looks(act: Act, at: str | None = None) -> Rule:
    return Rule(standing=Standing.SIGNED_IN, action=Action.SEE_IMAGES, look=act, looked_at=at)


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    # The page itself holds no data, and the ledger's files are public by design: anybody may check the log.
    ("GET", "/"): _OPEN,
    ("GET", "/live"): _OPEN,
    ("GET", "/live/{examination_id}"): _OPEN,
    ("GET", "/viewer"): _OPEN,
    ("GET", "/viewer/{series_id}"): _OPEN,
    ("GET", "/report/{examination_id}"): _OPEN,
    ("GET", "/studies"): _OPEN,
    ("GET", "/studies/{study_id}"): _OPEN,
    ("GET", "/login"): _OPEN,
    ("GET", "/welcome"): _OPEN,
    ("GET", "/unlocked"): _OPEN,
    ("GET", "/account"): _OPEN,
    ("GET", "/ledger"): _OPEN,
    ("GET", "/admin"): _OPEN,
    ("GET", "/admin/{part}"): _OPEN,
    ("GET", "/system"): _OPEN,
    ("GET", "/favicon.svg"): _OPEN,
    ("GET", "/assets/{path:path}"): _OPEN,
    ("GET", "/ledger/checkpoint"): _OPEN,
    ("GET", "/ledger/tile/{path:path}"): _OPEN,
    ("GET", "/api/health/live"): _OPEN,
    ("GET", "/api/health/ready"): _OPEN,
    ("GET", "/api/openapi.json"): _SIGNED_IN,
    ("GET", "/api/reasons"): _SIGNED_IN,
    ("GET", "/api/system"): _SYSTEM,
    # The log holds no patient data, and its files are open to anybody: no look is noted.
    ("GET", "/api/ledger"): _SYSTEM,
    ("GET", "/api/ledger/entries"): _SYSTEM,
    ("GET", "/api/ledger/entries/{index}"): _SYSTEM,
    ("GET", "/api/ledger/entries/{index}/bytes"): _EXPORT,
    ("GET", "/api/ledger/entries/{index}/receipt"): _EXPORT,
    ("GET", "/api/ledger/consistency"): _SYSTEM,
    ("GET", "/api/ledger/places"): _SYSTEM,
    ("GET", "/api/system/now"): _SYSTEM,
    ("GET", "/api/system/history"): _SYSTEM,
    ("GET", "/api/system/events"): _SYSTEM,
    ("GET", "/api/system/alarms"): _SYSTEM,
    ("POST", "/api/system/alarms/{alarm_id}/acknowledge"): _ACKNOWLEDGE,
    ("GET", "/api/system/rules"): _SYSTEM,
    ("PUT", "/api/system/rules/{rule}"): _ALARMS,
    ("DELETE", "/api/system/rules/{rule}"): _ALARMS,
    ("POST", "/api/system/ways-out/{channel}/test"): _ALARMS,
    # It names the devices of all tenants.
    ("GET", "/metrics"): Rule(standing=Standing.SIGNED_IN, action=Action.READ_METRICS),
    ("GET", "/api/captures"): _looks(Act.WORKLIST_LOOK),
    ("GET", "/api/events"): _looks(Act.CHANGES_LOOK),
    ("GET", "/api/captures/{capture_id}"): _looks(Act.CAPTURE_LOOK, "capture_id"),
    ("GET", "/api/captures/{capture_id}/receipts/{part}.txt"): _looks(Act.RECEIPT_LOOK, "capture_id"),
    ("GET", "/api/captures/{capture_id}/results/{image_id}.txt"): _looks(Act.RECEIPT_LOOK, "image_id"),
    ("GET", "/api/images/{image_id}/{picture}.png"): _looks(Act.IMAGE_LOOK, "image_id"),
    ("GET", "/api/images/{image_id}/assessment"): _looks(Act.IMAGE_LOOK, "image_id"),
    ("GET", "/api/examinations"): _looks(Act.WORKLIST_LOOK),
    ("GET", "/api/examinations/{examination_id}"): _looks(Act.EXAMINATION_LOOK, "examination_id"),
    ("GET", "/api/examinations/{examination_id}/report"): _looks(Act.REPORT_LOOK, "examination_id"),
    ("GET", "/api/examinations/{examination_id}/report.pdf"): _looks(Act.REPORT_EXPORT, "examination_id"),
    ("PATCH", "/api/examinations/{examination_id}"): _ARRANGE,
    ("PUT", "/api/examinations/{examination_id}/protocol/{item}"): _ARRANGE,
    ("POST", "/api/captures/{capture_id}/examination"): _ARRANGE,
    ("POST", "/api/examinations/{examination_id}/signatures"): Rule(
        standing=Standing.PERSON, action=Action.SIGN
    ),
    ("GET", "/api/examinations/{examination_id}/signatures/{signature_id}.txt"): _looks(
        Act.RECEIPT_LOOK, "examination_id"
    ),
    ("POST", "/api/images/{image_id}/reviews"): Rule(standing=Standing.PERSON, action=Action.REVIEW),
    ("GET", "/api/images/{image_id}/reviews"): _looks(Act.IMAGE_LOOK, "image_id"),
    ("GET", "/api/reviews/{review_id}.txt"): _looks(Act.RECEIPT_LOOK, "review_id"),
    ("GET", "/api/studies"): _looks(Act.STUDY_LIST_LOOK),
    ("GET", "/api/studies.csv"): Rule(
        standing=Standing.SIGNED_IN, action=Action.SEE_IMAGES, look=Act.STUDIES_EXPORT, export=True
    ),
    ("GET", "/api/studies/{study_id}"): _looks(Act.STUDY_LOOK, "study_id"),
    # Doctors answer for their patients: they see who looked at a study, though not the whole audit.
    ("GET", "/api/studies/{study_id}/looks"): Rule(standing=Standing.PERSON, action=Action.SEE_LOOKS),
    ("GET", "/api/studies/{study_id}/results/{ledger_index}.txt"): _looks(Act.RECEIPT_LOOK, "study_id"),
    ("POST", "/api/studies/{study_id}/reanalyse"): Rule(standing=Standing.PERSON, action=Action.REANALYSE),
    ("POST", "/api/studies/deletions"): Rule(standing=Standing.PERSON, action=Action.DELETE),
    ("POST", "/api/studies/{study_id}/restore"): Rule(standing=Standing.PERSON, action=Action.DELETE),
    ("POST", "/api/studies/tags"): _ARRANGE,
    ("POST", "/api/studies/{study_id}/notes"): _ARRANGE,
    ("GET", "/api/images/{image_id}/scale"): _looks(Act.IMAGE_LOOK, "image_id"),
    ("GET", "/api/growth/{measure}"): _SIGNED_IN,
    ("GET", "/api/series"): _looks(Act.SERIES_LIST_LOOK),
    # Counts, asked for again and again while files come: no look at a patient's data.
    ("GET", "/api/series/orders"): _SIGNED_IN,
    ("GET", "/api/series/{series_id}"): _looks(Act.SERIES_LOOK, "series_id"),
    ("GET", "/api/series/{series_id}/slice"): _looks(Act.SERIES_LOOK, "series_id"),
    ("GET", "/api/series/{series_id}/slice.png"): _looks(Act.SERIES_LOOK, "series_id"),
    ("GET", "/api/series/{series_id}/images/{index}"): _looks(Act.SERIES_LOOK, "series_id"),
    ("GET", "/api/series/{series_id}/images/{index}/tags"): _looks(Act.SERIES_LOOK, "series_id"),
    ("GET", "/api/series/{series_id}/dicom.zip"): _looks(Act.SERIES_FETCH, "series_id"),
    # Finishing and storing write their own act, in the transaction of what they do.
    ("POST", "/api/series/{series_id}/reconstructions"): _UPLOAD,
    ("POST", "/api/uploads"): _UPLOAD,
    ("PUT", "/api/uploads/{upload_id}/files"): Rule(
        standing=Standing.SIGNED_IN, action=Action.UPLOAD, many=True
    ),
    ("POST", "/api/uploads/{upload_id}/finish"): _UPLOAD,
    ("GET", "/api/uploads/{upload_id}"): _UPLOAD,
    ("POST", "/api/session"): _OPEN,
    ("GET", "/api/oidc/begin"): _OPEN,
    ("GET", "/api/oidc/unlock"): _SESSION,
    ("GET", "/api/oidc/callback"): _OPEN,
    ("POST", "/api/first-administrator"): _OPEN,
    ("POST", "/api/password"): _OPEN,
    ("GET", "/api/session"): _ANYBODY,
    ("DELETE", "/api/session"): _SESSION,
    ("POST", "/api/session/unlock"): _SESSION,
    ("POST", "/api/session/lock"): _SESSION,
    ("POST", "/api/session/seen"): _PERSON,
    ("POST", "/api/session/password"): _PERSON,
    ("POST", "/api/session/codes"): _PERSON,
    ("POST", "/api/session/codes/confirm"): _PERSON,
    ("POST", "/api/session/codes/remove"): _PERSON,
    ("GET", "/api/users"): _USERS,
    ("POST", "/api/users"): _USERS,
    ("PATCH", "/api/users/{user_id}"): _USERS,
    ("POST", "/api/users/{user_id}/reset"): _USERS,
    ("GET", "/api/tokens"): _TOKENS,
    ("POST", "/api/tokens"): _TOKENS,
    ("DELETE", "/api/tokens/{token_id}"): _TOKENS,
    ("GET", "/api/models"): _MODELS,
    ("GET", "/api/models/{model}"): _MODELS,
    ("POST", "/api/models/{model}/promote"): _MODELS,
    ("POST", "/api/models/{model}/rollback"): _MODELS,
    ("PUT", "/api/models/{model}/shadow"): _MODELS,
    ("GET", "/api/devices"): _DEVICES,
    ("PATCH", "/api/devices/{device_id}"): _DEVICES,
    ("GET", "/api/tenants"): _SIGNED_IN,
    ("POST", "/api/tenants"): _TENANTS,
    ("PATCH", "/api/tenants/{tenant_id}"): _TENANTS,
    ("PUT", "/api/devices/{device_id}/tenant"): _TENANTS,
    ("GET", "/api/audit"): Rule(standing=Standing.SIGNED_IN, action=Action.READ_AUDIT),
}
"""Method and address of everything that the server answers; a test compares it with the app's own routes."""


class Access:
    """Finds the rule of a request."""

    def __init__(self, rules: Mapping[tuple[str, str], Rule] = RULES) -> None:
        self._rules: dict[str, list[tuple[re.Pattern[str], str, Rule]]] = {}
        self._known: list[re.Pattern[str]] = []
        for (method, template), rule in rules.items():
            pattern, _, _ = compile_path(template)
            self._rules.setdefault(method, []).append((pattern, template, rule))
            self._known.append(pattern)

    def find(self, method: str, path: str) -> Matched | None:
        """The rule for `method` on `path`; None where the table has none."""
        for pattern, template, rule in self._rules.get(method, ()):
            match = pattern.match(path)
            if match is not None:
                parts = match.groupdict()
                return Matched(
                    template=template,
                    rule=rule,
                    object_id=_uuid(parts.get(rule.looked_at or "")),
                    objects={kind: parts[name] for name, kind in OBJECTS.items() if name in parts},
                )
        return None

    def knows(self, path: str) -> bool:
        """Whether the table has `path` under any method."""
        return any(pattern.match(path) for pattern in self._known)


def _uuid(text: str | None) -> str | None:
    try:
        return None if text is None else str(uuid.UUID(text))
    except ValueError:
        return None

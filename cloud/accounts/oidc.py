"""Accounts: signing in through the hospital's identity provider, and unlocking there.

Who comes for the first time gets an account with the role that the provider's claim maps to, or is refused in words.
Role and tenant follow the claims at each sign-in; where no claim names the tenant, it is as the administrators say.
Such a person has no password here; local administrators stay as they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cloud.accounts import rows
from cloud.accounts.audit import NOBODY, Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.provider import Asked, Provider, ProviderWrong
from cloud.accounts.roles import Role
from cloud.accounts.seal import SealBroken
from cloud.accounts.services import AccountServices, checked_name, user_actor
from cloud.accounts.sign_in import SignedIn, SignIn
from cloud.accounts.tenants import Home, home_after, unsaid_home
from cloud.accounts.values import Principal, SessionState, User
from cloud.db import Tx
from cloud.tenants.rows import is_tenant
from sonorelay.contract.digest import sha256

AWAY_AT_MOST: Final = timedelta(minutes=10)
"""Who comes back later than this begins anew."""
HOME: Final = "/"
_PLACE: Final = "oidc"
_INSIDE: Final = re.compile(r"/(?!/)[\w/.~%?&=:-]{0,500}", re.ASCII)
_NOT_OF_A_NAME: Final = re.compile(r"[^\w.-]+")
_NAME_MAX: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcRules:
    """Who may come through the provider, and as what."""

    label: str
    """What the button on the sign-in page calls the provider."""
    role_claim: str
    """Claim that says what a person is: a text or a list; dots lead into tables."""
    roles: tuple[tuple[str, Role], ...]
    """Value of that claim, and the role here; the first one that fits counts."""
    domains: tuple[str, ...]
    """Domains of the e-mail address that may come in, lower case; empty: the address does not matter."""
    name_claim: str
    """Claim with the name that a new account gets."""
    tenant_claim: str = ""
    """Claim that says whose a person is, in the form of `role_claim`; empty: none does."""
    tenants: tuple[tuple[str, str], ...] = ()
    """Value of that claim, and the short name of the tenant here, empty for the whole site; the first that fits
    counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A person who is to go to the provider."""

    address: str
    """Where to."""
    cookie: str
    """What their browser keeps meanwhile: the question, sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A person who came back well."""

    signed_in: SignedIn | None
    """Their new session; None where they unlocked one."""
    back: str
    """Where they were: an address of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trip:
    """What is sealed into the cookie."""

    asked: Asked
    """The question."""
    back: str
    """Where the person was."""
    session: str | None
    """SHA-256 of the cookie of the session to unlock, hexadecimal; None: a sign-in."""


class OidcSignIn:
    """Every way through the provider passes here, and stands in the audit; `provider` None: there is none."""

    def __init__(
        self,
        services: AccountServices,
        sign_in: SignIn,
        provider: Provider | None = None,
        rules: OidcRules | None = None,
    ) -> None:
        self._services = services
        self._sign_in = sign_in
        self._provider = provider
        self._rules = rules

    @property
    def label(self) -> str | None:
        """What the provider is called; None where there is none."""
        return None if self._rules is None else self._rules.label

    def sign_out_address(self, back: str) -> str | None:
        """See the method of the same name of `Provider`."""
        return None if self._provider is None else self._provider.sign_out_address(back)

    async def send(self, redirect_uri: str, back: str, unlock: Principal | None = None) -> Away:
        """Sends a person to the provider; with `unlock` to prove anew that the session is theirs.

        Errors: AccountRefused OIDC_OFF, OIDC_WRONG; RetryLater.
        """
        provider, services = self._asked_provider(), self._services
        asked = Asked(
            redirect_uri=redirect_uri,
            state=services.secret(),
            nonce=services.secret(),
            verifier=services.secret(),
            asked_time=services.clock(),
            again=unlock is not None,
        )
        session = None if unlock is None or unlock.session is None else unlock.session.token_sha256.hex()
        trip = _Trip(asked=asked, back=back if _INSIDE.fullmatch(back) else HOME, session=session)
        try:
            address = await provider.address(asked)
        except ProviderWrong as error:
            raise AccountRefused(Refusal.OIDC_WRONG) from error
        return Away(address=address, cookie=services.seal.close(_packed(trip), _PLACE))

    async def take_back(self, cookie: str | None, state: str, code: str, address: str) -> Returned:
        """A person comes back with `code`.

        Errors: AccountRefused OIDC_OFF, OIDC_LATE, OIDC_WRONG, OIDC_NOT_ALLOWED, OIDC_NO_ROLE, OIDC_NO_TENANT,
        OIDC_NAME_TAKEN, OIDC_CLOSED, OIDC_OTHER; RetryLater.
        """
        provider = self._asked_provider()
        trip = self._trip(cookie, state)
        try:
            claims = await provider.claims(trip.asked, code, self._services.clock())
        except ProviderWrong as error:
            raise await self._refused(Refusal.OIDC_WRONG, address) from error
        identity = sha256(f"{claims['iss']}\n{claims['sub']}".encode())
        if trip.session is not None:
            await self._unlock(bytes.fromhex(trip.session), identity, address)
            return Returned(signed_in=None, back=trip.back)
        return Returned(signed_in=await self._enter(claims, identity, address), back=trip.back)

    async def refuse(self, cookie: str | None, state: str, address: str) -> AccountRefused:
        """The provider sent a person back without a code; the error to raise. Errors: as `take_back`."""
        self._asked_provider()
        self._trip(cookie, state)
        return await self._refused(Refusal.OIDC_DENIED, address)

    def _asked_provider(self) -> Provider:
        if self._provider is None:
            raise AccountRefused(Refusal.OIDC_OFF)
        return self._provider

    def _trip(self, cookie: str | None, state: str) -> _Trip:
        try:
            trip = _unpacked(self._services.seal.open(cookie or "", _PLACE))
        except SealBroken as error:
            raise AccountRefused(Refusal.OIDC_LATE) from error
        late = self._services.clock() >= trip.asked.asked_time + AWAY_AT_MOST
        if late or state != trip.asked.state:
            raise AccountRefused(Refusal.OIDC_LATE)
        return trip

    async def _enter(self, claims: Mapping[str, Any], identity: bytes, address: str) -> SignedIn:
        assert self._rules is not None
        role, tenants = _role(self._rules, claims), _tenants(self._rules, claims)
        allowed = _is_allowed(self._rules, claims)
        name = _name(self._rules, claims)

        def work(tx: Tx) -> SignedIn | tuple[Refusal, User | None]:
            user = rows.user_of_identity(tx, identity)
            if not allowed:
                return Refusal.OIDC_NOT_ALLOWED, user
            if role is None:
                return Refusal.OIDC_NO_ROLE, user
            home = _home(tx, tenants, role, user)
            if home is None:
                return Refusal.OIDC_NO_TENANT, user
            if user is None:
                made = self._new_user(name or "", role, identity, home.tenant_id)
                # An account of this name may be somebody else's: the two are never taken for one.
                if name is None or not rows.add_user(tx, made):
                    return Refusal.OIDC_NAME_TAKEN, user
                self._note(tx, Act.USER_CREATE, made, address)
                return self._sign_in.begin(tx, made, address)
            if user.disabled:
                return Refusal.OIDC_CLOSED, user
            return self._sign_in.begin(tx, self._followed(tx, user, role, home, address), address)

        outcome = await self._services.database.write(work)
        if isinstance(outcome, SignedIn):
            return outcome
        refusal, user = outcome
        raise await self._refused(refusal, address, user)

    def _followed(self, tx: Tx, user: User, role: Role, home: Home, address: str) -> User:
        """The user as the provider says they are now; what changed ends their sessions."""
        after = replace(user, role=role, tenant_id=home.tenant_id)
        if after == user:
            return user
        rows.set_user(tx, user.user_id, role=role.value, tenant_id=home.tenant_id)
        rows.end_sessions_of(tx, user.user_id)
        for act, changed in (
            (Act.USER_ROLE, after.role is not user.role),
            (Act.USER_TENANT, after.tenant_id != user.tenant_id),
        ):
            if changed:
                self._note(tx, act, after, address)
        return after

    async def _unlock(self, digest: bytes, identity: bytes, address: str) -> None:
        now = self._services.clock()

        def work(tx: Tx) -> Refusal | None:
            session = rows.session_by_digest(tx, digest)
            user = None if session is None else rows.user_of(tx, session.user_id)
            if session is None or user is None or session.state(now) is SessionState.ENDED:
                return Refusal.SESSION_ENDED
            if user.oidc_sha256 != identity:
                return Refusal.OIDC_OTHER
            rows.set_session(tx, digest, locked=False, seen_time=now)
            self._note(tx, Act.UNLOCK, user, address, session.session_id)
            return None

        refusal = await self._services.database.write(work)
        if refusal is not None:
            raise await self._refused(refusal, address, act=Act.UNLOCK)

    def _new_user(self, name: str, role: Role, identity: bytes, tenant_id: str | None) -> User:
        return User(
            user_id=self._services.new_id(),
            name=name,
            role=role,
            password_hash=None,
            totp_secret=None,
            totp_pending=None,
            totp_last_step=0,
            disabled=False,
            created_time=self._services.clock(),
            oidc_sha256=identity,
            tenant_id=tenant_id,
        )

    def _note(self, tx: Tx, act: Act, user: User, address: str, object_id: str | None = None) -> None:
        self._services.note(
            tx,
            act,
            tenant_id=user.tenant_id,
            actor=user_actor(user.name),
            origin=address,
            object_id=object_id or user.user_id,
        )

    async def _refused(
        self, reason: Refusal, address: str, user: User | None = None, act: Act = Act.SIGN_IN
    ) -> AccountRefused:
        """Writes a failure down; the error to raise."""
        actor = NOBODY if user is None else user_actor(user.name)
        tenant_id = None if user is None else user.tenant_id
        await self._services.database.write(
            lambda tx: self._services.note(
                tx, act, actor=actor, origin=address, outcome=reason, tenant_id=tenant_id
            )
        )
        return AccountRefused(reason)


def _held(claims: Mapping[str, Any], claim: str) -> list[Any]:
    found: Any = claims
    for part in claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else [found]


def _role(rules: OidcRules, claims: Mapping[str, Any]) -> Role | None:
    held = _held(claims, rules.role_claim)
    return next((role for value, role in rules.roles if value in held), None)


def _tenants(rules: OidcRules, claims: Mapping[str, Any]) -> list[str] | None:
    """Short names of the tenants whose the person may be, the first one counts; None where no claim says it."""
    if not rules.tenant_claim:
        return None
    held = _held(claims, rules.tenant_claim)
    return [tenant_id for value, tenant_id in rules.tenants if value in held]


def _home(tx: Tx, tenants: list[str] | None, role: Role, user: User | None) -> Home | None:
    """Where a person belongs; None where the claim names no tenant that there is."""
    if tenants is None:
        before = unsaid_home(role) if user is None else user.tenant_id
        same = user is None or user.role is role
        return Home(tenant_id=before if same else home_after(tx, role, before))
    if not tenants or (tenants[0] and not is_tenant(tx, tenants[0])):
        return None
    return Home(tenant_id=tenants[0] or None)


def _is_allowed(rules: OidcRules, claims: Mapping[str, Any]) -> bool:
    if not rules.domains:
        return True
    _, at, domain = str(claims.get("email", "")).rpartition("@")
    # Whoever may type any address into their account at the provider must not come in by it.
    return bool(at) and domain.lower() in rules.domains and claims.get("email_verified") is True


def _name(rules: OidcRules, claims: Mapping[str, Any]) -> str | None:
    """The name of a new account, in the form of names here; None where the claim gives none."""
    plain = unicodedata.normalize("NFKC", str(claims.get(rules.name_claim, "")))
    name = _NOT_OF_A_NAME.sub(".", plain).strip(".")[:_NAME_MAX]
    try:
        return checked_name(name)
    except AccountRefused:
        return None


def _packed(trip: _Trip) -> bytes:
    table = asdict(trip)
    table["asked"]["asked_time"] = trip.asked.asked_time.isoformat()
    return json.dumps(table).encode()


def _unpacked(data: bytes) -> _Trip:
    table = json.loads(data)
    asked = table["asked"]
    asked_time = datetime.fromisoformat(asked.pop("asked_time"))
    return _Trip(asked=Asked(**asked, asked_time=asked_time), back=table["back"], session=table["session"])

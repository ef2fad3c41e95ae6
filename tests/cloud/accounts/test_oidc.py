"""Accounts: signing in through an identity provider: who gets in and as what, and every lie that is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.oidc import Away, OidcRules, Returned
from cloud.accounts.provider import Provider, ProviderSettings
from cloud.accounts.roles import Role
from cloud.errors import RetryLater
from tests.cloud.accounts.conftest import ADDRESS, Site
from tests.cloud.accounts.small_provider import CLIENT, SECRET, Claims, SmallProvider, new_key

BACK = "http://127.0.0.1:8080/api/oidc/callback"
RULES = OidcRules(
    label="Hospital",
    role_claim="groups",
    roles=(("obstetrics", Role.DOCTOR), ("edp", Role.IT), ("heads", Role.ADMINISTRATOR)),
    domains=(),
    name_claim="preferred_username",
)
MEI: Claims = {"sub": "7f3a", "preferred_username": "mei.lin", "groups": ["staff", "obstetrics"]}


class Door:
    """A site with a provider, and a person who goes there and back."""

    def __init__(
        self, site: Site, provider: SmallProvider, rules: OidcRules = RULES, secret: str = SECRET
    ) -> None:
        self.site, self.provider = site, provider
        settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=secret)
        self.accounts: Accounts = make_accounts(site.services, Provider(settings), rules)

    async def away(self, **more: Any) -> Away:
        """Sent to the provider."""
        return await self.accounts.oidc.send(BACK, "/live", **more)

    async def through(self, person: Claims = MEI, away: Away | None = None) -> Returned:
        """There and back."""
        away = away or await self.away()
        self.provider.person = person
        state, code = self.provider.sign_in(away.address)
        return await self.accounts.oidc.take_back(away.cookie, state, code, ADDRESS)

    async def refusal(self, person: Claims = MEI, away: Away | None = None) -> Refusal:
        """There and back, and refused."""
        with pytest.raises(AccountRefused) as caught:
            await self.through(person, away)
        return caught.value.reason


@pytest.fixture
def provider(site: Site) -> Iterator[SmallProvider]:
    """A provider that answers; the site's clock shows its time."""
    site.clock.now = datetime.now(UTC)
    with SmallProvider().running() as running:
        yield running


@pytest.fixture
def door(site: Site, provider: SmallProvider) -> Door:
    """The way in."""
    return Door(site, provider)


async def test_a_new_person_gets_the_role_of_their_group(door: Door) -> None:
    """An account is made at the first sign-in, and is the same one at the next; both stand in the audit."""
    first = await door.through()
    assert first.signed_in is not None
    assert "/live" == first.back
    principal = first.signed_in.principal
    assert ("mei.lin", Role.DOCTOR, False) == (principal.name, principal.role, principal.locked)
    again = await door.through()
    assert again.signed_in is not None
    assert principal.user is not None
    assert again.signed_in.principal.user == principal.user
    found = await door.accounts.sign_in.principal(again.signed_in.cookie, None, ADDRESS)
    assert "user:mei.lin" == found.actor
    acts = [(row.act, row.outcome) for row in await door.site.audit(actor="mei.lin")]
    assert [("user_create", "done"), ("sign_in", "done"), ("sign_in", "done")] == acts


async def test_the_role_follows_the_claim(door: Door) -> None:
    """Another group, another role, and the sessions with the old one end; without a group there is no way in."""
    before = (await door.through()).signed_in
    after = (await door.through({**MEI, "groups": ["heads", "edp"]})).signed_in
    assert before is not None
    assert after is not None
    assert Role.IT is after.principal.role
    with pytest.raises(AccountRefused, match="ended"):
        await door.accounts.sign_in.principal(before.cookie, None, ADDRESS)
    assert Refusal.OIDC_NO_ROLE is await door.refusal({**MEI, "groups": ["staff"]})
    assert Refusal.OIDC_NO_ROLE is await door.refusal({**MEI, "groups": None})
    rows = await door.site.audit(refused=True)
    assert [("user:mei.lin", "OIDC_NO_ROLE")] * 2 == [(row.actor, row.outcome) for row in rows]


async def test_the_tenant_follows_the_claim(site: Site, provider: SmallProvider) -> None:
    """Another hospital, its data, and the sessions with the old one end; one that is not here is no way in."""
    tenants = (("east-clinic", "east"), ("west-clinic", "west"), ("group", ""), ("gone-clinic", "gone"))
    door = Door(site, provider, replace(RULES, tenant_claim="hospital", tenants=tenants))
    ada = await site.first()
    for each in ("east", "west"):
        await site.accounts.tenants.create(ada.principal, each, each)
    seen = []
    for hospital in ("east-clinic", ["west-clinic"], "group"):
        returned = await door.through({**MEI, "hospital": hospital})
        assert returned.signed_in is not None
        seen.append(returned.signed_in)
    assert ["east", "west", None] == [each.principal.tenant_id for each in seen]
    with pytest.raises(AccountRefused, match="ended"):
        await door.accounts.sign_in.principal(seen[0].cookie, None, ADDRESS)
    for hospital in ("gone-clinic", "other", None):
        assert Refusal.OIDC_NO_TENANT is await door.refusal({**MEI, "hospital": hospital})
    assert ["user_tenant"] * 2 == [row.act for row in await site.audit(act="user_tenant")]


async def test_a_local_account_is_never_taken_for_the_persons(door: Door) -> None:
    """Who has a local user's name at the provider does not become that user; the same name, one account."""
    first = await door.site.first("mei.lin")
    assert Refusal.OIDC_NAME_TAKEN is await door.refusal()
    assert Refusal.OIDC_NAME_TAKEN is await door.refusal({**MEI, "preferred_username": ""})
    assert ["mei.lin"] == [user.name for user in await door.accounts.people.users()]
    assert first.principal.role is Role.ADMINISTRATOR


async def test_names_of_a_provider_become_names_here(door: Door) -> None:
    """Letters that names here do not have are dots."""
    entered = await door.through({**MEI, "preferred_username": " Mei Lin@Ward 3 "})
    assert entered.signed_in is not None
    assert "Mei.Lin.Ward.3" == entered.signed_in.principal.name


async def test_administrators_close_such_an_account_and_nothing_else(door: Door) -> None:
    """Role and password are the provider's; a closed account does not come in, whatever the provider says."""
    admin = (await door.site.first()).principal
    entered = (await door.through()).signed_in
    assert entered is not None
    assert entered.principal.user is not None
    user_id, people = entered.principal.user.user_id, door.accounts.people
    for refused in (people.reset(admin, user_id), people.change(admin, user_id, Role.IT, None)):
        with pytest.raises(AccountRefused) as caught:
            await refused
        assert Refusal.OIDC_MANAGED is caught.value.reason
    await people.change(admin, user_id, None, True)
    assert Refusal.OIDC_CLOSED is await door.refusal()
    # A person without a password here does not get in by one either.
    with pytest.raises(AccountRefused, match="Name or password"):
        await door.site.sign_in("mei.lin", "")


async def test_local_administrators_are_always_possible(door: Door) -> None:
    """An administrator by claim does not count as the one that the site must keep."""
    admin = (await door.site.first()).principal
    assert (await door.through({**MEI, "groups": ["heads"]})).signed_in is not None
    assert admin.user is not None
    with pytest.raises(AccountRefused, match="without an administrator"):
        await door.accounts.people.change(admin, admin.user.user_id, Role.IT, None)


@pytest.mark.parametrize(
    ("email", "verified", "allowed"),
    [
        ("mei@Hospital.Example", True, True),
        ("mei@hospital.example", False, False),
        ("mei@hospital.example.evil.example", True, False),
        ("mei@other.example", True, False),
        ("hospital.example", True, False),
        (None, True, False),
    ],
)
async def test_only_verified_addresses_of_the_domains(
    site: Site, provider: SmallProvider, email: str | None, verified: bool, allowed: bool
) -> None:
    """Where domains are set, the address must be of one of them, and the provider must have verified it."""
    door = Door(site, provider, replace(RULES, domains=("hospital.example",)))
    person = {**MEI, "email": email, "email_verified": verified}
    if allowed:
        assert (await door.through(person)).signed_in is not None
    else:
        assert Refusal.OIDC_NOT_ALLOWED is await door.refusal(person)


async def test_roles_in_tables_and_in_the_user_info(site: Site, provider: SmallProvider) -> None:
    """Dots lead into tables; what the ID token leaves out may stand in the user info of the same person."""
    provider.user_info = {"sub": "7f3a", "realm_access": {"roles": ["obstetrics"]}}
    door = Door(site, provider, replace(RULES, role_claim="realm_access.roles"))
    person = {"sub": "7f3a", "preferred_username": "mei.lin"}
    assert (await door.through(person)).signed_in is not None
    provider.user_info["sub"] = "another"
    assert Refusal.OIDC_WRONG is await door.refusal(person)


def _set(**values: Any) -> Callable[[Claims], None]:
    return lambda claims: claims.update(values)


LIES: dict[str, Callable[[Claims], None]] = {
    "another nonce": _set(nonce="x"),
    "no nonce": lambda claims: claims.pop("nonce"),
    "another audience": _set(aud="someone-else"),
    "no audience": lambda claims: claims.pop("aud"),
    "others too": _set(aud=[CLIENT, "someone-else"]),
    "for others": _set(aud=[CLIENT, "someone-else"], azp="someone-else"),
    "another issuer": _set(iss="https://evil.example"),
    "expired": _set(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200),
    "no expiry": lambda claims: claims.pop("exp"),
    "from the future": _set(iat=int(time.time()) + 3600),
    "nobody": lambda claims: claims.pop("sub"),
    "empty subject": _set(sub=""),
    "a number": _set(sub=7),
}


@pytest.mark.parametrize("lie", LIES)
async def test_every_wrong_claim_is_refused(door: Door, lie: str) -> None:
    """A token that is signed well and says something wrong lets nobody in, and the audit has it."""
    door.provider.lie = LIES[lie]
    assert Refusal.OIDC_WRONG is await door.refusal()
    assert [] == await door.accounts.people.users()
    assert ["OIDC_WRONG"] == [row.outcome for row in await door.site.audit()]


async def test_a_token_that_the_provider_did_not_sign_is_refused(door: Door) -> None:
    """alg none, the public key as a shared secret, a stranger's key, one altered letter, no token at all."""
    other = new_key()
    signs: list[Callable[[Claims], Any]] = [
        door.provider.unsigned,
        door.provider.signed_by_the_public_key,
        lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, other),
        lambda claims: door.provider.signed(claims)[:-3] + "AAA",
        lambda claims: "",
        lambda claims: "a.b.c",
        lambda claims: None,
        lambda claims: 7,
    ]
    for sign in signs:
        door.provider.sign = sign
        assert Refusal.OIDC_WRONG is await door.refusal()
    door.provider.sign = door.provider.signed
    assert (await door.through()).signed_in is not None


async def test_the_provider_may_change_its_key(door: Door) -> None:
    """A token by a new key makes the keys be fetched again; one that fits no key does so once, not for ever."""
    assert (await door.through()).signed_in is not None
    door.provider.key = new_key()
    assert (await door.through()).signed_in is not None
    assert 2 == door.provider.asked.count("/jwks")
    assert 1 == door.provider.asked.count("/.well-known/openid-configuration")


async def test_the_way_back_belongs_to_this_browser_and_this_question(door: Door) -> None:
    """Another state, another browser's cookie, none, an altered one, a late one, a code that was used."""
    mine, theirs = await door.away(), await door.away()
    door.provider.person = MEI
    state, code = door.provider.sign_in(mine.address)
    cookies = (theirs.cookie, None, "", mine.cookie[:-4] + "AAAA", "x")
    for cookie, given in (*((each, state) for each in cookies), (mine.cookie, "x"), (mine.cookie, "")):
        with pytest.raises(AccountRefused) as caught:
            await door.accounts.oidc.take_back(cookie, given, code, ADDRESS)
        assert Refusal.OIDC_LATE is caught.value.reason
    assert (await door.accounts.oidc.take_back(mine.cookie, state, code, ADDRESS)).signed_in is not None
    with pytest.raises(AccountRefused) as caught:
        await door.accounts.oidc.take_back(mine.cookie, state, code, ADDRESS)
    assert Refusal.OIDC_WRONG is caught.value.reason
    late = await door.away()
    door.site.clock.forward(minutes=10)
    assert Refusal.OIDC_LATE is await door.refusal(away=late)


async def test_a_code_of_another_question_is_refused(door: Door) -> None:
    """A code that was asked for elsewhere does not fit the proof of this question (PKCE)."""
    mine, theirs = await door.away(), await door.away()
    door.provider.person = MEI
    state, _ = door.provider.sign_in(mine.address)
    _, code = door.provider.sign_in(theirs.address)
    with pytest.raises(AccountRefused) as caught:
        await door.accounts.oidc.take_back(mine.cookie, state, code, ADDRESS)
    assert Refusal.OIDC_WRONG is caught.value.reason


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "live", "", "/a\nb"]
)
async def test_only_a_place_of_the_page_is_a_way_back(door: Door, back: str) -> None:
    """Whatever else was asked for leads to the beginning."""
    away = await door.accounts.oidc.send(BACK, back)
    assert "/" == (await door.through(away=away)).back


async def test_a_locked_session_is_opened_by_its_person_who_proved_it_anew(door: Door) -> None:
    """Unlocking asks the provider for a new proof: an old one, none, or another person's opens nothing."""
    entered = (await door.through()).signed_in
    assert entered is not None
    locked = await door.accounts.sign_in.lock(entered.principal)
    again = await door.away(unlock=locked)
    assert "prompt=login" in again.address
    assert "max_age=0" in again.address
    for lie in (_set(auth_time=int(time.time()) - 600), lambda claims: claims.pop("auth_time")):
        door.provider.lie = lie
        assert Refusal.OIDC_WRONG is await door.refusal(away=again)
    door.provider.lie = lambda _: None
    assert Refusal.OIDC_OTHER is await door.refusal({**MEI, "sub": "another"}, again)
    assert (await door.accounts.sign_in.principal(entered.cookie, None, ADDRESS)).locked
    assert (await door.through(away=again)).signed_in is None
    assert not (await door.accounts.sign_in.principal(entered.cookie, None, ADDRESS)).locked
    await door.accounts.sign_in.sign_out(entered.principal)
    assert Refusal.SESSION_ENDED is await door.refusal(away=again)


async def test_a_provider_that_is_away_or_wrong(site: Site, provider: SmallProvider) -> None:
    """No answer: come again. Another issuer, an address without https, a missing one: not believed."""
    for lie in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
    ):
        provider.description_lie = lie
        with pytest.raises(AccountRefused) as caught:
            await Door(site, provider).away()
        assert Refusal.OIDC_WRONG is caught.value.reason
    provider.description_lie = {}
    assert Refusal.OIDC_WRONG is await Door(site, provider, secret="a guess").refusal()
    provider.issuer = f"{provider.issuer}/nothing-here"
    with pytest.raises(RetryLater):
        await Door(site, provider).away()


async def test_who_is_not_let_through_is_noted(door: Door) -> None:
    """The provider sends them back without a code: refused and in the audit, where the question was ours."""
    away = await door.away()
    state, _ = door.provider.sign_in(away.address)
    assert Refusal.OIDC_DENIED is (await door.accounts.oidc.refuse(away.cookie, state, ADDRESS)).reason
    with pytest.raises(AccountRefused):
        await door.accounts.oidc.refuse(away.cookie, "x", ADDRESS)
    assert ["OIDC_DENIED"] == [row.outcome for row in await door.site.audit()]


async def test_without_a_provider_there_is_no_such_way(site: Site) -> None:
    """A site with local accounts only."""
    assert site.accounts.oidc.label is None
    with pytest.raises(AccountRefused) as caught:
        await site.accounts.oidc.send(BACK, "/")
    assert Refusal.OIDC_OFF is caught.value.reason

"""Accounts: signing in and out, locks, limits, codes, back-off."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path

import pyotp
import pytest

from cloud.accounts.audit import NOBODY
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.passwords import Parameters, Passwords
from cloud.accounts.values import Principal
from tests.cloud.accounts.conftest import ADDRESS, PASSWORD, Site


async def reason(work: Awaitable[object]) -> Refusal:
    """Why `work` is refused."""
    with pytest.raises(AccountRefused) as refused:
        await work
    return refused.value.reason


async def who(site: Site, cookie: str) -> Principal:
    """Whose the cookie is."""
    return await site.accounts.sign_in.principal(cookie, None, ADDRESS)


async def test_only_digests_of_secrets_are_kept(site: Site, tmp_path: Path) -> None:
    """Neither cookie nor token nor link nor password stands anywhere in the database's bytes."""
    ada = await site.first()
    user, link = await site.accounts.people.create(ada.principal, "bob", ada.principal.role)
    _, token = await site.accounts.tokens.create("pacs", user.role, None, actor="a", origin="b")
    await asyncio.to_thread(site.database.close)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    assert b"bob" in held
    for secret in (ada.cookie, link, token, PASSWORD):
        assert secret.encode() not in held


async def test_a_wrong_name_a_wrong_password_and_a_closed_account_look_the_same(site: Site) -> None:
    """Nobody learns from an answer which names there are; the audit does not keep what was typed as a name."""
    ada = await site.first()
    bob = await site.user(ada, "bob")
    await site.accounts.people.create(ada.principal, "new", ada.principal.role)
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("bob", "wrong"))
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("my password by mistake"))
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("new"))
    await site.accounts.people.change(ada.principal, bob, None, True)
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("bob"))
    failures = [(row.actor, row.outcome) for row in await site.audit(act="sign_in", refused=True)]
    names = ["user:bob", NOBODY, "user:new", "user:bob"]
    assert [(name, "SIGN_IN_WRONG") for name in names] == failures


async def test_a_name_is_the_same_in_any_case_and_width(site: Site) -> None:
    """Sign-in and uniqueness do not depend on how a name is typed."""
    ada = await site.first("Ada")
    assert "Ada" == (await site.sign_in("aDA")).principal.name
    assert "Ada" == (await site.sign_in("Ａda")).principal.name
    assert Refusal.NAME_TAKEN is await reason(
        site.accounts.people.create(ada.principal, "ADA", ada.principal.role)
    )


async def test_failures_make_one_wait_and_a_success_forgets_them(site: Site) -> None:
    """The fifth failure closes the account for 30 s, even for the right password; then it opens."""
    await site.first()
    for _ in range(5):
        assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("ada", "wrong"))
    with pytest.raises(AccountRefused) as refused:
        await site.sign_in("ada")
    assert (Refusal.TOO_MANY_TRIES, 30.0) == (refused.value.reason, refused.value.after_s)
    site.clock.forward(seconds=30)
    await site.sign_in("ada")
    for _ in range(4):
        assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("ada", "wrong"))
    await site.sign_in("ada")


async def test_a_name_that_nobody_has_makes_one_wait_just_so(site: Site) -> None:
    """The wait does not tell which names there are either."""
    await site.first()
    for _ in range(5):
        assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("nobody", "wrong"))
    assert Refusal.TOO_MANY_TRIES is await reason(site.sign_in("nobody", "wrong"))


async def test_an_address_that_tries_many_names_waits(site: Site) -> None:
    """Twenty failures from one address close it for every name; another address is free."""
    await site.first()
    for number in range(20):
        assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in(f"name{number}", "wrong"))
    assert Refusal.TOO_MANY_TRIES is await reason(site.sign_in("ada"))
    await site.accounts.sign_in.sign_in("ada", PASSWORD, "", "192.0.2.8")


async def test_tries_at_the_same_moment_are_all_counted(site: Site) -> None:
    """A try counts before it is looked at: forty at once give no more than the free ones."""
    await site.first()
    outcomes = await asyncio.gather(*(reason(site.sign_in("ada", f"wrong {n}")) for n in range(14)))
    assert 5 == outcomes.count(Refusal.SIGN_IN_WRONG)
    assert 9 == outcomes.count(Refusal.TOO_MANY_TRIES)


async def test_a_session_locks_when_idle_and_opens_by_the_password(site: Site) -> None:
    """Reading does not keep it alive, doing does; once locked, only the password opens it."""
    ada = await site.first()
    site.clock.forward(minutes=14)
    await site.accounts.sign_in.seen(await who(site, ada.cookie))
    site.clock.forward(minutes=14)
    assert not (await who(site, ada.cookie)).locked
    site.clock.forward(minutes=1)
    locked = await who(site, ada.cookie)
    assert locked.locked
    await site.accounts.sign_in.seen(locked)
    assert (await who(site, ada.cookie)).locked
    assert Refusal.PASSWORD_WRONG is await reason(site.accounts.sign_in.unlock(locked, "wrong"))
    assert (await who(site, ada.cookie)).locked
    await site.accounts.sign_in.unlock(locked, PASSWORD)
    assert not (await who(site, ada.cookie)).locked
    assert ["lock", "unlock", "unlock"] == [row.act for row in (await site.audit())[-3:]]


async def test_a_session_ends_after_twelve_hours_whatever_is_done(site: Site) -> None:
    """The absolute limit holds for a busy session, and no password opens it again."""
    ada = await site.first()
    for _ in range(72):
        principal = await who(site, ada.cookie)
        assert not principal.locked
        await site.accounts.sign_in.seen(principal)
        site.clock.forward(minutes=10)
    assert Refusal.SESSION_ENDED is await reason(who(site, ada.cookie))
    assert Refusal.SESSION_ENDED is await reason(site.accounts.sign_in.unlock(principal, PASSWORD))


async def test_sign_out_and_changes_end_sessions(site: Site) -> None:
    """Signed out, closed, given another role or reset: the cookie is worth nothing."""
    ada = await site.first()
    bob_id = await site.user(ada, "bob")
    people = site.accounts.people
    bob = await site.sign_in("bob")
    await site.accounts.sign_in.sign_out(bob.principal)
    assert Refusal.SESSION_ENDED is await reason(who(site, bob.cookie))
    for change in (
        lambda: people.change(ada.principal, bob_id, ada.principal.role, None),
        lambda: people.change(ada.principal, bob_id, None, True),
    ):
        bob = await site.sign_in("bob")
        await change()
        assert Refusal.SESSION_ENDED is await reason(who(site, bob.cookie))
    await people.change(ada.principal, bob_id, None, False)
    bob = await site.sign_in("bob")
    await people.reset(ada.principal, bob_id)
    assert Refusal.SESSION_ENDED is await reason(who(site, bob.cookie))
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("bob"))


async def test_a_stream_may_go_on_only_while_its_reader_may(site: Site) -> None:
    """Lock, idleness, sign-out and revocation are seen by what is open already."""
    ada = await site.first()
    sign_in = site.accounts.sign_in

    async def is_open(principal: Principal) -> bool:
        return await site.database.read(lambda tx: sign_in.is_open(tx, principal))

    assert await is_open(ada.principal)
    await sign_in.lock(ada.principal)
    assert not await is_open(ada.principal)
    await sign_in.unlock(ada.principal, PASSWORD)
    assert await is_open(ada.principal)
    site.clock.forward(minutes=15)
    assert not await is_open(ada.principal)
    token, value = await site.accounts.tokens.create("pacs", ada.principal.role, 1, actor="a", origin="b")
    machine = await sign_in.principal(None, value, ADDRESS)
    assert await is_open(machine)
    await site.accounts.tokens.revoke(token.token_id, actor="a", origin="b")
    assert not await is_open(machine)


async def test_codes_are_a_second_step_and_each_is_used_once(site: Site) -> None:
    """Offered codes are not asked for before one was confirmed; then the password alone is not enough."""
    ada = await site.first()
    offer = await site.accounts.own.offer_codes(ada.principal, PASSWORD)
    await site.sign_in("ada")
    totp = pyotp.TOTP(offer.secret)
    assert Refusal.CODE_WRONG is await reason(site.accounts.own.confirm_codes(ada.principal, "000000"))
    await site.accounts.own.confirm_codes(ada.principal, totp.at(site.clock.now))
    assert Refusal.CODE_NEEDED is await reason(site.sign_in("ada"))
    # The confirming code was a use.
    assert Refusal.CODE_WRONG is await reason(site.sign_in("ada", code=totp.at(site.clock.now)))
    site.clock.forward(seconds=30)
    code = totp.at(site.clock.now)
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("ada", "wrong", code))
    await site.sign_in("ada", code=code)
    assert Refusal.CODE_WRONG is await reason(site.sign_in("ada", code=code))
    site.clock.forward(seconds=30)
    again = await site.sign_in("ada", code=totp.at(site.clock.now))
    await site.accounts.own.remove_codes(again.principal, PASSWORD)
    await site.sign_in("ada")


async def test_two_sign_ins_with_one_code_at_once(site: Site) -> None:
    """Of two at the same moment one gets in."""
    ada = await site.first()
    offer = await site.accounts.own.offer_codes(ada.principal, PASSWORD)
    totp = pyotp.TOTP(offer.secret)
    await site.accounts.own.confirm_codes(ada.principal, totp.at(site.clock.now))
    site.clock.forward(seconds=60)
    code = totp.at(site.clock.now)
    done = await asyncio.gather(*(site.sign_in("ada", code=code) for _ in range(2)), return_exceptions=True)
    refused = [each for each in done if isinstance(each, AccountRefused)]
    assert [Refusal.CODE_WRONG] == [each.reason for each in refused]


async def test_a_hash_of_old_parameters_is_made_anew_at_the_next_sign_in(site: Site, tmp_path: Path) -> None:
    """Dearer parameters reach every user without their doing anything."""
    await site.first()
    dearer = Passwords(Parameters(memory_kib=256, passes=1))
    object.__setattr__(site.services, "passwords", dearer)
    await site.sign_in("ada")
    with sqlite3.connect(tmp_path / "state.db") as db:
        (stored,) = db.execute("SELECT password_hash FROM account_user").fetchone()
    db.close()
    assert "$m=256," in stored
    await site.sign_in("ada")
    dearer.close()


async def test_a_changed_password_ends_the_other_sessions(site: Site) -> None:
    """The browser that changed it stays signed in; whoever had the old one does not."""
    ada, other = await site.first(), await site.sign_in("ada")
    own = site.accounts.own
    assert Refusal.PASSWORD_WRONG is await reason(
        own.change_password(ada.principal, "wrong", "quite another one")
    )
    assert Refusal.PASSWORD_WEAK is await reason(own.change_password(ada.principal, PASSWORD, "short"))
    await own.change_password(ada.principal, PASSWORD, "quite another one")
    assert not (await who(site, ada.cookie)).locked
    assert Refusal.SESSION_ENDED is await reason(who(site, other.cookie))
    assert Refusal.SIGN_IN_WRONG is await reason(site.sign_in("ada"))
    await site.sign_in("ada", "quite another one")

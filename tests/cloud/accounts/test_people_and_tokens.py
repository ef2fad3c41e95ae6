"""Accounts: the first administrator, links, users, tokens."""

from __future__ import annotations

import asyncio

import pytest

from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Role
from tests.cloud.accounts.conftest import ADDRESS, PASSWORD, Site
from tests.cloud.accounts.test_sign_in import reason


async def test_the_first_administrator_is_made_once(site: Site) -> None:
    """Each start makes a new link and the one before is worth nothing; after its use there is none any more."""
    people = site.accounts.people
    old = await people.begin_first()
    new = await people.begin_first()
    assert old is not None
    assert new is not None
    assert Refusal.LINK_INVALID is await reason(people.make_first(old, "ada", PASSWORD, ADDRESS))
    site.clock.forward(days=400)
    done = await asyncio.gather(
        *(people.make_first(new, name, PASSWORD, ADDRESS) for name in ("ada", "bob")), return_exceptions=True
    )
    refused = [each.reason for each in done if isinstance(each, AccountRefused)]
    assert [Refusal.LINK_INVALID] == refused
    (user,) = await people.users()
    assert Role.ADMINISTRATOR is user.role
    assert await people.begin_first() is None


async def test_a_link_of_the_first_administrator_dies_with_the_first_user(site: Site) -> None:
    """A link for setting a password does not make an administrator, nor the other way round."""
    ada = await site.first()
    _, link = await site.accounts.people.create(ada.principal, "bob", Role.DOCTOR)
    assert Refusal.LINK_INVALID is await reason(
        site.accounts.people.make_first(link, "eve", PASSWORD, ADDRESS)
    )
    # The try did not use it up.
    assert "bob" == await site.accounts.people.set_password(link, PASSWORD, ADDRESS)


async def test_a_link_sets_a_password_once_and_for_three_days(site: Site) -> None:
    """Used, replaced or older than 72 hours it is worth nothing; a weak password does not use it up."""
    ada = await site.first()
    people = site.accounts.people
    user, link = await people.create(ada.principal, "bob", Role.DOCTOR)
    assert Refusal.PASSWORD_WEAK is await reason(people.set_password(link, "too short", ADDRESS))
    assert "bob" == await people.set_password(link, PASSWORD, ADDRESS)
    assert Refusal.LINK_INVALID is await reason(people.set_password(link, PASSWORD, ADDRESS))
    _, first = await people.reset(ada.principal, user.user_id)
    _, second = await people.reset(ada.principal, user.user_id)
    assert Refusal.LINK_INVALID is await reason(people.set_password(first, PASSWORD, ADDRESS))
    site.clock.forward(hours=72)
    assert Refusal.LINK_INVALID is await reason(people.set_password(second, PASSWORD, ADDRESS))


async def test_a_site_keeps_an_administrator(site: Site) -> None:
    """The last open one cannot be closed, given another role, or reset; with a second one it can."""
    ada = await site.first()
    people, ada_id = site.accounts.people, ada.principal.user.user_id if ada.principal.user else ""
    for change in (
        lambda: people.change(ada.principal, ada_id, Role.DOCTOR, None),
        lambda: people.change(ada.principal, ada_id, None, True),
        lambda: people.reset(ada.principal, ada_id),
    ):
        assert Refusal.LAST_ADMINISTRATOR is await reason(change())
    # One who has no password yet does not count.
    bob, link = await people.create(ada.principal, "bob", Role.ADMINISTRATOR)
    assert Refusal.LAST_ADMINISTRATOR is await reason(people.change(ada.principal, ada_id, None, True))
    await people.set_password(link, PASSWORD, ADDRESS)
    assert (await people.change(ada.principal, ada_id, None, True)).disabled
    assert Refusal.LAST_ADMINISTRATOR is await reason(
        people.change(ada.principal, bob.user_id, Role.IT, None)
    )


@pytest.mark.parametrize(
    "name", ["", "a", "with space", "a" * 49, "tab\t1", "<b>x</b>", "x\n"[:2] + "\u0000"]
)
async def test_names_that_are_none(site: Site, name: str) -> None:
    """2 to 48 letters, digits, dots, hyphens, underscores, in any script."""
    ada = await site.first()
    assert Refusal.NAME_INVALID is await reason(site.accounts.people.create(ada.principal, name, Role.DOCTOR))
    user, _ = await site.accounts.people.create(ada.principal, "陈静", Role.DOCTOR)
    assert "陈静" == user.name


async def test_a_token_is_taken_until_it_expires_or_is_revoked(site: Site) -> None:
    """It has its own role and name, says when it was last used, and an unknown one is worth nothing."""
    tokens, sign_in = site.accounts.tokens, site.accounts.sign_in
    _, value = await tokens.create("pacs", Role.RESEARCHER, 1, actor="command", origin="local")
    assert value.startswith("srt_")
    machine = await sign_in.principal(None, value, ADDRESS)
    assert ("token:pacs", Role.RESEARCHER, None) == (machine.actor, machine.role, machine.session)
    (listed,) = await tokens.tokens()
    assert site.clock.now.replace(second=0) == listed.last_used_time
    for wrong in ("", value + "x", "srt_"):
        assert Refusal.TOKEN_INVALID is await reason(sign_in.principal(None, wrong, ADDRESS))
    site.clock.forward(days=1)
    assert Refusal.TOKEN_INVALID is await reason(sign_in.principal(None, value, ADDRESS))
    other, value = await tokens.create("pacs", Role.RESEARCHER, None, actor="command", origin="local")
    site.clock.forward(days=4000)
    await sign_in.principal(None, value, ADDRESS)
    await tokens.revoke(other.token_id, actor="command", origin="local")
    assert Refusal.TOKEN_INVALID is await reason(sign_in.principal(None, value, ADDRESS))
    assert Refusal.UNKNOWN is await reason(tokens.revoke("no such", actor="a", origin="b"))


async def test_every_change_of_users_and_tokens_is_in_the_audit(site: Site) -> None:
    """Who, what, to whom, from where; and nothing twice."""
    ada = await site.first()
    people, tokens = site.accounts.people, site.accounts.tokens
    bob = await site.user(ada, "bob")
    await people.change(ada.principal, bob, Role.IT, None)
    await people.change(ada.principal, bob, Role.IT, None)
    await people.change(ada.principal, bob, None, True)
    await people.change(ada.principal, bob, None, False)
    await people.reset(ada.principal, bob)
    token, _ = await tokens.create("pacs", Role.IT, None, actor=ada.principal.actor, origin=ADDRESS)
    await tokens.revoke(token.token_id, actor=ada.principal.actor, origin=ADDRESS)
    await tokens.revoke(token.token_id, actor=ada.principal.actor, origin=ADDRESS)
    rows = [row for row in await site.audit() if row.object_id in (bob, token.token_id)]
    acts = ["user_create", "password_set", "user_role", "user_disable", "user_enable", "user_reset"]
    assert [*acts, "token_create", "token_revoke"] == [row.act for row in rows]
    assert {"user:ada", "user:bob"} == {row.actor for row in rows}
    assert {(ADDRESS, "done")} == {(row.origin, row.outcome) for row in rows}

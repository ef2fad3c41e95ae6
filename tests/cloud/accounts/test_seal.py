"""Accounts: secrets of one-time codes at rest: sealed, tied to their user, lost with the key and found with it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from cloud.accounts.codes import make_secret
from cloud.accounts.seal import KEY_FILE, Seal, SealBroken, open_seal
from cloud.db.tables import account_user
from cloud.errors import ConfigInvalid
from tests.cloud.accounts.conftest import PASSWORD, Site


async def with_codes(site: Site) -> tuple[str, str]:
    """An administrator who turned codes on: the secret that their app has, and their id."""
    first = await site.first()
    assert first.principal.user is not None
    offer = await site.accounts.own.offer_codes(first.principal, PASSWORD)
    await site.accounts.own.confirm_codes(first.principal, pyotp.TOTP(offer.secret).at(site.clock.now))
    return offer.secret, first.principal.user.user_id


def stored(site: Site) -> str:
    """What lies in the database."""
    with site.database.begin() as tx:
        return str(tx.execute(sa.select(account_user.c.totp_secret)).scalar_one())


async def test_no_secret_lies_readable_in_the_database(site: Site) -> None:
    """What an app is given is nowhere in the file; the codes work all the same."""
    secret, _ = await with_codes(site)
    assert secret not in stored(site)
    assert 64 == len(stored(site))
    site.clock.forward(minutes=1)
    assert await site.sign_in("ada", code=pyotp.TOTP(secret).at(site.clock.now))


async def test_secrets_from_before_the_seal_are_sealed_at_the_start(site: Site, tmp_path: Path) -> None:
    """A database of an earlier version: the next start seals what it finds, and the codes go on."""
    secret, user_id = await with_codes(site)
    with site.database.begin() as tx:
        tx.execute(sa.update(account_user).values(totp_secret=secret, totp_pending=secret))
    open_seal(tmp_path, site.database, secrets.token_bytes)
    assert secret == site.services.seal.open_code(stored(site), user_id)
    site.clock.forward(minutes=1)
    assert await site.sign_in("ada", code=pyotp.TOTP(secret).at(site.clock.now))
    again = stored(site)
    open_seal(tmp_path, site.database, secrets.token_bytes)
    assert again == stored(site)


async def test_without_its_key_the_server_does_not_start(site: Site, tmp_path: Path) -> None:
    """Lost, exchanged, readable by others, or no key at all: each is said, and nothing is made anew silently."""
    await with_codes(site)
    file = tmp_path / KEY_FILE
    key = file.read_bytes()
    assert 0o600 == file.stat().st_mode & 0o777
    file.unlink()
    with pytest.raises(ConfigInvalid, match="is missing: restore it"):
        open_seal(tmp_path, site.database, secrets.token_bytes)
    assert not file.exists()
    for data, mode, words in (
        (b"A" * 43 + b"=\n", 0o600, "is not the key of this database"),
        (b"not a key", 0o600, "is not a key"),
        (key, 0o644, "may be read by others"),
    ):
        file.write_bytes(data)
        file.chmod(mode)
        with pytest.raises(ConfigInvalid, match=words):
            open_seal(tmp_path, site.database, secrets.token_bytes)
    file.chmod(0o600)
    open_seal(tmp_path, site.database, secrets.token_bytes)


def test_a_sealed_secret_opens_at_its_place_only() -> None:
    """Another user's row, an altered letter, another key: nothing opens; the same secret is never sealed alike."""
    seal, secret = Seal(bytes(32), secrets.token_bytes), make_secret(bytes(range(20)))
    sealed = seal.close_code(secret, "a")
    assert secret == seal.open_code(sealed, "a")
    assert sealed != seal.close_code(secret, "a")
    for text, place, by in (
        (sealed, "b", seal),
        (sealed[:-1] + ("A" if sealed[-1] != "A" else "B"), "a", seal),
        (sealed, "a", Seal(bytes(31) + b"x", secrets.token_bytes)),
        ("", "a", seal),
        ("no base64!", "a", seal),
    ):
        with pytest.raises(SealBroken):
            by.open_code(text, place)

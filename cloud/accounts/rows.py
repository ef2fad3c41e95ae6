"""Accounts: rows of users, sessions, tokens, links and tries."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.accounts.backoff import FORGOTTEN_AFTER, Counted, Tries
from cloud.accounts.roles import Role
from cloud.accounts.values import ABSOLUTE, Session, Token, User
from cloud.db import Tx
from cloud.db.insert import insert_once
from cloud.db.prepared import Prepared, change
from cloud.db.tables import account_link, account_session, account_token, account_try, account_user
from cloud.tenants import within
from sonorelay.contract.digest import sha256

_SESSION: Final = Prepared(
    sa.select(*account_session.c).where(account_session.c.token_sha256 == sa.bindparam("of_token"))
)
_USER: Final = Prepared(sa.select(*account_user.c).where(account_user.c.user_id == sa.bindparam("of_user")))
_TOKEN: Final = Prepared(
    sa.select(*account_token.c).where(account_token.c.token_sha256 == sa.bindparam("of_token"))
)


def name_key(name: str) -> str:
    """One form of a name for all ways to write it."""
    return unicodedata.normalize("NFKC", name).casefold()


def digest_of(secret: str) -> bytes:
    """What is kept of a cookie, a token or a link, 32 bytes."""
    return sha256(secret.encode())


# -- users ---------------------------------------------------------------------------------------------------


def user_of(tx: Tx, user_id: str) -> User | None:
    """The user of this id."""
    row = _USER.first(tx, {"of_user": user_id})
    return None if row is None else _user(row)


def user_named(tx: Tx, name: str) -> User | None:
    """The user who signs in with `name`, without regard to case."""
    found = tx.execute(sa.select(account_user).where(account_user.c.name_key == name_key(name))).first()
    return None if found is None else _user(found)


def user_of_identity(tx: Tx, identity: bytes) -> User | None:
    """The user whom the identity provider means."""
    found = tx.execute(sa.select(account_user).where(account_user.c.oidc_sha256 == identity)).first()
    return None if found is None else _user(found)


def users(tx: Tx, tenant_id: str | None) -> list[User]:
    """The tenant's users (None: the whole site's), by name."""
    query = sa.select(account_user).where(within(account_user.c.tenant_id, tenant_id))
    return [_user(row) for row in tx.execute(query.order_by(account_user.c.name_key))]


def any_user(tx: Tx) -> bool:
    """Whether there is a user."""
    return tx.execute(sa.select(account_user.c.user_id).limit(1)).first() is not None


def add_user(tx: Tx, user: User) -> bool:
    """Adds a user; False where the name is taken."""
    values = {
        "user_id": user.user_id,
        "name": user.name,
        "name_key": name_key(user.name),
        "role": user.role.value,
        "password_hash": user.password_hash,
        "totp_secret": user.totp_secret,
        "totp_pending": user.totp_pending,
        "totp_last_step": user.totp_last_step,
        "disabled": user.disabled,
        "created_time": user.created_time,
        "oidc_sha256": user.oidc_sha256,
        "tenant_id": user.tenant_id,
    }
    return insert_once(tx, account_user, (account_user.c.name_key,), values)


def set_user(tx: Tx, user_id: str, **values: Any) -> None:
    """Sets columns of a user."""
    change(tx, account_user.c.user_id, user_id, values)


def use_step(tx: Tx, user_id: str, step: int) -> bool:
    """Notes that the code of `step` was used; False where it, or a newer one, was used before."""
    table = account_user
    used = sa.update(table).where(table.c.user_id == user_id, table.c.totp_last_step < step)
    return tx.execute(used.values(totp_last_step=step)).rowcount == 1


def code_secrets(tx: Tx) -> list[tuple[str, str, str]]:
    """Every kept secret of one-time codes: the user's id, the column, the secret."""
    names = ("totp_secret", "totp_pending")
    query = sa.select(account_user.c.user_id, *(account_user.c[name] for name in names))
    return [
        (row.user_id, name, secret)
        for row in tx.execute(query)
        for name in names
        if (secret := row._mapping[name]) is not None
    ]


def other_administrators(tx: Tx, user_id: str) -> int:
    """How many open accounts of the site's own administrators with a password there are besides this one."""
    c = account_user.c
    wanted = sa.select(sa.func.count()).where(
        c.role == Role.ADMINISTRATOR.value,
        c.tenant_id.is_(None),
        c.disabled.is_(False),
        c.user_id != user_id,
        c.password_hash.is_not(None),
    )
    return int(tx.execute(wanted).scalar_one())


def _user(row: Any) -> User:
    return User(
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        totp_secret=row.totp_secret,
        totp_pending=row.totp_pending,
        totp_last_step=row.totp_last_step,
        disabled=row.disabled,
        created_time=row.created_time,
        oidc_sha256=row.oidc_sha256,
        tenant_id=row.tenant_id,
    )


# -- sessions ------------------------------------------------------------------------------------------------


def session_of(tx: Tx, token: str) -> Session | None:
    """The session whose cookie holds `token`."""
    return session_by_digest(tx, digest_of(token))


def session_by_digest(tx: Tx, digest: bytes) -> Session | None:
    """The session whose cookie's value has this SHA-256."""
    row = _SESSION.first(tx, {"of_token": digest})
    if row is None:
        return None
    return Session(
        session_id=row.session_id,
        token_sha256=row.token_sha256,
        user_id=row.user_id,
        created_time=row.created_time,
        seen_time=row.seen_time,
        locked=row.locked,
    )


def add_session(tx: Tx, session: Session) -> None:
    """Adds a session; forgets those that have ended."""
    ended = account_session.c.created_time <= session.created_time - ABSOLUTE
    tx.execute(sa.delete(account_session).where(ended))
    tx.execute(
        sa.insert(account_session).values(
            token_sha256=session.token_sha256,
            session_id=session.session_id,
            user_id=session.user_id,
            created_time=session.created_time,
            seen_time=session.seen_time,
            locked=session.locked,
        )
    )


def set_session(tx: Tx, digest: bytes, **values: Any) -> None:
    """Sets columns of a session."""
    change(tx, account_session.c.token_sha256, digest, values)


def end_session(tx: Tx, digest: bytes) -> None:
    """Ends one session."""
    tx.execute(sa.delete(account_session).where(account_session.c.token_sha256 == digest))


def end_sessions_of(tx: Tx, user_id: str, but: bytes | None = None) -> None:
    """Ends every session of a user, or every one but `but`."""
    ended = sa.delete(account_session).where(account_session.c.user_id == user_id)
    tx.execute(ended if but is None else ended.where(account_session.c.token_sha256 != but))


# -- tokens --------------------------------------------------------------------------------------------------


def token_of(tx: Tx, token: str) -> Token | None:
    """The token of this value."""
    row = _TOKEN.first(tx, {"of_token": digest_of(token)})
    return None if row is None else _token(row)


def token_by_id(tx: Tx, token_id: str) -> Token | None:
    """The token of this id."""
    row = tx.execute(sa.select(account_token).where(account_token.c.token_id == token_id)).first()
    return None if row is None else _token(row)


def tokens(tx: Tx, tenant_id: str | None) -> list[Token]:
    """The tenant's tokens (None: the whole site's), newest first."""
    c = account_token.c
    query = sa.select(account_token).where(within(c.tenant_id, tenant_id))
    return [_token(row) for row in tx.execute(query.order_by(c.created_time.desc(), c.token_id))]


def add_token(tx: Tx, token: Token, value: str) -> None:
    """Adds a token; of its value only the SHA-256 is kept."""
    tx.execute(
        sa.insert(account_token).values(
            token_id=token.token_id,
            token_sha256=digest_of(value),
            name=token.name,
            role=token.role.value,
            created_time=token.created_time,
            created_by=token.created_by,
            expires_time=token.expires_time,
            tenant_id=token.tenant_id,
        )
    )


def set_token(tx: Tx, token_id: str, **values: Any) -> None:
    """Sets columns of a token."""
    change(tx, account_token.c.token_id, token_id, values)


def _token(row: Any) -> Token:
    return Token(
        token_id=row.token_id,
        name=row.name,
        role=Role(row.role),
        created_time=row.created_time,
        created_by=row.created_by,
        expires_time=row.expires_time,
        last_used_time=row.last_used_time,
        revoked_time=row.revoked_time,
        tenant_id=row.tenant_id,
    )


# -- one-time links ------------------------------------------------------------------------------------------


def replace_link(tx: Tx, user_id: str | None, link: str, now: datetime, expires: datetime | None) -> None:
    """Makes `link` the only one for this user; None: for the first administrator."""
    c = account_link.c
    tx.execute(
        sa.delete(account_link).where(c.user_id.is_(None) if user_id is None else c.user_id == user_id)
    )
    digest = digest_of(link)
    values = {"link_sha256": digest, "user_id": user_id, "created_time": now, "expires_time": expires}
    tx.execute(sa.insert(account_link).values(values))


def take_link(tx: Tx, link: str, now: datetime) -> tuple[str | None] | None:
    """Uses a link up: whom it is for (None: the first administrator), in a tuple; None where it is not valid."""
    c = account_link.c
    digest = digest_of(link)
    row = tx.execute(sa.select(c.user_id, c.expires_time).where(c.link_sha256 == digest)).first()
    if row is None or (row.expires_time is not None and now >= row.expires_time):
        return None
    tx.execute(sa.delete(account_link).where(c.link_sha256 == digest))
    return (row.user_id,)


def forget_links(tx: Tx, user_id: str) -> None:
    """Drops the links of a user."""
    tx.execute(sa.delete(account_link).where(account_link.c.user_id == user_id))


# -- tries ---------------------------------------------------------------------------------------------------


def tries_of(tx: Tx, counted: Counted, key: str) -> Tries | None:
    """Tries since the last success."""
    row = tx.execute(sa.select(account_try).where(*_is(counted, key))).first()
    if row is None:
        return None
    return Tries(count=row.tries, last_time=row.last_time, blocked_until_time=row.blocked_until_time)


def set_tries(tx: Tx, counted: Counted, key: str, tries: Tries) -> None:
    """Keeps the tries; forgets those of anybody that no longer count."""
    tx.execute(sa.delete(account_try).where(account_try.c.last_time < tries.last_time - FORGOTTEN_AFTER))
    forget_tries(tx, counted, key)
    tx.execute(
        sa.insert(account_try).values(
            counted=counted.value,
            key_sha256=sha256(key.encode()),
            tries=tries.count,
            last_time=tries.last_time,
            blocked_until_time=tries.blocked_until_time,
        )
    )


def give_back_try(tx: Tx, counted: Counted, key: str) -> None:
    """Takes the newest try back, and the wait that it brought."""
    tries = tries_of(tx, counted, key)
    if tries is not None:
        set_tries(tx, counted, key, replace(tries, count=tries.count - 1, blocked_until_time=tries.last_time))


def forget_tries(tx: Tx, counted: Counted, key: str) -> None:
    """Begins to count anew."""
    tx.execute(sa.delete(account_try).where(*_is(counted, key)))


def _is(counted: Counted, key: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    c = account_try.c
    # Only the digest is kept: what is typed as a name may be a password.
    return c.counted == counted.value, c.key_sha256 == sha256(key.encode())

"""Accounts: all of them together, for a server or for a command on its data folder."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.accounts.looks import Looks
from cloud.accounts.oidc import OidcRules, OidcSignIn
from cloud.accounts.own import OwnAccount
from cloud.accounts.people import People
from cloud.accounts.provider import Provider
from cloud.accounts.services import AccountServices
from cloud.accounts.sign_in import SignIn
from cloud.accounts.tenants import Tenants
from cloud.accounts.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """All that the console needs of accounts."""

    sign_in: SignIn
    """Signing in and out, locking, whom a request comes from."""
    own: OwnAccount
    """Changes of one's own account."""
    people: People
    """Users and links."""
    tokens: Tokens
    """Tokens of machines."""
    tenants: Tenants
    """Who may see what."""
    looks: Looks
    """Looks in the audit, and its search."""
    oidc: OidcSignIn
    """Signing in through an identity provider."""


def make_accounts(
    services: AccountServices, provider: Provider | None = None, rules: OidcRules | None = None
) -> Accounts:
    """Accounts on these services; nothing is opened or written. Without `provider` and `rules` local ones only."""
    sign_in = SignIn(services)
    return Accounts(
        sign_in=sign_in,
        own=OwnAccount(services, sign_in),
        people=People(services, sign_in),
        tokens=Tokens(services),
        tenants=Tenants(services),
        looks=Looks(services),
        oidc=OidcSignIn(services, sign_in, provider, rules),
    )

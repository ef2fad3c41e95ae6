"""Accounts: the identity provider as the settings name it."""

from __future__ import annotations

from cloud.accounts.oidc import OidcRules
from cloud.accounts.provider import Provider, ProviderSettings
from cloud.accounts.roles import mapped_role, mapped_tenant
from cloud.config import Config
from cloud.errors import ConfigInvalid


def provider_of(config: Config) -> tuple[Provider, OidcRules] | tuple[None, None]:
    """The provider and who may come through it; none where the settings name none. Nothing is asked of it yet.

    Raises ConfigInvalid where the file with the client's secret cannot be read.
    """
    if not config.oidc_issuer:
        return None, None
    secret = ""
    if config.oidc_client_secret_file is not None:
        try:
            secret = config.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigInvalid("oidc_client_secret_file: cannot be read") from exc
    settings = ProviderSettings(
        issuer=config.oidc_issuer, client_id=config.oidc_client_id, client_secret=secret
    )
    rules = OidcRules(
        label=config.oidc_label,
        role_claim=config.oidc_role_claim,
        roles=tuple(mapped_role(each) for each in config.oidc_roles),
        domains=tuple(each.lower() for each in config.oidc_domains),
        name_claim=config.oidc_name_claim,
        tenant_claim=config.oidc_tenant_claim,
        tenants=tuple(mapped_tenant(each) for each in config.oidc_tenants),
    )
    return Provider(settings), rules

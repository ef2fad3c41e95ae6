"""Accounts: the hospital's identity provider, spoken to by OpenID Connect: where to send a person, who came back.

Authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1; RFC 9700). Nothing that comes back
is believed before the signature of the ID token and every claim of it that matters is checked.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cloud.config import is_loopback
from cloud.errors import CloudError, RetryLater

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are taken: by a private key of the provider. Never `none`, and none by a shared secret."""
LEEWAY_S: Final = 60
"""Clocks may differ by so many seconds."""
_TIMEOUT_S: Final = 10.0
_AGAIN_AFTER_S: Final = 10.0
_DISCOVERY: Final = "/.well-known/openid-configuration"
_WANTED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderWrong(CloudError):
    """What the provider sent does not fit what it must be; the message says what, and holds nothing of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Which provider, and who we are to it."""

    issuer: str
    """Its address, as its tokens bear it."""
    client_id: str
    """Who we are."""
    client_secret: str
    """What proves it; empty for a public client."""
    scopes: str = "openid profile email"
    """What is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person was sent away with; kept until they come back."""

    redirect_uri: str
    """Where they come back to."""
    state: str
    """Ties the answer to this question."""
    nonce: str
    """Ties the ID token to this question."""
    verifier: str
    """Proves that we asked (PKCE)."""
    asked_time: datetime
    """When they were sent (aware UTC)."""
    again: bool
    """Whether they had to prove anew who they are."""


class Provider:
    """One provider. Its description and its keys are fetched when they are needed, and kept."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._description: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        # Reading the machine's authorities takes longer than a whole sign-in.
        self._authorities = ssl.create_default_context()

    async def address(self, asked: Asked) -> str:
        """Where to send the person. Errors: RetryLater, ProviderWrong."""
        described = await self._described()
        more = {"prompt": "login", "max_age": "0"} if asked.again else {}
        async with self._client(asked) as client:
            url, _ = client.create_authorization_url(
                described["authorization_endpoint"],
                state=asked.state,
                nonce=asked.nonce,
                code_verifier=asked.verifier,
                **more,
            )
        return str(url)

    async def claims(self, asked: Asked, code: str, now: datetime) -> Mapping[str, Any]:
        """What the provider says of the person who came back with `code`. Errors: RetryLater, ProviderWrong.

        Claims of the ID token, and of the user info where the provider has one.
        """
        described = await self._described()
        async with self._client(asked) as client:
            try:
                token = await client.fetch_token(
                    described["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=asked.verifier,
                )
            except OAuthError as error:
                raise ProviderWrong("the provider does not take the code") from error
            except (httpx2.HTTPError, ValueError) as error:
                raise RetryLater("the identity provider is away", _AGAIN_AFTER_S) from error
            claims = await self._checked(token.get("id_token"), asked, now)
            more = await self._user_info(client, described)
        if more and more.get("sub") != claims["sub"]:
            raise ProviderWrong("the user info is another person's")
        return {**more, **claims}

    def sign_out_address(self, back: str) -> str | None:
        """Where a person signs out at the provider too, to come `back`; None where it has no such address, or was
        not asked yet.
        """
        described = self._description or {}
        address = described.get("end_session_endpoint")
        if not isinstance(address, str) or not _is_safe(address):
            return None
        query = urlencode({"client_id": self._settings.client_id, "post_logout_redirect_uri": back})
        return f"{address}{'&' if urlsplit(address).query else '?'}{query}"

    async def _described(self) -> Mapping[str, Any]:
        if self._description is None:
            described = await self._get(self._settings.issuer.rstrip("/") + _DISCOVERY)
            # OpenID Connect Discovery 1.0, 4.3: exactly the same, or somebody else answers.
            if described.get("issuer") != self._settings.issuer:
                raise ProviderWrong("the provider's description names another issuer")
            if not all(
                isinstance(described.get(name), str) and _is_safe(described[name]) for name in _WANTED
            ):
                raise ProviderWrong("the provider's description lacks an address, or has one without https")
            self._description = described
        return self._description

    async def _checked(self, id_token: object, asked: Asked, now: datetime) -> Mapping[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        if not isinstance(id_token, str):
            raise ProviderWrong("the provider sent no ID token")
        client_id = self._settings.client_id
        required = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": asked.nonce},
        )
        try:
            claims = dict((await self._decoded(id_token)).claims)
            required.validate(claims)
        except JoseError as error:
            raise ProviderWrong(f"the ID token is not valid: {error.error}") from error
        if claims["aud"] not in (client_id, [client_id]) and claims.get("azp") != client_id:
            raise ProviderWrong("the ID token is for others too")
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise ProviderWrong("the ID token names nobody")
        proved = claims.get("auth_time")
        earliest = asked.asked_time.timestamp() - LEEWAY_S
        if asked.again and (not isinstance(proved, int | float) or proved < earliest):
            raise ProviderWrong("the person did not prove anew who they are")
        return claims

    async def _decoded(self, id_token: str) -> jwt.Token:
        """The token, its signature checked; keys are fetched again once, where the provider has others by now."""
        if self._keys is not None:
            try:
                return jwt.decode(id_token, self._keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                self._keys = None
        described = await self._described()
        try:
            serialized: Any = await self._get(described["jwks_uri"])
            keys = KeySet.import_key_set(serialized)
            decoded = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderWrong("the ID token is not signed by a key of the provider") from error
        self._keys = keys
        return decoded

    async def _user_info(self, client: AsyncOAuth2Client, described: Mapping[str, Any]) -> Mapping[str, Any]:
        address = described.get("userinfo_endpoint")
        if not isinstance(address, str) or not _is_safe(address):
            return {}
        try:
            answer = await client.get(address)
            found = answer.json() if answer.is_success else {}
        except (httpx2.HTTPError, OAuthError, ValueError) as error:
            raise RetryLater("the identity provider is away", _AGAIN_AFTER_S) from error
        return found if isinstance(found, dict) else {}

    async def _get(self, address: str) -> Mapping[str, Any]:
        try:
            async with httpx2.AsyncClient(
                timeout=_TIMEOUT_S, verify=self._authorities, trust_env=False
            ) as client:
                answer = await client.get(address)
                found = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise RetryLater("the identity provider is away", _AGAIN_AFTER_S) from error
        if not isinstance(found, dict):
            raise ProviderWrong("the provider's answer has another form")
        return found

    def _client(self, asked: Asked) -> AsyncOAuth2Client:
        secret = self._settings.client_secret
        return AsyncOAuth2Client(
            client_id=self._settings.client_id,
            client_secret=secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=self._settings.scopes,
            redirect_uri=asked.redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            verify=self._authorities,
            trust_env=False,
        )


def _is_safe(address: str) -> bool:
    """https, or http on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))

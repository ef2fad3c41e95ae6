"""Monitor: webhooks: an alarm as a signed JSON POST."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from cloud.db.times import Clock
from cloud.monitor.channels import Message, Sender
from cloud.monitor.errors import SendFailed, SendReason

SIGNATURE_HEADER: Final = "Sonorelay-Signature"
DELIVERY_HEADER: Final = "Sonorelay-Delivery"
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where webhooks go."""

    url: str
    """http or https address that takes the POST."""
    secret: bytes
    """Key of the signature."""
    ca_file: Path | None
    """Authority of the other side's certificate, PEM; None: the system's."""


def signature(secret: bytes, time_s: int, body: bytes) -> str:
    """Value of the signature's header: the time, and HMAC-SHA-256 over time, a dot and the body. Whoever checks it
    also refuses an old time, so that nothing can be sent again."""
    mac = hmac.new(secret, b"%d." % time_s + body, hashlib.sha256)
    return f"t={time_s},v1={mac.hexdigest()}"


class WebhookSender:
    """Posts a message; only a 2xx answer counts, redirects are not followed."""

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._trusted = (
            ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file is not None else True
        )

    async def send(self, message: Message) -> None:
        """Sends once. Errors: SendFailed."""
        body = json.dumps(message.body, ensure_ascii=False, separators=(",", ":")).encode()
        signed = signature(self._settings.secret, int(self._clock().timestamp()), body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SonoRelay",
            SIGNATURE_HEADER: signed,
            DELIVERY_HEADER: message.delivery_id,
        }
        try:
            # The settings say where to send; a proxy or a password of the environment has no say.
            async with httpx2.AsyncClient(verify=self._trusted, timeout=TIMEOUT_S, trust_env=False) as client:
                answer = await client.post(self._settings.url, content=body, headers=headers)
        except httpx2.TimeoutException as error:
            raise SendFailed(SendReason.TIMED_OUT) from error
        except httpx2.ConnectError as error:
            tls = isinstance(_root(error), ssl.SSLError)
            raise SendFailed(SendReason.TLS_FAILED if tls else SendReason.UNREACHABLE) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise SendFailed(SendReason.UNREACHABLE) from error
        if not answer.is_success:
            raise SendFailed(SendReason.REFUSED, answer.status_code)


def _root(error: BaseException) -> BaseException:
    """The error that began it."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


_sender: type[Sender] = WebhookSender

"""Monitor: e-mail: an alarm in both languages, over TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import aiosmtplib

from cloud.db.times import Clock
from cloud.monitor.channels import NOTICE, Message, Sender
from cloud.monitor.errors import SendFailed, SendReason

TIMEOUT_S: Final = 20.0
_NOTICE_ZH: Final = "仅供研究，不用于诊断"


class MailSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    """Plain at first, TLS before anything is said; a server that does not offer it is refused."""
    TLS = "tls"
    """TLS from the beginning."""
    NONE = "none"
    """Not at all: for a mail server on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Which mail server, and to whom."""

    host: str
    """Name of the server."""
    port: int
    """Its port."""
    security: MailSecurity
    """How the connection is protected."""
    user: str | None
    """Name to sign in with; None: without."""
    password: str | None
    """Its password."""
    sender: str
    """Address in From."""
    recipients: tuple[str, ...]
    """Addresses in To."""
    ca_file: Path | None
    """Authority of the server's certificate, PEM; None: the system's."""


class MailSender:
    """Sends a message as one e-mail to all recipients."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._trusted = ssl.create_default_context(
            cafile=None if settings.ca_file is None else str(settings.ca_file)
        )

    async def send(self, message: Message) -> None:
        """Sends once. Errors: SendFailed."""
        settings = self._settings
        protected = settings.security is not MailSecurity.NONE
        try:
            await aiosmtplib.send(
                self._written(message),
                hostname=settings.host,
                port=settings.port,
                use_tls=settings.security is MailSecurity.TLS,
                start_tls=settings.security is MailSecurity.STARTTLS,
                username=settings.user,
                password=settings.password,
                tls_context=self._trusted if protected else None,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPException as error:
            raise _meant(error) from error
        except (ssl.SSLError, ValueError) as error:
            raise SendFailed(SendReason.TLS_FAILED) from error
        except OSError as error:
            raise SendFailed(SendReason.UNREACHABLE) from error

    def _written(self, message: Message) -> EmailMessage:
        subject, text = _words(message)
        mail = EmailMessage()
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.recipients)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(self._clock())
        domain = self._settings.sender.rpartition("@")[2].strip(">")
        mail["Message-ID"] = f"<{message.delivery_id}@{domain}>"
        # Absence notes answer no machine (RFC 3834, 5).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return mail


def _words(message: Message) -> tuple[str, str]:
    """Subject and text."""
    site = message.body["site"]
    foot = f"\n{site}\n{NOTICE} / {_NOTICE_ZH}\n"
    if message.body["kind"] != "alarm":
        text = f"This is a test. Alarms will come like this.\n测试邮件，告警将以此方式发送。\n{foot}"
        return "[SonoRelay] Test / 测试", text
    alarm = message.body["alarm"]
    about = f" ({alarm['subject']})" if alarm["subject"] else ""
    cleared = alarm["state"] == "cleared"
    word_en, word_zh = ("over", "已解除") if cleared else (alarm["severity"], _SEVERITY_ZH[alarm["severity"]])
    figures = f"{alarm['metric']} = {alarm['value']:g} {alarm['unit']} (limit {alarm['threshold']:g})"
    time = alarm["cleared_time"] if cleared else alarm["fired_time"]
    text = f"{alarm['text']['en']}{about}\n{alarm['text']['zh']}{about}\n\n{figures}\n{time}\n{foot}"
    return f"[SonoRelay] {word_en} / {word_zh}: {alarm['rule']}{about}", text


_SEVERITY_ZH: Final = {"warning": "警告", "critical": "严重"}


def _meant(error: aiosmtplib.SMTPException) -> SendFailed:
    """What a mail library's error means here."""
    # A timeout is also a connection error there: the narrower class first.
    table: tuple[tuple[type[aiosmtplib.SMTPException], SendReason], ...] = (
        (aiosmtplib.SMTPAuthenticationError, SendReason.SIGN_IN_REFUSED),
        (aiosmtplib.SMTPTimeoutError, SendReason.TIMED_OUT),
        (aiosmtplib.SMTPConnectError, SendReason.UNREACHABLE),
        (aiosmtplib.SMTPServerDisconnected, SendReason.UNREACHABLE),
    )
    if isinstance(error.__cause__ or error.__context__, ssl.SSLError) or "STARTTLS" in str(error):
        return SendFailed(SendReason.TLS_FAILED)
    for kind, reason in table:
        if isinstance(error, kind):
            return SendFailed(reason)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return SendFailed(SendReason.REFUSED, error.recipients[0].code if error.recipients else None)
    return SendFailed(
        SendReason.REFUSED, error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
    )


_sender: type[Sender] = MailSender

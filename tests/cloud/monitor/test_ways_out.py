"""Monitor: alarms reach a real webhook and a real mail server, now or once these are there again."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.config import Config
from cloud.errors import ConfigInvalid
from cloud.monitor.all import Monitor
from cloud.monitor.build import MAIL_PASSWORD, WEBHOOK_SECRET, open_senders
from cloud.monitor.channels import Channel, Message, trial_body
from cloud.monitor.deliveries import FIRST_WAIT_S, LONGEST_WAIT_S, wait_s
from cloud.monitor.errors import SendFailed, SendReason
from cloud.monitor.metrics import Metric
from tests.authority import Authority
from tests.cloud.console.world import MadeClock, World, close_world, open_world
from tests.cloud.monitor.made import look
from tests.cloud.monitor.receivers import Hook, free_port, hook, mail_box

SECRET = "a secret of the tests"
SETTINGS = Config(alarm_webhook_url="http://127.0.0.1:9/x")
ENVIRONMENT = {WEBHOOK_SECRET: SECRET, MAIL_PASSWORD: "a mail password"}
SILENT = look(Metric.AGENT_SILENT_S, {"room-1": 700.0})
HEARD = look(Metric.AGENT_SILENT_S, {"room-1": 1.0}, 10)


@asynccontextmanager
async def world_with(folder: Path, config: Config) -> AsyncIterator[World]:
    """A world whose alarms go out as these settings say; its queue is being sent."""
    folder.mkdir(exist_ok=True)
    world = await open_world(folder, senders=open_senders(config, ENVIRONMENT, MadeClock()))
    sending = asyncio.create_task(world.services.monitor.deliveries.run())
    try:
        yield world
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await close_world(world)


def to(receiver: Hook) -> Config:
    """Settings that post there."""
    return replace(SETTINGS, alarm_webhook_url=receiver.url)


def mail_config(port: int, **changes: object) -> Config:
    """Settings that mail there."""
    return replace(
        Config(
            alarm_mail_server=f"127.0.0.1:{port}",
            alarm_mail_security="none",
            alarm_mail_from="sonorelay@clinic.example",
            alarm_mail_to=("it@clinic.example", "night@clinic.example"),
        ),
        **changes,  # type: ignore[arg-type]  # a table of the test
    )


async def sent(monitor: Monitor, channel: Channel) -> None:
    """Until nothing waits for this way out."""
    async with asyncio.timeout(20):
        while next(f.waiting for f in await monitor.deliveries.facts() if f.channel is channel):
            await asyncio.sleep(0.02)


def told(body: bytes) -> tuple[str, str, str]:
    """Rule, subject and state that a POST tells."""
    alarm: Mapping[str, str] = json.loads(body)["alarm"]
    return alarm["rule"], alarm["subject"], alarm["state"]


@pytest.mark.req("DATA-11")
async def test_begin_and_end_of_an_alarm_are_posted_and_signed(tmp_path: Path) -> None:
    """Each change is one POST, whose HMAC the receiver can check with the shared secret and the time in it."""
    with hook() as receiver:
        async with world_with(tmp_path / "w", to(receiver)) as world:
            for sample in (SILENT, HEARD):
                await world.services.monitor.book.consider(sample)
                await asyncio.to_thread(receiver.wait)
    assert [("agent_silent", "room-1", state) for state in ("firing", "cleared")] == [
        told(posted.body) for posted in receiver.posted
    ]
    for posted in receiver.posted:
        time, _, mac = posted.headers["sonorelay-signature"].removeprefix("t=").partition(",v1=")
        signed = time.encode() + b"." + posted.body
        assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == mac
        assert "research use, not for diagnosis" == json.loads(posted.body)["notice"]
    assert 2 == len({posted.headers["sonorelay-delivery"] for posted in receiver.posted})


async def test_a_refused_post_is_tried_again_under_the_same_name(tmp_path: Path) -> None:
    """Whatever is no 2xx, a redirect too, is tried again later; the receiver knows it by its delivery's name."""
    with hook() as receiver:
        receiver.answers += [503, 302]
        async with world_with(tmp_path / "w", to(receiver)) as world:
            monitor = world.services.monitor
            await monitor.book.consider(SILENT)
            await asyncio.to_thread(receiver.wait)
            for _ in range(2):
                while monitor.deliveries.read().each[Metric.DELIVERY_FAILURES]["webhook"] < len(
                    receiver.posted
                ):
                    await asyncio.sleep(0.01)
                world.clock.forward(seconds=10)
                monitor.deliveries.wake()
                await asyncio.to_thread(receiver.wait)
            await sent(monitor, Channel.WEBHOOK)
            (facts,) = await monitor.deliveries.facts()
    assert 3 == len(receiver.posted)
    assert 1 == len({posted.headers["sonorelay-delivery"] for posted in receiver.posted})
    assert (0, None) == (facts.failures, facts.last_reason)


async def test_what_nobody_took_goes_out_after_a_restart(tmp_path: Path) -> None:
    """Nobody listens: the alarm is shown and waits; another process on the same data sends it once somebody does."""
    port = free_port()
    config = replace(SETTINGS, alarm_webhook_url=f"http://127.0.0.1:{port}/alarms")
    async with world_with(tmp_path / "w", config) as world:
        monitor = world.services.monitor
        await monitor.book.consider(SILENT)
        assert ["agent_silent"] == [alarm.rule for alarm in monitor.book.raised()]
        async with asyncio.timeout(20):
            while not (await monitor.deliveries.facts())[0].failures:
                await asyncio.sleep(0.02)
        (facts,) = await monitor.deliveries.facts()
        assert (1, "UNREACHABLE") == (facts.waiting, facts.last_reason)
    with hook(port) as receiver:
        async with world_with(tmp_path / "w", config) as world:
            world.clock.forward(seconds=10)
            world.services.monitor.deliveries.wake()
            await asyncio.to_thread(receiver.wait)
            await sent(world.services.monitor, Channel.WEBHOOK)
            assert ["agent_silent"] == [alarm.rule for alarm in world.services.monitor.book.raised()]
    assert [("agent_silent", "room-1", "firing")] == [told(posted.body) for posted in receiver.posted]


async def test_a_mail_goes_out_over_tls_after_a_sign_in(tmp_path: Path) -> None:
    """STARTTLS with the site's own authority, name and password; one mail in both languages to all recipients."""
    authority = Authority(tmp_path, "clinic")
    certificate, key = authority.issue("mail")
    with mail_box(certificate=certificate, key=key) as box:
        config = mail_config(
            box.port,
            alarm_mail_security="starttls",
            alarm_mail_user="alarms",
            alarm_mail_ca_file=authority.file,
        )
        async with world_with(tmp_path / "w", config) as world:
            await world.services.monitor.book.consider(SILENT)
            await asyncio.to_thread(box.wait)
            await sent(world.services.monitor, Channel.MAIL)
    (envelope,) = box.mails
    assert ["it@clinic.example", "night@clinic.example"] == envelope.rcpt_tos
    assert isinstance(envelope.content, bytes)
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = mail.get_body()
    assert body is not None
    text = body.get_content()
    assert "critical / 严重: agent_silent (room-1)" in mail["Subject"]
    for part in ("An agent has not been heard", "代理长时间无响应", "仅供研究，不用于诊断"):
        assert part in text


async def test_a_mail_that_was_put_off_is_tried_again(tmp_path: Path) -> None:
    """A server that has no time now (451) gets the mail later, once."""
    with mail_box() as box:
        box.answers.append("451 later")
        async with world_with(tmp_path / "w", mail_config(box.port)) as world:
            monitor = world.services.monitor
            await monitor.book.consider(SILENT)
            await asyncio.to_thread(box.wait)
            async with asyncio.timeout(20):
                while not (await monitor.deliveries.facts())[0].failures:
                    await asyncio.sleep(0.02)
            assert "REFUSED 451" == (await monitor.deliveries.facts())[0].last_reason
            world.clock.forward(seconds=10)
            monitor.deliveries.wake()
            await asyncio.to_thread(box.wait)
            await sent(monitor, Channel.MAIL)
    assert 1 == len(box.mails)


async def failure(config: Config, channel: Channel, environment: Mapping[str, str] = ENVIRONMENT) -> str:
    """What a test message by these settings fails with."""
    sender = open_senders(config, environment, MadeClock())[channel]
    with pytest.raises(SendFailed) as caught:
        await sender.send(Message(delivery_id="x", body=trial_body("test")))
    return str(caught.value)


async def test_each_failure_has_its_reason(tmp_path: Path) -> None:
    """Nobody there, a certificate of a stranger, a wrong password, a refusal: a person is told which."""
    authority, stranger = Authority(tmp_path, "clinic"), Authority(tmp_path, "stranger")
    certificate, key = authority.issue("mail")
    nobody = free_port()
    signed_in = {"alarm_mail_security": "starttls", "alarm_mail_user": "alarms"}
    with hook() as receiver, mail_box(certificate=certificate, key=key) as box, mail_box() as plain:
        receiver.answers.append(403)
        plain.answers.append("554 no")
        trusting = mail_config(box.port, **signed_in, alarm_mail_ca_file=authority.file)
        doubting = mail_config(box.port, **signed_in, alarm_mail_ca_file=stranger.file)
        expected = {
            "REFUSED 403": failure(to(receiver), Channel.WEBHOOK),
            "UNREACHABLE": failure(
                replace(SETTINGS, alarm_webhook_url=f"http://127.0.0.1:{nobody}"), Channel.WEBHOOK
            ),
            "TLS_FAILED": failure(doubting, Channel.MAIL),
            "SIGN_IN_REFUSED": failure(trusting, Channel.MAIL, {MAIL_PASSWORD: "wrong"}),
            "REFUSED 554": failure(mail_config(plain.port), Channel.MAIL),
        }
        assert list(expected) == [await told_as for told_as in expected.values()]
        # No TLS is offered: nothing is said in the clear.
        assert "TLS_FAILED" == await failure(
            mail_config(plain.port, alarm_mail_security="starttls"), Channel.MAIL
        )
        assert "UNREACHABLE" == await failure(mail_config(nobody), Channel.MAIL)
    assert set(SendReason) >= {SendReason(told_as.partition(" ")[0]) for told_as in expected}


async def test_a_dead_way_out_raises_an_alarm_that_takes_another_way(tmp_path: Path) -> None:
    """The alarm about the webhook goes by mail, and never by the webhook itself."""
    with mail_box() as box:
        config = replace(mail_config(box.port), alarm_webhook_url=f"http://127.0.0.1:{free_port()}")
        async with world_with(tmp_path / "w", config) as world:
            monitor = world.services.monitor
            failing = look(Metric.DELIVERY_FAILURES, {"webhook": 3.0, "mail": 0.0})
            await monitor.book.consider(failing)
            await asyncio.to_thread(box.wait)
            waiting = {facts.channel: facts.waiting for facts in await monitor.deliveries.facts()}
    assert 0 == waiting[Channel.WEBHOOK]
    assert 1 == len(box.mails)


def test_the_wait_grows_to_a_limit() -> None:
    """Twice as long after each failure, never above five minutes."""
    waits = [wait_s(attempts) for attempts in (1, 2, 3, 50)]
    assert [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S, LONGEST_WAIT_S] == waits


@pytest.mark.parametrize(
    ("config", "told_as"),
    [
        (SETTINGS, "alarm_webhook_secret_file"),
        (replace(SETTINGS, alarm_webhook_secret_file=Path("/none")), "cannot be read"),
        (mail_config(25, alarm_mail_user="alarms"), "alarm_mail_password_file"),
    ],
)
def test_a_way_out_without_its_secret_is_refused(config: Config, told_as: str) -> None:
    """The server does not start half: the setting is named, the secret never."""
    with pytest.raises(ConfigInvalid, match=told_as):
        open_senders(config, {WEBHOOK_SECRET: "short"}, MadeClock())


@pytest.mark.parametrize(
    ("changes", "told_as"),
    [
        ({"alarm_webhook_url": "ftp://x"}, "alarm_webhook_url"),
        ({"alarm_mail_server": "mail.example:25"}, "alarm_mail_from"),
        ({"alarm_mail_security": "ssl"}, "alarm_mail_security"),
        (
            {
                "alarm_mail_server": "mail.example:25",
                "alarm_mail_security": "none",
                "alarm_mail_from": "a@b.example",
                "alarm_mail_to": ("c@d.example",),
            },
            "on this machine",
        ),
        (
            {
                "alarm_mail_server": "127.0.0.1:25",
                "alarm_mail_from": "a@b.example",
                "alarm_mail_to": ("c@d.example\nBcc: x@y.example",),
            },
            "no plain address",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], told_as: str) -> None:
    """A mistake is named at the start, not at the first alarm."""
    with pytest.raises(ConfigInvalid, match=told_as):
        replace(Config(), **changes).check()  # type: ignore[arg-type]  # a table of the test

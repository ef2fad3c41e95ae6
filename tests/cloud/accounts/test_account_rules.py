"""Accounts: the rules that need no server: permissions, reasons, back-off, sessions, passwords, codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from argon2.exceptions import VerifyMismatchError

from cloud.accounts.backoff import FORGOTTEN_AFTER, RULES, Counted, Tries, after_try, wait_s
from cloud.accounts.codes import enrolment_uri, make_secret, matching_step, qr_picture
from cloud.accounts.errors import STATUS, Refusal
from cloud.accounts.passwords import Parameters, Passwords, is_weak
from cloud.accounts.roles import PERMITTED, Action, Role, may
from cloud.accounts.values import Session, SessionState

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_the_permission_table_is_complete() -> None:
    """Every role and every action stands in it, each once."""
    assert set(Role) == set(PERMITTED)
    assert {role: set(Action) for role in Role} == {role: set(row) for role, row in PERMITTED.items()}


def test_who_may_do_what() -> None:
    """The README's table, said once more: only administrators give rights, IT sees no image."""
    assert {Role.ADMINISTRATOR} == {role for role in Role if may(role, Action.MANAGE_USERS)}
    assert {Role.ADMINISTRATOR} == {role for role in Role if may(role, Action.MANAGE_TOKENS)}
    assert {Role.ADMINISTRATOR} == {role for role in Role if may(role, Action.MANAGE_MODELS)}
    assert {Role.ADMINISTRATOR, Role.IT} == {role for role in Role if may(role, Action.MANAGE_DEVICES)}
    assert {Role.ADMINISTRATOR, Role.IT} == {role for role in Role if may(role, Action.READ_AUDIT)}
    assert set(Role) - {Role.IT} == {role for role in Role if may(role, Action.SEE_IMAGES)}


def test_every_refusal_has_its_status_and_sentence() -> None:
    """The table of reasons is complete; each is an error's status."""
    assert set(Refusal) == set(STATUS)
    assert all(400 <= status < 500 and text for status, text in STATUS.values())


def test_waiting_begins_after_the_free_tries_and_doubles_to_a_limit() -> None:
    """Tries up to the free ones cost nothing, then 30 s, 60 s, ... and never more than 15 minutes."""
    for counted, rule in RULES.items():
        tries: Tries | None = None
        waits = []
        for _ in range(rule.free + 40):
            tries = after_try(counted, tries, NOW)
            waits.append(wait_s(tries, NOW))
        assert [0.0] * (rule.free - 1) == waits[: rule.free - 1]
        assert [30, 60, 120, 240, 480, 900, 900] == waits[rule.free - 1 : rule.free + 6]
        assert 900 == max(waits)


def test_a_wait_passes_and_old_tries_are_forgotten() -> None:
    """The clock opens the way again; an hour after the newest try the count begins anew."""
    tries = Tries(count=9, last_time=NOW, blocked_until_time=NOW + timedelta(seconds=30))
    assert 30 == wait_s(tries, NOW)
    assert 0 == wait_s(tries, NOW + timedelta(seconds=30))
    assert 10 == after_try(Counted.ACCOUNT, tries, NOW + FORGOTTEN_AFTER).count
    assert 1 == after_try(Counted.ACCOUNT, tries, NOW + FORGOTTEN_AFTER + timedelta(seconds=1)).count


@pytest.mark.parametrize(
    ("after", "seen_before", "locked", "expected"),
    [
        ({"minutes": 1}, {"minutes": 1}, False, SessionState.LIVE),
        ({"minutes": 1}, {}, True, SessionState.LOCKED),
        ({"hours": 2}, {"minutes": 14, "seconds": 59}, False, SessionState.LIVE),
        ({"hours": 2}, {"minutes": 15}, False, SessionState.LOCKED),
        ({"hours": 11, "minutes": 59}, {}, False, SessionState.LIVE),
        ({"hours": 12}, {}, False, SessionState.ENDED),
        ({"hours": 12}, {}, True, SessionState.ENDED),
    ],
)
def test_a_session_locks_when_idle_and_ends_in_any_case(
    after: dict[str, int], seen_before: dict[str, int], locked: bool, expected: SessionState
) -> None:
    """15 minutes without a person lock it, 12 hours end it, whatever was done in them."""
    now = NOW + timedelta(**after)
    session = Session(
        session_id="s",
        token_sha256=bytes(32),
        user_id="u",
        created_time=NOW,
        seen_time=now - timedelta(**seen_before),
        locked=locked,
    )
    assert expected is session.state(now)


def test_the_cost_of_a_hash_is_above_the_floor() -> None:
    """OWASP: 19 MiB and two passes, or 46 MiB and one; ours has no less of both."""
    cost = Parameters()
    assert cost.memory_kib >= 46 * 1024
    assert cost.passes >= 2


async def test_a_hash_is_argon2id_and_grows_with_the_parameters() -> None:
    """A password is right or wrong; a hash of cheaper parameters is right and outdated."""
    old, new = Passwords(Parameters(memory_kib=64, passes=1)), Passwords(Parameters(memory_kib=128, passes=1))
    stored = await old.hash("ｃorrect horse")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    # The same characters in another width: one form for all keyboards.
    same, wrong, nobody = [
        await new.compare(s, p) for s, p in ((stored, "correct horse"), (stored, "x"), (None, "x"))
    ]
    assert (True, True) == (same.ok, same.outdated)
    assert not wrong.ok
    assert not nobody.ok
    assert not (await old.compare(stored, "correct horse")).outdated
    assert not (await old.compare("not a hash", "x")).ok
    old.close()
    new.close()


class CountingHasher:
    """Counts the hashes that are made; nothing fits."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def hash(self, password: str) -> str:
        self.made.append(password)
        return "hash"

    def verify(self, hash: str, password: str) -> bool:
        raise VerifyMismatchError

    def check_needs_rehash(self, hash: str) -> bool:
        return False


async def test_an_unknown_name_costs_a_hash_too() -> None:
    """Where nothing is stored, as much is reckoned as where something is."""
    hasher = CountingHasher()
    passwords = Passwords(hasher=hasher)
    assert not (await passwords.compare(None, "whatever")).ok
    assert ["whatever"] == hasher.made
    passwords.close()


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("short", True),
        ("a" * 20, True),
        ("elevenchars", True),
        ("twelve chars", False),
        ("Li.Wei is my name", True),
        ("x" * 250 + "abcdefg", True),
        ("一二三四五六七八九十甲乙", False),
    ],
)
def test_weak_passwords(password: str, weak: bool) -> None:
    """12 to 256 characters, 5 different ones, without the name, in any script."""
    assert weak is is_weak(password, "li.wei")
    assert not is_weak("a quiet room with a view", "it")


def test_a_code_is_good_for_one_use_and_for_a_clock_that_is_a_little_off() -> None:
    """The step before and after count; a used step, an older one and anything else do not."""
    secret = make_secret(bytes(range(20)))
    made = pyotp.TOTP(secret)
    step = int(NOW.timestamp()) // 30
    for other in (-1, 0, 1):
        code = made.at((step + other) * 30)
        assert step + other == matching_step(secret, code, NOW, 0)
        assert matching_step(secret, code, NOW, step + other) is None
    for wrong in (made.at((step - 2) * 30), made.at((step + 2) * 30), "", "000", "no code"):
        assert matching_step(secret, wrong, NOW, 0) is None
    assert step == matching_step(secret, f" {made.at(step * 30)[:3]} {made.at(step * 30)[3:]} ", NOW, 0)


def test_the_enrolment_is_made_here() -> None:
    """Apps read the address; the QR code is a picture in the answer, no request to anybody."""
    secret = make_secret(bytes(20))
    uri = enrolment_uri(secret, "li.wei")
    parsed = pyotp.parse_uri(uri)
    assert isinstance(parsed, pyotp.TOTP)
    assert (secret, "li.wei", "SonoRelay") == (parsed.secret, parsed.name, parsed.issuer)
    assert qr_picture(uri).startswith("data:image/svg+xml")


def test_the_readmes_table_is_the_codes() -> None:
    """Who may do what stands in the README as in the code."""
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    rows = {
        "see worklist, images, readings, receipts": Action.SEE_IMAGES,
        "see version, counts, models, resources, agents, alarms": Action.SEE_SYSTEM,
        "review images": Action.REVIEW,
        "sign examinations": Action.SIGN,
        "move prints, give a gestational age, tick the protocol": Action.ARRANGE,
        "upload series, store reconstructions": Action.UPLOAD,
        "acknowledge an alarm": Action.ACKNOWLEDGE_ALARMS,
        "change thresholds, send test messages": Action.MANAGE_ALARMS,
        "search the audit": Action.READ_AUDIT,
        "invite, close, reset users; change roles": Action.MANAGE_USERS,
        "create and revoke tokens": Action.MANAGE_TOKENS,
        "see cards of models, promote, roll back, choose a shadow": Action.MANAGE_MODELS,
        "see devices, revoke them and allow them again": Action.MANAGE_DEVICES,
        "have images read again by the live models": Action.REANALYSE,
        "delete an examination, restore it": Action.DELETE,
        "see who looked at an examination": Action.SEE_LOOKS,
        "create tenants, say whose a device is": Action.MANAGE_TENANTS,
        "read the metrics for Prometheus": Action.READ_METRICS,
    }
    assert set(Action) == set(rows.values())
    for words, action in rows.items():
        line = next(line for line in readme.splitlines() if line.startswith(f"| {words} |"))
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        assert [may(role, action) for role in Role] == [cell == "yes" for cell in cells], words

"""Accounts: passwords as Argon2id hashes, reckoned on a few threads of their own."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from cloud.errors import RetryLater

T = TypeVar("T")

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 256
DIFFERENT_MIN: Final = 5
"""A password has at least this many different characters."""
_NAME_MIN: Final = 4
_THREADS: Final = 2
_WAITING_MAX: Final = 16
_BUSY_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Cost of one hash. The default lies above the floor of OWASP's Password Storage Cheat Sheet (19 MiB with two
    passes, or 46 MiB with one)."""

    memory_kib: int = 47_104
    """Memory, KiB."""
    passes: int = 2
    """Passes over it."""
    lanes: int = 1
    """Parallel lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Outcome of comparing a password."""

    ok: bool
    """Whether it is the right one."""
    outdated: bool
    """Whether the stored hash has other parameters than today's and should be made again."""


class Hasher(Protocol):
    """What `Passwords` asks of argon2's hasher."""

    def hash(self, password: str) -> str:
        """The encoded hash."""
        ...

    def verify(self, hash: str, password: str) -> bool:
        """True where the password fits; raises argon2's errors where not."""
        ...

    def check_needs_rehash(self, hash: str) -> bool:
        """Whether the hash was made with other parameters."""
        ...


def is_weak(password: str, name: str) -> bool:
    """Whether a new password breaks a rule: 12 to 256 characters, 5 different ones, not around the name."""
    plain = unicodedata.normalize("NFKC", password)
    if not LENGTH_MIN <= len(plain) <= LENGTH_MAX or len(set(plain)) < DIFFERENT_MIN:
        return True
    # Two or three letters stand in many a good password.
    return len(name) >= _NAME_MIN and name.casefold() in plain.casefold()


class Passwords:
    """Hashes and compares. A comparison takes as long without a stored hash as with one.

    At most two hashes are reckoned at a time, off the event loop; where sixteen wait already, RetryLater.
    """

    def __init__(self, parameters: Parameters | None = None, hasher: Hasher | None = None) -> None:
        cost = parameters or Parameters()
        self._hasher = hasher or PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes, type=Type.ID
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="password")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The encoded hash of `password`, with today's parameters. Errors: RetryLater."""
        return await self._run(lambda: self._hasher.hash(_plain(password)))

    async def compare(self, stored: str | None, password: str) -> Verdict:
        """Whether `password` belongs to `stored`; never where there is none. Errors: RetryLater."""
        return await self._run(lambda: self._compare(stored, password))

    def close(self) -> None:
        """Waits for what is being reckoned and ends the threads."""
        self._threads.shutdown()

    def _compare(self, stored: str | None, password: str) -> Verdict:
        if stored is None:
            # As much work as a comparison, so that a name that nobody has takes as long to refuse.
            self._hasher.hash(_plain(password))
            return Verdict(ok=False, outdated=False)
        try:
            self._hasher.verify(stored, _plain(password))
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return Verdict(ok=False, outdated=False)
        return Verdict(ok=True, outdated=self._hasher.check_needs_rehash(stored))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_MAX:
            raise RetryLater("too many passwords wait to be compared", _BUSY_AFTER_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _plain(password: str) -> str:
    """One form for what different keyboards send for the same characters."""
    return unicodedata.normalize("NFKC", password)[: 2 * LENGTH_MAX]

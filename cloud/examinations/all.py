"""Examinations: all that persons can do with them, for a server."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.db.jobs import Jobs
from cloud.examinations.arrange import Arranging
from cloud.examinations.protocol import Protocol
from cloud.examinations.reviews import Reviews
from cloud.examinations.services import ExaminationServices
from cloud.examinations.signing import Signing
from cloud.examinations.studies import Studies


@dataclass(frozen=True, slots=True, kw_only=True)
class Examinations:
    """All that the console needs of examinations, beside what it reads."""

    reviews: Reviews
    """What persons say of images."""
    signing: Signing
    """Signatures."""
    arranging: Arranging
    """Which print belongs where, ages, ticks."""
    studies: Studies
    """Reading again, notes, tags, deletion."""
    protocol: Protocol
    """What an examination has to show at this site."""


def make_examinations(services: ExaminationServices, jobs: Jobs) -> Examinations:
    """Examinations on these services; nothing is opened or written."""
    return Examinations(
        reviews=Reviews(services),
        signing=Signing(services),
        arranging=Arranging(services),
        studies=Studies(services, jobs),
        protocol=services.protocol,
    )

"""Reads what a site decides in files and settings of its own: its limits, its protocol, what it does not tell."""

from __future__ import annotations

from cloud.config import Config
from cloud.errors import ConfigInvalid
from cloud.examinations.protocol import Protocol, ProtocolInvalid, load_protocol, shipped_protocol
from cloud.infer.errors import ThresholdsInvalid
from cloud.infer.thresholds import ThresholdScheme, load_thresholds
from cloud.policy.sex import FetalSex, SexPolicy


def site_policy(config: Config) -> SexPolicy:
    """Whether the site tells the sex of a fetus."""
    return SexPolicy(FetalSex(config.fetal_sex))


def site_thresholds(config: Config) -> ThresholdScheme:
    """The site's limits, or the general ones. Raises ConfigInvalid for a file that cannot be used."""
    if config.thresholds_file is None:
        return ThresholdScheme()
    try:
        return load_thresholds(config.thresholds_file)
    except ThresholdsInvalid as exc:
        raise ConfigInvalid(f"thresholds_file: {exc}") from exc


def site_protocol(config: Config) -> Protocol:
    """What an examination has to show at this site, without what tells what the site does not tell.

    Raises ConfigInvalid for a file that cannot be used.
    """
    try:
        file = config.protocol_file
        protocol = shipped_protocol() if file is None else load_protocol(file)
    except ProtocolInvalid as exc:
        raise ConfigInvalid(f"protocol_file: {exc}") from exc
    return protocol.without_sex(site_policy(config))

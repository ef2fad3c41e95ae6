"""Beside the thirteen steps: series: what is done with one file that was uploaded: it is read, de-identified and ready
for the store, or refused with a reason.

Which series it belongs to is decided here, on the original header; only keyed hashes of that leave.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

from pydicom.dataset import Dataset

from cloud.series.deidentify import new_head, pseudonym
from cloud.series.errors import HeaderRefused
from cloud.series.found import SUFFIXES, LeftOut, look
from cloud.series.header import Header
from cloud.series.keys import SeriesKey
from cloud.series.messages import StoredBytes
from cloud.series.pixel_copy import copied
from cloud.series.read_header import read_dataset, read_header
from cloud.series.upload_reasons import Reason, UploadReason

_ASKED: Final = ("PatientID", "IssuerOfPatientID", "SpecificCharacterSet", "BurnedInAnnotation")
_TEXT_LIKELY: Final = frozenset({"US", "IVUS", "ES", "XC", "GM", "OT", "DOC", "SC", ""})
"""Modalities whose pictures are often taken from a screen, with its texts."""
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_PARSING: Final = threading.Lock()
"""Filters of warnings are one for all threads; a header takes milliseconds, the pixels are copied side by side."""
_PSEUDONYM: Final = re.compile(r"S[0-9A-F]{15}")
"""Of a patient, as agents make it."""
_PLAIN: Final = re.compile(r"[A-Z0-9 _-]{1,16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a series is told by, of one image; no original."""

    group: str
    """Hexadecimal keyed hash over name, study and series: the cascade of `cloud.series.group`."""
    series_uid: str
    """SeriesInstanceUID of the stored file."""
    instance: str
    """Hexadecimal keyed hash over group and instance UID; empty for what was made here."""
    study_id: str
    """UUID of the examination."""
    patient: str
    """Pseudonym."""
    modality: str
    """Modality; empty: not said."""
    body_part: str
    """BodyPartExamined; empty: not said."""
    number: int | None
    """SeriesNumber; None: not said."""

    def to_json(self) -> dict[str, Any]:
        """As the database keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """What `to_json` made."""
        return cls(**kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that is ready for the store."""

    facts: ImageFacts
    """What its series is told by."""
    path: Path
    """The de-identified file."""
    sha256: bytes
    """SHA-256 of it."""
    size_bytes: int
    """Its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Takes files."""

    key: SeriesKey
    """Makes the hashes."""
    trusts_pictures: bool
    """Whether the site declares that no text is burned into what it uploads."""

    def take(self, path: Path, name: str) -> Taken | Reason:
        """De-identifies the file at `path`, which was called `name`, beside it. Blocks; the file at `path` stays."""
        if path.stat().st_size == 0:
            return UploadReason.FILE_EMPTY
        # The suffix is part of what makes a file DICOM.
        named = path.with_name(f"{path.name}{_suffix(name)}")
        os.link(path, named)
        try:
            with _PARSING:
                header = look(named)
            if isinstance(header, LeftOut):
                return header.reason
            return self._taken(header, path.with_name(f"{path.name}.new"))
        except HeaderRefused as refused:
            return refused.reason
        finally:
            named.unlink()

    def facts_of(self, stored: StoredBytes) -> ImageFacts | Reason:
        """What a file says that an agent de-identified already. Blocks."""
        try:
            with _PARSING:
                header = read_header(stored.path, open_bytes=stored.open)
                ds = read_dataset(stored.path, _ASKED, stored.open)
        except HeaderRefused as refused:
            return refused.reason
        facts, patient = self._facts(header, ds), str(ds.get("PatientID") or "")
        return replace(facts, patient=patient) if _PSEUDONYM.fullmatch(patient) else facts

    def _taken(self, header: Header, new: Path) -> Taken | Reason:
        with _PARSING:
            ds = read_dataset(header.path, _ASKED)
            burned_in = self._burned_in(header, ds)
            if burned_in is not None:
                return burned_in
            head, pixels = new_head(header.path, header, self.key)
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with new.open("wb") as file, header.path.open("rb") as source:
                for piece in chain((head,), copied(source, pixels)):
                    digest.update(piece)
                    size_bytes += file.write(piece)
        except HeaderRefused:
            new.unlink()
            raise
        facts = self._facts(header, ds)
        return Taken(facts=facts, path=new, sha256=digest.digest(), size_bytes=size_bytes)

    def _burned_in(self, header: Header, ds: Dataset) -> UploadReason | None:
        said = str(ds.get("BurnedInAnnotation") or "").strip(" \0").upper()
        if self.trusts_pictures or said == "NO":
            return None
        if said == "YES":
            return UploadReason.TEXT_IS_BURNED_IN
        likely = header.modality in _TEXT_LIKELY or header.sop_class_uid.startswith(_SECONDARY_CAPTURE)
        return UploadReason.TEXT_MAY_BE_BURNED_IN if likely else None

    def _facts(self, header: Header, ds: Dataset) -> ImageFacts:
        key = self.key
        group = key.digest("group", header.patient_name, header.study_uid, header.series_uid)
        return ImageFacts(
            group=group.hex(),
            series_uid=key.uid(header.series_uid),
            instance=key.digest("instance", group.hex(), header.sop_instance_uid).hex(),
            study_id=key.uuid("study", header.patient_name, header.study_uid),
            patient=pseudonym(ds, header, key),
            modality=_plain(header.modality),
            body_part=_plain(header.body_part),
            number=header.series_number if _fits(header.series_number) else None,
        )


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix in SUFFIXES else ".bin"


def _plain(code: str) -> str:
    return code if _PLAIN.fullmatch(code) else ""


def _fits(number: int | None) -> bool:
    return number is not None and abs(number) < 2**31

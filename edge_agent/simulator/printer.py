"""Prints made-up examinations into a watched folder the way real spoolers do."""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edge_agent.simulator.exam import Shot, shots
from edge_agent.simulator.truth import Truth
from edge_agent.simulator.write import FORMATS, encode

_PIECES = 6
_PIECE_PAUSE_S = 0.02
_NAME = re.compile(r"PRINT_(\d{4,})\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One file as printed, with what is true of it."""

    name: str
    """File name in the folder."""
    format: str
    """One of `write.FORMATS`."""
    sha256: str
    """Hex digest of the file's bytes."""
    size_bytes: int
    """Length of the file."""
    frame_count: int
    """Pictures in the file: 1, or 10 to 20 for a cine."""
    spooling: str
    """How it came to lie there: `rename` or `pieces`."""
    patient_id: str
    """The made-up patient's number: files of one examination share it."""
    truth: Truth
    """Truth of the (first) frame."""

    def to_dict(self) -> dict[str, object]:
        """Give the entry as JSON-ready values."""
        return {
            "name": self.name,
            "format": self.format,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "frame_count": self.frame_count,
            "spooling": self.spooling,
            "patient_id": self.patient_id,
            "truth": self.truth.to_dict(),
        }


def write_truth(path: Path, printed: Sequence[Printed]) -> None:
    """Write the truth of `printed` as a JSON list; readers see the old file or the new, never half of one."""
    text = json.dumps([one.to_dict() for one in printed], ensure_ascii=False, indent=1, sort_keys=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)


class Printer:
    """A virtual ultrasound machine's print queue."""

    def __init__(
        self,
        folder: Path,
        *,
        rate_per_s: float = 0.0,
        formats: Sequence[str] = ("png",),
        seed: int = 0,
        banner: bool = True,
        cines: bool = True,
        only_cines: bool = False,
        lesion_share: float = 0.0,
        by_examination: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set up the queue; nothing is drawn or written yet.

        Args:
            folder: the watched folder; it must exist.
            rate_per_s: at most so many files a second; 0 is as fast as they are drawn.
            formats: names of `write.FORMATS` that stills take in turn.
            seed: the same seed prints the same bytes under the same names into an empty folder.
            banner: burn the patient's texts in.
            cines: where formats hold `dicom`, let some pictures be DICOM cines.
            only_cines: print DICOM cines only; at the end of each the probe slides away.
            lesion_share: share of otherwise normal head pictures that get a lesion, 0..1.
            by_examination: let each examination begin with the first format, as a machine does that sends its first
                picture with the patient's data and prints others beside it.
            clock: seconds, never going back.
            sleep: waits so many seconds.

        Raises:
            ValueError: an unknown format, none at all, or a negative rate.
        """
        unknown = [name for name in formats if name not in FORMATS]
        if unknown or not formats:
            raise ValueError(
                f"formats must be some of {', '.join(FORMATS)}; got {', '.join(formats) or 'none'}"
            )
        if rate_per_s < 0.0:
            raise ValueError("rate_per_s must not be negative")
        if not 0.0 <= lesion_share <= 1.0:
            raise ValueError("lesion_share must lie between 0 and 1")
        self._folder = folder
        self._rate_per_s = rate_per_s
        self._formats = tuple(formats)
        self._clock = clock
        self._sleep = sleep
        moving = cines and "dicom" in formats
        self._shots = shots(
            seed, banner=banner, cines=moving, only_cines=only_cines, lesion_share=lesion_share
        )
        self._rng = np.random.default_rng([seed, 0x5052494E])
        self._by_examination = by_examination
        self._count = 0
        self._due: float | None = None

    def print(self, count: int) -> list[Printed]:
        """Print `count` files and give their truth; a second call goes on where the first ended.

        Raises:
            OSError: the folder cannot be written.
        """
        return list(islice(self.printing(), count))

    def printing(self) -> Iterator[Printed]:
        """Print without end, one file per step of the iterator."""
        for shot in self._shots:
            # A cine only fits into DICOM; stills take the formats in turn.
            place = shot.instance - 1 if self._by_examination else self._count
            turn = self._formats[place % len(self._formats)]
            format_name = "dicom" if len(shot.frames) > 1 else turn
            data = encode(shot, format_name)
            self._wait()
            yield self._spool(shot, format_name, data)

    def _wait(self) -> None:
        if self._rate_per_s <= 0.0:
            return
        now = self._clock()
        if self._due is not None and self._due > now:
            self._sleep(self._due - now)
            now = self._due
        self._due = now + 1.0 / self._rate_per_s

    def _spool(self, shot: Shot, format_name: str, data: bytes) -> Printed:
        name = f"PRINT_{self._free_number():04d}{FORMATS[format_name][0]}"
        by_rename = bool(self._rng.random() < 0.5)
        if by_rename:
            temporary = self._folder / f".{name}.tmp"
            temporary.write_bytes(data)
            os.replace(temporary, self._folder / name)
        else:
            self._write_in_pieces(self._folder / name, data)
        self._count += 1
        return Printed(
            name=name,
            format=format_name,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            frame_count=len(shot.frames),
            spooling="rename" if by_rename else "pieces",
            patient_id=shot.patient.patient_id,
            truth=shot.still.truth,
        )

    def _write_in_pieces(self, path: Path, data: bytes) -> None:
        """Write slowly under the final name, as a driver does that renders while it writes."""
        step = len(data) // _PIECES + 1
        with path.open("xb", buffering=0) as file:
            for start in range(0, len(data), step):
                if start:
                    self._sleep(_PIECE_PAUSE_S)
                file.write(data[start : start + step])

    def _free_number(self) -> int:
        """Give the number after the highest in the folder and the last printed: nothing is overwritten."""
        found = (_NAME.match(entry.name) for entry in os.scandir(self._folder))
        return max([self._count, *(int(match[1]) for match in found if match)]) + 1

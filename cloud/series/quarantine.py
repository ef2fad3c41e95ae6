"""Beside the thirteen steps: series: files of uploads that are not used, as they came, with the reason.

    <data>/quarantine/<upload id>/<file>.bin, <file>.json    owner only; a site may remove what it does not want to keep

It is the only place where an upload leaves something that can name a person.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from cloud.store import durable

_OWNER_ONLY: Final = 0o600
_NAME_BYTES: Final = 16


class Quarantine:
    """Keeps them; when a method that writes returns, what it wrote survives a power cut."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, upload_id: str, path_sha256: bytes, path: str, reason: str, file: Path | None) -> None:
        """Moves `file` here (None: its bytes are stored elsewhere, or never came whole) and notes path and reason."""
        place = self._place(upload_id, path_sha256)
        durable.make_folder(place.parent)
        if file is not None:
            durable.sync_file(file)
            os.chmod(file, _OWNER_ONLY)
            os.replace(file, place.with_suffix(".bin"))
        note = json.dumps({"path": path, "reason": reason}, ensure_ascii=False)
        durable.write(place.with_suffix(".json"), note.encode("utf-8", "surrogateescape"), mode=_OWNER_ONLY)

    def path_of(self, upload_id: str, path_sha256: bytes) -> str | None:
        """The path under which the file was uploaded; None where the site removed it."""
        try:
            note = self._place(upload_id, path_sha256).with_suffix(".json").read_bytes()
        except FileNotFoundError:
            return None
        return str(json.loads(note)["path"])

    def _place(self, upload_id: str, path_sha256: bytes) -> Path:
        return self._root / upload_id / path_sha256[:_NAME_BYTES].hex()

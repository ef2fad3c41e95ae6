"""Part of step 11: model life: a site's own model repository, on disk, in Triton's layout.

    <data>/models/<model>/config.pbtxt, labels.txt, ...   the program's; replaced when the program brings others
    <data>/models/<model>/<version>/model.onnx, card.toml  written once, never changed
    <data>/models/.incoming/                                pushes under way; swept at the start

A version counts once its row is in the database; a version folder without a row is what a killed push left.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from cloud.infer.engines.repository import ModelFolder, card_of, model_folders, read_model_folder
from cloud.store import durable

CARD: Final = "card.toml"
WEIGHTS: Final = "model.onnx"
_INCOMING: Final = ".incoming"


class SiteModels:
    """The files of a site's models. When a method that writes returns, what it wrote survives a power cut."""

    def __init__(self, root: Path) -> None:
        self.root = root
        """The repository's folder."""

    def folder(self, model: str) -> Path:
        """The model's folder."""
        return self.root / model

    def card(self, model: str, version: str) -> str:
        """A version's card, TOML; empty where it has none."""
        path = card_of(self.folder(model), version)
        return "" if path is None else path.read_text(encoding="utf-8")

    def take_settings(self, shipped: Path) -> None:
        """Makes everything but the versions and the card of a model what the program brings; what is the same
        is not touched."""
        target = self.folder(shipped.name)
        for source in sorted(shipped.rglob("*")):
            name = source.relative_to(shipped)
            if not source.is_file() or is_version(name.parts[0]) or str(name) == CARD:
                continue
            data, path = source.read_bytes(), target / name
            if not path.is_file() or path.read_bytes() != data:
                durable.write(path, data)

    def take_whole(self, shipped: Path) -> None:
        """Makes a folder without weights (an ensemble) what the program brings."""
        self.take_settings(shipped)
        for version in filter(lambda path: is_version(path.name), shipped.iterdir()):
            durable.make_folder(self.folder(shipped.name) / version.name)

    def take_version(self, shipped: Path, version: str) -> None:
        """Copies a version that came with the program, and its card."""
        files = {
            path.relative_to(shipped / version): path.read_bytes()
            for path in sorted((shipped / version).rglob("*"))
            if path.is_file()
        }
        card = card_of(shipped, version)
        if card is not None:
            files[Path(CARD)] = card.read_bytes()
        beside = self.incoming()
        durable.write_all({beside / version / name: data for name, data in files.items()})
        self.place(beside / version, shipped.name)
        self.drop(beside)

    def incoming(self) -> Path:
        """A new folder for files that do not count yet."""
        folder = self.root / _INCOMING / secrets.token_hex(8)
        durable.make_folder(folder)
        return folder

    def receive(self, model: str, version: str, files: Mapping[str, bytes]) -> Path:
        """Writes pushed files as a model folder of their own in a new folder for incoming ones; its path."""
        folder = self.incoming() / model
        inside = {CARD: folder / version / CARD, WEIGHTS: folder / version / WEIGHTS}
        durable.write_all({inside.get(name, folder / name): data for name, data in files.items()})
        return folder

    def place(self, version_folder: Path, model: str) -> None:
        """Moves a version folder to its model. A folder of this version that is there must not count yet: it
        is what a killed push left."""
        target = self.folder(model) / version_folder.name
        durable.make_folder(target.parent)
        if target.exists():
            shutil.rmtree(target)
        durable.sync_folder(version_folder)
        os.rename(version_folder, target)
        durable.sync_folder(target.parent)

    def drop(self, incoming: Path) -> None:
        """Removes a folder for incoming files."""
        shutil.rmtree(incoming, ignore_errors=True)

    def sweep(self, accepted: Mapping[str, Collection[str]]) -> int:
        """Removes what pushes left that were killed: incoming files, and version folders of these models that
        were not accepted; how many folders."""
        leftover = [path for path in (self.root / _INCOMING,) if path.exists()]
        for model, versions in accepted.items():
            leftover += [
                path
                for path in self.folder(model).iterdir()
                if is_version(path.name) and path.name not in versions
            ]
        for path in leftover:
            shutil.rmtree(path)
        return len(leftover)


def is_version(name: str) -> bool:
    """Whether a folder of this name is a version: a decimal number without leading zeros, at most 9 digits."""
    return name.isascii() and name.isdecimal() and name[0] != "0" and len(name) <= 9


def has_weights(folder: Path) -> bool:
    """Whether a model folder holds weights; an ensemble does not."""
    return any(path.is_file() and is_version(path.parent.name) for path in folder.glob("*/*.onnx"))


def card_sha256(folder: Path, version: str) -> bytes:
    """SHA-256 of a version's card, 32 bytes; of nothing where it has none."""
    path = card_of(folder, version)
    return hashlib.sha256(b"" if path is None else path.read_bytes()).digest()


def shipped_models(repository: Path) -> tuple[list[ModelFolder], list[Path]]:
    """The models that come with the program, each with the version that it serves, and the folders without
    weights. Raises ModelInvalid."""
    folders = model_folders(repository)
    with_weights = [read_model_folder(folder) for folder in folders if has_weights(folder)]
    return with_weights, [folder for folder in folders if not has_weights(folder)]

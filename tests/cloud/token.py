"""A token of a running server, made by its own command on the data folder, as a site makes one."""

from __future__ import annotations

import asyncio
import contextlib
import io
from pathlib import Path

from cloud.accounts.command import main
from cloud.accounts.roles import Role


async def token_of(data_dir: Path, role: Role, name: str = "page") -> str:
    """The value of a new token."""

    def make() -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            made = ["tokens", "create", "--data", str(data_dir), "--role", role.value, "--name", name]
            assert 0 == main(made)
        return said.getvalue().strip()

    return await asyncio.to_thread(make)

"""Generates the Python code of protos/ (`make protos`), or checks that what is committed is fresh."""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent


def generate(out: Path) -> None:
    """Writes the modules of every .proto below ROOT into `out`; raises SystemExit where protoc refuses."""
    sources = sorted(str(path) for path in ROOT.rglob("*.proto"))
    include = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [
        "protoc",
        f"-I{ROOT}",
        f"-I{include}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused the sources")


def drift() -> list[str]:
    """Generated files that are missing or differ from what the sources give now."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        generate(out)
        fresh = sorted(path.relative_to(out) for path in out.rglob("*_pb2*"))
        return [
            str(path)
            for path in fresh
            if not (ROOT / path).is_file() or not filecmp.cmp(out / path, ROOT / path, shallow=False)
        ]


def main() -> None:
    """`python -m protos.generate [--check]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where the code is stale")
    if not parser.parse_args().check:
        generate(ROOT)
        return
    if stale := drift():
        print("stale, run `make protos`:", *stale, sep="\n  ")
        sys.exit(1)


if __name__ == "__main__":
    main()

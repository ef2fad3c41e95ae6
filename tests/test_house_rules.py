"""House rules that a machine can keep: boundaries, the thirteen steps, documents that tell the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("edge_agent", "cloud", "deploy", "protos")
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
README = (ROOT / "README.md").read_text()
STEPS = (
    "capture",
    "pre-notify",
    "filter",
    "de-identify",
    "split by type",
    "shard + hash",
    "upload",
    "verify",
    "store",
    "ledger",
    "infer",
    "publish",
    "console",
)
"""ARCHITECTURE: the way of one image."""

FORBIDDEN: dict[str, set[str]] = {
    "protos/sonorelay": {"edge_agent", "cloud", "deploy", "grpc_tools", "numpy", "cv2", "sqlalchemy"},
    "edge_agent": {
        "cloud",
        "deploy",
        "onnxruntime",
        "torch",
        "tritonclient",
        "fastapi",
        "uvicorn",
        "alembic",
    },
    "cloud": {"edge_agent", "deploy"},
    "cloud/infer": {"torch", "cloud.ingest", "cloud.console", "cloud.training", "fastapi"},
    "cloud/report": {
        "cloud.console",
        "cloud.db.tables",
        "cloud.db.examination_tables",
        "fastapi",
        "starlette",
    },
    "cloud/console/api": {"cloud.db.tables", "cloud.db.examination_tables", "cloud.training"},
    "cloud/examinations": {"cloud.console", "cloud.ingest", "fastapi", "starlette"},
    "cloud/policy": {"cloud.console", "cloud.db", "fastapi", "starlette"},
    "cloud/accounts": {"cloud.console", "fastapi", "starlette"},
    "deploy/local": {"edge_agent", "cloud"},
}


def sources(folder: str) -> Iterator[Path]:
    """Hand-written modules below `folder`."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if not GENERATED.search(path.name) and "node_modules" not in path.parts:
            yield path


def imported(path: Path) -> set[str]:
    """Full names of the modules that `path` imports, with every prefix of each."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[: n + 1]) for name in names for n in range(name.count(".") + 1)}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_import_boundaries(folder: str) -> None:
    """Each layer imports only what ARCHITECTURE allows."""
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path) & FORBIDDEN[folder]
    }
    assert set() == found


def test_torch_is_imported_by_training_only() -> None:
    """Nothing at run time needs PyTorch."""
    importers = {
        path.relative_to(ROOT).parts[:2]
        for package in PACKAGES
        for path in sources(package)
        if "torch" in imported(path)
    }
    assert importers <= {("cloud", "training")}


def line_table(module: str) -> list[tuple[int, str]]:
    """(number, name) of each step in a side's table."""
    namespace = __import__(f"{module}.line", fromlist=["STEPS"])
    return [(step.number, step.name) for step in namespace.STEPS]


def test_the_thirteen_steps_are_the_same_everywhere() -> None:
    """The tables of edge and cloud, the README's table, and the modules' first words agree."""
    expected = list(enumerate(STEPS, 1))
    both = sorted(set(line_table("edge_agent")) | set(line_table("cloud")))
    assert expected == both
    rows = re.findall(r"^\| (\d+) \| ([a-z+ -]+?) \|", README, re.M)
    assert expected == [(int(number), name) for number, name in rows]
    claimed: set[tuple[int, str]] = set()
    for package in ("edge_agent", "cloud"):
        for path in sources(package):
            doc = ast.get_docstring(ast.parse(path.read_text())) or ""
            if match := re.match(r"Steps? (\d+) of 13: ([a-z+ -]+?)\.", doc):
                claimed.add((int(match[1]), match[2]))
    assert set(expected) == claimed


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_where_it_stands(package: str) -> None:
    """The first line of each module is a docstring."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(package)
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [] == silent


def test_files_stay_short() -> None:
    """A hand-written module has about 400 lines at most."""
    long = {
        str(path.relative_to(ROOT)): count
        for folder in (*PACKAGES, "tests")
        for path in sources(folder)
        if (count := len(path.read_text().splitlines())) > 420
    }
    assert {} == long


def test_changelog_names_the_packages_version() -> None:
    """The newest entry of CHANGELOG.md is the version of pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest is not None
    assert version == newest[1]


def test_readme_commands_exist() -> None:
    """Every `make` target that the README names is one of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_dependency_has_its_reason_in_the_readme() -> None:
    """The README's table says what each dependency is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for e in project["optional-dependencies"].values() for d in e)]
    names = {re.split(r"[\[>=<;]", dependency)[0].strip() for dependency in wanted} - {"sonorelay"}
    listed = set(re.findall(r"`([a-z0-9-]+)`", README))
    assert set() == names - listed


def test_the_tree_holds_no_image_and_no_large_file() -> None:
    """No data set image is committed: pictures only under docs/, weights only in the model folders."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    suspicious = []
    for name in filter(None, tracked.decode().split("\0")):
        path = ROOT / name
        picture = path.suffix.lower() in {".png", ".jpg", ".jpeg", ".dcm", ".tif", ".tiff", ".bmp", ".pdf"}
        if picture and not name.startswith("docs/"):
            suspicious.append(name)
        model = name.startswith(("model_repository/", "edge_agent/models/"))
        if path.is_file() and path.stat().st_size > (10_500_000 if model else 2_000_000):
            suspicious.append(f"{name}: {path.stat().st_size} bytes")
    assert [] == suspicious


def test_the_lock_file_covers_every_dependency() -> None:
    """requirements.lock pins each dependency that is not for training only, with hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["edge"], *extras["cloud"], *extras["dev"]]
    names = {re.split(r"[\[>=<;]", dependency)[0].strip().lower() for dependency in wanted}
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==", lock, re.M))
    assert set() == names - pinned
    assert "--hash=sha256:" in lock

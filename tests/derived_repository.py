"""The shipped models with all that follows from them, written anew by the code under test."""

from __future__ import annotations

import shutil
from pathlib import Path

from cloud.training.derived import derive_all, trained_names

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "model_repository"
TRAINED = tuple(trained_names(SHIPPED))
"""The shipped models that were trained."""
READ = {"head": "fetal_head_seg", "plane": "fetal_plane_cls", "brain": "fetal_brain_cls"}
"""The models behind the ensemble's prefixes; further: the ventricle model, where it is shipped."""
if "fetal_ventricle_seg" in TRAINED:
    READ["ventricle"] = "fetal_ventricle_seg"


def derive_shipped(folder: Path, say: list[str] | None = None) -> Path:
    """A repository of the shipped models in `folder` and what `derive_all` makes of them, unmeasured."""
    for name in TRAINED:
        shutil.copytree(SHIPPED / name, folder / name)
    derive_all(folder, None, (say if say is not None else []).append)
    return folder

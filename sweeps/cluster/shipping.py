"""The driver's code on its way to the workers of a cluster."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PACKAGES = ("sigmoidf1", "storage", "sweeps", "dashboards")
_HERE = Path(__file__).resolve().parents[2]
# Set by Ray in the driver of a submitted job, whose workers get what the job was submitted with.
JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def in_job() -> bool:
    """Whether this process is the driver of a submitted job."""
    return JOB_VARIABLE in os.environ


def ships_code(asked: bool | None) -> bool:
    """Whether a cluster's workers get the driver's code, and do not use what they have installed.

    By default they get it when the driver runs from a source tree: what is edited there is meant,
    and its version number says nothing. An installed driver, in an image for instance, finds the
    same package on the nodes.

    Args:
        asked: what the user said; None for nothing.
    """
    if in_job():
        return False
    return (_HERE / "pyproject.toml").is_file() if asked is None else asked


def stage_code(folder: Path) -> Path:
    """Copy this program's packages into a folder and return it; some megabytes."""
    for name in PACKAGES:
        shutil.copytree(
            _HERE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    return folder

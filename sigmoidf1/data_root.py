"""The folders that a machine reads from for others: specs cannot name what lies outside."""

from __future__ import annotations

import os
from pathlib import Path

from sigmoidf1.errors import InputError

DATA_ROOT_VARIABLE = "SIGMOIDF1_DATA_ROOT"


def within_data_root(path: Path, option: str) -> Path:
    """Return a path that a spec names; refuse one outside of ``$SIGMOIDF1_DATA_ROOT``, if set.

    Whoever runs sweeps for others sets the variable to the folder that holds their data, or to
    several, separated as on PATH. Neither ``..`` nor a link leads out of them. Where it is not
    set, a spec reads what its user may read.

    Args:
        path: a file or folder, which need not be there.
        option: what named it, for the message.

    Raises:
        InputError: the path leads out of the folders.
    """
    roots = os.environ.get(DATA_ROOT_VARIABLE)
    if roots:
        found = path.expanduser().resolve()
        folders = [Path(root).resolve() for root in roots.split(os.pathsep) if root]
        if not any(found.is_relative_to(folder) for folder in folders):
            raise InputError(
                f"{option} must lie in {roots}, from which alone this machine reads data "
                f"({DATA_ROOT_VARIABLE}), but {path} leads out of it. Put the data there."
            )
    return path


def add_data_root(folder: Path) -> None:
    """Let this process read from one more folder, if it may not read from everywhere."""
    roots = os.environ.get(DATA_ROOT_VARIABLE)
    if roots:
        os.environ[DATA_ROOT_VARIABLE] = os.pathsep.join((roots, str(folder)))


def reads_working_folder() -> bool:
    """Return whether the working directory is one of the folders, as `add_data_root` makes it."""
    roots = os.environ.get(DATA_ROOT_VARIABLE, "").split(os.pathsep)
    return str(Path.cwd()) in roots

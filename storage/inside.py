"""Files that a row of the store names: they lie in the store's own folder, or are not touched."""

from __future__ import annotations

from pathlib import Path

from storage.kept_encoding import KeptFileError


def locate_inside(folder: Path, path: str) -> Path:
    """Return where a file lies that a row names, relative to the folder of kept files.

    Whoever can write a row, or gives us a store to merge, chooses its path: neither ``..``, nor an
    absolute path, nor a link leads out of the folder.

    Args:
        folder: the kept folder; it may itself be a link.
        path: the row's path.

    Raises:
        KeptFileError: the path leads out of the folder.
    """
    root = folder.resolve()
    try:
        found = (root / path).resolve()
    except (OSError, ValueError):  # a circle of links, or a zero byte
        found = root
    if found == root or not found.is_relative_to(root):
        raise KeptFileError(
            f"A kept file lies in {folder}, but a row names {path[:200]!r}, which leads out of it. "
            "Remove the row: sigmoidf1 sweep keep SWEEP makes the kept files anew."
        )
    return folder / path

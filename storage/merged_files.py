"""Kept files of a merged sweep: copied beside this store, and their rows written."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from storage.inside import locate_inside
from storage.kept_encoding import KeptFileError
from storage.kept_files import TARGETS_FILE, kept_folder, kept_path
from storage.records import FINISHED_STATES, KeptRecord
from storage.schema import cells, kept, replicates

if TYPE_CHECKING:
    from storage.store import Store


class KeptCopy(NamedTuple):
    """A kept file of the other store.

    Attributes:
        source: the file there.
        target: the file here.
        problem: why it was not copied and its row not taken; None if it was.
    """

    source: Path
    target: Path
    problem: str | None


def merge_kept(store: Store, other: Store, name: str, target: str) -> list[KeptCopy]:
    """Copy the kept files of those replicates that have none here, but the same result.

    A file is checked against its checksum, and its row is written after it is in its place.
    """
    source_folder, target_folder = kept_folder(other.url), kept_folder(store.url)
    there, here = _kept_rows(other, name), _outcomes(store, target)
    wanted = [
        (row, here[row.key, row.seed])
        for row in there
        if (row.key, row.seed) in here
        and here[row.key, row.seed].path is None
        and here[row.key, row.seed][3:5] == (row.state, row.objective)
    ]
    if not wanted:
        return []
    targets = Path(kept_path(name, "", 0)).parent / TARGETS_FILE
    new_targets = target_folder / Path(kept_path(target, "", 0)).parent / TARGETS_FILE
    copies = [_copy_row(source_folder, targets.as_posix(), new_targets, None)]
    records: list[KeptRecord] = []
    # Scores without their targets are of no use.
    for row, own in wanted if copies[0].problem is None else ():
        path = kept_path(target, row.key, row.seed)
        copies.append(_copy_row(source_folder, row.path, target_folder / path, row.sha256))
        if copies[-1].problem is None:
            records.append(
                KeptRecord(
                    replicate_id=own.id, path=path, sha256=row.sha256, size_bytes=row.size_bytes
                )
            )
    if records:
        store.keep(store.sweep_id(target), records)
    return copies


def kept_problem(folder: Path, path: str, sha256: str) -> str | None:
    """Why a kept file is not what its row says; None if it is."""
    try:
        with locate_inside(folder, path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except KeptFileError:
        return "its path leads out of the folder"
    except OSError as error:
        return error.strerror or "it cannot be read"
    return None if digest == sha256 else "its checksum is not that of its row"


def _kept_rows(store: Store, name: str) -> list[Any]:
    r, c, k = replicates.c, cells.c, kept.c
    query = (
        sa.select(c.key, r.seed, r.state, r.objective, k.path, k.sha256, k.size_bytes)
        .join(replicates, r.id == k.replicate_id)
        .join(cells, c.id == r.cell_id)
        .where(k.sweep_id == store.sweep_id(name))
        .order_by(c.ordinal, r.seed)
    )
    with store.reading() as connection:
        return list(connection.execute(query))


def _outcomes(store: Store, name: str) -> dict[tuple[str, int], Any]:
    r, c, k = replicates.c, cells.c, kept.c
    query = (
        sa.select(c.key, r.seed, r.id, r.state, r.objective, k.path)
        .join(cells, c.id == r.cell_id)
        .outerjoin(kept, k.replicate_id == r.id)
        .where(r.sweep_id == store.sweep_id(name), r.state.in_(FINISHED_STATES))
    )
    with store.reading() as connection:
        return {(row.key, row.seed): row for row in connection.execute(query)}


def _copy_row(folder: Path, path: str, target: Path, sha256: str | None) -> KeptCopy:
    """Copy a file that a row of the other store names; its path is not ours to trust."""
    try:
        return _copy(locate_inside(folder, path), target, sha256)
    except KeptFileError:
        return KeptCopy(folder / path, target, "its path leads out of the folder of kept files")


def _copy(source: Path, target: Path, sha256: str | None) -> KeptCopy:
    """Copy a file whole or not at all; one that is there already must be the same."""
    try:
        content = source.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if sha256 is not None and digest != sha256:
            return KeptCopy(source, target, "its checksum is not that of its row")
        if target.exists():
            same = target.read_bytes() == content
            return KeptCopy(source, target, None if same else "another file is in its place")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            partial.write_bytes(content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        return KeptCopy(source, target, error.strerror or "it cannot be copied")
    return KeptCopy(source, target, None)

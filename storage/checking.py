"""Is a store consistent? Everything that must hold is looked at, nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from storage.cell_columns import read_columns
from storage.checked_packs import check_packs
from storage.engine import current_time
from storage.errors import StoreCorruptError
from storage.kept_files import TARGETS_FILE, kept_folder, kept_path
from storage.leases import is_expired
from storage.merged_files import kept_problem
from storage.schema import cells, kept, packs, replicates, sweeps

if TYPE_CHECKING:
    from storage.store import Store


@dataclass(frozen=True)
class Problem:
    """Something that must hold and does not.

    Attributes:
        sweep: the sweep; empty for the whole store.
        rule: what must hold, in words.
        count: in how many places it does not.
        example: one of them.
    """

    sweep: str
    rule: str
    count: int
    example: str


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        problems: rules that are broken; none in a sound store.
        notes: what a reader may want to know and the next run sets right.
        checked: how many things of each kind were looked at.
    """

    problems: Sequence[Problem]
    notes: Sequence[Problem]
    checked: dict[str, int]

    @property
    def clean(self) -> bool:
        """No rule is broken."""
        return not self.problems


def check(store: Store) -> CheckReport:
    """Check a store; see `Store.check`."""
    problems: list[Problem] = []
    notes: list[Problem] = []
    checked = {"sweeps": 0, "cells": 0, "replicates": 0, "packs": 0, "blocks": 0, "kept_files": 0}
    with store.reading() as connection:
        problems += _check_database(connection)
        rows = connection.execute(sa.select(sweeps).order_by(sweeps.c.id)).mappings().all()
        for sweep in rows:
            checked["sweeps"] += 1
            for name, table in (("cells", cells), ("replicates", replicates), ("packs", packs)):
                query = sa.select(sa.func.count()).where(table.c.sweep_id == sweep["id"])
                checked[name] += connection.execute(query).scalar_one()
            found = [
                *_check_rows(connection, sweep["id"]),
                *_check_columns(connection, sweep["id"]),
            ]
            blocks, in_packs = check_packs(connection, dict(sweep))
            checked["blocks"] += blocks
            problems += [Problem(sweep["name"], *each) for each in [*found, *in_packs]]
            notes += [
                Problem(sweep["name"], *each) for each in _check_leases(connection, sweep["id"])
            ]
            paths, missing = _check_kept(connection, store, sweep["id"])
            checked["kept_files"] += len(paths)
            problems += [Problem(sweep["name"], *each) for each in missing]
            unknown = _unknown_files(store, sweep["name"], paths)
            notes += [Problem(sweep["name"], *each) for each in unknown]
    return CheckReport(problems=problems, notes=notes, checked=checked)


Finding = tuple[str, int, str]


def _check_database(connection: sa.Connection) -> Iterator[Problem]:
    if connection.dialect.name != "sqlite":
        return
    lines = list(connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars())
    if lines != ["ok"]:
        yield Problem("", "SQLite finds the file sound", len(lines), lines[0])
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        table, row, parent, _ = broken[0]
        example = f"row {row} of {table} refers to no row of {parent}"
        yield Problem("", "every row refers to rows that exist", len(broken), example)


def _check_rows(connection: sa.Connection, sweep_id: int) -> Iterator[Finding]:
    r, c, p = replicates.c, cells.c, packs.c
    own = r.sweep_id == sweep_id
    rules = {
        "a cell is planned with at least one seed": sa.select(c.key).where(
            c.sweep_id == sweep_id, ~sa.select(1).where(r.cell_id == c.id).exists()
        ),
        "a replicate's cell is of its own sweep": sa.select(r.id)
        .join(cells, c.id == r.cell_id)
        .where(own, c.sweep_id != r.sweep_id),
        "a replicate's pack is of its own sweep": sa.select(r.id)
        .join(packs, p.id == r.pack_id)
        .where(own, p.sweep_id != r.sweep_id),
        "a pack has results of some replicate": sa.select(p.id).where(
            p.sweep_id == sweep_id, ~sa.select(1).where(r.pack_id == p.id).exists()
        ),
        "only a running replicate is claimed": sa.select(r.id).where(
            own, r.state != "running", r.lease_token.is_not(None)
        ),
    }
    for rule, query in rules.items():
        found = list(connection.execute(query).scalars())
        if found:
            yield rule, len(found), str(found[0])


def _check_columns(connection: sa.Connection, sweep_id: int) -> Iterator[Finding]:
    query = sa.select(cells.c.loss, cells.c.id).where(cells.c.sweep_id == sweep_id)
    by_loss: dict[str, set[int]] = {}
    for loss, cell_id in connection.execute(query):
        by_loss.setdefault(loss, set()).add(cell_id)
    for loss, ids in by_loss.items():
        rule = "the columns of cells name the cells of the plan"
        try:
            columns = read_columns(connection, sweep_id, loss).cell_ids.tolist()
        except StoreCorruptError as error:
            yield rule, 1, str(error)
            continue
        wrong = (len(columns) - len(set(columns))) + len(ids.symmetric_difference(columns))
        if wrong:
            yield rule, wrong, f"{loss}: {len(columns)} of {len(ids)}"


def _check_leases(connection: sa.Connection, sweep_id: int) -> Iterator[Finding]:
    r = replicates.c
    late = (r.sweep_id == sweep_id, is_expired(current_time(connection)))
    owners = list(connection.execute(sa.select(r.lease_owner).where(*late)).scalars())
    if owners:
        yield "a running replicate's lease is live; the next run takes it", len(owners), owners[0]


def _check_kept(
    connection: sa.Connection, store: Store, sweep_id: int
) -> tuple[set[str], list[Finding]]:
    folder = kept_folder(store.url)
    query = sa.select(kept.c.path, kept.c.sha256).where(kept.c.sweep_id == sweep_id)
    rows: list[Any] = list(connection.execute(query))
    problems = [
        f"{path}: {problem}"
        for path, sha256 in rows
        if (problem := kept_problem(folder, path, sha256)) is not None
    ]
    rule = f"a kept file lies in {folder} and has the checksum of its row"
    found = [(rule, len(problems), problems[0])] if problems else []
    return {path for path, _ in rows}, found


def _unknown_files(store: Store, name: str, known: set[str]) -> Iterator[Finding]:
    folder = kept_folder(store.url)
    own = (folder / kept_path(name, "", 0)).parent
    files = sorted(path for path in own.glob("*.safetensors") if path.name != TARGETS_FILE)
    unknown = [path for path in files if path.relative_to(folder).as_posix() not in known]
    if unknown:
        yield "a kept file has a row; no command reads one without", len(unknown), str(unknown[0])

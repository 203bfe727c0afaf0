"""``sigmoidf1 store``: the database itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import byte_size, print_json, print_table

app = typer.Typer(
    help="Look after a store: its size, its soundness, its schema, its backup.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command(epilog="Example: sigmoidf1 store info --store sqlite:///demo/sweeps.db")
def info(store: options.Store = options.DEFAULT_STORE, json: options.Json = False) -> None:
    """Show what a store is and holds: database, schema, size, sweeps, kept files."""
    from dataclasses import asdict

    from storage.store import Store

    with Store.open(store, create=False, read_only=True) as opened:
        facts = asdict(opened.info())
    if json:
        print_json(facts)
        return
    per_replicate = facts["bytes_per_replicate"]
    typer.echo(
        f"{facts['url']}: {facts['database']}, schema {facts['schema']}, "
        f"{byte_size(facts['size_bytes'])}"
        + (f" ({byte_size(facts['free_bytes'])} free)" if facts["free_bytes"] else "")
        + (f", {byte_size(per_replicate)} a finished replicate" if per_replicate else "")
        + f", {facts['studies']} Optuna {'study' if facts['studies'] == 1 else 'studies'}"
    )
    if facts["sweeps"]:
        columns = ["sweep", "cells", "replicates", "packs", "results", "kept files", "live runs"]
        print_table(columns, [_sweep_row(sweep) for sweep in facts["sweeps"]])


@app.command(epilog="Example: sigmoidf1 store check --store sqlite:///demo/sweeps.db")
def check(store: options.Store = options.DEFAULT_STORE, json: options.Json = False) -> None:
    """Check a store: the database, every stored block, plans, leases; status 1 if one is broken.

    Reads everything and changes nothing; runs may go on meanwhile.
    """
    from dataclasses import asdict

    from storage.store import Store

    with Store.open(store, create=False, read_only=True) as opened:
        report = opened.check()
    if json:
        print_json({**asdict(report), "clean": report.clean})
    else:
        for kind, found in (("broken", report.problems), ("note", report.notes)):
            for each in found:
                where = f"{each.sweep}: " if each.sweep else ""
                typer.echo(f"{kind}: {where}{each.rule} ({each.count} times; {each.example})")
        looked = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report.checked.items())
        verdict = "clean" if report.clean else f"{len(report.problems)} rules are broken"
        typer.echo(f"{opened.masked_url}: {verdict}; looked at {looked}.")
    if not report.clean:
        raise typer.Exit(1)


@app.command(epilog="Example: sigmoidf1 store upgrade --store sqlite:///old.db")
def upgrade(
    store: options.Store = options.DEFAULT_STORE,
    create: Annotated[
        bool, typer.Option("--create", help="Make the tables where there are none yet.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Bring a store of an earlier version to this version's schema, all or nothing."""
    from storage.store import Store

    before, after = Store.upgrade(store, create=create)
    if json:
        print_json({"before": before, "after": after})
    elif before is None:
        typer.echo(f"Made a new store of schema {after}.")
    elif before == after:
        typer.echo(f"The schema is {after} already: nothing was changed.")
    else:
        typer.echo(f"Upgraded the schema from {before} to {after}.")


@app.command(epilog="Example: sigmoidf1 store backup sweeps-monday.db")
def backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Copy an SQLite store into a new file; runs may go on meanwhile.

    The copy is of one moment. Kept files lie beside the store and are not part of it. A
    PostgreSQL server is backed up by its own pg_dump.
    """
    from storage.store import Store

    with Store.open(store, create=False, read_only=True) as opened:
        size = opened.backup(path)
    if json:
        print_json({"path": str(path), "size_bytes": size})
    else:
        typer.echo(f"Wrote {path}: {byte_size(size)}.")


@app.command(epilog="Example: sigmoidf1 store role-sql sweeps_reader | psql DATABASE")
def role_sql(
    role: Annotated[str, typer.Argument(metavar="NAME", help="The role's name.")],
) -> None:
    """Print the SQL of a PostgreSQL role that reads a store and cannot write it.

    For the dashboard, and for whoever queries the tables. Nothing is connected to or changed: run
    the SQL in the store's database as the owner of its tables, and again after an upgrade.
    """
    from storage.roles import reader_role_sql

    typer.echo(reader_role_sql(role), nl=False)


def _sweep_row(sweep: dict[str, Any]) -> list[str]:
    states = [f"{count} {state}" for state, count in sweep["states"].items() if count]
    return [
        sweep["name"],
        str(sweep["cells"]),
        ", ".join(states) or "–",
        str(sweep["packs"]),
        byte_size(sweep["result_bytes"]),
        f"{sweep['kept_files']} ({byte_size(sweep['kept_bytes'])})" if sweep["kept_files"] else "–",
        str(sweep["live_runs"]),
    ]

"""``sigmoidf1 cache``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import options
from sweeps.cli.tables import byte_size, print_json, print_table

if TYPE_CHECKING:
    from sigmoidf1.cache_upkeep import ListedEntry

app = typer.Typer(help="The cache of embeddings.", no_args_is_help=True, rich_markup_mode="rich")

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_KEY_DIGITS = 12


@app.command(name="list", epilog="Example: sigmoidf1 cache list --json")
def list_(cache_dir: options.CacheDir = None, json: options.Json = False) -> None:
    """List the cached embeddings, the last used first."""
    from sigmoidf1.cache import FeatureCache
    from sigmoidf1.cache_upkeep import list_entries

    cache = FeatureCache(cache_dir)
    entries = list_entries(cache)
    total = sum(entry.size_bytes for entry in entries)
    if json:
        print_json(
            {
                "folder": str(cache.folder),
                "size_bytes": total,
                "entries": [entry.describe() for entry in entries],
            }
        )
        return
    if entries:
        print_table(
            ["key", "dataset", "encoder", "view", "shape", "size", "created", "last used"],
            [_row(entry) for entry in entries],
        )
    typer.echo(f"{len(entries)} entries, {byte_size(total)}, in {cache.folder}")


@app.command(epilog="Example: sigmoidf1 cache prune --unused-for 30 --max-size 10GB --dry-run")
def prune(
    older_than: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Remove what was embedded longer ago."),
    ] = None,
    unused_for: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Remove what was last used longer ago."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Then remove the longest unused until the rest takes at most this, e.g. 10GB.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
) -> None:
    """Remove cached embeddings by age, use or size, and always what crashes left behind."""
    from sigmoidf1 import cache_upkeep
    from sigmoidf1.cache import FeatureCache

    pruned = cache_upkeep.prune(
        FeatureCache(cache_dir),
        older_than_days=older_than,
        unused_for_days=unused_for,
        max_bytes=None if max_size is None else _bytes(max_size),
        dry_run=dry_run,
    )
    if json:
        print_json(
            {
                "dry_run": dry_run,
                "entries": [
                    {**entry.describe(), "reason": pruned.reasons[entry.key]}
                    for entry in pruned.entries
                ],
                "leftovers": pruned.leftovers,
                "size_bytes": pruned.size_bytes,
                "kept_bytes": pruned.kept_bytes,
            }
        )
        return
    if pruned.entries:
        print_table(
            ["key", "dataset", "encoder", "view", "shape", "size", "created", "last used", "why"],
            [[*_row(entry), pruned.reasons[entry.key]] for entry in pruned.entries],
        )
    typer.echo(
        f"{'Would remove' if dry_run else 'Removed'} {len(pruned.entries)} entries and "
        f"{len(pruned.leftovers)} leftover files, {byte_size(pruned.size_bytes)}; "
        f"{byte_size(pruned.kept_bytes)} {'would be' if dry_run else 'are'} left."
    )


@app.command(epilog="Example: sigmoidf1 cache verify")
def verify(cache_dir: options.CacheDir = None, json: options.Json = False) -> None:
    """Read every cached file whole and compare it with its checksum; status 1 if one is damaged."""
    from sigmoidf1 import cache_upkeep
    from sigmoidf1.cache import FeatureCache

    checked = cache_upkeep.verify(FeatureCache(cache_dir))
    damaged = [entry for entry in checked if entry["fault"] is not None]
    if json:
        print_json({"entries": checked, "damaged": len(damaged)})
    else:
        for entry in damaged:
            typer.echo(
                f"damaged: {entry['key'][:_KEY_DIGITS]} {entry['encoder']}: {entry['fault']}"
            )
        total = byte_size(sum(entry["size_bytes"] for entry in checked))
        advice = " The next use embeds them anew." if damaged else ""
        typer.echo(f"{len(checked)} entries, {total}: {len(damaged)} damaged.{advice}")
    if damaged:
        raise typer.Exit(1)


def _row(entry: ListedEntry) -> list[str]:
    from datetime import datetime

    used = datetime.fromtimestamp(entry.used_s).isoformat(" ", "minutes")
    return [
        entry.key[:_KEY_DIGITS],
        entry.dataset or "–",
        entry.encoder or "broken",
        "–" if entry.view is None else str(entry.view),
        " × ".join(map(str, entry.shape)) or "–",
        byte_size(entry.size_bytes),
        entry.created_at[:16].replace("T", " ") or "–",
        used,
    ]


def _bytes(text: str) -> int:
    found: Any = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*", text, re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(
            f"--max-size must be a number with a unit, such as 500MB or 10GB, but got {text!r}."
        )
    return int(float(found[1]) * _UNITS[found[2].upper()])

"""``sigmoidf1 datasets`` and ``sigmoidf1 embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli import options
from sweeps.cli.tables import print_json, print_table

app = typer.Typer(help="The datasets at hand.", no_args_is_help=True, rich_markup_mode="rich")

EMBED_EXAMPLE = "Example: sigmoidf1 embed examples/movie-genres.yaml"


@app.command(name="list", epilog="Example: sigmoidf1 datasets list --json")
def list_(json: options.Json = False) -> None:
    """List the datasets, what each needs, and whether it can be used now."""
    from sigmoidf1.datasets import list_datasets

    rows = list_datasets()
    if json:
        print_json(rows)
        return
    print_table(
        ["dataset", "kind", "available", "description"],
        [
            [
                row["name"],
                row["modality"],
                "yes" if row["available"] else f"no: {row['how_to_get']}",
                row["description"],
            ]
            for row in rows
        ],
    )


def embed(
    spec: Annotated[Path, typer.Argument(help="The spec whose data are to be embedded.")],
    set_: options.Overrides = None,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
) -> None:
    """Embed a spec's data once, into the cache that sweeps read."""
    from sweeps.cli.progress import embedding_bar
    from sweeps.plan import make_plan
    from sweeps.spec import load_spec
    from sweeps.spec_text import parse_override
    from sweeps.sweep_data import load_sweep_features

    plan = make_plan(load_spec(spec, [parse_override(text) for text in set_ or []]))
    with embedding_bar(quiet=json) as progress:
        features = load_sweep_features(plan, cache_dir=cache_dir, progress=progress)
    rows, dim = features.embeddings.shape
    facts = {
        "dataset": features.dataset,
        "encoder": features.encoder,
        "examples": rows,
        "dim": dim,
        "classes": len(features.labels),
        "from_cache": features.from_cache,
        "embed_duration_s": round(features.embed_duration_s, 3),
        "fingerprint": features.fingerprint,
    }
    if json:
        print_json(facts)
        return
    how = "read from the cache" if features.from_cache else "embedded and cached"
    typer.echo(
        f"{features.dataset} by {features.encoder}: {rows} × {dim}, {len(features.labels)} "
        f"classes, {how} in {features.embed_duration_s:.1f} s"
    )

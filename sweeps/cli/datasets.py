"""``sigmoidf1 datasets`` and ``sigmoidf1 embed``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

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
        [[row["name"], row["modality"], _availability(row), row["description"]] for row in rows],
    )


@app.command(epilog="Example: sigmoidf1 datasets show cancer_hallmarks --root Hallmarks-of-Cancer")
def show(
    name: Annotated[str, typer.Argument(help="A dataset of `datasets list`, or hf:NAME.")],
    root: Annotated[
        Path | None, typer.Option(help="The dataset's folder (data.root); default: none.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set an option of the dataset, e.g. data.limit=4000. May be repeated.",
        ),
    ] = None,
    on_error: Annotated[
        options.OnError | None,
        typer.Option(help="Stop at the first bad file or line, or skip and list them."),
    ] = None,
    check_files: Annotated[
        bool, typer.Option("--check-files", help="Also read every image: is it whole, is it twice?")
    ] = False,
    json: options.Json = False,
) -> None:
    """Show a dataset's statistics: sizes, labels per example, imbalance, co-occurrence."""
    from sigmoidf1.datasets.statistics import show_dataset
    from sweeps.cli.dataset_statistics import print_statistics
    from sweeps.spec_text import apply_overrides, parse_override

    document: dict[str, Any] = {"data": {"dataset": name}}
    if root is not None:
        document["data"]["root"] = str(root)
    if on_error is not None:
        document["data"]["on_error"] = on_error.value
    if check_files:
        document["data"]["check_files"] = True
    overrides = [parse_override(text) for text in set_ or []]
    apply_overrides(
        document,
        [(key if key.startswith("data.") else f"data.{key}", value) for key, value in overrides],
    )
    statistics = show_dataset(document["data"])
    if json:
        print_json(statistics)
    else:
        print_statistics(statistics)


def _availability(row: Mapping[str, Any]) -> str:
    if not row["available"]:
        return f"no: {row['how']}"
    names = {option["name"] for option in row["options"]}
    if "path" in names:
        return "with data.path"
    return "yes" if row["get"] is None else "with data.root"


def embed(
    spec: Annotated[Path, typer.Argument(help="The spec whose data are to be embedded.")],
    set_: options.Overrides = None,
    on_error: options.OnBadInput = None,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
) -> None:
    """Embed a spec's data once, into the cache that sweeps read."""
    from sweeps.cli.progress import embedding_bar
    from sweeps.plan import make_plan
    from sweeps.spec import load_spec
    from sweeps.sweep_data import load_sweep_features

    plan = make_plan(load_spec(spec, options.overrides(set_, on_error)))
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
    took = f"{features.embed_duration_s:.1f} s"
    how = f"read from the cache (embedding took {took})" if features.from_cache else f"took {took}"
    typer.echo(
        f"{features.dataset} by {features.encoder}: {rows} × {dim}, {len(features.labels)} "
        f"classes, {how}"
    )
    skipped = features.info.get("skipped")
    if skipped and skipped["count"]:
        typer.echo(f"{skipped['count']} examples were skipped:")
        for problem in skipped["problems"]:
            typer.echo(f"  {problem}")

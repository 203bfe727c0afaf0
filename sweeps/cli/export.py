"""``sigmoidf1 export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sweeps.cli import options

app = typer.Typer(help="Take results away.", no_args_is_help=True, rich_markup_mode="rich")


@app.command(epilog="Example: sigmoidf1 export best --format json -o best.json")
def best(
    store: options.Store = options.DEFAULT_STORE,
    sweep: options.Sweeps = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset. May be repeated.")
    ] = None,
    loss: Annotated[list[str] | None, typer.Option(help="Only this loss. May be repeated.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Choose by this metric (default: the sweep's objective).")
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="T|tuned",
            help="Choose and report at this kept threshold; tuned: each cell's best on validation "
            "(default: the objective's).",
        ),
    ] = None,
    rule: Annotated[
        options.ExportRule,
        typer.Option(
            help="Choose by the mean over seeds, its lower bound, or the mean of a cell and its "
            "neighbours on the grid."
        ),
    ] = options.ExportRule.mean,
    spec: Annotated[
        bool,
        typer.Option(
            "--spec", help="Export specs that train exactly these cells; -o: a file, or a folder."
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the heads, one safetensors a seed, for sigmoidf1 predict; the export "
            "itself goes to -o, or is left out.",
        ),
    ] = None,
    threads: options.Threads = None,
    cache_dir: options.CacheDir = None,
    format_: Annotated[
        options.ExportFormat | None,
        typer.Option("--format", help="Default: by the file's ending, else yaml."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write (default: print).")
    ] = None,
) -> None:
    """Export the best cell of each loss, chosen on validation, with how sure that choice is.

    Intervals over seeds (over examples too, of kept cells), the cells tied with the best, the
    plateau, the probability of being best and the tuned threshold come with every cell. With
    --weights the heads are taken from the kept files, or trained again, exactly.
    """
    from storage.store import Store
    from sweeps.export import export_best, format_export, write_export

    cut = _threshold(threshold)
    if spec and format_ not in (None, options.ExportFormat.yaml):
        raise typer.BadParameter("a spec is YAML: leave --format out.", param_hint="--format")
    heads_only = weights is not None and output is None and format_ is None
    with Store.open(store, create=False, read_only=True) as opened:
        result = export_best(
            opened, sweeps=sweep, datasets=dataset, losses=loss, metric=metric, threshold=cut,
            rule=rule.value, statistics=not spec and not heads_only,
        )  # fmt: skip
        if weights is not None:
            _export_weights(opened, result, weights, threads, cache_dir)
        if spec:
            _export_specs(opened, result, output)
            return
    if heads_only:
        return
    chosen = format_.value if format_ else _format_of(output)
    if output is None:
        typer.echo(format_export(result, chosen), nl=False)
        return
    path = write_export(result, output, chosen)
    typer.echo(f"Wrote {path}: {len(result['results'])} best cells.")


def _export_weights(
    store: Any, result: dict[str, Any], folder: Path, threads: int | None, cache_dir: Path | None
) -> None:
    from sweeps.cli.progress import heads_bar
    from sweeps.export_weights import write_heads
    from sweeps.keep_summary import KeepOptions

    options = KeepOptions(threads=threads, cache_dir=cache_dir)
    with heads_bar("training again") as progress:
        places = write_heads(store, result, folder, options=options, progress=progress)
    for one, place in zip(result["results"], places, strict=True):
        typer.echo(f"Wrote {place}: {one['loss']}, {one['n_seeds']} seeds.", err=True)


def _export_specs(store: Any, result: dict[str, Any], output: Path | None) -> None:
    from sweeps.errors import SweepError
    from sweeps.export_spec import best_specs, format_spec, several_specs, write_specs

    specs = best_specs(store, result)
    if output is not None:
        for path in write_specs(specs, output, result["results"]):
            typer.echo(f"Wrote {path}. Train it: sigmoidf1 sweep run {path}")
        return
    if len(specs) > 1:
        raise SweepError(several_specs(len(specs)))
    typer.echo(format_spec(specs[0], result["results"][0]), nl=False)


def _threshold(text: str | None) -> float | Literal["tuned"] | None:
    if text is None:
        return None
    if text == "tuned":
        return "tuned"
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise typer.BadParameter(
            f"a threshold is a number between 0 and 1, or tuned, but got {text!r}.",
            param_hint="--threshold",
        )
    return value


def _format_of(output: Path | None) -> str:
    known = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".csv": "csv"}
    known |= {".toml": "toml", ".tex": "latex"}
    return known.get(output.suffix.lower(), "yaml") if output else "yaml"

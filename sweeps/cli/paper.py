"""``sigmoidf1 paper``: run the paper's protocol, show its tables and figures beside a store's."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli import options, sweep
from sweeps.cli.paper_show import SHOW_EXAMPLE, show

app = typer.Typer(
    help="Run the paper's protocol, and show its tables and figures beside a store's.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


class PaperDataset(StrEnum):
    """The paper's datasets."""

    voc2007 = "voc2007"
    coco2014 = "coco2014"
    arxiv2020 = "arxiv2020"
    movie_posters = "movie_posters"
    cancer_hallmarks = "cancer_hallmarks"
    chemical_exposure = "chemical_exposure"


@app.command(
    epilog="Example: sigmoidf1 paper run --dataset cancer_hallmarks --root DIR --encoder minilm"
)
def run(
    dataset: Annotated[PaperDataset, typer.Option(help="The dataset, of the paper's six.")],
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of the data (default: data/DATASET here)."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Another encoder than the paper's; its options by --set encoder.KEY=…"),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="2 seeds, 15 cells of sigmoid_f1, at most 2,000 examples; said so."
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(help="The sweep's name (default: paper-DATASET, with what differs)."),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    set_: options.Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan; run and store nothing.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Packs at the same time (default: one a core, or a GPU share)."),
    ] = None,
    gpus_per_pack: Annotated[
        float | None,
        typer.Option(min=0.0, help="GPUs that a pack takes, e.g. 0.5 (default: 1 where any)."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS", help="A running Ray cluster (default: a local Ray of its own)."
        ),
    ] = None,
    cache_dir: options.CacheDir = None,
    on_error: options.OnBadInput = None,
    json: options.Json = False,
) -> None:
    """Run the paper's whole protocol for one of its datasets, through the usual sweep.

    Encoder, split, b, batch, epochs, threshold, losses, seeds and the grid of β and η are those of
    examples/paper/DATASET.yaml. What is changed is stored with the sweep and listed wherever
    sigmoidf1 paper show compares it; another encoder and --quick go into its name. Run the same
    command again to go on.
    """
    from sweeps.paper_runs import paper_overrides, paper_spec
    from sweeps.spec_text import parse_override

    changes = paper_overrides(
        dataset.value,
        root=root,
        encoder=encoder,
        quick=quick,
        name=name,
        changed=[parse_override(text)[0] for text in set_ or []],
    )
    sweep.run(
        [paper_spec(dataset.value)],
        store=store,
        set_=[*changes, *(set_ or [])],
        dry_run=dry_run,
        workers=workers,
        gpus_per_pack=gpus_per_pack,
        ray_address=ray_address,
        cache_dir=cache_dir,
        on_error=on_error,
        json=json,
    )
    if not (dry_run or json):
        from storage.urls import mask_url

        typer.echo(f"Beside the paper's: sigmoidf1 paper show --store {mask_url(store)}")


app.command(epilog=SHOW_EXAMPLE)(show)

"""``sigmoidf1 compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeps.cli import options
from sweeps.cli.analyse import print_topics
from sweeps.cli.tables import print_json

EXAMPLE = "Example: sigmoidf1 compare movie-genres hallmarks --loss sigmoid_f1 --loss asl"


def compare(
    sweeps: Annotated[
        list[str], typer.Argument(help="Two sweeps or more, one a dataset.", metavar="SWEEP SWEEP…")
    ],
    loss: Annotated[list[str] | None, typer.Option(help="Only this loss. May be repeated.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric (default: the first sweep's objective).")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="One threshold for all (default: each sweep's own).")
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Compare losses across datasets: mean ranks, paired differences, and what carries over.

    Transfer regret is what dataset A's best cell loses on dataset B against B's own best.
    """
    from storage.store import Store
    from sweeps.sensitivity.dataset_comparison import compare_datasets
    from sweeps.sensitivity.words_datasets import datasets_in_words

    with Store.open(store, create=False, read_only=True) as opened:
        found = compare_datasets(opened, sweeps, losses=loss, metric=metric, threshold=threshold)
    if json:
        print_json(found.to_dict())
        return
    cuts = sorted({f"{cut:g}" for cut in found.thresholds.values() if cut is not None})
    at = f"t = {' and '.join(cuts)}" if cuts else "no threshold enters"
    typer.echo(f"{', '.join(found.sweeps.values())}: {found.metric}, {at}")
    print_topics("across datasets", datasets_in_words(found))

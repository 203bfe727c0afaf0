"""Which sweep of a store stands for which dataset of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.figures.grid import FigureError
from dashboards.paper_numbers import PaperDataset, paper_datasets
from dashboards.source import Source
from storage.errors import SweepNotFoundError

PREFIX = "paper-"


def paper_name_of(dataset: str) -> str | None:
    """Return the paper's dataset that a dataset is, or is an edition of; None for another.

    Example:
        >>> paper_name_of("coco2017"), paper_name_of("movie_genres")
        ('coco2014', None)
    """
    for known in paper_datasets():
        if dataset in (known.name, *known.aliases):
            return known.name
    return None


def find_dataset(name: str) -> PaperDataset:
    """Return the paper's dataset of that name.

    Raises:
        FigureError: the paper has none of that name.
    """
    known = {dataset.name: dataset for dataset in paper_datasets()}
    found = paper_name_of(name)
    if found is None:
        raise FigureError(
            f"A dataset must be one of the paper's, but got '{name}'. Known: {', '.join(known)}."
        )
    return known[found]


def choose_sweeps(source: Source, chosen: Sequence[str] = ()) -> dict[str, str]:
    """Return, for each of the paper's datasets that has one, the sweep that stands for it.

    Without a choice it is the sweep of that dataset whose name begins with ``paper-``, else any;
    of several the one with the most complete replicates, and of these the latest.

    Args:
        source: where the sweeps are read.
        chosen: sweeps to take instead: a name, or ``DATASET=NAME`` for a sweep of another dataset
            that is to stand for one of the paper's.

    Raises:
        FigureError: a choice names no dataset of the paper.
        StoreError: the store cannot be read, or has no such sweep.
    """
    found: dict[str, str] = {}
    best: dict[str, tuple[bool, int]] = {}
    for row in source.sweeps().to_dict("records"):
        name = paper_name_of(str(row["dataset"]))
        rank = (str(row["name"]).startswith(PREFIX), int(row["complete"]))
        if name is not None and rank >= best.get(name, (False, 0)) and row["complete"]:
            best[name], found[name] = rank, str(row["name"])
    return found | _given(source, chosen)


def _given(source: Source, chosen: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in chosen:
        dataset, equals, sweep = text.partition("=")
        sweep = sweep if equals else text
        if sweep not in set(source.sweeps()["name"]):
            raise SweepNotFoundError(f"The store has no sweep {sweep!r}.")
        own = source.sweep(sweep).dataset
        name = paper_name_of(dataset if equals else own)
        if name is None:
            raise FigureError(
                f"'{sweep}' is a sweep of {own}, which the paper does not have. Say which of its "
                f"datasets it is to stand for: DATASET={sweep}."
            )
        given[name] = sweep
    return given

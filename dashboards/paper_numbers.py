"""The numbers printed in the paper, by dataset, under scikit-learn's names; and its protocol."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_name("paper_numbers.toml")


class PaperTable(NamedTuple):
    """One dataset's block of a table of the paper.

    Attributes:
        table: ``Table 3``.
        dataset: the project's name of the dataset.
        printed: the paper's name of it.
        encoder: the frozen encoder of the paper.
        threshold: the fixed threshold; None where the paper moves it.
        rule: how the threshold was set, in words.
        n_seeds: runs behind each mean.
        columns: metric, named as in scikit-learn, to the name printed over its column.
        naming: how the printed names were read, in words.
        rows: loss to metric to value in [0, 1].
    """

    table: str
    dataset: str
    printed: str
    encoder: str
    threshold: float | None
    rule: str
    n_seeds: int
    columns: Mapping[str, str]
    naming: str
    rows: Mapping[str, Mapping[str, float]]

    @property
    def is_one_run(self) -> bool:
        """Whether the numbers come from a single run, without any spread."""
        return self.n_seeds == 1


class PaperDataset(NamedTuple):
    """One dataset as the paper describes it and sets it up (its Tables 2 and 8).

    Attributes:
        name: the project's name of the dataset.
        printed: the paper's.
        type: ``text`` or ``image``.
        classes: C.
        classes_kept: C after rare classes were dropped; None where the paper prints one number.
        labels_per_example: mean.
        examples: N.
        encoder: the frozen encoder, as printed.
        encoder_name: this project's name of it.
        threshold: the fixed threshold of its main table.
        min_examples: b, below which a class is dropped; None for none.
        epochs: of training.
        lr: learning rate of the authors' code.
        weight_decay: likewise.
        schedule: of the learning rate, likewise.
        split: ``official``, or ``random`` for 60/20/20.
        parsing: how the medical corpora's labels were read; None for the others.
        aliases: names of datasets that are the same in another edition.
        figure: the box plots of its losses; None where the paper has none.
        remark: what is odd about these numbers; "" for nothing.
    """

    name: str
    printed: str
    type: str
    classes: int
    classes_kept: int | None
    labels_per_example: float
    examples: int
    encoder: str
    encoder_name: str
    threshold: float
    min_examples: int | None
    epochs: int
    lr: float
    weight_decay: float
    schedule: str
    split: str
    parsing: str | None
    aliases: tuple[str, ...]
    figure: str | None
    remark: str


class PaperProtocol(NamedTuple):
    """What the paper sets for every dataset (Sections 5.2 and 5.3, and the authors' code).

    Attributes:
        batch_size: examples a step.
        optimizer: its name.
        head: kind of the head.
        seeds: runs of each loss.
        losses: the losses compared.
        beta: the two ends of the grid.
        eta: likewise.
        objective: the metric that β and η are tuned by, on validation.
        settings: loss to the hyperparameters that are not tuned.
    """

    batch_size: int
    optimizer: str
    head: str
    seeds: int
    losses: tuple[str, ...]
    beta: tuple[float, float]
    eta: tuple[float, float]
    objective: str
    settings: Mapping[str, Mapping[str, float | str]]


def paper_datasets() -> tuple[PaperDataset, ...]:
    """Return the paper's datasets, in the order of its Table 3, the two of Table 7 last.

    Source: Bénédict et al. (2022), Tables 2 and 8, Appendix D, and the authors' published code.

    Example:
        >>> [dataset.printed for dataset in paper_datasets()][:2]
        ['MS-COCO', 'Pascal-VOC 2007']
    """
    optional = {
        "classes_kept": None, "min_examples": None, "weight_decay": 0.0, "schedule": "constant",
        "parsing": None, "aliases": (), "figure": None, "remark": "",
    }  # fmt: skip
    found = []
    for name, values in _read()["datasets"].items():
        filled = {**optional, **values, "name": name}
        filled["aliases"] = tuple(filled["aliases"])
        found.append(PaperDataset(**filled))
    return tuple(found)


def paper_protocol() -> PaperProtocol:
    """Return what the paper sets for every dataset."""
    values = _read()["protocol"]
    lists = {name: tuple(values[name]) for name in ("losses", "beta", "eta")}
    return PaperProtocol(**{**values, **lists})


def paper_minutes(dataset: str) -> Mapping[str, float]:
    """Return the minutes of training that the paper's Table 6 prints, by loss.

    Whether a number is of one run or of all five seeds is not said.

    Args:
        dataset: the project's name.

    Example:
        >>> paper_minutes("movie_posters")["sigmoid_f1"]
        52.0
    """
    printed = _read()["minutes"].get(dataset, {})
    return {loss: float(minutes) for loss, minutes in printed.items()}


def paper_machine() -> str:
    """Return the machine of the paper's Table 6."""
    return str(_read()["minutes"]["machine"])


def paper_tables(dataset: str) -> tuple[PaperTable, ...]:
    """Return what the paper prints for a dataset, in the order of its tables.

    The paper's Tables 3 and 4 give means over 5 seeds, Table 7 one run; none gives a spread. Its
    encoders, splits and label sets differ from what a sweep may have used: the numbers are a
    reference, not a target.

    Args:
        dataset: the project's name, such as ``voc2007``.

    Returns:
        The blocks; empty for a dataset that is not the paper's.

    Source: Bénédict et al. (2022), Tables 3, 4 and 7.

    Example:
        >>> [table.table for table in paper_tables("arxiv2020")]
        ['Table 3', 'Table 4']
        >>> hallmarks, = paper_tables("cancer_hallmarks")
        >>> hallmarks.rows["sigmoid_f1"]["micro_f1"], hallmarks.columns["micro_f1"]
        (0.313, 'microF1')
        >>> paper_tables("voc2007")[0].columns["micro_f1"]
        'macroF1'
    """
    return tuple(table for table in _tables() if table.dataset == dataset)


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


@cache
def _tables() -> tuple[PaperTable, ...]:
    found = []
    for table in _read()["tables"].values():
        metrics = list(table["columns"].values())
        for block in table["datasets"]:
            rows = {
                loss: dict(zip(metrics, (round(v / 100, 6) for v in values), strict=True))
                for loss, *values in block["rows"]
            }
            found.append(
                PaperTable(
                    table=table["name"],
                    dataset=block["dataset"],
                    printed=block["printed"],
                    encoder=block["encoder"],
                    threshold=block.get("threshold"),
                    rule=table["rule"],
                    n_seeds=table["n_seeds"],
                    columns={metric: name for name, metric in table["columns"].items()},
                    naming=table["naming"],
                    rows=rows,
                )
            )
    return tuple(found)

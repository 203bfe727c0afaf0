"""The numbers printed in the paper, by dataset, under scikit-learn's names of metrics."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

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
def _tables() -> tuple[PaperTable, ...]:
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))["tables"]
    found = []
    for table in read.values():
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

"""Blocks of the paper's tables on datasets: their cost, settings and statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dashboards.paper.blocks import (
    NONE,
    Block,
    Column,
    Row,
    differences_sentence,
    minutes,
    number,
)
from dashboards.paper.cost import SweepCost
from dashboards.paper.protocol import protocol_differences
from dashboards.paper_numbers import PaperDataset, paper_machine
from dashboards.source import Source

COST_NOTES = (
    "In minutes. Ours for one replicate is its share of the pack in which it was trained beside "
    "others; end to end adds the embedding of the dataset, once for all losses. A head trained "
    "alone takes longer than its share. The last column is left out where examples or epochs are "
    "not the paper's.",
    f"The paper's machine: a {paper_machine()} (its caption and Appendix C; Appendix D says data-"
    "parallel on up to four). It does not say whether a number is of one run or of five, nor how "
    "much of it is the encoder's.",
)
"""What holds for every block of Table 6."""


def cost_block(cost: SweepCost) -> Block:
    """Return the minutes of one dataset, ours beside the paper's."""
    several = f"{cost.n_seeds} replicates"
    columns = (
        Column("loss"),
        Column("paper", "minutes", numeric=True),
        Column("here", "one replicate", numeric=True),
        Column("here", several, numeric=True),
        Column("here", f"{several} end to end", numeric=True),
        Column("paper / here", "end to end", numeric=True),
    )
    rows = tuple(
        Row(
            (
                row.loss,
                number(row.printed, 0),
                minutes(row.one),
                minutes(row.several),
                minutes(row.end_to_end),
                number(row.printed / row.end_to_end, 0) if cost.comparable else NONE,
            ),
            "here",
        )
        for row in cost.rows
    )
    if cost.sweep is None:
        notes: tuple[str, ...] = (f"The store has no sweep of {cost.dataset.name}.",)
    else:
        if math.isnan(cost.embedding):
            embedded = "the time of embedding was not recorded"
        elif cost.embedding == 0:
            embedded = "the features came ready, without a time of embedding"
        else:
            embedded = f"embedding took {minutes(cost.embedding)} minutes"
        notes = (
            f"Here: sweep {cost.sweep} on {cost.machine}; {cost.epochs} epochs; {embedded}. All "
            f"{cost.replicates:,} finished replicates were trained in {minutes(cost.wall)} minutes "
            "in which at least one of their packs trained: packs side by side count once, pauses "
            "not at all.",
            differences_sentence(cost.differences),
        )
    return Block(f"{cost.dataset.printed}, Table 6", columns, rows, notes)


def settings_block(known: Sequence[PaperDataset]) -> Block:
    """Return what the paper prints of its datasets and sets for each."""
    columns = (
        Column("dataset"), Column("type"), Column("classes", numeric=True),
        Column("labels per example", numeric=True), Column("examples", numeric=True),
        Column("encoder"), Column("t", numeric=True), Column("b", numeric=True),
        Column("epochs", numeric=True),
    )  # fmt: skip
    rows = tuple(
        Row(
            (
                one.printed, one.type, _classes(one), f"{one.labels_per_example:g}",
                f"{one.examples:,}", one.encoder, f"{one.threshold:g}",
                NONE if one.min_examples is None else f"{one.min_examples:,}", str(one.epochs),
            )
        )
        for one in known
    )  # fmt: skip
    return Block("As printed", columns, rows, ())


def statistics_block(
    source: Source, known: Sequence[PaperDataset], sweeps: Mapping[str, str]
) -> Block:
    """Return the statistics of the datasets, ours beside the paper\'s."""
    columns = (
        Column("dataset"),
        Column(""),
        Column("examples", numeric=True),
        Column("classes", numeric=True),
        Column("labels per example", numeric=True),
    )
    rows: list[Row] = []
    notes: list[str] = []
    for one in known:
        rows.append(
            Row(
                (
                    one.printed,
                    "paper",
                    f"{one.examples:,}",
                    _classes(one),
                    f"{one.labels_per_example:g}",
                )
            )
        )
        if one.name not in sweeps:
            continue
        info = source.sweep(sweeps[one.name])
        features = info.features_info
        rows.append(
            Row(
                (
                    "",
                    f"here: {info.name}",
                    f"{features['n_examples']:,}" if "n_examples" in features else NONE,
                    str(features.get("n_classes", NONE)),
                    number(_labels_per_example(features), 2),
                ),
                "here",
            )
        )
        differences = protocol_differences(info, one, source.losses(info.name))
        notes.append(f"{one.printed}. {differences_sentence(differences)}")
    return Block("Examples, classes and labels", columns, tuple(rows), tuple(notes))


def _labels_per_example(features: Mapping[str, object]) -> float:
    positives, sizes = features.get("positives"), 0
    if not isinstance(positives, Mapping):
        return math.nan
    total = sum(sum(map(int, counts)) for counts in positives.values())
    for split in positives:
        sizes += int(str(features.get(f"n_{split}", 0)))
    return total / sizes if sizes else math.nan


def _classes(one: PaperDataset) -> str:
    kept = "" if one.classes_kept is None else f" ({one.classes_kept} kept)"
    return f"{one.classes}{kept}"

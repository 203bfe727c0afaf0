"""F1 of every class of one kept cell, from its stored probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashboards.figures.captions import FigureText, threshold_fact
from dashboards.naming import count_text, score_text
from dashboards.source import Source
from storage.kept_files import load_kept_scores

MOST_CLASSES = 60


class CellClassesData(NamedTuple):
    """F1 of C classes of one cell, the most frequent class first.

    ``f1`` is (S, C); NaN where a class has no positive and none is predicted. ``mean`` is over
    seeds, ``positives`` counts in the split; ``macro`` is scikit-learn's macro F1 of each seed,
    in which such a class counts 0.
    """

    sweep: str
    key: str
    split: str
    threshold: float
    labels: tuple[str, ...]
    positives: np.ndarray
    f1: np.ndarray
    mean: np.ndarray
    macro: np.ndarray
    n_examples: int
    n_classes: int


def cell_classes_data(
    source: Source, sweep: str, key: str, *, split: str = "test", threshold: float
) -> CellClassesData:
    """Compute F1 of every class at any threshold: ``2 tp / (2 tp + fp + fn)``.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        key: the whole key of a kept cell.
        split: ``validation`` or ``test``.
        threshold: in (0, 1); a label is predicted when its probability is at least that.

    Raises:
        KeptFileError: the cell is not kept, or its files are damaged; the text says what to run.

    Source: per-class F1 as of scikit-learn's ``f1_score(average=None)``.
    """
    kept = source.ask(
        sweep,
        ("kept scores", key, split),
        lambda store: load_kept_scores(store, sweep, key, split),
    )
    targets = kept.targets.astype(bool)
    predicted = kept.probs >= np.float32(threshold)
    tp = (predicted & targets).sum(axis=1)
    positives = targets.sum(axis=0)
    beneath = predicted.sum(axis=1) + positives
    f1 = np.where(beneath > 0, 2 * tp / np.maximum(beneath, 1), np.nan)
    order = np.argsort(-positives, kind="stable")
    if len(order) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        order = np.concatenate([order[:half], order[-half:]])
    shown = f1[:, order]
    known = np.isfinite(shown).any(axis=0)
    mean = np.where(known, np.nan_to_num(shown).mean(axis=0), np.nan)
    return CellClassesData(
        sweep,
        key,
        split,
        threshold,
        tuple(kept.labels[at] for at in order),
        positives[order],
        shown,
        mean,
        np.nan_to_num(f1).mean(axis=1),
        len(targets),
        len(kept.labels),
    )


def cell_classes_text(data: CellClassesData) -> FigureText:
    """Return the words of the figure."""
    caption = [
        "A bar is the mean over seeds, a dot one seed; classes by their positives in this split, "
        "written beside the name. A class with few positives has a coarse F1: one example more or "
        "less moves it much.",
        f"Macro F1, the mean over all {data.n_classes:,} classes: "
        f"{score_text(float(data.macro.mean()))} over {count_text(len(data.macro), 'seed')}.",
    ]
    if len(data.labels) < data.n_classes:
        half = len(data.labels) // 2
        caption.append(f"Shown are the {half} most frequent and the {half} rarest classes.")
    return FigureText(
        "F1 of each class",
        " · ".join(
            [
                f"{data.split} split, {data.n_examples:,} examples",
                threshold_fact(data.threshold),
                "from the kept probabilities",
            ]
        ),
        " ".join(caption),
    )

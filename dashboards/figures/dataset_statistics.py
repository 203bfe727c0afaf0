"""What a sweep recorded of its dataset: sizes, labels, imbalance, co-occurrence, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboards.figures.captions import FigureText
from dashboards.naming import count_text
from dashboards.source import Source
from storage import frames
from storage.kept_files import load_kept_scores
from storage.records import SPLITS, SweepInfo
from storage.store import Store

MOST_CLASSES = 40


class SplitRow(NamedTuple):
    """One split: examples, mean labels per example, label density, classes without a positive."""

    split: str
    examples: int
    labels_per_example: float
    density: float
    without_positive: int


class ClassRow(NamedTuple):
    """One class: examples with the label by split, and its imbalance ratio (NaN without any)."""

    label: str
    positives: Mapping[str, int]
    total: int
    share: float
    imbalance_ratio: float


class CoOccurrence(NamedTuple):
    """How often classes occur together in one split.

    ``together`` is (C, C) counts of examples with both labels, the diagonal those with one;
    ``given`` is (C, C): of the examples with the row's label, the share that also has the
    column's, NaN for a class without a positive. Classes are ordered by frequency.
    """

    split: str
    labels: tuple[str, ...]
    together: npt.NDArray[np.int64]
    given: npt.NDArray[np.float64]
    n_examples: int
    n_classes: int


class DatasetStatistics(NamedTuple):
    """The dataset of one sweep as its features recorded it.

    ``mean_imbalance`` is the mean of the classes' ratios, NaN where positives were not recorded.
    """

    sweep: str
    dataset: str
    encoder: str
    fingerprint: str
    n_classes: int
    dim: int | None
    splits: tuple[SplitRow, ...]
    classes: tuple[ClassRow, ...]
    mean_imbalance: float
    max_imbalance: float
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]]
    facts: tuple[tuple[str, str], ...]
    dropped: tuple[tuple[str, str, int], ...]


def dataset_statistics(source: Source, sweep: str) -> DatasetStatistics:
    """Collect what is known of a sweep's dataset without reading the data again.

    With N examples, C classes, N_c the examples of class c and L the labels of all examples:
    labels per example L / N, density L / (N C), imbalance ratio of a class max_c N_c / N_c over
    all splits.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.

    Raises:
        StoreError: the store cannot be read, or has no such sweep.

    Source: Charte, Rivera, del Jesus & Herrera (2015), Neurocomputing 163 (imbalance ratios);
    Tsoumakas & Katakis (2007) (cardinality and density).
    """
    info = source.sweep(sweep)
    features = info.features_info
    labels = [str(label) for label in features.get("labels") or ()]
    positives = _positives(features, len(labels))
    classes = _classes(labels, positives, features)
    ratios = np.array([row.imbalance_ratio for row in classes], float)
    known = ratios[np.isfinite(ratios)]
    dim = features.get("dim")
    return DatasetStatistics(
        sweep=sweep,
        dataset=info.dataset,
        encoder=info.encoder,
        fingerprint=info.dataset_fingerprint,
        n_classes=len(labels) or int(features.get("n_classes") or 0),
        dim=int(dim) if isinstance(dim, int) else None,
        splits=_splits(features, positives, len(labels)),
        classes=classes,
        mean_imbalance=float(known.mean()) if len(known) else np.nan,
        max_imbalance=float(known.max()) if len(known) else np.nan,
        baselines=info.baselines,
        facts=_facts(info),
        dropped=tuple(
            (str(item["label"]), str(item["reason"]), int(item["examples"]))
            for item in features.get("dropped_classes") or ()
        ),
    )


def _positives(features: Mapping[str, Any], n_classes: int) -> dict[str, np.ndarray]:
    recorded = features.get("positives") or {}
    return {
        split: np.asarray(recorded[split], int)
        for split in SPLITS
        if split in recorded and len(recorded[split]) == n_classes
    }


def _splits(
    features: Mapping[str, Any], positives: Mapping[str, np.ndarray], n_classes: int
) -> tuple[SplitRow, ...]:
    rows = []
    for split in SPLITS:
        n = features.get(f"n_{split}")
        if not isinstance(n, int):
            continue
        recorded = (features.get("labels_per_example") or {}).get(split)
        own = positives.get(split)
        mean = (
            recorded if recorded is not None else own.sum() / n if own is not None and n else None
        )
        mean = np.nan if mean is None else float(mean)
        rows.append(
            SplitRow(
                split,
                n,
                mean,
                mean / n_classes if n_classes else np.nan,
                -1 if own is None else int((own == 0).sum()),
            )
        )
    return tuple(rows)


def _classes(
    labels: list[str], positives: Mapping[str, np.ndarray], features: Mapping[str, Any]
) -> tuple[ClassRow, ...]:
    if not positives:
        return ()
    totals = np.sum(list(positives.values()), axis=0)
    examples = sum(int(features.get(f"n_{split}") or 0) for split in positives)
    most = int(totals.max()) if len(totals) else 0
    return tuple(
        ClassRow(
            labels[c],
            {split: int(own[c]) for split, own in positives.items()},
            int(totals[c]),
            totals[c] / examples if examples else np.nan,
            most / totals[c] if totals[c] else np.nan,
        )
        for c in np.argsort(-totals, kind="stable")
    )


def _facts(info: SweepInfo) -> tuple[tuple[str, str], ...]:
    features = info.features_info
    duplicates = features.get("duplicates") or {}
    skipped = (features.get("skipped") or {}).get("count")
    options = features.get("options") or {}
    facts = [
        ("Dataset", info.dataset),
        ("Source", features.get("source")),
        ("Examples read", _count(features.get("n_read"))),
        ("Examples used", _count(features.get("n_examples"))),
        ("Without a label", _count(features.get("n_unlabelled"))),
        ("Skipped", _count(skipped)),
        ("Sets of duplicates", _count(duplicates.get("n_sets")) if duplicates else None),
        ("Encoder", info.encoder),
        ("Embedding", f"{features['dim']:,} numbers" if "dim" in features else None),
        ("Split", f"{options['split']}, seed {options.get('split_seed', 0)}"
         if "split" in options else None),
        ("Data fingerprint", info.dataset_fingerprint[:16]),
        ("Features fingerprint", str(info.identity.get("features", ""))[:16] or None),
    ]  # fmt: skip
    return tuple((name, str(value)) for name, value in facts if value is not None)


def _count(value: Any) -> str | None:
    return f"{value:,}" if isinstance(value, int) else None


def co_occurrence(source: Source, sweep: str, *, split: str = "test") -> CoOccurrence | None:
    """Count how often classes occur together, from the targets of the kept cells.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        split: ``validation`` or ``test``; the targets of training examples are not kept.

    Returns:
        The counts of the ``MOST_CLASSES`` most frequent classes; None when no cell is kept.

    Raises:
        KeptFileError: a kept file is missing or altered.
        StoreError: the store cannot be read, or has no such sweep.
    """
    return source.ask(
        sweep, ("co-occurrence", split), lambda store: _co_occurrence(store, sweep, split)
    )


def _co_occurrence(store: Store, sweep: str, split: str) -> CoOccurrence | None:
    kept = frames.load_kept(store, sweep)
    if kept.empty:
        return None
    scores = load_kept_scores(store, sweep, str(kept["cell_key"].iloc[0]), split)
    return count_together(np.asarray(scores.targets), scores.labels, split)


def count_together(targets: np.ndarray, labels: list[str], split: str) -> CoOccurrence:
    """Count pairs of labels.

    Args:
        targets: (n, C) in {0, 1}.
        labels: C names.
        split: which examples these are.

    Example:
        >>> pairs = count_together(np.array([[1, 1], [1, 0]]), ["a", "b"], "test")
        >>> pairs.together.tolist(), pairs.given.tolist()
        ([[2, 1], [1, 1]], [[1.0, 0.5], [1.0, 1.0]])
    """
    hits = (targets > 0).astype(np.int64)
    order = np.argsort(-hits.sum(axis=0), kind="stable")[:MOST_CLASSES]
    chosen = hits[:, order]
    together = chosen.T @ chosen
    own = np.diag(together).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        given = np.where(own[:, None] > 0, together / own[:, None], np.nan)
    return CoOccurrence(
        split, tuple(labels[c] for c in order), together, given, len(targets), targets.shape[1]
    )


def co_occurrence_text(data: CoOccurrence, dataset: str) -> FigureText:
    """Return the words of the matrix: what is divided by what, and which classes are shown."""
    shown = len(data.labels)
    caption = (
        "A cell is the share of the examples with the row's label that also have the column's; "
        "columns that are bright throughout are labels that come with everything. Counted over "
        f"the {data.split} split, the targets of which are kept with the kept cells."
    )
    if shown < data.n_classes:
        caption += f" Shown are the {shown} most frequent of {data.n_classes:,} classes."
    return FigureText(
        "Labels that occur together",
        f"{dataset} · {data.split} split · {count_text(data.n_examples, 'example')}",
        caption,
    )

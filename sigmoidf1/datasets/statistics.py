"""Statistics of a multilabel dataset: sizes, labels per example, imbalance, co-occurrence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import Dataset
from sigmoidf1.datasets.splitting import count_positives
from sigmoidf1.splits import SPLITS

TOP_PAIRS = 10
RAREST = 5
_CHUNK = 65536


def dataset_statistics(dataset: Dataset, *, top_pairs: int = TOP_PAIRS) -> dict[str, Any]:
    """Return what a reader wants to know of a dataset before training on it.

    With N examples, C classes, N_c the examples of class c and L the labels of all examples:
    cardinality L / N, density L / (N C), imbalance ratio of class c: max N / N_c.

    Args:
        dataset: a loaded dataset.
        top_pairs: how many pairs of classes that occur together are listed.

    Returns:
        JSON-safe mapping: `dataset`, `modality`, `n_read`, `n_examples`, `n_classes`,
        `n_unlabelled`, `labels_per_example` (`mean`, `min`, `max`, `counts`: how many examples
        have 0, 1, 2, … labels), `cardinality`, `density`, `n_label_sets` (distinct
        combinations), `classes` (`label`, `examples`, `share`, `imbalance_ratio`, `splits`; most
        frequent first), `rarest` (names), `imbalance` (`mean` and `max` of the ratios),
        `co_occurrence` (`labels`, `examples`, `jaccard`; most frequent pairs first), `splits`
        (`examples`, `labels_per_example`, `classes_without_positive`), `duplicates`,
        `dropped_classes`, `skipped`, `n_missing_files`, `fingerprint`.

    Source: Charte, Rivera, del Jesus & Herrera, "Addressing imbalance in multilabel
        classification", Neurocomputing 2015 (imbalance ratios); Tsoumakas & Katakis 2007
        (cardinality, density).
    """
    targets, labels = dataset.targets, dataset.labels
    per_example = targets.sum(axis=1, dtype=np.int64)
    totals = targets.sum(axis=0, dtype=np.int64)
    sizes = {name: int((dataset.split == name).sum()) for name in SPLITS}
    positives = count_positives(targets, dataset.split)
    ratios = totals.max() / totals
    order = sorted(range(len(labels)), key=lambda c: (-totals[c], labels[c]))
    return {
        "dataset": dataset.name,
        "modality": dataset.modality,
        "options": dict(dataset.info["options"]),
        "n_read": dataset.info["n_read"],
        "n_examples": len(targets),
        "n_classes": len(labels),
        "n_unlabelled": int((per_example == 0).sum()),
        "labels_per_example": {
            "mean": float(per_example.mean()),
            "min": int(per_example.min()),
            "max": int(per_example.max()),
            "counts": np.bincount(per_example).tolist(),
        },
        "cardinality": float(per_example.mean()),
        "density": float(per_example.mean() / len(labels)),
        "n_label_sets": _count_label_sets(targets),
        "classes": [
            {
                "label": labels[c],
                "examples": int(totals[c]),
                "share": float(totals[c] / len(targets)),
                "imbalance_ratio": float(ratios[c]),
                "splits": {name: int(positives[name][c]) for name in SPLITS},
            }
            for c in order
        ],
        "rarest": [labels[c] for c in order[::-1][:RAREST]],
        "imbalance": {"mean": float(ratios.mean()), "max": float(ratios.max())},
        "co_occurrence": _top_pairs(targets, labels, totals, top_pairs),
        "splits": {
            name: {
                "examples": size,
                "labels_per_example": float(positives[name].sum() / size),
                "classes_without_positive": int((positives[name] == 0).sum()),
            }
            for name, size in sizes.items()
        },
        **{key: dataset.info[key] for key in ("duplicates", "dropped_classes", "skipped")},
        "n_missing_files": dataset.info.get("n_missing_files", 0),
        "fingerprint": dataset.fingerprint,
    }


def show_dataset(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statistics of the dataset that a spec's `data` mapping describes.

    Images are not read unless `check_files` is set: their labels are enough.

    Raises:
        InputError: as `load_dataset`.
    """
    from sigmoidf1.datasets import load_dataset, option_names

    name = options.get("dataset")
    if "check_files" not in options and "check_files" in option_names(name):
        options = {**options, "check_files": False}
    return dataset_statistics(load_dataset(options))


def _count_label_sets(targets: np.ndarray) -> int:
    packed = np.packbits(targets, axis=1)
    if packed.shape[1] == 0:
        return 0
    return len(np.unique(np.ascontiguousarray(packed).view(f"V{packed.shape[1]}")))


def _top_pairs(
    targets: np.ndarray, labels: list[str], totals: np.ndarray, top: int
) -> list[dict[str, Any]]:
    together = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for start in range(0, len(targets), _CHUNK):
        # float32 holds these counts exactly and multiplies fast.
        part = targets[start : start + _CHUNK].astype(np.float32)
        together += (part.T @ part).astype(np.int64)
    first, second = np.triu_indices(len(labels), k=1)
    counts = together[first, second]
    order = np.lexsort((second, first, -counts))[:top]
    return [
        {
            "labels": [labels[first[pair]], labels[second[pair]]],
            "examples": int(counts[pair]),
            "jaccard": float(
                counts[pair] / (totals[first[pair]] + totals[second[pair]] - counts[pair])
            ),
        }
        for pair in order.tolist()
        if counts[pair]
    ]

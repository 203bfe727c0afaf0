"""Sweeps of several datasets against each other: mean ranks, paired intervals, transfer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from storage import frames
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.datasets import MeanRanks, Transfer, mean_ranks
from sweeps.sensitivity.losses import LossComparison
from sweeps.sensitivity.plain import to_plain
from sweeps.sensitivity.reading import find_metric
from sweeps.sensitivity.reading_losses import compare_stored, dataset_labels, transfer_stored
from sweeps.wording import suggestion


@dataclass(frozen=True, eq=False)
class DatasetComparison:
    """The losses of several sweeps, each on its own dataset, and what carries over.

    Attributes:
        sweeps: dataset to the sweep that stands for it.
        metric: name of the metric.
        thresholds: dataset to the threshold its cells are compared at; None where none enters.
        higher_is_better: the metric's direction.
        losses: losses that are compared.
        ranked: those of them that every sweep has, which the mean ranks are of.
        by_dataset: dataset to its comparison of losses, with paired differences and intervals.
        ranks: of the losses' chosen cells on test, at the fixed threshold.
        ranks_tuned: the same with every threshold tuned on validation; None without curves.
        transfer: loss to the regret of carrying its best cell to another dataset.
        level: nominal coverage of intervals.
    """

    sweeps: dict[str, str]
    metric: str
    thresholds: dict[str, float | None]
    higher_is_better: bool
    losses: list[str]
    ranked: list[str]
    by_dataset: dict[str, LossComparison]
    ranks: MeanRanks
    ranks_tuned: MeanRanks | None
    transfer: dict[str, Transfer]
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return words and numbers as plain values that JSON can hold; NaN is None."""
        from sweeps.sensitivity.words_datasets import datasets_in_words

        plain: dict[str, Any] = to_plain(
            {
                "sweeps": self.sweeps,
                "metric": self.metric,
                "thresholds": self.thresholds,
                "losses": self.losses,
                "ranked": self.ranked,
                "words": datasets_in_words(self),
                "ranks": self.ranks,
                "ranks_tuned": self.ranks_tuned,
                "transfer": {
                    loss: {
                        "datasets": found.datasets,
                        "best": {k: json.loads(v)["settings"] for k, v in found.best.items()},
                        "regret": found.regret,
                        "paired": {f"{a} -> {b}": d for (a, b), d in found.paired.items()},
                        "n_common": found.n_common,
                        "note": found.warning,
                    }
                    for loss, found in self.transfer.items()
                },
            }
        )
        plain["datasets"] = {name: found.to_dict() for name, found in self.by_dataset.items()}
        return plain


def compare_datasets(
    store: Store,
    sweeps: Sequence[str],
    *,
    losses: Sequence[str] | None = None,
    metric: str | None = None,
    threshold: float | None = None,
    level: float = 0.95,
) -> DatasetComparison:
    """Compare the losses of several sweeps across their datasets.

    Each loss is represented on each dataset by the cell with its best validation mean, read on
    test. Ranks say which order is common; the paired intervals of each dataset say how large and
    how sure the differences are; the transfer says what a best cell loses elsewhere.

    Args:
        store: an open store.
        sweeps: names of two sweeps or more; repeated names count once.
        losses: only these; all that any of the sweeps has when None.
        metric: the first sweep's objective by default; every sweep must keep it.
        threshold: one kept threshold for all; each sweep's own by default.
        level: nominal coverage of intervals.

    Returns:
        The comparison. Ranks are of the losses that every sweep has.

    Raises:
        SweepError: fewer than two sweeps, an unknown loss, or a metric that a sweep does not keep.
        StoreError: a sweep or the threshold is not there.

    Source: Demšar (2006), JMLR 7:1, for ranks over datasets; pairing by seed, Bouthillier et al.
    (2021); transfer of the best cell: the paper used VOC's optimum for COCO (Appendix D).
    """
    names = list(dict.fromkeys(sweeps))
    if len(names) < 2:
        raise SweepError(
            f"A comparison takes two sweeps or more, but got {', '.join(names) or 'none'}. "
            "Name another: 'sigmoidf1 sweep list' shows them."
        )
    infos = [frames.load_sweep(store, name) for name in names]
    labels = dataset_labels(infos)
    chosen, entry = find_metric(infos[0], metric)
    for info in infos[1:]:
        _keeps(info, chosen)
    own = {info.name: list(dict.fromkeys(frames.load_cells(store, info.name)["loss"]))
           for info in infos}  # fmt: skip
    known = list(dict.fromkeys(loss for found in own.values() for loss in found))
    wanted = known if losses is None else list(dict.fromkeys(losses))
    for loss in wanted:
        if loss not in known:
            raise SweepError(f"Unknown loss {loss!r}. {suggestion(loss, known)}")
    higher = bool(entry["higher_is_better"])
    by_dataset = {
        label: compare_stored(
            store, info.name, losses=[loss for loss in wanted if loss in own[info.name]],
            metric=chosen, threshold=threshold, level=level,
        )
        for info, label in zip(infos, labels, strict=True)
    }  # fmt: skip
    ranked = [loss for loss in wanted if all(loss in found for found in own.values())]
    tuned = _scores(by_dataset, ranked, tuned=True)
    transfer = {}
    for loss in wanted:
        holders = [info.name for info in infos if loss in own[info.name]]
        if len(holders) > 1:
            transfer[loss] = transfer_stored(
                store, holders, loss, metric=chosen, threshold=threshold
            )
    cut = bool(entry["thresholded"])
    return DatasetComparison(
        sweeps=dict(zip(labels, names, strict=True)),
        metric=chosen,
        thresholds={
            label: None if not cut
            else float(info.objective["threshold"]) if threshold is None else float(threshold)
            for info, label in zip(infos, labels, strict=True)
        },
        higher_is_better=higher,
        losses=wanted,
        ranked=ranked,
        by_dataset=by_dataset,
        ranks=mean_ranks(_scores(by_dataset, ranked, tuned=False), higher_is_better=higher),
        ranks_tuned=mean_ranks(tuned, higher_is_better=higher)
        if np.isfinite(tuned.to_numpy(np.float64)).any()
        else None,
        transfer=transfer,
        level=level,
    )  # fmt: skip


def _keeps(info: SweepInfo, metric: str) -> None:
    kept = [entry["name"] for entry in info.metrics]
    if metric not in kept:
        raise SweepError(
            f"Every sweep must keep the metric, but {info.name!r} has no {metric!r}. Choose one "
            f"with --metric: {', '.join(kept)}."
        )


def _scores(
    by_dataset: dict[str, LossComparison], losses: Sequence[str], *, tuned: bool
) -> pd.DataFrame:
    """One row a dataset, one column a loss: the test value of the loss's chosen cell."""

    def value(found: LossComparison, loss: str) -> float:
        entry = found.chosen.get(loss, {})
        entry = entry.get("tuned", {}) if tuned else entry
        return float(entry.get("test", np.nan))

    rows = {label: [value(found, loss) for loss in losses] for label, found in by_dataset.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(losses), dtype="float64")

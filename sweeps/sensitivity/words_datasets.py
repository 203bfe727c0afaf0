"""A comparison across datasets as sentences."""

from __future__ import annotations

import json

import numpy as np

from sweeps.sensitivity.dataset_comparison import DatasetComparison
from sweeps.sensitivity.datasets import MeanRanks, Transfer
from sweeps.sensitivity.words_losses import losses_in_words
from sweeps.sensitivity.words_names import count, setting_in_words


def datasets_in_words(found: DatasetComparison) -> dict[str, str]:
    """Say how the losses compare across datasets, one entry a topic, each with its method.

    Args:
        found: what :func:`~sweeps.sensitivity.dataset_comparison.compare_datasets` returns.

    Returns:
        ``ranks``, ``ranks tuned``, one topic a dataset with its paired differences, and
        ``transfer LOSS`` for every loss that two datasets share.
    """
    words = {"ranks": ranks_in_words(found.ranks, "at the fixed thresholds")}
    apart = [loss for loss in found.losses if loss not in found.ranked]
    if apart:
        words["ranks"] += f" Not ranked, since a sweep lacks them: {', '.join(apart)}."
    if found.ranks_tuned is not None:
        words["ranks tuned"] = ranks_in_words(found.ranks_tuned, "with every threshold tuned")
    for dataset, own in found.by_dataset.items():
        topics = losses_in_words(own, higher_is_better=found.higher_is_better)
        words[dataset] = f"{topics['chosen']} {topics['paired']}"
    for loss, transfer in found.transfer.items():
        words[f"transfer {loss}"] = transfer_in_words(transfer)
    return words


def ranks_in_words(ranks: MeanRanks, how: str) -> str:
    """Say the mean ranks, whether they differ at all, and what they cannot show."""
    if not ranks.losses and not ranks.left_out:
        return f"No mean ranks {how}: no loss is in every sweep."
    if not ranks.losses:
        left = ", ".join(ranks.left_out)
        return f"No mean ranks {how}: {ranks.warning} ({left})."
    order = ", ".join(f"{loss} {ranks.mean_rank[loss]:.2f}" for loss in ranks.losses)
    text = (
        f"Mean ranks of the losses' chosen cells on test over "
        f"{count(len(ranks.datasets), 'dataset')}, {how}, 1 the best: {order}."
    )
    if ranks.friedman_p is not None:
        text += f" Friedman's test that all are equal: p = {ranks.friedman_p:.2g}."
    if ranks.left_out:
        text += f" Left out, since a loss has no value there: {', '.join(ranks.left_out)}."
    warning = ranks.warning[:1].upper() + ranks.warning[1:]
    return f"{text} {warning.removesuffix('.')}."


def transfer_in_words(found: Transfer) -> str:
    """Say what each dataset's best cell loses on each other dataset."""
    if not found.n_common:
        return f"No transfer: {found.warning}."
    if found.n_common == 1:
        return f"No transfer: {found.warning}, so there is nothing to choose."
    settings = differing_settings(found)
    alike = len(set(settings.values())) == 1
    parts = []
    for row, chosen in enumerate(found.datasets):
        regrets = ", ".join(
            f"{_regret(found, row, column)} on {used}"
            for column, used in enumerate(found.datasets)
            if row != column
        )
        parts.append(f"{chosen}'s best{'' if alike else f' ({settings[chosen]})'} loses {regrets}")
    text = f"{'; '.join(parts)} against the best there, {found.warning}"
    if alike:
        text += "; all datasets choose the same cell"
    elif np.nanmax(found.regret) <= 0:
        text += "; no choice loses anything by being carried over"
    paired = next((d for d in found.paired.values() if d.low is not None), None)
    if paired is not None:
        text += f" ({paired.level:.0%} intervals by Student's t, paired by seed)"
    return f"{text}."


def _regret(found: Transfer, row: int, column: int) -> str:
    chosen, used = found.datasets[row], found.datasets[column]
    text = f"{found.regret[row, column] + 0.0:.4f}"
    paired = found.paired.get((chosen, used))
    if paired is not None and paired.low is not None and paired.high is not None:
        text += f" [{paired.low:.4f}, {paired.high:.4f}]"
    return text


def differing_settings(found: Transfer) -> dict[str, str]:
    """Return dataset to its best cell in words, by the settings in which the best cells differ."""
    settings = {name: json.loads(best)["settings"] for name, best in found.best.items()}
    names = dict.fromkeys(key for own in settings.values() for key in own)
    differing = [key for key in names if len({repr(own.get(key)) for own in settings.values()}) > 1]
    return {
        dataset: setting_in_words({key: own.get(key) for key in differing}) or "the same cell"
        for dataset, own in settings.items()
    }

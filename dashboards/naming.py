"""How metrics, hyperparameters, numbers and cells are written for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

AVERAGE = "average"

_AXES = {
    "beta": "slope β",
    "eta": "offset η",
    "gamma": "γ",
    "gamma_pos": "γ⁺",
    "gamma_neg": "γ⁻",
    "alpha": "α",
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "batch_size": "batch size",
    "pos_weight": "positive weight",
}
_SHORT = {
    "beta": "β",
    "eta": "η",
    "gamma": "γ",
    "gamma_pos": "γ⁺",
    "gamma_neg": "γ⁻",
    "alpha": "α",
    "lr": "lr",
}
_AVERAGING = ("weighted", "micro", "macro", "samples")
_SCORES = {"f1": "F1", "precision": "precision", "recall": "recall", "jaccard": "Jaccard"}
# The columns of the paper's Table 3 and Figures 4-7: its equations 9 and 10 exchange micro and
# macro, and its Precision (Eq. 12) and mAP are means over classes.
_PAPER = {
    "weighted_f1": "weightedF1",
    "micro_f1": "macroF1",
    "macro_f1": "microF1",
    "macro_precision": "Precision",
    "map": "mAP",
}


def axis_name(parameter: str) -> str:
    """Return the name of a hyperparameter as an axis title: ``beta`` is ``slope β``."""
    return _AXES.get(parameter, parameter.replace("_", " "))


def short_name(parameter: str) -> str:
    """Return the short name of a hyperparameter: ``beta`` is ``β``."""
    return _SHORT.get(parameter, parameter.replace("_", " "))


def metric_name(metric: str) -> str:
    """Return a metric's name in scikit-learn's convention: ``weighted_f1`` is ``weighted F1``."""
    if metric == "map":
        return "mAP"
    average, _, score = metric.partition("_")
    if average in _AVERAGING and score in _SCORES:
        return f"{average} {_SCORES[score]}"
    return metric.replace("_", " ")


def paper_name(metric: str) -> str | None:
    """Return the name that the paper's figures give this metric, or None where it has none.

    Source: Bénédict et al. (2022), Eqs. 9-12 and Table 3; scikit-learn's *micro* is printed as
    *macro* there and the other way round.
    """
    return _PAPER.get(metric)


def setting_text(value: Any) -> str:
    """Write one setting: 1.0 is ``1``, 0.30000000000000004 is ``0.3``, None is ``none``."""
    if value is None:
        return "none"
    if isinstance(value, bool | str):
        return str(value)
    number = float(value)
    if math.isnan(number):
        return "none"
    return f"{number:.6g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def settings_text(settings: Mapping[str, Any], names: Iterable[str] | None = None) -> str:
    """Write the settings of a cell on one line: ``β 12, η 0.5``."""
    chosen = settings if names is None else {name: settings[name] for name in names}
    return ", ".join(f"{short_name(name)} {setting_text(value)}" for name, value in chosen.items())


def score_text(value: float, digits: int = 3) -> str:
    """Write a score with ``digits`` decimals; an unknown one is a dash."""
    return "–" if not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def sd_text(sd: float, digits: int = 3) -> str:
    """Write a standard deviation: ``± 0.004``, ``± <0.001`` when it only rounds to zero."""
    if not math.isfinite(sd):
        return ""
    smallest = 10.0**-digits
    return f"± <{smallest:.{digits}f}" if 0 < sd < smallest / 2 else f"± {sd:.{digits}f}"


def mean_sd_text(mean: float, sd: float, digits: int = 3) -> str:
    """Write a mean with its standard deviation over seeds: ``0.512 ± 0.004``."""
    return f"{score_text(mean, digits)} {sd_text(sd, digits)}".rstrip()


def threshold_text(threshold: float) -> str:
    """Write a threshold with the digits it needs: ``0.5``, ``0.0001``; a dash where it is NaN."""
    if math.isnan(threshold):
        return "–"
    if 0.01 <= threshold <= 0.99:
        return f"{threshold:.3f}".rstrip("0").rstrip(".")
    if threshold < 0.01:
        return f"{threshold:.2g}"
    return f"{threshold:.5f}".rstrip("0").rstrip(".")


def count_text(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 seed``, ``1,050 replicates``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def capitalised(text: str) -> str:
    """Begin a title with a capital, unless its first word has its own, as mAP does.

    Example:
        >>> capitalised("weighted F1"), capitalised("mAP")
        ('Weighted F1', 'mAP')
    """
    first = text.split(" ", 1)[0]
    return text if first != first.lower() else text[:1].upper() + text[1:]


def short_encoder(encoder: str) -> str:
    """Return the name of an encoder without the folders of its files.

    Example:
        >>> short_encoder("weights:/models/resnet50.pth"), short_encoder("minilm")
        ('weights:resnet50.pth', 'minilm')
    """
    kind, colon, path = encoder.partition(":")
    return f"{kind}:{path.rsplit('/', 1)[-1]}" if colon and "/" in path else encoder

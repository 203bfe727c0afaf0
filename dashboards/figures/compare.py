"""Two sweeps side by side: one loss over the same axes, on one scale, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from dashboards.figures.axes import Axis
from dashboards.figures.captions import FigureText, threshold_fact
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import HeatmapData, heatmap_data
from dashboards.naming import axis_name, metric_name, settings_text
from dashboards.source import Source
from sweeps.sensitivity.datasets import Transfer
from sweeps.sensitivity.intervals import t_quantile
from sweeps.sensitivity.reading_losses import transfer_stored

Reading = Literal["value", "regret"]
READINGS: dict[str, str] = {"value": "as read", "regret": "below its own best"}
LEVEL = 0.95


class CompareData(NamedTuple):
    """Two maps and their difference.

    Attributes:
        a: the first map.
        b: the second map.
        reading: ``value`` colours the means; ``regret`` what each mean lacks to the best mean of
            its own map, for datasets whose levels differ.
        values: (of a, of b) what is coloured, shapes of their maps.
        span: lowest and highest colour of both.
        x: settings across that both have; y: settings upwards that both have.
        difference: (len(y), len(x)) value of b less that of a at the same settings.
        sure: (len(y), len(x)) whether the Welch interval of the difference leaves out zero.
        same_data: whether both sweeps are of one dataset, by fingerprint.
        note: why there is no difference, or "".
    """

    a: HeatmapData
    b: HeatmapData
    reading: Reading
    values: tuple[np.ndarray, np.ndarray]
    span: tuple[float, float]
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    difference: np.ndarray
    sure: np.ndarray
    same_data: bool
    note: str


def common_losses(source: Source, a: str, b: str) -> list[str]:
    """Return the losses that both sweeps hold, in the order of the first one's plan."""
    other = set(source.losses(b))
    return [loss for loss in source.losses(a) if loss in other]


def compare_data(
    source: Source,
    a: str,
    b: str,
    *,
    loss: str,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
    x: str | None = None,
    y: str | None = None,
    held: Mapping[str, Any] | None = None,
    reading: Reading | None = None,
) -> CompareData:
    """Collect the maps of one loss in two sweeps, on one scale.

    The difference at a setting is ``m_b - m_a`` (of regrets: each less its own map's best mean);
    its interval is Welch's, ``± t_ν sqrt(s_a²/n_a + s_b²/n_b)``, over seeds alone.

    Args:
        source: where the numbers are read.
        a: name of the first sweep.
        b: name of the second sweep.
        loss: a loss of both.
        metric: a metric of both; the first's objective by default.
        split: ``validation`` or ``test``.
        threshold: a threshold in (0, 1), the nearest kept one of each sweep is read; each sweep's
            objective's by default.
        x: hyperparameter across; y: hyperparameter upwards. As for a map by default.
        held: value of each other varying setting, or ``"average"``, in both; by default each slice
            goes through its own sweep's best cell.
        reading: ``value`` or ``regret``; by default regret where the datasets differ.

    Raises:
        FigureError: a loss, metric, axis or slice that one of the sweeps does not have.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Welch (1947), Biometrika 34, for the interval; the paper carries VOC's optimum over to
    COCO (Appendix D).
    """
    info_a, info_b = source.sweep(a), source.sweep(b)
    name = metric or str(info_a.objective["metric"])
    common = common_losses(source, a, b)
    if loss not in common:
        raise FigureError(
            f"Two sweeps are compared on a loss that both hold, but got '{loss}'. "
            f"Common: {', '.join(common) or 'none'}."
        )
    first = heatmap_data(
        source, a, loss=loss, metric=name, split=split, threshold=threshold, x=x, y=y, held=held,
    )  # fmt: skip
    second = heatmap_data(
        source, b, loss=loss, metric=name, split=split, threshold=threshold,
        x=first.x.parameter, y=first.y.parameter, held=held,
    )  # fmt: skip
    same = info_a.dataset_fingerprint == info_b.dataset_fingerprint
    chosen: Reading = reading or ("value" if same else "regret")
    if chosen not in READINGS:
        raise FigureError(f"A map is read {' or '.join(READINGS)}, but got '{chosen}'.")
    values = (_reading(first, chosen), _reading(second, chosen))
    known = np.concatenate([v[np.isfinite(v)] for v in values])
    span = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if span[0] == span[1]:
        span = (span[0] - 0.005, span[1] + 0.005)
    common_x, common_y = _common(first.x, second.x), _common(first.y, second.y)
    difference, sure = _difference(first, second, values, common_x, common_y, chosen)
    return CompareData(
        first, second, chosen, values, span, common_x, common_y, difference, sure, same,
        _why_none(first, common_x, common_y),
    )  # fmt: skip


def _reading(data: HeatmapData, reading: Reading) -> np.ndarray:
    if reading == "value" or not np.isfinite(data.mean).any():
        return data.mean
    best = np.nanmax(data.mean) if data.higher_is_better else np.nanmin(data.mean)
    return data.mean - best


def _common(a: Axis, b: Axis) -> tuple[Any, ...]:
    if a.bounds is not None or b.bounds is not None:
        return ()
    return tuple(value for value in a.values if value in b.values)


def _difference(
    a: HeatmapData,
    b: HeatmapData,
    values: tuple[np.ndarray, np.ndarray],
    x: tuple[Any, ...],
    y: tuple[Any, ...],
    reading: Reading,
) -> tuple[np.ndarray, np.ndarray]:
    places = [
        np.ix_(
            [data.y.values.index(value) for value in y],
            [data.x.values.index(value) for value in x],
        )
        for data in (a, b)
    ]
    first, second = values[0][places[0]], values[1][places[1]]
    sd = [data.sd[place] for data, place in zip((a, b), places, strict=True)]
    n = [data.n[place] for data, place in zip((a, b), places, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [s**2 / k for s, k in zip(sd, n, strict=True)]
        error = parts[0] + parts[1]
        df = error**2 / (parts[0] ** 2 / (n[0] - 1) + parts[1] ** 2 / (n[1] - 1))
        known = np.isfinite(df) & (df > 0)
        quantile = t_quantile(1 - (1 - LEVEL) / 2, np.where(known, df, 1.0))
        difference = second - first
        sure = known & (np.abs(difference) > quantile * np.sqrt(error))
    # A regret's zero is itself a mean, whose noise this interval does not hold.
    return difference, sure & (reading == "value")


def _why_none(a: HeatmapData, x: tuple[Any, ...], y: tuple[Any, ...]) -> str:
    for axis, common in ((a.x, x), (a.y, y)):
        if not common:
            return (
                f"The two sweeps have no common value of {axis_name(axis.parameter or 'setting')}, "
                "so there is no difference to draw."
            )
    return ""


def compare_text(data: CompareData) -> FigureText:
    """Return the words of the comparison: what is compared, on what scale, and what a dot is."""
    a, b = data.a, data.b
    caption = [f"Both maps share one colour scale; read {READINGS[data.reading]}."]
    if data.reading == "regret":
        caption.append(
            "Levels of different datasets cannot be compared, so each mean is shown less the best "
            "mean of its own map: 0 is each sweep's best."
        )
    else:
        caption.append(
            f"A dot in the difference marks a {LEVEL:.0%} Welch interval over seeds that leaves "
            "out zero, not corrected for the number of positions."
        )
    if not data.same_data:
        caption.append("The sweeps are of different data (their fingerprints differ).")
    if a.threshold != b.threshold:
        caption.append(
            f"Thresholds: {threshold_fact(a.threshold)} and {threshold_fact(b.threshold)}."
        )
    held = [
        f"{name}: {settings_text(data_.held)}"
        for name, data_ in ((a.sweep, a), (b.sweep, b))
        if data_.held
    ]
    if held:
        caption.append(f"Slices: {'; '.join(held)}.")
    caption.append(
        "Outlined is the best cell of each map; a diagonal stroke marks a position whose seeds all "
        "predict everything, or nothing that is right."
    )
    return FigureText(
        title=f"{a.loss}: {a.sweep} and {b.sweep}",
        subtitle=" · ".join(
            [
                metric_name(a.metric),
                f"{a.split} split",
                threshold_fact(a.threshold),
                "mean over seeds",
            ]
        ),
        caption=" ".join(caption),
    )


def transfer_data(source: Source, a: str, b: str, loss: str, metric: str) -> Transfer:
    """Return what carrying one sweep's best cell of a loss to the other costs, both ways.

    See `sweeps.sensitivity.datasets.transfer_regret`.
    """
    # Either sweep may change: the answer is kept under the state of both.
    return source.compute(
        a,
        ("transfer", b, source.token(b), loss, metric),
        partial(transfer_stored, sweeps=[a, b], loss=loss, metric=metric),
        beside=[b],
    )


def transfer_sentences(found: Transfer) -> list[str]:
    """Say what the best cell of each dataset loses on the other, one sentence a direction."""
    if not len(found.regret):
        return [f"Nothing can be carried over: {found.warning}."]
    lines = []
    for i, chosen in enumerate(found.datasets):
        for j, used in enumerate(found.datasets):
            if i == j:
                continue
            regret = float(found.regret[i, j])
            same = found.best[chosen] == found.best[used]
            what = (
                "is the same cell as its own best"
                if same
                else f"loses {regret:.4f} against its own best"
                if regret >= 0
                else f"reads {-regret:.4f} better than its own best"
            ).replace("-", "−")
            lines.append(f"Used on {used}, the best cell of {chosen} {what}.")
    return [*lines, f"{found.warning[:1].upper()}{found.warning[1:]}."]


def best_rows(data: CompareData) -> list[Mapping[str, Any]]:
    """Return the best cell of each map: sweep, dataset, settings, mean, sd, n of planned."""
    rows: list[Mapping[str, Any]] = []
    for half in (data.a, data.b):
        best = half.best
        rows.append(
            {
                "sweep": half.sweep,
                "dataset": half.dataset,
                "encoder": half.encoder,
                "best": best,
                "value": np.nan
                if half.best_position is None
                else float(half.mean[half.best_position]),
                "sd": np.nan if half.best_position is None else float(half.sd[half.best_position]),
                "levels": half.levels,
            }
        )
    return rows

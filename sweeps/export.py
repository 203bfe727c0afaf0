"""The best cell of each sweep and loss, with its numbers, as plain data and as files."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from storage import frames
from storage.cell_scores import load_cell_scores
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export_choice import RULES, ChosenCell, choose_cell, scores_at
from sweeps.export_examples import example_intervals, rule_scores
from sweeps.export_files import EXPORT_FORMATS, format_export, write_export
from sweeps.export_selection import check_known, select_sweeps, why_empty
from sweeps.export_snippet import loss_snippet
from sweeps.export_spec import cell_spec
from sweeps.export_statistics import choice_statistics
from sweeps.imported import is_imported
from sweeps.sensitivity.best import RULE, best_cells
from sweeps.sensitivity.reading import SAME_THRESHOLD
from sweeps.sensitivity.summary import summarise_cells
from sweeps.wording import suggestion

__all__ = ["EXPORT_FORMATS", "export_best", "format_export", "write_export"]

REPORTED_SPLITS = ("validation", "test")
BASELINES = ("predict_all", "predict_none")
COUNTS = ("n_train", "n_validation", "n_test", "n_classes", "dim")

logger = logging.getLogger(__name__)


def export_best(
    store: Store,
    *,
    sweeps: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    rule: str = "mean",
    metric: str | None = None,
    threshold: float | Literal["tuned"] | None = None,
    statistics: bool = False,
) -> dict[str, Any]:
    """Return the best cell of each sweep and loss: :data:`sweeps.sensitivity.best.RULE`.

    Chosen on validation, by the sweep's objective unless told otherwise; test is reported and
    never looked at before. A loss whose every seed diverged or failed is left out, with a logged
    warning, and so is a sweep without any result, unless it was asked for by name.

    Args:
        store: an open store.
        sweeps: names of the sweeps to export; all when None.
        losses: names of the losses to export; all when None.
        datasets: names of the datasets to export; all when None.
        rule: ``mean``, ``lower-bound`` or ``robust``: :data:`sweeps.export_choice.RULES`.
        metric: what to choose by; the objective's by default.
        threshold: a kept one to choose and report at; ``tuned`` for each cell's best on
            validation; the objective's by default. At another than the objective's, metrics that
            are not kept at every threshold are left out.
        statistics: also say how sure the choice is.

    Returns:
        ``{"results": [...]}``, one mapping a (sweep, loss): ``sweep``, ``dataset``, ``encoder``,
        ``loss``, ``hyperparameters``, ``objective`` (``metric``, ``split``, ``threshold``),
        ``n_seeds``, ``validation`` and ``test`` (metric to ``mean``, ``sd``, ``values``; the
        values in the order of ``provenance.seeds``, the sd a sample's, None for one seed),
        ``baselines`` (``predict_all`` and ``predict_none``, split to metric to value),
        ``snippet`` (the lines of Python that use the loss elsewhere) and ``provenance``, whose
        ``spec`` trains the cell again; with ``statistics`` also what
        :func:`sweeps.export_statistics.choice_statistics` returns, and
        ``intervals_over_examples`` and ``threshold_rules`` of a kept cell. ``objective`` is what it
        was chosen by, its ``threshold`` what the scores are read at. Plain Python values that
        JSON can hold: None where there is no number.

    Raises:
        SweepError: a name or rule is unknown, nothing is finished, or a threshold cannot be tuned.
        StoreError: a threshold is not kept.

    Example:
        >>> store = Store.open("sqlite:///demo/sweeps.db")              # doctest: +SKIP
        >>> export_best(store)["results"][0]["hyperparameters"]         # doctest: +SKIP
        {'beta': 5.0, 'eta': 0.5, 'input': 'logits', 'reduction': 'per_class'}
    """
    if rule not in RULES:
        raise SweepError(f"Unknown rule {rule!r}. {suggestion(rule, RULES)}")
    plain = rule == "mean" and metric is None and threshold is None and not statistics
    names = select_sweeps(store, sweeps, datasets)
    results: list[dict[str, Any]] = []
    known_losses: list[str] = []
    for name in names:
        cells = frames.load_cells(store, name)
        of_sweep = list(dict.fromkeys(cells.sort_values("ordinal")["loss"]))
        known_losses += of_sweep
        wanted = [loss for loss in of_sweep if losses is None or loss in losses]
        if wanted:
            chosen = cells[cells["loss"].isin(wanted)]
            info = frames.load_sweep(store, name)
            replicates = frames.load_replicates(store, name, losses=wanted)
            picks: dict[str, Pick] = _plain_picks(info, chosen, replicates)
            if not plain:
                asked = {"rule": rule, "metric": metric, "threshold": threshold}
                picks = _picks(store, info, wanted, asked)
            _check_empty(name, wanted, picks, replicates, asked=sweeps is not None)
            results += _export_sweep(store, info, chosen, replicates, picks, statistics=statistics)
    check_known("loss", losses, known_losses)
    if not results:
        raise SweepError(
            "There is nothing to export: no selected sweep has a finished cell. "
            "Run 'sigmoidf1 sweep run' first."
        )
    return {"results": results}


@dataclass(frozen=True)
class Pick:
    """The cell to export, what it was chosen by, and the statistics when they were computed."""

    cell_id: int
    rule: str
    objective: dict[str, Any]
    chosen: ChosenCell | None = None


def _plain_picks(info: SweepInfo, cells: pd.DataFrame, replicates: pd.DataFrame) -> dict[str, Pick]:
    directions = {m["name"]: bool(m["higher_is_better"]) for m in info.metrics}
    best = best_cells(cells, replicates, higher_is_better=directions[info.objective["metric"]])
    objective = {key: info.objective[key] for key in ("metric", "split", "threshold")}
    return {str(loss): Pick(int(row["cell_id"]), RULE, objective) for loss, row in best.iterrows()}


def _picks(
    store: Store, info: SweepInfo, losses: Sequence[str], asked: Mapping[str, Any]
) -> dict[str, Pick]:
    picks = {}
    for loss in losses:
        chosen = choose_cell(store, info, loss, **asked)
        if chosen is None:
            continue
        objective = {
            "metric": chosen.analysis.question.metric,
            "split": info.objective["split"],
            "threshold": chosen.threshold,
        }
        picks[loss] = Pick(chosen.cell_id, RULES[chosen.rule][1], objective, chosen)
    return picks


def _check_empty(
    name: str,
    losses: Sequence[str],
    picks: Mapping[str, Pick],
    replicates: pd.DataFrame,
    *,
    asked: bool,
) -> None:
    if not picks and asked:
        raise SweepError(why_empty(name, losses, replicates))
    for loss in losses:
        if loss not in picks:
            logger.warning("%s It is left out.", why_empty(name, [loss], replicates))


def _export_sweep(
    store: Store,
    info: SweepInfo,
    cells: pd.DataFrame,
    replicates: pd.DataFrame,
    picks: Mapping[str, Pick],
    *,
    statistics: bool,
) -> list[dict[str, Any]]:
    exact = load_cell_scores(store, [pick.cell_id for pick in picks.values()])
    by_id = cells.set_index("cell_id")
    results = []
    for loss, pick in picks.items():
        rows = exact[exact["cell_id"] == pick.cell_id]
        cut = float(pick.objective["threshold"])
        if abs(cut - float(info.objective["threshold"])) > SAME_THRESHOLD:
            rows = scores_at(store, info, loss, pick.cell_id, cut, rows)
        scores = _summarise(info, rows)
        cell = by_id.loc[[pick.cell_id]].iloc[0]
        result = _result(info, loss, pick, cell, replicates, scores)
        if statistics and pick.chosen is not None:
            own = cells[cells["loss"] == loss]
            result |= choice_statistics(pick.chosen, own, scores)
            result["intervals_over_examples"] = example_intervals(
                store, info.name, cell["key"],
                metric=pick.objective["metric"], threshold=float(pick.objective["threshold"]),
            )  # fmt: skip
            result["threshold_rules"] = rule_scores(
                store, info.name, cell["key"],
                metric=pick.objective["metric"], threshold=float(pick.objective["threshold"]),
            )  # fmt: skip
        results.append(_plain(result))
    return results


def _result(
    info: SweepInfo,
    loss: str,
    pick: Pick,
    cell: pd.Series,
    replicates: pd.DataFrame,
    scores: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    rows = replicates[replicates["cell_id"] == pick.cell_id].sort_values("seed")
    complete = rows[(rows["state"] == "complete") & rows["objective"].notna()]
    return {
        "sweep": info.name,
        "dataset": info.dataset,
        "encoder": info.encoder,
        "loss": loss,
        "hyperparameters": cell["hyperparameters"],
        "objective": pick.objective,
        "n_seeds": len(complete),
        **{split: scores[split] for split in REPORTED_SPLITS},
        "baselines": {
            name: {split: info.baselines[name][split] for split in REPORTED_SPLITS}
            for name in BASELINES
            if name in info.baselines  # an imported sweep has none
        },
        "snippet": loss_snippet(
            loss,
            cell["hyperparameters"],
            learned=cell["head"].get("learn", ()),
            num_classes=info.features_info.get("n_classes"),
        ),
        "provenance": _provenance(info, cell, pick.rule, rows, complete),
    }


def _summarise(info: SweepInfo, rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return split to metric to ``mean``, ``sd``, ``values`` of one cell over complete seeds."""
    complete = rows[rows["state"] == "complete"].sort_values("seed")
    by_measure = dict(iter(complete.groupby(["split", "metric"])))
    scores: dict[str, dict[str, Any]] = {split: {} for split in REPORTED_SPLITS}
    for split in REPORTED_SPLITS:
        for metric in info.metrics:
            measured = by_measure.get((split, metric["name"]))
            if measured is None:
                continue
            summary = summarise_cells(measured, value="value").iloc[0]
            values = measured["value"].tolist()
            # A mean over some of the seeds would pass for a mean over all.
            whole = summary["n"] == len(values)
            scores[split][metric["name"]] = {
                "mean": summary["mean"] if whole else None,
                "sd": summary["sd"] if whole else None,
                "values": values,
            }
    return scores


def _provenance(
    info: SweepInfo, cell: pd.Series, rule: str, rows: pd.DataFrame, complete: pd.DataFrame
) -> dict[str, Any]:
    states = rows["state"].value_counts()
    fixed = {
        "dataset_fingerprint": info.dataset_fingerprint,
        "spec_hash": info.spec_hash,
        "counts": {name: info.features_info[name] for name in COUNTS if name in info.features_info},
        "encoder_identity": info.features_info.get("encoder"),
        "code_version": info.provenance.get("code_version"),
        "rule": rule,
        "cell_key": cell["key"],
        "training": cell["training"],
        "head": cell["head"],
        "seeds": complete["seed"].tolist(),
        "n_diverged": int(states.get("diverged", 0)),
        "n_failed": int(states.get("failed", 0)),
        "trained_at": complete["finished_at"].max(),
        "spec": None
        if is_imported(info.spec)
        else cell_spec(
            info.spec,
            sweep=info.name,
            loss=cell["loss"],
            hyperparameters=cell["hyperparameters"],
            training=cell["training"],
            head=cell["head"],
        ),
    }
    return fixed | {key: value for key, value in info.provenance.items() if key not in fixed}


def _plain(value: Any) -> Any:
    """Turn numpy and pandas values into what JSON can hold; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, pd.Timestamp):
        return value.isoformat(timespec="seconds")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

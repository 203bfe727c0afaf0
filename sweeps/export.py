"""The best cell of each sweep and loss, with its numbers, as plain data and as files."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from storage import frames
from storage.cell_scores import load_cell_scores
from storage.records import OPEN_STATES, STATES, SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.export_files import EXPORT_FORMATS, format_export, write_export
from sweeps.sensitivity.best import RULE, best_cells
from sweeps.sensitivity.summary import summarise_cells
from sweeps.wording import suggestion

__all__ = ["EXPORT_FORMATS", "export_best", "format_export", "write_export"]

REPORTED_SPLITS = ("validation", "test")
BASELINES = ("predict_all", "predict_none")

logger = logging.getLogger(__name__)


def export_best(
    store: Store,
    *,
    sweeps: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the best cell of each sweep and loss: :data:`sweeps.sensitivity.best.RULE`.

    Chosen by the sweep's objective on validation; test is reported and never looked at before.
    A loss whose every seed diverged or failed is left out, with a logged warning, and so is a
    sweep without any result, unless it was asked for by name.

    Args:
        store: an open store.
        sweeps: names of the sweeps to export; all when None.
        losses: names of the losses to export; all when None.
        datasets: names of the datasets to export; all when None.

    Returns:
        ``{"results": [...]}``, one mapping a (sweep, loss): ``sweep``, ``dataset``, ``encoder``,
        ``loss``, ``hyperparameters``, ``objective`` (``metric``, ``split``, ``threshold``),
        ``n_seeds``, ``validation`` and ``test`` (metric to ``mean``, ``sd``, ``values``; the
        values in the order of ``provenance.seeds``, the sd a sample's, None for one seed),
        ``baselines`` (``predict_all`` and ``predict_none``, split to metric to value) and
        ``provenance``. Plain Python values that JSON can hold: None where there is no number.

    Raises:
        SweepError: a name is unknown, or nothing is finished.

    Example:
        >>> store = Store.open("sqlite:///demo/sweeps.db")              # doctest: +SKIP
        >>> export_best(store)["results"][0]["hyperparameters"]         # doctest: +SKIP
        {'beta': 5.0, 'eta': 0.5, 'input': 'logits', 'reduction': 'per_class'}
    """
    names = _select_sweeps(store, sweeps, datasets)
    results: list[dict[str, Any]] = []
    known_losses: list[str] = []
    for name in names:
        cells = frames.load_cells(store, name)
        of_sweep = list(dict.fromkeys(cells.sort_values("ordinal")["loss"]))
        known_losses += of_sweep
        wanted = [loss for loss in of_sweep if losses is None or loss in losses]
        if wanted:
            chosen = cells[cells["loss"].isin(wanted)]
            results += _export_sweep(store, name, chosen, wanted, asked=sweeps is not None)
    _check_known("loss", losses, known_losses)
    if not results:
        raise SweepError(
            "There is nothing to export: no selected sweep has a finished cell. "
            "Run 'sigmoidf1 sweep run' first."
        )
    return {"results": results}


def _select_sweeps(
    store: Store, sweeps: Sequence[str] | None, datasets: Sequence[str] | None
) -> list[str]:
    stored = frames.load_sweeps(store)
    if stored.empty:
        raise SweepError(
            "There is nothing to export: the store holds no sweep. Run 'sigmoidf1 sweep run' first."
        )
    _check_known("sweep", sweeps, stored["name"])
    _check_known("dataset", datasets, stored["dataset"])
    keep = pd.Series(True, index=stored.index)
    if sweeps is not None:
        keep &= stored["name"].isin(list(sweeps))
    if datasets is not None:
        keep &= stored["dataset"].isin(list(datasets))
    return [str(name) for name in stored.loc[keep, "name"]]


def _check_known(what: str, asked: Sequence[str] | None, known: Sequence[str] | pd.Series) -> None:
    names = list(dict.fromkeys(map(str, known)))
    for name in asked or ():
        if name not in names:
            raise SweepError(f"Unknown {what} {name!r}. {suggestion(name, names)}")


def _why_empty(sweep: str, losses: Sequence[str], replicates: pd.DataFrame) -> str:
    """Say why some losses of a sweep have no best cell, from their replicates."""
    counts = replicates.loc[replicates["loss"].isin(list(losses)), "state"].value_counts()
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts.get(state))
    text = (
        f"Sweep {sweep!r} has no finished cell of {', '.join(losses)} with a complete seed "
        f"({states or 'no replicates'})."
    )
    if any(counts.get(state) for state in OPEN_STATES):
        return f"{text} Run it to its end with 'sigmoidf1 sweep run'."
    return f"{text} Widen its grid, or look at why its replicates failed."


def _export_sweep(
    store: Store, name: str, cells: pd.DataFrame, losses: Sequence[str], *, asked: bool
) -> list[dict[str, Any]]:
    info = frames.load_sweep(store, name)
    directions = {m["name"]: bool(m["higher_is_better"]) for m in info.metrics}
    replicates = frames.load_replicates(store, name, losses=list(losses))
    best = best_cells(cells, replicates, higher_is_better=directions[info.objective["metric"]])
    if best.empty and asked:
        raise SweepError(_why_empty(name, losses, replicates))
    for loss in losses:
        if loss not in best.index:
            logger.warning("%s It is left out.", _why_empty(name, [loss], replicates))
    scores = _load_scores(store, info, best["cell_id"].tolist())
    by_id = cells.set_index("cell_id")
    return [
        _result(info, loss, chosen, by_id.loc[chosen["cell_id"]], replicates, scores)
        for loss, chosen in best.iterrows()
    ]


def _result(
    info: SweepInfo,
    loss: Any,
    chosen: pd.Series,
    cell: pd.Series,
    replicates: pd.DataFrame,
    scores: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> dict[str, Any]:
    rows = replicates[replicates["cell_id"] == chosen["cell_id"]].sort_values("seed")
    complete = rows[(rows["state"] == "complete") & rows["objective"].notna()]
    result = {
        "sweep": info.name,
        "dataset": info.dataset,
        "encoder": info.encoder,
        "loss": loss,
        "hyperparameters": cell["hyperparameters"],
        "objective": {key: info.objective[key] for key in ("metric", "split", "threshold")},
        "n_seeds": len(complete),
        **{split: scores[split][chosen["cell_id"]] for split in REPORTED_SPLITS},
        "baselines": {
            name: {split: info.baselines[name][split] for split in REPORTED_SPLITS}
            for name in BASELINES
        },
        "provenance": _provenance(info, cell, chosen, complete),
    }
    return _plain(result)


def _load_scores(
    store: Store, info: SweepInfo, cell_ids: Sequence[int]
) -> dict[str, dict[int, dict[str, Any]]]:
    """Return split to cell to metric to ``mean``, ``sd``, ``values`` over complete seeds."""
    rows = load_cell_scores(store, cell_ids)
    complete = rows[rows["state"] == "complete"]
    by_measure = dict(iter(complete.groupby(["split", "metric"])))
    scores: dict[str, dict[int, dict[str, Any]]] = {}
    for split in REPORTED_SPLITS:
        scores[split] = {cell_id: {} for cell_id in cell_ids}
        for metric in info.metrics:
            measured = by_measure.get((split, metric["name"]), complete.iloc[:0])
            summary = summarise_cells(measured, value="value")
            for cell_id in summary.index:
                values = measured.loc[measured["cell_id"] == cell_id, "value"].tolist()
                # A mean over some of the seeds would pass for a mean over all.
                whole = summary.at[cell_id, "n"] == len(values)
                scores[split][cell_id][metric["name"]] = {
                    "mean": summary.at[cell_id, "mean"] if whole else None,
                    "sd": summary.at[cell_id, "sd"] if whole else None,
                    "values": values,
                }
    return scores


def _provenance(
    info: SweepInfo, cell: pd.Series, chosen: pd.Series, complete: pd.DataFrame
) -> dict[str, Any]:
    fixed = {
        "dataset_fingerprint": info.dataset_fingerprint,
        "spec_hash": info.spec_hash,
        "code_version": info.provenance.get("code_version"),
        "rule": RULE,
        "cell_key": cell["key"],
        "training": cell["training"],
        "head": cell["head"],
        "seeds": complete["seed"].tolist(),
        "n_diverged": chosen["n_diverged"],
        "n_failed": chosen["n_failed"],
        "trained_at": complete["finished_at"].max(),
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

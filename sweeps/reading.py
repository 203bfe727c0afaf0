"""What the listings of the command line show, as plain, JSON-safe values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from storage.frames import load_replicates, load_sweep, load_sweeps
from storage.records import SweepInfo
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.imported import is_imported

if TYPE_CHECKING:  # a plan needs the losses, and they PyTorch; the dashboard reads without
    from sweeps.plan import Plan


@contextmanager
def _opened(store: Store | str) -> Iterator[Store]:
    """An open store as it is; a URL's, for reading only, until the block ends."""
    if isinstance(store, Store):
        yield store
        return
    with Store.open(store, create=False, read_only=True) as opened:
        yield opened


def plan_rows(plan: Plan) -> list[dict[str, Any]]:
    """One row a loss of a plan: sweep, loss, cells, replicates, axes (name to values), ranges.

    An axis named in ``ranges`` is one that a sampler draws from: its values are the two ends.
    """
    return [
        {
            "sweep": plan.sweep,
            "loss": part.loss,
            "cells": part.n_cells,
            "replicates": part.n_cells * len(plan.seeds),
            "axes": {axis: list(values) for axis, values in part.axes.items()},
            "ranges": sorted(part.ranges),
        }
        for part in plan.losses.values()
    ]


def sweep_rows(store: Store | str) -> list[dict[str, Any]]:
    """One row a sweep of the store, with the number of replicates in each state.

    Raises:
        StoreError: the store cannot be read.
    """
    with _opened(store) as opened:
        return listed_sweeps(load_sweeps(opened))


def listed_sweeps(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of :func:`sweep_rows` of what :func:`storage.frames.load_sweeps` returns."""
    return [
        {
            "sweep": row["name"],
            "dataset": row["dataset"],
            "encoder": row["encoder"],
            "cells": int(row["n_cells"]),
            "replicates": int(row["n_replicates"]),
            **{state: int(row[state]) for state in ("complete", "diverged", "failed", "pruned")},
            "open": int(row["waiting"] + row["running"]),
            "created_at": row["created_at"].isoformat(timespec="seconds"),
            "updated_at": row["updated_at"].isoformat(timespec="seconds"),
        }
        for row in frame.to_dict("records")
    ]


def sweep_details(store: Store | str, name: str) -> dict[str, Any]:
    """One sweep: spec, data, counts, objective, provenance, and the best cell of each loss.

    Raises:
        StoreError: the store cannot be read or holds no such sweep.
    """
    with _opened(store) as opened:
        info = load_sweep(opened, name)
        counts = opened.counts(info.sweep_id)
        frame = load_sweeps(opened)
        seeds = _n_seeds(opened, info)
    cells = int(frame.loc[frame["name"] == name, "n_cells"].iloc[0])
    return {
        "sweep": info.name,
        "dataset": info.dataset,
        "encoder": info.encoder,
        "cells": cells,
        "seeds": seeds,
        "counts": counts,
        "objective": dict(info.objective),
        "data": dict(info.features_info),
        "spec": dict(info.spec),
        "provenance": dict(info.provenance),
        "best": best_rows(store, name),
        **_choices(store, name),
    }


def _n_seeds(store: Store, info: SweepInfo) -> int:
    if is_imported(info.spec):
        return int(load_replicates(store, info.name)["seed"].nunique())
    return len(info.spec["seeds"])


def _choices(store: Store | str, name: str) -> dict[str, Any]:
    """How cells were chosen: sampler, cells stopped before their time, and the Pareto set."""
    from storage.outcomes import load_outcomes
    from sweeps.samplers.pareto import pareto_cells

    with _opened(store) as opened:
        info = load_sweep(opened, name)
        sampler = info.spec.get("sampler", {"name": "grid"})
        stopped = {"pruned": 0, "raced_out": 0}
        if "halving" in info.spec or "racing" in info.spec:
            for outcome in load_outcomes(opened, info.sweep_id):
                if outcome.status in stopped:
                    stopped[outcome.status] += 1
        return {"sampler": sampler, "stopped": stopped, "pareto": pareto_cells(opened, name)}


def best_rows(store: Store | str, name: str) -> list[dict[str, Any]]:
    """One row a loss with a finished cell: its best by validation objective, and that on test.

    ``chosen`` holds the settings that make the cell this one: the hyperparameters that the spec
    gives, and the settings of training and head that are axes of the grid.

    Raises:
        StoreError: the store cannot be read or holds no such sweep.
    """
    from sweeps.export import export_best

    with _opened(store) as opened:
        spec = load_sweep(opened, name).spec
        try:
            results = export_best(opened, sweeps=[name])["results"]
        except SweepError:  # no loss has a finished cell yet
            return []
    rows = []
    for result in results:
        metric = result["objective"]["metric"]
        nothing = {"mean": None, "sd": None}  # an imported sweep need not have a test split
        test = result["test"].get(metric, nothing)
        validation = result["validation"].get(metric, nothing)
        constant = result["baselines"].get("predict_all", {}).get("test", {})
        rows.append(
            {
                "sweep": name,
                "loss": result["loss"],
                "hyperparameters": result["hyperparameters"],
                "chosen": _chosen(result, spec),
                "n_seeds": result["n_seeds"],
                "metric": metric,
                "threshold": result["objective"]["threshold"],
                "validation": validation["mean"],
                "validation_sd": validation["sd"],
                "test": test["mean"],
                "test_sd": test["sd"],
                "predict_all": constant.get(metric),
            }
        )
    return rows


def _chosen(result: dict[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    if is_imported(spec):
        return dict(result["hyperparameters"])
    given = spec["losses"][result["loss"]]
    chosen = {k: v for k, v in result["hyperparameters"].items() if k in given or "preset" in given}
    for section in ("training", "head"):
        values = result["provenance"][section]
        axes = [key for key, written in spec[section].items() if isinstance(written, dict)]
        chosen |= {key: values[key] for key in axes if key in values}
    return chosen

"""Taking in what other tools have found: a table of results, or an Optuna study."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storage.errors import RecordError
from storage.imported_results import ImportReport, take_results
from storage.records import SPLITS, SweepRecord
from storage.schema import dump_json

if TYPE_CHECKING:
    import pandas as pd

    from storage.store import Store


def import_results(
    store: Store,
    name: str,
    frame: pd.DataFrame,
    *,
    value: str,
    metrics: Mapping[str, tuple[str, str]] | None = None,
    parameters: Sequence[str] | None = None,
    loss: str = "imported",
    split: str = "validation",
    higher_is_better: bool = True,
    dataset: str = "imported",
    source: str = "a table",
) -> ImportReport:
    """Import a table of results, a row a run, as a sweep of its own.

    Columns called `seed`, `loss` and `state` are what they are called, if they are there:
    without seeds every row is another setting, without losses all are of `loss`, and without
    states a row with a value is complete and one without has failed. States of Optuna
    (COMPLETE, PRUNED, FAIL) are understood; WAITING and RUNNING rows are skipped.

    Args:
        store: the store, open for writing.
        name: the sweep's name; an imported sweep of this name gets what it lacks.
        frame: the table.
        value: the column of the objective, whose name is the metric's.
        metrics: further columns -> (split, metric).
        parameters: the columns of the setting; None for all that are nothing else. A missing
            value means that the setting is not of that run's loss.
        loss: the loss, where no column says.
        split: the split on which the objective was measured.
        higher_is_better: whether more of the objective is better.
        dataset: the dataset's name.
        source: where the table is from, for the sweep's provenance.

    Returns:
        What was taken.

    Raises:
        RecordError: a column is missing, a value is no number, a state is unknown, or a setting
            has one seed twice.
        SweepChangedError: the stored sweep of this name is another one.
    """
    from storage.imported_tables import read_table

    results, skipped = read_table(
        frame, value=value, metrics=metrics or {}, parameters=parameters, loss=loss, split=split
    )
    record = _sweep(
        name,
        {"split": split, "metric": value, "higher_is_better": higher_is_better},
        list((metrics or {}).values()),
        dataset=dataset,
        source={"kind": "table", "source": source},
    )
    return take_results(store, record, results, skipped)


def import_study(
    store: Store,
    name: str,
    study_url: str,
    study_name: str,
    *,
    objective: int = 0,
    loss: str = "imported",
    split: str = "validation",
    dataset: str = "imported",
) -> ImportReport:
    """Import an Optuna study as a sweep of its own.

    A trial is a replicate, its parameters are the cell. A parameter or user attribute called
    `seed` is the seed; without one the trials of one setting are numbered. A parameter or user
    attribute called `loss` is the loss. Intermediate values become the curve.

    Args:
        store: the store, open for writing.
        name: the sweep's name; an imported sweep of this name gets what it lacks.
        study_url: the study's storage, as Optuna takes it; it is only read.
        study_name: the study.
        objective: which of a study's several objectives is the sweep's; the others are kept as
            metrics.
        loss: the loss, where no trial says.
        split: the split on which the objective was measured.
        dataset: the dataset's name.

    Returns:
        What was taken.

    Raises:
        StoreError: the storage cannot be read; passwords are masked.
        RecordError: there is no such study or objective, or a setting has one seed twice.
        SweepChangedError: the stored sweep of this name is another one.
    """
    from storage.imported_studies import read_study

    study = read_study(study_url, study_name, objective=objective, loss=loss, split=split)
    source = {"kind": "optuna", "source": study.source, "study": study_name}
    record = _sweep(name, study.objective, study.others, dataset=dataset, source=source)
    return take_results(store, record, study.results, study.skipped)


def _sweep(
    name: str,
    objective: Mapping[str, Any],
    others: Sequence[tuple[str, str]],
    *,
    dataset: str,
    source: Mapping[str, Any],
) -> SweepRecord:
    if objective["split"] not in SPLITS:
        raise RecordError(f"A split is one of {SPLITS}, but got {objective['split']!r}.")
    kept = {"thresholded": False, "curve": False}
    better = bool(objective["higher_is_better"])
    metrics = {
        objective["metric"]: {"name": objective["metric"], "higher_is_better": better, **kept}
    }
    for _, metric in others:
        metrics.setdefault(metric, {"name": metric, "higher_is_better": better, **kept})
    # No threshold is known; 0.5 stands where readers need one, and no metric depends on it.
    goal = {"metric": objective["metric"], "split": objective["split"], "threshold": 0.5}
    return SweepRecord(
        name=name,
        spec={"sweep": name, "imported": dict(source)},
        spec_hash=hashlib.sha256(dump_json(dict(source)).encode()).hexdigest(),
        identity={"imported": dict(source), "objective": goal, "dataset": dataset},
        dataset=dataset,
        encoder="unknown",
        dataset_fingerprint="unknown",
        features_info={},
        objective=goal,
        metrics=list(metrics.values()),
        thresholds=[0.5],
        provenance={"imported": {**source, "at": datetime.now(UTC).isoformat(timespec="seconds")}},
    )

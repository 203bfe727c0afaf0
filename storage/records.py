"""Records that cross the store's border: plain data, free of the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

STATES = ("waiting", "running", "complete", "diverged", "failed", "pruned")
OPEN_STATES = ("waiting", "running")
FINISHED_STATES = ("complete", "diverged", "failed", "pruned")
SPLITS = ("train", "validation", "test")

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """A sweep as the store keeps it; every mapping holds what JSON can hold.

    Attributes:
        name: the sweep's name, unique in the store, at most 200 characters.
        spec: the spec as resolved for this run.
        spec_hash: hash of the spec.
        identity: everything that must not change under one name.
        dataset: name of the dataset.
        encoder: name of the encoder.
        dataset_fingerprint: content hash of the dataset.
        features_info: sizes and labels (`n_train`, `dim`, `labels`, positives per split, …).
        objective: `{"metric", "split", "threshold"}`.
        metrics: one `{"name", "higher_is_better", "thresholded", "curve"}` per kept metric.
        thresholds: the thresholds of the slices, increasing, in [0, 1].
        baselines: `{"predict_all": {split: {metric: value}}, "predict_none": …}`.
        provenance: versions, host, time: what a reader needs to believe the numbers.
    """

    name: str
    spec: Mapping[str, Any]
    spec_hash: str
    identity: Mapping[str, Any]
    dataset: str
    encoder: str
    dataset_fingerprint: str
    features_info: Mapping[str, Any]
    objective: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    thresholds: Sequence[float]
    baselines: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SweepInfo(SweepRecord):
    """A stored sweep: its record, its id, and when it was created and last updated (UTC)."""

    sweep_id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """One complete setting of a sweep, seeds apart.

    Attributes:
        key: hash of the setting, unique in the sweep, at most 128 characters.
        loss: name of the loss.
        hyperparameters: the loss's hyperparameters, defaults filled in.
        training: epochs, batch size, learning rate, …
        head: the head's settings.
        ordinal: place of the cell in the plan.
        parameters: what Optuna sees: the axes of the sweep and this cell's values on them.
    """

    key: str
    loss: str
    hyperparameters: Mapping[str, Any]
    training: Mapping[str, Any]
    head: Mapping[str, Any]
    ordinal: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PackResult:
    """The results of R replicates trained together.

    Attributes:
        replicate_ids: (R,) ids of the replicates.
        states: (R,) each "complete", "diverged", "failed" or "pruned".
        reasons: (R,) why it diverged or failed, else None.
        objective: (R,) the objective; kept for complete replicates, ignored for the others.
        scores: (split, metric) -> (R,) at the objective's threshold, kept in float64.
        slices: (split, metric) -> (R, T) in [0, 1] or NaN, one column per kept threshold,
            kept in 16-bit fixed point.
        curves: name -> (E, R), kept in float32.
        curve_epochs: (E,) the epochs of the curves, from 1.
        diagnostics: name -> (R,) one number per replicate, kept in float64.
        started_at: aware time at which training began.
        finished_at: aware time at which evaluation ended.
        duration_s: seconds of work on the pack.
        worker: who trained it (host, process, device).
    """

    replicate_ids: Sequence[int] | npt.NDArray[np.integer[Any]]
    states: Sequence[str]
    reasons: Sequence[str | None]
    objective: FloatArray
    scores: Mapping[tuple[str, str], FloatArray]
    slices: Mapping[tuple[str, str], FloatArray]
    curves: Mapping[str, FloatArray]
    curve_epochs: Sequence[int] | npt.NDArray[np.integer[Any]]
    diagnostics: Mapping[str, FloatArray]
    started_at: datetime
    finished_at: datetime
    duration_s: float
    worker: str

    def without(self, replicate_ids: Iterable[int]) -> PackResult:
        """The same pack without some replicates, for instance those whose lease was lost.

        Args:
            replicate_ids: ids to leave out; ids that are not in the pack are ignored.

        Returns:
            A pack of the remaining replicates, in the same order.
        """
        dropped = set(replicate_ids)
        ids = [int(i) for i in self.replicate_ids]
        kept = [position for position, i in enumerate(ids) if i not in dropped]
        return replace(
            self,
            replicate_ids=[ids[k] for k in kept],
            states=[self.states[k] for k in kept],
            reasons=[self.reasons[k] for k in kept],
            objective=np.asarray(self.objective)[kept],
            scores={key: np.asarray(values)[kept] for key, values in self.scores.items()},
            slices={key: np.asarray(values)[kept] for key, values in self.slices.items()},
            curves={key: np.asarray(values)[:, kept] for key, values in self.curves.items()},
            diagnostics={key: np.asarray(v)[kept] for key, v in self.diagnostics.items()},
        )


class PlanCounts(NamedTuple):
    """What a plan found and did, in replicates: `total = done + open`."""

    total: int
    added: int
    removed: int
    done: int
    open: int


class OpenReplicate(NamedTuple):
    """A replicate that may be claimed."""

    replicate_id: int
    cell_key: str
    seed: int


RUN_OUTCOMES = ("finished", "interrupted", "stopped", "failed")
STOPS = ("finish", "abandon")
CELL_STATUSES = ("pruned", "raced_out")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of a sweep: a process that claims replicates under one owner's name.

    Attributes:
        run_id: its id.
        sweep_id: the sweep.
        owner: the owner of its leases.
        host: the machine of its driver.
        pid: the driver's process id there.
        workers: packs that it runs at once, at most.
        started_at: when it began (UTC).
        heartbeat_at: when it last said that it is alive (UTC).
        ended_at: when it ended; None while it runs, and for ever if it was killed.
        outcome: how it ended, one of `RUN_OUTCOMES`.
        stop: what it was asked to do with its running packs, one of `STOPS`; None is nothing.
        live: it has not ended, and its last heartbeat is recent.
    """

    run_id: int
    sweep_id: int
    owner: str
    host: str
    pid: int
    workers: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    outcome: str | None
    stop: str | None
    live: bool


@dataclass(frozen=True, kw_only=True)
class KeptRecord:
    """A file with the weights and scores of one replicate.

    Attributes:
        replicate_id: the replicate.
        path: the file, relative to the store's kept folder, with "/" between its parts.
        sha256: checksum of the file's bytes, 64 hexadecimal digits.
        size_bytes: size of the file.
    """

    replicate_id: int
    path: str
    sha256: str
    size_bytes: int

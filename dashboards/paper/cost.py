"""Table 6: what training cost the paper, and what it costs here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboards.paper.protocol import Difference, protocol_differences, setting_values
from dashboards.paper_numbers import PaperDataset, paper_minutes, paper_protocol
from dashboards.source import Source
from storage import frames

_MINUTE = 60.0
_ALIKE = 0.1  # share by which the number of examples may differ


class LossCost(NamedTuple):
    """The minutes of one loss.

    Attributes:
        loss: its name.
        printed: the paper's minutes; NaN where it prints none.
        one: ours for one replicate, training and evaluation alone: its share of its packs.
        several: the same for as many replicates as the paper has seeds.
        end_to_end: that, and the embedding of the whole dataset, which all losses share.
        replicates: finished replicates that the mean is over.
    """

    loss: str
    printed: float
    one: float
    several: float
    end_to_end: float
    replicates: int


class SweepCost(NamedTuple):
    """The minutes of one dataset, ours beside the paper's.

    Attributes:
        dataset: the paper's dataset.
        sweep: the sweep beside it; None where the store has none.
        rows: one a loss of the paper.
        n_seeds: replicates of ``several``: the paper's number of seeds.
        embedding: minutes of embedding the dataset once; NaN where it was not recorded.
        wall: minutes in which at least one pack of a finished replicate was training.
        replicates: finished replicates of the whole sweep.
        epochs: of each.
        machine: what ran it, in words.
        differences: what the sweep does otherwise than the paper.
        comparable: it has the paper's epochs and, within a tenth, its examples.
    """

    dataset: PaperDataset
    sweep: str | None
    rows: tuple[LossCost, ...]
    n_seeds: int
    embedding: float
    wall: float
    replicates: int
    epochs: str
    machine: str
    differences: tuple[Difference, ...]
    comparable: bool


def sweep_cost(source: Source, dataset: PaperDataset, sweep: str | None) -> SweepCost:
    """Return what a sweep cost, loss by loss, from its recorded packs and runs.

    A replicate's time is its share of its pack: the pack's time over the number of its heads,
    which train side by side on one worker. A head alone takes longer than its share. Times of a
    machine that other programs used meanwhile are too long.

    Args:
        source: where the times are read.
        dataset: the paper's dataset.
        sweep: the sweep that stands for it; None for none.

    Source: Bénédict et al. (2022), Table 6.
    """
    protocol, printed = paper_protocol(), paper_minutes(dataset.name)
    if sweep is None:
        rows = tuple(
            LossCost(loss, printed.get(loss, math.nan), math.nan, math.nan, math.nan, 0)
            for loss in protocol.losses
        )
        nan = math.nan
        return SweepCost(dataset, None, rows, protocol.seeds, nan, nan, 0, "", "", (), False)
    info = source.sweep(sweep)
    replicates = source.replicates(sweep)
    finished = replicates[replicates["pack_id"].notna()]
    share = _shares(finished)
    seconds = info.provenance.get("embedding_s")
    embedding = math.nan if seconds is None else float(seconds) / _MINUTE
    rows = tuple(
        _cost_of(loss, printed, share[finished["loss"] == loss], protocol.seeds, embedding)
        for loss in protocol.losses
    )
    epochs = _epochs(info.spec.get("training", {}).get("epochs", "?"))
    runs = source.ask(sweep, ("runs",), lambda store: frames.load_runs(store, sweep))
    return SweepCost(
        dataset=dataset,
        sweep=sweep,
        rows=rows,
        n_seeds=protocol.seeds,
        embedding=embedding,
        wall=wall_minutes(finished),
        replicates=len(finished),
        epochs=epochs,
        machine=machine_words(info.provenance, runs, finished),
        differences=protocol_differences(info, dataset, source.losses(sweep)),
        comparable=epochs == str(dataset.epochs)
        and abs(int(info.features_info.get("n_examples", 0)) / dataset.examples - 1) < _ALIKE,
    )


def _cost_of(
    loss: str, printed: Mapping[str, float], share: pd.Series[Any], n: int, embedding: float
) -> LossCost:
    one = float(share.mean()) / _MINUTE if len(share) else math.nan
    return LossCost(
        loss, printed.get(loss, math.nan), one, n * one, n * one + embedding, len(share)
    )


def _shares(finished: pd.DataFrame) -> pd.Series[Any]:
    """Seconds of each replicate: its pack's over the pack's heads."""
    duration = (finished["finished_at"] - finished["started_at"]).dt.total_seconds()
    heads = finished.groupby("pack_id")["pack_id"].transform("size")
    return duration / heads.astype(float)


def wall_minutes(finished: pd.DataFrame) -> float:
    """Return the minutes that packs cover together: overlaps count once, pauses not at all.

    Args:
        finished: ``started_at`` and ``finished_at`` of each finished replicate's pack.
    """
    if finished.empty:
        return math.nan
    packs = finished[["started_at", "finished_at"]].drop_duplicates().sort_values("started_at")
    before = packs["finished_at"].cummax().shift()
    start = packs["started_at"].where(~(before > packs["started_at"]), before)
    spans = (packs["finished_at"] - start).dt.total_seconds().clip(lower=0.0)
    return float(spans.sum()) / _MINUTE


def _epochs(written: Any) -> str:
    between = " to " if isinstance(written, Mapping) and "range" in written else ", "
    return between.join(str(value) for value in setting_values(written))


def machine_words(provenance: Mapping[str, Any], runs: pd.DataFrame, finished: pd.DataFrame) -> str:
    """Name the machine of a sweep: processor, cores and GPUs of its first run, its hosts, workers.

    Example:
        >>> none = pd.DataFrame({"host": [], "workers": [], "worker": []})
        >>> machine_words({"machine": {"processor": "EPYC", "cores": 2, "gpus": []}}, none, none)
        'EPYC, 2 cores'
    """
    machine = provenance.get("machine")
    parts = []
    if machine:
        cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}"
        gpus = list(machine.get("gpus", ()))
        parts = [", ".join([machine["processor"], cores, *gpus])]
    hosts = sorted({str(worker).split("/")[0] for worker in finished["worker"].dropna()})
    if len(hosts) > 1:
        parts.append(f"packs on {len(hosts)} hosts")
    workers = np.asarray(runs["workers"])
    if len(workers):
        most = int(workers.max())
        parts.append(f"{most} worker{'s' if most != 1 else ''} at once")
    return "; ".join(parts) or "not recorded"

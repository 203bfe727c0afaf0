"""Finished cells as Optuna trials: parameters, values, attributes, times and mean curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from storage import codec
from storage.leases import is_open
from storage.schema import cells, curves, packs, replicates

OBJECTIVE_CURVE = "objective"

_BATCH = 1_000


@dataclass(frozen=True)
class FinishedCell:
    """A cell all of whose replicates have finished; sequences are by seed."""

    key: str
    loss: str
    parameters: Mapping[str, Any]
    seeds: Sequence[int]
    states: Sequence[str]
    objectives: Sequence[float | None]
    places: Sequence[tuple[int, int]]
    started_at: datetime
    finished_at: datetime

    @property
    def outcome(self) -> dict[str, Any]:
        """What a trial of this cell is compared by: its seeds, states and values."""
        return {
            "seeds": list(self.seeds),
            "states": list(self.states),
            "values": list(self.objectives),
        }

    @property
    def curve_places(self) -> list[tuple[int, int]]:
        """Pack and place in it of the complete replicates; without one, of the pruned ones."""
        pairs = list(zip(self.states, self.places, strict=True))
        complete = [place for state, place in pairs if state == "complete"]
        return complete or [place for state, place in pairs if state == "pruned"]


def finished_cells(connection: sa.Connection, sweep_id: int) -> list[FinishedCell]:
    """The cells of a sweep that have replicates, none of them open, in the plan's order."""
    r, c, p = replicates.c, cells.c, packs.c
    unfinished = sa.select(r.cell_id).where(r.sweep_id == sweep_id, is_open())
    rows = connection.execute(
        sa.select(
            r.cell_id, r.seed, r.state, r.objective, r.pack_id, r.pack_index,
            p.started_at, p.finished_at,
        )
        .join(packs, p.id == r.pack_id)
        .where(r.sweep_id == sweep_id, r.cell_id.not_in(unfinished))
        .order_by(r.cell_id, r.seed)
    )  # fmt: skip
    by_cell: dict[int, list[Any]] = {}
    for row in rows:
        by_cell.setdefault(row.cell_id, []).append(row)
    settings = connection.execute(
        sa.select(c.id, c.key, c.loss, c.parameters)
        .where(c.sweep_id == sweep_id)
        .order_by(c.ordinal, c.id)
    )
    found = []
    for cell_id, key, loss, parameters in settings:
        own = by_cell.get(cell_id)
        if own is None:
            continue
        found.append(
            FinishedCell(
                key=key,
                loss=loss,
                parameters=parameters,
                seeds=[row.seed for row in own],
                states=[row.state for row in own],
                objectives=[row.objective for row in own],
                places=[(row.pack_id, row.pack_index) for row in own],
                started_at=min(row.started_at or row.finished_at for row in own),
                finished_at=max(row.finished_at for row in own),
            )
        )
    return found


def mean_curves(
    connection: sa.Connection, finished: Iterable[FinishedCell]
) -> dict[str, dict[int, float]]:
    """Cell key -> epoch -> mean of the objective over the replicates of `curve_places`.

    Epochs that a pruned replicate did not reach are left out.
    """
    wanted = list(finished)
    pack_ids = sorted({pack for cell in wanted for pack, _ in cell.curve_places})
    decoded: dict[int, tuple[list[int], Any]] = {}
    for start in range(0, len(pack_ids), _BATCH):
        query = (
            sa.select(packs.c.id, packs.c.curve_epochs, packs.c.n_replicates, curves.c.data)
            .join(curves, curves.c.pack_id == packs.c.id)
            .where(curves.c.name == OBJECTIVE_CURVE)
            .where(packs.c.id.in_(pack_ids[start : start + _BATCH]))
        )
        for pack_id, epochs, size, data in connection.execute(query):
            decoded[pack_id] = (epochs, codec.decode_curve(data, (len(epochs), size)))
    means: dict[str, dict[int, float]] = {}
    for cell in wanted:
        own = [(decoded[pack], index) for pack, index in cell.curve_places if pack in decoded]
        epochs = own[0][0][0] if own else []
        if not own or any(curve[0] != epochs for curve, _ in own):
            continue
        columns = [curve[1][:, index].astype(np.float64) for curve, index in own]
        mean = np.mean(columns, axis=0)
        reached = ~np.isnan(mean) if "complete" not in cell.states else np.ones(len(mean), bool)
        steps = zip(epochs, mean.tolist(), reached.tolist(), strict=True)
        means[cell.key] = {epoch: value for epoch, value, known in steps if known}
    return means


def make_trial(
    cell: FinishedCell,
    distributions: Mapping[str, BaseDistribution],
    curve: Mapping[int, float],
) -> FrozenTrial:
    """The trial of a finished cell.

    Its value is the mean of the objective over the complete seeds. Without one, or if the
    mean is not a number, the trial has failed: Optuna keeps no NaN. A cell without complete
    seeds, some of them pruned, is a pruned trial.

    Args:
        cell: the cell.
        distributions: of each of the cell's parameters.
        curve: epoch -> mean objective, for the intermediate values.

    Returns:
        A trial without a number, to be added to a study.
    """
    pairs = zip(cell.states, cell.objectives, strict=True)
    values = [np.nan if v is None else v for state, v in pairs if state == "complete"]
    value = float(np.mean(values)) if values else np.nan
    succeeded = not np.isnan(value)
    pruned = not values and "pruned" in cell.states
    state = TrialState.COMPLETE if succeeded else TrialState.FAIL
    has_sd = len(values) > 1 and np.isfinite(values).all()
    sd = float(np.std(values, ddof=1)) if has_sd else None
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.PRUNED if pruned else state,
        value=value if succeeded else None,
        datetime_start=cell.started_at,
        datetime_complete=cell.finished_at,
        params=dict(cell.parameters),
        distributions={name: distributions[name] for name in cell.parameters},
        user_attrs={"cell_key": cell.key, "n_seeds": len(values), "sd": sd, **cell.outcome},
        system_attrs={},
        intermediate_values=dict(curve) if succeeded or pruned else {},
    )


def widen(distribution: BaseDistribution | None, values: Sequence[Any]) -> BaseDistribution:
    """The distribution, made wide enough for values of an earlier plan.

    Args:
        distribution: of the present plan; None if the parameter is not part of it.
        values: the parameter's values in the finished cells.

    Returns:
        The same distribution if it holds all the values, else a wider one of its kind; a
        categorical one if some values are not numbers.
    """
    if isinstance(distribution, CategoricalDistribution):
        choices = list(distribution.choices)
    else:
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) == len(values):
            return _widen_range(distribution, numbers)
        choices = []
    added = [v for k, v in enumerate(values) if v not in choices and v not in values[:k]]
    if isinstance(distribution, CategoricalDistribution) and not added:
        return distribution
    return CategoricalDistribution(choices + added)


def _widen_range(
    distribution: BaseDistribution | None, numbers: Sequence[float]
) -> BaseDistribution:
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return FloatDistribution(min(numbers), max(numbers))
    low, high = min(distribution.low, *numbers), max(distribution.high, *numbers)
    is_int = isinstance(distribution, IntDistribution)
    stays_int = is_int and all(number == int(number) for number in numbers)
    if (low, high) == (distribution.low, distribution.high) and stays_int == is_int:
        step = distribution.step
        if not step or all(_on_grid((v - low) / step) for v in numbers):
            return distribution
    log = distribution.log and low > 0
    if stays_int:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def _on_grid(steps: float) -> bool:
    return abs(steps - round(steps)) < 1e-8

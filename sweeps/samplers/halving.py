"""Successive halving inside a pack: an Optuna pruner says which cells of a bracket go on.

The cells of a bracket, with all their seeds, are in one pack and reach every rung together. So a
decision depends on them alone: not on the machine, the number of workers or what was killed when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.packs import PackTask
from sweeps.samplers.quiet import quiet_optuna
from sweeps.samplers.sections import HalvingSpec


def pruning(
    task: PackTask, claimed: set[int], halving: Mapping[str, Any] | None, *, maximize: bool
) -> dict[str, Any]:
    """Return what the trainer of a pack is told to prune: ``rungs`` and ``prune``, or nothing.

    Args:
        task: the pack.
        claimed: ids of the replicates that are trained.
        halving: the normalised ``halving`` section; None without.
        maximize: whether a larger objective is better.
    """
    if halving is None or not task.brackets:
        return {}
    cells = [cell for replicate, cell, _ in task.replicates if replicate in claimed]
    rungs = HalvingSpec(**halving).rungs(int(task.settings["epochs"]))
    if not rungs or all(task.brackets[cell] < 0 for cell in cells):
        return {}
    pruner = BracketPruner(halving, maximize=maximize, cells=cells, brackets=task.brackets)
    return {"rungs": rungs, "prune": pruner}


class BracketPruner:
    """Decides at each rung which heads of a pack stop.

    Args:
        halving: the normalised ``halving`` section.
        maximize: whether a larger objective is better.
        cells: (R,) the cell of each head that is trained.
        brackets: cell to its bracket; cells with a negative one are not judged.
    """

    def __init__(
        self,
        halving: Mapping[str, Any],
        *,
        maximize: bool,
        cells: Sequence[int],
        brackets: Sequence[int],
    ) -> None:
        self._spec = HalvingSpec(**halving)
        self._direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._cells = np.asarray(cells)
        judged = sorted({int(cell) for cell in cells if brackets[cell] >= 0})
        self._brackets: dict[int, list[int]] = {}
        for cell in judged:
            self._brackets.setdefault(brackets[cell], []).append(cell)
        self._rung = 0

    def __call__(self, epoch: int, objective: np.ndarray) -> np.ndarray:
        """Return which heads stop now.

        Args:
            epoch: the rung's epoch; each call is one rung further.
            objective: (R,) of each head; NaN where it diverged or was stopped before.

        Returns:
            (R,) booleans: all seeds of the cells whose mean over seeds is not among the best.
        """
        stopped = np.zeros(len(self._cells), bool)
        for cells in self._brackets.values():
            means = {cell: self._mean(cell, objective) for cell in cells}
            alive = {cell: mean for cell, mean in means.items() if mean is not None}
            for cell in alive:
                if self._lags(cell, alive, epoch):
                    stopped |= self._cells == cell
        self._rung += 1
        return stopped

    def _mean(self, cell: int, objective: np.ndarray) -> float | None:
        own = objective[self._cells == cell]
        own = own[np.isfinite(own)]
        return float(own.mean()) if len(own) else None

    def _lags(self, cell: int, alive: Mapping[int, float], epoch: int) -> bool:
        with quiet_optuna():
            study = optuna.create_study(direction=self._direction, pruner=self._pruner())
            for other, value in alive.items():
                study.add_trial(self._trial(value, epoch, own=other == cell))
            own = study.get_trials(deepcopy=False)[list(alive).index(cell)]
            return bool(study.pruner.prune(study, own))

    def _pruner(self) -> BasePruner:
        if self._spec.pruner == "median":
            return MedianPruner(n_startup_trials=1, n_warmup_steps=0)
        return SuccessiveHalvingPruner(
            min_resource=self._spec.min_epochs, reduction_factor=self._spec.factor
        )

    def _trial(self, value: float, epoch: int, *, own: bool) -> FrozenTrial:
        """A rival has reached this rung; the cell in question is about to."""
        rungs = self._rung if own else self._rung + 1
        return create_trial(
            state=TrialState.RUNNING if own else TrialState.COMPLETE,
            value=None if own else value,
            intermediate_values={epoch: value},
            # The record that Optuna's successive halving keeps of a trial's rungs.
            system_attrs={f"completed_rung_{rung}": value for rung in range(rungs)},
        )

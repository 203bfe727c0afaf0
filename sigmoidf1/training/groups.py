"""Groups of replicates that train together, halved where memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from sigmoidf1.training.engine import HeadHistory, SeedTraining
from sigmoidf1.training.memory import is_out_of_memory
from sigmoidf1.training.pack import Pack
from sigmoidf1.training.products import Products


@dataclass
class _Part:
    """Heads of a group that train side by side.

    Attributes:
        members: the replicates that were not pruned.
        slots: heads of a tile.
        reached: the epoch at which the members were last paused.
        stopping: members to prune there, with their objective.
        pruned: heads that were pruned and wait to be evaluated.
        training: the members; None until they start.
        told: head-epochs of the members that were reported.
    """

    members: list[int]
    slots: int
    reached: int = 0
    stopping: dict[int, float] = field(default_factory=dict)
    pruned: dict[int, HeadHistory] = field(default_factory=dict)
    training: SeedTraining | None = None
    told: int = 0


class HeadGroup:
    """Replicates of one seed that train together on one device.

    Where memory runs out, they start again in two halves, one after the other, on a GPU in
    narrower tiles.

    Args:
        members: the replicates.
        on_epoch: called with head-epochs done.
    """

    def __init__(self, members: Sequence[int], on_epoch: Callable[[int], None]) -> None:
        self._members = list(members)
        self._on_epoch = on_epoch
        self._pack: Pack | None = None
        self._parts: list[_Part] = []

    def advance(self, epoch: int, pack: Pack) -> dict[int, float]:
        """Train all heads up to an epoch; at the last one, evaluate and record them.

        Args:
            epoch: counted from 1.
            pack: the heads on the device that has time for them; a group stays where it started.

        Returns:
            The objective of every head that was not pruned, NaN where it has diverged; nothing at
            the last epoch.
        """
        if self._pack is None:
            self._pack, self._parts = pack, [_Part(self._members, pack.slots)]
        pack = self._pack
        objectives: dict[int, float] = {}
        waiting, self._parts = self._parts, []
        with Products(pack.settings.precision).block(pack.device):
            while waiting:
                part = waiting.pop(0)
                found = self._try(part, epoch, pack)
                if found is None:
                    waiting[:0] = self._halves(part, pack)
                    continue
                objectives.update(found)
                if part.members:
                    self._parts.append(part)
        return objectives

    def prune(self, stopped: np.ndarray, objective: np.ndarray) -> None:
        """Stop heads at the epoch that was reached; they are evaluated when training goes on.

        Args:
            stopped: (R,) whether to stop a replicate; those that no longer train are left alone.
            objective: (R,) the objective at this epoch.
        """
        for part in self._parts:
            part.stopping = {m: float(objective[m]) for m in part.members if stopped[m]}

    def _try(self, part: _Part, epoch: int, pack: Pack) -> dict[int, float] | None:
        """The objectives of a part that was advanced; None where memory did not suffice."""
        try:
            return self._run(part, epoch, pack)
        except Exception as error:
            if not is_out_of_memory(error) or len(part.members) <= 1:
                raise
        return None

    def _run(self, part: _Part, epoch: int, pack: Pack) -> dict[int, float]:
        def tell(head_epochs: int) -> None:
            part.told += head_epochs
            self._on_epoch(head_epochs)

        training = part.training = part.training or pack.start(part.members, part.slots, tell)
        training.advance(part.reached)
        if part.stopping:
            pruned = training.prune(part.stopping)
            part.pruned.update(pruned)
            part.members = [member for member in part.members if member not in pruned]
            part.stopping = {}
            part.told -= len(pruned) * pack.settings.epochs
        if part.pruned:
            pack.record(part.pruned, part.slots)
            part.pruned = {}
        training.advance(epoch)
        objectives = {}
        if epoch < pack.settings.epochs:
            values = training.objectives()
            for member, history in training.histories.items():
                diverged = pack.has_diverged(member, history)
                objectives[member] = np.nan if diverged else values[member]
        else:
            histories = training.histories
            del training
            part.training = None  # frees the tiles before the evaluation needs memory
            pack.record(histories, part.slots)
            part.members = []
        part.reached = epoch
        return objectives

    def _halves(self, part: _Part, pack: Pack) -> list[_Part]:
        """Two new parts in place of one, whose tensors are freed."""
        self._on_epoch(-part.told)
        part.training = None
        slots = part.slots
        gc.collect()
        if pack.device.type == "cuda":
            torch.cuda.empty_cache()
            slots = max(1, slots // 2)
        middle = len(part.members) // 2
        halves = []
        for members in (part.members[:middle], part.members[middle:]):
            stopping = {m: value for m, value in part.stopping.items() if m in members}
            halves.append(_Part(members, slots, part.reached, stopping))
        halves[0].pruned = part.pruned
        return halves

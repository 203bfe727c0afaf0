"""The training loop of the heads of one seed; it can be paused after any epoch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from sigmoidf1.training.batches import LabelledSet, batch_order, epoch_batches
from sigmoidf1.training.products import Products
from sigmoidf1.training.schedules import Schedule
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import Tile
from sigmoidf1.training.trainer import TileTrainer

_WORTH_MOVING = 0.9  # of the slots; moving heads costs a few steps


@dataclass
class HeadHistory:
    """What one head went through and ended with.

    Attributes:
        train_loss: (epochs run,) mean loss of each epoch.
        objective: epoch to objective, at the evaluated epochs.
        best: the best objective so far, in the direction "higher is better".
        best_epoch: the epoch whose parameters are kept.
        waited: evaluations since then.
        gradient_norm_start: of the first batch.
        gradient_norm_end: of the last batch of the last epoch trained.
        pruned: it was stopped from outside.
        parameters: the kept parameters: name to tensor.
    """

    train_loss: list[float] = field(default_factory=list)
    objective: dict[int, float] = field(default_factory=dict)
    best: float = -np.inf
    best_epoch: int = 0
    waited: int = 0
    gradient_norm_start: float = np.nan
    gradient_norm_end: float = np.nan
    pruned: bool = False
    parameters: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class SeedTask:
    """What the tiles of a seed need besides their heads.

    Attributes:
        train: the training split.
        settings: what all heads share.
        eval_every: epochs between evaluations.
        evaluate: a tile's trainer to its heads' objective, (slots,).
        higher_is_better: direction of the objective.
        make_tiles: members to the tiles that hold them.
        on_epoch: called with the head-epochs that are behind, stopped heads' included; what it
            raises ends the training.
    """

    train: LabelledSet
    settings: TrainingSettings
    eval_every: int
    evaluate: Callable[[TileTrainer], Tensor]
    higher_is_better: bool
    make_tiles: Callable[[Sequence[int]], list[Tile]]
    on_epoch: Callable[[int], None]

    @property
    def batch_size(self) -> int:
        """Examples of a full batch."""
        return min(self.settings.batch_size, len(self.train))

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last, smaller one included."""
        return -(-len(self.train) // self.batch_size)


class SeedTraining:
    """Heads of one seed in training: their tiles side by side, an epoch at a time.

    They see the same batches. Where heads stop early, the remaining ones close ranks in fewer
    tiles; a head's bits do not depend on the tile or the slot it is in.

    Args:
        members: the replicates, all of one seed.
        task: what they need.

    Attributes:
        histories: of every member that was not pruned.
    """

    def __init__(self, members: Sequence[int], task: SeedTask) -> None:
        self.histories = {member: HeadHistory() for member in members}
        self._task = task
        self._active = set(members)
        self._products = Products(task.settings.precision)
        self._schedule = Schedule(task.settings, task.steps_per_epoch)
        tiles = task.make_tiles(members)
        self._order = batch_order(tiles[0].seed, len(task.train), task.train.num_views)
        self._trainers = [self._trainer(tile) for tile in tiles]
        self._epoch = 0

    def advance(self, epoch: int) -> None:
        """Train up to the end of an epoch."""
        task, last = self._task, self._task.settings.epochs
        if 0 < self._epoch < epoch:
            self._close_ranks()
        while self._epoch < epoch and self._active:
            self._epoch += 1
            watched = self._epoch % task.eval_every == 0 or self._epoch == last
            may_stop = task.settings.patience is not None and watched
            self._train_epoch(measured=may_stop or self._epoch == epoch)
            running = len(self._active)
            if watched:
                for trainer in self._trainers:
                    self._judge(trainer, _values(task.evaluate(trainer)))
            if len(self._active) < running:
                self._close_ranks()
            task.on_epoch(len(self.histories))
        if self._epoch < epoch:
            task.on_epoch(len(self.histories) * (epoch - self._epoch))
            self._epoch = epoch

    def objectives(self) -> dict[int, float]:
        """The objective at this epoch; of heads that stopped early their best one, NaN for none."""
        sign = 1.0 if self._task.higher_is_better else -1.0
        found = {
            member: sign * history.best if np.isfinite(history.best) else np.nan
            for member, history in self.histories.items()
        }
        for trainer in self._trainers:
            members = [member for member in trainer.tile.members if member in self._active]
            if all(self._epoch in self.histories[member].objective for member in members):
                values = {m: self.histories[m].objective[self._epoch] for m in members}
            else:
                row = _values(self._task.evaluate(trainer))
                values = dict(zip(trainer.tile.members, row, strict=False))  # padding has none
            found.update({member: values[member] for member in members})
        return found

    def prune(self, objectives: Mapping[int, float]) -> dict[int, HeadHistory]:
        """Stop heads with their current parameters; the others go on as if nothing happened.

        Args:
            objectives: the objective at this epoch of every head to stop.

        Returns:
            The histories of those of them that were still training.
        """
        pruned = {}
        for trainer in self._trainers:
            places = [
                (slot, member)
                for slot, member in enumerate(trainer.tile.members)
                if member in objectives and member in self._active
            ]
            _keep(trainer, places, self.histories)
            pruned.update({member: self.histories[member] for _, member in places})
        for member, history in pruned.items():
            history.pruned, history.best_epoch = True, self._epoch
            history.objective[self._epoch] = objectives[member]
            del self.histories[member]
        self._active -= pruned.keys()
        self._task.on_epoch(len(pruned) * (self._task.settings.epochs - self._epoch))
        return pruned

    def _trainer(self, tile: Tile) -> TileTrainer:
        return TileTrainer(
            tile, self._task.settings, self._task.train.inputs.shape[1], self._products
        )

    def _train_epoch(self, *, measured: bool) -> None:
        """One epoch of all tiles; gradients are measured at its end, and at the very start."""
        task, trainers = self._task, self._trainers
        permutation = next(self._order)
        steps = task.steps_per_epoch
        first_step = (self._epoch - 1) * steps
        noted = ({0} if self._epoch == 1 else set()) | ({steps - 1} if measured else set())
        # A tile at a time keeps its weights and moments in the core's caches for the epoch.
        by_tile = task.train.device.type == "cpu" and not task.train.streamed
        for together in [[trainer] for trainer in trainers] if by_tile else [trainers]:
            batches = epoch_batches(task.train, permutation, task.batch_size)
            for step, (inputs, targets) in enumerate(batches):
                rates = self._schedule.at(first_step + step)
                for trainer in together:
                    trainer.step(inputs, targets, rates, measured=step in noted)
        for trainer in trainers:
            losses, norms = _values(trainer.end_epoch()), trainer.gradient_norms()
            for slot, member in enumerate(trainer.tile.members):
                if member not in self._active:
                    continue
                history = self.histories[member]
                history.train_loss.append(losses[slot])
                if self._epoch == 1:
                    history.gradient_norm_start = norms[0][slot]
                if measured:
                    history.gradient_norm_end = norms[-1][slot]

    def _judge(self, trainer: TileTrainer, values: Sequence[float]) -> None:
        """Note the objective of a tile's heads; keep better epochs, stop heads that wait long."""
        settings, epoch = self._task.settings, self._epoch
        last = epoch == settings.epochs
        places = []
        for slot, member in enumerate(trainer.tile.members):
            if member not in self._active:
                continue
            history = self.histories[member]
            history.objective[epoch] = values[slot]
            value = values[slot] if self._task.higher_is_better else -values[slot]
            if settings.keep_epoch == "last":
                better = last
            else:
                # A head that never had a finite objective still ends with some weights.
                better = value > history.best or (last and history.best_epoch == 0)
            if better:
                history.best, history.best_epoch, history.waited = value, epoch, 0
                places.append((slot, member))
            else:
                history.waited += 1
                if settings.patience is not None and history.waited >= settings.patience:
                    self._active.discard(member)
                    if history.best_epoch == 0:
                        history.best_epoch = epoch
                        places.append((slot, member))
        _keep(trainer, places, self.histories)

    def _close_ranks(self) -> None:
        """Move the active heads into fewer or narrower tiles where that saves enough work."""
        members = [m for t in self._trainers for m in t.tile.members if m in self._active]
        tiles = self._task.make_tiles(members) if members else []
        before = sum(trainer.tile.num_slots for trainer in self._trainers)
        if sum(tile.num_slots for tile in tiles) > _WORTH_MOVING * before:
            return
        places = {
            member: (trainer, slot)
            for trainer in self._trainers
            for slot, member in enumerate(trainer.tile.members)
        }
        regrouped = []
        for tile in tiles:
            new = self._trainer(tile)
            for slot, member in enumerate(tile.members):
                old, old_slot = places[member]
                new.take_over(slot, old, old_slot)
            regrouped.append(new)
        self._trainers = regrouped


def _keep(
    trainer: TileTrainer,
    places: Collection[tuple[int, int]],
    histories: Mapping[int, HeadHistory],
) -> None:
    """Copy the current parameters of some (slot, member) to their histories."""
    if places:
        kept = trainer.parameters([slot for slot, _ in places])
        for row, (_, member) in enumerate(places):
            histories[member].parameters = {name: values[row] for name, values in kept.items()}


def _values(row: Tensor) -> list[float]:
    numbers: list[float] = row.tolist()
    return numbers

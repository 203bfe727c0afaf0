"""The training loop of the tiles of one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from sigmoidf1.training.batches import LabelledSet, batch_order, epoch_batches
from sigmoidf1.training.products import Products
from sigmoidf1.training.schedules import Schedule
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import Tile
from sigmoidf1.training.trainer import TileTrainer


@dataclass
class HeadHistory:
    """What one head went through and ended with.

    Attributes:
        train_loss: (epochs run,) mean loss of each epoch.
        objective: epoch to objective, at the evaluated epochs.
        best: the best objective so far, in the direction "higher is better".
        best_epoch: the epoch whose parameters are kept.
        parameters: the kept parameters: name to tensor.
    """

    train_loss: list[float] = field(default_factory=list)
    objective: dict[int, float] = field(default_factory=dict)
    best: float = -np.inf
    best_epoch: int = 0
    waited: int = 0
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
        regroup: members to the tiles that hold them, for heads that go on without stopped ones.
        on_epoch: called with the head-epochs that are behind, stopped heads' included; what it
            raises ends the training.
    """

    train: LabelledSet
    settings: TrainingSettings
    eval_every: int
    evaluate: Callable[[TileTrainer], Tensor]
    higher_is_better: bool
    regroup: Callable[[Sequence[int]], list[Tile]]
    on_epoch: Callable[[int], None]


def train_tiles(tiles: Sequence[Tile], task: SeedTask) -> dict[int, HeadHistory]:
    """Train tiles of one seed side by side, an epoch at a time.

    They see the same batches. Where heads stop early, the remaining ones close ranks in fewer
    tiles; a head's bits do not depend on the tile or the slot it is in.

    Returns:
        The history of every member.
    """
    settings = task.settings
    products = Products(settings.precision)
    dim = task.train.inputs.shape[1]
    trainers = [TileTrainer(tile, settings, dim, products) for tile in tiles]
    histories = {member: HeadHistory() for tile in tiles for member in tile.members}
    active = set(histories)
    batch_size = min(settings.batch_size, len(task.train))
    steps_per_epoch = -(-len(task.train) // batch_size)
    schedule = Schedule(settings, steps_per_epoch)
    order = batch_order(tiles[0].seed, len(task.train), task.train.num_views)
    for epoch in range(1, settings.epochs + 1):
        _train_epoch(trainers, task.train, next(order), batch_size, schedule, epoch)
        for trainer in trainers:
            losses = trainer.end_epoch().tolist()
            for slot, member in enumerate(trainer.tile.members):
                if member in active:
                    histories[member].train_loss.append(losses[slot])
        running = len(active)
        if epoch % task.eval_every == 0 or epoch == settings.epochs:
            for trainer in trainers:
                _judge(trainer, task, epoch, histories, active)
            if len(active) < running:
                trainers = _close_ranks(trainers, active, task, dim, products)
        task.on_epoch(len(histories))
        if not active:
            task.on_epoch(len(histories) * (settings.epochs - epoch))
            break
    return histories


def _train_epoch(
    trainers: Sequence[TileTrainer],
    train: LabelledSet,
    permutation: Tensor,
    batch_size: int,
    schedule: Schedule,
    epoch: int,
) -> None:
    first_step = (epoch - 1) * -(-len(train) // batch_size)
    if train.device.type == "cpu" and not train.streamed:
        # A tile at a time keeps its weights and moments in the core's caches for the epoch.
        for trainer in trainers:
            for step, (inputs, targets) in enumerate(epoch_batches(train, permutation, batch_size)):
                trainer.step(inputs, targets, schedule.at(first_step + step))
        return
    for step, (inputs, targets) in enumerate(epoch_batches(train, permutation, batch_size)):
        for trainer in trainers:
            trainer.step(inputs, targets, schedule.at(first_step + step))


def _judge(
    trainer: TileTrainer,
    task: SeedTask,
    epoch: int,
    histories: dict[int, HeadHistory],
    active: set[int],
) -> None:
    """Read the objective of a tile's heads; keep better epochs, stop heads that wait too long."""
    values = task.evaluate(trainer).tolist()
    last = epoch == task.settings.epochs
    keep = []
    for slot, member in enumerate(trainer.tile.members):
        if member not in active:
            continue
        history = histories[member]
        history.objective[epoch] = values[slot]
        value = values[slot] if task.higher_is_better else -values[slot]
        if task.settings.keep_epoch == "last":
            better = last
        else:
            # A head that never had a finite objective still ends with some weights.
            better = value > history.best or (last and history.best_epoch == 0)
        if better:
            history.best, history.best_epoch, history.waited = value, epoch, 0
            keep.append((slot, member))
        else:
            history.waited += 1
            if task.settings.patience is not None and history.waited >= task.settings.patience:
                active.discard(member)
                if history.best_epoch == 0:
                    history.best_epoch = epoch
                    keep.append((slot, member))
    if keep:
        kept = trainer.parameters([slot for slot, _ in keep])
        for row, (_, member) in enumerate(keep):
            histories[member].parameters = {name: values[row] for name, values in kept.items()}


def _close_ranks(
    trainers: list[TileTrainer],
    active: set[int],
    task: SeedTask,
    dim: int,
    products: Products,
) -> list[TileTrainer]:
    """Move the active heads into fewer tiles where that saves at least one."""
    members = [m for trainer in trainers for m in trainer.tile.members if m in active]
    tiles = task.regroup(members) if members else []
    if len(tiles) >= len(trainers):
        return trainers
    places = {
        member: (trainer, slot)
        for trainer in trainers
        for slot, member in enumerate(trainer.tile.members)
    }
    regrouped = []
    for tile in tiles:
        new = TileTrainer(tile, task.settings, dim, products)
        for slot, member in enumerate(tile.members):
            old, old_slot = places[member]
            new.take_over(slot, old, old_slot)
        regrouped.append(new)
    return regrouped

"""One tile in training: its parameters, its optimiser, and what each of its heads has reached."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sigmoidf1.losses.columns import sum_classes, sum_examples
from sigmoidf1.training.columns import ColumnBlock
from sigmoidf1.training.fused import make_fused_step
from sigmoidf1.training.gradients import loss_and_gradient
from sigmoidf1.training.heads import make_heads
from sigmoidf1.training.optimisers import PackedOptimiser
from sigmoidf1.training.products import Products
from sigmoidf1.training.schedules import StepRates
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import Tile

_NORM_ROWS = 256  # of a gradient that are in float64 at a time


class TileTrainer:
    """Trains the heads of one tile, a batch at a time.

    Args:
        tile: the heads.
        settings: what they share.
        dim: columns of the inputs.
        products: the matrix products, at the settings' precision.
    """

    def __init__(
        self, tile: Tile, settings: TrainingSettings, dim: int, products: Products
    ) -> None:
        self.tile = tile
        self._settings = settings
        self._head = make_heads(
            settings,
            dim=dim,
            num_classes=tile.num_classes,
            slots=tile.num_slots,
            seed=tile.seed,
            products=products,
        )
        learned = tuple(
            ColumnBlock(name, 0, tile.num_classes, tile.num_slots) for name in settings.learn
        )
        self.blocks = (*self._head.blocks, *learned)
        lr = {block.name: tile.lr(block) for block in self.blocks}
        self._lr = lr
        self._scaled = {block.name: block.zeros(tile.device) for block in self.blocks}
        start = self._head.initial(tile.seed)
        for block in self._head.blocks:
            storage = self._scaled[block.name]
            block.heads(storage).copy_(start[block.name].to(tile.device))
            storage.div_(lr[block.name])
        no_decay = {block.name: torch.zeros_like(lr[block.name]) for block in learned}
        decay = {block.name: tile.weight_decay(block) for block in self._head.blocks} | no_decay
        names = [block.name for block in self.blocks]
        self._optimiser = PackedOptimiser(
            settings,
            [self._scaled[name] for name in names],
            [lr[name] for name in names],
            [decay[name] for name in names],
        )
        self._fused = make_fused_step(tile, settings, self._scaled, lr)
        self._average = (
            {name: values.clone() for name, values in self._scaled.items()}
            if settings.ema_decay
            else None
        )
        self._start = {name: self._hyperparameter_row(name) for name in settings.learn}
        self._targets = torch.zeros(0, tile.width, device=tile.device)
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._norms: list[Tensor] = []

    def step(
        self, inputs: Tensor, targets: Tensor, rates: StepRates, *, measured: bool = False
    ) -> None:
        """One optimiser step on a batch.

        Args:
            inputs: (B, D).
            targets: (B, C).
            rates: the schedule's.
            measured: keep the norms of the heads' gradients for :meth:`gradient_norms`.
        """
        if self._fused is not None:
            losses, gradients = self._fused.gradients(
                inputs, targets, lambda: self._spread(targets)
            )
        else:
            losses, gradients = self._gradients(inputs, targets)
        if measured:
            self._norms.append(self._norms_of(gradients[: len(self._head.blocks)]))
        self._optimiser.step(gradients, rates, self._fused)
        if self._average is not None:
            for name, average in self._average.items():
                average.lerp_(self._scaled[name], 1.0 - self._settings.ema_decay)
        self._losses.append(losses)
        self._sizes.append(len(inputs))

    def _gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Losses (slots,) of a batch and the gradients of all blocks."""
        logits = self._head.training_scores(inputs, self._scaled, self._lr)
        learned = self._learned(self._scaled)
        losses, gradient, rows = loss_and_gradient(
            logits, self._spread(targets), self.tile, learned
        )
        gradients = self._head.gradients(inputs, gradient, self._scaled, self._lr)
        for name, row in rows.items():
            # beta is learned as beta_0 exp(theta), which keeps its sign; eta as eta_0 + theta.
            gradients.append(row * learned[name] if name == "beta" else row)
        return losses, gradients

    def end_epoch(self) -> Tensor:
        """Mean loss (slots,) of the epoch's batches, weighted by their size."""
        sizes = torch.tensor(self._sizes, dtype=torch.float32, device=self.tile.device)
        mean = sum_examples(torch.stack(self._losses) * (sizes / sizes.sum())[:, None])
        self._losses, self._sizes = [], []
        return mean

    def gradient_norms(self) -> list[list[float]]:
        """L2 norms (slots,) of the heads' gradients at every measured step since the last call."""
        norms = [values.tolist() for values in self._norms]
        self._norms = []
        return norms

    def columns(self) -> dict[str, Tensor]:
        """Current parameters as columns, or their moving average; learned values left out."""
        scaled = self._average or self._scaled
        return {b.name: scaled[b.name] * self._lr[b.name] for b in self._head.blocks}

    def parameters(self, slots: Sequence[int]) -> dict[str, Tensor]:
        """Current parameters of some slots: name to (len(slots), ...), learned values included."""
        scaled = self._average or self._scaled
        learned = self._learned(scaled)
        chosen, found = list(slots), {}
        for block in self.blocks:
            if block.name in learned:
                found[block.name] = block.heads(learned[block.name])[chosen]
                continue
            # Chosen first, so that only the heads that are kept are copied.
            lr = block.heads(self._lr[block.name])[chosen]
            values = block.heads(scaled[block.name])[chosen]
            found[block.name] = values.mul_(lr.unsqueeze(1) if block.rows else lr)
        return found

    def take_over(self, slot: int, other: TileTrainer, other_slot: int) -> None:
        """Continue a head of another tile of the same seed: parameters and optimiser state."""
        for mine, theirs in zip(self._state(), other._state(), strict=True):
            for block, old in zip(self.blocks, other.blocks, strict=True):
                block.heads(mine[block.name])[slot] = old.heads(theirs[block.name])[other_slot]
        if self._fused is not None:
            self._fused.weights_changed()
        self._optimiser.steps_done = other._optimiser.steps_done
        self._head.continue_from(other._head)

    def _state(self) -> list[dict[str, Tensor]]:
        names = [block.name for block in self.blocks]
        moments = [dict(zip(names, moment, strict=True)) for moment in self._optimiser.state]
        averages = [] if self._average is None else [self._average]
        return [self._scaled, *moments, *averages]

    def _norms_of(self, gradients: Sequence[Tensor]) -> Tensor:
        # In float64: the squares of a saturated head's gradient vanish in float32.
        total = torch.zeros(self.tile.num_slots, dtype=torch.float64, device=self.tile.device)
        for block, gradient in zip(self._head.blocks, gradients, strict=True):
            row = torch.zeros(block.width, dtype=torch.float64, device=self.tile.device)
            for some in gradient.view(-1, block.width).split(_NORM_ROWS):
                row += some.double().square_().sum(0)
            total += sum_classes(row, block.slots, block.per_head)
        return total.sqrt_()

    def _learned(self, scaled: dict[str, Tensor]) -> dict[str, Tensor]:
        values = {}
        for name, start in self._start.items():
            change = scaled[name] * self._lr[name]
            values[name] = start * change.exp() if name == "beta" else start + change
        return values

    def _hyperparameter_row(self, name: str) -> Tensor:
        row = torch.ones(self.tile.width, device=self.tile.device)
        for group in self.tile.groups:
            columns = slice(group.start * self.tile.num_classes, group.stop * self.tile.num_classes)
            row[columns] = group.hyperparameters[name][columns]
        return row

    def _spread(self, targets: Tensor) -> Tensor:
        """Targets (B, C) repeated for every slot: (B, width), 0 in padding columns."""
        if len(self._targets) < len(targets):
            self._targets = torch.zeros(len(targets), self.tile.width, device=self.tile.device)
        out = self._targets[: len(targets)]
        used = self.tile.num_slots * self.tile.num_classes
        view = out[:, :used].unflatten(1, (self.tile.num_slots, self.tile.num_classes))
        view.copy_(targets.unsqueeze(1))
        return out

"""Evaluates packed heads: the objective while they train, every metric at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.evaluation import Evaluation, evaluate
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.heads import PackedHead, make_heads
from sigmoidf1.training.products import Products
from sigmoidf1.training.settings import Objective, TrainingSettings
from sigmoidf1.training.trainer import TileTrainer

_EVALUATION_SHARE = 0.12  # of the training time, estimated; measured it stays below a fifth
_ROWS = 8192  # examples a product; bounds what a large split takes at once


@dataclass(frozen=True)
class Scorer:
    """What heads are evaluated on.

    Attributes:
        splits: the splits to evaluate.
        objective: the metric watched while training, and the threshold of the scores.
        thresholds: where curves are kept.
        settings: the heads' kind.
        num_classes: C.
        dim: D.
    """

    splits: Mapping[str, LabelledSet]
    objective: Objective
    thresholds: np.ndarray
    settings: TrainingSettings
    num_classes: int
    dim: int

    def objective_of(self, trainer: TileTrainer) -> Tensor:
        """The objective of a tile's heads with their current weights: (slots,)."""
        watched = self.splits[self.objective.split]
        slots = trainer.tile.num_slots
        head = self._head(slots)
        probs = self._probabilities(head, trainer.columns(), watched, slots)
        return evaluate(
            probs,
            watched.targets.to(probs.device),
            threshold=self.objective.threshold,
            metrics=[self.objective.metric],
        ).scores[self.objective.metric]

    def evaluate(
        self, parameters: Sequence[Mapping[str, Tensor]], slots: int
    ) -> dict[str, Evaluation]:
        """Every metric of up to ``slots`` heads on every split.

        Args:
            parameters: name to tensor of each head.
            slots: heads of a tile; the products have its width, however many heads there are.
        """
        head = self._head(slots)
        device = next(iter(self.splits.values())).device
        columns = {}
        for block in head.blocks:
            storage = block.zeros(device)
            stacked = torch.stack([one[block.name] for one in parameters])
            block.heads(storage)[: len(parameters)] = stacked.to(device)
            columns[block.name] = storage
        return {
            name: evaluate(
                self._probabilities(head, columns, split, len(parameters)),
                split.targets.to(device),
                threshold=self.objective.threshold,
                thresholds=self.thresholds,
            )
            for name, split in self.splits.items()
        }

    def _head(self, slots: int) -> PackedHead:
        return make_heads(
            self.settings,
            dim=self.dim,
            num_classes=self.num_classes,
            slots=slots,
            seed=0,
            products=Products(self.settings.precision),
        )

    def _probabilities(
        self, head: PackedHead, columns: Mapping[str, Tensor], split: LabelledSet, count: int
    ) -> Tensor:
        """Probabilities (count, N, C) of the first heads, as a strided view."""
        ones = {block.name: torch.ones(block.width, device=split.device) for block in head.blocks}
        parts = [head.scores(inputs, columns, ones) for inputs, _ in split.blocks(_ROWS)]
        logits = parts[0] if len(parts) == 1 else torch.cat(parts)
        return head.blocks[-1].heads(logits.sigmoid_())[:count]


def default_eval_every(
    settings: TrainingSettings, *, num_train: int, num_watched: int, dim: int, num_classes: int
) -> int:
    """Epochs between evaluations, so that they cost well below a fifth of training.

    From counted operations, not from a clock: the same sweep is evaluated at the same epochs
    everywhere. In units of one multiply-add of a product; the weights of the other parts were
    measured at (D, C) = (384, 20) on one core.
    """
    products = dim * num_classes
    if settings.head == "mlp":
        products = dim * settings.hidden + settings.hidden * num_classes
    steps = math.ceil(num_train / min(settings.batch_size, num_train))
    training = num_train * (2 * products + 120 * num_classes) + steps * 40 * products
    evaluation = num_watched * (products + 500 * num_classes)
    return max(1, min(settings.epochs, math.ceil(evaluation / (_EVALUATION_SHARE * training))))

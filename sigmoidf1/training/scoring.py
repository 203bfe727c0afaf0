"""Evaluates packed heads: the objective while they train, every metric at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.evaluation import Evaluation, evaluate
from sigmoidf1.losses.columns import sum_classes
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.heads import PackedHead, make_heads
from sigmoidf1.training.products import Products, scored_at
from sigmoidf1.training.settings import Objective, TrainingSettings
from sigmoidf1.training.tiles import ResolvedHead
from sigmoidf1.training.trainer import TileTrainer

_EVALUATION_SHARE = 0.12  # of the training time, estimated; measured it stays below a fifth
EVALUATED_ROWS = 8192  # examples a product; bounds what a large split takes at once
_SATURATED = 4.595119850134589  # log(0.99 / 0.01): beyond it |sigmoid(u) - 0.5| > 0.49


@dataclass(frozen=True)
class Scored:
    """What a tile's heads scored.

    Attributes:
        evaluations: split to every metric.
        saturation: (heads,) share of saturated outputs on the objective's split, float64.
    """

    evaluations: Mapping[str, Evaluation]
    saturation: Tensor


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
        probs = head.blocks[-1].heads(self._logits(head, trainer.columns(), watched).sigmoid_())
        return evaluate(
            probs,
            watched.targets.to(probs.device),
            threshold=self.objective.threshold,
            metrics=[self.objective.metric],
        ).scores[self.objective.metric]

    def evaluate(
        self, heads: Sequence[ResolvedHead], parameters: Sequence[Mapping[str, Tensor]], slots: int
    ) -> Scored:
        """Every metric of up to ``slots`` heads on every split.

        Args:
            heads: the heads.
            parameters: name to tensor of each head.
            slots: heads of a tile; the products have its width, however many heads there are.
        """
        packed = self._head(slots)
        device = next(iter(self.splits.values())).device
        columns = {}
        for block in packed.blocks:
            storage = block.zeros(device)
            stacked = torch.stack([one[block.name] for one in parameters])
            block.heads(storage)[: len(parameters)] = stacked.to(device)
            columns[block.name] = storage
        evaluations = {}
        for name, split in self.splits.items():
            logits = self._logits(packed, columns, split)
            if name == self.objective.split:
                saturated = self._saturated(heads, parameters, logits)
            probs = packed.blocks[-1].heads(logits.sigmoid_())[: len(heads)]
            evaluations[name] = evaluate(
                probs,
                split.targets.to(device),
                threshold=self.objective.threshold,
                thresholds=self.thresholds,
            )
        finite = evaluations[self.objective.split].predicted_positive_rate.isfinite()
        return Scored(evaluations, torch.where(finite, saturated, torch.nan))

    def _saturated(
        self,
        heads: Sequence[ResolvedHead],
        parameters: Sequence[Mapping[str, Tensor]],
        logits: Tensor,
    ) -> Tensor:
        """Share of outputs with |S - 0.5| > 0.49: (heads,), of logits (N, width)."""
        rows = {}
        for name, neutral in (("beta", 1.0), ("eta", 0.0)):
            values = [
                one[name].tolist()
                if name in one
                else head.numbers(name, self.num_classes)
                if name in head.values
                else [neutral] * self.num_classes
                for head, one in zip(heads, parameters, strict=True)
            ]
            row = torch.full(logits.shape[1:], neutral)
            row[: len(heads) * self.num_classes] = torch.tensor(values).flatten()
            rows[name] = row.to(logits.device)
        double = [head.values.get("input") == "probabilities" for head in heads]
        shares = torch.zeros(len(heads), dtype=torch.float64, device=logits.device)
        for chosen in sorted(set(double)):
            u = logits.sigmoid() if chosen else logits
            outside = torch.add(u, rows["eta"]).mul_(rows["beta"]).abs_() > _SATURATED
            count = sum_classes(outside.sum(0), len(heads), self.num_classes)
            mine = torch.tensor([flag == chosen for flag in double], device=logits.device)
            shares = torch.where(mine, count / (len(logits) * self.num_classes), shares)
        return shares

    def _head(self, slots: int) -> PackedHead:
        return make_heads(
            self.settings,
            dim=self.dim,
            num_classes=self.num_classes,
            slots=slots,
            seed=0,
            products=Products(scored_at(self.settings.precision)),
        )

    def _logits(
        self, head: PackedHead, columns: Mapping[str, Tensor], split: LabelledSet
    ) -> Tensor:
        """Logits (N, width) of a split."""
        ones = {block.name: torch.ones(block.width, device=split.device) for block in head.blocks}
        parts = [head.scores(inputs, columns, ones) for inputs, _ in split.blocks(EVALUATED_ROWS)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def default_eval_every(
    settings: TrainingSettings, *, num_train: int, num_watched: int, dim: int, num_classes: int
) -> int:
    """Epochs between evaluations, so that they cost well below a fifth of training.

    From counted operations, not from a clock: the same sweep is evaluated at the same epochs
    everywhere. In units of one multiply-add of a product; the weights of the other parts were
    measured at (D, C) = (384, 20) on one core.
    """
    products = settings.num_weights(dim, num_classes)
    steps = math.ceil(num_train / min(settings.batch_size, num_train))
    training = num_train * (2 * products + 120 * num_classes) + steps * 40 * products
    evaluation = num_watched * (products + 500 * num_classes)
    return max(1, min(settings.epochs, math.ceil(evaluation / (_EVALUATION_SHARE * training))))

"""Trains the heads of one call on one device: groups of tiles, halved where memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sigmoidf1.metrics import METRICS
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.collecting import ResultArrays
from sigmoidf1.training.engine import SeedTask, train_tiles
from sigmoidf1.training.memory import is_out_of_memory
from sigmoidf1.training.products import Products
from sigmoidf1.training.scoring import Scorer, default_eval_every
from sigmoidf1.training.settings import Objective, TrainingSettings
from sigmoidf1.training.tiles import ResolvedHead, Tile, make_tiles, tile_slots


@dataclass(frozen=True)
class Pack:
    """One call's heads, and its data on one device.

    Attributes:
        data: the splits.
        settings: what all heads share.
        objective: the number watched and returned.
        thresholds: where curves are kept.
        heads: the configurations.
        replicates: (index into ``heads``, seed) of every replicate.
        results: where the heads' results are written.
    """

    data: Mapping[str, LabelledSet]
    settings: TrainingSettings
    objective: Objective
    thresholds: np.ndarray
    heads: Sequence[ResolvedHead]
    replicates: Sequence[tuple[int, int]]
    results: ResultArrays

    @property
    def _train(self) -> LabelledSet:
        return self.data["train"]

    @property
    def _num_classes(self) -> int:
        return self._train.targets.shape[1]

    @property
    def _slots(self) -> int:
        """Heads of a tile; of a fixed width on a CPU, at most as many as there are on a GPU."""
        slots = tile_slots(self.settings.widest_layer(self._num_classes), self._train.device)
        return slots if self._train.device.type == "cpu" else min(slots, len(self.replicates))

    def groups(self, workers: int) -> list[list[int]]:
        """The replicates in groups that train together, enough of them for all workers.

        A group is one tile, unless heads may stop early: then it is a seed's tiles, whose
        remaining heads can close ranks.
        """
        tiles = self._tiles(range(len(self.replicates)), self._slots)
        if self.settings.patience is None:
            return [list(tile.members) for tile in tiles]
        by_seed: dict[int, list[list[int]]] = {}
        for tile in tiles:
            by_seed.setdefault(tile.seed, []).append(list(tile.members))
        size = max(1, -(-len(tiles) // workers))
        return [
            [member for members in seed_tiles[start : start + size] for member in members]
            for seed_tiles in by_seed.values()
            for start in range(0, len(seed_tiles), size)
        ]

    def train(
        self, members: Sequence[int], on_epoch: Callable[[int], None], slots: int | None = None
    ) -> None:
        """Train and evaluate some replicates of one seed.

        Where memory runs out, they are trained in two halves, one after the other, on a GPU in
        narrower tiles.

        Args:
            members: replicates of one seed.
            on_epoch: called with head-epochs done.
            slots: heads of a tile; None chooses.
        """
        slots = slots or self._slots
        told = 0

        def tell(head_epochs: int) -> None:
            nonlocal told
            told += head_epochs
            on_epoch(head_epochs)

        try:
            self._train_together(members, tell, slots)
            return
        except Exception as error:
            if not is_out_of_memory(error) or len(members) == 1:
                raise
        # Out of the except block, so that the traceback no longer holds the tensors.
        on_epoch(-told)
        gc.collect()
        if self._train.device.type == "cuda":
            torch.cuda.empty_cache()
            slots = max(1, slots // 2)
        middle = len(members) // 2
        self.train(members[:middle], on_epoch, slots)
        self.train(members[middle:], on_epoch, slots)

    def _train_together(
        self, members: Sequence[int], on_epoch: Callable[[int], None], slots: int
    ) -> None:
        scorer = self._scorer()
        task = SeedTask(
            train=self._train,
            settings=self.settings,
            eval_every=self._eval_every(),
            evaluate=scorer.objective_of,
            higher_is_better=METRICS[self.objective.metric].higher_is_better,
            regroup=lambda remaining: self._tiles(remaining, slots),
            on_epoch=on_epoch,
        )
        with Products(self.settings.precision).block(self._train.device):
            histories = train_tiles(self._tiles(members, slots), task)
            for start in range(0, len(members), slots):
                some = members[start : start + slots]
                kept = [histories.pop(member) for member in some]
                evaluations = scorer.evaluate([history.parameters for history in kept], slots)
                families = [self._head(member).loss.f1_family for member in some]
                self.results.put(some, kept, evaluations, families)

    def _head(self, member: int) -> ResolvedHead:
        return self.heads[self.replicates[member][0]]

    def _tiles(self, members: Sequence[int], slots: int) -> list[Tile]:
        return make_tiles(
            self.heads,
            self.replicates,
            members,
            slots=slots,
            num_classes=self._num_classes,
            device=self._train.device,
        )

    def _scorer(self) -> Scorer:
        evaluated = {
            name: split
            for name, split in self.data.items()
            if name != "train" or name == self.objective.split
        }
        return Scorer(
            splits=evaluated,
            objective=self.objective,
            thresholds=self.thresholds,
            settings=self.settings,
            num_classes=self._num_classes,
            dim=self._train.inputs.shape[1],
        )

    def _eval_every(self) -> int:
        if self.settings.eval_every is not None:
            return self.settings.eval_every
        return default_eval_every(
            self.settings,
            num_train=len(self._train),
            num_watched=len(self.data[self.objective.split]),
            dim=self._train.inputs.shape[1],
            num_classes=self._num_classes,
        )

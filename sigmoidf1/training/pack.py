"""One call's heads on one device: how they are grouped, trained, evaluated and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sigmoidf1.metrics import METRICS
from sigmoidf1.training.batches import LabelledSet
from sigmoidf1.training.collecting import ResultArrays, diverged_loss
from sigmoidf1.training.columns import aligned
from sigmoidf1.training.engine import HeadHistory, SeedTask, SeedTraining
from sigmoidf1.training.products import rounds_alike, scored_at
from sigmoidf1.training.scoring import EVALUATED_ROWS, Scorer, default_eval_every
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
    def slots(self) -> int:
        """Heads of a tile; of a fixed width on a CPU, at most as many as there are on a GPU."""
        slots = tile_slots(
            self.settings,
            dim=self._train.inputs.shape[1],
            num_classes=self._num_classes,
            device=self.device,
        )
        return slots if self.device.type == "cpu" else min(slots, len(self.replicates))

    @property
    def device(self) -> torch.device:
        """Where the heads train."""
        return self._train.device

    def groups(self, workers: int, *, whole_seeds: bool) -> list[list[int]]:
        """The replicates in groups that train together, enough of them for all workers.

        A group is one tile, unless heads may stop early: then it is a seed's tiles, whose
        remaining heads can close ranks.

        Args:
            workers: how many groups train at the same time.
            whole_seeds: heads may stop early.
        """
        tiles = self._tiles(range(len(self.replicates)), self.slots, fitting=lambda _: self.slots)
        if not whole_seeds:
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

    def start(
        self, members: Sequence[int], slots: int, on_epoch: Callable[[int], None]
    ) -> SeedTraining:
        """Replicates of one seed, ready to train in tiles of ``slots`` heads."""
        task = SeedTask(
            train=self._train,
            settings=self.settings,
            eval_every=self._eval_every(),
            evaluate=self._scorer().objective_of,
            higher_is_better=METRICS[self.objective.metric].higher_is_better,
            make_tiles=lambda some: self._tiles(
                some, slots, fitting=lambda count: self._fitting(count, slots)
            ),
            on_epoch=on_epoch,
        )
        return SeedTraining(members, task)

    def record(self, histories: Mapping[int, HeadHistory], slots: int) -> None:
        """Evaluate trained replicates and write their results."""
        scorer = self._scorer()
        members = list(histories)
        for start in range(0, len(members), slots):
            some = members[start : start + slots]
            kept = [histories[member] for member in some]
            heads = [self._head(member) for member in some]
            parameters = [history.parameters for history in kept]
            scored = scorer.evaluate(heads, parameters, self._fitting(len(some), slots))
            self.results.put(some, kept, scored, [head.loss.f1_family for head in heads])

    def has_diverged(self, member: int, history: HeadHistory) -> bool:
        """Whether a replicate's training loss has left its range."""
        return bool(diverged_loss(history.train_loss, self._head(member).loss.f1_family))

    def _head(self, member: int) -> ResolvedHead:
        return self.heads[self.replicates[member][0]]

    def _fitting(self, count: int, slots: int) -> int:
        """Slots of the tile for ``count`` heads: as narrow as changes no bit, at most ``slots``.

        A GPU's kernels differ with the width anyway; there it is as narrow as possible.
        """
        columns = self.settings.widest_layer(self._num_classes)
        narrow, full = aligned(count * columns), aligned(slots * columns)
        if narrow >= full:
            return slots
        if self.device.type != "cpu":
            return narrow // columns
        size = min(self.settings.batch_size, len(self._train))
        batches = {size, len(self._train) % size or size}
        evaluated = {
            rows
            for split in self._scorer().splits.values()
            for rows in (min(len(split), EVALUATED_ROWS), len(split) % EVALUATED_ROWS)
            if rows
        }
        shape = (self._train.inputs.shape[1], narrow, full)
        trained, scored = self.settings.precision, scored_at(self.settings.precision)
        alike = all(
            rounds_alike(rows, *shape, trained, backwards=True) for rows in sorted(batches)
        ) and all(rounds_alike(rows, *shape, scored, backwards=False) for rows in sorted(evaluated))
        return narrow // columns if alike else slots

    def _tiles(
        self, members: Sequence[int], slots: int, fitting: Callable[[int], int]
    ) -> list[Tile]:
        return make_tiles(
            self.heads,
            self.replicates,
            members,
            slots=slots,
            fitting=fitting,
            num_classes=self._num_classes,
            device=self.device,
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

"""Packed training: many classification heads on the same embeddings as one tensor program."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sigmoidf1.evaluation import Evaluation, evaluate
from sigmoidf1.thresholds import default_thresholds
from sigmoidf1.training import products
from sigmoidf1.training.engine import DIVERGED_LOSS, LabelledSet, TrainedTile, train_tile
from sigmoidf1.training.inputs import check_replicates, labelled_sets, resolve_heads
from sigmoidf1.training.results import COMPLETE, DIVERGED, HeadResults
from sigmoidf1.training.settings import HeadConfig, Objective, TrainingSettings
from sigmoidf1.training.tiles import ResolvedHead, Tile, make_tiles
from sigmoidf1.training.workers import tile_workers

Progress = Callable[[int, int], None]


def train_heads(
    features: Tensor,
    targets: Tensor,
    configs: Sequence[HeadConfig],
    seeds: Sequence[int],
    *,
    splits: Mapping[str, Tensor] | None = None,
    settings: TrainingSettings | None = None,
    objective: Objective | None = None,
    thresholds: Sequence[float] | None = None,
    device: str | torch.device = "cpu",
    threads: int | None = None,
    keep_weights: bool = True,
    progress: Progress | None = None,
) -> HeadResults:
    """Train one head for every configuration and seed, all together.

    The heads see the same batches: seed s gives the same initial weights and the same batch order
    in every configuration. A head's result does not depend on the other heads: on a CPU it is
    equal bit by bit to that of the head trained alone.

    Args:
        features: (N, D) embeddings, finite.
        targets: (N, C) in {0, 1}.
        configs: K configurations.
        seeds: S seeds, each >= 0.
        splits: name to indices into N; ``train`` is needed, and the objective's split. Without
            it, all examples are in ``train``, and the objective is read there.
        settings: epochs, batch size, optimiser; defaults to :class:`TrainingSettings`.
        objective: metric, split and threshold; defaults to weighted F1 on validation at 0.5.
        thresholds: where precision, recall and F1 are kept; defaults to
            :func:`sigmoidf1.thresholds.default_thresholds`.
        device: where to train.
        threads: heads trained at the same time on a CPU, in tiles of one thread each; defaults
            to PyTorch's number of threads. It changes the time only, never a bit of the result.
        keep_weights: return the trained weights.
        progress: called with (head-epochs done, head-epochs in all), from any thread.

    Returns:
        Results with the leading shape (K, S).

    Raises:
        InputError: an argument breaks its rule.

    Example:
        >>> import torch
        >>> from sigmoidf1 import HeadConfig, TrainingSettings, train_heads
        >>> x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
        >>> y = (x[:, :3] > 0).float()
        >>> configs = [HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": b}) for b in (1, 5)]
        >>> trained = train_heads(x, y, configs, seeds=[0, 1], settings=TrainingSettings(epochs=2))
        >>> trained.objective.shape
        (2, 2)
    """
    replicates = [(index, seed) for index in range(len(configs)) for seed in seeds]
    if splits is None:
        everything = torch.arange(len(features))
        splits = {"train": everything}
        objective = objective or Objective(split="train")
    results = train_replicates(
        features,
        targets,
        configs,
        replicates,
        splits=splits,
        settings=settings,
        objective=objective,
        thresholds=thresholds,
        device=device,
        threads=threads,
        keep_weights=keep_weights,
        progress=progress,
    )
    return results.reshape(len(configs), len(seeds))


def train_replicates(
    features: Tensor,
    targets: Tensor,
    configs: Sequence[HeadConfig],
    replicates: Sequence[tuple[int, int]],
    *,
    splits: Mapping[str, Tensor],
    settings: TrainingSettings | None = None,
    objective: Objective | None = None,
    thresholds: Sequence[float] | None = None,
    device: str | torch.device = "cpu",
    threads: int | None = None,
    keep_weights: bool = True,
    progress: Progress | None = None,
) -> HeadResults:
    """Train the given (configuration index, seed) replicates; see :func:`train_heads`.

    Returns:
        Results with the leading shape (R,), in the order of ``replicates``.
    """
    started = time.perf_counter()
    settings = settings or TrainingSettings()
    objective = objective or Objective()
    kept = np.asarray(
        default_thresholds(objective.threshold) if thresholds is None else thresholds, dtype=float
    )
    device = torch.device(device)
    heads = resolve_heads(configs)
    data = labelled_sets(features, targets, splits, objective, device)
    check_replicates(replicates, len(heads))
    tiles = make_tiles(heads, replicates, num_classes=targets.shape[1], device=device)
    pack = _Pack(data, settings, objective, kept, heads, replicates, keep_weights)
    counter = _Counter(progress, settings.epochs * len(replicates))
    with tile_workers(threads, device) as run_all:
        parts = run_all(lambda tile: pack.train(tile, counter), tiles)
    return pack.collect(parts, time.perf_counter() - started)


@dataclass(frozen=True)
class _TilePart:
    """A trained and evaluated tile, reduced to what is kept."""

    tile: Tile
    trained: TrainedTile
    evaluations: dict[str, Evaluation]
    weight: Tensor | None
    bias: Tensor | None
    finite: Tensor


@dataclass(frozen=True)
class _Pack:
    """One call's data and settings."""

    data: Mapping[str, LabelledSet]
    settings: TrainingSettings
    objective: Objective
    thresholds: np.ndarray
    heads: Sequence[ResolvedHead]
    replicates: Sequence[tuple[int, int]]
    keep_weights: bool

    def train(self, tile: Tile, counter: _Counter) -> _TilePart:
        """Train one tile and evaluate its heads on every split but train."""
        watched = self.data[self.objective.split]

        def current_objective(weight: Tensor, bias: Tensor) -> Tensor:
            probs = _tile_probabilities(watched, weight, bias, tile, tile.num_slots)
            metric = self.objective.metric
            threshold = self.objective.threshold
            return evaluate(
                probs, watched.targets, threshold=threshold, metrics=[metric]
            ).scores[metric]

        trained = train_tile(
            tile,
            self.data["train"],
            self.settings,
            evaluate=current_objective,
            on_epoch=lambda: counter.add(len(tile.members)),
        )
        count = len(tile.members)
        evaluations = {
            split: evaluate(
                _tile_probabilities(part, trained.weight, trained.bias, tile, count),
                part.targets,
                threshold=self.objective.threshold,
                thresholds=self.thresholds,
            )
            for split, part in self.data.items()
            if split != "train" or split == self.objective.split
        }
        used = tile.num_slots * tile.num_classes
        shape = (tile.num_slots, tile.num_classes)
        weight = trained.weight[:, :used].unflatten(1, shape).permute(1, 0, 2)[:count]
        bias = trained.bias[:used].unflatten(0, shape)[:count]
        finite = weight.isfinite().all((1, 2)) & bias.isfinite().all(1)
        return _TilePart(
            tile=tile,
            trained=trained,
            evaluations=evaluations,
            weight=weight.cpu().contiguous() if self.keep_weights else None,
            bias=bias.cpu().contiguous() if self.keep_weights else None,
            finite=finite,
        )

    def collect(self, parts: Sequence[_TilePart], duration_s: float) -> HeadResults:
        """Put the tiles' results in the order of the replicates."""
        members = np.concatenate([np.asarray(part.tile.members) for part in parts])
        place = np.argsort(members)

        def gather(values: Sequence[Tensor]) -> np.ndarray:
            return torch.cat(list(values)).cpu().numpy()[place]

        def of_tiles(pick: Callable[[TrainedTile], Tensor]) -> np.ndarray:
            return gather([pick(p.trained)[:, : len(p.tile.members)].t() for p in parts])

        splits = list(parts[0].evaluations)
        scores = {
            (split, metric): gather([p.evaluations[split].scores[metric] for p in parts])
            for split in splits
            for metric in parts[0].evaluations[split].scores
        }
        curves = {
            (split, metric): gather([p.evaluations[split].curves[metric] for p in parts])
            for split in splits
            for metric in parts[0].evaluations[split].curves
        }
        train_loss = of_tiles(lambda t: t.train_loss)
        reasons = self._reasons(train_loss, gather([p.finite for p in parts]))
        values = scores[self.objective.split, self.objective.metric]
        complete = reasons == ""
        order = torch.from_numpy(place)
        return HeadResults(
            shape=(len(self.replicates),),
            states=np.where(complete, COMPLETE, DIVERGED),
            reasons=reasons,
            objective=np.where(complete, values, np.nan),
            scores=scores,
            curves=curves,
            thresholds=self.thresholds,
            predicted_positive_rate={
                split: gather([p.evaluations[split].predicted_positive_rate for p in parts])
                for split in splits
            },
            train_loss=train_loss,
            objective_curve=of_tiles(lambda t: t.curve),
            curve_epochs=parts[0].trained.curve_epochs,
            weight=torch.cat([p.weight for p in parts if p.weight is not None])[order]
            if self.keep_weights
            else None,
            bias=torch.cat([p.bias for p in parts if p.bias is not None])[order]
            if self.keep_weights
            else None,
            duration_s=duration_s,
        )

    def _reasons(self, train_loss: np.ndarray, finite: np.ndarray) -> np.ndarray:
        """Why each head diverged, "" if it did not."""
        reasons = np.full(len(self.replicates), "", dtype=object)
        for row, (index, _) in enumerate(self.replicates):
            size = np.abs(train_loss[row])
            limit = DIVERGED_LOSS if self.heads[index].loss.f1_family else np.inf
            bad = np.flatnonzero(~(np.isfinite(size) & (size <= limit)))
            if len(bad):
                epoch, value = int(bad[0]) + 1, size[bad[0]]
                what = f"mean |loss| {value:.4g} > {limit:g}" if np.isfinite(value) else "non-finite loss"
                reasons[row] = f"{what} in epoch {epoch}"
            elif not finite[row]:
                reasons[row] = "non-finite weight after the last epoch"
        return reasons


class _Counter:
    """Counts head-epochs over threads and passes them on."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()

    def add(self, heads: int) -> None:
        with self._lock:
            self._done += heads
            if self._progress is not None:
                self._progress(self._done, self._total)


def _tile_probabilities(
    part: LabelledSet, weight: Tensor, bias: Tensor, tile: Tile, count: int
) -> Tensor:
    """Probabilities (count, N, C) of the first ``count`` heads of a tile, as a strided view."""
    logits = products.scores(part.inputs, weight).add_(bias)
    probs = logits.sigmoid_()[:, : tile.num_slots * tile.num_classes]
    return probs.unflatten(1, (tile.num_slots, tile.num_classes)).permute(1, 0, 2)[:count]

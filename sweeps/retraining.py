"""Trains cells of a stored sweep again, exactly, and compares them with what was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sigmoidf1.encoders.batching import usable_cores
from sigmoidf1.features import Features, load_features
from sigmoidf1.training.head_trainer import HeadTrainer
from sigmoidf1.training.predicting import head_probabilities
from sigmoidf1.training.results import COMPLETE, HeadResults
from sigmoidf1.training.settings import Objective, TrainingSettings
from sigmoidf1.training.tiles import tile_slots
from storage.records import CellRecord
from sweeps.agreement import Measure
from sweeps.canonical import canonical_json
from sweeps.errors import SweepError
from sweeps.pack_training import head_config, training_settings
from sweeps.packs import shared_settings

_BATCH_BYTES = 256 * 2**20  # of probabilities that a batch of heads holds at once

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class TrainedAgain:
    """One replicate, trained again.

    Attributes:
        cell: its cell.
        seed: its seed.
        state: ``complete`` or ``diverged``.
        objective: the objective; NaN unless complete.
        scores: (split, metric) to the value at the objective's threshold.
        curves: (split, metric) to the values (T,) at the thresholds asked for.
        parameters: name to float32 array, as of :class:`sigmoidf1.HeadResults`.
        settings: how it was trained.
    """

    cell: CellRecord
    seed: int
    state: str
    objective: float
    scores: Mapping[Measure, float]
    curves: Mapping[Measure, np.ndarray]
    parameters: Mapping[str, np.ndarray]
    settings: TrainingSettings


def same_features(
    data: Mapping[str, Any],
    encoder: Mapping[str, Any],
    *,
    sweep: str,
    dataset_fingerprint: str,
    features_fingerprint: str | None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Features:
    """Load the features that a sweep was trained on, from the cache or embedded again.

    Args:
        data: the spec's ``data`` mapping.
        encoder: the spec's ``encoder`` mapping.
        sweep: its name, for messages.
        dataset_fingerprint: what was recorded of the data.
        features_fingerprint: what was recorded of data and encoder together.
        cache_dir: where embeddings are cached.
        progress: called with (examples embedded, all), when they are.

    Raises:
        SweepError: data or encoder are no longer those of the sweep.
        InputError: they cannot be read.
    """
    features = load_features(data, encoder or None, cache_dir=cache_dir, progress=progress)
    for what, recorded, found in (
        ("data", dataset_fingerprint, features.dataset_fingerprint),
        ("encoder or its precision", features_fingerprint, features.fingerprint),
    ):
        if recorded is not None and recorded != found:
            raise SweepError(
                f"The {what} must be what {sweep!r} was trained on (fingerprint "
                f"{recorded[:12]}…), but here it is another ({found[:12]}…). Restore it, or run "
                "the sweep again under a new name."
            )
    return features


class Retrainer:
    """Trains replicates of stored cells again by the code that packs are trained by.

    Seeds decide the initial weights and the order of examples, and a head's bits do not depend on
    its pack; so on the same data, processor and library the results are those stored, to the bit.

    Args:
        features: data and embeddings.
        objective: ``metric``, ``split`` and ``threshold`` of the sweep.
        threads: heads trained at the same time on a CPU; None is one a core.
        device: where to train; the CPU where there is no GPU.
    """

    def __init__(
        self,
        features: Features,
        objective: Mapping[str, Any],
        *,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.features = features
        self._objective = Objective(**objective)
        self._threads = threads or usable_cores()
        # A driver without a GPU may keep what its cluster's GPUs trained, within the tolerance.
        self._device = device if torch.cuda.is_available() else "cpu"
        self._trainer = HeadTrainer(
            features.embeddings,
            features.targets,
            features.split,
            views=features.views,
            device=self._device,
        )

    def run(
        self,
        replicates: Sequence[tuple[CellRecord, int]],
        *,
        thresholds: Sequence[float] = (),
        progress: Progress | None = None,
    ) -> Iterator[list[TrainedAgain]]:
        """Train replicates, a batch at a time, each as it is asked for.

        Args:
            replicates: (cell, seed) pairs, each once.
            thresholds: where the threshold curves are wanted beside the objective's threshold.
            progress: called with (head-epochs done, all) from any thread; what it raises ends
                the training.

        Returns:
            The entries of every batch; those of one batch share settings and head.
        """
        batches = self.batches(replicates)
        epochs = [int(batch[0][0].training["epochs"]) * len(batch) for batch in batches]
        for place, batch in enumerate(batches):
            yield self.train(
                batch,
                thresholds=thresholds,
                progress=_from(sum(epochs[:place]), sum(epochs), progress),
            )

    def batches(
        self, replicates: Sequence[tuple[CellRecord, int]]
    ) -> list[list[tuple[CellRecord, int]]]:
        """Divide replicates into what one :meth:`train` takes: whole tiles of equal settings.

        A batch fills all threads as far as the probabilities of its heads fit into memory.
        """
        groups: dict[str, list[tuple[CellRecord, int]]] = {}
        for cell, seed in replicates:
            key = canonical_json([shared_settings(cell), cell.head])
            groups.setdefault(key, []).append((cell, seed))
        batches = []
        for group in groups.values():
            by_seed: dict[int, list[tuple[CellRecord, int]]] = {}
            for entry in sorted(group, key=lambda e: (e[1], e[0].ordinal, e[0].key)):
                by_seed.setdefault(entry[1], []).append(entry)
            size = self._tile_heads(group[0][0])
            tiles = [
                entries[start : start + size]
                for entries in by_seed.values()
                for start in range(0, len(entries), size)
            ]
            together = self._tiles_together(size)
            batches += [
                [entry for tile in tiles[start : start + together] for entry in tile]
                for start in range(0, len(tiles), together)
            ]
        return batches

    def train(
        self,
        batch: Sequence[tuple[CellRecord, int]],
        *,
        thresholds: Sequence[float] = (),
        progress: Progress | None = None,
    ) -> list[TrainedAgain]:
        """Train one of :meth:`batches`.

        Args:
            batch: (cell, seed) pairs of equal settings.
            thresholds: where the threshold curves are wanted beside the objective's threshold.
            progress: called with (head-epochs done, all) from any thread; what it raises ends
                the training.

        Returns:
            One entry a pair, in the order of the batch.
        """
        cells = list({cell.key: cell for cell, _ in batch}.values())
        place = {cell.key: index for index, cell in enumerate(cells)}
        settings = training_settings(shared_settings(cells[0]), cells[0].head)
        own = [*thresholds] or [self._objective.threshold]
        results = self._trainer.train(
            [head_config(cell) for cell in cells],
            [(place[cell.key], seed) for cell, seed in batch],
            settings=_without_watching(settings),
            objective=self._objective,
            thresholds=own,
            threads=self._threads,
            keep_weights=True,
            progress=progress,
        )
        return list(_entries(batch, results, settings))

    def probabilities(
        self, trained: Sequence[TrainedAgain], splits: Sequence[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Every split's name and probabilities (R, n, C) of replicates of one batch."""
        parameters = {
            name: torch.from_numpy(np.stack([one.parameters[name] for one in trained]))
            for name in trained[0].parameters
        }
        for split in splits:
            rows = self.features.split[split]
            yield (
                split,
                head_probabilities(
                    self.features.embeddings[rows],
                    parameters,
                    precision=trained[0].settings.precision,
                    device=self._device,
                ).numpy(),
            )

    def _tile_heads(self, cell: CellRecord) -> int:
        settings = training_settings(shared_settings(cell), cell.head)
        return tile_slots(
            settings,
            dim=self.features.embeddings.shape[1],
            num_classes=self.features.targets.shape[1],
            device=torch.device(self._device),
        )

    def _tiles_together(self, tile_heads: int) -> int:
        kept = sum(len(self.features.split[split]) for split in ("validation", "test"))
        head_bytes = 4 * kept * self.features.targets.shape[1]
        fitting = _BATCH_BYTES // (head_bytes * tile_heads)
        return max(1, min(fitting, 4 * self._threads))


def _from(before: int, total: int, progress: Progress | None) -> Progress | None:
    """Progress within one batch as progress within all."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _without_watching(settings: TrainingSettings) -> TrainingSettings:
    """The same training with its objective read at the end only, where nothing hangs on it."""
    if settings.keep_epoch == "best":
        return settings
    return replace(settings, eval_every=settings.epochs)


def _entries(
    batch: Sequence[tuple[CellRecord, int]], results: HeadResults, settings: TrainingSettings
) -> Iterator[TrainedAgain]:
    parameters = {name: values.numpy() for name, values in (results.parameters or {}).items()}
    for row, (cell, seed) in enumerate(batch):
        complete = results.states[row] == COMPLETE
        yield TrainedAgain(
            cell=cell,
            seed=seed,
            state=str(results.states[row]),
            objective=float(results.objective[row]) if complete else float("nan"),
            scores={key: float(values[row]) for key, values in results.scores.items()},
            curves={key: values[row] for key, values in results.curves.items()},
            parameters={name: values[row] for name, values in parameters.items()},
            settings=settings,
        )

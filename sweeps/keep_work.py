"""Does the work of keeping cells: trains, compares, writes files and then their rows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from storage import frames
from storage.cell_scores import load_cell_scores
from storage.inside import locate_inside
from storage.kept_files import (
    KEPT_SPLITS,
    KeptFileError,
    kept_folder,
    read_kept,
    remove_abandoned,
    remove_kept,
    write_kept,
    write_targets,
)
from storage.records import CellRecord, KeptRecord, SweepInfo
from storage.store import Store
from sweeps.agreement import Agreement, compare_scores
from sweeps.keep_summary import KeepOptions, KeepSummary

if TYPE_CHECKING:
    from sigmoidf1.features import Features
    from sweeps.retraining import Retrainer, TrainedAgain

BEST, ASKED = "best", "asked"

Progress = Callable[[int, int], None]
_LOGGER = logging.getLogger(__name__)


def stored_cells(cells: pd.DataFrame) -> dict[str, CellRecord]:
    """Return key to record of cells as :func:`storage.frames.load_cells` reads them."""
    return {
        str(row["key"]): CellRecord(
            key=str(row["key"]),
            loss=str(row["loss"]),
            hyperparameters=row["hyperparameters"],
            training=row["training"],
            head=row["head"],
            ordinal=int(row["ordinal"]),
            parameters=row["parameters"],
        )
        for row in cells.to_dict("records")
    }


class _Stopped(Exception):  # noqa: N818  (a signal, never an error)
    pass


@dataclass
class KeepWork:
    """One call's work on one sweep."""

    store: Store
    info: SweepInfo
    features: Features | None
    options: KeepOptions
    progress: Progress | None
    stop: threading.Event | None

    @property
    def folder(self) -> Path:
        """The store's kept folder."""
        return kept_folder(self.store.url)

    def remove_others(self, wanted: set[str], summary: KeepSummary) -> None:
        """Un-keep what is no longer among the best; first the rows, then the files."""
        rows = frames.load_kept(self.store, self.info.name)
        others = [
            row
            for row in rows[~rows["cell_key"].isin(wanted)].to_dict("records")
            if self._why(row) != ASKED
        ]
        if others:
            ids = [int(row["replicate_id"]) for row in others]
            remove_kept(self.folder, self.store.unkeep(self.info.sweep_id, ids))
        summary.removed = len(others)
        gone = {row["path"] for row in others}
        remove_abandoned(self.folder, self.info.name, set(rows["path"]) - gone)

    def keep(self, wanted: pd.DataFrame, why: str, summary: KeepSummary) -> None:
        """Train and write what is missing of these cells' complete seeds."""
        summary.cells = len(wanted)
        kept = frames.load_kept(self.store, self.info.name)
        present = {
            int(row["replicate_id"]) for row in kept.to_dict("records") if self._present(row, why)
        }
        replicates = frames.load_replicates(
            self.store, self.info.name, losses=sorted(set(wanted["loss"]))
        )
        mine = replicates[
            replicates["cell_id"].isin(wanted["cell_id"]) & (replicates["state"] == "complete")
        ]
        summary.present = int(mine["replicate_id"].isin(present).sum())
        todo = mine[~mine["replicate_id"].isin(present)]
        if len(todo):
            self._train(wanted, todo, why, summary)

    def _train(
        self, wanted: pd.DataFrame, todo: pd.DataFrame, why: str, summary: KeepSummary
    ) -> None:
        # Only here: what is kept already costs no import of PyTorch.
        from sweeps.retraining import Retrainer

        features = self._features()
        retrainer = Retrainer(
            features,
            self.info.objective,
            threads=self.options.threads,
            device=self.options.device,
        )
        writer = _Writer(self, wanted, todo, why, features)
        try:
            for trained in retrainer.run(writer.pairs, progress=self._tell):
                writer.write(retrainer, trained, summary)
                self._check_stop()
        except _Stopped:
            summary.interrupted = True

    def _features(self) -> Features:
        if self.features is not None:
            return self.features
        from sweeps.retraining import same_features

        return same_features(
            self.info.spec["data"],
            self.info.spec["encoder"],
            sweep=self.info.name,
            dataset_fingerprint=self.info.dataset_fingerprint,
            features_fingerprint=self.info.identity.get("features"),
            cache_dir=self.options.cache_dir,
        )

    def _tell(self, done: int, total: int) -> None:
        self._check_stop()
        if self.progress is not None:
            self.progress(done, total)

    def _check_stop(self) -> None:
        if self.stop is not None and self.stop.is_set():
            raise _Stopped

    def _present(self, row: Mapping[Any, Any], why: str) -> bool:
        """Whether a kept file is there as its row says, and for no lesser reason than ``why``."""
        try:
            path = locate_inside(self.folder, str(row["path"]))
            if path.stat().st_size != row["size_bytes"]:
                return False
            if not self.options.check and why == BEST:
                return True
            stored = read_kept(path, str(row["sha256"])).metadata.get("why")
        except (OSError, KeptFileError):
            return False
        return why == BEST or stored == ASKED

    def _why(self, row: Mapping[Any, Any]) -> str:
        try:
            path = locate_inside(self.folder, str(row["path"]))
            head = read_kept(path, str(row["sha256"]))
        except KeptFileError:
            return BEST
        return str(head.metadata.get("why", BEST))


class _Writer:
    """Compares replicates trained again with the stored ones, and writes those that agree."""

    def __init__(
        self,
        work: KeepWork,
        wanted: pd.DataFrame,
        todo: pd.DataFrame,
        why: str,
        features: Features,
    ) -> None:
        self._work, self._why, self._features = work, why, features
        records = stored_cells(wanted)
        keys = dict(zip(wanted["cell_id"], wanted["key"], strict=True))
        self._ids = {
            (str(keys[cell_id]), int(seed)): int(replicate_id)
            for cell_id, seed, replicate_id in zip(
                todo["cell_id"], todo["seed"], todo["replicate_id"], strict=True
            )
        }
        self.pairs = [(records[key], seed) for key, seed in self._ids]
        scores = load_cell_scores(work.store, sorted({int(cell) for cell in todo["cell_id"]}))
        self._stored: dict[tuple[str, int], dict[tuple[str, str], float]] = {}
        for row in scores.to_dict("records"):
            measured = self._stored.setdefault((keys[row["cell_id"]], int(row["seed"])), {})
            measured[row["split"], row["metric"]] = row["value"]
        self._targets_sha256 = write_targets(
            work.folder,
            work.info.name,
            {split: features.targets[features.split[split]].numpy() for split in KEPT_SPLITS},
            {
                split: [features.ids[row] for row in features.split[split].tolist()]
                for split in KEPT_SPLITS
            },
        )

    def write(
        self, retrainer: Retrainer, trained: Sequence[TrainedAgain], summary: KeepSummary
    ) -> None:
        """Write a batch's files, then their rows in one transaction."""
        probs = dict(retrainer.probabilities(trained, KEPT_SPLITS))
        records = []
        for row, one in enumerate(trained):
            agreement = self._compare(one)
            if not agreement.close:
                line = f"cell {one.cell.key[:16]}, seed {one.seed}: {agreement.where}"
                _LOGGER.warning("Not kept, it trains to another result than stored: %s", line)
                summary.refused.append(line)
                continue
            file = write_kept(
                self._work.folder,
                self._work.info.name,
                one.cell.key,
                one.seed,
                parameters=one.parameters,
                probs={split: values[row] for split, values in probs.items()},
                metadata=self._metadata(one, agreement),
            )
            records.append(
                KeptRecord(
                    replicate_id=self._ids[one.cell.key, one.seed],
                    path=file.path,
                    sha256=file.sha256,
                    size_bytes=file.size_bytes,
                )
            )
            summary.exact &= agreement.exact
            summary.largest = max(summary.largest, agreement.largest)
        if records:
            self._work.store.keep(self._work.info.sweep_id, records)
        summary.written += len(records)

    def _compare(self, one: TrainedAgain) -> Agreement:
        stored = self._stored[one.cell.key, one.seed]
        return compare_scores(stored, one.scores, what=f"seed {one.seed}")

    def _metadata(self, one: TrainedAgain, agreement: Agreement) -> dict[str, Any]:
        info = self._work.info
        return {
            "why": self._why,
            "loss": one.cell.loss,
            "hyperparameters": one.cell.hyperparameters,
            "training": one.cell.training,
            "head": one.cell.head,
            "labels": list(self._features.labels),
            "threshold": info.objective["threshold"],
            "dataset": info.dataset,
            "encoder": info.encoder,
            "dataset_fingerprint": info.dataset_fingerprint,
            "features_fingerprint": self._features.fingerprint,
            "targets_sha256": self._targets_sha256,
            "largest_difference": agreement.largest,
        }

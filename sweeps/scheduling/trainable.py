"""The trial of Ray Tune: train one pack and hand its results to the recorder."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from sweeps.packs import PackTask
from sweeps.scheduling.searcher import PACK

_PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True)
class PackContext:
    """What all trials of a run share; passed once through Ray's object store."""

    packs: Sequence[PackTask]
    data: Any  # sweeps.pack_training.PackData; typed loosely, so that importing this needs no torch
    recorder: Any


class PackTrial(tune.Trainable):
    """One pack; the actor is reused for the next, and keeps the features on its device."""

    def setup(self, config: dict[str, Any], context: PackContext | None = None) -> None:
        """Called once per actor."""
        if context is None:
            raise TypeError("PackTrial needs a context: wrap it by tune.with_parameters.")
        self._context = context
        self._pack = config[PACK]
        self._trainer: Any = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack."""
        self._pack = new_config[PACK]
        return True

    def step(self) -> dict[str, Any]:
        """Claim, train and record the pack; errors become failed replicates, not a dead trial."""
        recorder = self._context.recorder
        task = self._context.packs[self._pack]
        ids = [replicate for replicate, _, _ in task.replicates]
        claimed = set(ray.get(recorder.claim.remote(self._pack, ids)))
        if not claimed:
            return {"done": True, "replicates": 0}
        try:
            result = self._train(task, claimed)
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            ray.get(recorder.fail.remote(self._pack, sorted(claimed), reason))
            return {"done": True, "replicates": 0}
        ray.get(recorder.record.remote(self._pack, result))
        return {"done": True, "replicates": len(claimed)}

    def _train(self, task: PackTask, claimed: set[int]) -> Any:
        from sweeps.pack_training import PackTrainer

        if self._trainer is None:
            self._trainer = PackTrainer(self._context.data)
        last_told = 0.0
        heads = len(claimed)

        def tell(done: int, total: int) -> None:
            nonlocal last_told
            now = time.monotonic()
            if now - last_told >= _PROGRESS_EVERY_S:
                last_told = now
                self._context.recorder.progress.remote(self._pack, heads * done / total)

        worker = f"{socket.gethostname()}/{os.getpid()}"
        return self._trainer.train(task, claimed, worker=worker, progress=tell)

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing to keep: a pack is recorded whole or trained again."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load."""

"""The trial of Ray Tune: train one pack and hand its results to the recorder."""

from __future__ import annotations

import gc
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from ray import tune

from sweeps.packs import PackTask
from sweeps.scheduling.recorder import RecorderHandle
from sweeps.scheduling.searcher import OUT_OF_MEMORY, PACK

_PROGRESS_EVERY_S = 0.5


class PackDroppedError(Exception):
    """The run was told to let go of what it trains."""


@dataclass(frozen=True)
class PackContext:
    """What all trials of a run share; passed once through Ray's object store."""

    data: Any  # sweeps.pack_training.PackData; typed loosely, so that importing this needs no torch
    recorder: RecorderHandle


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
        """Claim, train and record the pack; errors become failed replicates, not a dead trial.

        Out of memory, the pack comes again in halves.
        """
        recorder = self._context.recorder
        claim = recorder.call("claim", self._pack, _this_worker())
        if claim is None:
            return {"done": True, "replicates": 0}
        task, claimed = claim
        try:
            result = self._train(task, set(claimed))
        except PackDroppedError:
            return {"done": True, "replicates": 0}
        except Exception as error:
            if self._is_too_large(error):
                return {"done": True, "replicates": 0, OUT_OF_MEMORY: True}
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            recorder.call("fail", self._pack, reason)
            return {"done": True, "replicates": 0}
        recorder.call("record", self._pack, result)
        return {"done": True, "replicates": len(claimed)}

    def _is_too_large(self, error: Exception) -> bool:
        """Whether a smaller pack may fit; the memory of this one is given back."""
        import torch

        from sigmoidf1.training.memory import is_out_of_memory

        # Without a trainer it was the features that did not fit: half a pack has as many.
        if self._trainer is None or not is_out_of_memory(error):
            return False
        self._trainer = None
        error.__traceback__ = None  # its frames hold the pack's tensors
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return True

    def _train(self, task: PackTask, claimed: set[int]) -> Any:
        from sweeps.pack_training import PackTrainer
        from sweeps.samplers.halving import pruning

        if self._trainer is None:
            self._trainer = PackTrainer(self._context.data)
        last_told = 0.0
        heads = len(claimed)

        def tell(done: int, total: int) -> None:
            nonlocal last_told
            now = time.monotonic()
            if now - last_told >= _PROGRESS_EVERY_S:
                last_told = now
                if not self._context.recorder.call("progress", self._pack, heads * done / total):
                    raise PackDroppedError

        data = self._context.data
        told = pruning(task, claimed, data.halving, maximize=data.maximize)
        return self._trainer.train(task, claimed, worker=_this_worker(), progress=tell, **told)

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing to keep: a pack is recorded whole or trained again."""
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to load."""


def _this_worker() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"

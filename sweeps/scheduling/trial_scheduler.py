"""What Ray Tune is told of trials beyond their order: why they failed, and when to let go."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from sweeps.scheduling.lost import why_lost
from sweeps.scheduling.searcher import PackSearcher


class PackScheduler(FIFOScheduler):
    """Starts packs in the order in which they come.

    It tells the searcher what took a worker, and gives a worker's place back to the cluster when
    the run has as many packs as it may: Tune would keep one idle worker for a next trial.

    Args:
        searcher: hands out the packs.
    """

    def __init__(self, searcher: PackSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note why a trial failed; called before the searcher hears that it did."""
        self._searcher.lost(trial.trial_id, why_lost(_error_text(trial)))

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """None: Tune starts waiting trials by itself, without a look at all that have ended."""
        waiting = any(t.status == Trial.PENDING for t in tune_controller.get_live_trials())
        if self._searcher.is_full and not waiting:
            tune_controller._cleanup_cached_actors(force_all=True)
        return None


def _error_text(trial: Trial) -> str:
    text = ""
    with suppress(OSError):
        text = Path(trial.error_file or "").read_text(encoding="utf-8", errors="replace")
    return text

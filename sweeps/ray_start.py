"""Ray, started in a thread while a run reads its features and plans."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from sweeps.run_records import RunOptions


class RayStart:
    """A cluster that is being started or joined."""

    def __init__(self, options: RunOptions) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._future: Future[tuple[AbstractContextManager[Any], Any]]
        self._future = self._pool.submit(self._enter, options)

    @staticmethod
    def _enter(options: RunOptions) -> tuple[AbstractContextManager[Any], Any]:
        from sweeps.scheduling.cluster import ray_cluster

        # Packs of a fraction of a core still need a whole one between them.
        cpus = options.workers and math.ceil(options.workers * options.cpus_per_pack)
        block = ray_cluster(address=options.ray_address, cpus=cpus, ship_code=options.ship_code)
        info = block.__enter__()
        import sweeps.scheduling.tune_run  # noqa: F401  (a second of imports, off the main thread)

        return block, info

    def wait(self) -> Any:
        """The cluster's :class:`~sweeps.scheduling.cluster.ClusterInfo`."""
        return self._future.result()[1]

    def close(self) -> None:
        """End Ray if it was started."""
        try:
            block, _ = self._future.result()
        except Exception:  # noqa: S110  # nosec B110
            pass  # raised by wait() already, or the run failed before
        else:
            block.__exit__(None, None, None)
        self._pool.shutdown()

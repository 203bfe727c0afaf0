"""Runs the packs of one sweep through Ray Tune."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

from sweeps.packs import PackTask
from sweeps.scheduling.cluster import ClusterInfo
from sweeps.scheduling.recorder import RunStatus, as_actor
from sweeps.scheduling.searcher import PackSearcher
from sweeps.scheduling.trainable import PackContext, PackTrial

WORKER_DEATHS = 3  # a pack whose worker died this often is not tried again
_POLL_S = 0.25


def run_packs(
    packs: Sequence[PackTask],
    data: Any,
    *,
    store_url: str,
    sweep_id: int,
    owner: str,
    cluster: ClusterInfo,
    workers: int,
    cpus_per_pack: float,
    gpus_per_pack: float,
    stop: threading.Event,
    on_status: Callable[[RunStatus], None],
) -> RunStatus:
    """Train and record all packs; returns the final status.

    Args:
        packs: the work, in the order in which it is handed out.
        data: :class:`sweeps.pack_training.PackData`.
        store_url: where the recorder writes.
        sweep_id: the sweep in the store.
        owner: name of this run, for its leases.
        cluster: the Ray that was started or joined.
        workers: packs at the same time, at most.
        cpus_per_pack: cores that a pack takes; may be a fraction.
        gpus_per_pack: GPUs that a pack takes; may be a fraction.
        stop: once set, running packs finish and no other starts.
        on_status: called a few times a second while packs run.
    """
    # A worker's death is dealt with here; Tune would print its traceback.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    recorder = as_actor(store_url, sweep_id, owner)
    context = PackContext(packs=packs, data=data, recorder=recorder)
    trial = tune.with_resources(
        tune.with_parameters(PackTrial, context=context),
        {"cpu": cpus_per_pack, "gpu": gpus_per_pack},
    )
    left = list(range(len(packs)))
    try:
        with _watched(recorder, on_status, stop):
            for _ in range(WORKER_DEATHS):
                _run_once(trial, left, workers, cluster, stop)
                settled: set[int] = ray.get(recorder.settled.remote())
                left = [pack for pack in left if pack not in settled]
                if not left or stop.is_set():
                    break
        if not stop.is_set():
            for pack in left:
                _give_up(recorder, pack, packs[pack])
    finally:
        status: RunStatus = ray.get(recorder.status.remote())
        ray.get(recorder.close.remote())
    on_status(status)
    return status


def _run_once(
    trial: Any, packs: Sequence[int], workers: int, cluster: ClusterInfo, stop: threading.Event
) -> None:
    """One Tune run over some packs. A pack whose worker dies is left over for the next."""
    tune.Tuner(
        trial,
        tune_config=tune.TuneConfig(
            search_alg=PackSearcher(packs, stop),
            num_samples=len(packs),
            max_concurrent_trials=workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"packs-{uuid.uuid4().hex[:8]}",
            storage_path=str(cluster.scratch / "tune"),
            verbose=0,
        ),
    ).fit()


def _give_up(recorder: Any, pack: int, task: PackTask) -> None:
    ids = [replicate for replicate, _, _ in task.replicates]
    claimed = ray.get(recorder.claim.remote(pack, ids))
    reason = f"its worker died {WORKER_DEATHS} times; see the system's log for memory or a crash"
    ray.get(recorder.fail.remote(pack, claimed, reason))


@contextmanager
def _watched(
    recorder: Any, on_status: Callable[[RunStatus], None], stop: threading.Event
) -> Iterator[None]:
    """Talk to the recorder from a thread, while Tune holds the main one."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            try:
                if stop.is_set():
                    recorder.stop.remote()
                on_status(ray.get(recorder.status.remote(), timeout=30))
            except ray.exceptions.RayError:
                continue  # a late answer costs one redraw; a dead recorder ends the run itself

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()

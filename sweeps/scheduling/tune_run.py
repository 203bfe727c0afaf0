"""Runs the packs of one sweep through Ray Tune."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

from storage.errors import StoreError
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.packs import PackTask
from sweeps.scheduling.cluster import ClusterInfo
from sweeps.scheduling.identity import RunIdentity, this_run
from sweeps.scheduling.recorder import RecorderHandle, RunStatus, as_actor
from sweeps.scheduling.searcher import WORKER_DEATHS, PackSearcher
from sweeps.scheduling.source import PackSource
from sweeps.scheduling.trainable import PackContext, PackTrial

_POLL_S = 0.25
_CLOSE_S = 30.0


def run_packs(
    source: PackSource,
    data: Any,
    *,
    store_url: str,
    sweep_id: int,
    cluster: ClusterInfo,
    workers: int,
    cpus_per_pack: float,
    gpus_per_pack: float,
    stop: threading.Event,
    on_status: Callable[[RunStatus], None],
) -> RunStatus:
    """Train and record the packs of a source until it is finished; returns the final status.

    The run is registered in the store while it lasts. `sweep stop` sets ``stop`` as Ctrl-C does.

    Args:
        source: the work; asked for a pack whenever a worker is free.
        data: :class:`sweeps.pack_training.PackData`.
        store_url: where the recorder writes.
        sweep_id: the sweep in the store.
        cluster: the Ray that was started or joined.
        workers: packs at the same time, at most.
        cpus_per_pack: cores that a pack takes; may be a fraction.
        gpus_per_pack: GPUs that a pack takes; may be a fraction.
        stop: once set, running packs finish and no other starts.
        on_status: called a few times a second while packs run.

    Raises:
        StoreError: the store cannot be written any more; what was recorded is kept.
        SweepError: the process that records has died.
    """
    # A worker's death is dealt with here; Tune would print its traceback.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    run = this_run()
    recorder = as_actor(store_url, sweep_id, run, workers)
    outcome = "failed"
    try:
        with _watched(recorder, on_status, stop):
            _run_tune(source, data, recorder, workers, cpus_per_pack, gpus_per_pack, cluster, stop)
        status: RunStatus = recorder.call("status")
        asked = "stopped" if status.stop else "interrupted"
        outcome = asked if stop.is_set() or status.stop else "finished"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError) as error:
        raise _recorder_failed(error) from error
    finally:
        _close(recorder, outcome, store_url, run)
    if status.fatal:
        raise StoreError(f"{status.fatal} What was recorded is kept: run the same command again.")
    on_status(status)
    return status


def _run_tune(
    source: PackSource,
    data: Any,
    recorder: RecorderHandle,
    workers: int,
    cpus_per_pack: float,
    gpus_per_pack: float,
    cluster: ClusterInfo,
    stop: threading.Event,
) -> None:
    trial = tune.with_resources(
        tune.with_parameters(PackTrial, context=PackContext(data=data, recorder=recorder)),
        {"cpu": cpus_per_pack, "gpu": gpus_per_pack},
    )

    def hand_out(pack: int, task: PackTask) -> None:
        recorder.call("add", pack, task)

    def give_up(pack: int, _task: PackTask) -> None:
        reason = (
            f"its worker died {WORKER_DEATHS} times; see the system's log for memory or a crash"
        )
        recorder.call("fail", pack, reason)

    tune.Tuner(
        trial,
        tune_config=tune.TuneConfig(
            search_alg=PackSearcher(source, stop, hand_out, give_up),
            num_samples=-1,
            max_concurrent_trials=workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"packs-{uuid.uuid4().hex[:8]}",
            storage_path=str(cluster.scratch / "tune"),
            verbose=0,
        ),
    ).fit()


def _close(recorder: RecorderHandle, outcome: str, store_url: str, run: RunIdentity) -> None:
    """End the run in the store, by the recorder or, where that is gone, in its place."""
    try:
        recorder.call("close", outcome, timeout=_CLOSE_S)
    except ray.exceptions.GetTimeoutError:
        return  # the database is away; its leases expire by themselves
    except ray.exceptions.RayError:
        try:
            with Store.open(store_url, create=False, retry_s=_CLOSE_S) as store:
                store.release(run.owner)
                store.end_run(run.owner, outcome)
        except StoreError:
            return  # its leases expire by themselves


def _recorder_failed(error: Exception) -> Exception:
    cause = getattr(error, "cause", None)
    if isinstance(cause, StoreError):
        return StoreError(str(cause))
    reason = " ".join(str(error).split())[:200]
    return SweepError(
        f"The process that records results must live as long as the run, but it died ({reason}). "
        "What was recorded is kept: run the same command again."
    )


@contextmanager
def _watched(
    recorder: RecorderHandle, on_status: Callable[[RunStatus], None], stop: threading.Event
) -> Iterator[None]:
    """Talk to the recorder from a thread, while Tune holds the main one."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            try:
                if stop.is_set():
                    recorder.tell("stop")
                status = recorder.call("status", timeout=30)
            except ray.exceptions.GetTimeoutError:
                continue  # a late answer costs one redraw
            except ray.exceptions.RayError:
                stop.set()  # without a recorder nothing that trains is of use
                return
            if status.stop or status.fatal:
                stop.set()
            on_status(status)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()

"""Runs the packs of one sweep through Ray Tune."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

from storage.errors import StoreError
from storage.store import Store
from sweeps.cluster.capacity import PackNeeds
from sweeps.errors import SweepError
from sweeps.packs import PackTask, Throughput
from sweeps.scheduling.cluster import ClusterInfo
from sweeps.scheduling.identity import RunIdentity
from sweeps.scheduling.recorder import RecorderHandle, RunStatus, as_actor
from sweeps.scheduling.room import Room
from sweeps.scheduling.searcher import PackSearcher
from sweeps.scheduling.source import PackSource
from sweeps.scheduling.trainable import PackContext, PackTrial
from sweeps.scheduling.trial_scheduler import PackScheduler

_POLL_S = 0.25
_LOOK_S = 2.0  # at the cluster: nodes come and go, and so do other runs
_CLOSE_S = 30.0


def run_packs(
    source: PackSource,
    data: Any,
    *,
    store_url: str,
    sweep_id: int,
    run: RunIdentity,
    cluster: ClusterInfo,
    needs: PackNeeds,
    room: Room,
    throughput: Throughput,
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
        run: this run.
        cluster: the Ray that was started or joined.
        needs: what a pack takes of a node.
        room: packs that may train at the same time; looked at again and again.
        throughput: kept true for the source, which cuts packs by it.
        stop: once set, running packs finish and no other starts.
        on_status: called a few times a second while packs run.

    Raises:
        StoreError: the store cannot be written any more; what was recorded is kept.
        SweepError: the process that records has died, or a node with other versions has joined.
    """
    # A worker's death is dealt with here; Tune would print its traceback.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    recorder = as_actor(store_url, sweep_id, run, room.packs)
    watch = _Watch(recorder, cluster, room, throughput, stop, on_status)
    outcome = "failed"
    try:
        with watch.over():
            _run_tune(source, data, recorder, watch, needs, cluster, stop)
        status: RunStatus = recorder.call("status")
        asked = "stopped" if status.stop else "interrupted"
        outcome = asked if stop.is_set() or status.stop else "finished"
        if watch.refused is not None:
            outcome = "failed"
            raise watch.refused
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError) as error:
        raise _recorder_failed(error) from error
    finally:
        room.leave()
        _close(recorder, outcome, store_url, run)
    if status.fatal:
        raise StoreError(f"{status.fatal} What was recorded is kept: run the same command again.")
    on_status(status)
    return status


def _run_tune(
    source: PackSource,
    data: Any,
    recorder: RecorderHandle,
    watch: _Watch,
    needs: PackNeeds,
    cluster: ClusterInfo,
    stop: threading.Event,
) -> None:
    # The features go into Ray's object store once; a node fetches them once for all its workers.
    trial = tune.with_resources(
        tune.with_parameters(PackTrial, context=PackContext(data=data, recorder=recorder)),
        {"cpu": needs.cpus, "gpu": needs.gpus},
    )

    def hand_out(pack: int, task: PackTask) -> None:
        recorder.call("add", pack, task)

    def give_up(pack: int, _task: PackTask, reason: str) -> None:
        recorder.call("fail", pack, reason)

    searcher = PackSearcher(source, stop, hand_out, give_up, watch.room)
    watch.searcher = searcher
    tune.Tuner(
        trial,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=PackScheduler(searcher),
            num_samples=-1,
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


class _Watch:
    """Talks to the recorder and looks at the cluster from a thread, while Tune holds the main one.

    Attributes:
        room: packs that may train at the same time.
        searcher: hands out the packs, once Tune runs.
        refused: why a node that joined cannot take part.
    """

    def __init__(
        self,
        recorder: RecorderHandle,
        cluster: ClusterInfo,
        room: Room,
        throughput: Throughput,
        stop: threading.Event,
        on_status: Callable[[RunStatus], None],
    ) -> None:
        self.room = room
        self.searcher: PackSearcher | None = None
        self.refused: SweepError | None = None
        self._recorder = recorder
        self._cluster = cluster
        self._throughput = throughput
        self._stop = stop
        self._on_status = on_status
        self._done = threading.Event()
        self._looked = 0.0

    @contextmanager
    def over(self) -> Iterator[None]:
        """Watch while the block runs."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._done.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            try:
                if self._stop.is_set():
                    self._recorder.tell("stop")
                status = self._recorder.call("status", timeout=30)
                self._look_at_the_cluster()
            except ray.exceptions.GetTimeoutError:
                continue  # a late answer costs one redraw
            except ray.exceptions.RayError:
                self._stop.set()  # without a recorder nothing that trains is of use
                return
            except SweepError as error:
                self.refused = error
                self._stop.set()
                continue
            self._throughput.work_per_s = status.work_per_s
            if status.stop or status.fatal:
                self._stop.set()
            self._on_status(status)

    def _look_at_the_cluster(self) -> None:
        if self.searcher is None or time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        self.room.refresh(
            self._throughput, running=self.searcher.running, starved=self.searcher.starved
        )
        self._cluster.check_nodes()

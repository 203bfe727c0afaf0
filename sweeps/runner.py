"""Runs a sweep: plan, features, packs, Ray Tune, store, Optuna."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from storage.optuna_mirror import mirror
from storage.records import PlanCounts
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.interrupt import graceful_stop
from sweeps.plan import Plan, make_plan
from sweeps.spec import SweepSpec

_LOGGER = logging.getLogger(__name__)
DEFAULT_STORE = "sqlite:///sigmoidf1.db"
_MEMORY_SHARE = 0.4  # of the free memory, for all packs that run at once


class RunListener(Protocol):
    """Told how a run goes; the command line draws it, a notebook may ignore it."""

    def embedding(self, done: int, total: int) -> None:
        """``done`` of ``total`` examples are embedded."""

    def planned(self, counts: PlanCounts) -> None:
        """The plan is in the store."""

    def training(self, status: Any) -> None:
        """A :class:`sweeps.scheduling.recorder.RunStatus`, a few times a second."""

    def stopping(self) -> None:
        """The run was interrupted; the running packs finish."""


class SilentListener:
    """Ignores everything."""

    def embedding(self, done: int, total: int) -> None:
        """Ignore."""

    def planned(self, counts: PlanCounts) -> None:
        """Ignore."""

    def training(self, status: Any) -> None:
        """Ignore."""

    def stopping(self) -> None:
        """Ignore."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and on what a sweep runs; nothing here changes a result.

    Args:
        workers: packs at the same time; None is one a core (or a GPU share).
        cpus_per_pack: cores that a pack takes.
        gpus_per_pack: GPUs that a pack takes, fractions allowed; None is one where Ray has any.
        ray_address: a running cluster; None starts a local Ray that ends with the run.
        cache_dir: where embeddings are cached; None is the default place.
    """

    workers: int | None = None
    cpus_per_pack: float = 1.0
    gpus_per_pack: float | None = None
    ray_address: str | None = None
    cache_dir: Path | None = None


@dataclass(kw_only=True)
class RunSummary:
    """What a run did.

    Attributes:
        sweep: its name.
        plan: replicates planned, added, removed, done before, open before.
        trained: replicates that this run recorded, by state.
        taken_elsewhere: replicates that another run of the same sweep trained meanwhile.
        errors: reasons of failed replicates, each once.
        interrupted: the run was stopped before its plan was done.
        seconds: wall time of each phase: ``features``, ``ray`` (waiting for it to start),
            ``training`` (all packs), ``optuna``, ``total``.
        busy_s: seconds that workers spent training and evaluating, summed over workers.
        recording_s: seconds that the recorder spent writing packs.
        workers: packs that ran at the same time, at most.
    """

    sweep: str
    plan: PlanCounts
    trained: dict[str, int] = field(default_factory=dict)
    taken_elsewhere: int = 0
    errors: list[str] = field(default_factory=list)
    interrupted: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    busy_s: float = 0.0
    recording_s: float = 0.0
    workers: int = 0


def run_sweep(
    spec: SweepSpec,
    store_url: str = DEFAULT_STORE,
    *,
    options: RunOptions | None = None,
    listener: RunListener | None = None,
) -> RunSummary:
    """Run what is missing of a sweep and mirror its finished cells to Optuna.

    The store is the truth: the plan of the spec minus the replicates that are done is what runs.
    Interrupted (Ctrl-C) once, the running packs finish and are recorded; twice, they are given
    back. Either way the next run continues.

    Args:
        spec: the checked spec, from :func:`sweeps.spec.load_spec`.
        store_url: an SQLAlchemy URL; SQLite or PostgreSQL.
        options: where and on what it runs.
        listener: told how it goes.

    Returns:
        What was done and how long it took.

    Raises:
        SpecError, InputError: the spec or its data break a rule; nothing was stored.
        StoreError: the store cannot be used, or holds another sweep under this name.
        SweepError: Ray does not start.
    """
    options = options or RunOptions()
    listener = listener or SilentListener()
    started = time.perf_counter()
    plan = make_plan(spec)
    with Store.open(store_url) as store:
        joins = options.ray_address is not None  # the cluster embeds as well
        starting = _Starting(options) if joins or _may_need_ray(store, plan) else None
        try:
            return _Run(plan, store, store_url, options, listener, started).go(starting)
        finally:
            if starting is not None:
                starting.close()


def _may_need_ray(store: Store, plan: Plan) -> bool:
    """Whether to start Ray while the features are still being made: cheap, may be wrong."""
    if plan.sweep not in store.sweep_names():
        return True
    counts = store.counts(store.sweep_id(plan.sweep))
    done = sum(counts[state] for state in ("complete", "diverged", "failed"))
    return done < plan.n_replicates


class _Starting:
    """Ray, starting in a thread while the features are read or made."""

    def __init__(self, options: RunOptions) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._future: Future[tuple[AbstractContextManager[Any], Any]]
        self._future = self._pool.submit(self._enter, options)

    @staticmethod
    def _enter(options: RunOptions) -> tuple[AbstractContextManager[Any], Any]:
        from sweeps.scheduling.cluster import ray_cluster

        block = ray_cluster(address=options.ray_address, cpus=options.workers)
        info = block.__enter__()
        import sweeps.scheduling.tune_run  # noqa: F401  (a second of imports, off the main thread)

        return block, info

    def wait(self) -> Any:
        """The cluster's :class:`ClusterInfo`."""
        return self._future.result()[1]

    def close(self) -> None:
        """End Ray if it was started."""
        try:
            block, _ = self._future.result()
        except Exception:  # noqa: S110  (raised by wait() already, or the run failed before)
            pass
        else:
            block.__exit__(None, None, None)
        self._pool.shutdown()


@dataclass
class _Run:
    plan: Plan
    store: Store
    store_url: str
    options: RunOptions
    listener: RunListener
    started: float
    seconds: dict[str, float] = field(default_factory=dict)

    def go(self, starting: _Starting | None) -> RunSummary:
        from sweeps.sweep_data import load_sweep_features, sweep_record

        features = self._timed(
            "features",
            lambda: load_sweep_features(
                self.plan,
                cache_dir=self.options.cache_dir,
                progress=self.listener.embedding,
                backend=self._embedding_backend(starting),
            ),
        )
        sweep_id = self.store.put_sweep(sweep_record(self.plan, features))
        counts = self.store.plan(sweep_id, self.plan.cells, self.plan.seeds)
        self.listener.planned(counts)
        skipped = features.info.get("skipped")
        if skipped and skipped["count"]:
            _LOGGER.warning(
                "%d examples were skipped; the first: %s. `sigmoidf1 embed SPEC` lists them.",
                skipped["count"],
                skipped["problems"][0],
            )
        summary = RunSummary(sweep=self.plan.sweep, plan=counts, seconds=self.seconds)
        if counts.open:
            starting = starting or _Starting(self.options)
            self._train(sweep_id, features, starting, summary)
        self._timed("optuna", lambda: mirror(self.store, self.plan.sweep, self.plan.distributions))
        self.seconds["total"] = time.perf_counter() - self.started
        return summary

    def _embedding_backend(self, starting: _Starting | None) -> Any:
        """What embeds on a cluster of several GPUs or nodes; None for this process."""
        if self.options.ray_address is None or starting is None:
            return None
        starting.wait()
        from sweeps.scheduling.embedding import cluster_backend

        return cluster_backend()

    def _train(
        self, sweep_id: int, features: Any, starting: _Starting, summary: RunSummary
    ) -> None:
        from sweeps.packs import make_packs
        from sweeps.sweep_data import pack_data, pack_limits

        cluster = self._timed("ray", starting.wait)
        from sweeps.scheduling.tune_run import run_packs

        gpus = self.options.gpus_per_pack
        if gpus is None:
            gpus = 1.0 if cluster.gpus else 0.0
        workers = self._workers(cluster.cpus, cluster.gpus, gpus)
        device = "cuda" if gpus else "cpu"
        limits = pack_limits(
            features,
            self.plan,
            device=device,
            workers=workers,
            memory_bytes=int(_MEMORY_SHARE * psutil.virtual_memory().available / workers),
        )
        cells = {cell.key: cell for cell in self.plan.cells}
        packs = make_packs(self.store.open_replicates(sweep_id), cells, limits)
        stop = threading.Event()
        with graceful_stop(stop, self.listener.stopping):
            status = self._timed(
                "training",
                lambda: run_packs(
                    packs,
                    pack_data(features, self.plan, device),
                    store_url=self.store_url,
                    sweep_id=sweep_id,
                    owner=f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}",
                    cluster=cluster,
                    workers=workers,
                    cpus_per_pack=self.options.cpus_per_pack,
                    gpus_per_pack=gpus,
                    stop=stop,
                    on_status=self.listener.training,
                ),
            )
        summary.trained = dict(status.finished)
        summary.taken_elsewhere = status.taken_elsewhere
        summary.errors = list(status.errors)
        summary.interrupted = stop.is_set()
        summary.busy_s = status.training_s
        summary.recording_s = status.recording_s
        summary.workers = workers

    def _workers(self, cpus: float, gpus: float, gpus_per_pack: float) -> int:
        limits: Mapping[str, float] = {
            "CPU": cpus / self.options.cpus_per_pack
            if self.options.cpus_per_pack
            else float("inf"),
            "GPU": gpus / gpus_per_pack if gpus_per_pack else float("inf"),
        }
        most = int(min(limits.values()))
        if most < 1:
            raise SweepError(
                f"a pack needs {self.options.cpus_per_pack:g} CPUs and {gpus_per_pack:g} GPUs, but "
                f"Ray has {cpus:g} and {gpus:g}. Ask for less by --cpus-per-pack, --gpus-per-pack."
            )
        return min(most, self.options.workers or most)

    def _timed(self, phase: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started

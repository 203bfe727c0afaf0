"""Runs a sweep: plan, features, packs, Ray Tune, store, Optuna, kept cells."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage.defaults import DEFAULT_URL as DEFAULT_STORE
from storage.errors import StoreError
from storage.optuna_mirror import mirror
from storage.outcomes import count_open
from storage.records import CellRecord, OpenReplicate
from storage.store import Store
from sweeps.errors import SweepError
from sweeps.interrupt import graceful_stop
from sweeps.plan import Plan, make_plan
from sweeps.ray_start import RayStart
from sweeps.run_records import RunListener, RunOptions, RunSummary, SilentListener
from sweeps.samplers.growth import Growth, check_unchanged
from sweeps.spec import SweepSpec

if TYPE_CHECKING:
    from sigmoidf1.features import Features
    from sweeps.packs import PackTask, Throughput

__all__ = [
    "DEFAULT_STORE",
    "RunListener",
    "RunOptions",
    "RunSummary",
    "SilentListener",
    "run_sweep",
]

_LOGGER = logging.getLogger(__name__)
_MEMORY_SHARE = 0.4  # of the memory that there is for a pack


def run_sweep(
    spec: SweepSpec,
    store_url: str = DEFAULT_STORE,
    *,
    options: RunOptions | None = None,
    listener: RunListener | None = None,
) -> RunSummary:
    """Run what is missing of a sweep, mirror its finished cells to Optuna and keep the best.

    The store is the truth: the plan of the spec minus the replicates that are done is what runs.
    A sampler or a race plans its next cells or seeds in the store before they train. Interrupted
    (Ctrl-C) once, the running packs finish and are recorded; twice, they are given back. Either
    way the next run continues.

    Args:
        spec: the checked spec, from :func:`sweeps.spec.load_spec`.
        store_url: an SQLAlchemy URL; SQLite or PostgreSQL.
        options: where and on what it runs.
        listener: told how it goes.

    Returns:
        What was done and how long it took.

    Raises:
        SpecError, InputError: the spec or its data break a rule; nothing was stored.
        SweepChangedError: the store holds other settings under this name.
        StoreError: the store cannot be used.
        SweepError: Ray does not start, or a pack does not fit into memory.
    """
    options = options or RunOptions()
    listener = listener or SilentListener()
    started = time.perf_counter()
    plan = make_plan(spec)
    with Store.open(store_url) as store:
        check_unchanged(store, plan)
        joins = options.ray_address is not None  # the cluster embeds as well
        starting = RayStart(options) if joins or _may_need_ray(store, plan) else None
        run = _Run(plan, store, store_url, options, listener, started, starting)
        try:
            return run.go(spec.keep)
        finally:
            if run.starting is not None:
                run.starting.close()


def _may_need_ray(store: Store, plan: Plan) -> bool:
    """Whether to start Ray while the features are still being made: cheap, may be wrong."""
    if plan.sweep not in store.sweep_names():
        return True
    sweep_id = store.sweep_id(plan.sweep)
    if count_open(store, sweep_id):
        return True
    # A race that is over has fewer replicates than it might have come to.
    return "racing" not in plan.spec and sum(store.counts(sweep_id).values()) < plan.n_replicates


@dataclass
class _Run:
    plan: Plan
    store: Store
    store_url: str
    options: RunOptions
    listener: RunListener
    started: float
    starting: RayStart | None
    seconds: dict[str, float] = field(default_factory=dict)

    def go(self, keep: int | str) -> RunSummary:
        from sweeps.samplers.planning import make_growth
        from sweeps.sweep_data import load_sweep_features, sweep_record

        features = self._timed(
            "features",
            lambda: load_sweep_features(
                self.plan,
                cache_dir=self.options.cache_dir,
                progress=self.listener.embedding,
                backend=self._embedding_backend(),
            ),
        )
        sweep_id = self.store.put_sweep(sweep_record(self.plan, features))
        growth = make_growth(self.store, sweep_id, self.plan)
        counts = self._timed("plan", growth.begin)
        self.listener.planned(counts)
        skipped = features.info.get("skipped")
        if skipped and skipped["count"]:
            _LOGGER.warning(
                "%d examples were skipped; the first: %s. `sigmoidf1 embed SPEC` lists them.",
                skipped["count"],
                skipped["problems"][0],
            )
        summary = RunSummary(sweep=self.plan.sweep, plan=counts, seconds=self.seconds)
        stop = threading.Event()
        device = "cpu"
        with graceful_stop(stop, self.listener.stopping):
            if counts.open:
                device = self._train(sweep_id, growth, features, stop, summary)
            self._timed(
                "optuna", lambda: mirror(self.store, self.plan.sweep, self.plan.distributions)
            )
            if not stop.is_set():
                self._timed("keeping", lambda: self._keep(keep, features, device, stop, summary))
        summary.interrupted = stop.is_set()
        self.seconds["total"] = time.perf_counter() - self.started
        return summary

    def _embedding_backend(self) -> Any:
        """What embeds on a cluster of several GPUs or nodes; None for this process."""
        if self.options.ray_address is None or self.starting is None:
            return None
        self.starting.wait()
        from sweeps.scheduling.embedding import cluster_backend

        return cluster_backend()

    def _train(
        self,
        sweep_id: int,
        growth: Growth,
        features: Features,
        stop: threading.Event,
        summary: RunSummary,
    ) -> str:
        """Train what is open and what comes of it; returns the device."""
        from sweeps.sweep_data import pack_data

        self.starting = self.starting or RayStart(self.options)
        cluster = self._timed("ray", self.starting.wait)
        from sweeps.cluster.capacity import PackNeeds
        from sweeps.packs import Throughput
        from sweeps.samplers.source import GrowingPlan
        from sweeps.scheduling.identity import this_run
        from sweeps.scheduling.room import make_room
        from sweeps.scheduling.sharing import release_dead_runs
        from sweeps.scheduling.source import SharedPlan
        from sweeps.scheduling.tune_run import run_packs

        gpus = self.options.gpus_per_pack
        if gpus is None:
            gpus = 1.0 if cluster.gpus else 0.0
        needs = PackNeeds(cpus=self.options.cpus_per_pack, gpus=gpus)
        run = this_run()
        room = make_room(cluster, needs, self.options.workers, run)
        throughput = Throughput(room.packs)
        device = "cuda" if gpus else "cpu"
        release_dead_runs(self.store, sweep_id)

        def make(left: Sequence[OpenReplicate]) -> Iterator[PackTask]:
            memory_bytes = int(_MEMORY_SHARE * room.pack_memory_bytes())
            return self._packs(sweep_id, left, features, device, memory_bytes, throughput)

        source = GrowingPlan(growth, lambda: SharedPlan(self.store, sweep_id, make))
        status = self._timed(
            "training",
            lambda: run_packs(
                source,
                pack_data(features, self.plan, device),
                store_url=self.store_url,
                sweep_id=sweep_id,
                run=run,
                cluster=cluster,
                needs=needs,
                room=room,
                throughput=throughput,
                stop=stop,
                on_status=self.listener.training,
            ),
        )
        summary.trained = dict(status.finished)
        summary.taken_elsewhere = status.taken_elsewhere
        summary.errors = list(status.errors)
        summary.busy_s = status.training_s
        summary.recording_s = status.recording_s
        summary.workers = room.most_at_once
        return device

    def _packs(
        self,
        sweep_id: int,
        left: Sequence[OpenReplicate],
        features: Features,
        device: str,
        memory_bytes: int,
        throughput: Throughput,
    ) -> Iterator[PackTask]:
        from sweeps.packs import make_packs
        from sweeps.sweep_data import pack_limits

        if not left:
            return iter(())
        # Only what is open is read: of a million replicates it may be a thousand.
        keys = list(dict.fromkeys(replicate.cell_key for replicate in left))
        cells: dict[str, CellRecord] = {c.key: c for c in self.store.cells(sweep_id, keys)}
        limits = pack_limits(
            features, self.plan, list(cells.values()), device=device, memory_bytes=memory_bytes
        )
        return make_packs(left, cells, limits, throughput)

    def _keep(
        self,
        keep: int | str,
        features: Features,
        device: str,
        stop: threading.Event,
        summary: RunSummary,
    ) -> None:
        import torch

        from sweeps.keeping import KeepOptions, keep_best

        if keep == "none":
            return
        # The GPUs may be the cluster's, and none this process's.
        device = device if torch.cuda.is_available() else "cpu"
        try:
            kept = keep_best(
                self.store,
                self.plan.sweep,
                keep=keep,
                features=features,
                options=KeepOptions(
                    threads=self.options.workers, device=device, cache_dir=self.options.cache_dir
                ),
                progress=self.listener.keeping,
                stop=stop,
            )
        except (SweepError, StoreError) as error:
            # The sweep itself is done and stored: `sweep keep` does this again.
            _LOGGER.warning("No cell was kept: %s", error)
            return
        summary.kept = kept.written + kept.present

    def _timed(self, phase: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started

"""What a run is given, what it tells while it goes on, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from storage.records import PlanCounts


class RunListener(Protocol):
    """Told how a run goes; the command line draws it, a notebook may ignore it."""

    def embedding(self, done: int, total: int) -> None:
        """``done`` of ``total`` examples are embedded."""

    def planned(self, counts: PlanCounts) -> None:
        """The plan is in the store; of a sampler or a race, what it may come to."""

    def training(self, status: Any) -> None:
        """A :class:`sweeps.scheduling.recorder.RunStatus`, a few times a second."""

    def keeping(self, done: int, total: int) -> None:
        """``done`` of ``total`` epochs of the cells to be kept are trained again."""

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

    def keeping(self, done: int, total: int) -> None:
        """Ignore."""

    def stopping(self) -> None:
        """Ignore."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and on what a sweep runs; nothing here changes a result.

    Args:
        workers: packs at the same time, at most; None is one a core (or a GPU share).
        cpus_per_pack: cores that a pack takes.
        gpus_per_pack: GPUs that a pack takes, fractions allowed; None is one where Ray has any.
        ray_address: a running cluster; None starts a local Ray that ends with the run.
        ship_code: whether a cluster's workers get this process's code; None is when it runs from
            a source tree.
        cache_dir: where embeddings are cached; None is the default place.
    """

    workers: int | None = None
    cpus_per_pack: float = 1.0
    gpus_per_pack: float | None = None
    ray_address: str | None = None
    ship_code: bool | None = None
    cache_dir: Path | None = None


@dataclass(kw_only=True)
class RunSummary:
    """What a run did.

    Attributes:
        sweep: its name.
        plan: replicates planned, added, removed, done before, open before; of a sampler or a race,
            what they may come to.
        trained: replicates that this run recorded, by state.
        taken_elsewhere: replicates that another run of the same sweep trained meanwhile.
        errors: reasons of failed replicates, each once.
        interrupted: the run was stopped before its plan was done.
        seconds: wall time of each phase: ``features``, ``plan``, ``ray`` (waiting for it to
            start), ``training`` (all packs), ``optuna``, ``keeping``, ``total``.
        busy_s: seconds that workers spent training and evaluating, summed over workers.
        recording_s: seconds that the recorder spent writing packs.
        workers: packs that ran at the same time, at most.
        kept: replicates whose weights and scores were written.
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
    kept: int = 0

"""A small real sweep to be disturbed, and the checks that say whether anything was lost."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa
import yaml

from storage import codec
from storage.errors import StoreError
from storage.schema import cells, curves, diagnostics, packs, replicates, scores, slices, sweeps
from storage.store import Store

SIGMOIDF1 = Path(sys.executable).with_name("sigmoidf1")
NAME = "faults"
POLL_S = 0.02


@dataclass(frozen=True)
class Size:
    """How much there is to train.

    Args:
        betas: values of sigmoidF1's β; with five of η, and four cells of other losses.
        seeds: replicates of each cell.
        epochs: passes over 1,000 examples of 32 features and 40 classes.
        keep: best cells of each loss whose weights and scores are kept as files.
    """

    betas: int = 11
    seeds: int = 8
    epochs: int = 60
    keep: int | str = 2


class FaultSweep:
    """The sweep's files in a folder, and commands on it.

    Args:
        folder: an empty folder.
        size: how much there is to train.
    """

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.spec = folder / "faults.yaml"
        self.environment = dict(os.environ) | {"OMP_NUM_THREADS": "1"}
        folder.mkdir(parents=True, exist_ok=True)
        features = folder / "features.npz"
        _write_features(features)
        self.spec.write_text(yaml.safe_dump(_document(features, size)), encoding="utf-8")

    def run(self, url: str, *arguments: str, **options: Any) -> Run:
        """Start `sweep run` in a process group of its own."""
        command = [str(SIGMOIDF1), "sweep", "run", str(self.spec), "--store", url, "--no-best"]
        workers = [] if "--workers" in arguments else ["--workers", "2"]
        said = self.folder / f"said-{len(list(self.folder.glob('said-*')))}.txt"
        return Run([*command, *workers, *arguments], said, env=self.environment, **options)

    def finish(self, url: str) -> str:
        """Run to the end; returns what it said.

        Raises:
            RuntimeError: it did not end well.
        """
        run = self.run(url)
        if run.wait(900) != 0:
            raise RuntimeError(f"sweep run failed ({run.process.returncode}): {run.errors()}")
        return run.errors()


class Run:
    """A running command; its standard error is kept in a file."""

    def __init__(
        self, command: list[str], said: Path, *, env: dict[str, str], **options: Any
    ) -> None:
        self._said = said
        self.started = time.monotonic()
        with said.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
                **options,
            )

    def wait(self, timeout_s: float) -> int:
        """The exit status."""
        return self.process.wait(timeout_s)

    def errors(self) -> str:
        """What it has said on standard error."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the driver, or as a terminal does, to its group."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, number)

    def kill(self) -> None:
        """kill -9 of the driver alone; its Ray is left to itself."""
        self.signal(signal.SIGKILL)
        self.process.wait(60)

    def below(self, *words: str) -> list[psutil.Process]:
        """Processes of this run whose command line has one of the words."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if any(word in " ".join(process.cmdline()) for word in words):
                        found.append(process)
        return found


def _write_features(path: Path) -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(1400, 32)).astype(np.float32)
    truth = embeddings @ generator.normal(size=(32, 40))
    targets = (truth + generator.normal(size=truth.shape) > 6.0).astype(np.uint8)
    split = np.array(["train"] * 1000 + ["validation"] * 200 + ["test"] * 200)
    labels = np.array([f"class-{k}" for k in range(40)])
    np.savez(path, X=embeddings, Y=targets, split=split, labels=labels)


def _document(features: Path, size: Size) -> dict[str, Any]:
    return {
        "sweep": NAME,
        "data": {"dataset": "features", "path": str(features)},
        "training": {"epochs": size.epochs, "batch_size": 64, "lr": 0.005},
        "seeds": size.seeds,
        "keep": size.keep,
        "losses": {
            "sigmoid_f1": {
                "beta": {"range": [1, 30], "num": size.betas},
                "eta": {"range": [-1, 1], "num": 5},
            },
            "bce": {},
            "focal": {"gamma": [1, 2]},
            "unbounded_f1": {},
        },
    }


@dataclass
class State:
    """What a store holds at one moment.

    Attributes:
        states: replicates by state.
        planned: replicates that the stored spec plans.
        twice: (cell, seed) pairs that occur more than once.
        rows: finished replicates: id to (pack, place, state, objective, finished_at).
        hashes: (cell key, seed) to the hash of all that is kept of a finished replicate.
    """

    states: dict[str, int]
    planned: int
    twice: int
    rows: dict[int, tuple[Any, ...]]
    hashes: dict[tuple[str, int], str] = field(repr=False)


def read_state(url: str) -> State:
    """Read everything that a store holds of the sweep."""
    r = replicates.c
    with Store.open(url, create=False, read_only=True) as store, store.reading() as connection:
        sweep_id, spec = connection.execute(
            sa.select(sweeps.c.id, sweeps.c.spec).where(sweeps.c.name == NAME)
        ).one()
        rows = connection.execute(
            sa.select(
                r.id, cells.c.key, r.seed, r.state, r.reason, r.objective, r.pack_id, r.pack_index,
                packs.c.finished_at,
            )
            .join(cells, cells.c.id == r.cell_id)
            .outerjoin(packs, packs.c.id == r.pack_id)
            .where(r.sweep_id == sweep_id)
        ).all()  # fmt: skip
        content = dict(_pack_contents(connection, sweep_id))
    states: dict[str, int] = {}
    finished: dict[int, tuple[Any, ...]] = {}
    hashes: dict[tuple[str, int], str] = {}
    for i, key, seed, state, reason, objective, pack_id, place, finished_at in rows:
        states[state] = states.get(state, 0) + 1
        if pack_id is None:
            continue
        finished[i] = (pack_id, place, state, objective, finished_at)
        digest = hashlib.sha256(repr((state, reason, objective)).encode())
        for name, values in content[pack_id]:
            digest.update(name.encode() + np.ascontiguousarray(values[..., place]).tobytes())
        hashes[key, seed] = digest.hexdigest()
    pairs = [(row[1], row[2]) for row in rows]
    losses, seeds = spec["losses"], len(spec["seeds"])
    planned = seeds * sum(
        int(np.prod([_length(axis) for axis in block.values()], dtype=int))
        for block in losses.values()
    )
    return State(states, planned, len(pairs) - len(set(pairs)), finished, hashes)


def _length(axis: Any) -> int:
    return len(axis["values"]) if isinstance(axis, dict) else 1


def _pack_contents(
    connection: sa.Connection, sweep_id: int
) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Of each pack, every array it holds, replicates last, in a fixed order."""
    sizes = connection.execute(
        sa.select(packs.c.id, packs.c.n_replicates).where(packs.c.sweep_id == sweep_id)
    ).all()
    for pack_id, size in sizes:
        arrays: list[tuple[str, Any]] = []
        for table in (scores, diagnostics, curves, slices):
            rows = connection.execute(sa.select(table).where(table.c.pack_id == pack_id)).mappings()
            for row in rows:
                name = "/".join(str(row[c]) for c in row if c not in ("pack_id", "data"))
                arrays.append((f"{table.name}/{name}", _decoded(table, row["data"], size)))
        yield pack_id, sorted(arrays, key=lambda pair: pair[0])


def _decoded(table: sa.Table, data: bytes, size: int) -> Any:
    if table in (curves, slices):
        return codec.decompress_unshuffle(data, "<f4" if table is curves else "<u2", (-1, size))
    return np.frombuffer(data, "<f8")


@dataclass
class Verdict:
    """Whether a disturbed sweep ended as an undisturbed one; every number is counted."""

    planned: int
    replicates: int
    twice: int
    open: int
    different: int
    touched: int
    check: str

    @property
    def good(self) -> bool:
        """Whether nothing was lost, changed or done twice."""
        lost = self.planned != self.replicates
        return not (lost or self.twice or self.open or self.different or self.touched or self.check)


def judge(url: str, reference: State, before: State | None) -> Verdict:
    """Compare a finished store with an uninterrupted one, and with itself after the fault."""
    after = read_state(url)
    keys = reference.hashes.keys() | after.hashes.keys()
    earlier = before.rows if before else {}
    checked = subprocess.run(
        [str(SIGMOIDF1), "store", "check", "--store", url, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return Verdict(
        planned=after.planned,
        replicates=sum(after.states.values()),
        twice=after.twice,
        open=after.states.get("waiting", 0) + after.states.get("running", 0),
        different=sum(reference.hashes.get(key) != after.hashes.get(key) for key in keys),
        touched=sum(after.rows.get(i) != row for i, row in earlier.items()),
        check="" if checked.returncode == 0 else (checked.stderr or checked.stdout).strip()[-300:],
    )


def count_done(url: str) -> int:
    """Finished replicates now; 0 while there is no store."""
    try:
        with Store.open(url, create=False, read_only=True) as store:
            if NAME not in store.sweep_names():
                return 0
            counts = store.counts(store.sweep_id(NAME))
    except StoreError:
        return 0
    return sum(n for state, n in counts.items() if state not in ("waiting", "running"))


def wait_until(condition: Callable[[], bool], run: Run, timeout_s: float = 600) -> bool:
    """Wait for something while a run goes on; False if the run ended first."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if run.process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise TimeoutError("the moment of the fault did not come")
        time.sleep(POLL_S)
    return True


@contextmanager
def ended(run: Run) -> Iterator[Run]:
    """Make sure that a run's driver is gone in the end."""
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.kill()


def as_json(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, default=str)

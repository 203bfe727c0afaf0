"""What is known of a sweep as a whole, as rows of words: the same on pages and in reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

from dashboards.figures.captions import CONVENTIONS, SIGMOID, objective_text
from dashboards.figures.selection import RULE
from dashboards.naming import count_text
from storage.records import SweepInfo

Fact = tuple[str, str]
# A row of `storage.frames.load_sweeps`, or a mapping with the same names.
Counts: TypeAlias = "Mapping[str, Any] | pd.Series[Any]"

METHOD: tuple[Fact, ...] = (
    (
        "Cells and seeds",
        "A cell is one complete setting; its replicates differ by seed alone. Every mean is over "
        "the complete seeds of a cell; diverged, failed and waiting seeds are counted beside it "
        "and never averaged. ± is the sample standard deviation over seeds with the split fixed: "
        "the spread of training, not the uncertainty from the choice of examples.",
    ),
    ("Choosing", f"The best cell of a loss: {RULE}. Chosen on validation, reported on test."),
    (
        "Diverged and collapsed",
        "Diverged: a loss, weight or score that is not finite, or a loss of the F1 family beyond "
        "10 in absolute value. Collapsed: at the threshold shown a head predicts every label, or "
        "none that is right; such cells measure the threshold rather than the loss.",
    ),
    (
        "Constant predictions",
        "Predict-all and predict-none are the levels that every score has to be read against.",
    ),
    ("Conventions", CONVENTIONS),
    ("sigmoidF1", SIGMOID),
    (
        "Names of averages",
        "What the paper's Eq. 9 and Table 3 call macroF1 is scikit-learn's micro F1, and its "
        "Eq. 10 microF1 is scikit-learn's macro F1.",
    ),
)


def state_words(counts: Counts) -> str:
    """Return the state of a sweep in words: running, finished, unfinished, not begun or empty."""
    if counts["n_replicates"] == 0:
        return "empty"
    if counts["running"]:
        return "running"
    if not counts["waiting"]:
        return "finished"
    return "not begun" if counts["waiting"] == counts["n_replicates"] else "unfinished"


def counts_text(counts: Counts) -> str:
    """Write the replicates by state, leaving out the states that none is in."""
    states = ("complete", "diverged", "failed", "pruned", "running", "waiting")
    parts = [f"{int(counts[state]):,} {state}" for state in states if counts[state]]
    total = _count(counts, "n_replicates", "replicate")
    return f"{total}: {', '.join(parts)}" if parts else total


def pace_text(status: Mapping[str, Any]) -> str:
    """Write who works on a sweep, how fast, and how long it will take.

    Args:
        status: as of `sweeps.sweep_status.read_status`.

    Example:
        >>> pace_text({"runs": [], "replicates_per_s": None, "left_s": None})
        'no process works on it: run its spec again to go on'
    """
    runs = status["runs"]
    if not runs:
        return "no process works on it: run its spec again to go on"
    hosts = ", ".join(dict.fromkeys(str(run["host"]) for run in runs))
    workers = sum(int(run["workers"]) for run in runs)
    parts = [f"{count_text(len(runs), 'run')} on {hosts}, {count_text(workers, 'worker')}"]
    if status["replicates_per_s"]:
        parts.append(f"{_rate_text(float(status['replicates_per_s']))} over the last minutes")
    if status["left_s"] is not None:
        parts.append(f"about {duration_text(float(status['left_s']))} left")
    stops = {run["stop"] for run in runs if run["stop"]}
    return " · ".join(parts + (["asked to stop"] if stops else []))


def _rate_text(per_s: float) -> str:
    if per_s >= 1:
        return f"{per_s:,.0f} replicates/s" if per_s >= 10 else f"{per_s:.1f} replicates/s"
    return f"{60 * per_s:.1f} replicates/min"


def duration_text(seconds: float) -> str:
    """Write a duration in the unit that suits it: ``40 s``, ``12 min``, ``3.5 h``, ``2 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.0f} days"


def _count(counts: Counts, name: str, noun: str) -> str:
    return count_text(int(counts[name]), noun)


def sweep_facts(info: SweepInfo, counts: Counts) -> list[Fact]:
    """Return what identifies a sweep: its data, features, objective, plan and origin."""
    features = info.features_info
    facts = [
        ("Data", info.dataset),
        ("Encoder", info.encoder),
        ("Objective", objective_text(info.objective)),
        (
            "Plan",
            f"{_count(counts, 'n_cells', 'cell')}, {_count(counts, 'n_replicates', 'replicate')}",
        ),
    ]
    sizes = [
        f"{int(features[key]):,} {split}"
        for split, key in (
            ("train", "n_train"),
            ("validation", "n_validation"),
            ("test", "n_test"),
        )
        if isinstance(features.get(key), int)
    ]
    if sizes:
        facts.append(("Examples", ", ".join(sizes)))
    labels = features.get("labels")
    if isinstance(labels, list | tuple):
        dim = f", embeddings of {features['dim']}" if "dim" in features else ""
        facts.append(("Classes", f"{len(labels)}{dim}"))
    facts += [
        ("Thresholds kept", str(len(info.thresholds))),
        ("Data fingerprint", info.dataset_fingerprint[:16]),
        ("Spec hash", info.spec_hash[:16]),
        ("Planned", f"{info.created_at:%Y-%m-%d %H:%M} UTC"),
    ]
    return facts


def provenance_facts(info: SweepInfo) -> list[Fact]:
    """Return the provenance as recorded, nested mappings written with dots."""
    facts: list[Fact] = []

    def add(prefix: str, value: object) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list | tuple):
            facts.append((prefix, ", ".join(str(item) for item in value)))
        else:
            facts.append((prefix, str(value)))

    add("", info.provenance)
    return facts

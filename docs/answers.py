"""Prints the tables of the pages that answer questions by a sweep, in Markdown, from a store.

python docs/answers.py readings sqlite:///FILE readings-movies
python docs/answers.py ridge sqlite:///FILE readings-movies
python docs/answers.py batch sqlite:///FILE question-batch
python docs/answers.py rates sqlite:///FILE question-scalar
python docs/answers.py winners sqlite:///FILE question-lr
python docs/answers.py seeds sqlite:///FILE question-seeds

Numbers are percent, of the test split; cells and thresholds are chosen on validation. Brackets are
95 % intervals over seeds (t on the logit scale). The store is only read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sigmoidf1.losses.sigmoid_f1 import PRESETS
from storage.errors import StoreError
from storage.store import Store
from sweeps.sensitivity.intervals import seed_intervals, t_quantile
from sweeps.sensitivity.seeds_needed import detectable_difference
from sweeps.sensitivity.sweep_frames import SweepFrames

METRIC = "weighted_f1"
LOSS = "sigmoid_f1"
FIXED = (0.05, 0.5)
SPLITS = ("validation", "test")
RIDGE = (0.02, 0.05, 0.2, 0.5, 0.8)
DRAWS = 2000


def per_seed(
    sweep: SweepFrames, loss: str, split: str, metric: str, t: float | None
) -> pd.DataFrame:
    """One number of every replicate: cells by rows, seeds by columns."""
    scores = sweep.scores(loss, split, metric, t)
    return scores.pivot(index="cell_id", columns="seed", values="value")


def settings(sweep: SweepFrames, loss: str) -> pd.DataFrame:
    """The settings of a loss's cells, by cell, without ``param_``."""
    cells = sweep.cells[sweep.cells["loss"] == loss].set_index("cell_id")
    found = cells[[name for name in cells if name.startswith("param_")]]
    return found.rename(columns=lambda name: name.removeprefix("param_"))


def with_interval(values: pd.Series) -> str:
    """Mean over seeds and its interval, in percent."""
    numbers = values.to_numpy(float)
    mean, n = numbers.mean(), len(numbers)
    found = seed_intervals(np.array([mean]), np.array([numbers.var(ddof=1)]), np.array([n]))
    if found.reasons[0] is not None:
        return f"{100 * mean:.1f}"
    return f"{100 * mean:.1f} ({100 * found.low[0]:.1f}–{100 * found.high[0]:.1f})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tuned(sweep: SweepFrames, loss: str, split: str) -> pd.DataFrame:
    """The metric of every replicate at the threshold that is best for its cell on validation."""
    at = {t: per_seed(sweep, loss, "validation", METRIC, t) for t in sweep.info.thresholds}
    best = pd.DataFrame({t: values.mean(axis=1) for t, values in at.items()}).idxmax(axis=1)
    chosen = [
        per_seed(sweep, loss, split, METRIC, t).loc[best.index[best == t]] for t in best.unique()
    ]
    return pd.concat(chosen).assign(threshold=best)


def readings(sweep: SweepFrames) -> str:
    """Every reading at fixed and tuned thresholds, and how far it is trained."""
    found = settings(sweep, LOSS)
    ranked = per_seed(sweep, LOSS, "test", "map", None)
    start = sweep.replicates(LOSS).groupby("cell_id")["gradient_norm_start"].mean()
    # Where the gradient is smallest, the head has stayed as it was drawn.
    untrained, best = ranked.loc[start.idxmin()].mean(), ranked.mean(axis=1).max()
    constant = sweep.info.baselines["predict_all"]["test"]
    at_best = tuned(sweep, LOSS, "test").drop(columns="threshold")
    rows = []
    for lr in sorted(found["lr"].unique()):
        for names, beta, eta, source in named_readings():
            is_own = (found["beta"] == beta) & (found["eta"] == eta) & (found["input"] == source)
            (cell,) = found.index[is_own & (found["lr"] == lr)]
            row = [f"{lr:g}", names, f"{beta:g}", f"{eta:g}", source, f"{start[cell]:.0e}"]
            for t in FIXED:
                value = with_interval(per_seed(sweep, LOSS, "test", METRIC, t).loc[cell])
                row.append(f"{value}, {predicted(sweep, cell, t)}")
            share = (ranked.loc[cell].mean() - untrained) / (best - untrained)
            row += [with_interval(at_best.loc[cell]), with_interval(ranked.loc[cell])]
            rows.append([*row, f"{share:.0%}"])
    header = ["lr", "reading", "β", "η", "input", "first gradient"]
    header += [f"t = {t:g}, predicted" for t in FIXED] + ["tuned t", "mAP", "of the way"]
    return (
        f"predict-all: weighted F1 {100 * constant[METRIC]:.1f}, mAP {100 * constant['map']:.1f}; "
        f"mAP untrained {100 * untrained:.1f}, best {100 * best:.1f}\n\n" + table(header, rows)
    )


def named_readings() -> list[tuple[str, float, float, str]]:
    """The presets' names without their input, β, η and input; equal ones joined."""
    names: dict[tuple[Any, Any, Any], list[str]] = {}
    for name, preset in PRESETS.items():
        key = (preset["beta"], preset["eta"], preset["input"])
        names.setdefault(key, []).append(f"`{name.removesuffix('_' + str(preset['input']))}`")
    return [(", ".join(found), *key) for key, found in names.items()]


def predicted(sweep: SweepFrames, cell: int, t: float) -> str:
    """Which share of all labels of all examples is predicted: none, all, or percent."""
    recall, precision = (
        per_seed(sweep, LOSS, "test", name, t).loc[cell].mean()
        for name in ("micro_recall", "micro_precision")
    )
    positives = sweep.info.baselines["predict_all"]["test"]["micro_precision"]
    share = positives * recall / precision if recall else 0.0
    return "none" if share < 0.01 else "all" if share > 0.99 else f"{share:.0%}"


def ridge(sweep: SweepFrames) -> str:
    """The best η of every slope at several thresholds, for logits and for probabilities."""
    found = settings(sweep, LOSS)
    steep = found[(found["lr"] == found["lr"].max()) & (found["beta"] > 0)]
    shown = [min(sweep.info.thresholds, key=lambda t, wanted=w: abs(t - wanted)) for w in RIDGE]
    parts = []
    for source, expected in (
        ("logits", lambda t: np.log((1 - t) / t)),
        ("probabilities", lambda t: -t),
    ):
        own = steep[steep["input"] == source]
        rows = []
        for t in shown:
            chosen = per_seed(sweep, LOSS, "validation", METRIC, t).mean(axis=1)
            read = per_seed(sweep, LOSS, "test", METRIC, t)
            row = [f"{t:.2g}", f"{expected(t):.2f}"]
            for _, cells in own.groupby("beta"):
                cell = chosen[cells.index].idxmax()
                row.append(f"{own['eta'][cell]:g} ({100 * read.loc[cell].mean():.1f})")
            rows.append(row)
        header = ["t", "midpoint at t", *(f"β = {beta:g}" for beta in sorted(own["beta"].unique()))]
        parts.append(
            f"input {source}, lr {found['lr'].max():g}: best η (weighted F1)\n\n"
            + table(header, rows)
        )
    return "\n\n".join(parts)


def batch(sweep: SweepFrames) -> str:
    """What each loss reaches at each batch size."""
    return by_level(sweep, "batch_size", 256)


def rates(sweep: SweepFrames) -> str:
    """What each loss reaches at each learning rate."""
    return by_level(sweep, "lr", 1e-3)


def by_level(sweep: SweepFrames, axis: str, reference: float) -> str:
    """What each loss reaches at each level, its other settings tuned for level and column."""
    rows = []
    for loss in dict.fromkeys(sweep.cells["loss"]):
        found = settings(sweep, loss)
        others = [name for name in ("lr", "beta", "eta") if name in found and name != axis]
        others = [name for name in others if found[name].nunique() > 1]
        measured = {
            "fixed": [per_seed(sweep, loss, split, METRIC, None) for split in SPLITS],
            "tuned": [tuned(sweep, loss, split).drop(columns="threshold") for split in SPLITS],
            "map": [per_seed(sweep, loss, split, "map", None) for split in SPLITS],
        }
        levels = sorted(found[axis].unique())
        for level in levels:
            row = [f"`{loss}`", f"{level:g}"]
            for validation, test in measured.values():
                means = validation.mean(axis=1)
                cell, against = (
                    means[found.index[found[axis] == each]].idxmax()
                    for each in (level, reference if reference in levels else levels[0])
                )
                chosen = ", ".join(f"{name} {found.loc[cell, name]:g}" for name in others)
                row.append(f"{with_interval(test.loc[cell])}; {chosen}")
                if cell != against:
                    row[-1] += f"; {paired(test.loc[cell] - test.loc[against])}"
            rows.append(row)
    return table(["loss", axis, "weighted F1 at the objective's t", "tuned t", "mAP"], rows)


def paired(difference: pd.Series) -> str:
    """Mean difference over seeds ± half its 95 % t interval, in percentage points."""
    n = len(difference)
    half = float(t_quantile(0.975, n - 1)) * difference.std(ddof=1) / np.sqrt(n)
    return f"{100 * difference.mean():+.1f} ± {100 * half:.1f}"


def winners(sweep: SweepFrames) -> str:
    """The best cell of each loss at fixed and tuned thresholds."""
    losses = list(dict.fromkeys(sweep.cells["loss"]))
    columns: dict[str, dict[str, pd.Series]] = {}
    for t in FIXED:
        columns[f"t = {t:g}"] = {
            loss: per_seed(sweep, loss, "test", METRIC, t).loc[
                per_seed(sweep, loss, "validation", METRIC, t).mean(axis=1).idxmax()
            ]
            for loss in losses
        }
    columns["tuned t"] = {
        loss: tuned(sweep, loss, "test").drop(columns="threshold").loc[
            tuned(sweep, loss, "validation").drop(columns="threshold").mean(axis=1).idxmax()
        ]
        for loss in losses
    }  # fmt: skip
    rows = []
    for loss in losses:
        row = [f"`{loss}`"]
        for values in columns.values():
            means = {name: found.mean() for name, found in values.items()}
            rank = 1 + sum(mean > means[loss] for mean in means.values())
            best = max(means, key=lambda name: means[name])
            behind = "" if loss == best else f", {paired(values[loss] - values[best])}"
            row.append(f"{rank}. {with_interval(values[loss])}{behind}")
        rows.append(row)
    return table(["loss", *columns], rows)


def seeds(sweep: SweepFrames) -> str:
    """What fewer seeds than all would have said, by drawing them again and again."""
    validation = per_seed(sweep, LOSS, "validation", METRIC, None)
    read = per_seed(sweep, LOSS, "test", METRIC, None)
    truth = validation.mean(axis=1)
    leader = truth.idxmax()
    rng, many = np.random.default_rng(0), validation.shape[1]
    spread = validation.std(axis=1, ddof=1)
    rows = []
    for n in (1, 2, 3, 5, 10, 20):
        drawn = [rng.choice(many, n, replace=False) for _ in range(DRAWS)]
        picks = [validation.iloc[:, columns].mean(axis=1).idxmax() for columns in drawn]
        agree = np.mean([pick == leader for pick in picks])
        lost = np.mean([truth[leader] - truth[pick] for pick in picks])
        half = "–" if n == 1 else f"{100 * mean_half_width(read, drawn):.2f}"
        visible = "–"
        if n > 1:
            residual = (validation - validation.mean(axis=0)).std(axis=1, ddof=1).mean()
            found = detectable_difference(float(residual * np.sqrt(2)), n)
            visible = f"{100 * found:.2f}"
        rows.append([f"{n}", half, visible, f"{agree:.0%}", f"{100 * lost:.2f}"])
    header = ["seeds", "half of the 95 % interval", "difference seen with power 80 %"]
    header += ["same best cell as all", "lost by the choice"]
    return f"sd of one seed {100 * spread.min():.2f} to {100 * spread.max():.2f}\n\n" + table(
        header, rows
    )


def mean_half_width(values: pd.DataFrame, drawn: Sequence[np.ndarray]) -> float:
    """Mean over cells and draws of half a 95 % t interval over seeds."""
    numbers, n = values.to_numpy(), len(drawn[0])
    quantile = float(t_quantile(0.975, n - 1))
    widths = [numbers[:, columns].std(axis=1, ddof=1).mean() for columns in drawn]
    return quantile * float(np.mean(widths)) / float(np.sqrt(n))


ANSWERS: dict[str, Callable[[SweepFrames], str]] = {
    "readings": readings,
    "ridge": ridge,
    "batch": batch,
    "rates": rates,
    "winners": winners,
    "seeds": seeds,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one answer's tables; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("answer", choices=ANSWERS)
    parser.add_argument("store", help="URL of the store")
    parser.add_argument("sweep")
    asked = parser.parse_args(arguments)
    try:
        with Store.open(asked.store, create=False, read_only=True) as store:
            print(ANSWERS[asked.answer](SweepFrames(store, asked.sweep)))  # noqa: T201
    except StoreError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

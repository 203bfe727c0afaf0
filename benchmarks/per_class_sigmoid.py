"""One sigmoid for all classes, one for each, fixed or learned (paper, Section 8), on film genres.

Every arm spends the same budget: ``--cells`` settings of beta and eta, each with all seeds. The
cell is chosen on validation by the mean over seeds; the chosen cell is reported on test.

  scalar      beta and eta drawn once for all classes: beta log-uniform in [1, 30], eta in [-1, 2]
  per class   drawn for every class on its own
  composed    each class takes the beta and eta of the scalar cell that is best for it on validation
              (mean F1 of the class over seeds), among all scalar cells but the last; one cell of
              the budget trains the composition
  learned     beta and eta of every class learned with the head, started at the scalar cells

Differences to the scalar arm are paired by seed, with 95 % t intervals over seeds: they hold for
these data and this split; other examples may differ by more.

    python benchmarks/per_class_sigmoid.py [--cells 60] [--seeds 5] [--epochs 60] [--limit 4000]
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch
from scipy.stats import t as student

from sigmoidf1.features import Features, load_features
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

METRICS = ("weighted_f1", "micro_f1", "macro_f1")
Setting = tuple[list[float], list[float]]  # beta and eta of every class


def draw(rng: np.random.Generator, size: int) -> Setting:
    """``size`` values each of beta and eta."""
    beta = np.exp(rng.uniform(math.log(1.0), math.log(30.0), size))
    return beta.tolist(), rng.uniform(-1.0, 2.0, size).tolist()


def train(
    films: Features,
    cells: list[Setting],
    arguments: argparse.Namespace,
    learn: tuple[str, ...] = (),
) -> HeadResults:
    """All cells with all seeds."""
    configs = [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": beta, "eta": eta}, lr=arguments.lr)
        for beta, eta in cells
    ]
    settings = TrainingSettings(epochs=arguments.epochs, eval_every=arguments.epochs, learn=learn)
    return train_heads(
        films.embeddings,
        films.targets,
        configs,
        range(arguments.seeds),
        splits=films.split,
        settings=settings,
    )


def f1_by_class(results: HeadResults, films: Features) -> np.ndarray:
    """F1 of every class on validation, mean over seeds: (cells, C); 0 where it is undefined."""
    rows = films.split["validation"]
    targets = films.targets[rows].bool()
    values = []
    for cell in range(results.shape[0]):
        parameters = {name: kept[cell] for name, kept in (results.parameters or {}).items()}
        units = torch.relu(films.embeddings[rows])
        logits = units @ parameters["weight"] + parameters["bias"][:, None]
        predicted = logits >= 0
        overlap = (predicted & targets).sum(1)
        total = predicted.sum(1) + targets.sum(0)
        values.append((2 * overlap / total.clamp(min=1)).mean(0).numpy())
    return np.stack(values)


def main() -> None:
    """Train all arms, print what each chose and how it differs from the scalar one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--limit", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=1e-3)
    arguments = parser.parse_args()
    films = load_features({"dataset": "movie_genres", "limit": arguments.limit}, {"name": "minilm"})
    classes = films.targets.shape[1]
    rng = np.random.default_rng(0)
    drawn = [draw(rng, 1) for _ in range(arguments.cells)]
    scalar = [([beta[0]] * classes, [eta[0]] * classes) for beta, eta in drawn]
    arms: dict[str, HeadResults] = {}
    times: dict[str, float] = {}

    def run(arm: str, cells: list[Setting], learn: tuple[str, ...] = ()) -> None:
        started = time.process_time()
        arms[arm] = train(films, cells, arguments, learn)
        times[arm] = time.process_time() - started

    run("scalar", scalar)
    run("per class", [draw(rng, classes) for _ in range(arguments.cells)])
    best = f1_by_class(arms["scalar"], films)[:-1].argmax(0)
    chosen = [scalar[cell] for cell in best]
    run("composed", [([b[0] for b, _ in chosen], [e[0] for _, e in chosen])])
    run("learned", scalar, ("beta", "eta"))
    print(
        f"{arguments.cells} cells, {arguments.seeds} seeds, {arguments.epochs} epochs, "
        f"lr {arguments.lr:g}; chosen on validation, reported on test"
    )
    width = student.ppf(0.975, arguments.seeds - 1) / arguments.seeds**0.5
    reports = {}
    for arm, results in arms.items():
        cell = int(np.nanargmax(results.objective.mean(1)))
        reports[arm] = {metric: results.scores["test", metric][cell] for metric in METRICS}
        on_validation = results.objective[cell].mean()
        print(f"\n{arm}: cell {cell}, {on_validation:.4f} on validation, {times[arm]:.0f} s of CPU")
        for name, values in results.learned.items():
            own = values[cell]
            print(
                f"  learned {name}: mean {own.mean():.3f}, from {own.min():.3f} to {own.max():.3f}"
            )
        for metric in METRICS:
            values = reports[arm][metric]
            line = f"  {metric:12} {values.mean():.4f} (sd over seeds {values.std(ddof=1):.4f})"
            if arm != "scalar":
                difference = values - reports["scalar"][metric]
                half = width * difference.std(ddof=1)
                line += f", minus scalar {difference.mean():+.4f} ± {half:.4f}"
            print(line)


if __name__ == "__main__":
    main()

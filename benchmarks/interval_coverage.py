"""Coverage of the intervals over seeds by simulation: how often they hold the true mean.

Values of independent seeds, Beta or logit-normal, at means near 0, in the middle and near 1, with a
small, a usual and a strong spread; then 30 cells that share their seeds, with variances pooled or
moderated over the cells.

    python benchmarks/interval_coverage.py [--cells 20000]
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import special

from sweeps.sensitivity.analysis_parts import shared_intervals, shared_variance
from sweeps.sensitivity.intervals import seed_intervals
from sweeps.sensitivity.seed_table import FloatArray, SeedTable, row_variances

SEEDS = (5, 10, 20)
MEANS = (0.005, 0.02, 0.1, 0.5, 0.9, 0.98, 0.995)
SPREADS = (0.1, 0.3, 0.6, 1.0)
SHARED_CELLS = 30


def draw(
    rng: np.random.Generator, model: str, mean: float, spread: float, shape: tuple[int, ...]
) -> tuple[FloatArray, float]:
    """Values with an sd of the logit of about ``spread``, and the mean they are drawn with."""
    if model == "beta":
        size = 1 / (spread**2 * mean * (1 - mean)) - 1
        return rng.beta(mean * size, (1 - mean) * size, shape), mean
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    centre = special.logit(mean)
    truth = float(weights @ special.expit(centre + spread * nodes) / weights.sum())
    return special.expit(centre + spread * rng.standard_normal(shape)), truth


def own_coverage(model: str, mean: float, spread: float, n: int, cells: int) -> float:
    """Coverage by each cell's own variance."""
    rng = np.random.default_rng([n, int(1000 * mean), int(10 * spread), len(model)])
    values, truth = draw(rng, model, mean, spread, (cells, n))
    found = seed_intervals(values.mean(1), row_variances(values), np.full(cells, n))
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


def shared_coverage(model: str, mean: float, spread: float, n: int, sweeps: int) -> float:
    """Coverage by variances pooled or moderated over the cells of a sweep."""
    rng = np.random.default_rng([n, int(1000 * mean), int(10 * spread), len(model), 7])
    covered = []
    for _ in range(sweeps):
        values, truth = draw(rng, model, mean, spread, (SHARED_CELLS, n))
        table = SeedTable(np.arange(SHARED_CELLS), np.arange(n), values, {}, {})
        shared = shared_variance(table, np.zeros(SHARED_CELLS, bool), seed=0)
        found = shared_intervals(table, shared, level=0.95, bounded=True)
        covered.append(np.mean((found.low <= truth) & (truth <= found.high)))
    return float(np.mean(covered))


def main() -> None:
    """Print a line for each model, mean and spread: own / shared at each number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    cells = parser.parse_args().cells
    head = "".join(f"{f'n = {n}':>16}" for n in SEEDS)
    print(f"{'model':<14}{'mean':>7}{'logit sd':>10}{head}   own / shared, %")
    for model in ("beta", "logit-normal"):
        for mean in MEANS:
            for spread in SPREADS:
                row = ""
                for n in SEEDS:
                    own = own_coverage(model, mean, spread, n, cells)
                    shared = shared_coverage(model, mean, spread, n, max(cells // 100, 1))
                    row += f"{f'{100 * own:.1f} / {100 * shared:.1f}':>16}"
                print(f"{model:<14}{mean:>7}{spread:>10}{row}", flush=True)


if __name__ == "__main__":
    main()

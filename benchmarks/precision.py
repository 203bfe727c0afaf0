"""What bf16 products change, against seed noise: the film features, every loss that is tuned there.

Each loss is trained with several hyperparameters, float32 and bf16, with the same seeds. Per loss
and metric (test split, threshold 0.5): the mean difference bf16 - float32 over all heads with its
95 % t interval over the seeds' means, the root mean square of the differences of single heads, and
the standard deviation over seeds within a configuration, which is what a head's number varies by
anyway.

    python benchmarks/precision.py [--seeds 10] [--epochs 60] [--limit 4000]
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import t as student

from sigmoidf1.features import load_features
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

METRICS = ("weighted_f1", "micro_f1", "macro_f1", "map")
GRIDS = {
    "sigmoid_f1": [{"beta": b, "eta": e} for b in (1, 5, 10, 20, 30) for e in (-0.5, 0, 1)],
    "bce": [{"pos_weight": w} for w in (1, 3, 10)],
    "focal": [{"gamma": g, "alpha": a} for g in (1, 2, 3) for a in (0.25, 0.75)],
    "asl": [{"gamma_neg": g, "clip": c} for g in (2, 4) for c in (0, 0.05)],
    "soft_f1": [{}],
}


def train(
    precision: str, configs: list[HeadConfig], seeds: int, epochs: int, limit: int
) -> HeadResults:
    """All configurations with all seeds."""
    films = load_features({"dataset": "movie_genres", "limit": limit}, {"name": "minilm"})
    return train_heads(
        films.embeddings,
        films.targets,
        configs,
        range(seeds),
        splits=films.split,
        settings=TrainingSettings(epochs=epochs, eval_every=epochs, precision=precision),
        keep_weights=False,
    )


def main() -> None:
    """Print one row for every loss and metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--limit", type=int, default=4000)
    arguments = parser.parse_args()
    configs = [
        HeadConfig(loss=loss, hyperparameters=values)
        for loss, grid in GRIDS.items()
        for values in grid
    ]
    exact, rounded = (
        train(precision, configs, arguments.seeds, arguments.epochs, arguments.limit)
        for precision in ("float32", "bf16")
    )
    losses = np.array([config.loss for config in configs])
    width = student.ppf(0.975, arguments.seeds - 1) / arguments.seeds**0.5
    print(f"bf16 - float32 on test, {arguments.seeds} seeds, {arguments.epochs} epochs")
    print(
        f"{'loss':12} {'metric':12} {'mean difference':>22} {'rms':>9} {'sd over seeds':>14} "
        f"{'rms / sd':>9}"
    )
    for loss in GRIDS:
        for metric in METRICS:
            own = exact.scores["test", metric][losses == loss]
            difference = rounded.scores["test", metric][losses == loss] - own
            by_seed = difference.mean(0)
            half = width * by_seed.std(ddof=1)
            rms = np.sqrt((difference**2).mean())
            noise = np.sqrt(own.var(axis=1, ddof=1).mean())
            print(
                f"{loss:12} {metric:12} {by_seed.mean():+11.5f} ± {half:.5f} {rms:9.5f} "
                f"{noise:14.5f} {rms / noise:9.2f}"
            )


if __name__ == "__main__":
    main()

"""A head trained in a pack of 200 against the same head trained alone: largest differences.

The pack's other heads saturate (beta = 30), invert (beta = -10), diverge (a learning rate of 1e38)
or are of other losses. Training is by the function that sweeps and benchmarks use.

    python benchmarks/exactness.py [--heads 200] [--epochs 60]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from sigmoidf1.losses import loss_names
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.settings import HeadConfig, TrainingSettings


def main() -> None:
    """Train alone and packed, print the largest differences of each loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4000, 384, generator=generator)
    truth = torch.randn(384, 16, generator=generator)
    targets = (torch.relu(features) @ truth > 16).float()
    rows = torch.arange(4000)
    options = {
        "splits": {"train": rows[:2400], "validation": rows[2400:3200], "test": rows[3200:]},
        "settings": TrainingSettings(epochs=arguments.epochs),
    }
    mates = [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 30.0, "eta": 2.0}),
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": -10.0}),
        HeadConfig(loss="bce", lr=1e38),
        HeadConfig(loss="unbounded_f1", lr=1e3),
    ]
    names = loss_names()
    filling = arguments.heads - len(names)
    configs = [HeadConfig(loss=name) for name in names]
    configs += [mates[i % len(mates)] for i in range(min(filling, 40))]
    configs += [
        HeadConfig(loss="asl", hyperparameters={"gamma_neg": i / 10}) for i in range(filling - 40)
    ]
    packed = train_heads(features, targets, configs, [0], **options)
    diverged = int((packed.states == "diverged").sum())
    print(f"pack of {len(configs)} heads, {diverged} of which diverged; {arguments.epochs} epochs")
    print(f"{'loss':20} {'largest weight difference':>26} {'largest metric difference':>26}")
    for index, name in enumerate(names):
        alone = train_heads(features, targets, [configs[index]], [0], **options)
        weights = max(
            (packed.parameters[key][index] - alone.parameters[key][0]).abs().max().item()
            for key in packed.parameters
        )
        losses = ({"train_loss": packed.train_loss}, {"train_loss": alone.train_loss})
        pairs = [(packed.scores, alone.scores), (packed.curves, alone.curves), losses]
        metrics = max(
            np.abs(mine[key][index] - theirs[key][0]).max()
            for mine, theirs in pairs
            for key in mine
        )
        print(f"{name:20} {weights:26.3g} {metrics:26.3g}")


if __name__ == "__main__":
    main()

"""Data and plain PyTorch references for the tests of packed training."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sigmoidf1.losses import get_loss
from sigmoidf1.training.batches import batch_order
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.results import HeadResults
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

NUM_CLASSES = 5
DIM = 24


@dataclass(frozen=True)
class Data:
    features: torch.Tensor
    targets: torch.Tensor
    splits: dict[str, torch.Tensor]


def make_data() -> Data:
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(260, DIM, generator=generator)
    truth = torch.randn(DIM, NUM_CLASSES, generator=generator)
    noise = torch.randn(260, NUM_CLASSES, generator=generator)
    targets = (features @ truth + noise > 3.0).to(torch.uint8)
    rows = torch.arange(260)
    return Data(
        features, targets, {"train": rows[:170], "validation": rows[170:215], "test": rows[215:]}
    )


def train(
    data: Data,
    configs: list[HeadConfig],
    settings: TrainingSettings,
    seeds: tuple[int, ...] = (0,),
    **options: object,
) -> HeadResults:
    return train_heads(
        data.features,
        data.targets,
        configs,
        list(seeds),
        splits=data.splits,
        settings=settings,
        **options,
    )


def mates(count: int = 60) -> list[HeadConfig]:
    """Pack-mates that saturate, invert and diverge, and enough others to fill a tile."""
    return [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 30.0, "eta": 2.0}),
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": -10.0}),
        HeadConfig(loss="unbounded_f1", lr=1e3),
        HeadConfig(loss="bce", lr=1e38),
        *(HeadConfig(loss="asl", lr=1e-3 * (1 + i)) for i in range(count)),
    ]


def bits(results: HeadResults, index: int | tuple[int, ...]) -> list[bytes]:
    """All that a head leaves, as bytes."""
    assert results.parameters is not None
    return [
        *(values[index].numpy().tobytes() for values in results.parameters.values()),
        results.train_loss[index].tobytes(),
        *(results.scores[key][index].tobytes() for key in sorted(results.scores)),
        *(results.curves[key][index].tobytes() for key in sorted(results.curves)),
    ]


def flat(results: HeadResults, index: tuple[int, ...] = (0, 0)) -> torch.Tensor:
    """A head's parameters as one vector, in the order of their names."""
    assert results.parameters is not None
    return torch.cat([results.parameters[n][index].flatten() for n in sorted(results.parameters)])


def reference_head(settings: TrainingSettings) -> torch.nn.Module:
    if settings.head == "linear":
        return torch.nn.Linear(DIM, NUM_CLASSES)
    return torch.nn.Sequential(
        torch.nn.Linear(DIM, settings.hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(settings.hidden, NUM_CLASSES),
    )


def reference_optimiser(
    head: torch.nn.Module, config: HeadConfig, settings: TrainingSettings
) -> torch.optim.Optimizer:
    options = {"lr": config.lr, "weight_decay": config.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(head.parameters(), momentum=settings.momentum, **options)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(head.parameters(), **options)


def reference_schedule(
    optimiser: torch.optim.Optimizer, config: HeadConfig, settings: TrainingSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if settings.schedule == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=config.lr, total_steps=steps, pct_start=settings.pct_start
        )
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    return None


def sequential(
    data: Data, config: HeadConfig, settings: TrainingSettings, seed: int = 0
) -> torch.Tensor:
    """The same head by plain PyTorch, one at a time; its parameters in the order of `flat`."""
    inputs = data.features[data.splits["train"]]
    if settings.head == "linear":
        inputs = torch.relu(inputs)
    labels = data.targets[data.splits["train"]].float()
    torch.manual_seed(seed)
    head = reference_head(settings)
    loss = get_loss(config.loss)
    values = loss.resolve(config.hyperparameters)
    optimiser = reference_optimiser(head, config, settings)
    order = batch_order(seed, len(inputs))
    batch_size = min(settings.batch_size, len(inputs))
    steps = settings.epochs * -(-len(inputs) // batch_size)
    schedule = reference_schedule(optimiser, config, settings, steps)
    average = [p.detach().clone() for p in head.parameters()]
    done = 0
    for _ in range(settings.epochs):
        for batch in next(order).split(batch_size):
            optimiser.zero_grad()
            loss.function(head(inputs[batch]), labels[batch], **values).backward()
            optimiser.step()
            done += 1
            if schedule is not None and done < steps:
                schedule.step()
            for mean, parameter in zip(average, head.parameters(), strict=True):
                mean.lerp_(parameter.detach(), 1.0 - settings.ema_decay)
    final = average if settings.ema_decay else [p.detach() for p in head.parameters()]
    layers = ["hidden.", ""] if settings.head == "mlp" else [""]
    named = dict(
        zip(
            [f"{layer}{kind}" for layer in layers for kind in ("weight", "bias")],
            final,
            strict=True,
        )
    )
    return torch.cat([named[name].t().flatten() for name in sorted(named)])

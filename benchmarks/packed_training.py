"""Packed training against other ways of training the same heads, per head-step.

A head-step is one optimiser step of one head on one batch of 256. Measured in one run, medians of
several repetitions, on a problem of the given size:

  a  a sequential PyTorch loop, features in memory, one head at a time, as fast as an honest loop
     gets: batches by index_select, fused Adam, the loss written for one head
  b  torch.func: stacked modules, vmap over grad of functional_call, unfused Adam on the stack
  c  packed training, float32       d  packed training, bf16 products

and the machine's own limit: the fastest large float32 (and bf16) matrix product at hand. With
``--end-to-end`` also 200 replicates through the service against one Ray Tune trial per replicate,
with default settings and with reuse_actors=True.

    python benchmarks/packed_training.py [--sizes 384x20 768x145 2048x80] [--threads 2]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from sigmoidf1.losses import get_loss
from sigmoidf1.training.packed import train_heads
from sigmoidf1.training.products import matmul
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

BATCH, TRAIN, HELD_OUT = 256, 2560, 256


def median_seconds(work: Callable[[], None], repeats: int) -> float:
    """Median wall time of several runs, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def make_problem(dim: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and labels with something to learn."""
    generator = torch.Generator().manual_seed(0)
    features = torch.relu(torch.randn(TRAIN + 2 * HELD_OUT, dim, generator=generator))
    truth = torch.randn(dim, classes, generator=generator)
    targets = (features @ truth > 1.3 * dim**0.5).float()
    return features, targets


def sequential(features: torch.Tensor, targets: torch.Tensor, steps: int) -> Callable[[], None]:
    """(a): one head, ``steps`` steps."""
    function = get_loss("sigmoid_f1").function

    def run() -> None:
        head = torch.nn.Linear(features.shape[1], targets.shape[1])
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)
        done = 0
        while done < steps:
            for rows in torch.randperm(TRAIN).split(BATCH):
                x, y = features.index_select(0, rows), targets.index_select(0, rows)
                optimiser.zero_grad(set_to_none=True)
                function(head(x), y, beta=5.0, eta=0.0).backward()
                optimiser.step()
                done += 1
                if done == steps:
                    break

    return run


def vmapped(
    features: torch.Tensor, targets: torch.Tensor, heads: int, steps: int
) -> Callable[[], None]:
    """(b): ``heads`` stacked modules, ``steps`` steps each."""
    from torch.func import functional_call, grad, stack_module_state, vmap

    modules = [torch.nn.Linear(features.shape[1], targets.shape[1]) for _ in range(heads)]
    base = modules[0]
    parameters, buffers = stack_module_state(modules)
    parameters = {name: values.detach() for name, values in parameters.items()}
    betas = torch.linspace(1.0, 30.0, heads)

    def loss(p: dict, b: dict, x: torch.Tensor, y: torch.Tensor, beta: torch.Tensor):
        s = torch.sigmoid(beta * functional_call(base, (p, b), (x,)))
        tp = (s * y).sum(0)
        return (1 - 2 * tp / (s.sum(0) + y.sum(0) + 1e-16)).mean()

    gradients = vmap(grad(loss), in_dims=(0, 0, None, None, 0))
    means = {name: torch.zeros_like(values) for name, values in parameters.items()}
    squares = {name: torch.zeros_like(values) for name, values in parameters.items()}

    def run() -> None:
        for step in range(1, steps + 1):
            rows = torch.randint(TRAIN, (BATCH,))
            found = gradients(parameters, buffers, features[rows], targets[rows], betas)
            for name, g in found.items():
                m, s = means[name].lerp_(g, 0.1), squares[name]
                s.mul_(0.999).addcmul_(g, g, value=0.001)
                root = (s / (1 - 0.999**step)).sqrt_().add_(1e-8)
                parameters[name].addcdiv_(m, root, value=-1e-3 / (1 - 0.9**step))

    return run


def packed(
    features: torch.Tensor,
    targets: torch.Tensor,
    heads: int,
    epochs: int,
    threads: int | None,
    precision: str,
    device: str,
) -> Callable[[], None]:
    """(c), (d): by the function that the service uses; evaluated once, at the end."""
    rows = torch.arange(len(features))
    splits = {"train": rows[:TRAIN], "validation": rows[TRAIN : TRAIN + HELD_OUT]}
    configs = [
        HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 1.0 + 29.0 * i / heads})
        for i in range(heads)
    ]
    settings = TrainingSettings(
        epochs=epochs, batch_size=BATCH, eval_every=epochs, precision=precision
    )

    def run() -> None:
        train_heads(
            features,
            targets,
            configs,
            [0],
            splits=splits,
            settings=settings,
            thresholds=[0.5],
            device=device,
            threads=threads,
            keep_weights=False,
        )

    return run


def product_limit(dtype: torch.dtype, repeats: int, device: str) -> float:
    """GFLOP/s of the fastest large product, by BLAS or oneDNN, on all of PyTorch's threads."""
    left, right = (torch.randn(2048, 2048, device=device).to(dtype) for _ in range(2))

    def synchronised(product: Callable) -> Callable[[], None]:
        def run() -> None:
            product(left, right)
            if device != "cpu":
                torch.cuda.synchronize()

        return run

    best = min(median_seconds(synchronised(p), repeats) for p in (torch.mm, matmul))
    return 2 * 2048**3 / best / 1e9


def measure(dim: int, classes: int, arguments: argparse.Namespace) -> None:
    """Print the table of one size."""
    features, targets = make_problem(dim, classes)
    repeats, device = arguments.repeats, arguments.device
    flops = 4 * BATCH * dim * classes
    heads = arguments.heads or max(16, 4 * (1024 // classes) * arguments.threads)
    steps_an_epoch = TRAIN // BATCH
    epochs = arguments.epochs
    place = (features.to(device), targets.to(device))
    rows: dict[str, float] = {}
    rows["a sequential"] = median_seconds(sequential(features, targets, 200), repeats) / 200
    if device == "cpu":
        width = max(4, min(64, 40_000_000 // (dim * classes * 24)))
        run = vmapped(features, targets, width, 20)
        rows["b vmap"] = median_seconds(run, repeats) / (20 * width)
    for name, precision in (("c packed float32", "float32"), ("d packed bf16", "bf16")):
        # The time of the epochs alone: two lengths, so that set-up and evaluation cancel out.
        long = packed(*place, heads, epochs + 1, arguments.threads, precision, device)
        short = packed(*place, heads, 1, arguments.threads, precision, device)
        seconds = median_seconds(long, repeats) - median_seconds(short, repeats)
        rows[name] = seconds / (epochs * steps_an_epoch * heads)
    limits = {d: product_limit(d, 3 * repeats, device) for d in (torch.float32, torch.bfloat16)}
    print(f"\n(D, C) = ({dim}, {classes}), {heads} heads a pack, {arguments.threads} threads")
    print(
        f"product limit: float32 {limits[torch.float32]:.0f} GFLOP/s, "
        f"bf16 {limits[torch.bfloat16]:.0f} GFLOP/s"
    )
    print(f"{'':18} {'µs/head-step':>12} {'× a':>8} {'× b':>8} {'of the limit':>13}")
    for name, seconds in rows.items():
        limit = limits[torch.bfloat16 if "bf16" in name else torch.float32]
        against_b = f"{rows['b vmap'] / seconds:8.2f}" if "b vmap" in rows else f"{'–':>8}"
        print(
            f"{name:18} {1e6 * seconds:12.1f} {rows['a sequential'] / seconds:8.2f} {against_b} "
            f"{flops / seconds / 1e9 / limit:12.1%}"
        )


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["384x20", "768x145", "2048x80"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--heads", type=int, default=None)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for size in arguments.sizes:
        dim, classes = (int(part) for part in size.split("x"))
        measure(dim, classes, arguments)


if __name__ == "__main__":
    main()

"""Ways of training the same heads, for packed_training.py."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from sigmoidf1.losses import get_loss
from sigmoidf1.training.head_trainer import HeadTrainer
from sigmoidf1.training.settings import HeadConfig, TrainingSettings

BATCH, TRAIN, HELD_OUT = 256, 2560, 256
STEPS_PER_EPOCH = TRAIN // BATCH

Work = Callable[[], None]


def make_problem(dim: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and labels with something to learn."""
    generator = torch.Generator().manual_seed(0)
    features = torch.relu(torch.randn(TRAIN + 2 * HELD_OUT, dim, generator=generator))
    truth = torch.randn(dim, classes, generator=generator)
    targets = (features @ truth > 1.3 * dim**0.5).float()
    return features, targets


def sequential(features: torch.Tensor, targets: torch.Tensor, steps: int) -> Work:
    """(a): one head, ``steps`` steps, on PyTorch's threads."""
    function = get_loss("sigmoid_f1").function

    def run() -> None:
        head = torch.nn.Linear(features.shape[1], targets.shape[1], device=features.device)
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)
        done = 0
        while done < steps:
            for rows in torch.randperm(TRAIN, device=features.device).split(BATCH):
                x, y = features.index_select(0, rows), targets.index_select(0, rows)
                optimiser.zero_grad(set_to_none=True)
                function(head(x), y, beta=5.0, eta=0.0).backward()
                optimiser.step()
                done += 1
                if done == steps:
                    break

    return run


def vmapped(features: torch.Tensor, targets: torch.Tensor, heads: int, steps: int) -> Work:
    """(b): ``heads`` stacked modules, ``steps`` steps each, on PyTorch's threads."""
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


@dataclass(frozen=True)
class Packed:
    """(c), (d): packed heads by the trainer that the service's workers use.

    Attributes:
        dim: D.
        classes: C.
        heads: heads of a pack.
        precision: of the products.
        threads: tiles at the same time within the process.
        device: where they train.
    """

    dim: int
    classes: int
    heads: int
    precision: str
    threads: int = 1
    device: str = "cpu"

    def prepare(self) -> Callable[[int], None]:
        """A function that trains the pack for some epochs and evaluates it once, at the end."""
        features, targets = make_problem(self.dim, self.classes)
        rows = torch.arange(len(features))
        splits = {"train": rows[:TRAIN], "validation": rows[TRAIN : TRAIN + HELD_OUT]}
        trainer = HeadTrainer(features, targets, splits, device=self.device)
        configs = [
            HeadConfig(loss="sigmoid_f1", hyperparameters={"beta": 1.0 + 29.0 * i / self.heads})
            for i in range(self.heads)
        ]
        replicates = [(index, 0) for index in range(self.heads)]

        def run(epochs: int) -> None:
            settings = TrainingSettings(
                epochs=epochs, batch_size=BATCH, eval_every=epochs, precision=self.precision
            )
            trainer.train(
                configs,
                replicates,
                settings=settings,
                thresholds=[0.5],
                threads=self.threads,
                keep_weights=False,
            )

        return run


class PackedWorkers:
    """The same in worker processes of one thread each, one pack a process, as the service does.

    Args:
        pack: what each process trains.
        processes: how many train at the same time.
    """

    def __init__(self, pack: Packed, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, pack), daemon=True)
            process.start()
            self._pipes.append(mine)
            self._processes.append(process)
        self(1)

    def __call__(self, epochs: int) -> None:
        """Train a pack in every process; returns when the last one is done."""
        for pipe in self._pipes:
            pipe.send(epochs)
        for pipe in self._pipes:
            pipe.recv()

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()


def _serve(pipe: Connection, pack: Packed) -> None:
    torch.set_num_threads(1)
    run = pack.prepare()
    while (epochs := pipe.recv()) is not None:
        run(epochs)
        pipe.send(True)

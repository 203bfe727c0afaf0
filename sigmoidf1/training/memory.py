"""How much memory a pack takes, by counting its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sigmoidf1.metrics import METRICS
from sigmoidf1.training.columns import aligned
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import tile_slots

_OUT_OF_MEMORY_WORDS = ("not enough memory", "can't allocate memory", "out of memory")
_FLOAT, _DOUBLE = 4, 8
_STEP_BUFFERS = 7  # (B, width) tensors alive in one step: logits, targets, gradient, temporaries
_SCORE_BUFFERS = 3  # (N, width) tensors alive while a split is evaluated
_SORTING_BYTES = 12 * 2**20  # the packed evaluation sorts blocks of 2**18 scores at a time


@dataclass(frozen=True)
class PackMemory:
    """Predicted memory of one pack trained on one thread.

    Attributes:
        fixed_bytes: data, one tile in training, one tile in evaluation.
        head_bytes: what every head of the pack leaves until the pack is recorded.
    """

    fixed_bytes: int
    head_bytes: int

    def peak_bytes(self, heads: int) -> int:
        """Peak of a pack of that many heads, over what the process had before."""
        return self.fixed_bytes + heads * self.head_bytes

    def max_heads(self, memory_bytes: int) -> int:
        """Heads that fit into ``memory_bytes``; at least 1."""
        return max(1, (memory_bytes - self.fixed_bytes) // self.head_bytes)


def predict_memory(
    settings: TrainingSettings,
    *,
    split_sizes: Mapping[str, int],
    dim: int,
    num_classes: int,
    num_thresholds: int,
    device: torch.device,
    num_views: int = 1,
    keep_weights: bool = False,
    rungs: bool = False,
) -> PackMemory:
    """Predict a pack's memory from the tensors that it holds at its peak.

    Args:
        settings: the pack's settings.
        split_sizes: examples of each split.
        dim: D.
        num_classes: C.
        num_thresholds: T, where curves are kept.
        device: where it trains.
        num_views: augmented views of each training example.
        keep_weights: the parameters are returned.
        rungs: heads are pruned at rungs, so that the state of all of them is held.
    """
    layers = [(dim, num_classes)]
    widest = settings.widest_layer(num_classes)
    if settings.head == "mlp":
        layers = [(dim, settings.hidden), (settings.hidden, num_classes)]
    slots = tile_slots(settings, dim=dim, num_classes=num_classes, device=device)
    width = aligned(slots * widest)
    input_bytes = 2 if settings.precision == "bf16" else _FLOAT
    examples = sum(split_sizes.values())
    rows = examples + (num_views - 1) * split_sizes["train"]
    data = rows * dim * input_bytes + examples * num_classes * _FLOAT
    tile_parameters = sum((rows + 1) * aligned(slots * columns) for rows, columns in layers)
    state = 1 + (1 if settings.optimizer == "sgd" else 2) + (1 if settings.ema_decay else 0)
    copies = state + 1 + (1 if settings.precision == "bf16" else 0)
    batch = min(settings.batch_size, split_sizes["train"])
    step = batch * (dim * input_bytes + _STEP_BUFFERS * width * _FLOAT)
    evaluated = max(
        size for name, size in split_sizes.items() if name != "train" or examples == size
    )
    evaluation = evaluated * width * _SCORE_BUFFERS * _FLOAT + _SORTING_BYTES
    training = tile_parameters * copies * _FLOAT + step
    curves = sum(metric.curve for metric in METRICS.values()) * num_thresholds
    evaluated_splits = max(1, len(split_sizes) - 1)
    results = evaluated_splits * (curves + len(METRICS)) * _DOUBLE + 2 * settings.epochs * _DOUBLE
    parameters = sum((rows + 1) * columns for rows, columns in layers) * _FLOAT
    head_bytes = results + (parameters if keep_weights else 0)
    if rungs or settings.patience is not None:
        kept = parameters if settings.keep_epoch == "best" else 0
        head_bytes += -(-tile_parameters * state * _FLOAT // slots) + kept
    return PackMemory(
        fixed_bytes=data + max(training, evaluation) + slots * parameters, head_bytes=head_bytes
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in _OUT_OF_MEMORY_WORDS)

"""Operations on packed columns: column of head h and class c is ``h * num_classes + c``.

Bits must not depend on a column's neighbours. Elementwise operations on whole (B, W) tensors, with
W a multiple of 64, and sums over the batch treat every column alike; what is left, reductions over
the classes of a head, runs on rows (W,) here.
"""

from __future__ import annotations

import platform

import numpy as np
import torch
from torch import Tensor

LOG2_E = 1.4426950408889634
VECTOR = 64  # elements; no CPU's vector loop is longer, so a remainder is shorter than this

# On x86, torch.log of a CPU tensor goes through MKL, which took 4.1 µs for 5,120 elements where
# NumPy's own vector loop takes 1.3. Elsewhere NumPy may have no vector loop.
_NUMPY_LOG = platform.machine() in {"x86_64", "AMD64"}


def sum_classes(row: Tensor, num_heads: int, num_classes: int) -> Tensor:
    """Sum a row (W,) over the classes of each head -> (H,)."""
    return row[: num_heads * num_classes].view(num_heads, num_classes).sum(1)


def spread(head_values: Tensor, num_classes: int, width: int) -> Tensor:
    """Repeat head values (H,) for every class -> (W,), padding 0."""
    row = head_values.new_zeros(width)
    heads = len(head_values)
    row[: heads * num_classes].view(heads, num_classes).copy_(head_values[:, None])
    return row


def by_example(columns: Tensor, *, num_heads: int, num_classes: int) -> Tensor:
    """Sum columns (B, W) over the classes of each head -> (B, H), example by example."""
    return columns[:, : num_heads * num_classes].unflatten(1, (num_heads, num_classes)).sum(2)


def spread_examples(head_values: Tensor, num_classes: int, width: int) -> Tensor:
    """Repeat head values (B, H) of each example for every class -> (B, W), padding 0."""
    examples, heads = head_values.shape
    columns = head_values.new_zeros(examples, width)
    view = columns[:, : heads * num_classes].unflatten(1, (heads, num_classes))
    view.copy_(head_values[:, :, None])
    return columns


def sum_examples(head_values: Tensor) -> Tensor:
    """Sum head values (B, H) over the examples -> (H,)."""
    examples, heads = head_values.shape
    # The last columns of a sum may round otherwise: spare ones take that place.
    padded = head_values.new_zeros(examples, -(-heads // VECTOR) * VECTOR)
    padded[:, :heads] = head_values
    return padded.sum(0)[:heads]


def log(values: Tensor, *, out: Tensor) -> Tensor:
    """Natural logarithm into ``out``, which may be ``values``; 0 gives -inf."""
    if _NUMPY_LOG and values.device.type == "cpu":
        with np.errstate(all="ignore"):
            np.log(values.numpy(), out=out.numpy())
        return out
    return torch.log(values, out=out)

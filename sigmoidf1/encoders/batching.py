"""How many inputs a model takes at once: found from the device's memory, not from timing."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

_SHARE = 0.4
"""Share of a GPU's whole memory that a batch may take: the rest holds weights and neighbours."""


def largest_batch(item_bytes: float, total_bytes: int, *, most: int) -> int:
    """Return the largest power of two, from 1 to `most`, of items that fit a share of memory.

    Example:
        >>> largest_batch(2**20, 2**30, most=4096)
        256
    """
    fitting = int(_SHARE * total_bytes / max(item_bytes, 1))
    return 2 ** (max(min(fitting, most), 1).bit_length() - 1)


def find_batch(device: torch.device, run: Callable[[int], object], *, probe: int, most: int) -> int:
    """Return how many items a GPU takes at once, from what `probe` of them need.

    Args:
        device: a CUDA device that holds the model.
        run: passes this many items of the largest kind through the model.
        probe: items of the trial.
        most: beyond this, larger batches are no faster.
    """
    with torch.inference_mode():
        run(1)  # libraries allocate their workspaces at the first call
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run(probe)
        needed = torch.cuda.max_memory_allocated(device) - before
    total = torch.cuda.get_device_properties(device).total_memory
    return largest_batch(needed / probe, total, most=most)


def usable_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ready_for(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor where it can be copied to the device while the device computes."""
    return tensor.pin_memory() if device.type == "cuda" else tensor

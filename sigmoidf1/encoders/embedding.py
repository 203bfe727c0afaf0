"""The loop that embeds a dataset once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from sigmoidf1.encoders.base import Embedder
from sigmoidf1.errors import InputError


def pick_device(device: str) -> torch.device:
    """Return the device that `auto`, `cpu`, `cuda` or `cuda:1` means here.

    Raises:
        InputError: for an unknown device or one that this machine lacks.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(
            f"device must be auto, cpu, cuda or cuda:N, but got {device!r}. Write one of these."
        ) from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {device!r} must exist, but this machine has {torch.cuda.device_count()} "
            "usable GPUs. Choose cpu or auto."
        )
    return chosen


def embed(
    embedder: Embedder,
    inputs: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Embed all inputs.

    Batches are a function of the inputs alone (not of free memory), so the same inputs give
    the same embeddings on the same machine. A batch that does not fit into the GPU's memory is
    halved until it does.

    Args:
        embedder: an opened model.
        inputs: N texts or image paths.
        progress: called after each batch with the number of inputs done and N.

    Returns:
        Array (N, D), float32.

    Raises:
        InputError: if a single input does not fit into memory, or cannot be read.
    """
    embeddings: np.ndarray | None = None
    done = 0
    pending = embedder.plan(inputs)[::-1]
    with torch.inference_mode():
        while pending:
            rows = pending.pop()
            try:
                batch = embedder.encode(rows).cpu().numpy()
            except torch.OutOfMemoryError as error:
                if len(rows) == 1:
                    raise InputError(
                        "each input must fit into the device's memory, but one alone does not. "
                        "Choose a smaller model, a smaller encoder.max_length, or device cpu."
                    ) from error
                pending += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
                continue
            if embeddings is None:
                embeddings = np.empty((len(inputs), batch.shape[1]), dtype=np.float32)
            embeddings[rows] = batch
            done += len(rows)
            if progress is not None:
                progress(done, len(inputs))
    if embeddings is None:
        raise InputError("there must be something to embed, but got no inputs. Give it examples.")
    return embeddings

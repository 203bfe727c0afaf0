"""Embedding: inputs are prepared in threads ahead of the model, whole or shard by shard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from sigmoidf1.datasets.base import Modality
from sigmoidf1.encoders.base import BadInput, Batch, Embedder, Prepared
from sigmoidf1.errors import InputError

_CHUNK = {"text": 1024, "image": 256}
_LOOKAHEAD = 2
"""Units prepared beyond one a thread, so that the model never waits for the slowest."""

_TOGETHER = 4
"""Units a thread prepares in a row where preparing and the model take turns."""


@dataclass(frozen=True)
class Shard:
    """A part of a dataset, embedded.

    Args:
        rows: int64 (n,), rows among all inputs.
        embeddings: float32 (n, D).
        bad: inputs of this part that could not be read; their rows are not in `rows`.
    """

    rows: np.ndarray
    embeddings: np.ndarray
    bad: list[BadInput]


@dataclass(frozen=True)
class Embedded:
    """A dataset, embedded.

    Args:
        embeddings: float32 (N, D); rows of bad inputs are 0.
        bad: inputs that could not be read, by row.
    """

    embeddings: np.ndarray
    bad: list[BadInput]


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


def plan_chunks(modality: Modality, inputs: Sequence[str]) -> list[list[int]]:
    """Divide inputs into chunks, the parts that shards are made of.

    Chunks depend on the inputs alone, and no batch reaches over a chunk's end: so however chunks
    are spread over workers of one kind, each input meets the model in the same company and gets
    the same embedding to the bit. Texts are sorted by their number of characters, longest
    first, so that a batch holds texts of like length; images keep their order.

    Args:
        modality: `text` or `image`.
        inputs: N texts or image paths.

    Returns:
        Rows of each chunk; each of the N rows is in one.
    """
    size = _CHUNK[modality]
    order = list(range(len(inputs)))
    if modality == "text":
        order.sort(key=lambda row: -len(inputs[row]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def embed(
    embedder: Embedder,
    inputs: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    *,
    modality: Modality,
    skip_bad: bool = False,
    view: int | None = None,
) -> Embedded:
    """Embed all inputs.

    Args:
        embedder: an opened model.
        inputs: N texts or image paths.
        progress: called after each batch with the number of inputs done and N.
        modality: `text` or `image`.
        skip_bad: whether unreadable inputs are reported instead of refused.
        view: the random view of each image to embed; None for the plain one.

    Raises:
        InputError: if an input cannot be read (all of them, with `skip_bad`), or a single one
            does not fit into memory.
    """
    if not len(inputs):
        raise InputError("there must be something to embed, but got no inputs. Give it examples.")
    chunks = plan_chunks(modality, inputs)
    shard = embed_shard(embedder, inputs, chunks, progress, skip_bad=skip_bad, view=view)
    return merge_shards([shard], len(inputs))


def embed_shard(
    embedder: Embedder,
    inputs: Sequence[str],
    chunks: Iterable[Sequence[int]],
    progress: Callable[[int, int], None] | None = None,
    *,
    skip_bad: bool = False,
    view: int | None = None,
) -> Shard:
    """Embed some chunks of a dataset; `merge_shards` puts the parts together.

    Decoding and tokenising run in threads: ahead of a model on a GPU, in turn with one on the
    CPU, whose own threads would wait for each other if others took their cores. A batch that does
    not fit into the GPU's memory is halved until it does, and later ones are cut to that size.

    Args:
        embedder: an opened model.
        inputs: all N texts or image paths.
        chunks: some of `plan_chunks(modality, inputs)`.
        progress: called after each batch with the number of inputs done and of this shard's.
        skip_bad: whether unreadable inputs are reported instead of refused.
        view: the random view of each image to embed; None for the plain one.

    Raises:
        InputError: as `embed`.
    """
    units = [unit for chunk in chunks for unit in embedder.units(chunk)]
    total = sum(map(len, units))
    rows: list[int] = []
    parts: list[np.ndarray] = []
    bad: list[BadInput] = []
    with torch.inference_mode(), embedder.quiet():
        embedded = _embed_batches(embedder, _batches(embedder, inputs, units, view, skip_bad, bad))
        for batch_rows, values in embedded:
            rows += batch_rows
            parts.append(values)
            if progress is not None:
                progress(len(rows) + len(bad), total)
    embeddings = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
    return Shard(np.array(rows, dtype=np.int64), embeddings, bad)


def merge_shards(shards: Iterable[Shard], count: int) -> Embedded:
    """Put the shards of a dataset together.

    Args:
        shards: in any order; together they hold every input once.
        count: N, the number of inputs.

    Raises:
        InputError: if no input at all could be read.
        ValueError: if shards overlap or miss an input.
    """
    parts = list(shards)
    bad = sorted((entry for part in parts for entry in part.bad), key=lambda entry: entry.row)
    filled = [part for part in parts if len(part.rows)]
    if not filled:
        raise InputError(
            f"at least one input must be readable, but none of {count} is; the first: "
            f"{bad[0].reason if bad else 'there is none'}"
        )
    rows = np.concatenate([*(part.rows for part in filled), [entry.row for entry in bad]])
    if not np.array_equal(np.sort(rows), np.arange(count)):
        raise ValueError(f"shards must hold each of {count} rows once, but got {len(rows)} rows.")
    embeddings = np.zeros((count, filled[0].embeddings.shape[1]), dtype=np.float32)
    for part in filled:
        embeddings[part.rows] = part.embeddings
    return Embedded(embeddings, bad)


def _batches(
    embedder: Embedder,
    inputs: Sequence[str],
    units: list[list[int]],
    view: int | None,
    skip_bad: bool,
    bad: list[BadInput],
) -> Iterator[Batch]:
    """Yield batches in the order of units; threads prepare the next ones meanwhile or in turn."""
    pending: deque[Future[Prepared]] = deque()
    todo = iter(units)
    ahead = embedder.workers + _LOOKAHEAD if embedder.overlap else embedder.workers * _TOGETHER
    with ThreadPoolExecutor(embedder.workers, thread_name_prefix="prepare") as threads:
        try:
            while True:
                if embedder.overlap or not pending:
                    for unit in islice(todo, ahead - len(pending)):
                        pending.append(threads.submit(embedder.prepare, inputs, unit, view))
                if not embedder.overlap:
                    wait(pending)
                if not pending:
                    return
                prepared = pending.popleft().result()
                if prepared.bad and not skip_bad:
                    raise InputError(prepared.bad[0].reason)
                bad += prepared.bad
                yield from prepared.batches
        finally:
            for future in pending:
                future.cancel()


def _embed_batches(
    embedder: Embedder, batches: Iterable[Batch]
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield rows and embeddings; a result is fetched after the next batch has been launched."""
    largest: float = float("inf")
    launched: tuple[list[int], torch.Tensor] | None = None
    for batch in batches:
        pending = [batch]
        while pending:
            part = pending.pop()
            if part.size() > largest and len(part.rows) > 1:
                pending += reversed(part.halves())
                continue
            try:
                embeddings = embedder.encode(part)
            except torch.OutOfMemoryError as error:
                if len(part.rows) == 1:
                    raise InputError(
                        "each input must fit into the device's memory, but one alone does not. "
                        "Choose a smaller model, a smaller encoder.max_length, or device cpu."
                    ) from error
                largest = part.size() / 2
                pending.append(part)
                continue
            if launched is not None:
                yield launched[0], launched[1].cpu().numpy()
            launched = part.rows, embeddings
    if launched is not None:
        yield launched[0], launched[1].cpu().numpy()

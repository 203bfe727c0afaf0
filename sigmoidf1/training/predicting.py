"""Probabilities of trained heads, to the bit those that their training was evaluated by."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sigmoidf1.errors import InputError
from sigmoidf1.training.heads import make_heads
from sigmoidf1.training.products import Products, scored_at
from sigmoidf1.training.scoring import EVALUATED_ROWS
from sigmoidf1.training.settings import TrainingSettings
from sigmoidf1.training.tiles import tile_slots
from sigmoidf1.training.workers import run_on_workers


def head_probabilities(
    embeddings: Tensor,
    parameters: Mapping[str, Tensor],
    *,
    precision: str = "float32",
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return the probabilities of R heads on N examples, computed as in training.

    The same as :func:`sigmoidf1.predict_probabilities` up to rounding; here the products have the
    shape that they have in a tile, so that on the same examples each head's probabilities equal,
    bit by bit on a CPU, those that its scores were computed from.

    Args:
        embeddings: (N, D), finite.
        parameters: name to (R, ...), as of :class:`sigmoidf1.HeadResults` with shape (R,).
        precision: of the products, as in training: ``float32``, ``bf16`` or ``tf32``.
        device: where to compute.

    Returns:
        (R, N, C) float32 in [0, 1], on the CPU.

    Raises:
        InputError: the embeddings have not D columns, or are not finite.
    """
    mlp = "hidden.weight" in parameters
    first = parameters["hidden.weight" if mlp else "weight"]
    dim, num_classes = first.shape[1], parameters["weight"].shape[2]
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        raise InputError(
            f"embeddings must have shape (N, {dim}), but got {tuple(embeddings.shape)}. "
            "Embed with the encoder that the head was trained on."
        )
    if not bool(torch.isfinite(embeddings).all()):
        raise InputError("embeddings must be finite, but hold NaN or inf. Clean them first.")
    settings = TrainingSettings(
        head="mlp" if mlp else "linear",
        hidden=first.shape[2] if mlp else 1,
        precision=precision,
    )
    place = torch.device(device)
    inputs = embeddings.float()
    if not mlp:
        inputs = torch.relu(inputs)
    inputs = inputs.to(Products(precision).dtype).to(place)
    slots = tile_slots(settings, dim=dim, num_classes=num_classes, device=place)
    count = len(first)

    def compute(start: int, on: torch.device) -> Tensor:
        products = Products(scored_at(precision))
        head = make_heads(
            settings, dim=dim, num_classes=num_classes, slots=slots, seed=0, products=products
        )
        some = slice(start, min(start + slots, count))
        columns, ones = {}, {}
        for block in head.blocks:
            columns[block.name] = block.zeros(on)
            ones[block.name] = torch.ones(block.width, device=on)
            own = parameters[block.name][some]
            block.heads(columns[block.name])[: len(own)] = own.to(on)
        with products.block(on):
            logits = torch.cat(
                [head.scores(rows, columns, ones) for rows in inputs.split(EVALUATED_ROWS)]
            )
        return head.blocks[-1].heads(logits.sigmoid_())[: some.stop - start].cpu().contiguous()

    # A worker thread rounds as those of training do: one thread an operation, denormals are 0.
    return torch.cat(run_on_workers(compute, range(0, count, slots), [place]))

"""Where embedding runs: a job, and the process or cluster that does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from sigmoidf1.encoders.base import Embedder, ModelEncoder
from sigmoidf1.encoders.embedding import Embedded, embed, pick_device

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class EmbeddingJob:
    """One pass of a model over a dataset's inputs.

    Args:
        encoder: the model.
        inputs: N texts or image paths.
        precision: `float32` or `bfloat16`.
        skip_bad: whether unreadable inputs are reported instead of refused.
        view: the random view of each image to embed; None for the plain one.
    """

    encoder: ModelEncoder
    inputs: Sequence[str]
    precision: str
    skip_bad: bool = False
    view: int | None = None

    def open(self, device: torch.device) -> Embedder:
        """Load the model onto a device."""
        return self.encoder.open(device, getattr(torch, self.precision))


class EmbeddingBackend(Protocol):
    """Does embedding jobs.

    Args:
        device_type: `cpu` or `cuda`, what the model runs on; it decides `precision: auto`.
    """

    device_type: str

    def run(self, job: EmbeddingJob, progress: Progress | None) -> Embedded:
        """Embed all inputs of a job; progress gets the number done and N."""


class LocalBackend:
    """Embeds in this process.

    Args:
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`.

    Raises:
        InputError: for a device that this machine lacks.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        self.device_type = self.device.type
        self._opened: tuple[ModelEncoder, str, Embedder] | None = None

    def run(self, job: EmbeddingJob, progress: Progress | None) -> Embedded:
        """Embed all inputs of a job; the model stays loaded for the next of the same encoder."""
        if self._opened is None or self._opened[:2] != (job.encoder, job.precision):
            self._opened = job.encoder, job.precision, job.open(self.device)
        return embed(
            self._opened[2],
            job.inputs,
            progress,
            modality=job.encoder.modality or "text",
            skip_bad=job.skip_bad,
            view=job.view,
        )

"""What an encoder is, and what a file of this folder must provide to become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sigmoidf1.datasets.base import Modality
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch


class Embedder(Protocol):
    """An opened model on its device."""

    def plan(self, inputs: Sequence[str]) -> list[list[int]]:
        """Take all inputs in and return the rows of each batch; each row is in one batch."""

    def encode(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the embeddings of these rows of the planned inputs, float32 (len(rows), D)."""


@dataclass(frozen=True)
class Encoder(ABC):
    """A frozen encoder as a spec names it; nothing heavy is imported before it is opened.

    Args:
        name: the name in the spec, such as `minilm` or `hf:distilbert-base-uncased`.
        modality: what it embeds.
    """

    name: str
    modality: Modality

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return all that decides the embeddings beside data and precision, JSON-safe.

        Raises:
            InputError: if the weights are not on disk and cannot be had.
        """


@dataclass(frozen=True)
class ModelEncoder(Encoder):
    """An encoder with weights.

    Args:
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 on a GPU, else float32.
    """

    precision: str

    @abstractmethod
    def open(self, device: torch.device, dtype: torch.dtype) -> Embedder:
        """Load the weights from disk onto the device.

        Raises:
            InputError: if the weights are missing, altered or do not fit.
        """


@dataclass(frozen=True, kw_only=True)
class EncoderFamily:
    """How encoders of one kind are built; each file of this folder holds one as `FAMILY`.

    Args:
        name: its name in a spec, before the colon if it takes a model's name.
        build: from the full name, the model's name (after the colon) and the checked options.
        takes_model: whether the name goes on with `:MODEL`.
        options: its options in the spec's encoder mapping.
    """

    name: str
    build: Callable[[str, str, Mapping[str, Any]], Encoder]
    takes_model: bool = False
    options: tuple[Option, ...] = ()


PRECISION = Option(
    name="precision",
    kind="str",
    description="number format of the model while it embeds; auto is bfloat16 on a GPU, "
    "else float32",
    default="auto",
    choices=("auto", "float32", "bfloat16"),
)

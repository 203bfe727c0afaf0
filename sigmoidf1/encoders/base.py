"""What an encoder is, and what a file of this folder must provide to become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sigmoidf1.datasets.base import Modality
from sigmoidf1.encoders.augmentation import Augmentation
from sigmoidf1.options import Option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class BadInput:
    """An input that could not be read.

    Args:
        row: its row among the inputs.
        reason: one line that names the file and says what is wrong.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Inputs as tensors in main memory, ready for the model.

    Args:
        rows: B rows among the inputs.
        tensors: by name; the first axis of each is B.
    """

    rows: list[int]
    tensors: dict[str, torch.Tensor]

    def size(self) -> int:
        """Return the number of elements of the largest tensor, to which memory is proportional."""
        return max(tensor.numel() for tensor in self.tensors.values())

    def halves(self) -> tuple[Batch, Batch]:
        """Return the first and the second half, for a device that cannot hold the whole."""
        middle = len(self.rows) // 2
        parts = (slice(None, middle), slice(middle, None))
        first, second = (
            Batch(self.rows[part], {name: tensor[part] for name, tensor in self.tensors.items()})
            for part in parts
        )
        return first, second


@dataclass(frozen=True)
class Prepared:
    """What became of some inputs: batches, and inputs that could not be read."""

    batches: list[Batch]
    bad: list[BadInput]


class Embedder(Protocol):
    """An opened model on its device.

    Args:
        workers: threads in which `prepare` is to run.
        overlap: whether `prepare` is to run while the model does, instead of in turn with it.
    """

    workers: int
    overlap: bool

    def units(self, rows: Sequence[int]) -> list[list[int]]:
        """Divide rows into what one call of `prepare` takes; independent of their content."""

    def prepare(self, inputs: Sequence[str], rows: list[int], view: int | None) -> Prepared:
        """Decode or tokenise these rows of the inputs; called in several threads at once.

        Args:
            inputs: all N texts or image paths.
            rows: one of `units`.
            view: the number of the random view to make of each; None for the plain input.
        """

    def encode(self, batch: Batch) -> torch.Tensor:
        """Return the embeddings of a batch, float32 (B, D), on the device."""

    def quiet(self) -> AbstractContextManager[None]:
        """Silence the warnings of the libraries that `prepare` and `encode` call."""


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """A frozen encoder as a spec names it; nothing heavy is imported before it is opened.

    Args:
        name: the name in the spec, such as `minilm` or `hf:distilbert-base-uncased`.
        modality: what it embeds; None when only its files can tell, see `for_modality`.
    """

    name: str
    modality: Modality | None

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return all that decides the embeddings beside data and precision, JSON-safe.

        Raises:
            InputError: if the weights are not on disk and cannot be had.
        """

    def for_modality(self, modality: Modality) -> Encoder:
        """Return the encoder as it embeds data of this kind; itself if it embeds one kind only.

        Raises:
            InputError: for an option that makes no sense with this kind.
        """
        return self


@dataclass(frozen=True, kw_only=True)
class ModelEncoder(Encoder):
    """An encoder with weights.

    Args:
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 on a GPU, else float32.
        batch_size: inputs at once; None finds it.
        workers: threads that decode images; None: one a core.
        augmentation: the random views of training images; None for none.
    """

    precision: str
    batch_size: int | None = None
    workers: int | None = None
    augmentation: Augmentation | None = None

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

BATCH_SIZE = Option(
    name="batch_size",
    kind="int",
    description="inputs that the model takes at once; null: found from the device's memory",
    nullable=True,
    minimum=1,
)

WORKERS = Option(
    name="workers",
    kind="int",
    description="threads that decode images; null: one a core",
    nullable=True,
    minimum=1,
)

"""The matrix products of packed heads, by the fastest kernel at hand.

On CPUs the wide products go to oneDNN where PyTorch has it: its kernels use AVX-512 on every
vendor's processors, while MKL's float32 product takes a slower path on some (docs/performance.md
has the measurements). Products always run on operands of one fixed shape per tile and batch, so
that a column's bits depend on nothing but the column; where the kernels at hand round alike at
two widths, which is tried, few heads take a narrower shape.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor

_NO_ARGUMENTS: list[float] = []


def _onednn_linear() -> Callable[..., Tensor] | None:
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        operator: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise.default
        probe = operator(torch.ones(2, 2), torch.ones(2, 2), None, "none", _NO_ARGUMENTS, "")
    except (AttributeError, RuntimeError, NotImplementedError):
        return None
    return operator if torch.equal(probe, torch.full((2, 2), 2.0)) else None


_LINEAR = _onednn_linear()


def product_backend(device: torch.device) -> str:
    """Name of the library that computes the products on ``device``, for provenance."""
    if device.type == "cpu":
        return "onednn" if _LINEAR is not None else "blas"
    return "cublas" if device.type == "cuda" else device.type


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` of two matrices, in their dtype; the bits of a column depend on it alone."""
    if _LINEAR is not None and left.device.type == "cpu":
        return _LINEAR(left, right.t(), None, "none", _NO_ARGUMENTS, "")
    return left @ right


@lru_cache(maxsize=4096)
def rounds_alike(
    rows: int, dim: int, narrow: int, full: int, precision: str, *, backwards: bool
) -> bool:
    """Whether a tile of ``narrow`` columns rounds as one of ``full`` columns does, on a CPU.

    Tries both widths on made-up numbers: the order in which a kernel adds up depends on shapes
    alone, so that another order shows in one of the thousands of results. Ask on the thread that
    will train, which has one thread an operation.

    Args:
        rows: examples of a batch.
        dim: inputs of the products.
        narrow: columns, a multiple of the alignment.
        full: columns of a tile of the usual width.
        precision: of the products.
        backwards: also try the gradient of the weights and the sum over the batch.
    """
    generator = torch.Generator().manual_seed(0)
    products = Products(precision)
    inputs = torch.randn(rows, dim, generator=generator)
    operands = [(inputs, torch.randn(dim, full, generator=generator))]
    if backwards:
        operands.append((inputs.t(), torch.randn(rows, full, generator=generator)))
    for left, right in operands:
        whole, total = products.matmul(left, right), right.sum(0)
        for end in (slice(0, narrow), slice(full - narrow, full)):
            part = right[:, end].contiguous()
            alike = torch.equal(products.matmul(left, part), whole[:, end])
            if not alike or not torch.equal(part.sum(0), total[end]):
                return False
    return True


def scored_at(precision: str) -> str:
    """The precision at which trained heads are scored.

    Logits rounded to bfloat16 tie in their thousands, which lowers every average precision a
    little; so bf16 heads are scored by float32 products of the same rounded inputs.
    """
    return "float32" if precision == "bf16" else precision


class Products:
    """Products at one precision: operands are rounded to it, results are float32.

    Args:
        precision: ``float32``, ``bf16`` (both operands and the result are rounded to bfloat16;
            sums are float32 inside the kernel) or ``tf32``.
    """

    def __init__(self, precision: str) -> None:
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._tf32 = precision == "tf32"

    def cast(self, operand: Tensor) -> Tensor:
        """An operand at this precision; a no-op for one that already is."""
        return operand.to(self.dtype)

    def matmul(self, left: Tensor, right: Tensor) -> Tensor:
        """``left @ right`` in float32, of operands at this precision."""
        return matmul(self.cast(left), self.cast(right)).float()

    def per_head(self, left: Tensor, right: Tensor) -> Tensor:
        """``left @ right`` of every head in float32: (T, M, K) by (T, K, N).

        On a CPU one product a head: MKL's batched product may round by a head's place in memory.
        """
        left, right = self.cast(left), self.cast(right)
        if left.device.type == "cpu":
            pairs = zip(left, right, strict=True)
            return torch.stack([matmul(a.contiguous(), b.contiguous()) for a, b in pairs]).float()
        return torch.bmm(left, right).float()

    def block(self, device: torch.device) -> AbstractContextManager[object]:
        """Around all products of a pack: sets TF32 on a GPU, and puts it back."""
        if device.type != "cuda":
            return nullcontext()
        return _cuda_precision("tf32" if self._tf32 else "ieee")


class _cuda_precision(AbstractContextManager[None]):  # noqa: N801  (used like a function)
    def __init__(self, value: str) -> None:
        self._value = value

    def __enter__(self) -> None:
        self._before = torch.backends.cuda.matmul.fp32_precision
        torch.backends.cuda.matmul.fp32_precision = self._value

    def __exit__(self, *_: object) -> None:
        torch.backends.cuda.matmul.fp32_precision = self._before

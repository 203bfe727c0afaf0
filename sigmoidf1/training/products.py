"""The matrix products of packed heads, by the fastest kernel at hand.

On CPUs the wide products go to oneDNN where PyTorch has it: its kernels use AVX-512 on every
vendor's processors, while MKL's float32 product takes a slower path on some (docs/performance.md
has the measurements). Products always run on operands of one fixed shape per tile and batch, so
that a column's bits depend on nothing but the column.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

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

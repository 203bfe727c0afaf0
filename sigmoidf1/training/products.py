"""The two matrix products of a linear head, by the fastest single-precision kernel at hand.

On CPUs the products go to oneDNN where PyTorch has it: its kernels use AVX-512 on every vendor's
processors, while MKL's float32 product takes a slower path on some (docs/performance.md has the
measurements). Both products always run on operands of one fixed shape per tile and batch, so that
a column's bits depend on nothing but the column.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_NO_ARGUMENTS: list[float] = []


def _onednn_linear() -> Callable[..., Tensor] | None:
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        operator = torch.ops.mkldnn._linear_pointwise.default
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


def scores(embeddings: Tensor, weight: Tensor) -> Tensor:
    """``embeddings @ weight``: (B, D) by (D, W) gives (B, W)."""
    if _LINEAR is not None and embeddings.device.type == "cpu":
        return _LINEAR(embeddings, weight.t(), None, "none", _NO_ARGUMENTS, "")
    return embeddings @ weight


def weight_gradient(embeddings: Tensor, gradient: Tensor) -> Tensor:
    """``embeddings.T @ gradient``: (B, D) and (B, W) give (D, W)."""
    if _LINEAR is not None and embeddings.device.type == "cpu":
        return _LINEAR(embeddings.t(), gradient.t(), None, "none", _NO_ARGUMENTS, "")
    return embeddings.t() @ gradient

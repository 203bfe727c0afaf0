"""Passes over packed columns that PyTorch would make one operation at a time, by Numba.

Between the matrix products a bf16 step is bound by the caches: each of PyTorch's operations reads
and writes a tile's logits or weights as a whole. These kernels read and write them once. Every
column is treated alone and every width is a multiple of 64, so a column's bits depend on nothing
but the column. bfloat16 arrays come as their bits, uint16.

Importing this module imports Numba; ask `sigmoidf1.training.fused.kernels` for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    # No reordering: a fused multiply-add is the only freedom.
    "fastmath": {"contract", "nsz"},
}
_BLOCK = 64  # rows that are summed apart, so that sums over large batches keep their digits

_ONE, _HALF = np.float32(1), np.float32(0.5)
_LARGEST = np.float32(80)
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(2.12194440e-4)
_TO_INTEGER = np.float32(12582912)  # 1.5 * 2**23: adding it leaves the nearest integer in the bits
_EXPONENT_ONE, _MANTISSA = np.int32(0x3F800000), np.int32(23)
_P5, _P4, _P3 = (
    np.float32(1.9875691500e-4),
    np.float32(1.3981999507e-3),
    np.float32(8.3334519073e-3),
)
_P2, _P1 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1)
_SIXTEEN, _LOWEST_BIT, _BELOW_HALF = np.uint32(16), np.uint32(1), np.uint32(0x7FFF)
_NAN16 = np.uint16(0x7FC0)


def _compiled(function: Any) -> Any:
    """The kernel, compiled at its first call and kept on disk where there is a folder for it."""
    try:
        return njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return njit(**_OPTIONS)(function)


def _reinterpret(source: Any, target: Any, code: Any) -> Any:
    """A function that reads the bits of one type as another."""

    def typed(context: Any, value: Any) -> Any:
        del context, value
        return target(source), lambda context, builder, signature, arguments: builder.bitcast(
            arguments[0], code
        )

    return intrinsic(typed)


_bits = _reinterpret(types.float32, types.int32, ir.IntType(32))
_of_bits = _reinterpret(types.int32, types.float32, ir.FloatType())


@njit(inline="always")
def _widened(half: Any) -> Any:
    """The float32 of a bfloat16's bits."""
    return _of_bits(np.int32(np.uint32(half) << _SIXTEEN))


@njit(inline="always")
def _rounded(value: Any) -> Any:
    """The bits of the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = np.uint32(_bits(value))
    half = np.uint16((bits + _BELOW_HALF + ((bits >> _SIXTEEN) & _LOWEST_BIT)) >> _SIXTEEN)
    return _NAN16 if value != value else half


@njit(inline="always")
def _exp(x: Any) -> Any:
    """e**x to 1e-7 of its value, of x cut to [-80, 80]; NaN of NaN (Cephes' polynomial)."""
    if x < -_LARGEST:
        x = -_LARGEST
    if x > _LARGEST:
        x = _LARGEST
    shifted = x * _LOG2_E + _TO_INTEGER
    power = shifted - _TO_INTEGER
    r = x - power * _LN2_HIGH + power * _LN2_LOW
    p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _HALF
    return (p * r * r + r + _ONE) * _of_bits((_bits(shifted) << _MANTISSA) + _EXPONENT_ONE)


@_compiled
def unpack(product: Any, lr: Any, bias: Any, logits: Any) -> None:
    """Logits (B, W) float32 of a product (B, W) bf16: ``bias + product * lr``."""
    rows, width = product.shape
    for i in range(rows):
        for j in range(width):
            logits[i, j] = bias[j] + _widened(product[i, j]) * lr[j]


@_compiled
def tuned_sigmoid(
    product: Any, lr: Any, bias: Any, eta: Any, slope: Any, targets: Any,
    scores: Any, overlap: Any, total: Any,
) -> None:  # fmt: skip
    """Scores S = sigmoid(slope (u + eta)) of the logits u = bias + product lr, and their sums.

    Args:
        product: (B, W) bf16.
        lr, bias, eta, slope: (W,) float32.
        targets: (B, W) uint8, 0 or 1.
        scores: (B, W) float32, written.
        overlap, total: (W,) float32, written: Σ S y and Σ S over the batch.
    """
    rows, width = product.shape
    overlap[:] = 0
    total[:] = 0
    some_overlap, some_total = np.empty_like(overlap), np.empty_like(total)
    for start in range(0, rows, _BLOCK):
        some_overlap[:] = 0
        some_total[:] = 0
        for i in range(start, min(start + _BLOCK, rows)):
            for j in range(width):
                u = bias[j] + _widened(product[i, j]) * lr[j]
                score = _ONE / (_ONE + _exp(-(slope[j] * (u + eta[j]))))
                scores[i, j] = score
                some_total[j] += score
                some_overlap[j] += score * np.float32(targets[i, j])
        for j in range(width):
            overlap[j] += some_overlap[j]
            total[j] += some_total[j]


@_compiled
def ratio_gradient(
    scores: Any, targets: Any, by_overlap: Any, by_total: Any, gradient: Any, summed: Any
) -> None:
    """The gradient (B, W) bf16 of a ratio of sums by the logits, and its sum over the batch.

    ``(by_overlap y + by_total) S (1 - S)``, with (W,) rows that hold the slope.

    Args:
        scores: (B, W) float32.
        targets: (B, W) uint8, 0 or 1.
        by_overlap, by_total: (W,) float32.
        gradient: (B, W) bf16, written.
        summed: (W,) float32, written; of the gradient before it is rounded.
    """
    rows, width = scores.shape
    summed[:] = 0
    some = np.empty_like(summed)
    for start in range(0, rows, _BLOCK):
        some[:] = 0
        for i in range(start, min(start + _BLOCK, rows)):
            for j in range(width):
                score = scores[i, j]
                by_score = by_overlap[j] * np.float32(targets[i, j]) + by_total[j]
                value = by_score * (score * (_ONE - score))
                some[j] += value
                gradient[i, j] = _rounded(value)
        for j in range(width):
            summed[j] += some[j]


@_compiled
def round_and_sum(gradient: Any, rounded: Any, summed: Any) -> None:
    """A gradient (B, W) float32 rounded to bf16, and its sum (W,) over the batch."""
    rows, width = gradient.shape
    summed[:] = 0
    some = np.empty_like(summed)
    for start in range(0, rows, _BLOCK):
        some[:] = 0
        for i in range(start, min(start + _BLOCK, rows)):
            for j in range(width):
                value = gradient[i, j]
                some[j] += value
                rounded[i, j] = _rounded(value)
        for j in range(width):
            summed[j] += some[j]


@_compiled
def adam(
    parameter: Any, gradient: Any, mean: Any, square: Any, rounded: Any,
    decay: Any, step: Any, root: Any, beta2: Any, rest1: Any, rest2: Any, eps: Any,
) -> None:  # fmt: skip
    """A step of Adam from a bf16 gradient, and the new parameters rounded to bf16.

    Args:
        parameter, mean, square: (D, W) float32, overwritten.
        gradient: (D, W) bf16.
        rounded: (D, W) bf16, written.
        decay: (W,) float32, times the parameter added to the gradient.
        step: the learning rate over 1 - beta1**t.
        root: the root of 1 - beta2**t.
        beta2, eps: of Adam.
        rest1, rest2: 1 - beta1 and 1 - beta2.

    Source: Kingma & Ba (2015), Algorithm 1.
    """
    rows, width = parameter.shape
    for i in range(rows):
        for j in range(width):
            g = _widened(gradient[i, j]) + decay[j] * parameter[i, j]
            m = mean[i, j] + (g - mean[i, j]) * rest1
            s = beta2 * square[i, j] + rest2 * (g * g)
            mean[i, j] = m
            square[i, j] = s
            value = parameter[i, j] - step * m / (np.sqrt(s) / root + eps)
            parameter[i, j] = value
            rounded[i, j] = _rounded(value)

"""Quadrature over the distribution of a sample standard deviation."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import special

from sweeps.sensitivity.seed_table import FloatArray

NODES = 64


def chi_nodes(df: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of ``E f(s)`` for ``s = sqrt(chi2_df / df)``, a scaled sample sd.

    Gauss-Legendre in the probability, exact to about 1e-6 for smooth bounded f. Above a million
    degrees of freedom s is 1.

    Args:
        df: degrees of freedom, above 0; may be infinite.

    Returns:
        (nodes, weights), weights summing to 1.

    Example:
        >>> nodes, weights = chi_nodes(4)
        >>> round(float(weights @ nodes**2), 3)
        1.0
    """
    if not math.isfinite(df) or df >= 1e6:
        return np.ones(1), np.ones(1)
    nodes, weights = _legendre()
    return np.sqrt(special.chdtri(df, 1 - (nodes + 1) / 2) / df), weights / 2


@functools.cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights

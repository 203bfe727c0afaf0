"""Sweeps that were imported: results without a spec, so nothing of them can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.errors import SweepError


def is_imported(spec: Mapping[str, Any]) -> bool:
    """Return whether a stored spec is that of an imported sweep."""
    return "imported" in spec


def refuse_imported(sweep: str, spec: Mapping[str, Any]) -> None:
    """Refuse to train cells of an imported sweep again.

    Raises:
        SweepError: the sweep was imported.
    """
    if is_imported(spec):
        raise SweepError(
            f"A cell is trained again by its spec, but sweep {sweep!r} was imported, and nothing "
            "says how it was trained. Run a sweep of its settings: sigmoidf1 sweep run SPEC."
        )

"""Specs that train an exported cell again, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from storage import frames
from storage.store import Store
from sweeps.canonical import content_hash
from sweeps.errors import SweepError
from sweeps.export_files import write_text
from sweeps.imported import refuse_imported
from sweeps.spec_claims import claim_comment

_NAME = 100
_PLANNING = ("sampler", "racing", "pruning", "keep")


def best_specs(store: Store, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return, for each exported result, a spec whose sweep has exactly that cell.

    The sweep is named ``SWEEP-LOSS-best``. Data, encoder, seeds, objective and the cell's loss,
    head and training settings are the stored sweep's, all spelled out, so the cell has the same
    key and trains to the same bits. The objective stays even where the cell was chosen by another
    metric or threshold: training may stop by it, and every threshold is kept anyway.

    Args:
        store: the store the results are of.
        results: as of :func:`sweeps.export.export_best`.

    Returns:
        One spec a result, in the form of the YAML file: what
        :func:`sweeps.spec.parse_spec` reads.

    Raises:
        StoreError: a sweep is no longer there.
        SweepError: a sweep was imported.
    """
    specs = []
    for result in results["results"]:
        spec = frames.load_sweep(store, result["sweep"]).spec
        refuse_imported(result["sweep"], spec)
        provenance = result["provenance"]
        specs.append(
            cell_spec(
                spec,
                sweep=result["sweep"],
                loss=result["loss"],
                hyperparameters=result["hyperparameters"],
                training=provenance["training"],
                head=provenance["head"],
            )
        )
    return specs


def cell_spec(
    spec: Mapping[str, Any],
    *,
    sweep: str,
    loss: str,
    hyperparameters: Mapping[str, Any],
    training: Mapping[str, Any],
    head: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the spec whose only cell is the given one, all else as in ``spec``."""
    own = {
        "sweep": _name(sweep, loss),
        "description": f"The cell of {loss} exported from {sweep}.",
        "head": head,
        "training": training,
        "losses": {loss: hyperparameters},
    }
    # What plans cells has done its part; a spec of one cell is a grid.
    return {key: value for key, value in spec.items() if key not in _PLANNING} | own


def format_spec(spec: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> str:
    """Write a spec as the YAML that ``sigmoidf1 sweep run`` reads.

    Args:
        spec: as of :func:`best_specs`.
        result: the result it was made of: its scores are written as comments, by which
            ``sigmoidf1 verify`` tells whether the spec still trains to them.
    """
    text = yaml.safe_dump(
        dict(spec), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    return text if result is None else text + claim_comment(result)


def write_specs(
    specs: Sequence[Mapping[str, Any]],
    path: Path,
    results: Sequence[Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write specs: one to a file; several, or one, into a folder, each named after its sweep.

    Args:
        specs: as of :func:`best_specs`.
        path: a file for a single spec, or a folder that exists.
        results: the result of each spec, see :func:`format_spec`; None writes no scores.

    Returns:
        The files written.

    Raises:
        SweepError: several specs and no folder, or a file cannot be written.
    """
    if path.is_dir():
        files = [path / f"{spec['sweep']}.yaml" for spec in specs]
    elif len(specs) == 1:
        files = [path]
    else:
        raise SweepError(several_specs(len(specs)))
    scored = [None for _ in specs] if results is None else list(results)
    for spec, file, result in zip(specs, files, scored, strict=True):
        write_text(file, format_spec(spec, result))
    return files


def several_specs(count: int) -> str:
    """Say what to do with more specs than one file holds."""
    return (
        f"A spec file holds one sweep, but {count} cells are exported. Choose one with --sweep and "
        "--loss, or give a folder that exists with -o."
    )


def _name(sweep: str, loss: str) -> str:
    """``SWEEP-LOSS-best``, the sweep's part cut and hashed where the name would be too long."""
    tail = f"-{loss}-best"
    if len(sweep) + len(tail) <= _NAME:
        return f"{sweep}{tail}"
    mark = f"-{content_hash(sweep)[:8]}"
    return f"{sweep[: _NAME - len(tail) - len(mark)]}{mark}{tail}"

"""Reads the files that ``sigmoidf1 verify`` checks: exports, and specs with their scores."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sigmoidf1.errors import InputError
from sigmoidf1.losses import get_loss
from sweeps.errors import SweepError
from sweeps.spec_claims import read_claim

_NEEDED = ("sweep", "dataset", "loss", "hyperparameters", "objective", "validation", "test")
_PROVENANCE = ("spec", "cell_key", "dataset_fingerprint", "seeds", "training", "head")
_AGAIN = "Export it again: sigmoidf1 export best -o FILE.yaml"


def read_claims(path: Path) -> list[dict[str, Any]]:
    """Return the results that an export's file holds.

    Args:
        path: YAML, JSON or TOML by its ending, or a spec that ``export best --spec`` wrote.

    Returns:
        Results as of :func:`sweeps.export.export_best`, each with all that verifying needs.

    Raises:
        SweepError: the file is missing, broken, or no export.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SweepError(f"{path} must be an export, but cannot be read ({reason}).") from error
    document = _parse(path, text)
    if isinstance(document, Mapping) and "results" not in document and "losses" in document:
        return [_of_spec(path, text, document)]
    results = document.get("results") if isinstance(document, Mapping) else None
    if not isinstance(results, list) or not results:
        raise SweepError(f"{path} must hold results of an export, but does not. {_AGAIN}")
    claims = []
    for place, result in enumerate(results, start=1):
        claim = dict(result) if isinstance(result, Mapping) else {}
        if path.suffix.lower() == ".toml":
            claim = _with_nulls(claim)
        _check(claim, f"result {place} of {path}")
        claims.append(claim)
    return claims


def _parse(path: Path, text: str) -> Any:
    ending = path.suffix.lower()
    try:
        if ending == ".json":
            return json.loads(text)
        if ending == ".toml":
            return tomllib.loads(text)
        if ending in (".yaml", ".yml"):
            return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SweepError(f"{path} must be an export, but is broken ({reason}).") from error
    raise SweepError(
        f"An export is verified as .yaml, .json or .toml, but got {path.name}: tables lack what is "
        f"needed to train it again. {_AGAIN}"
    )


def _of_spec(path: Path, text: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    try:
        claim = read_claim(text, spec)
    except (ValueError, KeyError) as error:
        raise SweepError(
            f"The scores at the end of {path} must be whole, but are not ({error}). "
            "Export it again: sigmoidf1 export best --spec -o FILE.yaml"
        ) from error
    if claim is None:
        raise SweepError(
            f"A spec is verified against the scores that 'sigmoidf1 export best --spec' writes at "
            f"its end, but {path} has none. Export it again, or run it: sigmoidf1 sweep run {path}"
        )
    _check(claim, str(path))
    return claim


def _check(claim: Mapping[str, Any], where: str) -> None:
    missing = [name for name in _NEEDED if name not in claim]
    provenance = claim.get("provenance") or {}
    missing += [f"provenance.{name}" for name in _PROVENANCE if name not in provenance]
    if missing:
        raise SweepError(
            f"{where} must say how its cell was trained, but lacks {', '.join(missing)}. {_AGAIN}"
        )


def _with_nulls(claim: dict[str, Any]) -> dict[str, Any]:
    """Put back what TOML cannot write: a hyperparameter that is none, a mean that is none."""
    try:
        rules = get_loss(claim.get("loss", "")).hyperparameters
    except InputError as error:
        raise SweepError(str(error)) from error
    nulls = {name: None for name, rule in rules.items() if rule.nullable}
    claim["hyperparameters"] = nulls | dict(claim.get("hyperparameters", {}))
    provenance = claim["provenance"] = dict(claim.get("provenance", {}))
    if "spec" in provenance:
        spec = provenance["spec"] = dict(provenance["spec"])
        losses = spec.get("losses", {})
        spec["losses"] = {loss: nulls | dict(block) for loss, block in losses.items()}
    for split in ("validation", "test"):
        scores = claim.get(split, {})
        claim[split] = {name: {"mean": None, **score} for name, score in scores.items()}
    return claim

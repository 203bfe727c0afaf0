"""What an exported spec remembers of its cell: comments at its end that ``verify`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MARK = "#| "
_HEADING = "# What the cell scored, for `sigmoidf1 verify FILE`; `sweep run` ignores it."
_WIDTH = 96
_TOP = ("sweep", "dataset", "loss", "objective")
_PROVENANCE = (
    "cell_key",
    "dataset_fingerprint",
    "features_fingerprint",
    "embeddings_sha256",
    "seeds",
)


def claim_comment(result: Mapping[str, Any]) -> str:
    """Return comment lines that hold an exported result's scores and fingerprints.

    Args:
        result: one of :func:`sweeps.export.export_best`.

    Returns:
        Lines that begin with ``#``, ending in a newline.
    """
    claim: dict[str, Any] = {key: result[key] for key in _TOP}
    claim["provenance"] = {key: result["provenance"].get(key) for key in _PROVENANCE}
    for split in ("validation", "test"):
        claim[split] = {name: score["values"] for name, score in result[split].items()}
    text = json.dumps(claim, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([_HEADING, *(f"{_MARK}{line}" for line in lines), ""])


def read_claim(text: str, spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result that a spec file's comments hold; None when it has none.

    Args:
        text: the file.
        spec: the same, parsed; what is to be trained is what it says, not the comments.

    Raises:
        ValueError: the comments are damaged.
    """
    lines = [line for line in text.splitlines() if line.startswith(_MARK)]
    if not lines:
        return None
    claim: dict[str, Any] = json.loads("".join(line[len(_MARK) :] for line in lines))
    losses = spec.get("losses")
    if not isinstance(losses, Mapping) or list(losses) != [claim["loss"]]:
        raise ValueError(f"its losses must be {claim['loss']} alone")
    for split in ("validation", "test"):
        claim[split] = {
            name: {"values": values, "mean": None} for name, values in claim[split].items()
        }
    claim["hyperparameters"] = losses[claim["loss"]]
    claim["provenance"] |= {
        "training": spec.get("training"),
        "head": spec.get("head"),
        "spec": dict(spec),
    }
    return claim

"""The paper's protocol as specs: one a dataset, for its own encoder or another, whole or quick."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeps.errors import SweepError
from sweeps.spec_text import parse_yaml, read_spec_text
from sweeps.wording import suggestion

PAPER_DATASETS = (
    "voc2007", "coco2014", "arxiv2020", "movie_posters", "cancer_hallmarks", "chemical_exposure",
)  # fmt: skip
"""The datasets of the paper, by this project's names."""

QUICK_SEEDS, QUICK_LIMIT = 2, 2000
_QUICK_BETA, _QUICK_ETA = (1, 5, 10, 20, 30), (0, 1, 2)
_MANY = 100  # a b from here on is meant for a large dataset, and goes down with its size
_QUICK_SHARE = 20

_HERE = Path(__file__).resolve().parent
# In an installed package beside this file; in a working copy at the top.
_FOLDERS = (_HERE / "paper_specs", _HERE.parent / "examples" / "paper")


def paper_spec(dataset: str) -> Path:
    """Return the spec of the paper's protocol for one of its datasets.

    Raises:
        SweepError: the paper has no such dataset, or the installation lacks the file.

    Example:
        >>> paper_spec("voc2007").name
        'voc2007.yaml'
    """
    if dataset not in PAPER_DATASETS:
        raise SweepError(
            f"Unknown dataset of the paper {dataset!r}. {suggestion(dataset, PAPER_DATASETS)}"
        )
    for folder in _FOLDERS:
        path = folder / f"{dataset}.yaml"
        if path.is_file():
            return path
    raise SweepError(
        f"The spec {dataset}.yaml must be in {_FOLDERS[0]}, but is not. Install sigmoidf1-sweeps "
        "again."
    )


def paper_overrides(
    dataset: str,
    *,
    root: Path | None = None,
    encoder: str | None = None,
    quick: bool = False,
    name: str | None = None,
    changed: Sequence[str] = (),
) -> list[str]:
    """Return the changes of a dataset's spec, as ``--set`` takes them.

    Another encoder, and a quick run, go into the sweep's name and its description, so that their
    results are never taken for the whole protocol's.

    Args:
        dataset: one of `PAPER_DATASETS`.
        root: the folder of the data; the spec's by default.
        encoder: the name of another encoder than the paper's.
        quick: fewer seeds and cells, and at most `QUICK_LIMIT` examples.
        name: the sweep's name; by default made of dataset, encoder and ``quick``.
        changed: keys of the spec that are changed otherwise, to be said in the description.

    Raises:
        SweepError: the paper has no such dataset.

    Example:
        >>> paper_overrides("cancer_hallmarks", encoder="minilm")[:2]
        ['sweep="paper-cancer_hallmarks-minilm"', 'encoder.name="minilm"']
    """
    document = parse_yaml(read_spec_text(paper_spec(dataset)))
    parts, said = [str(document["sweep"])], ["The paper's protocol"]
    changes: dict[str, Any] = {}
    if encoder is not None and encoder != document["encoder"]["name"]:
        parts.append(_word(encoder))
        said.append(f"encoder {_end(encoder)} instead of {document['encoder']['name']}")
        changes["encoder.name"] = encoder
    if root is not None:
        changes["data.root"] = str(root)
    if quick:
        parts.append("quick")
        data = document["data"]
        limit = min(QUICK_LIMIT, data.get("limit", QUICK_LIMIT))
        changes |= {
            "seeds": QUICK_SEEDS, "data.limit": limit,
            "losses.sigmoid_f1.beta": list(_QUICK_BETA), "losses.sigmoid_f1.eta": list(_QUICK_ETA),
        }  # fmt: skip
        said.append(
            f"quick: {QUICK_SEEDS} seeds, {len(_QUICK_BETA) * len(_QUICK_ETA)} cells of "
            f"sigmoid_f1, at most {limit} examples"
        )
        if data.get("min_examples", 1) >= _MANY:
            changes["data.min_examples"] = data["min_examples"] // _QUICK_SHARE
            said[-1] += f", b = {changes['data.min_examples']}"
    if changed:
        said.append(f"changed: {', '.join(dict.fromkeys(changed))}")
    changes = {"sweep": name or "-".join(parts), **changes, "description": "; ".join(said) + "."}
    # JSON is YAML, whatever a path or a name holds.
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]


def _end(encoder: str) -> str:
    """An encoder's name without its owner or folder."""
    return re.split(r"[/\\]", encoder.rstrip("/\\"))[-1]


def _word(encoder: str) -> str:
    """An encoder's name as a part of a sweep's."""
    last = _end(encoder).rpartition(":")[2]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", re.sub(r"\.(pth|pt|safetensors)$", "", last)).strip(
        "-."
    )

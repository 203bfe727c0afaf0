"""The card of an exported head: what it is, how good, and how to use it, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED = ("weighted_f1", "micro_f1", "macro_f1", "map")


def head_card(description: Mapping[str, Any]) -> str:
    """Return the ``README.md`` of a head's folder.

    Args:
        description: what ``head.json`` holds.
    """
    provenance = description["provenance"]
    objective = description["objective"]
    settings = ", ".join(f"{k} = {_value(v)}" for k, v in description["hyperparameters"].items())
    encoder = description["encoder"].get("name", "none")
    seeds = ", ".join(str(entry["seed"]) for entry in description["seeds"])
    names = [objective["metric"], *(name for name in _NAMED if name != objective["metric"])]
    fingerprint = _value(provenance["dataset_fingerprint"])[:12]
    rows = [row for name in names if (row := _row(description, name)) is not None]
    return "\n".join(
        [
            f"# {description['loss']} on {description['dataset']}",
            "",
            f"A multilabel head on frozen embeddings by {encoder} ({description['dim']} numbers an "
            f"example), {len(description['labels'])} labels: {', '.join(description['labels'])}.",
            "",
            f"Trained with {description['loss']}" + (f" ({settings})" if settings else "")
            + f", seeds {seeds}; chosen by {objective['metric']} on {objective['split']} among the "
            f"cells of its sweep ({provenance['rule']}). "
            f"A label is predicted when its probability is >= {description['threshold']:.6g}.",
            "",
            "| metric | validation (mean of seeds) | test (mean of seeds) | test (ensemble) |",
            "|---|---|---|---|",
            *rows,
            "",
            "Scores are of one split of one dataset: the spread over seeds says nothing of other "
            "data. The ensemble averages the seeds' probabilities.",
            "",
            "## Use",
            "",
            "```",
            f"sigmoidf1 predict --head . {_input(description['modality'])}",
            "```",
            "",
            "```python",
            "from sigmoidf1 import load_head",
            "",
            'head = load_head(".")',
            "probs = head.predict(embeddings)  # (N, D) -> (N, C)",
            "labels = head.label(embeddings)",
            "```",
            "",
            "The loss in your own training loop:",
            "",
            "```python",
            description["snippet"],
            "```",
            "",
            "## Where it comes from",
            "",
            f"Sweep spec {_value(provenance['spec_hash'])[:12]}, cell "
            f"{provenance['cell_key'][:16]}, data {fingerprint}, "
            f"sigmoidf1-sweeps {_value(provenance['code_version'])}. `head.json` holds the "
            "complete spec, every metric of every seed, fingerprints and package versions.",
            "",
        ]
    )  # fmt: skip


def _row(description: Mapping[str, Any], metric: str) -> str | None:
    cells = []
    for score in (description["validation"].get(metric), description["test"].get(metric)):
        mean, sd = (score or {}).get("mean"), (score or {}).get("sd")
        spread = f" ± {sd:.4f}" if sd is not None else ""
        cells.append("–" if mean is None else f"{mean:.4f}{spread}")
    ensemble = description["ensemble"]["test"].get(metric)
    if cells == ["–", "–"] and ensemble is None:
        return None
    shown = "–" if ensemble is None else f"{ensemble:.4f}"
    return f"| {metric} | {cells[0]} | {cells[1]} | {shown} |"


def _input(modality: str) -> str:
    return {"text": "texts.txt", "image": "photos/"}.get(modality, "features.npz")


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)

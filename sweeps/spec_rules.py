"""The rule of each key of a spec; messages read on after the key: ``must ..., but got ...``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sweeps.axes import MAX_REPLICATES, Axis
from sweeps.spaces import parse_axis
from sweeps.wording import nearest, short, suggestion

METRIC_NAMES = (
    *(
        f"{average}_{score}"
        for average in ("micro", "macro", "weighted", "samples")
        for score in ("precision", "recall", "f1", "jaccard")
    ),
    "map",
    "hamming_loss",
    "subset_accuracy",
)
OBJECTIVE_SPLITS = ("validation",)
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "onecycle")
EPOCH_CHOICES = ("last", "best")
PRECISIONS = ("float32", "bf16", "tf32")
HEAD_KINDS = ("linear", "mlp")
LEARNABLE = ("beta", "eta")
MAX_SEED = 2**31 - 1
MAX_NAME_LENGTH = 100
KEEP_DEFAULT = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class KeyedError(ValueError):
    """A rule broken below the key that is being read: ``key`` is the rest of its dotted path."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def check_sweep_name(name: Any) -> str:
    """Check a sweep's name: it is part of study names, file names and command lines."""
    if not isinstance(name, str):
        raise ValueError(f"must be text, but got {short(name)}. Quote it.")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"must have at most {MAX_NAME_LENGTH} characters, but got {len(name)}. Shorten it."
        )
    if not _NAME.fullmatch(name):
        wanted = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")
        advice = f"Write for example {wanted}." if wanted else "Write for example my-sweep."
        raise ValueError(
            "must be letters, digits, '.', '_' and '-', and begin with a letter or digit, "
            f"but got {name!r}. {advice}"
        )
    return name


def check_description(text: Any) -> str:
    """Check that a description is text."""
    if not isinstance(text, str):
        raise ValueError(f"must be text, but got {short(text)}. Quote it.")
    return text


def _check_options(options: Any, key: str, example: str) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        raise ValueError(f"must be a mapping, but got {short(options)}. Write {example}.")
    if key not in options:
        guess = [name for name in options if nearest(name, [key])]
        got = f"but got {guess[0]!r}" if guess else "but it is missing"
        raise ValueError(f"must have the key {key!r}, {got}. Write {example}.")
    if not isinstance(options[key], str) or not options[key]:
        raise ValueError(f"must have text for {key!r}, but got {options[key]!r}. Write {example}.")
    _check_finite(options)
    return dict(options)


def _check_finite(value: Any) -> None:
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _check_finite(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must hold finite numbers, but got {value!r}. Give a number.")


def check_data(options: Any) -> dict[str, Any]:
    """Check the ``data`` block; what else is in it is the dataset's affair."""
    return _check_options(options, "dataset", "data: {dataset: movie_genres}")


def check_encoder(options: Any) -> dict[str, Any]:
    """Check the ``encoder`` block; empty where the dataset holds ready features."""
    return _check_options(options, "name", "encoder: {name: minilm}") if options != {} else {}


def check_choice(value: Any, known: tuple[str, ...]) -> str:
    """Check that a value is one of the known words."""
    if value not in known:
        hint = suggestion(value, known) if isinstance(value, str) else f"Known: {', '.join(known)}."
        raise ValueError(f"must be a known name, but got {short(value)}. {hint}")
    return str(value)


def check_keep(value: Any) -> int | str:
    """Check how many cells of each loss are kept: ``all``, ``none`` or a number."""
    if value in ("all", "none"):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_REPLICATES:
        raise ValueError(
            f"must be all, none or how many cells of each loss, but got {short(value)}. "
            "Write for example keep: 10."
        )
    return value or "none"


def check_learn(names: Any) -> tuple[str, ...]:
    """Check the hyperparameters that are learned with the head."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"must be a list, but got {short(names)}. Write learn: [beta, eta].")
    learned = tuple(check_choice(name, LEARNABLE) for name in names)
    if len(set(learned)) < len(learned):
        raise ValueError(f"must hold no name twice, but got {list(learned)}. Drop one.")
    return learned


def check_metric(name: Any) -> str:
    """Check the objective's metric."""
    return check_choice(name, METRIC_NAMES)


def check_split(name: Any) -> str:
    """Check the objective's split: a choice made on the test split cannot be reported on it."""
    if name == "test":
        raise ValueError(
            "must be validation, but got 'test'. Choose on validation; test is reported."
        )
    return check_choice(name, OBJECTIVE_SPLITS)


def check_threshold(value: Any) -> float:
    """Check a decision threshold: strictly between 0 and 1, in single precision as well."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, but got {short(value)}. Write for example 0.5.")
    # Probabilities are compared in float32: a threshold that is 0 or 1 there decides nothing.
    if not 0.0 < float(np.float32(value if abs(value) <= 1 else 2)) < 1.0:
        raise ValueError(f"must be above 0 and below 1, but got {value!r}. Write for example 0.5.")
    return float(value)


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Read the seeds: a number n stands for 0 to n-1, a list for itself."""
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if not 1 <= seeds <= MAX_REPLICATES:
            raise ValueError(
                f"must be from 1 to {MAX_REPLICATES:,} seeds, but got {short(seeds)}. "
                "Write for example 5."
            )
        return tuple(range(seeds))
    if not isinstance(seeds, list | tuple):
        raise ValueError(
            "must be how many seeds or a list of whole numbers, "
            f"but got {short(seeds)}. Write for example 5 or [0, 1, 2]."
        )
    if not seeds:
        raise ValueError("must have at least one seed, but got an empty list. Add one.")
    seen: set[int] = set()
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise ValueError(
                f"must be whole numbers from 0 to {MAX_SEED}, but got {short(seed)}. Replace it."
            )
        if seed in seen:
            raise ValueError(f"must list each seed once, but got {seed} twice. Remove one.")
        seen.add(seed)
    return tuple(seeds)


def check_losses(losses: Any) -> dict[str, dict[str, Axis]]:
    """Read the ``losses`` block: loss name to hyperparameter name to axis."""
    if not isinstance(losses, Mapping):
        raise ValueError(
            f"must be a mapping, but got {short(losses)}. Write losses: {{bce: {{}}}}."
        )
    if not losses:
        raise ValueError("must name at least one loss, but is empty. Write {bce: {}}.")
    return {
        name: _check_loss(name, {} if block is None else block) for name, block in losses.items()
    }


def _check_loss(loss: str, block: Any) -> dict[str, Axis]:
    if not isinstance(block, Mapping):
        raise KeyedError(loss, f"must be a mapping, but got {short(block)}. Write {loss}: {{}}.")
    axes = {}
    for name, written in block.items():
        try:
            axes[name] = parse_axis(written)
        except ValueError as error:
            raise KeyedError(f"{loss}.{name}", str(error)) from error
    return axes

"""One loss's part of a plan: its resolved axes, its space, and what Optuna is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sigmoidf1.errors import InputError
from sigmoidf1.losses import get_loss
from sigmoidf1.losses.base import Loss
from sweeps.axes import Axis, Setting
from sweeps.errors import SpecError
from sweeps.samplers.space import Dimension, Space, sorted_axis
from sweeps.spaces import check_distinct
from sweeps.spec import SweepSpec
from sweeps.spec_checks import count_cells


@dataclass(frozen=True, kw_only=True)
class LossPlan:
    """The part of a plan that trains one loss.

    Args:
        loss: the loss's name.
        axes: name to values of every setting that is an axis, head's and training's first; the two
            ends of a range that a sampler draws from.
        ranges: names of those axes that are ranges.
        constants: name to value of every other setting, defaults and a preset's values included.
        scales: name to ``linear`` or ``log`` of every axis: how to draw it.
        n_cells: the number of cells: the product of the axes' lengths, or what the sampler may
            ask for.
        distributions: what Optuna is told of each parameter: the loss's hyperparameters, constant
            or not, and the training settings that are axes.
    """

    loss: str
    axes: Mapping[str, tuple[Setting, ...]]
    constants: Mapping[str, Setting]
    scales: Mapping[str, str]
    n_cells: int
    distributions: Mapping[str, BaseDistribution]
    ranges: frozenset[str] = frozenset()


def resolve_axes(
    spec: SweepSpec, name: str, block: Mapping[str, Axis]
) -> tuple[Loss, dict[str, Axis]]:
    """Return the loss and all its hyperparameters as axes, in the loss's own order."""
    place = f"{spec.source}: losses"
    try:
        loss = get_loss(name)
    except InputError as error:
        raise SpecError(f"{place}: {error}") from error
    preset = block.get("preset")
    if preset is not None and not preset.constant:
        raise SpecError(
            f"{place}.{name}.preset must be one name, but got {list(preset.values)}. "
            "Write one sweep a preset."
        )
    first = {key: axis.points[0] for key, axis in block.items()}
    try:
        resolved = loss.resolve(first)
        axes = {}
        for key in loss.hyperparameters:
            if key not in block:
                axes[key] = Axis((resolved[key],), constant=True)
                continue
            values = tuple(loss.resolve({**first, key: v})[key] for v in block[key].points)
            if block[key].bounds is None:
                axes[key] = replace(block[key], values=values)
            else:
                axes[key] = block[key]
    except InputError as error:
        text = str(error)
        dot = "." if text.split(" ", 1)[0] in loss.hyperparameters else ": "
        raise SpecError(f"{place}.{name}{dot}{text}") from error
    for key, axis in axes.items():
        try:
            check_distinct(axis.values)
        except ValueError as error:
            raise SpecError(f"{place}.{name}.{key} {error}") from error
    return loss, axes


def plan_loss(loss: Loss, axes: Mapping[str, Axis], spec: SweepSpec) -> LossPlan:
    """Return the part of a plan that trains one loss, of its resolved axes."""
    shared = _head_axes(spec) | spec.training.axes()
    settings = {**shared, **axes}
    varied = {key: axis for key, axis in settings.items() if not axis.constant}
    distributions = {
        key: _distribution(axis, loss.hyperparameters[key].choices) for key, axis in axes.items()
    }
    distributions |= {
        key: _distribution(axis, None, log=key == "lr")
        for key, axis in shared.items()
        if key in varied
    }
    return LossPlan(
        loss=loss.name,
        axes={key: axis.points for key, axis in varied.items()},
        constants={key: axis.values[0] for key, axis in settings.items() if axis.constant},
        scales={key: axis.scale for key, axis in varied.items()},
        n_cells=count_cells(spec, loss.name),
        distributions=distributions,
        ranges=frozenset(key for key, axis in varied.items() if axis.bounds is not None),
    )


def loss_space(loss: Loss, axes: Mapping[str, Axis], spec: SweepSpec) -> Space:
    """Return what a sampler may give one loss, of its resolved axes."""
    head, training = spec.head.axes(), spec.training.axes()
    dimensions = [
        Dimension(f"head_{key}", "head", sorted_axis(axis), mlp_only=key != "kind")
        for key, axis in head.items()
        if not axis.constant
    ]
    dimensions += [
        Dimension(key, "training", sorted_axis(axis))
        for key, axis in training.items()
        if not axis.constant
    ]
    dimensions += [
        Dimension(key, "loss", sorted_axis(axis), loss.hyperparameters[key].forbidden)
        for key, axis in axes.items()
        if not axis.constant
    ]
    fixed_head = _fixed(head) | ({"learn": list(spec.head.learn)} if spec.head.learn else {})
    return Space(loss.name, tuple(dimensions), _fixed(axes), _fixed(training), fixed_head)


def _fixed(axes: Mapping[str, Axis]) -> dict[str, Any]:
    return {key: axis.values[0] if axis.constant else None for key, axis in axes.items()}


def _head_axes(spec: SweepSpec) -> dict[str, Axis]:
    """The head's settings under names that say whose they are: ``head_kind``, ``head_hidden``."""
    return {f"head_{key}": axis for key, axis in spec.head.axes().items()}


def _distribution(
    axis: Axis, choices: Sequence[str] | None, *, log: bool = False
) -> BaseDistribution:
    # Every choice the loss knows, not only those planned: Optuna's choices may not grow later.
    if choices is not None:
        return CategoricalDistribution(tuple(choices))
    numbers = [value for value in axis.points if isinstance(value, int | float)]
    if len(numbers) < len(axis.points):
        return CategoricalDistribution(axis.values)
    log = log or axis.scale == "log"
    if axis.integer or (axis.bounds is None and all(isinstance(v, int) for v in numbers)):
        return IntDistribution(int(min(numbers)), int(max(numbers)), log=log)
    return FloatDistribution(min(numbers), max(numbers), log=log)

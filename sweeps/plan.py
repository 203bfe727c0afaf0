"""The plan of a sweep: its cells in order, its seeds, and what identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from storage.records import CellRecord
from sweeps.canonical import canonical_json, content_hash
from sweeps.errors import SpecError
from sweeps.spaces import Axis, Setting, check_distinct, grid, grid_size
from sweeps.spec import SweepSpec


@dataclass(frozen=True, kw_only=True)
class LossPlan:
    """The part of a plan that trains one loss.

    Args:
        loss: the loss's name.
        axes: name to values of every setting that is an axis, training's first, outermost first.
        constants: name to value of every other setting, defaults and a preset's values included.
        scales: name to ``linear`` or ``log`` of every axis: how to draw it.
        n_cells: the number of cells, the product of the axes' lengths.
        distributions: what Optuna is told of each parameter: the loss's hyperparameters, constant
            or not, and the training settings that are axes.
    """

    loss: str
    axes: Mapping[str, tuple[Setting, ...]]
    constants: Mapping[str, Setting]
    scales: Mapping[str, str]
    n_cells: int
    distributions: Mapping[str, BaseDistribution]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a sweep is to train.

    Args:
        sweep: the sweep's name.
        cells: in order: loss by loss as the spec names them, row-major over each loss's axes.
        seeds: each cell's replicates.
        losses: the plan of each loss.
        identity: what may not change under one sweep name: data, encoder, head, objective and
            training. Seeds and the losses' grids may.
        spec: the normalised spec, as plain values.
        spec_hash: the sha256 of the normalised spec.
    """

    sweep: str
    cells: list[CellRecord]
    seeds: tuple[int, ...]
    losses: Mapping[str, LossPlan]
    identity: dict[str, Any]
    spec: dict[str, Any]
    spec_hash: str

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return len(self.cells)

    @property
    def n_replicates(self) -> int:
        """The number of replicates: cells times seeds."""
        return len(self.cells) * len(self.seeds)

    @property
    def distributions(self) -> dict[str, dict[str, BaseDistribution]]:
        """Loss name to parameter name to what Optuna is told of it."""
        return {name: dict(part.distributions) for name, part in self.losses.items()}


def make_plan(spec: SweepSpec) -> Plan:
    """Plan a sweep: resolve every loss's settings and list its cells.

    Args:
        spec: the checked spec.

    Returns:
        The plan. The order of keys within the spec's blocks does not matter, the order of its
        losses is the order of the cells.

    Raises:
        SpecError: a loss or a hyperparameter is unknown, or a value breaks its rule; one line
            that begins with the spec's source.
    """
    cells: list[CellRecord] = []
    losses = {}
    for name, block in spec.losses.items():
        loss, axes = _resolve_axes(spec, name, block)
        losses[name] = _plan_loss(loss, axes, spec)
        cells.extend(_cells(spec, name, axes, first_ordinal=len(cells)))
    plain = spec.to_plain()
    identity = {key: plain[key] for key in ("data", "encoder", "head", "objective", "training")}
    # By its values alone: a range spelled out, or drawn on another scale, is the same training.
    identity["training"] = {
        key: axis.values[0] if len(axis) == 1 else list(axis.values)
        for key, axis in spec.training.axes().items()
    }
    return Plan(
        sweep=spec.sweep,
        cells=cells,
        seeds=spec.seeds,
        losses=losses,
        identity=identity,
        spec=plain,
        spec_hash=spec.spec_hash,
    )


def cell_key(
    loss: str,
    hyperparameters: Mapping[str, Any],
    training: Mapping[str, Any],
    head: Mapping[str, Any],
) -> str:
    """Return the key of a cell: the sha256 of the canonical JSON of its complete setting.

    Equal settings have equal keys, whatever the order of their names, and 1 equals 1.0.
    """
    return content_hash(
        {"loss": loss, "hyperparameters": hyperparameters, "training": training, "head": head}
    )


def _resolve_axes(
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
    first = {key: axis.values[0] for key, axis in block.items()}
    try:
        resolved = loss.resolve(first)
        axes = {}
        for key in loss.hyperparameters:
            if key not in block:
                axes[key] = Axis((resolved[key],), constant=True)
                continue
            values = tuple(loss.resolve({**first, key: v})[key] for v in block[key].values)
            axes[key] = Axis(values, scale=block[key].scale, constant=block[key].constant)
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


def _plan_loss(loss: Loss, axes: Mapping[str, Axis], spec: SweepSpec) -> LossPlan:
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
    inner = grid_size({key: axis.values for key, axis in {**spec.training.axes(), **axes}.items()})
    return LossPlan(
        loss=loss.name,
        axes={key: axis.values for key, axis in varied.items()},
        constants={key: axis.values[0] for key, axis in settings.items() if axis.constant},
        scales={key: axis.scale for key, axis in varied.items()},
        n_cells=inner * len(spec.head.variants()),
        distributions=distributions,
    )


def _head_axes(spec: SweepSpec) -> dict[str, Axis]:
    """The head's settings under names that say whose they are: ``head_kind``, ``head_hidden``."""
    return {f"head_{key}": axis for key, axis in spec.head.axes().items()}


def _distribution(
    axis: Axis, choices: Sequence[str] | None, *, log: bool = False
) -> BaseDistribution:
    # Every choice the loss knows, not only those planned: Optuna's choices may not grow later.
    if choices is not None:
        return CategoricalDistribution(tuple(choices))
    numbers = [value for value in axis.values if isinstance(value, int | float)]
    if len(numbers) < len(axis.values):
        return CategoricalDistribution(axis.values)
    log = log or axis.scale == "log"
    if all(isinstance(value, int) for value in numbers):
        return IntDistribution(int(min(numbers)), int(max(numbers)), log=log)
    return FloatDistribution(min(numbers), max(numbers), log=log)


def _cells(
    spec: SweepSpec, loss: str, axes: Mapping[str, Axis], *, first_ordinal: int
) -> Iterator[CellRecord]:
    training = spec.training.axes()
    varied = {name for name, axis in training.items() if not axis.constant}
    varied_head = {name for name, axis in spec.head.axes().items() if not axis.constant}
    outer = {name: axis.values for name, axis in training.items()}
    inner = {name: axis.values for name, axis in axes.items()}
    split = len(outer)
    ordinal = first_ordinal
    for head in spec.head.variants():
        keys = _keys(loss, inner, outer, head)
        for values, key in zip(grid({**outer, **inner}), keys, strict=True):
            settings = dict(zip(outer, values[:split], strict=True))
            hyperparameters = dict(zip(inner, values[split:], strict=True))
            parameters = dict(hyperparameters)
            for name in varied:
                parameters[name] = settings[name]
            for name in varied_head & head.keys():
                parameters[f"head_{name}"] = head[name]
            yield CellRecord(
                key=key,
                loss=loss,
                hyperparameters=hyperparameters,
                training=settings,
                head=dict(head),
                ordinal=ordinal,
                parameters=parameters,
            )
            ordinal += 1


def _keys(
    loss: str,
    inner: Mapping[str, Sequence[Setting]],
    outer: Mapping[str, Sequence[Setting]],
    head: Mapping[str, Any],
) -> Iterator[str]:
    """Iterate over :func:`cell_key` of every cell, writing each axis's values only once."""
    written = {
        name: [f"{json.dumps(name)}:{canonical_json(value)}" for value in values]
        for name, values in {**outer, **inner}.items()
    }
    names = list(written)
    inner_order = [names.index(name) for name in sorted(inner)]
    outer_order = [names.index(name) for name in sorted(outer)]
    begin = f'{{"head":{canonical_json(head)},"hyperparameters":{{'
    middle = f'}},"loss":{json.dumps(loss)},"training":{{'
    for parts in grid(written):
        inside = ",".join([parts[i] for i in inner_order])
        outside = ",".join([parts[i] for i in outer_order])
        text = f"{begin}{inside}{middle}{outside}}}}}"
        yield hashlib.sha256(text.encode("ascii")).hexdigest()

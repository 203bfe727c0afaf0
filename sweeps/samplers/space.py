"""The space of one loss: its axes, and the cell at each point of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from storage.records import CellRecord
from sweeps.axes import Axis, Setting, round_significant
from sweeps.canonical import content_hash

Place = Literal["head", "training", "loss"]

NUDGE = 1e-9
"""A forbidden number (a slope of 0) is moved up by this share of its range."""


@dataclass(frozen=True)
class Dimension:
    """One axis of a space.

    Args:
        name: what Optuna calls it: the setting's name, of the head with ``head_`` before it.
        place: whose setting it is.
        axis: its values; listed numbers in increasing order, words in the spec's.
        forbidden: numbers of its range that the loss refuses.
        mlp_only: whether only heads of kind ``mlp`` have the setting.
    """

    name: str
    place: Place
    axis: Axis
    forbidden: tuple[float, ...] = ()
    mlp_only: bool = False

    @property
    def key(self) -> str:
        """The setting's name in its own section."""
        return self.name.removeprefix("head_") if self.place == "head" else self.name

    @property
    def size(self) -> float:
        """The number of values; infinite for a range of real numbers."""
        if self.axis.bounds is None:
            return len(self.axis)
        low, high = self.axis.bounds
        return high - low + 1 if self.axis.integer else math.inf

    def value(self, unit: float) -> Setting:
        """Return the value at ``unit`` in [0, 1]: every value of equal share, ranges even."""
        axis = self.axis
        if axis.bounds is None:
            return axis.values[min(int(unit * len(axis)), len(axis) - 1)]
        low, high = axis.bounds
        if axis.integer:
            low, high = low - 0.5, high + 0.5
        if axis.scale == "log":
            found = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        else:
            found = low + unit * (high - low)
        return self.nearest(found)

    def nearest(self, number: float) -> float | int:
        """Return the legal number of the range nearest to ``number``, as a spec would have it.

        It has 12 significant digits like every number of a spec: written into one, the cell is
        the same cell.
        """
        low, high = self.axis.bounds or (0.0, 1.0)
        number = min(max(number, low), high)
        if self.axis.integer:
            return round(number)
        number = round_significant(number)
        return number + NUDGE * (high - low) if number in self.forbidden else number

    def unit(self, value: Setting) -> float:
        """Return the point of [0, 1] at the middle of a value's share."""
        axis = self.axis
        if axis.bounds is None:
            return (axis.values.index(value) + 0.5) / len(axis)
        low, high = axis.bounds
        if axis.integer:
            low, high = low - 0.5, high + 0.5
        number = float(value)  # type: ignore[arg-type]
        if axis.scale == "log":
            low, high, number = math.log(low), math.log(high), math.log(number)
        return min(max((number - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True)
class Space:
    """The settings that a sampler may give one loss.

    Args:
        loss: the loss's name.
        dimensions: the axes, in the order head, training, loss.
        hyperparameters: the loss's hyperparameters that are no axes.
        training: the training settings that are no axes, in their fixed order with ``None`` for
            those that are.
        head: the head's settings that are no axes, likewise.
    """

    loss: str
    dimensions: tuple[Dimension, ...]
    hyperparameters: Mapping[str, Setting]
    training: Mapping[str, Setting]
    head: Mapping[str, Any]

    @property
    def size(self) -> float:
        """The number of cells; infinite with a range of real numbers."""
        outer = math.prod(d.size for d in self.dimensions if not d.mlp_only)
        inner = math.prod(d.size for d in self.dimensions if d.mlp_only)
        kinds = next((d.axis.values for d in self.dimensions if d.name == "head_kind"), ())
        if not kinds:
            return outer * inner
        return outer / len(kinds) * sum(inner if kind == "mlp" else 1 for kind in kinds)

    def at(self, point: Sequence[float] | np.ndarray) -> dict[str, Setting]:
        """Return the value of each dimension at a point of the unit cube, shape (D,)."""
        return {d.name: d.value(float(u)) for d, u in zip(self.dimensions, point, strict=True)}

    def point(self, cell: CellRecord) -> np.ndarray:
        """Return the (D,) point of a cell; settings that it lacks get a number of its own.

        A linear head has no hidden width: a number drawn from the cell's key says nothing about
        widths to a model, while always the same one would.
        """
        values = self.values(cell)
        return np.array(
            [
                d.unit(values[d.name]) if d.name in values else _own_number(cell.key, d.name)
                for d in self.dimensions
            ]
        )

    def values(self, cell: CellRecord) -> dict[str, Setting]:
        """Return a cell's value of every dimension that it has."""
        sections = {"head": cell.head, "training": cell.training, "loss": cell.hyperparameters}
        return {
            d.name: sections[d.place][d.key] for d in self.dimensions if d.key in sections[d.place]
        }

    def complete(self, cell: CellRecord) -> dict[str, Setting]:
        """Return a cell's value of every dimension, as :meth:`point` fills them in."""
        values = self.values(cell)
        return {
            d.name: values[d.name] if d.name in values else d.value(_own_number(cell.key, d.name))
            for d in self.dimensions
        }

    def cell(self, values: Mapping[str, Setting], ordinal: int) -> CellRecord:
        """Return the cell with these values of the dimensions.

        Args:
            values: one value a dimension; those that the cell's head lacks are left out.
            ordinal: the cell's place in the plan.
        """
        by_place: dict[str, dict[str, Any]] = {"head": {}, "training": {}, "loss": {}}
        for d in self.dimensions:
            by_place[d.place][d.key] = values[d.name]
        head = {key: by_place["head"].get(key, value) for key, value in self.head.items()}
        if head["kind"] != "mlp":
            head = {key: value for key, value in head.items() if key in ("kind", "learn")}
        training = {
            key: by_place["training"].get(key, value) for key, value in self.training.items()
        }
        hyperparameters = {
            key: by_place["loss"].get(key, value) for key, value in self.hyperparameters.items()
        }
        parameters = dict(hyperparameters)
        for d in self.dimensions:
            if d.place == "training" or (d.place == "head" and d.key in head):
                parameters[d.name] = values[d.name]
        return CellRecord(
            key=cell_key(self.loss, hyperparameters, training, head),
            loss=self.loss,
            hyperparameters=hyperparameters,
            training=training,
            head=head,
            ordinal=ordinal,
            parameters=parameters,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the space as JSON holds it: every setting, axes spelled out."""
        varied = {d.name: d.axis.to_plain() for d in self.dimensions}
        fixed = {f"head_{key}": value for key, value in self.head.items()}
        fixed |= dict(self.training) | dict(self.hyperparameters)
        return {**fixed, **varied}


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


def sorted_axis(axis: Axis) -> Axis:
    """Return an axis whose listed numbers increase; words and ranges stay as they are."""
    if axis.bounds is not None or not axis.is_ordered or axis.ordered is not None:
        return axis
    values = tuple(sorted(axis.values, key=float))  # type: ignore[arg-type]
    return Axis(values, axis.scale, axis.constant)


def _own_number(key: str, name: str) -> float:
    digest = hashlib.sha256(f"{key}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

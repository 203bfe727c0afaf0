"""The cells of a grid: every combination of a loss's axes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storage.records import CellRecord
from sweeps.axes import Axis, Setting
from sweeps.canonical import canonical_json
from sweeps.spaces import grid
from sweeps.spec import SweepSpec


def grid_cells(
    spec: SweepSpec, loss: str, axes: Mapping[str, Axis], *, first_ordinal: int
) -> Iterator[CellRecord]:
    """Iterate over a loss's cells, row-major: head, training, then the loss's own axes.

    Args:
        spec: the spec, for its training and head.
        loss: the loss's name.
        axes: every hyperparameter of the loss.
        first_ordinal: place of the first cell in the plan.
    """
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

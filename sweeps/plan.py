"""The plan of a sweep: its cells in order, its seeds, and what identifies it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution

from sigmoidf1.metrics import METRICS
from storage.records import CellRecord
from sweeps.axes import Axis
from sweeps.canonical import content_hash
from sweeps.errors import SpecError
from sweeps.grid_cells import grid_cells
from sweeps.plan_losses import LossPlan, loss_space, plan_loss, resolve_axes
from sweeps.samplers.designs import Design, plan_design
from sweeps.samplers.space import Space, cell_key
from sweeps.spec import SweepSpec

__all__ = ["LossPlan", "Plan", "cell_key", "make_plan"]

_LAYOUT = 1  # of the plan's hash; raised when the same spec comes to mean other cells


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a sweep is to train.

    Args:
        sweep: the sweep's name.
        make_designs: lists each loss's cells; called when they are first needed.
        spaces: what a sampler may give each loss; empty for a grid.
        plan_hash: the sha256 of all that decides the cells and seeds.
        seeds: each cell's replicates.
        losses: the plan of each loss.
        identity: what may not change under one sweep name: data, encoder, head, objective,
            training, and how cells are sampled, halved or raced. Seeds, the losses' grids and a
            sampler's budget may.
        spec: the normalised spec, as plain values.
        spec_hash: the sha256 of the normalised spec.
    """

    sweep: str
    seeds: tuple[int, ...]
    losses: Mapping[str, LossPlan]
    identity: dict[str, Any]
    spec: dict[str, Any]
    spec_hash: str
    plan_hash: str
    make_designs: Callable[[], dict[str, Design]]
    spaces: Mapping[str, Space]

    @cached_property
    def designs(self) -> dict[str, Design]:
        """Loss name to the cells that are known before anything is trained."""
        return self.make_designs()

    @cached_property
    def cells(self) -> list[CellRecord]:
        """In order: loss by loss as the spec names them, row-major over each loss's axes.

        Those that a sampler asks for as results come in are not among them.
        """
        return [cell for design in self.designs.values() for cell in design.cells]

    @property
    def n_cells(self) -> int:
        """The number of cells; of a sampler, what it may ask for."""
        return sum(part.n_cells for part in self.losses.values())

    @property
    def n_replicates(self) -> int:
        """The number of replicates: cells times seeds; with racing or halving the most."""
        return self.n_cells * len(self.seeds)

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
    _check_objectives(spec)
    sampled = spec.sampler.name != "grid"
    losses, resolved, spaces = {}, {}, {}
    for name, block in spec.losses.items():
        loss, axes = resolve_axes(spec, name, block)
        resolved[name] = axes
        losses[name] = plan_loss(loss, axes, spec)
        if sampled:
            spaces[name] = loss_space(loss, axes, spec)
    plain = spec.to_plain()
    return Plan(
        sweep=spec.sweep,
        seeds=spec.seeds,
        losses=losses,
        identity=_identity(spec, plain),
        spec=plain,
        spec_hash=spec.spec_hash,
        plan_hash=_plan_hash(spec, plain, resolved),
        make_designs=lambda: _designs(spec, resolved, spaces),
        spaces=spaces,
    )


def _check_objectives(spec: SweepSpec) -> None:
    """Scores that are not kept at every threshold are there at the objective's only."""
    for name, _, threshold in spec.sampler.objective_keys:
        metric = METRICS[name]
        if metric.thresholded and not metric.curve and threshold != spec.objective.threshold:
            raise SpecError(
                f"{spec.source}: sampler.objectives must have {name} at the objective's threshold "
                f"{spec.objective.threshold:g}, but got {threshold:g}: it is kept there only. "
                "Change the threshold, or use a micro, macro or weighted score."
            )


def _identity(spec: SweepSpec, plain: Mapping[str, Any]) -> dict[str, Any]:
    identity = {key: plain[key] for key in ("data", "encoder", "head", "objective", "training")}
    # By its values alone: a range spelled out, or drawn on another scale, is the same training.
    identity["training"] = {
        key: axis.to_plain()
        if axis.bounds is not None
        else axis.values[0]
        if len(axis) == 1
        else list(axis.values)
        for key, axis in spec.training.axes().items()
    }
    # What is off is left out: stored grids keep their identity.
    if spec.sampler.name != "grid":
        identity["sampler"] = spec.sampler.settings()
    for key in ("halving", "racing"):
        if key in plain:
            identity[key] = plain[key]
    return identity


def _plan_hash(
    spec: SweepSpec, plain: Mapping[str, Any], resolved: Mapping[str, Mapping[str, Axis]]
) -> str:
    losses = [
        [loss, {name: axis.to_plain() for name, axis in axes.items()}]
        for loss, axes in resolved.items()
    ]
    training = [[name, axis.to_plain()] for name, axis in spec.training.axes().items()]
    parts = [_LAYOUT, losses, training, plain["head"], list(spec.seeds)]
    return content_hash([*parts, *(plain.get(key) for key in ("sampler", "halving", "racing"))])


def _designs(
    spec: SweepSpec,
    resolved: Mapping[str, Mapping[str, Axis]],
    spaces: Mapping[str, Space],
) -> dict[str, Design]:
    designs: dict[str, Design] = {}
    ordinal = 0
    for name, axes in resolved.items():
        if spec.sampler.is_adaptive:
            designs[name] = Design([])
        elif name in spaces:
            sampler = spec.sampler.to_plain()
            designs[name] = plan_design(spaces[name], sampler, first_ordinal=ordinal)
        else:
            designs[name] = Design(list(grid_cells(spec, name, axes, first_ordinal=ordinal)))
        ordinal += len(designs[name].cells)
    return designs

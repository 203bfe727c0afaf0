"""What a spec's sections must agree on: its axes with its sampler, its seeds with its racing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sweeps.axes import MAX_REPLICATES, Axis
from sweeps.spaces import grid_size
from sweeps.wording import short

if TYPE_CHECKING:
    from sweeps.spec import SweepSpec


def count_cells(spec: SweepSpec, loss: str) -> int:
    """The cells that a spec plans for one of its losses, or that a sampler may ask for at most."""
    sampler, block = spec.sampler, spec.losses[loss]
    if sampler.name == "grid":
        shared = grid_size({name: axis.values for name, axis in spec.training.axes().items()})
        return shared * len(spec.head.variants()) * math.prod(len(a) for a in block.values())
    if sampler.n is not None:
        varied = sum(1 for _, axis in _varied(spec, loss))
        rows = 2 * varied + 2 if sampler.second_order else varied + 2
        return sampler.n * rows if varied else 1
    return int(min(sampler.budget or 0, space_size(spec, loss)))


def space_size(spec: SweepSpec, loss: str) -> float:
    """The number of settings that a loss's space holds; infinite with a range of real numbers."""
    sizes = [_axis_size(axis) for axis in spec.training.axes().values()]
    sizes += [_axis_size(axis) for axis in spec.losses[loss].values()]
    head = spec.head.axes()
    inner = math.prod(_axis_size(axis) for name, axis in head.items() if name != "kind")
    return math.prod(sizes) * sum(inner if kind == "mlp" else 1 for kind in head["kind"].values)


def check_whole(spec: SweepSpec) -> None:
    """Check what sections must agree on.

    Raises:
        ValueError: a rule is broken; the text names the key.
    """
    if not spec.encoder and spec.data["dataset"] != "features":
        raise ValueError(
            f"encoder must be given for dataset {spec.data['dataset']!r}, but is missing. "
            "Write for example encoder: {name: minilm}."
        )
    if spec.sampler.name == "grid":
        _check_grid(spec)
    else:
        _check_space(spec)
    _check_racing(spec)
    if spec.halving is not None:
        if spec.sampler.name == "nsga2":
            raise ValueError(
                "halving must have one objective to compare cells by, but got sampler nsga2 with "
                "several. Leave one of the two out."
            )
        longest = max(int(value) for value in spec.training.epochs.points)  # type: ignore[arg-type]
        if not spec.halving.rungs(longest):
            raise ValueError(
                f"halving must have min_epochs below training.epochs, but got "
                f"{spec.halving.min_epochs} and {longest}. Lower min_epochs."
            )
    if spec.n_replicates > MAX_REPLICATES:
        raise ValueError(
            f"the grid must have at most {MAX_REPLICATES:,} replicates, but got "
            f"{spec.n_replicates:,}. Use fewer values or seeds."
            if spec.sampler.name == "grid"
            else f"the sampler must have at most {MAX_REPLICATES:,} replicates, but got "
            f"{spec.n_replicates:,}. Lower its budget, or use fewer seeds."
        )


def _check_grid(spec: SweepSpec) -> None:
    places = {f"training.{name}": axis for name, axis in spec.training.axes().items()}
    places |= {f"head.{name}": axis for name, axis in spec.head.axes().items()}
    for loss, block in spec.losses.items():
        places |= {f"losses.{loss}.{name}": axis for name, axis in block.items()}
    for place, axis in places.items():
        if axis.bounds is not None:
            raise ValueError(
                f"{place} must have num beside range, but got none. Write how many values, "
                "or a sampler that takes a whole range, such as sampler: {name: tpe, budget: 100}."
            )


def _check_space(spec: SweepSpec) -> None:
    name = spec.sampler.name
    for loss in spec.losses:
        varied = dict(_varied(spec, loss))
        ordered = [place for place, axis in varied.items() if axis.is_ordered]
        others = [place for place in varied if place not in ordered]
        if name == "saltelli" and others:
            raise ValueError(
                f"saltelli must have axes of numbers only, but {others[0]} is "
                f"{short(list(varied[others[0]].values))}. Fix it to one value a sweep, or write "
                "ordered: true where its order means something."
            )
        needed = {"cmaes": 2, "gp": 1}.get(name, 0)
        if varied and len(ordered) < needed:
            got = ", ".join(varied)
            raise ValueError(
                f"{name} must have {needed} or more axes of numbers for {loss}, but got {got}. "
                "Use tpe or random."
            )


def _check_racing(spec: SweepSpec) -> None:
    if spec.racing is None:
        return
    if spec.halving is not None:
        raise ValueError(
            "racing must not be given beside halving: the one drops cells between rounds of "
            "seeds, the other within a round. Keep one of them."
        )
    if spec.sampler.is_adaptive or spec.sampler.name == "saltelli":
        raise ValueError(
            "racing must have all its cells from the start and may lose any, but got sampler "
            f"{spec.sampler.name}. Use grid, random or sobol."
        )
    if len(spec.seeds) != spec.racing.most:
        raise ValueError(
            f"seeds must be as many as racing.most ({spec.racing.most}), but got "
            f"{len(spec.seeds)}. Leave seeds out, or change one of the two."
        )


def _varied(spec: SweepSpec, loss: str) -> Iterator[tuple[str, Axis]]:
    """The axes of a loss's space by their place in the spec."""
    sections = (
        ("head", spec.head.axes()),
        ("training", spec.training.axes()),
        (f"losses.{loss}", spec.losses[loss]),
    )
    for section, axes in sections:
        for name, axis in axes.items():
            if not axis.constant:
                yield f"{section}.{name}", axis


def _axis_size(axis: Axis) -> float:
    if axis.bounds is None:
        return len(axis)
    return axis.bounds[1] - axis.bounds[0] + 1 if axis.integer else math.inf

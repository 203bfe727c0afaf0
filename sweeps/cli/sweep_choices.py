"""What ``sweep run --dry-run`` and ``sweep show`` say of how cells are chosen."""

from __future__ import annotations

from typing import Any

import typer

from sweeps.cli.tables import number, print_table, setting


def axes_text(row: dict[str, Any]) -> str:
    """An axis by its number of values, or the ends of a range that a sampler draws from."""
    return " × ".join(
        f"{axis}: {values[0]:g} to {values[1]:g}"
        if axis in row["ranges"]
        else f"{axis}: {len(values)}"
        for axis, values in row["axes"].items()
    )


def print_choices(details: dict[str, Any]) -> None:
    """What a sampler, a pruner or a race did to the cells, and the Pareto set of nsga2."""
    sampler, stopped = details["sampler"], details["stopped"]
    if sampler["name"] != "grid":
        typer.echo(
            "Cells from the sampler "
            + ", ".join(f"{key} {value}" for key, value in sampler.items() if key != "objectives")
        )
    if stopped["pruned"]:
        typer.echo(f"{stopped['pruned']} cells were stopped early by halving.")
    if stopped["raced_out"]:
        typer.echo(
            f"{stopped['raced_out']} cells left the race early and have fewer seeds than the rest."
        )
    if details["pareto"]:
        first = details["pareto"][0]["objectives"]
        print_table(
            ["loss", "cell", "n", *(f"{o['metric']} (t = {o['threshold']:g})" for o in first)],
            [
                [
                    row["loss"],
                    setting(row["parameters"]) or "defaults",
                    str(row["n_seeds"]),
                    *(number(objective["mean"]) for objective in row["objectives"]),
                ]
                for row in details["pareto"]
            ],
            title="Pareto set of each loss: means over seeds on validation",
        )

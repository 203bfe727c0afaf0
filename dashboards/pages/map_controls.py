"""The controls of the map page, and what the address says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import dash_mantine_components as dmc
import numpy as np
from dash import html

from dashboards.figures.axes import SPACINGS, Spacing, spacings
from dashboards.figures.grid import FigureError, choose_axes, choose_slice
from dashboards.figures.heatmap_cells import (
    AGGREGATES,
    Aggregate,
    LossPlan,
    best_row,
    load_plan,
)
from dashboards.figures.heatmap_outlines import EPSILON, OUTLINES, Outline
from dashboards.figures.heatmap_traces import KINDS, Kind
from dashboards.figures.selection import describe_metric
from dashboards.naming import AVERAGE, axis_name, setting_text
from dashboards.pages import controls, parts
from dashboards.source import Source
from dashboards.view import View, ViewError
from storage.records import SweepInfo

NOTHING = "nothing varies"
_SIZE = "xs"
_MOST_HELD = 200
_AGGREGATION = (
    "What the colour of a cell says of its seeds. The mean is what the paper's tables give; the "
    "lower bound is cautious: with 95 % confidence the cell's mean over seeds is not worse. The "
    "standard deviation shows where training is unstable. Diverged, failed and waiting seeds are "
    "never part of it; n says how many seeds are."
)
_AGGREGATION_METHOD = (
    "The bound is one-sided Student's t on the logit scale with the cell's own variance. The "
    "interquartile mean leaves out the lowest and highest quarter of the seeds."
)
_AGGREGATION_SOURCE = "Agarwal et al. (2021), Deep RL at the edge of the statistical precipice."
_OUTLINE = (
    "Best: the cell with the best mean of the sweep's objective. Tied: the cells that cannot be "
    "told from it with 95 % confidence over seeds. Plateau: the cells whose mean lies within ε of "
    "its mean. All are chosen by the objective on validation, whatever the map shows."
)
_OUTLINE_METHOD = "Hsu's multiple comparisons with the best on the seed-blocked variance."
_OUTLINE_SOURCE = "Hsu (1984), Annals of Statistics 12:1136."


class MapView(NamedTuple):
    """What the address asks of a map beyond the shared settings of a view."""

    aggregate: Aggregate
    seeds: list[str]
    spacing: tuple[Spacing, Spacing]
    kind: Kind
    outline: Outline
    epsilon: float
    span: tuple[float | None, float | None]


def read_view(view: View) -> MapView:
    """Return the settings of a map that an address gives.

    Raises:
        ViewError: one of them cannot be.
    """
    low, high = view.number("map.low"), view.number("map.high")
    if low is not None and high is not None and low >= high:
        raise ViewError(
            f"The address's map.low must lie below its map.high, but got {low:g} and {high:g}."
        )
    return MapView(
        cast(Aggregate, view.choice("map.agg", list(AGGREGATES), "mean")),
        view.words("map.seeds") or [],
        (
            cast(Spacing, view.choice("map.xs", SPACINGS, "even")),
            cast(Spacing, view.choice("map.ys", SPACINGS, "even")),
        ),
        cast(Kind, view.choice("map.kind", list(KINDS), "cells")),
        cast(Outline, view.choice("map.outline", list(OUTLINES), "best")),
        view.number("map.eps", low=0.0, high=1.0) or EPSILON,
        (low, high),
    )


def map_controls(source: Source, sweep: str, view: View) -> list[Any]:
    """Return the controls beside the map, set as ``view`` asks.

    Raises:
        FigureError, ViewError: the view names something that the sweep does not have.
    """
    info = source.sweep(sweep)
    losses = source.losses(sweep)
    loss = view.loss or losses[0]
    metric = view.metric or info.objective["metric"]
    describe_metric(info, metric)
    plan = load_plan(source, sweep, loss)
    x, y = choose_axes(plan.settings, view.x, view.y)
    asked = read_view(view)
    choices = axis_choices(plan)
    wide = {"className": "wide"}
    half = {"className": "half", "size": _SIZE}
    return [
        parts.select("map-loss", "loss", losses, loss, size=_SIZE, **wide),
        parts.select("map-metric", "metric", parts.metric_choices(info), metric, size=_SIZE),
        parts.split_choice("map-split", view.split or info.objective["split"], size=_SIZE),
        controls.group("Axes"),
        parts.select("map-x", "across", choices, x, placeholder=NOTHING, **half),
        parts.select("map-xs", "spaced", spacing_choices(plan, x), asked.spacing[0], **half),
        parts.select("map-y", "upwards", choices, y, placeholder=NOTHING, **half),
        parts.select("map-ys", "spaced", spacing_choices(plan, y), asked.spacing[1], **half),
        html.Div(hold_controls(info, plan, x, y, view.held), id="map-holds"),
        controls.group("Seeds"),
        html.Div(
            [
                html.Div(
                    [
                        html.Label("aggregation", htmlFor="map-agg"),
                        parts.help_tip(
                            "aggregation over seeds",
                            _AGGREGATION,
                            method=_AGGREGATION_METHOD,
                            source=_AGGREGATION_SOURCE,
                        ),
                    ],
                    className="label-line",
                ),
                parts.select(
                    "map-agg",
                    "",
                    [{"value": name, "label": text} for name, text in AGGREGATES.items()],
                    asked.aggregate,
                    size=_SIZE,
                ),
            ]
        ),
        controls.several(
            "map-seeds",
            "seeds",
            list(map(str, plan.seeds)),
            asked.seeds,
            size=_SIZE,
            placeholder="" if asked.seeds else "all of them",
            clearable=True,
            hidePickedOptions=True,
        ),
        controls.group("Drawing"),
        controls.segments(
            "map-kind",
            "drawn as",
            [{"value": kind, "label": text} for kind, text in KINDS.items()],
            asked.kind,
            size=_SIZE,
            **wide,
        ),
        controls.segments(
            "map-outline",
            "outlined",
            [{"value": name, "label": text} for name, text in OUTLINES.items()],
            asked.outline,
            size=_SIZE,
            **wide,
            help=parts.help_tip(
                "what is outlined", _OUTLINE, method=_OUTLINE_METHOD, source=_OUTLINE_SOURCE
            ),
        ),
        controls.number(
            "map-low", "colours from", asked.span[0], placeholder="fitted", step=0.01, **half
        ),
        controls.number("map-high", "to", asked.span[1], placeholder="fitted", step=0.01, **half),
        dmc.Button(
            "Fix the scale",
            id="map-fix",
            variant="default",
            size="compact-xs",
            className="wide",
        ),
    ]


def axis_choices(plan: LossPlan) -> list[dict[str, str]]:
    """Return the settings that an axis can show."""
    return [{"value": name, "label": axis_name(name)} for name in plan.settings.varying]


def spacing_choices(plan: LossPlan, name: str | None) -> list[dict[str, Any]]:
    """Return the spacings of an axis; those that its values cannot have are disabled."""
    allowed = ["even"] if name is None else spacings(plan.settings.values[name])
    words = {"even": "evenly", "true": "truly", "log": "log"}
    return [
        {"value": spacing, "label": words[spacing], "disabled": spacing not in allowed}
        for spacing in SPACINGS
    ]


def hold_controls(
    info: SweepInfo, plan: LossPlan, x: str | None, y: str | None, held: Mapping[str, Any]
) -> list[dmc.Select]:
    """Return one choice for each varying setting that is not an axis: a value, or the average."""
    better = bool(describe_metric(info, info.objective["metric"])["higher_is_better"])
    best = best_row(plan, np.arange(len(plan.cell_ids)), higher_is_better=better)
    centre = None if best is None else plan.settings.of_cell(best)
    chosen = choose_slice(plan.settings, (x, y), held, centre)
    found = []
    for name, value in chosen.items():
        text = AVERAGE if value == AVERAGE else setting_text(value)
        known = [setting_text(v) for v in plan.settings.values[name]]
        if len(known) > _MOST_HELD:
            known = [item for item in known if item == text]
        data = [{"value": item, "label": item} for item in known]
        data.append({"value": AVERAGE, "label": "average over all"})
        found.append(parts.select({"hold": name}, axis_name(name), data, text, size=_SIZE))
    return found


def first_loss(source: Source, sweep: str, view: View) -> str:
    """Return the loss that a view shows.

    Raises:
        FigureError: the plan is empty.
    """
    losses = source.losses(sweep)
    if not losses:
        raise FigureError(f"A map needs cells, but the plan of '{sweep}' has none.")
    return view.loss or losses[0]

"""Controls beyond those of `dashboards.pages.parts`: labelled, and of one look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import dash_mantine_components as dmc
from dash import html

from dashboards.pages.parts import aria


def panel(content: Sequence[Any], label: str) -> html.Section:
    """Return the controls of a page, side by side, under one name for screen readers."""
    return html.Section(list(content), className="controls", **aria(label=label))


def segments(
    name: str,
    label: str,
    data: Sequence[Any],
    value: str,
    *,
    help: Any = None,
    size: str = "sm",
    **rest: Any,
) -> html.Div:
    """Return a labelled choice of one out of a few, all seen at once."""
    return html.Div(
        [
            _label(name, label, help),
            dmc.SegmentedControl(
                id=name,
                data=list(data),
                value=value,
                size=cast(Any, size),
                fullWidth=True,
                **aria(labelledby=f"{name}-label"),
            ),
        ],
        **rest,
    )


def several(
    name: str,
    label: str,
    data: Sequence[Any],
    value: Sequence[str],
    *,
    size: str = "sm",
    **rest: Any,
) -> dmc.MultiSelect:
    """Return a labelled choice of any number out of ``data``."""
    return dmc.MultiSelect(
        id=name,
        label=label,
        data=list(data),
        value=list(value),
        size=cast(Any, size),
        comboboxProps={"shadow": "md", "withinPortal": False},
        **rest,
    )


def slider(
    name: str,
    label: str,
    *,
    low: float,
    high: float,
    step: float,
    value: float,
    marks: Sequence[dict[str, Any]] = (),
) -> html.Div:
    """Return a labelled slider; ``NAME-value`` beside the label takes the value as text."""
    return html.Div(
        [
            html.Div(
                [
                    html.Span(label, className="label"),
                    html.Output(id=f"{name}-value", className="value"),
                ],
                className="slider-head",
            ),
            dmc.Slider(
                id=name,
                min=low,
                max=high,
                step=step,
                value=value,
                marks=list(marks),
                label=None,
                updatemode="drag",
                size="sm",
                thumbSize=18,
                thumbLabel=label,
            ),
        ],
        className="slider",
    )


def switch(name: str, label: str, checked: bool, **rest: Any) -> dmc.Switch:
    """Return a labelled switch."""
    return dmc.Switch(id=name, label=label, checked=checked, size="sm", **rest)


def number(
    name: str, label: str, value: float | None, *, size: str = "sm", **rest: Any
) -> dmc.NumberInput:
    """Return a labelled field for a number; empty leaves the choice to the page."""
    return dmc.NumberInput(
        id=name,
        label=label,
        value="" if value is None else value,
        size=cast(Any, size),
        hideControls=True,
        debounce=400,
        **rest,
    )


def group(title: str) -> html.Div:
    """Return a heading between groups of controls."""
    return html.Div(title, className="control-group")


def _label(name: str, label: str, help: Any) -> html.Div:
    return html.Div(
        [html.Span(label, id=f"{name}-label", className="label"), help], className="label-line"
    )

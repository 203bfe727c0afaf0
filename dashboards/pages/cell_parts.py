"""What the page of a cell is made of, beside its figures."""

from __future__ import annotations

import math
from typing import Any

import dash_mantine_components as dmc
from dash import html

from dashboards.facts import Fact
from dashboards.figures.captions import objective_text
from dashboards.figures.cell_details import KEY_DIGITS, CellDetails
from dashboards.naming import (
    axis_name,
    mean_sd_text,
    metric_name,
    paper_name,
    score_text,
    setting_text,
    settings_text,
)
from dashboards.pages import parts, tables
from dashboards.source import Source
from dashboards.view import View

CELL_PATH = "/cell"

_INTERVAL = (
    "Where the mean over seeds may lie, with the split and its examples fixed. It says nothing of "
    "what other examples would change."
)
_INTERVAL_METHOD = "Student's t on the logit scale with the cell's own variance, level 95 %."
_NEIGHBOURS = (
    "The cells that differ in one setting alone, by the nearest value that was run. The "
    "difference is paired: the mean over common seeds of the neighbour less this cell, so that "
    "luck of a seed cancels."
)
_DIAGNOSTICS = {
    "train_loss": "training loss",
    "predicted_positive_rate": "predicted rate",
    "predicted_positive_rate_test": "predicted rate, test",
    "best_epoch": "epoch kept",
    "saturation": "saturated",
    "gradient_norm_start": "‖gradient‖ first",
    "gradient_norm_end": "‖gradient‖ last",
}


def head(details: CellDetails, view: View) -> html.Div:
    """Return the cell's name, its seeds by state, and the way back to the map."""
    map_view = View(sweep=details.sweep, loss=details.cell.loss, threshold=view.threshold)
    badges = [parts.badge(f"{count} {state}", state) for state, count in details.states.items()]
    if details.status:
        words = details.status.replace("_", " ")
        badges.append(parts.badge(f"given up: {words}", "pruned"))
    return html.Div(
        [
            html.P(parts.link("/map", map_view, f"← Map of {details.cell.loss}"), className="back"),
            html.Div(
                [
                    html.H1(f"{details.cell.loss} {settings_text(details.cell.settings)}".strip()),
                    *badges,
                ],
                className="cell-head",
            ),
        ]
    )


def facts(source: Source, details: CellDetails) -> html.Section:
    """Return its mean, interval, rank and every setting."""
    info = source.sweep(details.sweep)
    cell = details.cell
    facts: list[Fact] = [
        (objective_text(info.objective), mean_sd_text(cell.mean, cell.sd, 4)),
    ]
    if details.interval is not None:
        low, high = details.interval
        facts.append(("95 % interval", f"{score_text(low, 4)} to {score_text(high, 4)}"))
    facts.append(("seeds", f"{cell.n} complete of {cell.planned}"))
    if details.rank is not None:
        facts.append(
            (f"rank among {cell.loss} cells", f"{details.rank[0]:,} of {details.rank[1]:,}")
        )
    facts.append(("key", details.key[:KEY_DIGITS]))
    for title, settings in details.settings.items():
        facts.append((title, settings_text(settings) or "none"))
    return parts.card(
        "The cell",
        parts.facts_list(facts),
        help=parts.help_tip(
            "interval of the mean",
            _INTERVAL,
            method=_INTERVAL_METHOD,
            source="Agresti, Categorical Data Analysis, 3rd ed., section 16.1 (delta method).",
        ),
    )


def seed_table(details: CellDetails) -> html.Section:
    """Return the table of seeds: scores on both splits, diagnostics, what went wrong."""
    columns: list[dict[str, Any]] = [
        {
            # Of a group, as the others are: a pinned column without one has a header row of its
            # own with nothing in it, which screen readers stumble over.
            "headerName": "run",
            "children": [tables.number_column("seed", "seed", width=84, pinned="left")],
        },
        tables.text_column("state", "state", width=104),
    ]
    if details.seeds["reason"].notna().any():
        columns.append(tables.text_column("reason", "reason", width=320, tooltipField="reason"))
    for split in ("validation", "test"):
        children = [
            tables.number_column(
                f"{split}-{metric}",
                metric_name(metric),
                width=118,
                headerTooltip=f"the paper's {paper_name(metric)}" if paper_name(metric) else None,
            )
            for metric in details.metrics
            if f"{split} {metric}" in details.seeds.columns
        ]
        if children:
            columns.append({"headerName": split, "children": children})
    diagnostics = [
        tables.number_column(name, _DIAGNOSTICS.get(name, name.replace("_", " ")), width=132)
        for name in details.diagnostics
    ]
    if diagnostics:
        columns.append({"headerName": "diagnostics", "children": diagnostics})
    columns.append(tables.text_column("worker", "worker", width=140))
    rows = [_seed_row(row, details) for row in details.seeds.to_dict("records")]
    return parts.card(
        "Seeds",
        tables.table("cell-seeds", columns, rows, height=None if len(rows) <= 20 else 520),
    )


def _seed_row(row: dict[Any, Any], details: CellDetails) -> dict[str, Any]:
    written: dict[str, Any] = {"seed": int(row["seed"]), "state": row["state"]}
    for name in ("reason", "worker"):
        written[name] = row[name] if isinstance(row[name], str) else ""
    for split in ("validation", "test"):
        for metric in details.metrics:
            if f"{split} {metric}" in row:
                written[f"{split}-{metric}"] = score_text(float(row[f"{split} {metric}"]), 4)
    for name in details.diagnostics:
        written[name] = _number(float(row[name]))
    return written


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if value == int(value) and abs(value) >= 1 else f"{value:.4g}"


def neighbours(details: CellDetails, view: View) -> html.Section:
    """Return the cells one step away, with paired differences and links."""
    if not details.neighbours:
        return parts.card("Neighbours", html.P("No cell differs from this one in one setting."))
    rows = [
        html.Tr(
            [
                html.Td(axis_name(other.parameter)),
                html.Td(
                    parts.link(
                        CELL_PATH,
                        View(
                            sweep=details.sweep, split=view.split, threshold=view.threshold
                        ).having(cell_key=other.key[:KEY_DIGITS]),
                        setting_text(other.value),
                        **parts.aria(
                            label=f"cell with {axis_name(other.parameter)} "
                            f"{setting_text(other.value)}"
                        ),
                    ),
                    className="number",
                ),
                html.Td(mean_sd_text(other.cell.mean, other.cell.sd, 4), className="number"),
                html.Td(f"{other.cell.n} of {other.cell.planned}", className="number"),
                html.Td(_signed(other.paired), className="number"),
            ]
        )
        for other in details.neighbours
    ]
    heads = ("setting", "value", "mean objective ± sd", "n", "difference, paired")
    table = html.Table(
        [html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])), html.Tbody(rows)],
        className="plain",
    )
    return parts.card(
        "Neighbours",
        html.Div(table, className="scroll"),
        help=parts.help_tip("neighbours", _NEIGHBOURS),
    )


def _signed(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:+.4f}".replace("-", "−")


def again(details: CellDetails) -> html.Section:
    """Return the exact spec of the cell and the command that runs it."""
    return parts.card(
        "Train this cell again",
        html.P(
            "Exactly this cell and nothing else: the same data, seeds and settings give the same "
            "bits, whatever else trains beside it. Save the spec as cell.yaml, then run:",
            className="facts-line",
        ),
        parts.command("sigmoidf1 sweep run cell.yaml", "cell-run"),
        parts.code_block(details.spec, "Spec of this cell"),
        html.Div(
            dmc.CopyButton(
                id="cell-spec-copy",
                value=details.spec,
                children="Copy the spec",
                copiedChildren="Copied",
                size="compact-sm",
                buttonProps={"variant": "default"},
            ),
            className="below",
        ),
    )

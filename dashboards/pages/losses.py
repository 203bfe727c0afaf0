"""The losses page: box plots over seeds, intervals, paired differences, the paper's numbers."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.boxplots import THRESHOLD_RULES, boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.differences_plot import plot_differences
from dashboards.figures.grid import FigureError
from dashboards.figures.loss_table import (
    LossTable,
    differences_text,
    loss_table,
    loss_table_text,
    paper_text,
)
from dashboards.naming import count_text, threshold_text
from dashboards.pages import controls, parts
from dashboards.pages.losses_rows import column_definitions, table_rows
from dashboards.pages.tables import table
from dashboards.source import Source
from dashboards.view import View

PATH = "/losses"
NAME = "Losses"

_MODES = {
    "fixed": "fixed",
    "tuned": "tuned",
    "threshold_averaging": "averaged",
    "f_measure": "F-measure",
}
_COLUMNS = {"narrow": 1, "medium": 3, "wide": None}
_BEST = "the best on validation"


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse a view whose threshold rule or reference cannot be.

    Raises:
        FigureError, ViewError: what is wrong.
    """
    view.choice("losses.mode", THRESHOLD_RULES, "fixed")
    reference = view.extra.get("losses.ref")
    losses = source.losses(sweep)
    if reference and reference not in losses:
        raise FigureError(
            f"Losses are compared with one of the sweep's, but got '{reference}'. "
            f"Choose one of: {', '.join(losses)}."
        )


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page for ``view``.

    Raises:
        FigureError, ViewError: the view names something that the sweep does not have.
    """
    check(source, sweep, view)
    info = source.sweep(sweep)
    references = [{"value": "", "label": _BEST}, *source.losses(sweep)]
    chosen = controls.panel(
        [
            parts.split_choice("losses-split", view.split or "test"),
            controls.segments(
                "losses-mode",
                "threshold",
                [{"value": rule, "label": _MODES[rule]} for rule in THRESHOLD_RULES],
                view.choice("losses.mode", THRESHOLD_RULES, "fixed"),
                help=_tuned_help(),
                className="double",
            ),
            parts.select(
                "losses-ref", "compared with", references, view.extra.get("losses.ref") or ""
            ),
            parts.threshold_slider("losses-threshold", info, view.threshold),
        ],
        "What the page shows",
    )
    return html.Div(
        [
            chosen,
            parts.figure_panel("losses", f"{sweep}-losses", take="losses", help=_box_help()),
            html.Section(
                [
                    html.Div([html.H2(id="losses-interval-title"), _interval_help()],
                             className="panel-head"),
                    html.P(id="losses-interval-facts", className="facts-line"),
                    table(
                        "losses-grid",
                        column_definitions(source, sweep),
                        options={"suppressNoRowsOverlay": True},
                        rowClassRules={
                            "paper-row": "params.data.kind === 'paper'",
                            "level-row": "params.data.kind === 'level'",
                        },
                    ),
                    html.Div(id="losses-paper", className="caption"),
                    html.P(id="losses-interval-caption", className="caption"),
                ],
                className="panel",
            ),
            parts.figure_panel(
                "losses-differences",
                f"{sweep}-differences",
                take="differences",
                help=_paired_help(),
            ),
            parts.context("losses"),
        ]
    )  # fmt: skip


def _tuned_help() -> Any:
    return parts.help_tip(
        "rules of decision",
        "Fixed reads every loss at the threshold of the slider. Tuned gives each loss the cell "
        "and the threshold that are best on validation together, and reads both on the split "
        "shown. On validation the tuned value is a maximum, and so too high. Averaged and "
        "F-measure decide by all probabilities of an example, which only kept cells have: "
        "Threshold Averaging, and the labels with the best expected F1.",
        method="argmax over cells and kept thresholds of the mean over seeds on validation; the "
        "mean of each validation example's best own probability; the exact maximum of the "
        "expected F1 under independent labels.",
        source="Bénédict et al. (2022), Section 5.3 and Table 4; Decubber et al. (2018); "
        "Dembczynski et al. (2011).",
    )


def _box_help() -> Any:
    return parts.help_tip(
        "box plots",
        "One row a loss, one panel a metric, every seed of the loss's best cell drawn. The spread "
        "is over seeds with the split fixed: it shows how training varies, not how another "
        "sample of examples would change the scores.",
        method="Quartiles by linear interpolation; the cell is chosen by the objective.",
        source="Bénédict et al. (2022), Figures 4 to 8.",
    )


def _interval_help() -> Any:
    return parts.help_tip(
        "intervals",
        "Where the mean over seeds of this cell would lie with endless seeds, at 95 %, for this "
        "one split. With five seeds the interval is wide by right.",
        method="expit(logit(m) ± t √(c²/n + (1 − 2m)² c⁴/(n − 1))), c = sd / (m (1 − m)), "
        "Student's t with n − 1 degrees: it stays inside 0 to 1.",
        source="The need: footnote 3 of the paper; delta method and Cox's term: Agresti, "
        "Categorical Data Analysis, section 16.1; Land (1972), Technometrics 14.",
    )


def _paired_help() -> Any:
    return parts.help_tip(
        "paired differences",
        "The same seed gives every cell the same initial weights and batch order, so the "
        "difference at a seed leaves out what they share. An interval that leaves out zero is a "
        "difference that seeds alone do not explain.",
        method="Mean of the differences ± t sd / √n, n − 1 degrees; not corrected for the number "
        "of comparisons.",
        source="Bouthillier et al. (2021), MLSys, on pairing.",
    )


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "losses")

    @app.callback(
        output={
            "box": Output("losses-graph", "figure"),
            "box_words": _words("losses"),
            "notice": Output("losses-notice", "children"),
            "threshold": Output("losses-threshold-value", "children"),
            "off": Output("losses-threshold", "disabled"),
            "rows": Output("losses-grid", "rowData"),
            "table_words": _words("losses-interval"),
            "paper": Output("losses-paper", "children"),
            "differences": Output("losses-differences-graph", "figure"),
            "difference_words": _words("losses-differences"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "split": Input("losses-split", "value"),
            "mode": Input("losses-mode", "value"),
            "reference": Input("losses-ref", "value"),
            "position": Input("losses-threshold", "value"),
            "context": Input("losses-context", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        split: str,
        mode: str,
        reference: str,
        position: int,
        context: dict[str, Any] | None,
        sweep: str,
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            threshold = float(source.sweep(sweep).thresholds[position])
            boxes = boxplot_data(source, sweep, split=split, threshold=threshold, rule=mode)
            found = loss_table(boxes, reference=reference or None)
            columns, scheme = _COLUMNS[context["viewport"]], context["scheme"]
            view = View(sweep=sweep, split=split, threshold=threshold).having(
                losses_mode=mode, losses_ref=reference or ""
            )
            return {
                "box": plot_boxplots(boxes, scheme=scheme, standalone=False, columns=columns),
                "box_words": list(parts.words(boxplot_text(boxes))),
                "notice": None,
                "threshold": "each loss its own"
                if boxes.own_thresholds
                else threshold_text(boxes.threshold),
                "off": boxes.own_thresholds,
                "rows": table_rows(found),
                "table_words": list(parts.words(loss_table_text(found))),
                "paper": _paper(found),
                "differences": plot_differences(
                    found, scheme=scheme, standalone=False, columns=columns
                ),
                "difference_words": list(parts.words(differences_text(found))),
                "view": parts.address(PATH, view, whole=False),
            }
        except Exception as error:
            kept: dict[str, Any] = dict.fromkeys(_KEPT, no_update)
            kept |= {name: [no_update] * 3 for name in _WORDS}
            return kept | {"notice": parts.notice(parts.sentence(error))}


_WORDS = ("box_words", "table_words", "difference_words")
_KEPT = ("box", "threshold", "off", "rows", "paper", "differences", "view")


def _words(name: str) -> list[Output]:
    return [Output(f"{name}-{part}", "children") for part in ("title", "facts", "caption")]


def _paper(found: LossTable) -> list[Any]:
    """Return what the paper's rows are, or nothing for a dataset that it does not have."""
    if not found.paper:
        return []
    lines = [html.P([html.Strong("From the paper. "), paper_text(block)]) for block in found.paper]
    dataset = count_text(len(found.paper), "table")
    return [
        *lines,
        html.P(
            f"Rows in italics are printed in the paper ({dataset}). Its encoder, split and label "
            "set differ from this sweep's: they are a reference, not a target. ≈ all marks a row "
            "whose pooled F1 is, to the digit, that of predicting every label (2P / (1 + P) at "
            "its precision P): such a row measures the threshold, not the loss."
        ),
    ]

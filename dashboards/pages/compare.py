"""The compare page: two sweeps side by side on one scale, and what a transfer costs."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.compare import (
    READINGS,
    best_rows,
    common_losses,
    compare_data,
    compare_text,
    transfer_data,
    transfer_sentences,
)
from dashboards.figures.compare_plot import plot_compare
from dashboards.figures.grid import FigureError, Settings, choose_slice
from dashboards.figures.heatmap_cells import load_plan
from dashboards.naming import mean_sd_text, score_text, settings_text, short_encoder, threshold_text
from dashboards.pages import controls, parts
from dashboards.pages.tables import number_column, table, text_column
from dashboards.source import Source
from dashboards.view import View
from storage.errors import SweepNotFoundError

PATH = "/compare"
NAME = "Compare"

_WIDTHS = {"narrow": 350, "medium": 740, "wide": 1200}
_AUTO = ""


def check(source: Source, sweep: str, view: View) -> None:
    """Refuse another sweep or a reading that cannot be.

    Raises:
        SweepNotFoundError, ViewError: what is wrong.
    """
    view.choice("compare.read", (_AUTO, *READINGS), _AUTO)
    other = view.extra.get("compare.with")
    if other and other not in set(map(str, source.sweeps()["name"])):
        raise SweepNotFoundError(
            f"The store must hold the sweep to compare with, but got '{other}'. "
            "Choose one of those it has."
        )


def layout(source: Source, sweep: str, view: View) -> html.Div | html.Section:
    """Return the page for ``view``.

    Raises:
        SweepNotFoundError, ViewError: the view names what is not there.
    """
    check(source, sweep, view)
    names = [str(name) for name in source.sweeps()["name"] if str(name) != sweep]
    if not names:
        return parts.empty_state(
            "Nothing to compare with",
            f"The store holds one sweep, {sweep}. Run another, on other data or with other "
            "settings, and this page puts them side by side.",
        )
    shared = [name for name in names if common_losses(source, sweep, name)]
    other = view.extra.get("compare.with") or (shared or names)[-1]
    losses = common_losses(source, sweep, other)
    loss = view.loss if view.loss in losses else next(iter(losses), None)
    info = source.sweep(sweep)
    readings = [
        {"value": _AUTO, "label": "as fits the data"},
        *({"value": name, "label": label} for name, label in READINGS.items()),
    ]
    chosen = controls.panel(
        [
            parts.select("compare-with", "with the sweep", names, other),
            parts.select("compare-loss", "loss", losses, loss),
            parts.select(
                "compare-metric",
                "metric",
                parts.metric_choices(info),
                view.metric or info.objective["metric"],
            ),
            parts.split_choice("compare-split", view.split or "test"),
            parts.select(
                "compare-read",
                "read",
                readings,
                view.choice("compare.read", (_AUTO, *READINGS), _AUTO),
            ),
            parts.threshold_slider("compare-threshold", info, view.threshold),
        ],
        "What is compared",
    )
    return html.Div(
        [
            chosen,
            parts.figure_panel("compare", f"{sweep}-{other}", take="compare", help=_map_help()),
            parts.card(
                "Best cells",
                html.P(id="compare-best-facts", className="facts-line"),
                table("compare-best", _columns()),
                help=parts.help_tip(
                    "best cells",
                    "The cell with the best mean objective on validation in each sweep, read on "
                    "the split, metric and threshold above.",
                ),
            ),
            parts.card(
                "Carrying a best cell over",
                html.Div(id="compare-transfer"),
                help=_transfer_help(),
            ),
            parts.context("compare"),
            # Chosen on the map, and in the address of this page.
            dcc.Store(id="compare-axes", data={"x": view.x, "y": view.y, "held": dict(view.held)}),
        ]
    )


def _map_help() -> Any:
    return parts.help_tip(
        "the difference",
        "Both maps have one colour scale. Where the two sweeps have the same settings, the third "
        "panel subtracts the first from the second; a dot says that seeds alone do not explain "
        "it.",
        method="Welch's 95 % interval over seeds of each difference, not corrected for the number "
        "of positions.",
        source="Welch (1947), Biometrika 34.",
    )


def _transfer_help() -> Any:
    return parts.help_tip(
        "transfer regret",
        "What is lost by using the best cell of one dataset on another, against choosing anew "
        "there. Only cells that both sweeps have take part.",
        method="f_B(best of B) − f_B(best of A), chosen on validation, read on test, each at its "
        "own objective's threshold.",
        source="Wistuba et al. (2015); the paper used VOC's optimum for COCO (Appendix D).",
    )


def _columns() -> list[dict[str, Any]]:
    return [
        text_column("sweep", "sweep", width=140, cellClass="strong", pinned="left"),
        text_column("dataset", "dataset", width=150),
        text_column("encoder", "encoder", width=170, tooltipField="encoder"),
        text_column("settings", "best cell", width=180, tooltipField="settings"),
        number_column("n", "n", width=86),
        number_column("value", "mean ± sd", width=150),
        number_column("all", "predict-all", width=116),
        number_column("gain", "over predict-all", width=142),
    ]


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "compare")

    @app.callback(
        Output("compare-loss", "data"),
        Output("compare-loss", "value"),
        Input("compare-with", "value"),
        State("compare-loss", "value"),
        State("current", "data"),
        prevent_initial_call=True,
    )
    def choose(other: str, loss: str | None, sweep: str) -> tuple[Any, Any]:
        losses = common_losses(source, sweep, other)
        return losses, loss if loss in losses else next(iter(losses), None)

    @app.callback(
        output={
            "figure": Output("compare-graph", "figure"),
            "words": [Output(f"compare-{part}", "children") for part in _PARTS],
            "notice": Output("compare-notice", "children"),
            "threshold": Output("compare-threshold-value", "children"),
            "rows": Output("compare-best", "rowData"),
            "facts": Output("compare-best-facts", "children"),
            "transfer": Output("compare-transfer", "children"),
            "view": Output("view", "data", allow_duplicate=True),
        },
        inputs={
            "other": Input("compare-with", "value"),
            "loss": Input("compare-loss", "value"),
            "metric": Input("compare-metric", "value"),
            "split": Input("compare-split", "value"),
            "reading": Input("compare-read", "value"),
            "position": Input("compare-threshold", "value"),
            "context": Input("compare-context", "data"),
            "axes": State("compare-axes", "data"),
            "sweep": State("current", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        other: str,
        loss: str | None,
        metric: str,
        split: str,
        reading: str,
        position: int,
        context: dict[str, Any] | None,
        axes: dict[str, Any],
        sweep: str,
    ) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        try:
            if loss is None:
                raise FigureError(
                    f"Two sweeps are compared on a loss that both hold, but '{sweep}' and "
                    f"'{other}' have none in common. Choose another sweep."
                )
            threshold = float(source.sweep(sweep).thresholds[position])
            return _compared(
                source, (sweep, other), loss, metric, split, reading, threshold, axes, context
            )
        except Exception as error:
            kept: dict[str, Any] = dict.fromkeys(_KEPT, no_update) | {"words": [no_update] * 3}
            return kept | {"notice": parts.notice(parts.sentence(error))}


_PARTS = ("title", "facts", "caption")
_KEPT = ("figure", "threshold", "rows", "facts", "transfer", "view")


def _compared(
    source: Source,
    sweeps: tuple[str, str],
    loss: str,
    metric: str,
    split: str,
    reading: str,
    threshold: float,
    axes: dict[str, Any],
    context: dict[str, Any],
) -> dict[str, Any]:
    a, b = sweeps
    known = _axes_of_both(source, sweeps, loss, axes)
    data = compare_data(
        source,
        a,
        b,
        loss=loss,
        metric=metric,
        split=split,
        threshold=threshold,
        reading=reading or None,  # type: ignore[arg-type]
        **known,
    )
    view = View(
        sweep=a, loss=loss, metric=metric, split=split, threshold=threshold, **known
    ).having(compare_with=b, compare_read=reading)
    text = compare_text(data)
    return {
        "figure": plot_compare(
            data,
            scheme=context["scheme"],
            standalone=False,
            stacked=context["viewport"] != "wide",
            width=_WIDTHS[context["viewport"]],
        ),
        "words": list(parts.words(text)),
        "notice": parts.notice(data.note) if data.note else None,
        "threshold": threshold_text(data.a.threshold)
        if data.a.threshold is not None
        else "does not enter",
        "rows": [_row(row) for row in best_rows(data)],
        "facts": text.subtitle,
        "transfer": [
            html.P(line) for line in transfer_sentences(transfer_data(source, a, b, loss, metric))
        ],
        "view": parts.address(PATH, view, whole=False, without=_not_kept(axes, known)),
    }


def _axes_of_both(
    source: Source, sweeps: tuple[str, str], loss: str, axes: dict[str, Any]
) -> dict[str, Any]:
    """Of the axes and slices asked for, those that both sweeps have: another loss or sweep may
    have been chosen since."""
    settings = [load_plan(source, sweep, loss).settings for sweep in sweeps]
    both = set(settings[0].names) & set(settings[1].names)
    held = {
        name: value
        for name, value in axes["held"].items()
        if name in both and all(_has(each, name, value) for each in settings)
    }
    x, y = (axes[name] if axes[name] in both else None for name in ("x", "y"))
    return {"x": x, "y": y, "held": held}


def _not_kept(asked: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """The names in the address of what `_axes_of_both` left out."""
    axes = [name for name in ("x", "y") if asked[name] != known[name]]
    return axes + [f"hold.{name}" for name in asked["held"] if name not in known["held"]]


def _has(settings: Settings, name: str, value: str) -> bool:
    try:
        choose_slice(settings, (), {name: value}, None)
    except FigureError:
        return False
    return True


def _row(row: Any) -> dict[str, str]:
    best, level = row["best"], row["levels"].get("predict_all", float("nan"))
    return {
        "sweep": row["sweep"],
        "dataset": row["dataset"],
        "encoder": short_encoder(row["encoder"]),
        "settings": "no finished cell"
        if best is None
        else settings_text(best.settings) or "its only setting",
        "n": "0" if best is None else f"{best.n} of {best.planned}",
        "value": mean_sd_text(row["value"], row["sd"]),
        "all": score_text(level),
        "gain": score_text(row["value"] - level),
    }

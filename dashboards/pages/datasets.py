"""The datasets page: what the sweep recorded of its dataset, and the others of the store."""

from __future__ import annotations

import math
from typing import Any

from dash import Dash, Input, Output, State, html, no_update
from dash.exceptions import PreventUpdate

from dashboards.figures.classes import classes_data, classes_text, plot_classes
from dashboards.figures.co_occurrence_plot import plot_co_occurrence
from dashboards.figures.dataset_statistics import (
    DatasetStatistics,
    co_occurrence,
    co_occurrence_text,
    dataset_statistics,
)
from dashboards.naming import metric_name, score_text, short_encoder
from dashboards.pages import parts
from dashboards.pages.tables import number_column, table, text_column
from dashboards.source import Source
from dashboards.view import View

PATH = "/datasets"
NAME = "Datasets"

_LEVELS = {"predict_all": "predict-all", "predict_none": "predict-none"}


def layout(source: Source, sweep: str, view: View) -> html.Div:
    """Return the page; ``view`` gives nothing but the sweep."""
    del view
    found = dataset_statistics(source, sweep)
    splits = [
        {
            "split": row.split,
            "examples": f"{row.examples:,}",
            "labels": _number(row.labels_per_example, 2),
            "density": _number(row.density, 3),
            "without": "–" if row.without_positive < 0 else str(row.without_positive),
        }
        for row in found.splits
    ]
    overview = parts.card(
        found.dataset,
        parts.facts_list([(name, _shown(value)) for name, value in found.facts]),
        html.H3("Splits"),
        table(
            "datasets-splits",
            [
                text_column("split", "split", width=130, cellClass="strong"),
                number_column("examples", "examples", width=130),
                number_column("labels", "labels per example", width=170),
                number_column("density", "label density", width=140),
                number_column("without", "classes without a positive", width=210),
            ],
            splits,
        ),
        html.P(_imbalance(found), className="caption"),
        *_dropped(found),
        help=_help(),
    )
    return html.Div(
        [
            overview,
            parts.figure_panel("datasets-classes", f"{sweep}-classes", take="classes"),
            _baselines(found),
            parts.figure_panel("datasets-pairs", f"{sweep}-pairs", take="pairs"),
            _every_dataset(source, sweep),
            parts.context("datasets"),
        ]
    )


def _shown(value: str) -> str:
    return short_encoder(value)


def _number(value: float, digits: int) -> str:
    return "–" if not math.isfinite(value) else f"{value:.{digits}f}"


def _help() -> Any:
    return parts.help_tip(
        "dataset statistics",
        "Labels per example and density say how sparse the labels are; imbalance ratios how "
        "unequal the classes. Macro averages weigh all classes alike, weighted averages by "
        "frequency, so imbalance decides how far they lie apart.",
        method="Cardinality L / N, density L / (N C), imbalance ratio max N_c / N_c over all "
        "splits.",
        source="Tsoumakas & Katakis (2007); Charte et al. (2015), Neurocomputing 163.",
    )


def _imbalance(found: DatasetStatistics) -> str:
    if not math.isfinite(found.mean_imbalance):
        return "Positives of the classes were not recorded, so imbalance is unknown."
    return (
        f"{found.n_classes:,} classes. Imbalance ratio: mean {found.mean_imbalance:.1f}, largest "
        f"{found.max_imbalance:.1f} (the most frequent class over the class)."
    )


def _dropped(found: DatasetStatistics) -> list[Any]:
    if not found.dropped:
        return []
    named = ", ".join(
        f"{label} ({reason}, {examples:,})" for label, reason, examples in found.dropped[:20]
    )
    more = f", and {len(found.dropped) - 20:,} more" if len(found.dropped) > 20 else ""
    return [html.P(f"Classes left out (reason, examples): {named}{more}.", className="caption")]


def _baselines(found: DatasetStatistics) -> Any:
    splits = [split for split in ("validation", "test") if _has(found, split)]
    if not splits:
        return None
    metrics = list(next(iter(found.baselines.values()))[splits[0]])
    rows = [
        {
            "metric": metric_name(metric),
            **{
                f"{name}-{split}": score_text(levels[split][metric])
                for name, levels in found.baselines.items()
                for split in splits
                if metric in levels.get(split, {})
            },
        }
        for metric in metrics
    ]
    columns: list[dict[str, Any]] = [text_column("metric", "metric", width=190, cellClass="strong")]
    columns += [
        {
            "headerName": _LEVELS.get(name, name),
            "children": [number_column(f"{name}-{split}", split, width=140) for split in splits],
        }
        for name in found.baselines
    ]
    return parts.card(
        "Constant predictions",
        html.P("What every score has to be read against.", className="facts-line"),
        table("datasets-levels", columns, rows, height=330),
        help=parts.help_tip(
            "constant predictions",
            "Predict-all gives every label to every example, predict-none gives none. A loss that "
            "does not pass predict-all has learnt nothing that the metric sees.",
            method="Counted on the labels of the split, exactly.",
        ),
    )


def _has(found: DatasetStatistics, split: str) -> bool:
    return any(split in levels for levels in found.baselines.values())


def _every_dataset(source: Source, sweep: str) -> Any:
    """Return one row a dataset of the store, by fingerprint, with the sweeps that use it."""
    rows: dict[str, dict[str, Any]] = {}
    for name in map(str, source.sweeps()["name"]):
        found = dataset_statistics(source, name)
        row = rows.setdefault(
            found.fingerprint,
            {
                "dataset": found.dataset,
                "examples": f"{sum(split.examples for split in found.splits):,}",
                "classes": f"{found.n_classes:,}",
                "labels": _number(
                    found.splits[0].labels_per_example if found.splits else math.nan, 2
                ),
                "imbalance": _number(found.mean_imbalance, 1),
                "fingerprint": found.fingerprint[:16],
                "sweeps": [],
                "encoders": [],
            },
        )
        row["sweeps"].append(name)
        row["encoders"].append(short_encoder(found.encoder))
    own = dataset_statistics(source, sweep).fingerprint
    shown = [
        row
        | {
            "sweeps": ", ".join(row["sweeps"]),
            "encoders": ", ".join(dict.fromkeys(row["encoders"])),
            "own": fingerprint == own,
        }
        for fingerprint, row in rows.items()
    ]
    columns = [
        text_column("dataset", "dataset", width=170, cellClass="strong", pinned="left"),
        number_column("examples", "examples", width=110),
        number_column("classes", "classes", width=96),
        number_column("labels", "labels per example", width=160),
        number_column("imbalance", "mean imbalance", width=142),
        text_column("encoders", "encoders", width=150, tooltipField="encoders"),
        text_column("sweeps", "sweeps", width=160, tooltipField="sweeps"),
        text_column("fingerprint", "fingerprint", width=168, cellClass="number"),
    ]
    few = len(shown) <= 12
    return parts.card(
        "Datasets of this store",
        html.P(
            "One row a dataset by its content, whatever sweeps call it; labels per example of the "
            "training split.",
            className="facts-line",
        ),
        table("datasets-all", columns, shown, height=None if few else 420),
    )


def register(app: Dash, source: Source) -> None:
    """Register the callbacks of the page."""
    parts.follow_context(app, "datasets")

    @app.callback(
        output={
            "classes": Output("datasets-classes-graph", "figure"),
            "classes_words": [Output(f"datasets-classes-{part}", "children") for part in _PARTS],
            "classes_notice": Output("datasets-classes-notice", "children"),
            "pairs": Output("datasets-pairs-graph", "figure"),
            "pairs_words": [Output(f"datasets-pairs-{part}", "children") for part in _PARTS],
            "pairs_notice": Output("datasets-pairs-notice", "children"),
        },
        inputs={"context": Input("datasets-context", "data"), "sweep": State("current", "data")},
        prevent_initial_call=True,
    )
    def draw(context: dict[str, Any] | None, sweep: str) -> dict[str, Any]:
        if not parts.is_ready(context):
            raise PreventUpdate
        result: dict[str, Any] = dict.fromkeys(("classes", "pairs"), no_update)
        result |= {f"{name}_words": [no_update] * 3 for name in ("classes", "pairs")}
        result |= {"classes_notice": None, "pairs_notice": None}
        try:
            data = classes_data(source, sweep)
            result["classes"] = plot_classes(data, scheme=context["scheme"], standalone=False)
            result["classes_words"] = list(parts.words(classes_text(data)))
        except Exception as error:
            result["classes"] = _NOTHING
            result["classes_notice"] = parts.notice(parts.sentence(error))
        try:
            found = co_occurrence(source, sweep)
            if found is None:
                result["pairs"] = _NOTHING
                result["pairs_words"] = ["Labels that occur together", None, _keep(sweep)]
            else:
                dataset = source.sweep(sweep).dataset
                result["pairs"] = plot_co_occurrence(
                    found, dataset=dataset, scheme=context["scheme"], standalone=False
                )
                result["pairs_words"] = list(parts.words(co_occurrence_text(found, dataset)))
        except Exception as error:
            result["pairs"] = _NOTHING
            result["pairs_notice"] = parts.notice(parts.sentence(error))
        return result


_PARTS = ("title", "facts", "caption")
_NOTHING = {
    "layout": {
        "height": 30,
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
}


def _keep(sweep: str) -> list[Any]:
    return [
        "Which labels occur together is counted from the targets that are kept with the kept "
        "cells, and this sweep has none. This command keeps its best cells:",
        parts.command(f"sigmoidf1 sweep keep {sweep}", "datasets-pairs-keep"),
    ]

"""The figures of the pages as drawings: what each page shows of a view, without the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from dashboards.figures.boxplots import THRESHOLD_RULES, boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.cell_classes import cell_classes_data, cell_classes_text
from dashboards.figures.cell_classes_plot import plot_cell_classes
from dashboards.figures.cells import find_cells, keys_of
from dashboards.figures.cells_table import cells_data
from dashboards.figures.classes import classes_data, classes_text, plot_classes
from dashboards.figures.co_occurrence_plot import plot_co_occurrence
from dashboards.figures.compare import compare_data, compare_text
from dashboards.figures.compare_plot import plot_compare
from dashboards.figures.curves import learning_data, learning_text
from dashboards.figures.curves_plot import plot_learning
from dashboards.figures.curves_threshold import threshold_data, threshold_text_of
from dashboards.figures.curves_threshold_plot import plot_threshold_curves
from dashboards.figures.dataset_statistics import co_occurrence, co_occurrence_text
from dashboards.figures.differences_plot import plot_differences
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.loss_shape import loss_shape_data, loss_shape_text
from dashboards.figures.loss_shape_plot import plot_loss_shape
from dashboards.figures.loss_table import differences_text, loss_table
from dashboards.figures.parallel import parallel_data, parallel_text
from dashboards.figures.parallel_plot import plot_parallel
from dashboards.pages import map as map_page
from dashboards.pages import paper as paper_page
from dashboards.pages.map_controls import read_view
from dashboards.pages.sensitivity_panels import PANELS, Asked
from dashboards.source import Source
from dashboards.takeaway import tables
from dashboards.takeaway.drawing import Drawing, FigureKind
from dashboards.view import View
from storage.kept_encoding import KeptFileError

_WIDTH = 1000


def _map(source: Source, sweep: str, view: View) -> Drawing:
    data, kind = map_page.view_data(source, sweep, view), read_view(view).kind
    return Drawing(
        lambda scheme: plot_heatmap(data, kind=kind, scheme=scheme),
        lambda: tables.map_table(data),
        heatmap_text(data, kind),
    )


def _boxes(source: Source, sweep: str, view: View) -> Any:
    rule = view.choice("losses.mode", THRESHOLD_RULES, "fixed")
    split = view.split or "test"
    return boxplot_data(source, sweep, split=split, threshold=view.threshold, rule=rule)


def _losses(source: Source, sweep: str, view: View) -> Drawing:
    boxes = _boxes(source, sweep, view)
    return Drawing(
        lambda scheme: plot_boxplots(boxes, scheme=scheme),
        lambda: tables.boxplot_table(boxes),
        boxplot_text(boxes),
    )


def _differences(source: Source, sweep: str, view: View) -> Drawing:
    boxes = _boxes(source, sweep, view)
    found = loss_table(boxes, reference=view.extra.get("losses.ref") or None)
    return Drawing(
        lambda scheme: plot_differences(found, scheme=scheme),
        lambda: tables.differences_table(found),
        differences_text(found),
    )


def _keys(view: View) -> list[str]:
    return view.words("curves.cells") or view.words("cell.key") or []


def _learning(name: str) -> Callable[[Source, str, View], Drawing]:
    def make(source: Source, sweep: str, view: View) -> Drawing:
        keys = _keys(view)
        data = learning_data(source, sweep, keys=keys)
        return Drawing(
            lambda scheme: plot_learning(data, name, scheme=scheme, best=not keys),
            lambda: tables.learning_table(data, name),
            learning_text(data, name, best=not keys),
        )

    return make


def _thresholds(source: Source, sweep: str, view: View) -> Drawing:
    keys, whole = _keys(view), view.extra.get("curves.whole") == "1"
    data = threshold_data(source, sweep, metric=view.metric, keys=keys)
    return Drawing(
        lambda scheme: plot_threshold_curves(data, scheme=scheme, best=not keys, whole=whole),
        lambda: tables.threshold_table(data),
        threshold_text_of(data, best=not keys),
    )


def _parallel(source: Source, sweep: str, view: View) -> Drawing:
    data = cells_data(
        source,
        sweep,
        loss=view.loss or None,
        metric=view.metric,
        split=view.split or "validation",
        threshold=view.threshold,
    )
    lines = parallel_data(data)
    return Drawing(
        lambda scheme: plot_parallel(lines, scheme=scheme), lambda: data.frame, parallel_text(lines)
    )


def _paper(source: Source, sweep: str, view: View) -> Drawing:
    return paper_page.view_drawing(source, sweep, view).alone()


def _classes(source: Source, sweep: str, view: View) -> Drawing:
    del view
    data = classes_data(source, sweep)
    return Drawing(
        lambda scheme: plot_classes(data, scheme=scheme),
        lambda: tables.classes_table(data),
        classes_text(data),
    )


def _pairs(source: Source, sweep: str, view: View) -> Drawing:
    data = co_occurrence(source, sweep, split=view.split or "test")
    if data is None:
        raise FigureError(
            "Classes are counted together on kept targets, but this sweep has none. "
            f"Run: sigmoidf1 sweep keep {sweep}."
        )
    dataset = source.sweep(sweep).dataset
    return _drawn(
        lambda scheme: plot_co_occurrence(data, dataset=dataset, scheme=scheme),
        co_occurrence_text(data, dataset),
    )


def _class_f1(source: Source, sweep: str, view: View) -> Drawing:
    keys = _keys(view)
    if len(keys) != 1:
        raise FigureError(
            f"F1 of each class is of one cell, but {len(keys)} were named. Write cell.key=KEY in "
            "the view."
        )
    key = keys_of(source, sweep, find_cells(source, sweep, keys)).popitem()[1]
    info = source.sweep(sweep)
    at = info.objective["threshold"] if view.threshold is None else view.threshold
    try:
        data = cell_classes_data(source, sweep, key, split=view.split or "test", threshold=at)
    except KeptFileError as error:
        raise FigureError(str(error)) from error
    return _drawn(lambda scheme: plot_cell_classes(data, scheme=scheme), cell_classes_text(data))


def _compare(source: Source, sweep: str, view: View) -> Drawing:
    names = [str(name) for name in source.sweeps()["name"]]
    other = view.extra.get("compare.with") or next((n for n in names if n != sweep), None)
    if other is None:
        raise FigureError("Comparing needs two sweeps, but the store holds one. Run another.")
    data = compare_data(
        source,
        sweep,
        other,
        loss=view.loss or source.losses(sweep)[0],
        metric=view.metric,
        split=view.split or "validation",
        threshold=view.threshold,
        x=view.x,
        y=view.y,
        held=view.held,
        reading=view.extra.get("compare.read") or None,  # type: ignore[arg-type]
    )
    return _drawn(lambda scheme: plot_compare(data, scheme=scheme), compare_text(data))


def _shape(source: Source, sweep: str, view: View) -> Drawing:
    key = view.extra.get("shape.cell") or None
    data = loss_shape_data(source, sweep, key=key, split=view.split or "validation")
    beta, eta = view.number("shape.beta"), view.number("shape.eta")
    kind = view.extra.get("shape.input")

    def plot(scheme: str) -> go.Figure:
        return plot_loss_shape(data, beta=beta, eta=eta, input=kind, scheme=scheme)

    return _drawn(plot, loss_shape_text(data))


def _panel(name: str) -> Callable[[Source, str, View], Drawing]:
    panel = PANELS[name]

    def make(source: Source, sweep: str, view: View) -> Drawing:
        info = source.sweep(sweep)
        asked = Asked(
            sweep,
            view.loss or source.losses(sweep)[0],
            view.metric or info.objective["metric"],
            view.split or info.objective["split"],
            info.objective["threshold"] if view.threshold is None else view.threshold,
            view.x,
            view.y,
        )
        data = panel.collect(source, asked)
        return _drawn(
            lambda scheme: panel.plot(data, scheme=scheme, width=_WIDTH), panel.text(data)
        )

    return make


def _drawn(plot: Callable[[str], go.Figure], text: Any) -> Drawing:
    return Drawing(plot, lambda: tables.traces_table(plot("light")), text)


FIGURES = (
    FigureKind("map", "a metric over two hyperparameters of one loss (paper, Figure 3)", _map),
    FigureKind("losses", "the best cell of each loss across seeds (Figures 4-8)", _losses),
    FigureKind("differences", "each loss less a reference, paired by seed", _differences),
    FigureKind("objective", "learning curves: the objective by epoch", _learning("objective")),
    FigureKind("training", "learning curves: the training loss by epoch", _learning("train_loss")),
    FigureKind("thresholds", "a metric against the threshold", _thresholds),
    FigureKind("parallel", "all cells as lines over their settings", _parallel),
    FigureKind("classes", "positives of each class", _classes),
    FigureKind("pairs", "how often classes occur together", _pairs),
    FigureKind("class-f1", "F1 of each class of one kept cell", _class_f1),
    FigureKind("compare", "two sweeps side by side on one scale", _compare),
    FigureKind("shape", "the loss's sigmoid, its gradient and the scores (Figure 2)", _shape),
    FigureKind("paper", "a figure of the paper, drawn from this sweep", _paper),
    FigureKind("shares", "shares of the variance", _panel("shares")),
    FigureKind("best-cells", "the best cells with intervals", _panel("cells")),
    FigureKind("effects", "main effects with intervals", _panel("effects")),
    FigureKind("interaction", "interaction of two hyperparameters", _panel("interaction")),
    FigureKind("seeds", "seeds needed to see a difference", _panel("seeds")),
    FigureKind("budget", "expected best of a number of cells", _panel("budget")),
    FigureKind("transfer", "regret of another dataset's best cell", _panel("transfer")),
)
"""Every figure, in the order in which it is listed."""

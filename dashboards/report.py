"""The static report: one HTML file with everything inside, readable without a network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from plotly.offline import get_plotlyjs

from dashboards.facts import METHOD, counts_text, provenance_facts, state_words, sweep_facts
from dashboards.figures.best_table import best_table
from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.classes import classes_data, classes_text, plot_classes
from dashboards.figures.grid import FigureError, varying_parameters
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_marks import heatmap_marks
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.naming import count_text
from dashboards.report_certainty import certainty_section
from dashboards.report_paper import paper_section
from dashboards.report_sections import (
    facts_list,
    figure_panel,
    legend_list,
    table_panel,
)
from dashboards.report_sensitivity import datasets_section, effects_panels
from dashboards.source import Source
from dashboards.theme import LIGHT, css_variables
from storage.errors import StoreError
from storage.store import Store

# The two thresholds that the paper reports at: the map is drawn at the one that is not the
# objective's as well, because its conclusions change between them.
_PAPER_THRESHOLDS = (0.05, 0.5)
_SAME = 1e-9


def write_report(
    store: Store | str, path: str | os.PathLike[str], sweeps: Sequence[str] | None = None
) -> Path:
    """Write the report of one or more sweeps as one self-contained HTML file.

    Per sweep: its data, encoder, plan, counts and origin; the table of best cells on validation
    and test beside the constant predictions; box plots over seeds; a map for every loss with a
    varying setting; how sure all this is, in words; main effects and interactions; positives of
    the classes; conventions and methods. With sweeps of several datasets, the losses across them;
    with sweeps of the paper's datasets, its tables beside them.
    The file is written whole or not at all.

    Args:
        store: an open store, or its URL.
        path: the file to write; its folder must exist.
        sweeps: names of sweeps; all of the store by default, the latest first.

    Returns:
        The path written.

    Raises:
        StoreError: the store cannot be read, holds no sweep, or not one of those named.
        OSError: the file cannot be written.

    Example:
        >>> write_report("sqlite:///sweeps.db", "report.html")   # doctest: +SKIP
    """
    source = Source(store, max_age_s=float("inf"))
    try:
        table = source.sweeps()
        names = list(sweeps) if sweeps else [str(name) for name in table["name"]][::-1]
        if not names:
            raise StoreError(
                "A report needs a sweep, but the store holds none. Run 'sigmoidf1 sweep run' first."
            )
        sections = [_sweep_section(source, name) for name in names]
        across = datasets_section(source, names) + paper_section(source, names)
    finally:
        source.close()
    return _write_whole(Path(path), _page(names, sections, across))


def _page(names: Sequence[str], sections: Sequence[str], across: str) -> str:
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = f"Sweep report: {', '.join(names)}"
    contents = "".join(
        f'<li><a href="#sweep-{index}">{escape(name)}</a></li>' for index, name in enumerate(names)
    )
    body = "".join(
        f'<section class="sweep" id="sweep-{index}" aria-label="{escape(name)}">{section}</section>'
        for index, (name, section) in enumerate(zip(names, sections, strict=True))
    )
    navigation = f'<nav aria-label="Sweeps"><ul class="contents">{contents}</ul></nav>'
    if len(names) == 1:
        navigation = ""
    written = datetime.now(UTC)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="icon" href="data:,">'
        f"<style>:root{{{css_variables(LIGHT)}}}\n{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>"
        '<header class="top"><h1>Sensitivity of multilabel losses</h1>'
        '<p class="lead">Which loss, with which hyperparameters, at which threshold, and how '
        f"sure: {count_text(len(names), 'sweep')}, written {written:%Y-%m-%d %H:%M} UTC.</p>"
        f"{navigation}</header><main>{body}{across}"
        f'<section class="panel"><h2>Conventions and methods</h2>{facts_list(METHOD, "method")}'
        "</section></main><footer>Made with sigmoidf1-sweeps. The loss: Bénédict, Koops, Odijk, "
        "de Rijke, “sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel "
        "Classification”, TMLR 2022.</footer></body></html>\n"
    )


def _sweep_section(source: Source, name: str) -> str:
    info = source.sweep(name)
    table = source.sweeps()
    counts = table[table["name"] == name].iloc[0]
    header = (
        f"<h2>{escape(name)}</h2><p class='lead'>{escape(state_words(counts).capitalize())}. "
        f"{escape(counts_text(counts))}.</p>{facts_list(sweep_facts(info, counts))}"
    )
    provenance = (
        "<details class='panel'><summary>Provenance as recorded</summary>"
        f"{facts_list(provenance_facts(info))}</details>"
    )
    if not counts["complete"]:
        waiting = "No replicate is complete yet, so there is nothing to draw."
        return f"{header}<p class='panel'>{waiting}</p>{provenance}"
    directions = {metric["name"]: bool(metric["higher_is_better"]) for metric in info.metrics}
    boxes = boxplot_data(source, name)
    parts = [
        header,
        table_panel(best_table(source, name), directions),
        figure_panel(plot_boxplots(boxes, standalone=False), boxplot_text(boxes), f"{name}-losses"),
        *_maps(source, name),
        certainty_section(source.analysis(name)),
        *effects_panels(source, name),
        _classes(source, name),
        provenance,
    ]
    return "".join(parts)


def _classes(source: Source, name: str) -> str:
    try:
        data = classes_data(source, name)
    except FigureError as error:
        return f"<p class='panel'>{escape(str(error))}</p>"
    return figure_panel(plot_classes(data, standalone=False), classes_text(data), f"{name}-classes")


def _maps(source: Source, name: str) -> list[str]:
    objective = source.sweep(name).objective
    panels = []
    for loss in source.losses(name):
        if not varying_parameters(source.cells(name, loss)):
            continue
        cuts: list[float | None] = [None]
        if loss == "sigmoid_f1":
            cuts += [t for t in _PAPER_THRESHOLDS if abs(t - objective["threshold"]) > _SAME]
        for threshold in cuts:
            data = heatmap_data(
                source, name, loss=loss, split=objective["split"], threshold=threshold
            )
            if threshold is not None and data.threshold == objective["threshold"]:
                continue
            panels.append(
                figure_panel(
                    plot_heatmap(data, standalone=False, width=1150),
                    heatmap_text(data),
                    f"{name}-{loss}-{data.metric}",
                    legend_list(heatmap_marks(data)),
                )
            )
    return panels


def _write_whole(path: Path, text: str) -> Path:
    """Write beside the file and rename, so that a reader never sees half a report."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes files private; a report is a file like any other.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path

"""The paper's figures from a store's own numbers, in the paper's forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboards.figures.boxplots import boxplot_data, boxplot_text
from dashboards.figures.boxplots_plot import plot_boxplots
from dashboards.figures.captions import FigureText
from dashboards.figures.grid import FigureError
from dashboards.figures.heatmap import heatmap_data
from dashboards.figures.heatmap_plot import plot_heatmap
from dashboards.figures.heatmap_text import heatmap_text
from dashboards.figures.loss_shape import SIGMOID_LOSS, loss_shape_data, loss_shape_text
from dashboards.figures.loss_shape_plot import plot_loss_shape
from dashboards.paper.blocks import differences_sentence
from dashboards.paper.choosing import find_dataset
from dashboards.paper.protocol import protocol_differences
from dashboards.source import Source
from dashboards.takeaway import tables
from dashboards.takeaway.drawing import Drawing

_WIDTHS = {"narrow": 330, "medium": 700, "wide": 1150}  # pixels
_COLUMNS = {"narrow": 1, "medium": 3, "wide": None}
_MAP_THRESHOLD = 0.5  # of Figure 3, whatever the dataset's own


class PaperFigure(NamedTuple):
    """A figure of the paper: what it shows, of which dataset, and what it leaves out."""

    title: str
    dataset: str
    kind: str
    remark: str = ""


class PaperDrawing(NamedTuple):
    """A figure of the paper drawn from a sweep.

    Attributes:
        plot: colour scheme, whether it stands alone, titled, and how wide it is (``narrow``,
            ``medium`` or ``wide``) to the figure.
        table: its numbers.
        text: title, facts and caption, with what differs in protocol.
    """

    plot: Callable[[str, bool, str], go.Figure]
    table: Callable[[], pd.DataFrame]
    text: FigureText

    def alone(self) -> Drawing:
        """Return it as a figure that stands alone, to be taken away."""
        return Drawing(lambda scheme: self.plot(scheme, True, "wide"), self.table, self.text)


FIGURES = {
    "figure2": PaperFigure("Figure 2: S(u; β, η) and its gradient", "arxiv2020", "shape"),
    "figure3": PaperFigure(
        "Figure 3: weighted F1 at t = 0.5 over β and η", "arxiv2020", "map",
        "The paper's is of DistilBERT on arXiv2020.",
    ),
    "figure4": PaperFigure("Figure 4: the losses on MS-COCO", "coco2014", "boxes"),
    "figure5": PaperFigure(
        "Figure 5: the losses on Pascal-VOC", "voc2007", "boxes",
        "The paper leaves out one outlier there (unboundedF1 below 40); here every seed is drawn.",
    ),
    "figure6": PaperFigure("Figure 6: the losses on arXiv2020", "arxiv2020", "boxes"),
    "figure7": PaperFigure(
        "Figure 7: the losses on moviePosters", "movie_posters", "boxes",
        "The paper leaves out the zeros of focal and ASL there; here every seed is drawn.",
    ),
    "figure8": PaperFigure(
        "Figure 8: the losses on arXiv2020 with moved thresholds", "arxiv2020", "averaged",
        "The paper averages thresholds over train, here over validation.",
    ),
}  # fmt: skip


def paper_figure(
    source: Source, name: str, sweeps: Mapping[str, str], *, dataset: str | None = None
) -> PaperDrawing:
    """Return a figure of the paper, drawn from the sweep that stands for its dataset.

    Args:
        source: where the numbers are read.
        name: a key of `FIGURES`.
        sweeps: the paper's dataset to the sweep that stands for it.
        dataset: another of the paper's datasets than the figure's own.

    Raises:
        FigureError: no such figure, or no sweep for it.
        StoreError: the store cannot be read.

    Source: Bénédict et al. (2022), Figures 2 to 8.
    """
    if name not in FIGURES:
        raise FigureError(
            f"A figure of the paper must be one of {', '.join(FIGURES)}, but got '{name}'."
        )
    figure = FIGURES[name]
    known = find_dataset(dataset or figure.dataset)
    if known.name not in sweeps:
        others = f" Or of another dataset: --dataset {next(iter(sweeps))}." if sweeps else ""
        raise FigureError(
            f"{figure.title} needs a sweep of {known.name}, but the store has none. Run: sigmoidf1 "
            f"paper run --dataset {known.name} --root DIR.{others}"
        )
    sweep = sweeps[known.name]
    info = source.sweep(sweep)
    differences = protocol_differences(info, known, source.losses(sweep))
    said = [figure.remark] if figure.remark and known.name == figure.dataset else []
    if known.name != figure.dataset:
        said.append(f"The paper's {name.replace('figure', 'Figure ')} is of {figure.dataset}.")
    said.append(differences_sentence(differences))
    return _drawing(source, figure, sweep, known.threshold, " ".join(said))


def _drawing(
    source: Source, figure: PaperFigure, sweep: str, threshold: float, said: str
) -> PaperDrawing:
    if figure.kind == "shape":
        shape = loss_shape_data(source, sweep)
        return PaperDrawing(
            lambda scheme, alone, size: plot_loss_shape(
                shape, scheme=scheme, standalone=alone, width=_WIDTHS[size]
            ),
            lambda: tables.traces_table(plot_loss_shape(shape)),
            _with(loss_shape_text(shape), said),
        )
    if figure.kind == "map":
        if SIGMOID_LOSS not in source.losses(sweep):
            raise FigureError(f"Figure 3 is a map of sigmoid_f1, which '{sweep}' does not have.")
        grid = heatmap_data(
            source, sweep, loss=SIGMOID_LOSS, metric="weighted_f1", split="test",
            threshold=_MAP_THRESHOLD,
        )  # fmt: skip
        return PaperDrawing(
            lambda scheme, alone, size: plot_heatmap(
                grid, scheme=scheme, standalone=alone, width=_WIDTHS[size]
            ),
            lambda: tables.map_table(grid),
            _with(heatmap_text(grid), said),
        )
    rule = "threshold_averaging" if figure.kind == "averaged" else "fixed"
    boxes = boxplot_data(source, sweep, threshold=threshold, rule=rule)
    return PaperDrawing(
        lambda scheme, alone, size: plot_boxplots(
            boxes, scheme=scheme, standalone=alone, columns=_COLUMNS[size]
        ),
        lambda: tables.boxplot_table(boxes),
        _with(boxplot_text(boxes), said),
    )


def _with(text: FigureText, said: str) -> FigureText:
    return text._replace(caption=f"{text.caption} {said}".strip())

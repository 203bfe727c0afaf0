"""The parts of the static report as HTML; every stored text is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

import plotly.graph_objects as go
import plotly.io as pio

from dashboards.facts import Fact
from dashboards.figures.best_table import SPLITS, BestRow, BestTable, Score, best_table_text
from dashboards.figures.captions import FigureText
from dashboards.figures.marks import MARKS, Kind, legend_svg
from dashboards.naming import metric_name, paper_name, score_text, sd_text, settings_text
from dashboards.theme import LIGHT, figure_config


def facts_list(facts: Iterable[Fact], style: str = "facts") -> str:
    """Return a list of named facts."""
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="{style}">{items}</dl>'


def words_list(facts: Iterable[Fact]) -> str:
    """Return findings in sentences, each under its name."""
    return facts_list(facts, "words")


def legend_list(kinds: Iterable[Kind]) -> str:
    """Return the legend of a map's marks."""
    items = "".join(
        f"<li>{legend_svg(kind, LIGHT)}<span>{escape(MARKS[kind].name)}</span></li>"
        for kind in kinds
    )
    return f'<ul class="legend" aria-label="Marks">{items}</ul>' if items else ""


def figure_panel(figure: go.Figure, text: FigureText, name: str, legend: str = "") -> str:
    """Return a figure with its title above and its small print below."""
    drawing = pio.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        config=figure_config(name),
        default_width="100%",
        default_height=f"{figure.layout.height}px",
    )
    return (
        f'<figure class="panel"><h3>{escape(text.title)}</h3>'
        f'<p class="facts-line">{escape(text.subtitle)}</p>'
        f'<div class="draw">{drawing}</div>{legend}'
        f"<figcaption>{escape(text.caption)}</figcaption></figure>"
    )


def table_panel(table: BestTable, directions: dict[str, bool]) -> str:
    """Return the table of best cells: two lines a loss, one a split, then the constant levels.

    Args:
        table: from `best_table`.
        directions: metric -> whether more is better; the best mean of each column is set bold.
    """
    text = best_table_text(table)
    head = "".join(f"<th scope='col'>{_metric_head(metric)}</th>" for metric in table.metrics)
    tops = {key: _top(table, key, directions[key[1]]) for key in _keys(table)}
    rows = "".join(_loss_rows(table, row, tops) for row in table.rows)
    levels = "".join(_level_rows(table, name) for name in table.levels)
    return (
        f'<section class="panel"><h3>{escape(text.title)}</h3>'
        f'<p class="facts-line">{escape(text.subtitle)}</p><div class="scroll"><table>'
        "<thead><tr><th class='text' scope='col'>loss</th><th class='text' scope='col'>settings"
        "</th><th scope='col'>n</th><th class='text' scope='col'>split</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody><tbody class='levels'>{levels}</tbody></table>"
        f"</div><figcaption>{escape(text.caption)}</figcaption></section>"
    )


def _keys(table: BestTable) -> list[tuple[str, str]]:
    return [(split, metric) for split in SPLITS for metric in table.metrics]


def _metric_head(metric: str) -> str:
    paper = paper_name(metric)
    note = f"<span class='paper'>paper: {escape(paper)}</span>" if paper else ""
    return f"{escape(metric_name(metric))}{note}"


def _top(table: BestTable, key: tuple[str, str], higher_is_better: bool) -> float:
    means = [row.scores[key].mean for row in table.rows if key in row.scores]
    means = [mean for mean in means if math.isfinite(mean)]
    if not means:
        return math.nan
    return max(means) if higher_is_better else min(means)


def _loss_rows(table: BestTable, row: BestRow, tops: dict[tuple[str, str], float]) -> str:
    if row.cell_id is None:
        return (
            f"<tr class='first'><td class='text'>{escape(row.loss)}</td>"
            f"<td class='text' colspan='{3 + len(table.metrics)}'>no finished cell with a complete "
            "seed</td></tr>"
        )
    lines = []
    for split in SPLITS:
        first = split == SPLITS[0]
        cells = "".join(
            _score_cell(row.scores[split, metric], tops[split, metric]) for metric in table.metrics
        )
        settings = escape(settings_text(row.settings)) or "as given"
        lead = (
            f"<td class='text' rowspan='2'><b>{escape(row.loss)}</b></td>"
            f"<td class='text settings' rowspan='2'>{settings}</td>"
            f"<td rowspan='2'>{row.n} of {row.planned}</td>"
        )
        lines.append(
            f"<tr class='{'first' if first else ''}'>{lead if first else ''}"
            f"<td class='text'>{split}</td>{cells}</tr>"
        )
    return "".join(lines)


def _score_cell(score: Score, top: float) -> str:
    style = " class='top'" if score.mean == top else ""
    spread = escape(sd_text(score.sd))
    sd = f" <span class='sd'>{spread}</span>" if spread else ""
    return f"<td{style}>{score_text(score.mean)}{sd}</td>"


def _level_rows(table: BestTable, name: str) -> str:
    label = {"predict_all": "predict-all", "predict_none": "predict-none"}.get(name, name)
    lines = []
    for split in SPLITS:
        first = split == SPLITS[0]
        level = table.levels[name]
        cells = "".join(
            f"<td>{score_text(level.get((split, metric), math.nan))}</td>"
            for metric in table.metrics
        )
        lead = (
            f"<td class='text' rowspan='2'>{escape(label)}</td>"
            "<td class='text' rowspan='2'>constant prediction</td><td rowspan='2'></td>"
        )
        lines.append(
            f"<tr class='{'first' if first else ''}'>{lead if first else ''}"
            f"<td class='text'>{split}</td>{cells}</tr>"
        )
    return "".join(lines)

"""The loss itself: S(u; β, η) and its gradient over the scores of a trained head.

Why one β and η learns and another does not: the gradient of sigmoidF1 flows through dS/du alone,
so a score at which S is flat teaches nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashboards.figures.captions import FigureText
from dashboards.figures.cells import KEY_LENGTH, cell_names, chosen_cells, keys_of
from dashboards.figures.heatmap_cells import load_plan
from dashboards.figures.loss_shape_scores import (
    SATURATED_BEYOND,
    KeptHistograms,
    Scores,
    score_histograms,
    shape_numbers,
)
from dashboards.figures.selection import BestCell
from dashboards.naming import count_text, setting_text, threshold_text
from dashboards.source import Source
from storage import frames
from storage.kept_files import load_kept_scores
from storage.store import Store

INPUTS = ("logits", "probabilities")
SIGMOID_LOSS = "sigmoid_f1"


class LossShapeData(NamedTuple):
    """One cell, its β and η, and the scores of its heads where they are kept.

    Attributes:
        sweep: name of the sweep.
        key: the cell's key; "" where the sweep has no finished cell.
        name: loss and settings of the cell.
        loss: its loss.
        beta: slope that the cell was trained with; 1 for another loss.
        eta: offset that it was trained with; 0 for another loss.
        input: what u is: ``logits`` or ``probabilities``.
        split: the split of the scores.
        threshold: the objective's threshold.
        kept: the scores; None where the cell is not kept.
        keep_command: the command that keeps it.
        kept_cells: ids of the kept cells.
    """

    sweep: str
    key: str
    name: str
    loss: str
    beta: float
    eta: float
    input: str
    split: str
    threshold: float
    kept: KeptHistograms | None
    keep_command: str
    kept_cells: tuple[int, ...]


def loss_shape_data(
    source: Source, sweep: str, *, key: str | None = None, split: str = "validation"
) -> LossShapeData:
    """Collect a cell's β and η and the scores of its kept heads.

    Args:
        source: where the numbers are read.
        sweep: name of the sweep.
        key: key of the cell or its beginning; by default the best sigmoidF1 cell, or the best
            of the first loss that has a finished one.
        split: split of the scores.

    Raises:
        FigureError: the key names no cell.
        KeptFileError: a kept file is missing or altered.
        StoreError: the store cannot be read, or has no such sweep.

    Source: Bénédict et al. (2022), Figure 2 and Eq. 6.
    """
    info = source.sweep(sweep)
    cells = chosen_cells(source, sweep, [key] if key else [])
    best = next((cell for cell in cells if cell.loss == SIGMOID_LOSS), cells[0] if cells else None)
    kept_cells = source.ask(sweep, ("kept cells",), lambda store: _kept_cells(store, sweep))
    if best is None:
        return LossShapeData(
            sweep, "", "no finished cell yet", SIGMOID_LOSS, 1.0, 0.0, "logits", split,
            float(info.objective["threshold"]), None, "", kept_cells,
        )  # fmt: skip
    whole, own = keys_of(source, sweep, [best.cell_id])[best.cell_id], best.loss == SIGMOID_LOSS
    kept = None
    if best.cell_id in kept_cells:
        kept = source.ask(
            sweep,
            ("kept histograms", whole, split),
            lambda store: _histograms(store, sweep, whole, split),
        )
    settings = _settings(source, sweep, best) if own else {}
    setting = settings.get("input")
    return LossShapeData(
        sweep=sweep,
        key=whole,
        name=cell_names([best])[0],
        loss=best.loss,
        beta=float(settings.get("beta", 1.0)),
        eta=float(settings.get("eta", 0.0)),
        input=str(setting) if setting in INPUTS else "logits",
        split=split,
        threshold=float(info.objective["threshold"]),
        kept=kept,
        keep_command=f"sigmoidf1 sweep keep {sweep} --cell {whole[:KEY_LENGTH]}",
        kept_cells=kept_cells,
    )


def _settings(source: Source, sweep: str, cell: BestCell) -> dict[str, Any]:
    """Return every setting of a cell, those that do not vary as well."""
    plan = load_plan(source, sweep, cell.loss)
    row = int(np.flatnonzero(plan.cell_ids == cell.cell_id)[0])
    found = plan.settings
    return {name: found.values[name][found.codes[name][row]] for name in found.names}


def _kept_cells(store: Store, sweep: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(int, frames.load_kept(store, sweep)["cell_id"])))


def _histograms(store: Store, sweep: str, key: str, split: str) -> KeptHistograms:
    kept = load_kept_scores(store, sweep, key, split)
    seeds, examples, classes = kept.probs.shape
    return KeptHistograms(score_histograms(kept), seeds, examples, classes)


def shape_sentences(data: LossShapeData, beta: float, eta: float, input: str) -> list[str]:
    """Say where S is steep, which scores are there, and what the smooth counts see.

    Raises:
        FigureError: β is 0.
    """
    scores = None if data.kept is None else data.kept.by_input[input]
    numbers = shape_numbers(scores or Scores(np.zeros(2), np.zeros(1), np.zeros(1)), beta, eta)
    low, high = numbers.centre - numbers.reach, numbers.centre + numbers.reach
    unit = "u" if input == "logits" else "the probability"
    lines = [
        f"S is 1/2 at {unit} = −η = {_number(numbers.centre)}, and steep between {_number(low)} "
        f"and {_number(high)}; beyond, |S − 1/2| > {SATURATED_BEYOND} and the gradient is below "
        "4 % of its maximum |β|/4."
    ]
    if beta < 0:
        lines.append("β is negative: S falls with the score, so the loss counts labels inverted.")
    if scores is None:
        return lines
    flat, steep, seen = numbers.saturated, numbers.gradient, numbers.counted
    lines.append(
        f"Saturated are {flat['positives']:.0%} of the positives and {flat['negatives']:.0%} of "
        f"the negatives; the mean gradient is {steep['positives']:.0%} of its maximum for "
        f"positives and {steep['negatives']:.0%} for negatives."
    )
    lines.append(_verdict(flat, steep))
    lines.append(
        f"The smooth counts take {seen['positives']:.0%} of the positives and "
        f"{seen['negatives']:.0%} of the negatives as predicted."
    )
    return lines


def _verdict(flat: dict[str, float], steep: dict[str, float]) -> str:
    lowest = min(steep["positives"], steep["negatives"])
    if lowest < 0.02:
        which = [kind for kind in steep if steep[kind] < 0.02]
        return (
            f"Almost no gradient reaches the {' and the '.join(which)}: from these scores such a "
            "loss could hardly learn more about them."
        )
    if max(flat.values()) < 0.05:
        return (
            "Hardly any score is saturated: S is close to a line over all of them, so every label "
            "pulls, also those that are long decided."
        )
    return (
        "The steep part lies over scores of both kinds: labels that are decided are left alone, "
        "those near the middle pull."
    )


def _number(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−")


def loss_shape_text(data: LossShapeData) -> FigureText:
    """Return the words of the figure: which head, what u is, how to read the parts."""
    facts = [data.sweep, data.name, f"{data.split} split"]
    if data.kept is not None:
        facts.append(
            f"{count_text(data.kept.n_seeds, 'seed')}, {data.kept.n_examples:,} examples × "
            f"{data.kept.n_classes:,} classes"
        )
    trained = (
        f"The head was trained with β = {setting_text(data.beta)}, η = {setting_text(data.eta)}; "
        "the sliders do not train it again."
        if data.loss == SIGMOID_LOSS
        else f"The head was trained with {data.loss}; the curves show what sigmoidF1 would see."
    )
    return FigureText(
        title="S(u; β, η), its gradient, and the scores it acts on",
        subtitle=" · ".join(facts),
        caption=(
            "S(u; β, η) = 1 / (1 + exp(−β(u + η))), Eq. 6; like the paper's Figure 2 with the step "
            "1[u ≥ −η] and the line 1/2 + β(u + η)/4, between which S lies. Below, the gradient "
            "dS/du, and the scores: shares of the positives above, of the negatives below, each "
            "adding up to one. The vertical line is the threshold "
            f"t = {threshold_text(data.threshold)}. {trained}"
        ),
    )

"""Writes exported results as a LaTeX table for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
}  # fmt: skip
_GREEK = {
    "beta": r"$\beta$",
    "eta": r"$\eta$",
    "gamma": r"$\gamma$",
    "alpha": r"$\alpha$",
    "gamma_neg": r"$\gamma^-$",
    "gamma_pos": r"$\gamma^+$",
}


def format_latex(results: Sequence[Mapping[str, Any]]) -> str:
    """Write results as a ``tabular`` of the booktabs package: a row a (sweep, loss).

    Scores are of the metric each cell was chosen by: mean over seeds, with the 95 % interval over
    seeds where the results carry statistics, else ± the sample standard deviation.

    Args:
        results: as of :func:`sweeps.export.export_best`, under ``results``.

    Returns:
        LaTeX that compiles with ``\\usepackage{booktabs}``; ends in a newline.
    """
    lines = [
        r"% \usepackage{booktabs}",
        rf"% Chosen on validation, reported on test. {_spread_words(results)}",
        r"\begin{tabular}{lllrrrr}",
        r"\toprule",
        r"dataset & loss & hyperparameters & $t$ & $n$ & validation & test \\",
        r"\midrule",
    ]
    for result in results:
        metric = result["objective"]["metric"]
        cells = [
            escape_latex(result["dataset"]),
            escape_latex(result["loss"]),
            _settings(result["hyperparameters"]),
            f"{result['objective']['threshold']:.3g}",
            str(result["n_seeds"]),
            *(_score(result, split, metric) for split in ("validation", "test")),
        ]
        lines.append(f"{' & '.join(cells)} \\\\ % {escape_latex(metric)}")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape_latex(text: str) -> str:
    """Escape LaTeX's special characters.

    Example:
        >>> escape_latex("sigmoid_f1 & 5%")
        'sigmoid\\\\_f1 \\\\& 5\\\\%'
    """
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _spread_words(results: Sequence[Mapping[str, Any]]) -> str:
    if any("intervals" in result for result in results):
        return r"In brackets: 95\% t interval over seeds, the split fixed."
    return r"After the sign: sample standard deviation over seeds, the split fixed."


def _settings(hyperparameters: Mapping[str, Any]) -> str:
    parts = []
    for name, value in hyperparameters.items():
        shown = _GREEK.get(name) or escape_latex(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = f"${value:g}$"
        else:
            text = "none" if value is None else escape_latex(str(value))
        parts.append(f"{shown}~{text}")
    return ", ".join(parts) or "--"


def _score(result: Mapping[str, Any], split: str, metric: str) -> str:
    score = result[split].get(metric)
    if score is None or score["mean"] is None:
        return "--"
    mean = f"{score['mean']:.4f}"
    interval = result.get("intervals", {}).get(split, {}).get(metric)
    if interval is not None:
        if interval["low"] is None:
            return mean
        return f"{mean} [{interval['low']:.4f}, {interval['high']:.4f}]"
    return mean if score["sd"] is None else rf"{mean} $\pm$ {score['sd']:.4f}"

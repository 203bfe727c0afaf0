"""What stored probabilities and training diagnostics say, as sentences."""

from __future__ import annotations

import numpy as np

from sweeps.sensitivity.analysis_data import Analysis, KeptCell, RuleLine, Unavailable
from sweeps.sensitivity.example_bootstrap import ExampleInterval
from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.threshold_rules import UNTUNED
from sweeps.sensitivity.words_names import count

RULES = {
    "fixed": "fixed",
    "global": "best global",
    "threshold_averaging": "Threshold Averaging",
    "per_class": "one a class",
    "per_instance": "one an example",
    "f_measure": "F-measure maximisation",
}
SATURATION = "diagnostic_saturation"
GRADIENT_START = "diagnostic_gradient_norm_start"
GRADIENT_END = "diagnostic_gradient_norm_end"
# A head whose first gradient is this far below the typical cell's hardly moves under SGD, and
# under Adam only by what rounding leaves of it.
VANISHING = 0.01


def examples_in_words(analysis: Analysis) -> str:
    """Say what another sample of examples would change, for the kept cells."""
    found = analysis.kept
    if isinstance(found, Unavailable):
        return f"{found.reason[:1].upper()}{found.reason[1:]}."
    best = next((cell for cell, kept in found.items() if not kept.against_best), None)
    text = f"Probabilities of {count(len(found), 'cell')} are kept. "
    if best is None:
        return text.strip()
    text += (
        f"The best of them: {_on_splits(found[best])} (mean over seeds; {_method(found[best])})."
    )
    sure = [
        cell
        for cell, kept in found.items()
        if (d := kept.against_best.get("test")) is not None and (d.low > 0 or d.high < 0)
    ]
    others = sum(1 for kept in found.values() if "test" in kept.against_best)
    if others:
        text += (
            f" On test, paired over the same examples, {len(sure)} of the {count(others, 'other')} "
            "differ from it by more than another sample of examples would change."
        )
    return text


def _on_splits(kept: KeptCell) -> str:
    return " and ".join(
        f"{interval.estimate:.4f} {_bounds(interval)} over {interval.n_examples:,} {split} examples"
        for split, interval in kept.intervals.items()
    )


def _method(kept: KeptCell) -> str:
    first = next(iter(kept.intervals.values()))
    return f"{first.method}, {first.level:.0%}"


def _bounds(interval: ExampleInterval) -> str:
    return f"[{interval.low:.4f}, {interval.high:.4f}]"


def rules_in_words(analysis: Analysis) -> str:
    """Say what each rule of thresholds gives on test, tuned on validation and on a holdout."""
    found = analysis.rules
    if isinstance(found, Unavailable):
        return f"No comparison of threshold rules: {found.reason}."
    fixed = found.lines[0]
    parts = [f"fixed {fixed.test.estimate:.4f} {_bounds(fixed.test)}"]
    tuned = [line for line in found.lines if line.rule not in UNTUNED]
    parts += [_rule(line) for line in tuned if line.tuned_on == "validation"]
    held = [_rule(line) for line in tuned if line.tuned_on == "holdout"]
    free = [_rule(line) for line in found.lines[1:] if line.rule in UNTUNED]
    return (
        f"On {found.n_test:,} test examples, the best kept cell with thresholds tuned on all "
        f"{found.n_validation:,} validation examples: {'; '.join(parts)}. Tuned on a holdout, a "
        f"random half of them: {'; '.join(held)}. Not tuned, the best set of labels of each "
        f"example if labels were independent: {'; '.join(free)} (gain over the fixed threshold, "
        f"paired bootstrap over examples, {fixed.test.level:.0%}; Threshold Averaging: Decubber et "
        "al. 2018, the paper's Table 4; F-measure maximisation: Dembczynski et al. 2011)."
    )


def _rule(line: RuleLine) -> str:
    text = f"{RULES.get(line.rule, line.rule)} {line.test.estimate:.4f}"
    if line.gain is not None:
        text += f" (gain {line.gain.estimate:+.4f} {_bounds(line.gain)})"
    return text


def training_in_words(analysis: Analysis) -> str:
    """Say how saturated the sigmoids are, and how large the gradients were at start and end."""
    columns = analysis.cells
    known = {
        name: columns[name]
        for name in (SATURATION, GRADIENT_START, GRADIENT_END)
        if name in columns and np.isfinite(columns[name]).any()
    }
    if not known:
        return (
            "Saturation of the sigmoid and gradient norms were not recorded when these cells were "
            "trained."
        )
    row = analysis.row()
    parts = []
    if SATURATION in known:
        values = known[SATURATION]
        own = "" if row is None else f"{values[row]:.1%} in the best cell, "
        parts.append(
            f"Share of saturated predictions, |S − 0.5| > 0.49: {own}{np.nanmin(values):.1%} to "
            f"{np.nanmax(values):.1%} over the cells."
        )
    parts += [
        _gradient(known[name], row, name == GRADIENT_START)
        for name in (GRADIENT_START, GRADIENT_END)
        if name in known
    ]
    if GRADIENT_START in known:
        parts.append(_vanishing(analysis, known[GRADIENT_START]))
    return " ".join(part for part in parts if part)


def _gradient(values: FloatArray, row: int | None, first: bool) -> str:
    own = "" if row is None else f"{values[row]:.2g} in the best cell, "
    batch = "first" if first else "last"
    return (
        f"L2 norm of a head's gradient at its {batch} batch: {own}{np.nanmin(values):.2g} to "
        f"{np.nanmax(values):.2g} over the cells."
    )


def _vanishing(analysis: Analysis, start: FloatArray) -> str:
    columns = analysis.cells
    flagged = columns["predicts_none"] | columns["predicts_all"] | columns["stuck"]
    healthy = start[~flagged & np.isfinite(start)]
    if not flagged.any() or not len(healthy):
        return ""
    small = flagged & (start < VANISHING * float(np.median(healthy)))
    return (
        f"Of the {count(int(flagged.sum()), 'collapsed cell')}, {int(small.sum())} begin with a "
        f"gradient below {VANISHING:.0%} of the median of the others."
    )

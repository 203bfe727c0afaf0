"""A comparison of losses as sentences."""

from __future__ import annotations

import math

from sweeps.sensitivity.comparison import PairedDifference
from sweeps.sensitivity.losses import LossComparison
from sweeps.sensitivity.words_names import setting_in_words


def losses_in_words(found: LossComparison, *, higher_is_better: bool = True) -> dict[str, str]:
    """Say how the losses of a sweep compare, one entry a topic, each with its method.

    Args:
        found: what :func:`~sweeps.sensitivity.losses.compare_losses` returns.
        higher_is_better: the metric's direction.

    Returns:
        topic (``chosen``, ``paired``, ``tuned``, ``against``, ``budget``, ``limits``) to text;
        topics of which nothing can be said are a sentence that says so.
    """
    ranked = sorted(
        found.chosen,
        key=lambda loss: found.chosen[loss]["validation"] * (-1 if higher_is_better else 1),
    )
    tuned = sorted(
        (loss for loss in found.chosen if "tuned" in found.chosen[loss]),
        key=lambda loss: (
            found.chosen[loss]["tuned"]["validation"] * (-1 if higher_is_better else 1)
        ),
    )
    return {
        "chosen": _chosen(found, ranked),
        "paired": _pairs(found.paired, ranked, "at the fixed threshold", higher_is_better),
        "tuned": _tuned(found, tuned)
        + _pairs(found.paired_tuned, tuned, "with both thresholds tuned", higher_is_better),
        "against": _against(found, ranked),
        "budget": _budget(found, ranked),
        "limits": _limits(found),
    }


def probability_in_words(p: float) -> str:
    """Write a probability; one that only rounds to 0 or 1 is written as a bound.

    Example:
        >>> probability_in_words(0.99999), probability_in_words(0.25)
        ('> 0.999', '0.250')
    """
    if p > 0.999:
        return "> 0.999"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference_in_words(found: PairedDifference, *, probability: bool = True) -> str:
    """Write a paired difference: ``+0.0905 [0.0851, 0.0960], better with probability > 0.999``."""
    if found.difference is None:
        return f"not comparable: {found.reason}"
    text = f"{found.difference:+.4f}"
    if found.low is None or found.high is None:
        return f"{text} (no interval: {found.reason})"
    text += f" [{found.low:.4f}, {found.high:.4f}]"
    if probability and found.p_better is not None:
        text += f", better with probability {probability_in_words(found.p_better)}"
    return text


def _chosen(found: LossComparison, ranked: list[str]) -> str:
    if not ranked:
        return "No loss has a finished cell with a value."
    parts = []
    for loss in ranked:
        entry = found.chosen[loss]
        setting = setting_in_words(entry["parameters"]) or "its only setting"
        of = f", the best of {entry['n_cells']} cells" if entry["n_cells"] > 1 else ""
        test = "nothing" if math.isnan(entry["test"]) else f"{entry['test']:.4f}"
        parts.append(
            f"{loss} ({setting}{of}): {entry['validation']:.4f} on validation, {test} on test"
        )
    return (
        "Each loss by the cell with its best mean on validation, in that order: "
        f"{'; '.join(parts)}."
    )


def _pairs(
    pairs: dict[tuple[str, str], PairedDifference],
    ranked: list[str],
    how: str,
    higher_is_better: bool,
) -> str:
    if len(ranked) < 2:
        return "No pair of losses to compare." if not ranked else "A single loss: nothing to pair."
    first = ranked[0]
    parts, n, level = [], set(), 0.0
    for other in ranked[1:]:
        difference = (
            pairs[first, other] if (first, other) in pairs else _swapped(pairs[other, first])
        )
        n.add(difference.n)
        level = difference.level
        parts.append(f"less {other} {difference_in_words(difference)}")
    seeds = " to ".join(str(count) for count in sorted({min(n), max(n)}))
    direction = "" if higher_is_better else "; a lower value is better"
    return (
        f"On test, {how}, paired by seed ({seeds} seeds): {first} {'; '.join(parts)} "
        f"(Student's t on the differences, {level:.0%} intervals; the split is one and the "
        f"same{direction})."
    )


def _swapped(d: PairedDifference) -> PairedDifference:
    def less(value: float | None) -> float | None:
        return None if value is None else -value

    def rest(value: float | None) -> float | None:
        return None if value is None else 1 - value

    return PairedDifference(
        d.n, less(d.difference), less(d.high), less(d.low), rest(d.p_better),
        rest(d.share_better), d.level, d.over, d.reason,
    )  # fmt: skip


def _tuned(found: LossComparison, tuned: list[str]) -> str:
    if not tuned:
        return "No threshold can be tuned: the metric is not kept at every threshold. "
    parts = [
        f"{loss} {found.chosen[loss]['tuned']['test']:.4f} at "
        f"t = {found.chosen[loss]['tuned']['threshold']:.3g}"
        for loss in tuned
    ]
    return f"Cell and threshold chosen together on validation, test value: {', '.join(parts)}. "


def _against(found: LossComparison, ranked: list[str]) -> str:
    lines: dict[str, list[str]] = {}
    for loss in ranked:
        for name, difference in found.against[loss].items():
            lines.setdefault(name, []).append(
                f"{loss} {difference_in_words(difference, probability=False)}"
            )
    if not lines:
        return "No constant prediction was recorded to compare with."
    return " ".join(
        f"Less {name.replace('_', '-')}, on test: {'; '.join(parts)}."
        for name, parts in lines.items()
    )


def _budget(found: LossComparison, ranked: list[str]) -> str:
    curves = {loss: found.expected_best[loss] for loss in ranked if len(found.expected_best[loss])}
    several = [loss for loss in curves if len(curves[loss]) > 1]
    if len(several) < 2:
        return "No comparison at equal budgets: fewer than two losses have several cells."
    m = min(len(curves[loss]) for loss in several)
    parts = [f"{loss} {curves[loss][m - 1]:.4f}" for loss in several]
    return (
        f"At an equal budget of {m} cells drawn at random, the best of them by validation reads on "
        f"test, in expectation: {', '.join(parts)} (Dodge et al. 2019)."
    )


def _limits(found: LossComparison) -> str:
    return " ".join(found.warnings) or "Every loss was tuned over several cells."

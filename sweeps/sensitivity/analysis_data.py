"""What an analysis is asked, what it rests on, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.sensitivity.anova import Anova
from sweeps.sensitivity.effects import MainEffect
from sweeps.sensitivity.example_bootstrap import ExampleInterval
from sweeps.sensitivity.importance import Importance
from sweeps.sensitivity.mcb import TiedSet
from sweeps.sensitivity.optimism import Optimism
from sweeps.sensitivity.plain import to_plain
from sweeps.sensitivity.probability import ProbabilityBest
from sweeps.sensitivity.rules import Choice
from sweeps.sensitivity.seed_table import FloatArray
from sweeps.sensitivity.simple_effects import SimpleEffect
from sweeps.sensitivity.sobol import SobolIndices
from sweeps.sensitivity.threshold_rules import RuleScore
from sweeps.sensitivity.thresholds import ThresholdRegret


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is analysed: one metric of one loss of one sweep, on one split at one threshold.

    Attributes:
        sweep: name of the sweep.
        loss: name of the loss.
        metric: name of the metric.
        split: ``validation`` to choose by; any other split is only described.
        threshold: the cut, or None for a metric that takes none.
        higher_is_better: the metric's direction.
        bounded: whether the metric lives in [0, 1].
    """

    sweep: str
    loss: str
    metric: str
    split: str
    threshold: float | None
    higher_is_better: bool = True
    bounded: bool = True


@dataclass(frozen=True)
class Unavailable:
    """A statistic that cannot be given, and why, in words for a reader."""

    reason: str


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """One metric at every kept threshold, aligned with the cells and seeds of an analysis.

    Attributes:
        thresholds: (T,) increasing.
        validation: (T, K, S), NaN for no value.
        test: (T, K, S), or None.
    """

    thresholds: FloatArray
    validation: FloatArray
    test: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class KeptScores:
    """Stored probabilities of some cells, and the labels they belong to.

    Attributes:
        validation: cell id to (S, N, C).
        validation_targets: (N, C).
        test: cell id to (S, M, C); may lack cells.
        test_targets: (M, C); None without test.
    """

    validation: Mapping[int, npt.NDArray[np.floating]]
    validation_targets: npt.NDArray[Any]
    test: Mapping[int, npt.NDArray[np.floating]] = field(default_factory=dict)
    test_targets: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class NoiseSummary:
    """Seed noise of the compared cells, see :class:`~sweeps.sensitivity.variances.SeedNoise`.

    ``residual_sd`` is pooled; ``typical_sd`` is the median cell's where their noise differs, and
    ``smallest_sd`` and ``largest_sd`` are the cells' own.
    """

    n_cells: int
    n_seeds: int
    residual_sd: float
    typical_sd: float
    seed_sd: float
    df_residual: float
    homogeneity_p: float
    homogeneous: bool
    smallest_sd: float
    largest_sd: float


@dataclass(frozen=True)
class SeedsNeeded:
    """What the current seeds can show, and what more would.

    Attributes:
        n: seeds now.
        sd_difference: sd over seeds of a paired difference, of the cells compared.
        detectable: difference shown with 80 % power at the current n, by a paired t test of two
            cells alone (5 %).
        needed: wanted difference to the seeds it takes; None above 10,000.
        method: how, in words.
    """

    n: int
    sd_difference: float
    detectable: float
    needed: dict[str, int | None]
    method: str


@dataclass(frozen=True)
class KeptCell:
    """What stored probabilities add to a cell.

    Attributes:
        intervals: split to its interval over examples, at the question's threshold.
        against_best: split to the paired interval over examples of this cell less the best kept
            cell; empty for the best itself.
        threshold_rules: fixed, global, Threshold Averaging, per class, per instance, F-measure
            maximisation; a threshold that differs from example to example is given by its mean.
    """

    intervals: dict[str, ExampleInterval]
    against_best: dict[str, ExampleInterval]
    threshold_rules: list[RuleScore] | Unavailable


@dataclass(frozen=True)
class RuleLine:
    """One threshold rule of one cell, tuned on one set of examples and read on test.

    Attributes:
        rule: its name.
        tuned_on: ``validation``: all its examples, which chose the cell as well; ``holdout``: a
            random half of them, which chose nothing. Of a rule that is not tuned, what it is
            also read on.
        tuned: mean over seeds of its score on what it was tuned on; biased upwards.
        test: score on test, interval over examples.
        gain: score on test less that of the fixed threshold, paired over examples; None for it.
        threshold: mean over seeds (and classes or examples) of the threshold; of F-measure
            maximisation over the examples that get a label, NaN where none does.
    """

    rule: str
    tuned_on: str
    tuned: float
    test: ExampleInterval
    gain: ExampleInterval | None
    threshold: float


@dataclass(frozen=True)
class RuleTable:
    """Every threshold rule on one cell.

    Attributes:
        cell_id: the best kept cell by the question's value.
        lines: the rules.
        n_validation: examples of ``validation``.
        n_holdout: examples of ``holdout``.
        n_test: examples of test.
    """

    cell_id: int
    lines: list[RuleLine]
    n_validation: int
    n_holdout: int
    n_test: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """Everything a report says of one question; a part is the result or :class:`Unavailable`.

    Attributes:
        question: what was asked.
        counts: replicates by state, ``missing`` ones too.
        cells: one column a name, one entry a cell in the plan's order: ``cell_id``, the
            parameters, moments, both intervals (``low``/``high`` by the cell's own variance,
            ``shared_low``/``shared_high``), counts, flags, neighbourhood values, probability of
            being best, selection frequency, tied, diagnostics.
        intervals: what the two intervals are, in words.
        set_apart: how many cells are flagged, by kind, and stopped by a race or a pruner.
        noise: seed noise.
        compared: rows of ``cells`` in the comparisons with the best, and why others are not.
        anova: variance table of the cells that are not flagged.
        simple_effects: of a two-parameter grid.
        main_effects: the mean at each level of each parameter.
        importance: Optuna's estimates, for designs that are no grid (or when asked).
        sobol: indices of a Saltelli design.
        choices: the cell of each rule.
        choice_values: the same, with setting, flags, value, and value on test where given.
        probability: probability of being best, aligned with ``compared``.
        tied: the tied set, aligned with ``compared``.
        plateau: share of the grid within ε of the best.
        optimism: of choosing a cell; over examples when probabilities are kept, else over seeds.
        optimism_tuned: of choosing a cell and its threshold together.
        threshold: fixed against tuned.
        trade_off: slope and correlation of the tuned logit(t) on η.
        baseline: against predict-all and predict-none.
        expected_best: expected best of m cells, for every m.
        kept: intervals over examples and threshold rules of kept cells.
        rules: every threshold rule on the best kept cell, with intervals over examples.
        seeds: how many seeds.
        design: what chose the cells: ``sampler``, where it is no plain grid, and ``racing``.
    """

    question: Question
    counts: dict[str, int]
    cells: dict[str, Any]
    intervals: dict[str, str]
    set_apart: dict[str, Any]
    noise: NoiseSummary | Unavailable
    compared: dict[str, Any]
    anova: Anova | Unavailable
    simple_effects: list[SimpleEffect] | Unavailable
    main_effects: list[MainEffect] | Unavailable
    importance: list[Importance] | Unavailable
    sobol: SobolIndices | Unavailable
    choices: list[Choice]
    choice_values: list[dict[str, Any]]
    probability: ProbabilityBest | Unavailable
    tied: TiedSet | Unavailable
    plateau: dict[str, Any]
    optimism: Optimism | Unavailable
    optimism_tuned: Optimism | Unavailable
    threshold: ThresholdRegret | Unavailable
    trade_off: tuple[float, float] | Unavailable
    baseline: dict[str, Any] | Unavailable
    expected_best: dict[str, Any] | Unavailable
    kept: dict[int, KeptCell] | Unavailable
    rules: RuleTable | Unavailable
    seeds: SeedsNeeded | Unavailable
    design: dict[str, Any]

    def row(self, rule: str = "mean") -> int | None:
        """Return the row of ``cells`` that a rule chooses."""
        return next(choice.row for choice in self.choices if choice.rule == rule)

    def to_dict(self) -> dict[str, Any]:
        """Return the analysis as plain values that JSON can hold; NaN is None."""
        plain: dict[str, Any] = to_plain(self)
        return plain

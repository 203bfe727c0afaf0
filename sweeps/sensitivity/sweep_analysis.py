"""Everything that is said of a stored sweep: each loss, and the losses against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage.store import Store
from sweeps.errors import SweepError
from sweeps.sensitivity.analysis_data import Analysis, ThresholdCurves, Unavailable
from sweeps.sensitivity.losses import LossComparison
from sweeps.sensitivity.reading import analyse_stored, find_metric, read_curves
from sweeps.sensitivity.reading_losses import compare_stored
from sweeps.sensitivity.sweep_frames import SweepFrames
from sweeps.sensitivity.words import in_words
from sweeps.sensitivity.words_losses import losses_in_words
from sweeps.wording import suggestion


@dataclass(frozen=True, eq=False)
class SweepAnalysis:
    """The statistics of one sweep, metric, split and threshold.

    Attributes:
        sweep: name of the sweep.
        dataset: its dataset.
        metric: name of the metric.
        split: where cells are compared.
        threshold: the cut; None for a metric that takes none.
        higher_is_better: the metric's direction.
        losses: loss to its analysis, in the order of the plan.
        comparison: the losses against each other; always chosen on validation, read on test.
    """

    sweep: str
    dataset: str
    metric: str
    split: str
    threshold: float | None
    higher_is_better: bool
    losses: dict[str, Analysis]
    comparison: LossComparison

    def words(self) -> dict[str, dict[str, str]]:
        """Return loss to topic to sentences: see :func:`sweeps.sensitivity.words.in_words`."""
        return {loss: in_words(analysis) for loss, analysis in self.losses.items()}

    def comparison_words(self) -> dict[str, str]:
        """Return topic to sentences of the comparison of losses."""
        return losses_in_words(self.comparison, higher_is_better=self.higher_is_better)

    def to_dict(self) -> dict[str, Any]:
        """Return the words and the numbers as plain values that JSON can hold; NaN is None."""
        words = self.words()
        return {
            "sweep": self.sweep,
            "dataset": self.dataset,
            "metric": self.metric,
            "split": self.split,
            "threshold": self.threshold,
            "losses": {
                loss: {"words": words[loss], **analysis.to_dict()}
                for loss, analysis in self.losses.items()
            },
            "comparison": {"words": self.comparison_words(), **self.comparison.to_dict()},
        }


def analyse_sweep(
    store: Store,
    sweep: str,
    *,
    losses: Sequence[str] | None = None,
    metric: str | None = None,
    split: str = "validation",
    threshold: float | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> SweepAnalysis:
    """Compute every statistic of a stored sweep: of each loss, and of the losses together.

    Args:
        store: an open store.
        sweep: the sweep's name.
        losses: only these, in this order; all of the plan when None.
        metric: the objective's by default.
        split: ``validation`` to choose by; ``test`` only describes.
        threshold: a kept one in (0, 1); the objective's by default.
        level: nominal coverage of every interval.
        seed: of every random draw.

    Returns:
        The statistics. What cannot be given is a sentence that says why.

    Raises:
        SweepError: the sweep has no such metric or loss, or no cell at all.
        StoreError: the sweep, split or threshold is not there.

    Example:
        >>> with Store.open("sqlite:///sweeps.db") as store:              # doctest: +SKIP
        ...     found = analyse_sweep(store, "movie-genres")
        >>> found.words()["sigmoid_f1"]["tied"]                           # doctest: +SKIP
        '32 of 109 compared cells cannot be told from the best; …'
    """
    read = SweepFrames(store, sweep)
    info, cells = read.info, read.cells
    name, entry = find_metric(info, metric)
    planned = list(dict.fromkeys(cells.sort_values("ordinal")["loss"]))
    if not planned:
        raise SweepError(
            f"An analysis needs cells, but sweep {sweep!r} has none. "
            "Plan it with 'sigmoidf1 sweep run'."
        )
    wanted = planned if losses is None else list(dict.fromkeys(losses))
    curves: dict[str, ThresholdCurves | Unavailable | None] = {}
    for loss in wanted:
        if loss not in planned:
            raise SweepError(f"Unknown loss {loss!r}. {suggestion(loss, planned)}")
        own = cells[cells["loss"] == loss]
        curves[loss] = read_curves(store, info, own, loss, entry, True)
    analyses = {
        loss: analyse_stored(
            store, sweep, loss, metric=name, split=split, threshold=threshold,
            curves=curves[loss] or False, level=level, seed=seed, read=read,
        )
        for loss in wanted
    }  # fmt: skip
    return SweepAnalysis(
        sweep=info.name,
        dataset=info.dataset,
        metric=name,
        split=split,
        threshold=analyses[wanted[0]].question.threshold,
        higher_is_better=bool(entry["higher_is_better"]),
        losses=analyses,
        comparison=compare_stored(
            store, sweep, losses=wanted, metric=name, threshold=threshold, curves=curves,
            level=level, read=read,
        ),
    )  # fmt: skip

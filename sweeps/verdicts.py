"""What verifying an export found, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sweeps.agreement import TOLERANCE, Agreement


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether one exported cell is what its file says.

    Attributes:
        sweep: the sweep's name.
        dataset: its dataset.
        loss: the cell's loss.
        problems: what in the file contradicts itself or the data, one line each.
        agreement: the metrics trained again against the file's; None when nothing could be trained.
        metric: what the cell was chosen by.
        recorded: split to the file's mean over seeds of that metric.
        now: split to the mean over seeds when trained again.
        same_embeddings: whether the embeddings are the sweep's to the bit; None where the file
            does not say.
    """

    sweep: str
    dataset: str
    loss: str
    problems: list[str] = field(default_factory=list)
    agreement: Agreement | None = None
    metric: str = ""
    recorded: dict[str, float] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)
    same_embeddings: bool | None = None

    @property
    def ok(self) -> bool:
        """Nothing contradicts, and every metric agrees to the bit or within the tolerance."""
        return not self.problems and self.agreement is not None and self.agreement.close

    def lines(self) -> Iterator[str]:
        """Say it: first the verdict, then what is wrong."""
        name = f"{self.sweep} ({self.dataset}), {self.loss}"
        found = self.agreement
        if found is None:
            yield f"{name}: NOT verified."
        elif self.ok and found.exact:
            yield f"{name}: verified. All {found.compared} metrics are equal to the bit."
        elif self.ok:
            yield (
                f"{name}: verified. All {found.compared} metrics agree within "
                f"{found.largest:.1g} (allowed: {TOLERANCE:g}); {found.different} are not equal to "
                f"the bit: {self._why_not_exact()}."
            )
        else:
            yield (
                f"{name}: NOT verified. {found.different} of {found.compared} metrics differ"
                f"{f', by up to {found.largest:.4g}' if found.different else ''}."
            )
        yield from (f"  {problem}" for problem in self.problems)
        if found is not None and not found.close:
            yield f"  Largest difference: {found.where}."

    def _why_not_exact(self) -> str:
        if self.same_embeddings is False:
            return "the inputs were embedded again, which rounded otherwise"
        if self.same_embeddings:
            return "the embeddings are the same, so processor, library or device are others"
        return "another processor, library, device or embedding of the inputs rounds otherwise"

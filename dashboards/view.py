"""What a page shows, as the query of its address: a link reproduces the view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

SPLITS = ("validation", "test")
_HOLD = "hold."


class ViewError(ValueError):
    """An address asks for what cannot be; the text is one line: rule, what was got, what to do."""


@dataclass(frozen=True)
class View:
    """The view of a page; None leaves the choice to the page.

    Attributes:
        sweep: name of the sweep.
        loss: name of the loss.
        metric: name of the metric.
        split: ``validation`` or ``test``.
        threshold: the threshold, in (0, 1).
        x: hyperparameter across.
        y: hyperparameter upwards.
        held: value, or ``average``, of each other hyperparameter.
    """

    sweep: str | None = None
    loss: str | None = None
    metric: str | None = None
    split: str | None = None
    threshold: float | None = None
    x: str | None = None
    y: str | None = None
    held: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, search: str | None) -> View:
        """Read the query of an address, such as ``?sweep=films&t=0.05``.

        Raises:
            ViewError: the split or the threshold is not one.
        """
        query = dict(parse_qsl((search or "").removeprefix("?")))
        split = query.get("split")
        if split is not None and split not in SPLITS:
            raise ViewError(
                f"The split of an address must be {' or '.join(SPLITS)}, but got '{split}'."
            )
        return cls(
            sweep=query.get("sweep"),
            loss=query.get("loss"),
            metric=query.get("metric"),
            split=split,
            threshold=_threshold(query.get("t")),
            x=query.get("x"),
            y=query.get("y"),
            held={k.removeprefix(_HOLD): v for k, v in query.items() if k.startswith(_HOLD)},
        )

    def query(self) -> str:
        """Write the view as the query of an address, ``""`` when it holds nothing."""
        items: dict[str, Any] = {
            "sweep": self.sweep,
            "loss": self.loss,
            "metric": self.metric,
            "split": self.split,
            "t": None if self.threshold is None else f"{self.threshold:.6g}",
            "x": self.x,
            "y": self.y,
        }
        items |= {_HOLD + name: value for name, value in self.held.items()}
        given = {key: value for key, value in items.items() if value is not None}
        return f"?{urlencode(given)}" if given else ""


def _threshold(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = float("nan")
    if not 0.0 < threshold < 1.0:
        raise ViewError(
            f"The threshold t of an address must be a number between 0 and 1, but got '{text}'."
        )
    return threshold

"""What a page shows, as the query of its address: a link reproduces the view."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

SPLITS = ("validation", "test")
_HOLD = "hold."
_KNOWN = ("sweep", "loss", "metric", "split", "t", "x", "y")
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_LONGEST = 400


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
        extra: whatever else a page keeps, ``PAGE.NAME`` to its text (``map.agg`` to ``median``);
            read it with `choice`, `number` and `words`, write it with `having`.
    """

    sweep: str | None = None
    loss: str | None = None
    metric: str | None = None
    split: str | None = None
    threshold: float | None = None
    x: str | None = None
    y: str | None = None
    held: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, search: str | None) -> View:
        """Read the query of an address, such as ``?sweep=films&t=0.05&map.agg=median``.

        Raises:
            ViewError: the split or the threshold is not one, or a name or text is no such thing.
        """
        query = dict(parse_qsl((search or "").removeprefix("?")))
        split = query.get("split")
        if split is not None and split not in SPLITS:
            raise ViewError(
                f"The split of an address must be {' or '.join(SPLITS)}, but got '{split}'."
            )
        rest = {k: v for k, v in query.items() if k not in _KNOWN and not k.startswith(_HOLD)}
        for name, text in rest.items():
            if not _NAME.fullmatch(name) or len(text) > _LONGEST:
                raise ViewError(
                    "An address names its settings in small letters, each with at most "
                    f"{_LONGEST} characters, but got '{name[:40]}={text[:40]}'."
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
            extra=rest,
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
        items |= self.extra
        given = {key: value for key, value in items.items() if value is not None}
        return f"?{urlencode(given)}" if given else ""

    def having(self, **extra: object) -> View:
        """Return the view with more in `extra`; None takes a name out, ``_`` in it is a dot.

        Example:
            >>> View(sweep="films").having(map_agg="median", map_low=None).query()
            '?sweep=films&map.agg=median'
        """
        kept = dict(self.extra)
        for name, value in extra.items():
            dotted = name.replace("_", ".", 1)
            kept.pop(dotted, None)
            if value is not None:
                kept[dotted] = f"{value:.6g}" if isinstance(value, float) else str(value)
        return replace(self, extra=kept)

    def choice(self, name: str, known: Sequence[str], default: str) -> str:
        """Return the text under ``name`` of `extra`, one of ``known``, or the default.

        Raises:
            ViewError: it is none of them.
        """
        text = self.extra.get(name, default)
        if text not in known:
            raise ViewError(
                f"The address's {name} must be one of {', '.join(known)}, but got '{text}'."
            )
        return text

    def number(self, name: str, *, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Return the number under ``name`` of `extra`, or None where there is none.

        Raises:
            ViewError: it is no number, or lies outside of ``low`` to ``high``.
        """
        text = self.extra.get(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            within = f" from {low:g} to {high:g}" if math.isfinite(low) else ""
            raise ViewError(f"The address's {name} must be a number{within}, but got '{text}'.")
        return value

    def words(self, name: str) -> list[str] | None:
        """Return the texts under ``name`` of `extra`, parted by commas, or None."""
        text = self.extra.get(name)
        return None if text is None else [word for word in text.split(",") if word]


def _threshold(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0.0 < threshold < 1.0:
        raise ViewError(
            f"The threshold t of an address must be a number between 0 and 1, but got '{text}'."
        )
    return threshold

"""Filters and orders of the table of cells, from AG Grid's models and as text of an address."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboards.figures.grid import FigureError

FilterModel = Mapping[str, Mapping[str, Any]]


def filter_cells(frame: pd.DataFrame, model: FilterModel) -> pd.DataFrame:
    """Return the rows that meet every column's filter.

    Args:
        frame: rows of cells.
        model: AG Grid's filter model: column to ``{"filterType", "type", "filter"}``, or to
            ``{"operator", "conditions"}``. Ranges hold their ends.

    Raises:
        FigureError: a column or a kind of filter is unknown.
    """
    keep = np.ones(len(frame), dtype=bool)
    for column, wanted in model.items():
        _known(frame, column)
        conditions = wanted.get("conditions") or [wanted]
        met = [_meets(frame[column], condition) for condition in conditions]
        join = np.logical_or if wanted.get("operator") == "OR" else np.logical_and
        keep &= join.reduce(met)
    return frame[keep]


def sort_cells(frame: pd.DataFrame, model: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows in the order of AG Grid's sort model; unknown values come last.

    Raises:
        FigureError: a column is unknown.
    """
    for item in reversed(model):
        _known(frame, item["colId"])
        values = frame[item["colId"]]
        kinds = values.map(lambda value: 2 if _absent(value) else int(isinstance(value, str)))
        order = pd.DataFrame(
            {
                "kind": kinds,
                "number": values.where(kinds == 0).astype(float),
                "word": values.where(kinds == 1, "").astype(str),
            },
            index=frame.index,
        )
        ascending = item.get("sort") != "desc"
        order = order.sort_values(
            ["kind", "number", "word"], ascending=[True, ascending, ascending], kind="stable"
        )
        frame = frame.loc[order.index]
    return frame


def order_text(model: Sequence[Mapping[str, str]]) -> str:
    """Write a sort model for an address.

    Example:
        >>> order_text([{"colId": "mean", "sort": "desc"}, {"colId": "beta", "sort": "asc"}])
        'mean:desc,beta:asc'
    """
    return ",".join(f"{item['colId']}:{item['sort']}" for item in model)


def parse_order(text: str | None) -> list[dict[str, str]]:
    """Return the sort model that an address holds, as `order_text` writes it.

    Raises:
        FigureError: the text is no order.
    """
    model = []
    for item in filter(None, (text or "").split(",")):
        column, _, way = item.rpartition(":")
        if not column or way not in ("asc", "desc"):
            raise FigureError(
                "An order of cells is COLUMN:asc or COLUMN:desc, parted by commas, but got "
                f"'{item}'."
            )
        model.append({"colId": column, "sort": way})
    return model


def _known(frame: pd.DataFrame, column: str) -> None:
    if column not in frame.columns:
        raise FigureError(
            f"Cells are filtered and ordered by a column, but got '{column}'. "
            f"Choose one of: {', '.join(map(str, frame.columns))}."
        )


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _meets(values: pd.Series, condition: Mapping[str, Any]) -> np.ndarray:
    kind, wanted = condition.get("type"), condition.get("filter")
    if condition.get("filterType") == "text":
        words = values.map(lambda value: "" if _absent(value) else str(value)).str.lower()
        text = str(wanted).lower()
        if kind == "equals":
            return (words == text).to_numpy(bool)
        if kind == "contains":
            return words.str.contains(text, regex=False).to_numpy(bool)
    else:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
        low, high = _bounds(kind, wanted, condition.get("filterTo"))
        if low is not None and high is not None:
            with np.errstate(invalid="ignore"):
                return np.asarray((numbers >= low) & (numbers <= high))
    raise FigureError(f"Cells cannot be filtered by '{kind}'. Clear the filter and choose another.")


def _bounds(kind: Any, first: Any, second: Any) -> tuple[float | None, float | None]:
    if kind == "equals":
        # A number that was written with six digits finds the one it was written from.
        slack = 1e-6 * abs(float(first))
        return float(first) - slack, float(first) + slack
    if kind in ("greaterThan", "greaterThanOrEqual"):
        return float(first), math.inf
    if kind in ("lessThan", "lessThanOrEqual"):
        return -math.inf, float(first)
    if kind == "inRange":
        return float(first), float(second)
    return None, None


def filter_text(model: FilterModel) -> str | None:
    """Write a filter model as text of an address; None when it filters nothing.

    Example:
        >>> filter_text({"beta": {"filterType": "number", "type": "inRange",
        ...                       "filter": 5, "filterTo": 12.5}})
        'beta:5..12.5'
    """
    items = []
    for column, wanted in model.items():
        conditions = wanted.get("conditions") or [wanted]
        if conditions[0].get("filterType") == "text":
            sign = "~" if conditions[0].get("type") == "contains" else ""
            items.append(f"{column}:{sign}{'|'.join(str(c.get('filter')) for c in conditions)}")
        else:
            low, high = _bounds(
                conditions[0].get("type"),
                conditions[0].get("filter"),
                conditions[0].get("filterTo"),
            )
            items.append(f"{column}:{_end(low)}..{_end(high)}")
    return ";".join(items) or None


def _end(value: float | None) -> str:
    return "" if value is None or math.isinf(value) else f"{value:.7g}"


def parse_filter(text: str | None) -> dict[str, dict[str, Any]]:
    """Read what `filter_text` wrote.

    Raises:
        FigureError: it is no such text.

    Example:
        >>> parse_filter("beta:5..;loss:asl|focal")["beta"]
        {'filterType': 'number', 'type': 'greaterThanOrEqual', 'filter': 5.0}
    """
    model: dict[str, dict[str, Any]] = {}
    for item in filter(None, (text or "").split(";")):
        column, colon, wanted = item.partition(":")
        if not colon or not column or not wanted:
            raise _unreadable(item)
        if ".." in wanted:
            model[column] = _range(item, wanted)
            continue
        kind = "contains" if wanted.startswith("~") else "equals"
        texts = wanted.removeprefix("~").split("|")
        conditions = [{"filterType": "text", "type": kind, "filter": text} for text in texts]
        model[column] = (
            conditions[0]
            if len(conditions) == 1
            else {"filterType": "text", "operator": "OR", "conditions": conditions}
        )
    return model


def _range(item: str, wanted: str) -> dict[str, Any]:
    first, _, last = wanted.partition("..")
    try:
        low, high = (float(end) if end else None for end in (first, last))
    except ValueError:
        raise _unreadable(item) from None
    if low is not None and high is not None:
        return {"filterType": "number", "type": "inRange", "filter": low, "filterTo": high}
    if low is None and high is None:
        raise _unreadable(item)
    kind = "lessThanOrEqual" if low is None else "greaterThanOrEqual"
    return {"filterType": "number", "type": kind, "filter": high if low is None else low}


def _unreadable(item: str) -> FigureError:
    return FigureError(
        f"A filter of an address is column:low..high or column:word|word, but got '{item}'. "
        "Take it out of the address, and filter in the table."
    )

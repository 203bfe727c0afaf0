"""Tables of results: columns checked, every row a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from storage.errors import RecordError
from storage.imported_results import ImportedResult
from storage.plan_rows import MAX_SEED
from storage.planning import not_found
from storage.records import SPLITS, STATES

SEED, LOSS, STATE = "seed", "loss", "state"

_OF_OPTUNA = {"fail": "failed"}


def read_state(text: str, where: str) -> str:
    """A state by its name here or in Optuna, in any case.

    Raises:
        RecordError: it is neither.
    """
    state = _OF_OPTUNA.get(text.strip().lower(), text.strip().lower())
    if state not in STATES:
        raise RecordError(f"In {where}: {not_found('state', text, STATES)}")
    return state


def read_table(
    frame: pd.DataFrame,
    *,
    value: str,
    metrics: Mapping[str, tuple[str, str]],
    parameters: Sequence[str] | None,
    loss: str,
    split: str,
) -> tuple[list[ImportedResult], int]:
    """The finished rows of a table, and how many are not; see `import_results`."""
    columns = [str(column) for column in frame.columns]
    if twice := next((c for c in columns if columns.count(c) > 1), None):
        raise RecordError(f"A table's columns have distinct names, but got {twice!r} twice.")
    for column in [value, *metrics, *(parameters or ())]:
        if column not in columns:
            raise RecordError(not_found("column", column, columns))
    for wanted_split, _ in metrics.values():
        if wanted_split not in SPLITS:
            raise RecordError(f"A split is one of {SPLITS}, but got {wanted_split!r}.")
    special = {value, *metrics, SEED, LOSS, STATE}
    setting = [c for c in columns if c not in special] if parameters is None else list(parameters)
    if clash := special.intersection(setting):
        raise RecordError(f"A parameter is no other column, but got {sorted(clash)[0]!r}.")
    if not setting:
        raise RecordError(
            f"A table of results has columns of parameters, but got only {', '.join(columns)}."
        )
    frame = frame.set_axis(columns, axis=1)
    numbers = {column: _numbers(frame[column], column) for column in [value, *metrics]}
    keys = {value: (split, value), **metrics}
    now = datetime.now(UTC)
    found: list[ImportedResult] = []
    skipped = 0
    plain = {column: [_plain(v) for v in frame[column].tolist()] for column in columns}
    for k in range(len(frame)):
        where = f"row {k + 1}"
        number = float(numbers[value][k])
        state = "complete" if np.isfinite(number) else "failed"
        if STATE in columns and plain[STATE][k] is not None:
            state = read_state(str(plain[STATE][k]), where)
        if state in ("waiting", "running"):
            skipped += 1
            continue
        if state == "complete" and np.isnan(number):
            raise RecordError(
                f"A complete result has a value, but {where} has none in {value!r}. "
                "Give it, or mark the row as failed."
            )
        found.append(
            ImportedResult(
                loss=str(plain[LOSS][k] or loss) if LOSS in columns else loss,
                parameters={c: v for c in setting if (v := plain[c][k]) is not None},
                seed=_seed(plain[SEED][k], where) if SEED in columns else 0,
                state=state,
                reason=None if state == "complete" else f"{state} in the imported table",
                scores={keys[column]: float(values[k]) for column, values in numbers.items()},
                curve={},
                started_at=now,
                finished_at=now,
                where=where,
            )
        )
    return found, skipped


def _numbers(column: pd.Series[Any], name: str) -> np.ndarray[Any, Any]:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
    if len(wrong):
        k = int(wrong[0])
        raise RecordError(
            f"The column {name!r} holds numbers, but row {k + 1} has {column.iloc[k]!r}."
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _seed(value: Any, where: str) -> int:
    try:
        seed = int(value)
        whole = seed == float(value)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or not 0 <= seed <= MAX_SEED:
        raise RecordError(f"A seed is an integer in 0 … {MAX_SEED}, but {where} has {value!r}.")
    return seed


def _plain(value: Any) -> Any:
    """A cell of the table as JSON holds it; None for a missing one."""
    if isinstance(value, np.generic):
        value = value.item()
    missing = value is None or value is pd.NA or value is pd.NaT
    return None if missing or (isinstance(value, float) and np.isnan(value)) else value

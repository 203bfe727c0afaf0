"""Tables: AG Grid in the colours of the page, with columns described once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid as dag

GRID_THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--surface)', foregroundColor: 'var(--ink)', "
    "borderColor: 'var(--line)', headerBackgroundColor: 'var(--surface)', "
    "headerTextColor: 'var(--muted)', chromeBackgroundColor: 'var(--surface)', "
    "rowHoverColor: 'color-mix(in srgb, var(--accent) 8%, transparent)', "
    "selectedRowBackgroundColor: 'color-mix(in srgb, var(--accent) 16%, transparent)', "
    "accentColor: 'var(--accent)', fontFamily: 'inherit', fontSize: 13, headerFontWeight: 600, "
    "headerColumnResizeHandleColor: 'transparent', wrapperBorder: false, "
    "wrapperBorderRadius: 0, columnBorder: false, spacing: 6})"
)


def text_column(field: str, header: str, *, width: int = 150, **rest: Any) -> dict[str, Any]:
    """Return a column of words."""
    return {"field": field, "headerName": header, "width": width, **rest}


def number_column(field: str, header: str, *, width: int = 110, **rest: Any) -> dict[str, Any]:
    """Return a column of numbers, or of numbers already written as text, right-aligned."""
    return {
        "field": field,
        "headerName": header,
        "width": width,
        "type": "rightAligned",
        "cellClass": ["number", "ag-right-aligned-cell"],
        **rest,
    }


def table(
    name: str,
    columns: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]] = (),
    *,
    height: int | None = None,
    options: Mapping[str, Any] | None = None,
    **rest: Any,
) -> dag.AgGrid:
    """Return a table.

    Args:
        name: its id.
        columns: from `text_column` and `number_column`, or AG Grid's own groups of them.
        rows: the rows, field to value.
        height: pixels, for a table that scrolls (and draws only the rows seen); None for one
            as high as its rows, for at most a hundred.
        options: more of AG Grid's options.
        rest: properties of `dash_ag_grid.AgGrid`, such as ``columnSize``.
    """
    return dag.AgGrid(
        id=name,
        columnDefs=[dict(column) for column in columns],
        rowData=[dict(row) for row in rows],
        defaultColDef={"resizable": True, "sortable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "suppressCellFocus": False,
            "ensureDomOrder": True,
            "tooltipShowDelay": 200,
            **({"domLayout": "autoHeight"} if height is None else {}),
            **(options or {}),
        },
        style={"height": height, "width": "100%"},
        **rest,
    )

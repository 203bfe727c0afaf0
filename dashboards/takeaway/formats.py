"""The formats in which things are taken away."""

from __future__ import annotations

FORMATS = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "html": "text/html",
    "csv": "text/csv",
}
"""Format of a figure to its media type."""

BEST_ENDINGS = {"yaml": "yaml", "json": "json", "csv": "csv", "toml": "toml", "tex": "latex"}
"""Ending of a file of best cells to the format of the command line."""

"""Writes exported results as text, in the formats of an export, and to files never half written."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sweeps.errors import SweepError
from sweeps.export_latex import format_latex
from sweeps.export_toml import format_toml
from sweeps.wording import suggestion

EXPORT_FORMATS = ("yaml", "json", "csv", "toml", "latex")


def format_export(result: Mapping[str, Any], format: str = "yaml") -> str:
    """Write an export as text.

    Args:
        result: what :func:`sweeps.export.export_best` returns.
        format: ``yaml``; ``json``; ``csv``: one row a (sweep, loss), nested keys joined by
            dots, lists as JSON, a missing value as nothing, ``snippet`` and
            ``provenance.spec`` left out; ``toml``: see
            :func:`sweeps.export_toml.format_toml`; ``latex``: a table of the chosen cells, see
            :func:`sweeps.export_latex.format_latex`.

    Returns:
        Text that ends in a newline. YAML and JSON read back to an equal ``result``.

    Raises:
        SweepError: the format is unknown.
    """
    if format == "json":
        return json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "yaml":
        return yaml.safe_dump(
            dict(result), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
        )
    if format == "csv":
        return _format_csv([_flatten(_tabular(row)) for row in result["results"]])
    if format == "toml":
        return format_toml(result)
    if format == "latex":
        return format_latex(result["results"])
    raise SweepError(f"Unknown format {format!r}. {suggestion(format, EXPORT_FORMATS)}")


def _tabular(row: Mapping[str, Any]) -> dict[str, Any]:
    """A result without its snippet and its spec, which say again what other columns say."""
    rest = {key: value for key, value in row.items() if key != "snippet"}
    if "provenance" in rest:
        rest["provenance"] = {k: v for k, v in row["provenance"].items() if k != "spec"}
    return rest


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flatten(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            flat[f"{prefix}{key}"] = json.dumps(item, ensure_ascii=False, allow_nan=False)
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def _format_csv(rows: list[dict[str, Any]]) -> str:
    columns: dict[str, list[str]] = {}
    for row in rows:
        for name in row:
            columns.setdefault(name.split(".", 1)[0], [])
            if name not in columns[name.split(".", 1)[0]]:
                columns[name.split(".", 1)[0]].append(name)
    # Losses differ in their hyperparameters: grouped by top-level key, they stay side by side.
    names = [name for group in columns.values() for name in group]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_export(result: Mapping[str, Any], path: str | Path, format: str = "yaml") -> Path:
    """Write an export to a file, whole or not at all.

    Args:
        result: what :func:`sweeps.export.export_best` returns.
        path: the file; replaced when it is there. Its folder must exist.
        format: see :func:`format_export`.

    Returns:
        The path.

    Raises:
        SweepError: the format is unknown or the file cannot be written; an older file stays.
    """
    text = format_export(result, format)
    write_text(Path(path), text)
    return Path(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Args:
        path: the file; a device or a pipe (``/dev/stdout``) is written to directly.

    Raises:
        SweepError: the file cannot be written; an older file stays as it was.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        # Through a link to the file itself: replacing the link would leave its target behind.
        target = path.resolve()
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise SweepError(
            f"{path} must be writable, but got: {error.strerror or error}. "
            "Choose another place for the file."
        ) from error

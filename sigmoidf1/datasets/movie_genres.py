"""Genres of films from what Wikidata says of them: the built-in real text dataset."""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.errors import InputError

_HOW = (
    "dataset 'movie_genres' needs the package bokeh-sampledata, which is not installed. "
    "Run: pip install sigmoidf1-sweeps[demo]"
)

_QUERY = """
    SELECT ID, Title, Year, Director, "Cast", Country, Language, Runtime, Genre
    FROM omdb WHERE Genre <> '' ORDER BY ID
"""

LEADING_CAST = 4
"""How many names of the cast, as listed, go into a film's text."""


def find_database() -> Path | None:
    """Return where the package bokeh-sampledata keeps movies.db; None if it is not installed."""
    # The package's own modules are not imported: some of them need pandas or the network.
    spec = importlib.util.find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_data" / "movies.db"
    return path if path.is_file() else None


def missing() -> str | None:
    """Return how to get the data; None if they are at hand."""
    return None if find_database() else _HOW


def describe_film(
    title: str,
    year: int | None,
    director: str | None,
    cast: str | None,
    country: str | None,
    language: str | None,
    runtime: float | None,
) -> str:
    """Return one film's text; what is unknown is left out.

    Example:
        >>> describe_film("Alien", 1979, "Ridley Scott", "", "United Kingdom", "English", 116.0)
        'Alien (1979). Directed by Ridley Scott. United Kingdom. English. 116 minutes.'
    """
    parts = [f"{title} ({year})" if year else title]
    if director:
        parts.append(f"Directed by {director}")
    if cast:
        parts.append("With " + ", ".join(cast.split(", ")[:LEADING_CAST]))
    parts += [part for part in (country, language) if part]
    if runtime:
        parts.append(f"{runtime:g} minutes")
    return ". ".join(parts) + "."


def read(options: Mapping[str, Any]) -> Examples:
    """Read all films that have a genre, in the order of their ids.

    Raises:
        InputError: if the package is not installed or its file cannot be read.
    """
    path = find_database()
    if path is None:
        raise InputError(_HOW)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_QUERY).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"movies.db must be a readable SQLite file with the table omdb, but {path} is not "
            f"({error}). Reinstall the package bokeh-sampledata."
        ) from error
    genres = [{name.strip() for name in row[-1].split(",")} - {""} for row in rows]
    labels = sorted(set().union(*genres))
    column = {label: index for index, label in enumerate(labels)}
    targets = np.zeros((len(rows), len(labels)), dtype=np.uint8)
    for row, names in enumerate(genres):
        targets[row, [column[name] for name in names]] = 1
    return Examples(
        ids=[str(row[0]) for row in rows],
        inputs=[describe_film(*row[1:-1]) for row in rows],
        targets=targets,
        labels=labels,
        notes={"source": "bokeh-sampledata movies.db, table omdb (Wikidata, CC0)"},
    )


SOURCE = DatasetSource(
    name="movie_genres",
    modality="text",
    summary="Film genres from title, year, director, cast, country, language and runtime "
    "(Wikidata, CC0; 17,029 films, 21 genres)",
    read=read,
    missing=missing,
    min_examples=100,
    drop_unlabelled=True,
    stratified=False,
)

"""Reads what a head is to label: texts, images, or ready features, from files or standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sigmoidf1.datasets.base import check_embeddings
from sigmoidf1.datasets.reading.arrays import load_arrays
from sigmoidf1.datasets.reading.files import decode, read_bytes
from sigmoidf1.datasets.reading.images import SUFFIXES, ImageFolder, inspect_image
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.datasets.reading.tables import Table, read_csv, read_json_lines
from sigmoidf1.errors import InputError

STANDARD_INPUT = "-"
_CSV, _JSON = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json")
_FEATURES = (".npz", ".npy", ".safetensors")
_TEXT_COLUMN = "text"


@dataclass(frozen=True, eq=False)
class PredictionInputs:
    """What is to be labelled.

    Attributes:
        names: where each of N inputs came from: ``films.csv:3``, or an image's path.
        inputs: N texts or image paths; None for ready features.
        embeddings: (N, D) float32 ready features; None otherwise.
        skipped: one line for each input that was left out.
    """

    names: list[str]
    inputs: list[str] | None
    embeddings: np.ndarray | None
    skipped: list[str]


class _Problems(Problems):
    """Problems whose advice is this command's."""

    def report(self, problem: str, fix: str) -> None:
        try:
            super().report(problem, fix)
        except InputError as error:
            advice = str(error).replace("set data.on_error to skip", "pass --on-error skip")
            raise InputError(advice) from None


def read_inputs(
    sources: Sequence[str],
    texts: Sequence[str],
    *,
    modality: str,
    column: str | None = None,
    skip_bad: bool = False,
) -> PredictionInputs:
    """Read inputs from files, folders, standard input and texts given directly.

    Args:
        sources: files, folders of images, or ``-`` for standard input, one text a line.
        texts: texts given directly.
        modality: what the head embeds: ``text``, ``image`` or ``features``. Files of ready
            features (npz, npy, safetensors) suit every head.
        column: of a CSV or JSON lines file; None takes ``text``, or the only one.
        skip_bad: leave unreadable lines and images out instead of refusing them.

    Raises:
        InputError: there is nothing to label, or a source is missing, broken or of another kind.
    """
    if not sources and not texts:
        raise InputError(
            "there must be something to label, but got nothing. Name a file, a folder of images, "
            "or - for standard input."
        )
    features = [s for s in sources if Path(s).suffix.lower() in _FEATURES]
    if features:
        if len(sources) + len(texts) > 1:
            raise InputError(
                f"a file of features must come alone, but {features[0]} came with others. "
                "Label one file at a time."
            )
        values = _read_features(Path(features[0]))
        names = [f"{features[0]}:{row}" for row in range(1, len(values) + 1)]
        return PredictionInputs(names, None, values, [])
    if modality == "features":
        raise InputError(
            "the head was trained on ready features, but got "
            f"{(sources or ['a text'])[0]}. Give it an .npz, .npy or .safetensors file of them."
        )
    if texts and modality != "text":
        raise InputError("the head labels images, but got a text. Name image files or folders.")
    problems = _Problems("skip" if skip_bad else "stop")
    names = [f"text {place}" for place in range(1, len(texts) + 1)]
    inputs = list(texts)
    for source in sources:
        found = (
            _read_texts(source, column, problems)
            if modality == "text"
            else _find_images(Path(source), problems)
        )
        names += [name for name, _ in found]
        inputs += [value for _, value in found]
    skipped = problems.summary()
    if not inputs:
        first = f" (skipped: {skipped['problems'][0]})" if skipped["count"] else ""
        raise InputError(f"there must be something to label, but {sources[0]} holds none{first}.")
    return PredictionInputs(names, inputs, None, list(skipped["problems"]))


def _read_texts(source: str, column: str | None, problems: Problems) -> list[tuple[str, str]]:
    path = Path(source)
    if source == STANDARD_INPUT:
        return _lines("-", sys.stdin.read())
    if path.is_dir():
        raise InputError(f"texts must be in a file, but {path} is a folder. Name its files.")
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() in _CSV:
        return _column(read_csv(path, problems), column, problems)
    if ending.lower() in _JSON:
        return _column(read_json_lines(path, problems), column, problems)
    if ending.lower() in SUFFIXES:
        raise InputError(f"the head labels texts, but {path} is an image. Name a file of texts.")
    try:
        return _lines(source, decode(read_bytes(path), path, None))
    except Unusable as error:
        raise InputError(f"texts must be in a readable file, but {error}. Correct it.") from error


def _lines(source: str, text: str) -> list[tuple[str, str]]:
    # Not splitlines(): a text may hold other line ends of Unicode.
    lines = text.replace("\r\n", "\n").split("\n")
    return [
        (f"{source}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()
    ]


def _column(table: Table, column: str | None, problems: Problems) -> list[tuple[str, str]]:
    name = column or (table.columns[0] if len(table.columns) == 1 else _TEXT_COLUMN)
    if name not in table.columns:
        raise InputError(
            f"--column must be one of {', '.join(table.columns) or 'none'} in {table.path}, but "
            f"got {name!r}. Name the column of the texts."
        )
    found = []
    for number, row in table.rows:
        value = row.get(name)
        if not isinstance(value, str):
            problems.report(
                f"every {name} must be a text, but that of {table.place(number)} is {value!r}",
                "Correct it",
            )
            continue
        found.append((f"{table.path}:{number}", value))
    return found


def _find_images(path: Path, problems: Problems) -> list[tuple[str, str]]:
    if path.is_dir():
        paths = [path / name for name in ImageFolder(path).names()]
    elif path.suffix.lower() in SUFFIXES or path.is_file():
        paths = [path]
    else:
        raise InputError(f"images must be files or a folder of them, but {path} is not there.")
    found = []
    for one in paths:
        _, wrong = inspect_image(str(one))
        if wrong is not None:
            problems.report(
                f"every image must be a whole, readable image file, but {one} {wrong}",
                "Remove it",
            )
            continue
        found.append((str(one), str(one)))
    return found


def _read_features(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return check_embeddings(_load_npy(path), str(path))
    options = {"format": "auto", "targets": None, "labels": None, "test": None, "root": None}
    arrays = load_arrays(path, options)
    chosen = "X" if "X" in arrays else None
    if chosen is None and len(arrays) == 1:
        chosen = next(iter(arrays))
    if chosen is None:
        raise InputError(
            f"features must be the array X (N, D), but {path} holds {', '.join(arrays)}. Rename it."
        )
    return check_embeddings(arrays[chosen], f"{chosen} of {path}")


def _load_npy(path: Path) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"features must be a whole .npy file of a plain array, but {path} is not there or is "
            "none. Write it with numpy.save from an array of numbers."
        ) from error
    if not isinstance(loaded, np.ndarray):
        raise InputError(f"features must be one array, but {path} is an archive. Name it .npz.")
    return loaded

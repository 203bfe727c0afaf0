"""arXiv papers of a year and their categories, streamed from the Kaggle snapshot."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np

from sigmoidf1.datasets.base import DatasetSource, Examples, StoredTexts
from sigmoidf1.datasets.common_options import ROOT
from sigmoidf1.datasets.reading.files import find_folder
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.datasets.reading.tables import parse_object
from sigmoidf1.errors import InputError
from sigmoidf1.options import Option
from sigmoidf1.splits import hash_order

_FILES = ("arxiv-metadata-oai-snapshot.json", "arxiv-metadata-oai.json", "arxiv-metadata.jsonl")
_YEAR = re.compile(r"\b(19|20)\d\d\b")
_LINE_BYTES = 16 * 2**20

HOW = (
    "Download the arXiv dataset (Cornell-University/arxiv) from Kaggle, unpack "
    "arxiv-metadata-oai-snapshot.json (JSON lines, 4 GB and more), and set data.root to the "
    "folder that holds it."
)


class Abstracts(StoredTexts):
    """Abstracts that stay in the snapshot; only their places are in memory.

    Args:
        path: the snapshot.
        offsets: int64 (N,): where each paper's line begins.
        with_title: whether a text begins with the paper's title.
    """

    def __init__(self, path: Path, offsets: np.ndarray, *, with_title: bool) -> None:
        self._path = path
        self._offsets = offsets
        self._with_title = with_title

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return list(self.take(np.arange(len(self))[index]))
        return next(self._read(self._offsets[[index]]))

    def __iter__(self) -> Iterator[str]:
        return self._read(self._offsets)

    def take(self, rows: np.ndarray) -> Abstracts:
        """Return the abstracts of these rows, in their order."""
        return Abstracts(self._path, self._offsets[rows], with_title=self._with_title)

    def _read(self, offsets: np.ndarray) -> Iterator[str]:
        with self._path.open("rb") as file:
            for offset in offsets:
                file.seek(int(offset))
                try:
                    yield describe_paper(json.loads(file.readline()), with_title=self._with_title)
                except (ValueError, Unusable) as error:
                    raise InputError(
                        f"a snapshot must not change while it is used, but {self._path} did. "
                        "Start again."
                    ) from error


def describe_paper(paper: Mapping[str, Any], *, with_title: bool) -> str:
    """Return a paper's text, its line breaks turned into spaces.

    Raises:
        Unusable: if it has no abstract.

    Example:
        >>> describe_paper({"title": "On cats", "abstract": "  We\\n pet. "}, with_title=True)
        'On cats. We pet.'
    """
    abstract = paper.get("abstract")
    if not isinstance(abstract, str):
        raise Unusable("it has no abstract")
    text = " ".join(abstract.split())
    title = " ".join(str(paper.get("title") or "").split())
    return f"{title}. {text}" if with_title and title else text


def year_of(paper: Mapping[str, Any], date: str) -> int:
    """Return the year of a paper's first version (`first_version`) or update (`update`).

    Raises:
        Unusable: if it has no such date.
    """
    written: object = paper.get("update_date")
    if date == "first_version":
        versions = paper.get("versions")
        first = versions[0] if isinstance(versions, list) and versions else None
        written = first.get("created") if isinstance(first, dict) else None
    found = _YEAR.search(written) if isinstance(written, str) else None
    if found is None:
        raise Unusable(f"its date of {date.replace('_', ' ')} is {written!r}")
    return int(found.group())


def read(options: Mapping[str, Any]) -> Examples:
    """Stream the snapshot once, and keep of each chosen paper its id, place and categories.

    Raises:
        InputError: if the file is missing or lines are broken (unless skipped).
    """
    problems = Problems(options["on_error"])
    files = (options["file"],) if options["file"] else _FILES
    folder = find_folder(options["root"], (".", "arxiv"), files, how=HOW)
    path = next(folder / name for name in files if (folder / name).exists())
    ids: list[str] = []
    seen: set[str] = set()
    # Arrays, not objects: a million papers with an object each would not fit into 500 MiB.
    offsets, ends, numbers = array("q"), array("q", [0]), array("i")
    codes: dict[str, int] = {}
    n_papers = 0
    for number, offset, line in _lines(path):
        try:
            paper = parse_object(line.decode())
            n_papers += 1
            if year_of(paper, options["date"]) != options["year"]:
                continue
            describe_paper(paper, with_title=False)
            name, categories = _id_and_categories(paper, options["categories"])
            if name in seen:
                raise Unusable(f"its id {name!r} occurred before")
        except (Unusable, UnicodeDecodeError) as error:
            problems.report(
                "every line must be a paper's JSON object, but line "
                f"{number} of {path} is not ({error})",
                "Correct the line or download the file again",
            )
            continue
        seen.add(name)
        ids.append(name)
        offsets.append(offset)
        numbers.extend(codes.setdefault(category, len(codes)) for category in categories)
        ends.append(len(numbers))
    del seen
    rows = np.arange(len(ids))
    if options["limit"] is not None and options["limit"] < len(ids):
        # Before targets are made, as `assemble` would do it after.
        drawn = hash_order(ids, seed=options["split_seed"], purpose="limit")
        rows = np.sort(drawn[: options["limit"]])
    labels = sorted(codes)
    place = {label: column for column, label in enumerate(labels)}
    column_of = np.array([place[name] for name in codes], dtype=np.int64)
    targets = np.zeros((len(rows), len(labels)), dtype=np.uint8)
    for target, row in zip(targets, rows.tolist(), strict=True):
        target[column_of[numbers[ends[row] : ends[row + 1]]]] = 1
    return Examples(
        ids=[ids[row] for row in rows.tolist()],
        inputs=Abstracts(
            path,
            np.array(offsets, dtype=np.int64)[rows],
            with_title=options["text"] == "title_abstract",
        ),
        targets=targets,
        labels=labels,
        problems=problems,
        notes={"source": str(path), "n_papers": n_papers, "n_of_year": len(ids)},
    )


def _id_and_categories(paper: Mapping[str, Any], which: str) -> tuple[str, list[str]]:
    name, categories = paper.get("id"), paper.get("categories")
    if isinstance(categories, list):  # early snapshots had a list of one text
        categories = " ".join(map(str, categories))
    if not isinstance(name, str) or not name:
        raise Unusable(f"its id is {name!r}")
    if not isinstance(categories, str):
        raise Unusable(f"its categories are {categories!r}")
    names = categories.split()
    return name, names[:1] if which == "primary" else names


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number, place and bytes of each line that is not blank."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(
            f"the snapshot must be readable, but {path} is not ({error.strerror}). {HOW}"
        ) from error
    with file:
        offset, number = 0, 0
        while line := file.readline(_LINE_BYTES):
            number += 1
            start, offset = offset, offset + len(line)
            if len(line) == _LINE_BYTES:
                raise InputError(
                    f"the snapshot must have one paper a line, but line {number} of {path} has "
                    f"more than {_LINE_BYTES // 2**20} MiB. {HOW}"
                )
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
                start = offset - len(line)
            if line.strip():
                yield number, start, line


SOURCE = DatasetSource(
    name="arxiv2020",
    modality="text",
    summary="Abstracts and categories of arXiv papers of one year, streamed from the Kaggle "
    "snapshot; data.limit takes a seeded subset",
    read=read,
    options=(
        ROOT,
        Option(
            name="file",
            kind="str",
            description="the snapshot's file name, where it is not the usual one",
            nullable=True,
        ),
        Option(
            name="year",
            kind="int",
            description="the year of the papers",
            default=2020,
            minimum=1986,
            maximum=2100,
        ),
        Option(
            name="date",
            kind="str",
            description="what makes a paper one of that year: its first version or its last update",
            default="first_version",
            choices=("first_version", "update"),
        ),
        Option(
            name="text",
            kind="str",
            description="what is embedded",
            default="abstract",
            choices=("abstract", "title_abstract"),
        ),
        Option(
            name="categories",
            kind="str",
            description="all categories of a paper, or its primary one alone",
            default="all",
            choices=("all", "primary"),
        ),
    ),
    min_examples=1000,
    drop_unlabelled=True,
    get=HOW,
)

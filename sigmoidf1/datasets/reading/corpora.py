"""Corpora of PubMed abstracts whose sentences carry paths of a taxonomy as labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sigmoidf1.datasets.base import Examples
from sigmoidf1.datasets.reading.files import InsideFolder, find_folder, read_text
from sigmoidf1.datasets.reading.labels import clean_name, make_targets
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.options import Option

EMPTY_NAME = "(empty)"
"""What the class is called that the authors' parsing leaves without a name."""

OPTIONS = (
    Option(
        name="hierarchy",
        kind="str",
        description="nodes: every node of a path is a class, by its own name; paths: by its "
        "whole path; leaves: only the last node of each path",
        default="nodes",
        choices=("nodes", "paths", "leaves"),
    ),
    Option(
        name="parsing",
        kind="str",
        description="plain: as the corpus means it; authors: as the paper's published code "
        "splits and cuts the names, with its own rare-class rule before the cut",
        default="plain",
        choices=("plain", "authors"),
    ),
)

_STEPS = (("< ", ""), ("<", "|"), ("--", "|"), (" AND", "|"), ("| ", "|"), ("||", "|"))


def read_corpus(
    options: Mapping[str, Any], *, folders: tuple[str, ...], how: str, tidy: Callable[[str], str]
) -> Examples:
    """Read `text/PMID.txt` and `labels/PMID.txt`, one example a document.

    A text file has one sentence a line. A label file has a `<` before each sentence's part,
    in it paths joined by ` AND`, in these nodes joined by `--`; `NULL` and empty parts are no
    label. A document has the labels of all its sentences.

    Args:
        options: `root`, `hierarchy`, `parsing`, `min_examples` and `on_error`.
        folders: where the corpus may lie under `root`.
        how: how to get it.
        tidy: with the authors' parsing, what their code does to each name at the end.
    """
    problems = Problems(options["on_error"])
    folder = find_folder(options["root"], folders, ("labels",), how=how)
    find_folder(str(folder), (".",), ("text",), how=how)
    texts = {path.stem: path for path in sorted((folder / "text").glob("*.txt"))}
    marks = {path.stem: path for path in sorted((folder / "labels").glob("*.txt"))}
    for name in sorted(marks.keys() - texts.keys()):
        problems.report(
            f"every label file must have its text, but {marks[name]} has no {folder}/text/"
            f"{name}.txt",
            "Restore the text or remove the label file",
        )
    inside = InsideFolder(folder)
    ids, documents, annotations = [], [], []
    for name, path in texts.items():
        if name not in marks:
            problems.report(
                f"every text must have its label file, but {path} has no "
                f"{folder}/labels/{name}.txt",
                "Restore the label file or remove the text",
            )
            continue
        try:
            text = " ".join(read_text(inside.locate(f"text/{path.name}")).split())
            annotation = read_text(inside.locate(f"labels/{path.name}"))
            parse_paths(annotation)
        except Unusable as error:
            problems.report(
                f"the files of a document must be readable text, but {error}", "Restore them"
            )
            continue
        ids.append(name)
        documents.append(text)
        annotations.append(annotation)
    if options["parsing"] == "authors":
        names = parse_as_authors(annotations, options["min_examples"], tidy)
    else:
        names = _merge_spellings(
            [_names(parse_paths(annotation), options["hierarchy"]) for annotation in annotations]
        )
    targets, labels = make_targets(names)
    return Examples(
        ids=ids,
        inputs=documents,
        targets=targets,
        labels=labels,
        problems=problems,
        notes={"source": str(folder)},
    )


def parse_paths(annotation: str) -> list[list[str]]:
    """Return the distinct paths of a label file, each a list of node names.

    Raises:
        Unusable: if a name holds control characters.

    Example:
        >>> parse_paths("< <Death--Apoptosis AND Energy--< NULL")
        [['Death', 'Apoptosis'], ['Energy']]
    """
    paths: dict[tuple[str, ...], None] = {}
    for part in " ".join(annotation.split()).split("<"):
        for path in part.split(" AND"):
            nodes = tuple(clean_name(node) for node in path.split("--"))
            named = tuple(node for node in nodes if node not in ("", "NULL"))
            if named:
                paths[named] = None
    return [list(path) for path in paths]


def parse_as_authors(
    annotations: Sequence[str], min_examples: int, tidy: Callable[[str], str]
) -> list[set[str]]:
    """Return each document's class names as the paper's published code finds them.

    Its text replacements join the last path of a sentence with the first of the next labelled
    one (`Invasion Activating invasion and metastasis`); names of fewer than `min_examples`
    documents are dropped; then `tidy` cuts the names that are left.

    Args:
        annotations: the label files' contents.
        min_examples: the paper's b, 10 for these corpora.
        tidy: what the code does to each name at the end.
    """
    rows = []
    for annotation in annotations:
        text = annotation.strip("\n")
        for old, new in _STEPS:
            text = text.replace(old, new)
        if text:
            text = text[0].strip(" |") + text[1:]
        if text:
            text = text[:-1] + text[-1].strip(" |")
        rows.append(text.split("|"))
    counts = Counter(name for row in rows for name in set(row))
    names = []
    for row in rows:
        kept = [name for name in row if counts[name] >= min_examples]
        # The code drops documents left with one empty name alone, and keeps others' empty names.
        tidied = set() if kept in ([], [""]) else {tidy(name) for name in kept}
        names.append({name or EMPTY_NAME for name in tidied})
    return names


def _names(paths: Iterable[list[str]], hierarchy: str) -> set[str]:
    if hierarchy == "leaves":
        return {path[-1] for path in paths}
    if hierarchy == "paths":
        return {"--".join(path[: end + 1]) for path in paths for end in range(len(path))}
    return {node for path in paths for node in path}


def _merge_spellings(names: list[set[str]]) -> list[set[str]]:
    """Make names that differ in case alone one, under the spelling that occurs most."""
    counts = Counter(name for row in names for name in row)
    spelling: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        spelling.setdefault(name.casefold(), name)
    return [{spelling[name.casefold()] for name in row} for row in names]


def corpus_folder(base: str) -> tuple[str, ...]:
    """Return where a corpus may lie under the root, as unpacked from a repository archive."""
    return (".", base, f"{base}-master", f"{base}-main")

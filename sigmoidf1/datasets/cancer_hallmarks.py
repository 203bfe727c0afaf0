"""Hallmarks of cancer in PubMed abstracts (Baker et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import ROOT
from sigmoidf1.datasets.reading.corpora import OPTIONS, corpus_folder, read_corpus

HOW = (
    "Download the repository sb895/Hallmarks-of-Cancer from GitHub, unpack it, and set data.root "
    "to its folder, which holds text/PMID.txt and labels/PMID.txt (1,852 of each)."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read the corpus as published.

    Raises:
        InputError: if the folder is missing, or files are (unless skipped).
    """
    return read_corpus(options, folders=corpus_folder("Hallmarks-of-Cancer"), how=HOW, tidy=tidy)


def tidy(name: str) -> str:
    """Cut a name before its second capital letter, as the paper's code does.

    Example:
        >>> tidy("Invasion Activating invasion and metastasis"), tidy("DNA damage")
        ('Invasion', '')
    """
    name = name.replace("NULL", "").strip()
    cut = next((place for place, c in enumerate(name) if place > 0 and c.isupper()), None)
    return name if cut is None else name[: cut - 1]


SOURCE = DatasetSource(
    name="cancer_hallmarks",
    modality="text",
    summary="Hallmarks of cancer in PubMed abstracts, sentence labels joined to documents "
    "(1,852 texts, 35 classes)",
    read=read,
    options=(ROOT, *OPTIONS),
    min_examples=10,
    drop_unlabelled=True,
    get=HOW,
)

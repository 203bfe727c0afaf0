"""Chemical exposure information in PubMed abstracts (Larsson et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigmoidf1.datasets.base import DatasetSource, Examples
from sigmoidf1.datasets.common_options import ROOT
from sigmoidf1.datasets.reading.corpora import OPTIONS, corpus_folder, read_corpus

HOW = (
    "Download the repository sb895/chemical-exposure-information-corpus from GitHub, unpack it, "
    "and set data.root to its folder, which holds text/PMID.txt and labels/PMID.txt (3,661 of "
    "each)."
)


def read(options: Mapping[str, Any]) -> Examples:
    """Read the corpus as published.

    Raises:
        InputError: if the folder is missing, or files are (unless skipped).
    """
    folders = corpus_folder("chemical-exposure-information-corpus")
    return read_corpus(options, folders=folders, how=HOW, tidy=tidy)


def tidy(name: str) -> str:
    """Cut a name that the next sentence's `Biomonitoring` was joined to, as the paper's code does.

    Example:
        >>> tidy("cord blood Biomonitoring"), tidy(" Biomonitoring"), tidy("biomonitoring")
        ('cord blood', 'Biomonitoring', 'biomonitoring')
    """
    return name.strip().removesuffix(" Biomonitoring").strip()


SOURCE = DatasetSource(
    name="chemical_exposure",
    modality="text",
    summary="Chemical exposure in PubMed abstracts, sentence labels joined to documents "
    "(3,661 texts, 37 classes)",
    read=read,
    options=(ROOT, *OPTIONS),
    min_examples=10,
    drop_unlabelled=True,
    get=HOW,
)

"""The options that every dataset has, and those that many share."""

from __future__ import annotations

from sigmoidf1.options import Option

ROOT = Option(
    name="root",
    kind="path",
    description="the folder of the dataset as it was downloaded",
    nullable=True,
)
CHECK_FILES = Option(
    name="check_files",
    kind="bool",
    description="read every image once before embedding: finds missing and broken files and "
    "byte-identical copies; false tells images apart by path, size and time",
    default=True,
)
IMAGES = Option(
    name="images",
    kind="path",
    description="the folder of the images, where it is not the usual one",
    nullable=True,
)


def common_options(
    *, modality: str, min_examples: int, drop_unlabelled: bool, stratified: bool
) -> tuple[Option, ...]:
    """Return what every dataset understands, with one dataset's defaults.

    Args:
        modality: of the dataset; those that may hold images also get `check_files`.
        min_examples: default of the rarity threshold b.
        drop_unlabelled: whether examples left without any class are dropped by default.
        stratified: whether splits that are not official are stratified by default.
    """
    files = (CHECK_FILES,) if "image" in modality else ()
    return (
        *files,
        Option(
            name="limit",
            kind="int",
            description="keep this many examples, chosen by hash of id and split_seed, "
            "before rare classes are dropped",
            nullable=True,
            minimum=2,
        ),
        Option(
            name="min_examples",
            kind="int",
            description="drop classes with fewer examples than this (the paper's b)",
            default=min_examples,
            minimum=1,
        ),
        Option(
            name="unlabelled",
            kind="str",
            description="what becomes of examples left without any class",
            default="drop" if drop_unlabelled else "keep",
            choices=("keep", "drop", "refuse"),
        ),
        Option(
            name="split",
            kind="str",
            description="official: as the data say; stratified or random: seeded 60/20/20 over "
            "all examples; auto: official where there is one, else "
            + ("stratified" if stratified else "random"),
            default="auto",
            choices=("auto", "official", "stratified", "random"),
        ),
        Option(
            name="split_seed",
            kind="int",
            description="seed of the seeded 60/20/20 split, and of limit",
            default=0,
            minimum=0,
        ),
        Option(
            name="duplicates",
            kind="str",
            description="exact copies of a text or image: together in one split (where official "
            "splits part them, the copies outside the last split are dropped), drop all but "
            "one, or keep them wherever they are",
            default="together",
            choices=("together", "drop", "keep"),
        ),
        Option(
            name="permute_labels",
            kind="int",
            description="seed by which the rows of targets are permuted over all examples: "
            "a null control, in which nothing can be learnt",
            nullable=True,
            minimum=0,
        ),
        Option(
            name="on_error",
            kind="str",
            description="stop at the first bad file, line or value, or skip it, count it and "
            "list it at the end",
            default="stop",
            choices=("stop", "skip"),
        ),
    )

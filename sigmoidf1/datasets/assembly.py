"""From what a dataset's file reads to a checked, limited and split dataset."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from sigmoidf1.datasets.base import (
    Dataset,
    DatasetSource,
    DroppedClassWarning,
    Examples,
    Modality,
    StoredTexts,
)
from sigmoidf1.datasets.contents import Contents, read_contents
from sigmoidf1.datasets.fingerprints import fingerprint_dataset, fingerprint_inputs
from sigmoidf1.datasets.reading.labels import clean_name
from sigmoidf1.datasets.reading.problems import Problems, Unusable
from sigmoidf1.datasets.splitting import count_positives, find_copies, make_split
from sigmoidf1.errors import InputError
from sigmoidf1.splits import SPLITS, hash_order


def assemble(source: DatasetSource, options: Mapping[str, Any]) -> Dataset:
    """Read a dataset and apply what all datasets have in common, in this order.

    1. `limit` examples are kept, by hash of id and `split_seed`;
    2. every text or image is read once; bad ones stop the run or are left out (`on_error`);
    3. classes with fewer than `min_examples` examples among these are dropped;
    4. examples left without any class are kept, dropped or refused (`unlabelled`);
    5. exact copies are kept together, dropped or left alone (`duplicates`);
    6. the official split is taken, or a seeded 60/20/20 one made over what is left (`split`);
       where the official one has no validation, a seeded quarter of train becomes it;
    7. with `permute_labels`, the rows of targets are permuted over all examples;
    8. classes without a positive training example are dropped, with a warning that names them.

    Args:
        source: where the data come from.
        options: a checked value for each of `source.all_options()`.

    Raises:
        InputError: if the data break a rule or nothing is left of them.
    """
    examples = source.read(options)
    problems = examples.problems or Problems(options["on_error"])
    modality = cast(Modality, examples.modality or source.modality)
    _check_examples(examples, problems)
    n_read = len(examples.ids)
    seed = options["split_seed"]

    if options["limit"] is not None and options["limit"] < n_read:
        chosen = hash_order(examples.ids, seed=seed, purpose="limit")[: options["limit"]]
        # Back to the order of reading, so that it does not depend on the seed.
        examples = _keep_rows(examples, np.sort(chosen))
    contents = read_contents(modality, examples, problems, options.get("check_files", True))
    examples, contents = _keep(examples, contents, contents.usable())
    examples, rare = _drop_rare_classes(examples, options["min_examples"])
    labelled = np.asarray(examples.targets.any(axis=1))
    if options["unlabelled"] == "refuse" and not labelled.all():
        raise InputError(_unlabelled(examples, labelled))
    if options["unlabelled"] == "drop":
        examples, contents = _keep(examples, contents, labelled)
    copies = find_copies(examples, contents, options["duplicates"])
    examples, contents = _keep(examples, contents, copies.kept)
    if len(examples.ids) < 2:
        raise InputError(_nothing_left(len(examples.ids), problems))

    split = make_split(examples, contents, options, stratified=source.stratified)
    if options["permute_labels"] is not None:
        examples = _permute_targets(examples, seed=options["permute_labels"])
    examples, unseen = _drop_unseen_classes(examples, split)

    inputs_fingerprint = fingerprint_inputs(modality, examples, contents)
    return Dataset(
        name=source.name,
        modality=modality,
        ids=examples.ids,
        inputs=examples.inputs,
        embeddings=examples.embeddings,
        targets=examples.targets,
        labels=examples.labels,
        split=split,
        inputs_fingerprint=inputs_fingerprint,
        fingerprint=fingerprint_dataset(inputs_fingerprint, examples, split),
        info={
            "options": dict(options),
            "n_read": n_read,
            **_describe(examples, split),
            "dropped_classes": [*rare, *unseen],
            "duplicates": copies.summary(),
            "skipped": problems.summary(),
            **examples.notes,
        },
    )


def _check_examples(examples: Examples, problems: Problems) -> None:
    """Check what must hold of any examples: distinct names, and one row an example."""
    count = len(examples.ids)
    if count < 2:
        raise InputError(_nothing_left(count, problems))
    for what, names in (("ids", examples.ids), ("labels", examples.labels)):
        if len(set(names)) < len(names):
            repeated = [name for name, times in Counter(names).items() if times > 1]
            raise InputError(
                f"{what} must be distinct, but {repeated[0]!r} occurs more than once "
                f"({len(repeated)} such). Give each its own name."
            )
    for label in examples.labels:
        try:
            named = clean_name(label)
        except Unusable as error:
            raise InputError(f"{error}. Rename it in the data.") from error
        if not named:
            raise InputError("class names must not be empty, but one is. Name it in the data.")
    if examples.targets.shape != (count, len(examples.labels)):
        raise InputError(
            f"ids, labels and targets must agree, but got {count} ids, {len(examples.labels)} "
            f"labels and targets of shape {examples.targets.shape}. Make targets (ids, labels)."
        )


def _nothing_left(count: int, problems: Problems) -> str:
    skipped = problems.summary()
    first = ""
    if skipped["count"]:
        first = f" {skipped['count']} problems were skipped, the first: {skipped['problems'][0]}."
    return (
        f"a dataset needs at least two examples, but got {count}.{first} "
        "Give it more examples, or raise data.limit."
    )


def _unlabelled(examples: Examples, labelled: np.ndarray) -> str:
    first = examples.ids[int(np.argmin(labelled))]
    return (
        f"every example must have a class, but {int((~labelled).sum())} of {len(labelled)} have "
        f"none, the first of them id {first!r}. Label them, or set data.unlabelled to keep or drop."
    )


def _keep(examples: Examples, contents: Contents, kept: np.ndarray) -> tuple[Examples, Contents]:
    if kept.all():
        return examples, contents
    rows = np.flatnonzero(kept)
    return _keep_rows(examples, rows), contents.take(rows)


def _keep_rows(examples: Examples, rows: np.ndarray) -> Examples:
    return replace(
        examples,
        ids=_take(examples.ids, rows),
        inputs=_take(examples.inputs, rows),
        embeddings=None if examples.embeddings is None else examples.embeddings[rows],
        targets=examples.targets[rows],
        groups=_take(examples.groups, rows),
        split=None if examples.split is None else examples.split[rows],
    )


def _take(values: Any, rows: np.ndarray) -> Any:
    if values is None:
        return None
    if isinstance(values, StoredTexts):
        return values.take(rows)
    return [values[row] for row in rows.tolist()]


def _keep_classes(examples: Examples, kept: np.ndarray) -> Examples:
    if kept.all():
        return examples
    return replace(
        examples,
        targets=np.ascontiguousarray(examples.targets[:, kept]),
        labels=[label for label, keep in zip(examples.labels, kept, strict=True) if keep],
    )


def _drop_rare_classes(
    examples: Examples, min_examples: int
) -> tuple[Examples, list[dict[str, Any]]]:
    counts = examples.targets.sum(axis=0, dtype=np.int64)
    # A class without any example at all is left to the rule on training examples, which warns.
    kept = (counts >= min_examples) | (counts == 0)
    if counts.any() and not (counts >= min_examples).any():
        raise InputError(
            f"at least one class must be left, but none of {len(counts)} has {min_examples} "
            f"examples (the largest has {counts.max()}). "
            "Lower data.min_examples or raise data.limit."
        )
    dropped = [
        {"label": label, "reason": "rare", "examples": int(count)}
        for label, count, keep in zip(examples.labels, counts, kept, strict=True)
        if not keep
    ]
    return _keep_classes(examples, kept), dropped


def _permute_targets(examples: Examples, *, seed: int) -> Examples:
    # By id, not by row: the same permutation whatever order the rows came in.
    receivers = sorted(range(len(examples.ids)), key=examples.ids.__getitem__)
    givers = hash_order(examples.ids, seed=seed, purpose="permute_labels")
    targets = np.empty_like(examples.targets)
    targets[receivers] = examples.targets[givers]
    return replace(examples, targets=targets)


def _drop_unseen_classes(
    examples: Examples, split: np.ndarray
) -> tuple[Examples, list[dict[str, Any]]]:
    counts = examples.targets.sum(axis=0, dtype=np.int64)
    seen = np.asarray(count_positives(examples.targets, split)["train"] > 0)
    if not seen.any():
        raise InputError(
            "at least one class must be left, but none has a positive training example. "
            "Check the targets and the split."
        )
    dropped = [
        {"label": label, "reason": "no positive training example", "examples": int(count)}
        for label, count, keep in zip(examples.labels, counts, seen, strict=True)
        if not keep
    ]
    if dropped:
        names = ", ".join(repr(entry["label"]) for entry in dropped)
        warnings.warn(
            f"dropped {len(dropped)} of {len(counts)} classes, which have no positive training "
            f"example: {names}",
            DroppedClassWarning,
            stacklevel=4,
        )
    return _keep_classes(examples, seen), dropped


def _describe(examples: Examples, split: np.ndarray) -> dict[str, Any]:
    """Return the counts that listings and reports show."""
    sizes = {name: int((split == name).sum()) for name in SPLITS}
    positives = count_positives(examples.targets, split)
    return {
        "n_examples": len(examples.ids),
        "n_classes": len(examples.labels),
        **{f"n_{name}": size for name, size in sizes.items()},
        "labels": list(examples.labels),
        "positives": {name: counts.tolist() for name, counts in positives.items()},
        "labels_per_example": {
            name: float(counts.sum() / sizes[name]) for name, counts in positives.items()
        },
        "n_unlabelled": int((~examples.targets.any(axis=1)).sum()),
    }

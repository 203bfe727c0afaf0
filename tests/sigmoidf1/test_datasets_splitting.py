"""Stratification, groups, copies and examples without labels, as all datasets share them."""

from dataclasses import replace

import numpy as np
import pytest

from sigmoidf1 import datasets
from sigmoidf1.datasets import DatasetSource, Examples, load_dataset, register_dataset
from sigmoidf1.errors import InputError
from sigmoidf1.splits import SPLIT_FRACTIONS, SPLITS, carve_validation, make_units, seeded_split
from sigmoidf1.stratification import stratified_split

COUNT = 1000
IDS = [f"example {number}" for number in range(COUNT)]


def make_targets(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((COUNT, 8)) < [0.6, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01]).astype(np.uint8)


def deviation(targets, split):
    """Return the mean distance of each class's shares from the wanted ones (Sechidis' LD)."""
    shares = np.array([targets[split == name].sum(axis=0) for name in SPLITS]) / targets.sum(axis=0)
    return np.abs(shares - np.array(SPLIT_FRACTIONS)[:, None]).mean()


def test_every_class_gets_its_share():
    targets = make_targets()
    split = stratified_split(targets, make_units(IDS), seed=0)
    sizes = {name: int((split == name).sum()) for name in SPLITS}
    assert sizes == pytest.approx({"train": 600, "validation": 200, "test": 200}, abs=15)
    assert deviation(targets, split) < 0.02
    assert deviation(targets, split) < deviation(targets, seeded_split(IDS, seed=0)) / 3
    for name in SPLITS:
        assert (targets[split == name].sum(axis=0) > 0).all()


def test_a_class_with_one_example_is_in_train():
    targets = make_targets()
    targets[:, 7] = 0
    targets[17, 7] = 1
    assert stratified_split(targets, make_units(IDS), seed=3)[17] == "train"


def test_small_case_by_hand():
    # Class b first (2 positives, wants 1.2/0.4/0.4): x1 then x2 by order; then a, then the rest.
    targets = np.array([[1, 1], [1, 1], [1, 0], [1, 0], [1, 0]], dtype=np.uint8)
    split = stratified_split(targets, make_units(list("vwxyz")), seed=0)
    assert sorted(split.tolist()) == ["test", "train", "train", "train", "validation"]
    assert sorted(split[:2].tolist()) != ["test", "validation"]


def test_neither_row_nor_column_order_changes_a_split():
    targets = make_targets()
    before = dict(zip(IDS, stratified_split(targets, make_units(IDS), seed=1), strict=True))
    rows = np.random.default_rng(5).permutation(COUNT)
    shuffled = [IDS[row] for row in rows]
    after = stratified_split(targets[rows], make_units(shuffled), seed=1)
    assert dict(zip(shuffled, after, strict=True)) == before
    other = dict(zip(IDS, stratified_split(targets, make_units(IDS), seed=2), strict=True))
    assert other != before


def test_units_join_what_shares_a_number_in_any_numbering():
    units = make_units(list("dcbae"), np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3]))
    assert units.number.tolist() == [0, 0, 0, 1, 2]
    assert list(units.names) == ["b", "a", "e"]
    alone = make_units(list("ab"))
    assert alone.number.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["stratified", "random", "carved"])
def test_units_are_never_parted_and_row_order_does_not_matter(kind):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 150, COUNT)
    targets = make_targets()
    official = np.where(groups % 3 == 0, "test", "train")

    def split_of(rows):
        ids = [IDS[row] for row in rows]
        units = make_units(ids, groups[rows])
        if kind == "stratified":
            split = stratified_split(targets[rows], units, seed=0)
        elif kind == "random":
            split = seeded_split(ids, seed=0, units=units)
        else:
            split = carve_validation(ids, official[rows], seed=0, fraction=0.25, units=units)
        return dict(zip(ids, split.tolist(), strict=True))

    split = split_of(np.arange(COUNT))
    for group in range(150):
        assert len({split[IDS[row]] for row in np.flatnonzero(groups == group)}) <= 1
    assert split_of(rng.permutation(COUNT)) == split
    sizes = {name: sum(s == name for s in split.values()) for name in SPLITS}
    assert min(sizes.values()) > 100


def test_as_even_as_the_reference_implementation():
    reference = pytest.importorskip("iterstrat.ml_stratifiers")
    targets = make_targets()
    splitter = reference.MultilabelStratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=0)
    _, test = next(splitter.split(np.zeros((COUNT, 1)), targets))
    wanted = np.abs(targets[test].sum(axis=0) / targets.sum(axis=0) - 0.2).mean()
    ours = stratified_split(targets, make_units(IDS), seed=0) == "test"
    got = np.abs(targets[ours].sum(axis=0) / targets.sum(axis=0) - 0.2).mean()
    assert got <= wanted + 0.01


@pytest.fixture
def toy(monkeypatch):
    """Register a text dataset; returns how to change what it reads."""
    monkeypatch.setattr(datasets, "_sources", {})
    state = {
        "examples": Examples(
            ids=IDS,
            inputs=[f"text {number}" for number in range(COUNT)],
            targets=make_targets(),
            labels=list("abcdefgh"),
        )
    }
    register_dataset(
        DatasetSource(
            name="toy", modality="text", summary="Toy", read=lambda options: state["examples"]
        )
    )

    def change(**changes):
        state["examples"] = replace(state["examples"], **changes)

    return change


def load(**options):
    return load_dataset({"dataset": "toy", **options})


@pytest.mark.usefixtures("toy")
def test_split_kinds():
    stratified, random = load(), load(split="random")
    assert (stratified.split == load(split="stratified").split).all()
    assert (random.split == seeded_split(IDS, seed=0)).all()
    assert (stratified.split != random.split).any()
    with pytest.raises(InputError, match=r"data\.split official needs data that name their split"):
        load(split="official")


def test_an_official_split_is_kept_unless_another_is_asked_for(toy):
    official = np.array(["train"] * 800 + ["test"] * 200)
    toy(split=official)
    assert (load().split[800:] == "test").all()
    assert (load(split="official").split == load().split).all()
    assert (load(split="stratified").split[:800] == "test").any()


def with_copies():
    texts = [f"text {number}" for number in range(COUNT)]
    for number in range(0, 300, 3):
        texts[number + 1] = texts[number]
    return texts


def test_copies_are_reported_and_never_cross_a_seeded_split(toy):
    toy(inputs=with_copies())
    for kind in ("stratified", "random"):
        dataset = load(split=kind)
        assert all(dataset.split[n] == dataset.split[n + 1] for n in range(0, 300, 3))
        assert dataset.info["duplicates"]["n_sets"] == 100
        assert dataset.info["duplicates"]["ids"][0] == ["example 0", "example 1"]
        assert len(dataset.ids) == COUNT
    kept = load(duplicates="keep")
    assert any(kept.split[n] != kept.split[n + 1] for n in range(0, 300, 3))


@pytest.mark.filterwarnings("ignore::sigmoidf1.datasets.DroppedClassWarning")
def test_copies_across_an_official_split_leave_the_earlier_split(toy):
    official = np.array([SPLITS[number % 3] for number in range(COUNT)])
    toy(inputs=with_copies(), split=official)  # copies are in train and validation
    dataset = load()
    assert dataset.info["duplicates"]["n_dropped"] == 100
    assert "example 0" not in dataset.ids
    assert "example 1" in dataset.ids
    assert len(load(duplicates="keep").ids) == COUNT
    dropped = load(duplicates="drop")
    assert "example 0" in dropped.ids
    assert "example 1" not in dropped.ids


def test_groups_stay_together(toy):
    groups = [f"group {number // 10}" for number in range(COUNT)]
    toy(groups=groups)
    for kind in ("stratified", "random"):
        split = load(split=kind).split.reshape(-1, 10)
        assert (split == split[:, :1]).all()
    toy(split=np.array([SPLITS[number % 3] for number in range(COUNT)]))
    with pytest.raises(InputError, match="a group must lie in one split, but group 'group 0'"):
        load()


def test_examples_without_labels_are_kept_dropped_or_refused(toy):
    targets = make_targets()
    targets[5:9] = 0
    toy(targets=targets)
    n_unlabelled = int((~targets.any(axis=1)).sum())
    assert load().info["n_unlabelled"] == n_unlabelled
    assert len(load(unlabelled="drop").ids) == COUNT - n_unlabelled
    with pytest.raises(InputError, match=f"{n_unlabelled} of {COUNT} have none"):
        load(unlabelled="refuse")


def test_empty_texts_stop_or_are_skipped(toy):
    texts = with_copies()
    texts[2] = texts[5] = " \n"
    toy(inputs=texts)
    with pytest.raises(InputError, match="that of example 'example 2' is empty"):
        load()
    dataset = load(on_error="skip")
    assert len(dataset.ids) == COUNT - 2
    assert dataset.info["skipped"]["count"] == 2


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\tb", "a\x00b", "\ud800"])
def test_names_that_nothing_can_show_are_refused(toy, name):
    toy(labels=[*"abcdefg", name])
    with pytest.raises(InputError, match="class names must") as caught:
        load()
    assert "\n" not in str(caught.value)

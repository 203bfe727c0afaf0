import numpy as np
import pytest

from sigmoidf1.splits import carve_validation, hash_order, seeded_split

IDS = [f"film-{number}" for number in range(503)]


def test_seeded_split_has_the_exact_shares():
    split = seeded_split(IDS, seed=0)
    sizes = {name: int((split == name).sum()) for name in ("train", "validation", "test")}
    assert sizes == {"train": 302, "validation": 100, "test": 101}


def test_seeded_split_depends_on_ids_and_seed_alone():
    split = dict(zip(IDS, seeded_split(IDS, seed=3), strict=True))
    shuffled = [IDS[row] for row in np.random.default_rng(0).permutation(len(IDS))]
    assert dict(zip(shuffled, seeded_split(shuffled, seed=3), strict=True)) == split
    assert dict(zip(IDS, seeded_split(IDS, seed=4), strict=True)) != split


def test_seeded_split_is_the_same_on_every_machine():
    # Written down once: a change would silently move test examples into train.
    assert seeded_split(list("abcdefghij"), seed=0).tolist() == GOLDEN


GOLDEN = [
    "train",
    "train",
    "train",
    "train",
    "validation",
    "validation",
    "train",
    "train",
    "test",
    "test",
]


def test_draws_of_different_purpose_are_independent():
    first = hash_order(IDS, seed=0, purpose="limit")[:250]
    second = hash_order(IDS, seed=0, purpose="split")[:250]
    assert 90 < len(set(first.tolist()) & set(second.tolist())) < 160


@pytest.mark.parametrize("name", ["ünïcode", "\ud800", "", "a\0b"])
def test_any_text_is_an_id(name):
    assert sorted(hash_order([name, "other"], seed=0, purpose="split").tolist()) == [0, 1]


def test_carved_validation_is_a_seeded_part_of_train():
    split = np.array(["train"] * 400 + ["test"] * 103)
    carved = carve_validation(IDS, split, seed=0, fraction=0.25)
    assert (carved[400:] == "test").all()
    assert (carved == "validation").sum() == 100
    assert (split == "validation").sum() == 0
    assert (carved != carve_validation(IDS, split, seed=1, fraction=0.25)).any()
